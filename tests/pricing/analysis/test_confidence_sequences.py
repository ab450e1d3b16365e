"""Bounds on a mean that hold however long one looks."""

import random
from collections import Counter
from math import exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.analysis.confidence_sequences import FRACTIONS, log_wealth, lower_bound, upper_bound, values_needed

counts = st.dictionaries(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), st.integers(1, 400), min_size=1)


@given(counts, st.floats(0.01, 0.5))
def test_the_mean_lies_between_its_bounds(values, alpha):
    mean = sum(value * count for value, count in values.items()) / sum(values.values())
    assert -1 <= lower_bound(values, alpha, -1) <= mean <= upper_bound(values, alpha, 1) <= 1


@given(counts, st.floats(-0.9, 0.8), st.floats(0.0, 0.1))
def test_a_higher_figure_is_never_won_more_easily(values, figure, more):
    assert log_wealth(values, figure + more, -1) <= log_wealth(values, figure, -1) + 1e-9


def test_one_value_by_hand():
    stakes = [1 + fraction * (1 - 0) / 1 for fraction in FRACTIONS]
    assert exp(log_wealth({1.0: 1}, 0.0, -1)) == pytest.approx(sum(stakes) / len(stakes))


def test_no_values_bound_nothing():
    assert lower_bound({}, 0.05, -1) == -1
    assert upper_bound({}, 0.05, 1) == 1


def test_looking_after_every_value_errs_no_more_often_than_allowed():
    """Rare losses, which is where bell curves fail: 400 gamblers who look 300 times each."""
    rng, alpha, ruined = random.Random(7), 0.1, 0
    for _ in range(400):
        seen = Counter[float]()
        for _ in range(300):
            seen[-1.0 if rng.random() < 0.03 else 0.0] += 1
            if log_wealth(seen, -0.03, -1) >= log(1 / alpha):
                ruined += 1
                break
    assert 0 < ruined <= 0.1 * 400


def test_how_many_values_it_takes():
    assert values_needed({0.0: 40}, -0.03, -1, 0.05) == pytest.approx(174, abs=3)
    assert values_needed({0.0: 36, -1.0: 4}, -0.03, -1, 0.05) == inf
    needed = values_needed({0.0: 40}, -0.03, -1, 0.05)
    assert log_wealth({0.0: needed}, -0.03, -1) >= log(1 / 0.05)
