"""From the scores of past runs to the multiplier of a quote.

A score is a run's cost over its own point estimate.
Quantiles of Student's t are computed in plain Python: one number per quote does not justify scipy.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, isfinite, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist, fmean, pstdev
from sys import float_info
from typing import Literal, TypeAlias

_HALF = 0.5
_TINY = 1e-300
_PRECISION = 1e-15
_STEPS = 500


def t_cdf(x: float, freedom: float) -> float:
    """Probability that a t-distributed value with ``freedom`` degrees of freedom is at most ``x``."""
    tail = 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + x * x))
    return 1 - tail if x > 0 else tail


def t_quantile(level: float, freedom: float) -> float:
    """The value that is not exceeded with probability ``level``; good to about 1e-10.

    Raises:
        ValueError: a level outside (0, 1), or degrees of freedom that are not positive.
    """
    if not 0 < level < 1 or not (freedom > 0 and isfinite(freedom)):
        raise ValueError(f"no t quantile for level {level} with {freedom} degrees of freedom")
    if level == _HALF:
        return 0.0
    if level < _HALF:
        return -t_quantile(1 - level, freedom)
    low, high = 0.0, max(1.0, NormalDist().inv_cdf(level))
    while t_cdf(high, freedom) < level:
        low, high = high, high * 2
    x = (low + high) / 2
    for _ in range(200):
        error = t_cdf(x, freedom) - level
        if error > 0:
            high = x
        else:
            low = x
        step = x - error / _density(x, freedom)
        following = step if low < step < high else (low + high) / 2
        if abs(following - x) <= 1e-12 * max(1.0, x):
            return following
        x = following
    return x


def _density(x: float, freedom: float) -> float:
    scale = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(freedom * pi)
    return scale * exp(-(freedom + 1) / 2 * log1p(x * x / freedom))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    numerator, denominator = 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    result = denominator
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            denominator = 1 / _off_zero(1 + term * denominator)
            numerator = _off_zero(1 + term / numerator)
            result *= denominator * numerator
        if abs(denominator * numerator - 1) < _PRECISION:
            break
    return result


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


PastCost: TypeAlias = tuple[float, float, int]
"""The estimate of a past run, what it cost (in the same unit), and the calls it planned."""

CONFORMAL_FROM = 59
"""The number of runs from which the order statistic for p95 is not the maximum."""
WINDOW = 300
"""The most recent runs that an order statistic is taken of."""
NEIGHBOURS = 150
"""Of them those nearest in size, where sizes vary."""
MEMORY = 2 * WINDOW
"""Runs that count at all."""

_GAMMA = 0.01
"""How far one miss moves the level."""
_LOCATION_RUNS = 25
"""Runs that the location is the exponential mean of."""
_JUMP_RUNS = 10
"""Runs that must deviate together for the location to restart from them."""
_JUMP_SIGMA = 3.0
"""By so many standard errors."""
_WARM_UP = 8
"""First runs whose residuals say more about the missing location than about the runs."""
_RIDGE = 8.0
"""Runs that the prior 'size does not matter' weighs; twice that for the scale."""
_ALIKE = 0.05
"""Standard deviation of the log under which all sizes count as one."""
_LEAST_UNIT = 0.25
"""The smallest standard deviation that sizes are measured in."""
_MOST_LOG = 700.0
"""Of a multiplier: beyond it there is no float."""

_PRIOR_RUNS = 1.0
_PRIOR_FREEDOM = 4.0
_PRIOR_SIGMA = 0.6
_TAIL_EXPONENT = log(0.07) / log(0.1)
"""Takes the nominal tail of 5 % to the 3.5 % at which the Student-t stage was measured to cover 95 %."""


def scoring_method(runs: int) -> Literal["prior", "student_t", "conformal"]:
    """The method a quote with so many past runs uses."""
    if runs == 0:
        return "prior"
    return "student_t" if runs < CONFORMAL_FROM else "conformal"


def quote_amount(past: Sequence[PastCost], point: float, calls: int, level: float = 0.95) -> float:
    """The amount that the next run stays under with probability ``level``.

    Args:
        past: completed runs as ``(point, cost, calls)``, oldest first, amounts in any one unit; may be empty. Runs that
            cost nothing are a share of their own; runs whose point is 0 say nothing and are left out.
        point: the estimate of the next run, in the same unit.
        calls: the calls it plans.
        level: between 0 and 1.

    Raises:
        ValueError: a level outside (0, 1), or an amount that is negative or not a finite number.

    Example:
        >>> quote_amount([], 2.0, 10, 0.5)
        2.0
        >>> past = [(1.0, 0.9, 10), (10.0, 11.0, 100), (2.0, 2.1, 20)] * 10
        >>> 10 < quote_amount(past, 10.0, 100) < 20
        True
    """
    if not 0 < level < 1:
        raise ValueError(f"a level is between 0 and 1, not {level}")
    if not all(0 <= amount <= float_info.max for amount in (point, *(a for run in past for a in run[:2]))):
        raise ValueError("points and costs are finite numbers that are not negative")
    known = [run for run in past[-MEMORY:] if run[0] > 0]
    paid = [run for run in known if run[1] > 0]
    if len(paid) < len(known):
        # The share of free runs is taken of one run more, so that the first free run is not half of all.
        free = sum(run[1] == 0 for run in known[-WINDOW:]) / (len(known[-WINDOW:]) + 1)
        if level <= free:
            return 0.0
        level = (level - free) / (1 - free)
    if point == 0:
        return 0.0
    predict = _young if len(paid) < CONFORMAL_FROM else _mature
    return min(point * exp(min(predict(paid, point, calls, level), _MOST_LOG)), float_info.max)


def quote_scores(scores: Sequence[float], level: float = 0.95) -> float:
    """The multiplier on a quote's point that the next run stays under with probability ``level``, whatever its size.

    Args:
        scores: cost over point of past runs, oldest first; any number, also none.
        level: between 0 and 1.

    Raises:
        ValueError: a level outside (0, 1), or a score that is not a positive finite number.
    """
    if any(not (score > 0 and isfinite(score)) for score in scores):
        raise ValueError("scores are positive finite numbers: cost over point")
    return quote_amount([(1.0, score, 1) for score in scores], 1.0, 1, level)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How large past runs were, standardised; all 0 where they are alike. ``next`` is the run to predict."""

    past: list[float]
    next: float

    @property
    def vary(self) -> bool:
        return any(self.past)


def _sizes(past: Sequence[PastCost], point: float, calls: int, farthest: float) -> _Sizes:
    """By point, or by calls where all points are alike."""
    by_point = [log(run[0]) for run in past], log(point)
    by_calls = [log(max(1, run[2])) for run in past], log(max(1, calls))
    for logs, following in (by_point, by_calls):
        if logs and (spread := pstdev(logs)) > _ALIKE:
            middle, unit = fmean(logs), max(spread, _LEAST_UNIT)
            distance = max(-farthest, min(farthest, (following - middle) / unit))
            return _Sizes([(x - middle) / unit for x in logs], distance)
    return _Sizes([0.0] * len(past), 0.0)


def _slope(sizes: Sequence[float], values: Sequence[float], ridge: float) -> float:
    """Of the values over the (standardised) sizes, shrunk towards 0."""
    middle = fmean(values)
    return sum(x * (y - middle) for x, y in zip(sizes, values, strict=True)) / (len(values) + ridge)


def _growth(sizes: Sequence[float], deviations: Sequence[float], least: float) -> float:
    """How the logarithm of the absolute deviation grows with size."""
    return _slope(sizes, [log(max(abs(deviation), least)) for deviation in deviations], 2 * _RIDGE)


def _young(past: Sequence[PastCost], point: float, calls: int, level: float) -> float:
    """The logarithm of the multiplier, as of ``_mature``."""
    logs = [log(cost) - log(estimate) for estimate, cost, _ in past]
    sizes = _sizes(past, point, calls, farthest=2.0)
    if sizes.vary:
        slope = _slope(sizes.past, logs, _RIDGE)
        flat = [y - slope * x for x, y in zip(sizes.past, logs, strict=True)]
        middle = fmean(flat)
        growth = _growth(sizes.past, [y - middle for y in flat], least=0.01)
        logs = [
            middle + slope * sizes.next + exp(growth * (sizes.next - x)) * (y - middle)
            for x, y in zip(sizes.past, flat, strict=True)
        ]
    return _student_t(logs, level)


def _student_t(logs: Sequence[float], level: float) -> float:
    n = len(logs)
    mean = sum(logs) / n if n else 0.0
    runs, freedom = _PRIOR_RUNS + n, _PRIOR_FREEDOM + n
    squares = sum((x - mean) ** 2 for x in logs) + _PRIOR_RUNS * n / runs * mean**2
    variance = (_PRIOR_FREEDOM * _PRIOR_SIGMA**2 + squares) / freedom
    spread = sqrt(variance * (1 + 1 / runs))
    return n * mean / runs + t_quantile(_widened(level), freedom) * spread


def _widened(level: float) -> float:
    """The level to compute at for a nominal one: 0.965 for 0.95, itself up to one half.

    Scores are more skewed than the log-normal that the Student-t assumes, which only the upper tail feels; the tail
    probability is shrunk by a power law that leaves 0.5 as it is.
    """
    return level if level <= _HALF else 1 - _HALF * ((1 - level) / _HALF) ** _TAIL_EXPONENT


def _mature(past: Sequence[PastCost], point: float, calls: int, level: float) -> float:
    logs = [log(cost) - log(estimate) for estimate, cost, _ in past]
    sizes = _sizes(past, point, calls, farthest=2.5)
    slope = _slope(sizes.past, logs, _RIDGE) if sizes.vary else 0.0
    location, residuals = _followed([y - slope * x for x, y in zip(sizes.past, logs, strict=True)])
    past_sizes = sizes.past[_WARM_UP:]
    growth = _growth(past_sizes, residuals, least=0.001) if sizes.vary else 0.0
    scaled = [residual * exp(-growth * x) for x, residual in zip(past_sizes, residuals, strict=True)]
    near = scaled[-WINDOW:]
    if sizes.vary and len(near) > NEIGHBOURS:
        by_distance = sorted(zip(past_sizes[-WINDOW:], near, strict=True), key=lambda run: abs(run[0] - sizes.next))
        near = [residual for _, residual in by_distance[:NEIGHBOURS]]
    quantile = _order_statistic(sorted(near), _adapted(scaled, level))
    return location + slope * sizes.next + exp(growth * sizes.next) * quantile


def _followed(values: Sequence[float]) -> tuple[float, list[float]]:
    """Where a series is after its last value, and the residual of each value (after the warm-up) from where the series
    was before it.
    """
    location = fmean(values[:_WARM_UP])
    runs = float(_WARM_UP)
    variance = _PRIOR_SIGMA**2
    residuals: list[float] = []
    last: list[float] = []
    for now in range(_WARM_UP, len(values)):
        residual = values[now] - location
        residuals.append(residual)
        runs = min(runs + 1, _LOCATION_RUNS)
        location += residual / runs
        variance += (min(residual**2, 9 * variance) - variance) / min(now + 1, 60)
        last = [*last[1 - _JUMP_RUNS :], residual]
        if len(last) == _JUMP_RUNS and abs(sum(last)) > _JUMP_SIGMA * sqrt(_JUMP_RUNS * variance):
            location, runs, last = fmean(values[now - _JUMP_RUNS + 1 : now + 1]), float(_JUMP_RUNS), []
    return location, residuals


def _adapted(residuals: Sequence[float], level: float) -> float:
    """Replay the recent runs: each is predicted from those before it, then moves the level by how it came out."""
    lowest, highest = max(0.7 * level, 1 - 2.5 * (1 - level)), 1 - 0.7 * (1 - level)
    start = max(CONFORMAL_FROM - _WARM_UP, len(residuals) - WINDOW)
    oldest = max(0, start - WINDOW)
    window = sorted(residuals[oldest:start])
    adapted = level
    for now in range(start, len(residuals)):
        missed = residuals[now] > _order_statistic(window, adapted)
        adapted = min(highest, max(lowest, adapted + _GAMMA * (level if missed else level - 1)))
        if now - oldest >= WINDOW:
            del window[bisect_left(window, residuals[oldest])]
            oldest += 1
        insort(window, residuals[now])
    return adapted


def _order_statistic(ascending: Sequence[float], level: float) -> float:
    n = len(ascending)
    rank = ceil(level * (n + 1))
    return ascending[min(max(rank, 1), n) - 1]
