"""What bills teach about token counts."""

import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from pricing.db.database import Store
from pricing.ledger.facts import Completion, Turn
from pricing.ledger.ledger import Ledger
from pricing.tokens.estimate import NOT_LEARNED, count_tokens, estimate_tokens
from pricing.tokens.factors import Call, TokenFactors, learn_factors
from pricing.usage import Usage
from tasks.sandbox.tokens import count_tokens as finer
from tests.support.ledger import a_run, an_intent

DOCUMENTS = Path(__file__).parents[3] / "docs"
PROSE = ("concepts", "pricing", "providers", "routing", "batches")
"""Texts of one kind, as the prompts of one operation are: terminal output and tables of figures are other kinds."""


def calls(*ratios: float, model: str = "m", operation: str = "o", version: str = "v") -> list[Call]:
    return [Call(model, False, operation, version, round(1000 * ratio), 1000) for ratio in ratios]


def test_three_calls_teach_a_tokenizer_that_counts_a_third_more():
    text = "\n".join((DOCUMENTS / f"{name}.md").read_text("utf-8") for name in PROSE)
    pieces = [text[i : i + 2_000] for i in range(0, len(text) - 2_000, 2_000)]
    dice, guessed, learned, over = random.Random(1), [], [], 0
    for _ in range(200):
        *past, now = dice.sample(pieces, 4)
        factors = TokenFactors(Call("m", False, "o", "v", round(1.3 * finer(p)), estimate_tokens(p)) for p in past)
        factor, billed, counted = factors.of("m", "o", "v", stand_in=False), round(1.3 * finer(now)), count_tokens(now)
        guessed.append(abs(counted.estimate - billed) / billed)
        learned.append(abs(counted.expected(factor) - billed) / billed)
        over += billed > counted.most(factor)
    assert fmean(guessed) > 0.25
    assert fmean(learned) < 0.05
    assert over == 0


def test_a_factor_is_shrunk_toward_what_is_known_of_the_operation_the_model_and_nothing():
    factors = TokenFactors([*calls(1.3), *calls(1.5, 1.5, 1.5, operation="tools")])
    assert 1.3 < factors.of("m", "o", "v", stand_in=False).value < 1.33  # one call against the model's other ones
    assert 1.25 < factors.of("m", "o", "newer", stand_in=False).value < 1.35  # another version: the operation's
    only_model = factors.of("m", "other", stand_in=False)
    assert only_model.calls == 0
    assert 1.4 < only_model.value < 1.5
    assert only_model.margin > 2.5  # good for an estimate; the bound keeps its whole margin
    assert factors.of("another", "o", "v", stand_in=False) is NOT_LEARNED
    assert factors.of("m", "o", "v", stand_in=True) is NOT_LEARNED  # the sandbox's counts teach nothing real


def test_one_odd_call_does_not_move_it_but_widens_the_worst_case():
    usual, odd = TokenFactors(calls(1.0, 1.0, 1.0, 1.0)), TokenFactors(calls(1.0, 1.0, 9.0, 1.0))
    assert odd.of("m", "o", "v", stand_in=False).value == pytest.approx(1.0, abs=0.01)
    assert odd.of("m", "o", "v", stand_in=False).margin > 9 > usual.of("m", "o", "v", stand_in=False).margin


def test_they_are_learned_from_what_was_billed_as_counted(store: Store):
    ledger = Ledger(store)
    run = a_run()
    assert ledger.admit(run, []) == []
    assert learn_factors(ledger).of("m", "summarize", "v1", stand_in=True) is NOT_LEARNED

    def bill(estimated: int | None, completion: Completion) -> None:
        intent = replace(an_intent(run, 1_000), estimated_input=estimated)
        ledger.begin(intent).result()
        ledger.end(intent, completion).result()
        turn = Turn(intent.turn_id, run.run_id, "summarize", "p.j2", "v1", "[]", "answered", None, "t", 1,
                    repaired=False, started_at=0, duration_us=1)  # fmt: skip
        ledger.record_turn(turn).result()

    for _ in range(4):
        bill(100, Completion("ok", Usage(130, 5), 1, "usage", 1))
    bill(None, Completion("ok", Usage(900, 5), 1, "usage", 1))
    bill(100, Completion("timeout", Usage(), 1_000, "worst_case", 1))
    bill(1_000, Completion("context_overflow", Usage(200, 0), 1, "usage", 1))
    factor = learn_factors(ledger).of("m", "summarize", "v1", stand_in=True)
    assert factor.calls == 4
    assert factor.value == pytest.approx(1.3, rel=0.01)
    ledger.close()
