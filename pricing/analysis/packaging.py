"""What an outcome should be sold for, and billed how often: unit economics, and the buffer that a distribution needs.

A price with a buffer of a quarter is safe for an invoice of many runs and not for one of few: what single runs cost
scatters, and only sums settle down. How far they do is found by bootstrap: invoices are drawn from past runs, with
replacement (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993). Seeded: the same past gives the same advice.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from statistics import fmean

from pricing.margins import gross_margin, markup
from pricing.money import Nano, ceil_nano
from pricing.reports.format import Plain

PERIODS: Mapping[str, int] = {"daily": 1, "weekly": 7, "monthly": 30}
"""Days that one invoice covers."""
SAFE = 0.95
"""The share of invoices that must not lose money."""
LEAST_RUNS = 20
"""Below so many runs a bootstrap only repeats the few that there are."""
_DRAWS = 4_000
_SEED = 20261123
_FULL = 100


@dataclass(frozen=True, slots=True)
class Sale:
    """One past run: what it cost, and whether it reached the outcome that is charged for."""

    cost_nano: Nano
    earned: bool


@dataclass(frozen=True, slots=True)
class UnitEconomics:
    """What one outcome costs and earns, in nano-dollars.

    ``cost_nano`` is per outcome reached: what failed runs cost is in it. ``gross_margin`` is the share of the price
    that is left, ``markup`` what is earned on top of the cost: a markup of 25 % is a margin of 20 %. ``at_p95`` is the
    margin of an outcome that costs the 95th percentile: what is at risk. ``None`` where the price is not known.
    """

    runs: int
    outcomes: int
    cost_nano: Nano
    p50_nano: Nano
    p95_nano: Nano
    price_nano: Nano | None
    gross_margin: float | None
    markup: float | None
    at_p95: float | None


@dataclass(frozen=True, slots=True)
class Package:
    """Billing by one period. ``buffer`` is what must be added to the mean cost so that 95 % of invoices lose nothing,
    ``fits`` whether that is within the buffer one has; ``loss`` the probability that an invoice loses money at the
    price; ``suggested_nano`` a price per outcome at which the mean invoice earns the target margin and 95 % lose
    nothing.
    """

    period: str
    runs: int
    buffer: float
    fits: bool
    loss: float | None
    suggested_nano: Nano


@dataclass(frozen=True, slots=True)
class Packaging(Plain):
    """Advice for one automation. ``best`` is the shortest period whose buffer fits, if any does."""

    economics: UnitEconomics
    buffer_percent: int
    target_margin: float
    packages: tuple[Package, ...]
    best: str | None
    few: bool


def economics(sales: Sequence[Sale], price: Nano | None) -> UnitEconomics | None:
    """What an outcome costs and earns; ``None`` when none was ever reached."""
    outcomes = sum(sale.earned for sale in sales)
    if not outcomes:
        return None
    ascending = sorted(sale.cost_nano for sale in sales)
    cost = -(-sum(ascending) // outcomes)
    p95 = quantile(ascending, 0.95)
    return UnitEconomics(
        runs=len(sales),
        outcomes=outcomes,
        cost_nano=cost,
        p50_nano=quantile(ascending, 0.5),
        p95_nano=p95,
        price_nano=price,
        gross_margin=gross_margin(price, cost),
        markup=markup(price, cost),
        at_p95=gross_margin(price, p95),
    )


def advise_packaging(
    sales: Sequence[Sale], price: Nano | None, *, runs_per_day: float, buffer_percent: int, target_margin: float
) -> Packaging | None:
    """How to bill: daily, weekly or monthly; ``None`` when no outcome was ever reached.

    Args:
        sales: past runs of the automation.
        price: of one outcome, if known.
        runs_per_day: how often it runs for one customer.
        buffer_percent: what is added to the mean cost as a rule (20–30).
        target_margin: the gross margin to reach, below 1.

    Raises:
        ValueError: a margin of 1 or more, or no runs at all per day.
    """
    if not 0 <= target_margin < 1 or runs_per_day <= 0:
        raise ValueError("a margin is below 1, and there are some runs")
    unit = economics(sales, price)
    if unit is None:
        return None
    packages = []
    for period, days in PERIODS.items():
        runs = max(1, round(days * runs_per_day))
        packages.append(_package(sales, unit, period, runs, (buffer_percent, target_margin)))
    best = next((package.period for package in packages if package.fits), None)
    return Packaging(unit, buffer_percent, target_margin, tuple(packages), best, few=len(sales) < LEAST_RUNS)


def quantile(ascending: Sequence[Nano], level: float) -> Nano:
    """By nearest rank."""
    return ascending[max(0, ceil(level * len(ascending)) - 1)]


def _package(sales: Sequence[Sale], unit: UnitEconomics, period: str, runs: int, wanted: tuple[int, float]) -> Package:
    buffer_percent, margin = wanted
    dice = random.Random(_SEED)  # noqa: S311 - no secret is drawn
    invoices = [dice.choices(sales, k=runs) for _ in range(_DRAWS)]
    costs = [sum(sale.cost_nano for sale in invoice) for invoice in invoices]
    mean = runs * fmean(sale.cost_nano for sale in sales)
    buffer = max(0.0, quantile(sorted(costs), SAFE) / mean - 1) if mean else 0.0
    earned = [sum(sale.earned for sale in invoice) for invoice in invoices]
    loss = None
    if unit.price_nano is not None:
        loss = fmean(cost > sold * unit.price_nano for cost, sold in zip(costs, earned, strict=True))
    # An invoice without any outcome loses money at every price.
    safe = quantile(sorted(-(-cost // max(1, sold)) for cost, sold in zip(costs, earned, strict=True)), SAFE)
    fair = ceil_nano(Decimal(unit.cost_nano) / (1 - Decimal(str(margin))))
    return Package(period, runs, buffer, buffer * _FULL <= buffer_percent, loss, max(fair, safe))
