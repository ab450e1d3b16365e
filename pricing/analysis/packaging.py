"""What an outcome should be sold for, and billed how often: unit economics, and invoices drawn customer by customer.

Costs of single runs scatter, and customers differ more than runs do: a customer whose runs cost three times as much
loses money on every invoice, however many runs it has. So invoices are drawn by a cluster bootstrap: each is of one
customer, and its runs are drawn with replacement from that customer's (Efron & Tibshirani, *An Introduction to the
Bootstrap*, 1993; Davison & Hinkley, *Bootstrap Methods*, 1997, section 3.8). Seeded: the same past gives the same
advice.

Customers with fewer than ``LEAST_OF_CUSTOMER`` runs share one pool of runs, and each of them counts as a customer. Runs
without an owner are one customer's.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, sqrt
from statistics import fmean, median

from pricing.margins import gross_margin, markup
from pricing.money import Nano, ceil_nano
from pricing.reports.format import Plain

PERIODS: Mapping[str, int] = {"daily": 1, "weekly": 7, "monthly": 30}
"""Days that one invoice covers."""
SAFE = 0.95
"""The share of invoices that must not lose money."""
LEAST_RUNS = 20
"""Below so many runs a bootstrap only repeats the few that there are."""
LEAST_OF_CUSTOMER = 5
"""Below so many runs a customer's own say too little to draw its invoices from."""
NO_OWNER = ""
"""The customer of runs that have no owner."""
POOLED = "*"
"""The customers that share a pool."""
_DRAWS, _LEAST_DRAWS = 4_000, 50
_MOST_CHOICES = 1_500_000
"""Runs drawn for one period, of all invoices together."""
_SUMS_ARE_NORMAL = 400
"""Runs from which on the sum of an invoice is drawn as the normal value that it is nearly."""
_RESAMPLES = 1_000
_SEED = 20261123
_MONTH = PERIODS["monthly"]


@dataclass(frozen=True, slots=True)
class Sale:
    """One past run: what it cost, whether it reached the outcome that is charged for, and whose it was: ``org:acme``,
    ``user:ana``, or ``None``.
    """

    cost_nano: Nano
    earned: bool
    owner: str | None = None


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
    """Billing by one period. ``runs``: of the median customer's invoice.

    ``loss`` is the probability that an invoice loses money at the price, ``loss_low`` to ``loss_high`` its 95 %
    interval over other customers like these; ``fits`` says whether at most one invoice in twenty does. All are ``None``
    where the price is not known, the interval also with a single customer. ``safe_nano`` is the price per outcome at
    which 95 % of invoices lose nothing, ``buffer`` how far that is above the mean cost, ``suggested_nano`` the lowest
    price that also earns the target margin on the mean.
    """

    period: str
    runs: int
    buffer: float
    fits: bool | None
    loss: float | None
    loss_low: float | None
    loss_high: float | None
    safe_nano: Nano
    suggested_nano: Nano


@dataclass(frozen=True, slots=True)
class LosingCustomer:
    """A customer that costs more than it pays at the price: over the days looked at, in nano-dollars.

    ``lost_nano`` is what it costs beyond what it pays, ``price_nano`` a price per outcome of its own that earns the
    target margin. ``limit_nano`` is a budget per month: what it pays for its outcomes; with it, it still loses
    ``lost_with_limit_nano`` a month, and now ``lost_per_month_nano``.
    """

    customer: str
    runs: int
    outcomes: int
    cost_nano: Nano
    charged_nano: Nano
    lost_nano: Nano
    lost_per_month_nano: Nano
    price_nano: Nano | None
    limit_nano: Nano
    lost_with_limit_nano: Nano


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Two prices in place of one, per outcome: for the ``customers`` that lose money, and for all others."""

    customers: tuple[str, ...]
    price_nano: Nano
    others_nano: Nano


@dataclass(frozen=True, slots=True)
class Packaging(Plain):
    """Advice for one automation. ``best`` is the shortest period at which no more than one invoice in twenty loses
    money at the price, if any is; ``customers`` are those with runs, ``pooled`` of them with too few for invoices of
    their own, ``unowned`` the runs that name none.
    """

    economics: UnitEconomics
    target_margin: float
    packages: tuple[Package, ...]
    best: str | None
    customers: int
    pooled: int
    unowned: int
    losing: tuple[LosingCustomer, ...]
    tier: PriceTier | None
    few: bool


def economics(sales: Sequence[Sale], price: Nano | None) -> UnitEconomics | None:
    """The unit economics; ``None`` when no outcome was ever reached."""
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
    sales: Sequence[Sale], price: Nano | None, *, days: float, target_margin: float, runs_per_day: float | None = None
) -> Packaging | None:
    """How to bill: daily, weekly or monthly; ``None`` when no outcome was ever reached.

    Args:
        sales: past runs of the automation.
        price: of one outcome, if known.
        days: how long it took to make these runs.
        target_margin: the gross margin to reach, below 1.
        runs_per_day: how often it runs for one customer; as often as each customer's runs show, if left out.

    Raises:
        ValueError: a margin of 1 or more, no days, or no runs at all per day.
    """
    if not 0 <= target_margin < 1 or days <= 0 or (runs_per_day is not None and runs_per_day <= 0):
        raise ValueError("a margin is below 1, and there are some days and some runs")
    unit = economics(sales, price)
    if unit is None:
        return None
    groups, pooled = _groups(sales, days, runs_per_day)
    packages = tuple(_package(groups, unit, period, target_margin) for period in PERIODS)
    best = next((package.period for package in packages if package.fits), None)
    losing = _losing(groups, price, days, target_margin)
    unowned = sum(sale.owner is None for sale in sales)
    return Packaging(
        unit,
        target_margin,
        packages,
        best,
        customers=len({sale.owner for sale in sales} - {None}),
        pooled=pooled,
        unowned=unowned,
        losing=losing,
        tier=_tier(groups, losing, best or "monthly", target_margin),
        few=len(sales) < LEAST_RUNS,
    )


def quantile(ascending: Sequence[Nano], level: float) -> Nano:
    """The quantile of sorted amounts, by nearest rank."""
    return ascending[max(0, ceil(level * len(ascending)) - 1)]


@dataclass(frozen=True, slots=True)
class _Group:
    """Runs that invoices are drawn from: of one customer, or of ``weight`` customers with few runs each."""

    name: str
    sales: tuple[Sale, ...]
    weight: int
    per_day: float

    def runs(self, period: str) -> int:
        return max(1, round(PERIODS[period] * self.per_day))


@dataclass(frozen=True, slots=True)
class _Invoice:
    """A simulated invoice; ``share`` is its share of all invoices."""

    cost: float
    sold: int
    share: float

    @property
    def unit(self) -> Nano:
        """The cost per outcome in nano-dollars, rounded up; without an outcome the cost of the invoice."""
        return ceil(self.cost / max(1, self.sold) - 1e-6)


def _groups(sales: Sequence[Sale], days: float, per_day: float | None) -> tuple[list[_Group], int]:
    by_owner: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        by_owner[NO_OWNER if sale.owner is None else sale.owner].append(sale)
    few = [name for name, own in by_owner.items() if name != NO_OWNER and len(own) < LEAST_OF_CUSTOMER]
    groups = [
        _Group(name, tuple(own), 1, per_day or len(own) / days)
        for name, own in sorted(by_owner.items())
        if name not in set(few)
    ]
    if few:
        pool = tuple(sale for name in sorted(few) for sale in by_owner[name])
        groups.append(_Group(POOLED, pool, len(few), per_day or len(pool) / len(few) / days))
    return groups, len(few)


def _invoices(groups: Sequence[_Group], period: str) -> list[list[_Invoice]]:
    """Simulated invoices of each group; their shares sum to 1."""
    dice = random.Random(_SEED)  # noqa: S311 - no secret is drawn
    customers = sum(group.weight for group in groups)
    wanted = [max(_LEAST_DRAWS, ceil(_DRAWS * group.weight / customers)) for group in groups]
    drawn = sum(
        n * group.runs(period) for n, group in zip(wanted, groups, strict=True) if group.runs(period) < _SUMS_ARE_NORMAL
    )
    fewer = min(1.0, _MOST_CHOICES / max(1, drawn))
    found = []
    for group, n in zip(groups, wanted, strict=True):
        number = max(_LEAST_DRAWS, round(n * fewer))
        share = group.weight / customers / number
        found.append([_Invoice(cost, sold, share) for cost, sold in _drawn(group, group.runs(period), number, dice)])
    return found


def _drawn(group: _Group, runs: int, number: int, dice: random.Random) -> Iterable[tuple[float, int]]:
    """Cost and outcomes of so many invoices of so many runs."""
    if runs < _SUMS_ARE_NORMAL:
        for _ in range(number):
            chosen = dice.choices(group.sales, k=runs)
            yield sum(sale.cost_nano for sale in chosen), sum(sale.earned for sale in chosen)
        return
    mean, earned = fmean(sale.cost_nano for sale in group.sales), fmean(sale.earned for sale in group.sales)
    spread = sqrt(fmean((sale.cost_nano - mean) ** 2 for sale in group.sales) * runs)
    scatter = sqrt(earned * (1 - earned) * runs)
    for _ in range(number):
        cost = max(0.0, dice.gauss(runs * mean, spread))
        yield cost, min(runs, max(0, round(dice.gauss(runs * earned, scatter))))


def _package(groups: Sequence[_Group], unit: UnitEconomics, period: str, margin: float) -> Package:
    invoices = _invoices(groups, period)
    safe = _safe_price([invoice for own in invoices for invoice in own])
    loss = low = high = None
    if unit.price_nano is not None:
        price = unit.price_nano
        losses = [fmean(invoice.cost > invoice.sold * price for invoice in own) for own in invoices]
        weights = [group.weight for group in groups]
        loss = sum(w * p for w, p in zip(weights, losses, strict=True)) / sum(weights)
        low, high = _loss_interval(losses, weights)
    return Package(
        period,
        round(median(group.runs(period) for group in groups for _ in range(group.weight))),
        buffer=max(0.0, safe / unit.cost_nano - 1) if unit.cost_nano else 0.0,
        fits=None if loss is None else loss <= 1 - SAFE,
        loss=loss,
        loss_low=low,
        loss_high=high,
        safe_nano=safe,
        suggested_nano=max(_fair_price(unit.cost_nano, margin), safe),
    )


def _safe_price(invoices: Sequence[_Invoice]) -> Nano:
    """The price per outcome at which 95 % of invoices lose nothing."""
    total = sum(invoice.share for invoice in invoices)
    below = 0.0
    ascending = sorted((invoice.unit, invoice.share) for invoice in invoices)
    for price, share in ascending:
        below += share
        if below >= SAFE * total - 1e-9:
            return price
    return ascending[-1][0]


def _fair_price(cost: Nano, margin: float) -> Nano:
    return ceil_nano(Decimal(cost) / (1 - Decimal(str(margin))))


def _loss_interval(losses: Sequence[float], weights: Sequence[int]) -> tuple[float | None, float | None]:
    """The 95 % interval of the share of loss-making invoices for other customers like these, by resampling whole
    customers.
    """
    customers = sum(weights)
    if customers < 2:  # noqa: PLR2004 - one customer says nothing of others
        return None, None
    dice = random.Random(_SEED)  # noqa: S311 - no secret is drawn
    means = sorted(fmean(dice.choices(losses, weights, k=customers)) for _ in range(_RESAMPLES))
    return means[round(0.025 * _RESAMPLES)], means[round(0.975 * _RESAMPLES) - 1]


def _losing(groups: Sequence[_Group], price: Nano | None, days: float, margin: float) -> tuple[LosingCustomer, ...]:
    if price is None:
        return ()
    found = []
    for group in groups:
        if group.name in {NO_OWNER, POOLED}:
            continue
        outcomes, cost = sum(sale.earned for sale in group.sales), sum(sale.cost_nano for sale in group.sales)
        charged = outcomes * price
        if cost <= charged:
            continue
        monthly = _MONTH / days
        left = (cost - charged) * charged / cost
        found.append(
            LosingCustomer(
                customer=group.name,
                runs=len(group.sales),
                outcomes=outcomes,
                cost_nano=cost,
                charged_nano=charged,
                lost_nano=cost - charged,
                lost_per_month_nano=round((cost - charged) * monthly),
                price_nano=_fair_price(-(-cost // outcomes), margin) if outcomes else None,
                limit_nano=round(charged * monthly),
                lost_with_limit_nano=round(left * monthly),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.lost_nano))


def _tier(groups: Sequence[_Group], losing: Sequence[LosingCustomer], period: str, margin: float) -> PriceTier | None:
    """A price for those that lose money and one for the others; ``None`` where either group is empty."""
    names = {one.customer for one in losing}
    apart = [group for group in groups if group.name in names], [group for group in groups if group.name not in names]
    prices = []
    for part in apart:
        unit = economics([sale for group in part for sale in group.sales], None)
        if unit is None:
            return None
        safe = _safe_price([invoice for own in _invoices(part, period) for invoice in own])
        prices.append(max(safe, _fair_price(unit.cost_nano, margin)))
    return PriceTier(tuple(one.customer for one in losing), *prices)
