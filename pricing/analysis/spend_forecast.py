"""What a month comes to: past days are drawn for the days that are left, with the growth that they show.

A day that is left is drawn from past days of its weekday, newer ones more often, and moved by the growth per day. How
strong that growth is, and how the past days weigh, is drawn again for every simulated month: so the interval holds what
days scatter and what so few of them can say.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from math import exp, log, sqrt
from statistics import fmean, pvariance

from pricing.money import Nano

HISTORY_DAYS = 56
"""Past days that are looked at."""
LEAST_DAYS = 7
"""With fewer days of history a schedule says more, where there is one."""
LEVEL = 0.9
"""Of the interval."""
_DRAWS = 800
_SEED = 20261128
_HALF_LIFE = 16.0
_GROWTH = 0.012
"""Standard deviation of growth per day before anything is seen: a month may come to 1.4 times the one before."""
_DRIFT = 0.0065
"""Standard deviation of how the growth itself changes."""
_FORTNIGHT = 14
_OF_WEEKDAY = 3
"""So many days of one weekday make a sample of their own."""
_PIVOT = 12
"""Days ago at which the level is known best."""
_FEW = 0.5
"""Standard deviation of the logarithm of the level after one day; it falls with the square root of the days."""
_MOST_GROWTH = 1.2


@dataclass(frozen=True, slots=True)
class Interval:
    """Nano-dollars: the median, and the ends between which ``LEVEL`` of the imagined months are."""

    p50: Nano
    low: Nano
    high: Nano

    def plus(self, amount: Nano) -> Interval:
        """The interval moved by a known amount."""
        return Interval(self.p50 + amount, self.low + amount, self.high + amount)


@dataclass(frozen=True, slots=True)
class RunsOut:
    """When a budget is spent: the share of imagined months in which it is, and the day, in the middle and in the
    earliest twentieth of them; ``None`` where it is not.
    """

    probability: float
    expected: date | None
    earliest: date | None


@dataclass(frozen=True, slots=True)
class SpendPaths:
    """Simulated months: per draw, the cumulated spend at the end of each remaining day."""

    days: tuple[date, ...]
    sums: tuple[tuple[float, ...], ...]

    def total(self) -> Interval:
        """The remaining spend until the last day."""
        ends = sorted(path[-1] if path else 0.0 for path in self.sums)
        return Interval(*(round(_at(ends, share)) for share in (0.5, (1 - LEVEL) / 2, (1 + LEVEL) / 2)))

    def runs_out(self, left: Nano) -> RunsOut:
        """When a budget with ``left`` nano-dollars is spent."""
        if left <= 0:
            today = self.days[0] if self.days else None
            return RunsOut(1.0, today, today)
        over = [bisect_left(path, left) for path in self.sums]
        spent = sorted(place for place in over if place < len(self.days))
        probability = len(spent) / len(over) if over else 0.0

        def day(share: float) -> date | None:
            place = int(share * len(over))
            return self.days[spent[place]] if place < len(spent) else None

        return RunsOut(probability, day(0.5), day(0.05))

    def by_day(self) -> list[tuple[date, Interval]]:
        """The cumulated spend from now to the end of each day."""
        days = []
        for place, day in enumerate(self.days):
            sums = sorted(path[place] for path in self.sums)
            days.append(
                (day, Interval(*(round(_at(sums, share)) for share in (0.5, (1 - LEVEL) / 2, (1 + LEVEL) / 2))))
            )
        return days


@dataclass(frozen=True, slots=True)
class Planned:
    """A run that is scheduled for a day: its quote in nano-dollars."""

    day: date
    p50: Nano
    p95: Nano


@dataclass(frozen=True, slots=True)
class Trend:
    """The daily growth as a logarithm, its standard error, and the number of past days it is based on."""

    mean: float
    spread: float
    known: int


def imagine(
    past: Mapping[date, Nano], today: date, until: date, *, left_of_today: float = 1.0, planned: Sequence[Planned] = ()
) -> SpendPaths:
    """What the days from ``today`` to ``until`` may come to.

    Args:
        past: what each day before today came to; days that are missing since the first came to nothing.
        today: the day that is under way.
        until: the last day.
        left_of_today: the share of today that is still to come.
        planned: scheduled runs, which are all there is to go by with fewer than ``LEAST_DAYS`` days of history.

    Example:
        ``imagine(spent_by_day, date(2026, 11, 20), date(2026, 11, 30)).total()``
    """
    days = tuple(today + timedelta(days=ahead) for ahead in range((until - today).days + 1))
    history = _filled(past, today)
    dice = random.Random(_SEED)  # noqa: S311 - no secret is drawn
    if len(history) < LEAST_DAYS and planned:
        return SpendPaths(days, tuple(_of_schedule(dice, planned, days) for _ in range(_DRAWS)))
    if not any(amount for _, amount in history):
        return SpendPaths(days, ((0.0,) * len(days),))
    trend = Trend(*growth_per_day([amount for _, amount in history]), len(history))
    shares = [left_of_today, *[1.0] * (len(days) - 1)]
    samples = [_sample(history, day) for day in days]
    return SpendPaths(days, tuple(_path(dice, days, samples, shares, trend) for _ in range(_DRAWS)))


def growth_per_day(amounts: Sequence[float]) -> tuple[float, float]:
    """The growth per day of a series, as a logarithm, and how uncertain it is: shrunk to none where little is seen.

    >>> growth_per_day([100.0] * 28)[0]
    0.0
    """
    newer, older = amounts[-_FORTNIGHT:], amounts[-2 * _FORTNIGHT : -_FORTNIGHT]
    if len(older) < _FORTNIGHT // 2 or not sum(newer) or not sum(older):
        return 0.0, _GROWTH
    ratio = log(fmean(newer) / fmean(older))
    noise = sum(_scatter(part) / fmean(part) ** 2 / len(part) for part in (newer, older))
    apart = (len(newer) + len(older)) / 2
    seen = noise / apart**2
    trust = _GROWTH**2 / (_GROWTH**2 + seen)
    return trust * ratio / apart, sqrt(trust * seen + _DRIFT**2)


def _scatter(amounts: Sequence[float]) -> float:
    """The variance of days around the mean of their weekday."""
    weekdays = [amounts[place::7] for place in range(min(7, len(amounts)))]
    inner = [pvariance(days) * len(days) / (len(days) - 1) for days in weekdays if len(days) > 1]
    return fmean(inner) if inner else pvariance(amounts)


def _filled(past: Mapping[date, Nano], today: date) -> list[tuple[date, Nano]]:
    known = sorted(day for day in past if day < today)
    if not known:
        return []
    first = max(known[0], today - timedelta(days=HISTORY_DAYS))
    return [(day, past.get(day, 0)) for day in (first + timedelta(days=n) for n in range((today - first).days))]


def _sample(history: Sequence[tuple[date, Nano]], day: date) -> list[tuple[date, Nano, float]]:
    """Past days to draw one from: of the weekday, of working days or weekends, or any; with what newer ones weigh."""
    weekend = day.weekday() >= 5  # noqa: PLR2004 - Saturday
    same = [one for one in history if one[0].weekday() == day.weekday()]
    alike = [one for one in history if (one[0].weekday() >= 5) == weekend]  # noqa: PLR2004
    chosen = next((found for found in (same, alike) if len(found) >= _OF_WEEKDAY), history)
    return [(past, amount, 0.5 ** ((day - past).days / _HALF_LIFE)) for past, amount in chosen]


def _path(
    dice: random.Random,
    days: Sequence[date],
    samples: Sequence[Sequence[tuple[date, Nano, float]]],
    shares: Sequence[float],
    trend: Trend,
) -> tuple[float, ...]:
    turn, off = days[0] - timedelta(days=_PIVOT), dice.gauss(0.0, trend.spread)
    level = exp(dice.gauss(0.0, _FEW / sqrt(trend.known)))
    weighed: dict[date, float] = {}
    found = []
    for day, sample, share in zip(days, samples, shares, strict=True):
        weights = []
        for past, _, weight in sample:
            if past not in weighed:
                weighed[past] = dice.expovariate(1.0)
            weights.append(weight * weighed[past])
        [(past, amount, _)] = dice.choices(sample, weights)
        moved = max(-_MOST_GROWTH, min(_MOST_GROWTH, trend.mean * (day - past).days + off * (day - turn).days))
        found.append(share * amount * level * exp(moved))
    return tuple(accumulate(found))


def _of_schedule(dice: random.Random, planned: Sequence[Planned], days: Sequence[date]) -> tuple[float, ...]:
    """Runs of one automation go wrong together: half of each one's spread is all of theirs."""
    together = dice.gauss(0.0, 1.0)
    sums = dict.fromkeys(days, 0.0)
    for run in planned:
        if run.day in sums and run.p50:
            spread = log(max(run.p95, run.p50) / run.p50) / 1.645
            sums[run.day] += run.p50 * exp(spread * (together + dice.gauss(0.0, 1.0)) / sqrt(2))
    return tuple(accumulate(sums.values()))


def _at(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
