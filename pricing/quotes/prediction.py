"""From the scores of past runs to the multiplier of a quote.

A score is a run's cost over its own point estimate.
Quantiles of Student's t are computed in plain Python: one number per quote does not justify scipy.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from functools import cache, partial
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
_NEARLY = 0.99 * _JUMP_SIGMA**2
"""From which part of that on, squared, it is worth a closer look."""
_WARM_UP = 8
"""First runs whose residuals say more about the missing location than about the runs."""
_RIDGE = 8.0
"""Runs that the prior 'size does not matter' weighs; twice that for the scale."""
_ALIKE = 0.05
"""Standard deviation of the log under which all sizes count as one."""
_LEAST_UNIT = 0.25
"""The smallest standard deviation that sizes are measured in."""
_DEVIATION_RUNS = 60
"""Likewise, of the variance."""
_MOST_LOG = 700.0
"""Of a multiplier: beyond it there is no float."""
_NO_AMOUNT = "points and costs are finite numbers that are not negative"

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


class CostModel:
    """What past runs tell about the cost of the next one: learned once, for every level and size that is asked for.

    Args:
        past: completed runs as ``(point, cost, calls)``, oldest first, amounts in any one unit; may be empty. Runs that
            cost nothing are a share of their own; runs whose point is 0 say nothing and are left out.

    Raises:
        ValueError: an amount that is negative or not a finite number.
    """

    def __init__(self, past: Sequence[PastCost]) -> None:
        for point, cost, _ in past:
            if not (0 <= point <= float_info.max and 0 <= cost <= float_info.max):
                raise ValueError(_NO_AMOUNT)
        known = [run for run in past[-MEMORY:] if run[0] > 0]
        paid = [run for run in known if run[1] > 0]
        recent = known[-WINDOW:]
        # The share of free runs is taken of one run more, so that the first free run is not half of all.
        self._free = sum(run[1] == 0 for run in recent) / (len(recent) + 1) if len(paid) < len(known) else 0.0
        self._predict = _Young(paid) if len(paid) < CONFORMAL_FROM else _Mature(paid)

    def amount(self, point: float, calls: int, level: float = 0.95) -> float:
        """The amount that the next run stays under with probability ``level``.

        Args:
            point: the estimate of the next run, in the unit of the past ones.
            calls: the calls it plans.
            level: between 0 and 1.

        Raises:
            ValueError: a level outside (0, 1), or a point that is negative or not a finite number.
        """
        if not 0 < level < 1:
            raise ValueError(f"a level is between 0 and 1, not {level}")
        if not 0 <= point <= float_info.max:
            raise ValueError(_NO_AMOUNT)
        if level <= self._free or point == 0:
            return 0.0
        multiplier = self._predict(point, calls, (level - self._free) / (1 - self._free))
        return min(point * exp(min(multiplier, _MOST_LOG)), float_info.max)


def quote_amount(past: Sequence[PastCost], point: float, calls: int, level: float = 0.95) -> float:
    """The amount that the next run stays under with probability ``level``, as of :class:`CostModel`.

    Raises:
        ValueError: a level outside (0, 1), or an amount that is negative or not a finite number.

    Example:
        >>> quote_amount([], 2.0, 10, 0.5)
        2.0
        >>> past = [(1.0, 0.9, 10), (10.0, 11.0, 100), (2.0, 2.1, 20)] * 10
        >>> 10 < quote_amount(past, 10.0, 100) < 20
        True
    """
    return CostModel(past).amount(point, calls, level)


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


class _Sizes:
    """How large runs are, standardised: by point, or by calls where all points are alike; all 0 where calls are too.

    Args:
        runs: past ones.
        points: the logarithms of their points.
    """

    def __init__(self, runs: Sequence[PastCost], points: Sequence[float]) -> None:
        self.past = [0.0] * len(runs)
        self.vary = True
        self._by_calls = False
        if self._standardize(points):
            return
        self._by_calls = True
        counts = [max(1, run[2]) for run in runs]
        self.vary = len(set(counts)) > 1 and self._standardize([log(count) for count in counts])

    def of(self, point: float, calls: int, farthest: float) -> float:
        """The size of the run to predict, as far as sizes vary, and at most so far from the middle."""
        if not self.vary:
            return 0.0
        distance = (log(max(1, calls) if self._by_calls else point) - self._middle) / self._unit
        return max(-farthest, min(farthest, distance))

    def _standardize(self, logs: Sequence[float]) -> bool:
        """Whether these vary: then sizes are by them. A deviation is at most half of the range."""
        if not logs or max(logs) - min(logs) <= 2 * _ALIKE or (spread := pstdev(logs)) <= _ALIKE:
            return False
        self._middle, self._unit = fmean(logs), max(spread, _LEAST_UNIT)
        self.past = [(x - self._middle) / self._unit for x in logs]
        return True


def _slope(sizes: Sequence[float], values: Sequence[float], ridge: float) -> float:
    """Of the values over the (standardised) sizes, shrunk towards 0."""
    middle = fmean(values)
    return sum(x * (y - middle) for x, y in zip(sizes, values, strict=True)) / (len(values) + ridge)


def _growth(sizes: Sequence[float], deviations: Sequence[float], least: float) -> float:
    """How the logarithm of the absolute deviation grows with size."""
    return _slope(sizes, [log(max(abs(deviation), least)) for deviation in deviations], 2 * _RIDGE)


class _Young:
    """The logarithm of the multiplier after few runs."""

    def __init__(self, runs: Sequence[PastCost]) -> None:
        points = [log(run[0]) for run in runs]
        self._logs = [log(run[1]) - point for run, point in zip(runs, points, strict=True)]
        self._sizes = _Sizes(runs, points)

    def __call__(self, point: float, calls: int, level: float) -> float:
        logs, sizes = self._logs, self._sizes
        if sizes.vary:
            size = sizes.of(point, calls, farthest=2.0)
            slope = _slope(sizes.past, logs, _RIDGE)
            flat = [y - slope * x for x, y in zip(sizes.past, logs, strict=True)]
            middle = fmean(flat)
            growth = _growth(sizes.past, [y - middle for y in flat], least=0.01)
            logs = [
                middle + slope * size + exp(growth * (size - x)) * (y - middle)
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


class _Mature:
    """Likewise after many runs."""

    def __init__(self, runs: Sequence[PastCost]) -> None:
        points = [log(run[0]) for run in runs]
        logs = [log(run[1]) - point for run, point in zip(runs, points, strict=True)]
        self._sizes = sizes = _Sizes(runs, points)
        self._past_sizes = sizes.past[_WARM_UP:]
        self._slope = self._growth = 0.0
        if sizes.vary:
            self._slope = _slope(sizes.past, logs, _RIDGE)
            logs = [y - self._slope * x for x, y in zip(sizes.past, logs, strict=True)]
        self._location, self._scaled = _followed(logs)
        if sizes.vary:
            self._growth = _growth(self._past_sizes, self._scaled, least=0.001)
            factors = [exp(-self._growth * x) for x in self._past_sizes]
            self._scaled = [residual * factor for residual, factor in zip(self._scaled, factors, strict=True)]
        self._adapted = cache(partial(_adapted, self._scaled))

    def __call__(self, point: float, calls: int, level: float) -> float:
        near, size = self._scaled[-WINDOW:], self._sizes.of(point, calls, farthest=2.5)
        if self._sizes.vary and len(near) > NEIGHBOURS:
            by_distance = sorted(zip(self._past_sizes[-WINDOW:], near, strict=True), key=lambda run: abs(run[0] - size))
            near = [residual for _, residual in by_distance[:NEIGHBOURS]]
        quantile = _order_statistic(sorted(near), self._adapted(level))
        return self._location + self._slope * size + exp(self._growth * size) * quantile


def _followed(values: Sequence[float]) -> tuple[float, list[float]]:
    """Where a series is after its last value, and the residual of each value (after the warm-up) from where the series
    was before it.
    """
    location = fmean(values[:_WARM_UP])
    runs, variance = float(_WARM_UP), _PRIOR_SIGMA**2
    residuals: list[float] = []
    together, moved = 0, 0.0  # residuals since the location last jumped, and the sum of the newest, roughly
    for now in range(_WARM_UP, len(values)):
        residual = values[now] - location
        residuals.append(residual)
        if runs < _LOCATION_RUNS:
            runs += 1
        location += residual / runs
        variance += (min(residual**2, 9 * variance) - variance) / min(now + 1, _DEVIATION_RUNS)
        moved += residual
        together += 1
        if together < _JUMP_RUNS:
            continue
        if together > _JUMP_RUNS:
            moved -= residuals[-_JUMP_RUNS - 1]
        if moved**2 > _NEARLY * _JUMP_RUNS * variance and _jumps(residuals[-_JUMP_RUNS:], variance):
            location, runs = fmean(values[now - _JUMP_RUNS + 1 : now + 1]), float(_JUMP_RUNS)
            together, moved = 0, 0.0
    return location, residuals


def _jumps(residuals: Sequence[float], variance: float) -> bool:
    return abs(sum(residuals)) > _JUMP_SIGMA * sqrt(_JUMP_RUNS * variance)


def _adapted(residuals: Sequence[float], level: float) -> float:
    """Replay the recent runs: each is predicted from those before it, then moves the level by how it came out."""
    lowest, highest = max(0.7 * level, 1 - 2.5 * (1 - level)), 1 - 0.7 * (1 - level)
    missed, kept = _GAMMA * level, _GAMMA * (level - 1)
    start = max(CONFORMAL_FROM - _WARM_UP, len(residuals) - WINDOW)
    oldest = max(0, start - WINDOW)
    window = sorted(residuals[oldest:start])
    runs, adapted = len(window), level
    for now in range(start, len(residuals)):
        residual, rank = residuals[now], ceil(adapted * (runs + 1))  # as of _order_statistic, without the call
        if residual > window[rank - 1 if rank < runs else -1]:
            adapted = min(highest, adapted + missed)
        else:
            adapted = max(lowest, adapted + kept)
        if runs < WINDOW:
            runs += 1
        else:
            del window[bisect_left(window, residuals[oldest])]
            oldest += 1
        insort(window, residual)
    return adapted


def _order_statistic(ascending: Sequence[float], level: float) -> float:
    n = len(ascending)
    rank = ceil(level * (n + 1))
    return ascending[min(max(rank, 1), n) - 1]
