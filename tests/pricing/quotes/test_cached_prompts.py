"""Quotes of steps whose calls share a prompt in a cache: one write and reads, or as many writes as calls, by hand."""

from dataclasses import replace

import pytest

from pricing.quotes.plan import ResolvedPlan, ResolvedStep
from pricing.quotes.quote import CachedPrompt, OperationTargets, expected_cost, make_quote
from pricing.rates import RateCard

HAIKU = ("anthropic", "claude-haiku-5-5")
"""$0.10 and $0.50 per million tokens in and out; a write $0.125, a read $0.01."""
CARD = RateCard.load()
STEP = ResolvedStep("read", calls=40, input_tokens=6_000, output_tokens=100, max_calls=40, max_input_tokens=6_000)
STATIC = 5_000
FRESH, ANSWER = 1_000 * 100, 100 * 500
"""Nano-dollars of a call beside its static part."""
WRITE, READ, PLAIN = STATIC * 125, STATIC * 10, STATIC * 100


@pytest.mark.parametrize(
    ("once", "calls", "static_nano"),
    [
        (True, 40, WRITE + 39 * READ),
        (False, 40, 40 * WRITE),
        (True, 1, WRITE),
        (True, 2, WRITE + READ),
        (True, 0, 0),
    ],
)
def test_by_hand(once: bool, calls: int, static_nano: int):
    step = replace(STEP, calls=calls)
    cached = {HAIKU: CachedPrompt(STATIC, once)}
    assert expected_cost(step, ((HAIKU, 100),), CARD, cached=cached) == static_nano + calls * (FRESH + ANSWER)


def test_what_is_not_cached_and_what_is_longer_than_a_call():
    mix = ((HAIKU, 100),)
    plain = 40 * (PLAIN + FRESH + ANSWER)
    assert expected_cost(STEP, mix, CARD) == plain
    assert expected_cost(STEP, mix, CARD, cached={("openai", "gpt-6-luna"): CachedPrompt(STATIC, True)}) == plain
    whole = expected_cost(STEP, mix, CARD, cached={HAIKU: CachedPrompt(50_000, True)})
    assert whole == 6_000 * 125 + 39 * 6_000 * 10 + 40 * ANSWER


def test_lines_of_a_batch_each_write():
    cached = {HAIKU: CachedPrompt(STATIC, True)}
    batch = expected_cost(STEP, (((*HAIKU, "batch"), 100),), CARD, cached=cached)
    assert batch == 40 * (WRITE + FRESH + ANSWER) // 2


def test_the_ceiling_counts_on_no_cache():
    plan = ResolvedPlan((STEP,))
    targets = OperationTargets(HAIKU, (HAIKU,), max_output=100)
    plain = make_quote(plan, {"read": targets}, CARD)
    shared = make_quote(plan, {"read": replace(targets, cached={HAIKU: CachedPrompt(STATIC, True)})}, CARD)
    assert shared.point < plain.point
    assert shared.ceiling == plain.ceiling == 40 * (6_000 * 125 + ANSWER)
    assert shared.p95 <= shared.ceiling
