"""What a guard says of a text does not depend on the order of sets, which differs from process to process."""

from itertools import permutations
from typing import Any, cast

import pytest

from guardrails.guards.injection_model import LENGTH_FEATURES, Judged, judge, weights
from guardrails.guards.prompt_injection import _kinds
from guardrails.guards.toxicity import InappropriateGuard


async def _nobody(*_: Any) -> Any:
    raise AssertionError("no model is asked")


def test_kinds_of_equal_shares_are_named_in_one_order():
    found = {"drop": 0.1, "prior": 0.2, "reveal": 0.3, "act": 0.1, "be": 0.2, "hidden": 0.0}
    named = {tuple(_kinds(Judged(1.0, 0, 9, dict(order)))) for order in permutations(found.items())}
    assert named == {("orders to ignore instructions", "a role", "asks for the instructions")}


@pytest.mark.parametrize(
    ("written", "word"), [("f*ck", "fuck"), ("fu*k", "fuck"), ("b*****s", "bitches"), ("sh*t", "shit")]
)
def test_of_several_words_the_first_of_the_alphabet_is_named(written: str, word: str):
    guard = InappropriateGuard(cast("Any", _nobody))
    assert {named for *_, named in guard._starred(f"What the {written} is that")} == {word}
    assert list(guard.plain) == sorted(guard.plain)


def test_a_positive_weight_of_the_length_counts_before_a_sentence_is_left_out(monkeypatch: pytest.MonkeyPatch):
    text, signs = "qqxz " * 18, [("urgent", 0, 4)]  # words that weigh nothing
    known = weights()
    length = sum(known[name] for name in LENGTH_FEATURES if len(text) >= int(name[1:]))
    score = known["bias"] + known["=urgent"] + length
    assert length > 0
    monkeypatch.setattr("guardrails.guards.injection_model.LEAST_SCORE", score - length / 2)
    assert judge(text, signs).score == pytest.approx(score)
