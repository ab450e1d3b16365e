"""An exact test for looking once: does a candidate lose less than a margin against another, on the same cases?

Each case is a win, a loss or a tie. Of ``n`` cases the numbers of wins and losses are trinomial; under the hypothesis
that the candidate loses at least the margin, the chance of losses is at least ``margin`` above the chance of wins. The
test is unconditional (Sidik, *Statistics in Medicine* 22, 2003): outcomes are ordered by the score statistic (Tango,
*Statistics in Medicine* 17, 1998), and the p-value is the largest probability of what was seen or more, over every
chance of wins in an interval that holds the true one but for ``_OUTSIDE``, which is added (Berger and Boos, *JASA* 89,
1994). So the error is below its nominal value for every number of cases, where the normal approximation exceeds it.

A test for looking once needs fewer cases than :mod:`pricing.analysis.confidence_sequences`, which hold however often
one looks. It is valid once, at a number of cases that was fixed before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import ceil, exp, inf, lgamma, log, sqrt
from statistics import NormalDist

_OUTSIDE = 1e-4
_POINTS = 32
"""Chances of wins that are tried over the interval."""
_NEGLIGIBLE = 1e-12
_WIDTH = 7.0
"""Standard deviations on either side that a binomial sum covers; what is outside is added as if it were seen."""
_REST = 1e-10
_STEPS = 12
_FINEST = 0.002
"""To so much a lower bound is searched."""


class PairedTest:
    """The test for given counts and margin.

    Args:
        wins: cases that the candidate won.
        losses: cases that it lost.
        n: all cases, ties included.
        margin: what it may lose at most, above 0 and below 1.

    Raises:
        ValueError: counts that do not fit together, or a margin outside (0, 1).

    Example:
        >>> round(PairedTest(wins=4, losses=3, n=200, margin=0.05).p, 4)
        0.0014
    """

    def __init__(self, wins: int, losses: int, n: int, margin: float) -> None:
        if not (wins >= 0 and losses >= 0 and wins + losses <= n and n > 0 and 0 < margin < 1):
            raise ValueError(f"{wins} wins and {losses} losses of {n} cases, margin {margin}")
        self._wins, self._losses, self._n, self._margin = wins, losses, n, margin
        self._least_wins: dict[int, int] = {}

    @cached_property
    def statistic(self) -> float:
        """The score statistic: standard errors by which the candidate is above the margin."""
        return self._score(self._wins, self._losses)

    def passes(self, alpha: float) -> bool:
        """Whether it is known, with an error of at most ``alpha``, to lose less than the margin."""
        return self.may_pass(alpha) and self.p <= alpha

    def may_pass(self, alpha: float) -> bool:
        """A quick check: whether the test passes at the most likely win rate; false for most that fail."""
        if self.statistic <= 0 or alpha <= _OUTSIDE:
            return False
        return self._probability(self._restricted(self._wins, self._losses)) <= alpha - _OUTSIDE

    @cached_property
    def p(self) -> float:
        """The p-value; 1 where the candidate is not above the margin."""
        if self.statistic <= 0:
            return 1.0
        most = (1 - self._margin) / 2
        low, high = _interval(self._wins, self._n, _OUTSIDE)
        low, high = min(low, most), min(high, most)
        tried = [low + (high - low) * step / _POINTS for step in range(_POINTS + 1)]
        return min(1.0, max(map(self._probability, tried)) + _OUTSIDE)

    def _restricted(self, wins: int, losses: int) -> float:
        """The most likely win rate if the candidate loses exactly the margin."""
        n, margin = self._n, self._margin
        a, b = 2 * n, -losses - wins + (2 * n - losses + wins) * margin
        c = -wins * margin * (1 - margin)
        return min(max(0.0, (sqrt(b * b - 4 * a * c) - b) / (2 * a)), (1 - margin) / 2)

    def _score(self, wins: int, losses: int) -> float:
        n, margin = self._n, self._margin
        variance = n * (2 * self._restricted(wins, losses) + margin * (1 - margin))
        return (n * margin - (losses - wins)) / sqrt(variance)

    def _wins_for(self, losses: int) -> int:
        """The fewest wins with which this number of losses is as good as the observed result; more than all cases if
        none is.
        """
        if losses not in self._least_wins:
            low, high = 0, self._n - losses + 1
            while low < high:
                middle = (low + high) // 2
                if self._score(middle, losses) >= self.statistic - 1e-9:
                    high = middle
                else:
                    low = middle + 1
            self._least_wins[losses] = low
        return self._least_wins[losses]

    def _probability(self, chance: float) -> float:
        """The probability of the observed result or a better one, at this win rate and a loss of exactly the margin."""
        n, lost = self._n, chance + self._margin
        middle, spread = n * lost, sqrt(n * lost * (1 - lost))
        first, last = max(0, int(middle - _WIDTH * spread)), min(n, ceil(middle + _WIDTH * spread))
        given = 0.0 if lost >= 1 else min(1.0, chance / (1 - lost))
        total = _REST
        for losses in range(first, last + 1):
            weight = exp(_log_binomial(losses, n, lost))
            if weight > _NEGLIGIBLE:
                total += weight * _tail(self._wins_for(losses), n - losses, given)
        return min(1.0, total)


def paired_lower_bound(wins: int, losses: int, n: int, alpha: float) -> float:
    """What the mean difference is above, wrong with a probability of at most ``alpha``: the least margin that passes.

    The difference is -1 for a loss, 0 for a tie and 1 for a win; only margins that a candidate could lose are tried, so
    that the bound is never above 0.

    Example:
        >>> round(paired_lower_bound(wins=4, losses=3, n=200, alpha=0.05), 3)
        -0.022
    """
    if n == 0:
        return -1.0
    low, high = 1e-6, 1 - 1e-6
    if PairedTest(wins, losses, n, low).passes(alpha):
        return 0.0
    for _ in range(_STEPS):  # where the likeliest chance of wins alone passes; the whole test does a little above it
        middle = (low + high) / 2
        low, high = (low, middle) if PairedTest(wins, losses, n, middle).may_pass(alpha) else (middle, high)
    while high < 1 - _FINEST and not PairedTest(wins, losses, n, high).passes(alpha):
        high += _FINEST
    return -min(1.0, high)


def paired_cases_needed(wins: int, losses: int, n: int, margin: float, alpha: float) -> float:
    """About how many cases it takes until the test passes, if they go on as seen; infinite if it never does.

    Example:
        >>> paired_cases_needed(wins=4, losses=6, n=100, margin=0.05, alpha=0.05)
        300
    """
    gain = margin - (losses - wins) / n
    if gain <= 0:
        return inf
    variance = max((wins + losses) / n, margin) - ((wins - losses) / n) ** 2
    return ceil((NormalDist().inv_cdf(1 - alpha) / gain) ** 2 * variance)


def _log_binomial(k: int, n: int, chance: float) -> float:
    if chance <= 0 or chance >= 1:
        return 0.0 if k == (n if chance >= 1 else 0) else -inf
    ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    return ways + k * log(chance) + (n - k) * log(1 - chance)


def _tail(k: int, n: int, chance: float) -> float:
    """The probability of at least ``k`` successes of ``n``."""
    if k <= 0:
        return 1.0
    if k > n or chance <= 0:
        return 0.0
    if chance >= 1:
        return 1.0
    above = k > n * chance  # sum the shorter side, from its largest term on
    at, step = (k, 1) if above else (k - 1, -1)
    odds = chance / (1 - chance)
    term = exp(_log_binomial(at, n, chance))
    total = 0.0
    while 0 <= at <= n and term > _NEGLIGIBLE:
        total += term
        term *= (n - at) / (at + 1) * odds if step > 0 else at / ((n - at + 1) * odds)
        at += step
    return min(1.0, total) if above else max(0.0, 1 - total)


def _interval(k: int, n: int, outside: float) -> tuple[float, float]:
    """The interval of the chance behind ``k`` of ``n``, wrong with probability ``outside`` (Clopper and Pearson,
    *Biometrika* 26, 1934).
    """

    def solve(holds: Callable[[float], bool]) -> float:
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return (low + high) / 2

    least = 0.0 if k == 0 else solve(lambda chance: _tail(k, n, chance) < outside / 2)
    most = 1.0 if k == n else solve(lambda chance: 1 - _tail(k + 1, n, chance) > outside / 2)
    return least, most
