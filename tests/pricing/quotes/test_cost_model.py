"""What is learned once from past runs gives what the definition of a quote's amount says, to the last digit."""

import random
from math import ceil, exp, log, sqrt
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.quotes.prediction import CONFORMAL_FROM, WINDOW, CostModel, PastCost, quote_amount

POINT = 12_345_678


def by_definition(past: list[PastCost], level: float) -> float:
    """Of a run as large as all past ones: each step written out, without what saves time."""
    logs = [log(cost) - log(point) for point, cost, _ in past]
    location, runs, variance = fmean(logs[:8]), 8.0, 0.36
    residuals: list[float] = []
    last: list[float] = []
    for now in range(8, len(logs)):
        residual = logs[now] - location
        residuals.append(residual)
        runs = min(runs + 1, 25)
        location += residual / runs
        variance += (min(residual**2, 9 * variance) - variance) / min(now + 1, 60)
        last = [*last[-9:], residual]
        if len(last) == 10 and abs(sum(last)) > 3 * sqrt(10 * variance):
            location, runs, last = fmean(logs[now - 9 : now + 1]), 10.0, []
    adapted = level
    for now in range(max(CONFORMAL_FROM - 8, len(residuals) - WINDOW), len(residuals)):
        before = sorted(residuals[max(0, len(residuals) - 2 * WINDOW, now - WINDOW) : now])
        rank = min(max(ceil(adapted * (len(before) + 1)), 1), len(before))
        step = 0.01 * (level if residuals[now] > before[rank - 1] else level - 1)
        adapted = min(1 - 0.7 * (1 - level), max(0.7 * level, 1 - 2.5 * (1 - level), adapted + step))
    near = sorted(residuals[-WINDOW:])
    rank = min(max(ceil(adapted * (len(near) + 1)), 1), len(near))
    return POINT * exp(location + near[rank - 1])


def walk(seed: int, runs: int, spread: float, jumps: int) -> list[PastCost]:
    """Costs that stay at one level for a while and then jump to another."""
    rng = random.Random(seed)
    levels = [rng.uniform(-2, 2) for _ in range(jumps + 1)]
    return [
        (POINT, POINT * exp(levels[number * (jumps + 1) // runs] + rng.gauss(0, spread)), 5) for number in range(runs)
    ]


@settings(max_examples=25)
@given(
    st.integers(0, 10**6),
    st.sampled_from([59, 66, 120, 308, 359, 420, 600]),
    st.sampled_from([0.0, 0.01, 0.3, 2.0]),
    st.integers(0, 6),
)
def test_one_size_is_as_defined(seed: int, runs: int, spread: float, jumps: int):
    past = walk(seed, runs, spread, jumps)
    model = CostModel(past)
    for level in (0.95, 0.5, 0.8):
        assert model.amount(POINT, 5, level) == by_definition(past, level)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1_000, 40_000, 900_000, 10**9]),
            st.one_of(st.just(0), st.integers(1, 10**10)),
            st.integers(0, 50),
        ),
        max_size=150,
    ),
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 50), st.floats(0.01, 0.99)), min_size=1, max_size=6),
)
def test_a_model_that_was_asked_before_answers_as_a_new_one(past: list[PastCost], asked: list[tuple[int, int, float]]):
    model = CostModel(past)
    for point, calls, level in [*asked, *asked]:
        assert model.amount(point, calls, level) == quote_amount(past, point, calls, level)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_an_amount_that_is_none_is_refused(amount: float):
    for past in ([(amount, 1.0, 1)], [(1.0, amount, 1)]):
        with pytest.raises(ValueError, match="finite"):
            CostModel(past)
    with pytest.raises(ValueError, match="finite"):
        CostModel([]).amount(amount, 1)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5])
def test_a_level_lies_between_0_and_1(level: float):
    with pytest.raises(ValueError, match="level"):
        CostModel([]).amount(1.0, 1, level)
