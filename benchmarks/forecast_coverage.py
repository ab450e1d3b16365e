"""How often a month comes to what its forecast says, on simulated businesses: `python -m benchmarks.forecast_coverage`.

Each business has weekdays, runs whose costs scatter, and a way in which it changes. On a day of the month its rest is
forecast from the eight weeks before, and compared with what then comes.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp

from pricing.analysis.spend_forecast import LEVEL, imagine

FIRST = date(2026, 8, 3)
_DAYS = 90
_CENT = 10_000_000


@dataclass(frozen=True)
class Scenario:
    """Runs per working day, the share of that on weekends, the scatter of a run's cost, and the level by day."""

    name: str
    runs: float
    weekend: float
    scatter: float
    level: Callable[[int, random.Random], float]


def _walk(_day: int, dice: random.Random) -> float:
    return exp(dice.gauss(0, 0.04))


SCENARIOS = (
    Scenario("steady", 40, 0.3, 0.5, lambda _day, _dice: 1.0),
    Scenario("few dear runs", 2, 0.2, 1.0, lambda _day, _dice: 1.0),
    Scenario("grows 25 % a month", 40, 0.3, 0.5, lambda _day, _dice: exp(0.0074)),
    Scenario("falls 25 % a month", 40, 0.3, 0.5, lambda _day, _dice: exp(-0.0096)),
    Scenario("wanders", 40, 0.3, 0.5, _walk),
    Scenario("doubled five weeks ago", 40, 0.3, 0.5, lambda day, _dice: 2.0 if day == 35 else 1.0),
)


@dataclass(frozen=True)
class Coverage:
    """The results of one scenario: months within, below and above the interval; mean widths and errors of the median."""

    name: str
    months: int
    within: int
    below: int
    above: int
    width: float
    bias: float


def measure(scenario: Scenario, months: int, seed: int = 1) -> Coverage:
    """Forecast so many simulated months on different days of theirs."""
    dice = random.Random(seed)
    within = below = above = 0
    width = bias = 0.0
    for month in range(months):
        days = dict(_business(scenario, dice))
        today = FIRST + timedelta(days=59 + month % 25)
        until = FIRST + timedelta(days=_DAYS - 1)
        rest = sum(amount for day, amount in days.items() if day >= today)
        forecast = imagine({day: amount for day, amount in days.items() if day < today}, today, until).total()
        within += forecast.low <= rest <= forecast.high
        below += rest < forecast.low
        above += rest > forecast.high
        width += (forecast.high - forecast.low) / max(rest, 1)
        bias += (forecast.p50 - rest) / max(rest, 1)
    return Coverage(scenario.name, months, within, below, above, width / months, bias / months)


def _business(scenario: Scenario, dice: random.Random) -> Iterator[tuple[date, int]]:
    level = 1.0
    for number in range(_DAYS):
        level *= scenario.level(number, dice)
        day = FIRST + timedelta(days=number)
        mean = scenario.runs * level * (scenario.weekend if day.weekday() > 4 else 1.0)
        runs = max(0, round(dice.gauss(mean, mean**0.5)))
        yield day, sum(round(_CENT * dice.lognormvariate(0, scenario.scatter)) for _ in range(runs))


def main() -> None:
    """Print a line per scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=100)
    months = parser.parse_args().months
    print(f"{'scenario':26} {'within':>7} {'below':>6} {'above':>6} {'width':>6} {'bias':>6}   (nominal {LEVEL:.0%})")
    for scenario in SCENARIOS:
        one = measure(scenario, months)
        shares = (one.within / months, one.below / months, one.above / months, one.width, one.bias)
        print(f"{one.name:26} {shares[0]:7.0%} {shares[1]:6.0%} {shares[2]:6.0%} {shares[3]:6.2f} {shares[4]:+6.2f}")


if __name__ == "__main__":
    main()
