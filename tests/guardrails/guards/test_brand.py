import random

import pytest

from benchmarks.guard_texts import clean_prose, hostile
from benchmarks.names import NAMES, mutations
from guardrails.base import GuardInput, Reason, Verdict
from guardrails.guards.brand import BrandGuard
from tests.support.effort import assert_cheap

GUARD = BrandGuard(NAMES)


def check(text: str, guard: BrandGuard = GUARD) -> Verdict:
    return guard.check(GuardInput("output", "reply", "assistant", "r", (text,)))


def test_names_are_found_however_they_are_written():
    cases = list(mutations(random.Random(11), 400))
    missed = [text for text, name in cases if check(f"You could use {text} instead.").action == "allow"]
    assert len(missed) <= len(cases) * 0.05, missed[:10]


@pytest.mark.parametrize(
    "text", ["the globe expands", "initial systems", "a tech store", "global exports, zo rb", "No!"]
)
def test_other_words_are_not_names(text):
    assert check(text).action == "allow"


def test_prose_is_left_alone():
    assert check(clean_prose(150_000)).action == "allow"


def test_a_word_of_the_language_needs_its_case_and_its_context():
    guard = BrandGuard(common={"Apple": ("iphone", "mac")})
    assert check("The new Apple iPhone is dear.", guard).reason == Reason.BRAND
    assert check("An apple a day; and a Mac.", guard).action == "allow"
    assert check("Apple pie is good.", guard).action == "allow"


def test_what_is_found_is_sent_back_redacted_or_withheld():
    text = "Take Globexo or G-l-o-b-e-x-o."
    assert check(text).action == "retry"
    redacted = check(text, BrandGuard(("Globexo",), on_find="redact"))
    assert redacted.texts == ("Take […] or […].",)
    assert check(text, BrandGuard(("Globexo",), on_find="block")).action == "block"


@pytest.mark.parametrize("names", [(), ("…",)])
def test_a_guard_without_names_is_refused(names):
    with pytest.raises(ValueError, match="names"):
        BrandGuard(names)


def test_hostile_texts_cost_little():
    texts = hostile() | {"runs": "g " * 50_000, "near": "globex" * 16_000, "dots": "g.l.o.b" * 14_000}
    assert_cheap(check, texts, most=125)
