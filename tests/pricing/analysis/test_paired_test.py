"""The exact test for one look: its error by enumeration, and what it finds."""

from itertools import product
from math import comb, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.analysis.paired_test import PairedTest, paired_cases_needed, paired_lower_bound


def chance_of(wins: int, losses: int, n: int, win: float, loss: float) -> float:
    ties = n - wins - losses
    return comb(n, wins) * comb(n - wins, losses) * win**wins * loss**losses * max(0.0, 1 - win - loss) ** ties


@pytest.mark.parametrize(("n", "margin", "alpha"), [(25, 0.1, 0.05), (40, 0.05, 0.05), (30, 0.2, 0.01)])
def test_its_error_is_below_the_nominal_one_whatever_the_chances(n: int, margin: float, alpha: float):
    """Every outcome of so many cases, summed by hand."""
    passing = [
        (wins, losses)
        for wins, losses in product(range(n + 1), repeat=2)
        if wins + losses <= n and PairedTest(wins, losses, n, margin).passes(alpha)
    ]
    assert passing
    errors = [
        sum(chance_of(wins, losses, n, win, win + margin + more) for wins, losses in passing)
        for win in (0.0, 0.01, 0.03, 0.08, 0.15, 0.25, 0.35)
        for more in (0.0, 0.02)
        if 2 * win + margin + more <= 1
    ]
    assert max(errors) <= alpha
    assert max(errors) > alpha / 4  # and it is not empty caution


@settings(max_examples=25, deadline=None)
@given(n=st.integers(10, 120), share=st.floats(0, 0.4), lost=st.floats(0, 0.4), margin=st.floats(0.01, 0.3))
def test_one_more_win_or_one_loss_less_never_hurts(n: int, share: float, lost: float, margin: float):
    wins, losses = round(n * share), round(n * lost)
    p = PairedTest(wins, losses, n, margin).p
    if wins + losses < n:
        assert PairedTest(wins + 1, losses, n, margin).p <= p + 1e-6
    if losses:
        assert PairedTest(wins, losses - 1, n, margin).p <= p + 1e-6


def test_without_any_difference_it_is_the_chance_of_no_loss_and_of_what_is_as_good():
    """As good are a few wins more than losses; by hand, at the chance of wins that makes them likeliest."""
    chances = [win / 1000 for win in range(94)]
    as_good = [
        (w, lost)
        for w, lost in product(range(51), repeat=2)
        if PairedTest(w, lost, 100, 0.05).statistic >= PairedTest(0, 0, 100, 0.05).statistic - 1e-9
    ]
    by_hand = max(sum(chance_of(w, lost, 100, win, win + 0.05) for w, lost in as_good) for win in chances)
    assert PairedTest(0, 0, 100, 0.05).p == pytest.approx(by_hand, abs=2e-4)
    assert by_hand > 0.95**100


def test_it_passes_where_always_looking_does_not():
    """Five points better, at a margin of three, on 150 cases."""
    from math import log

    from pricing.analysis.confidence_sequences import log_wealth

    values = {1.0: 15.0, -1.0: 7.0, 0.0: 128.0}
    assert PairedTest(15, 7, 150, 0.03).passes(0.01)
    assert log_wealth(values, -0.03, -1) < log(1 / 0.01)


def test_the_lower_bound_is_where_the_test_turns():
    bound = paired_lower_bound(10, 12, 200, 0.05)
    assert -0.1 < bound < -0.01
    assert PairedTest(10, 12, 200, -bound + 0.001).passes(0.05)
    assert not PairedTest(10, 12, 200, -bound - 0.002).passes(0.05)
    assert paired_lower_bound(60, 2, 200, 0.05) == 0.0
    assert paired_lower_bound(0, 0, 0, 0.05) == -1.0


def test_how_many_cases_it_takes():
    assert paired_cases_needed(2, 2, 40, 0.03, 0.05) == pytest.approx(301, abs=2)
    assert paired_cases_needed(0, 4, 40, 0.03, 0.05) == inf


@pytest.mark.parametrize("counts", [(3, 3, 5, 0.1), (1, 1, 5, 0.0), (-1, 0, 5, 0.1), (0, 0, 0, 0.1)])
def test_counts_that_do_not_fit_are_refused(counts: tuple[int, int, int, float]):
    with pytest.raises(ValueError, match="cases, margin"):
        PairedTest(*counts)
