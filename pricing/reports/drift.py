"""Whether runs cost now what they cost before: the newest days of a period against its rest, the period against before.

Averages over months hide that an automation has become more expensive. Commands that advise on prices say what is true
now first, and what it was before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, log, sqrt
from typing import TYPE_CHECKING

from pricing.clock import to_us
from pricing.margins import gross_margin
from pricing.money import Nano, format_money
from pricing.reports.format import Plain, percent, plural
from pricing.reports.query import Row, read_replica
from pricing.reports.run_lookup import check_automation

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

RECENT = timedelta(days=7)
"""The newest days, which are compared with the rest of a period of at least twice as long."""
BEFORE = timedelta(days=90)
"""How far back a period is compared with what was before it."""
LEAST_RUNS = 20
"""On either side: fewer do not show a change."""
_SIGMA = 3.0
"""A change is one that chance alone makes in 3 of 1,000 comparisons."""
_LEAST_CHANGE = 0.1
_HUNDRED = 100


@dataclass(frozen=True, slots=True)
class PeriodCost:
    """Costs of the runs of a period. ``unit_nano`` is the cost per outcome, failed runs included; ``None`` without an
    outcome. ``gross_margin`` is ``None`` where a price is unknown.
    """

    runs: int
    outcomes: int
    cost_nano: Nano
    charged_nano: Nano | None
    unit_nano: Nano | None
    gross_margin: float | None


@dataclass(frozen=True, slots=True)
class CostChange:
    """The cost per outcome now over what it was, with the interval that holds it up to chance."""

    ratio: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """Whether chance does not explain it, and it is large enough to matter: 10 % or more."""
        apart = self.low > 1 or self.high < 1
        return apart and not 1 / (1 + _LEAST_CHANGE) < self.ratio < 1 + _LEAST_CHANGE


@dataclass(frozen=True, slots=True)
class CostTrend(Plain):
    """One automation at one quality: ``recent`` days, the whole ``window``, and the 90 days ``before`` it.

    ``within`` compares the recent days with the rest of the window, ``against`` the window with before; ``None`` where
    either side has too few runs. ``now`` is what is true now: the recent days where they differ, else the window.
    """

    automation: str
    quality: str
    stand_in: bool
    since: datetime
    recent_since: datetime
    recent: PeriodCost
    window: PeriodCost
    before: PeriodCost
    within: CostChange | None
    against: CostChange | None

    @property
    def moved(self) -> bool:
        """Whether the recent days differ from the rest of the window."""
        return self.within is not None and self.within.differs

    @property
    def now(self) -> PeriodCost:
        """The cost that holds now: of the recent days if these differ, else of the whole window."""
        return self.recent if self.moved else self.window

    @property
    def now_since(self) -> datetime:
        """The beginning of the period of ``now``."""
        return self.recent_since if self.moved else self.since

    def sentences(self, *, until: datetime) -> tuple[str, ...]:
        """The significant changes as sentences; empty if there are none."""
        found = []
        days = plural(max(1, round((until - self.since) / timedelta(days=1))), "day")
        if self.within is not None and self.moved:
            newest = plural(RECENT.days, "day")
            found.append(
                f"In the last {newest} one outcome cost {_amount(self.recent)}, {_change(self.within)} than in the "
                f"rest of the last {days}; over all of these it cost {_amount(self.window)}."
            )
        if self.against is not None and self.against.differs:
            found.append(
                f"In the last {days} one outcome cost {_amount(self.window)}, {_change(self.against)} than in the "
                f"{BEFORE.days} days before ({_amount(self.before)})."
            )
        return tuple(found)


def cost_trends(
    replica: Replica, since: datetime | None, automation: str | None = None, *, now: datetime | None = None
) -> list[CostTrend]:
    """How costs per outcome have changed, by automation and quality, answers of the sandbox apart.

    Args:
        replica: the copy for reports.
        since: from when on runs count; all do, if None.
        automation: only this one's.
        now: the moment of looking.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    until = now or datetime.now(UTC)
    begins = since or datetime.fromtimestamp(0, UTC)
    recent = until - RECENT if until - begins >= 2 * RECENT else until
    before = max(begins - BEFORE, datetime.fromtimestamp(0, UTC))
    with read_replica(replica) as source:
        rows = source.rows(
            "cost_periods",
            automation=automation,
            recent=to_us(recent),
            since=to_us(begins),
            before=to_us(before),
            until=to_us(until),
        )
        if not rows and not source.rows("imported_known", automation=automation):
            check_automation(source, automation)
    keys = list(dict.fromkeys((row["automation"], row["quality"], row["stand_in"]) for row in rows))
    found = []
    for key in keys:
        mine = {row["period"]: row for row in rows if (row["automation"], row["quality"], row["stand_in"]) == key}
        parts = [[mine[name] for name in names if name in mine] for names in _PARTS]
        new, rest, whole, old = parts
        if whole:
            changes = _compared(new, rest), _compared(whole, old)
            found.append(CostTrend(*key, begins, recent, _cost(new), _cost(whole), _cost(old), *changes))
    return found


def cost_changes(
    replica: Replica, since: datetime | None, automation: str | None = None, *, now: datetime | None = None
) -> tuple[str, ...]:
    """What :func:`cost_trends` finds, in sentences that begin with the automation and its quality.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    until = now or datetime.now(UTC)
    return tuple(
        f"{one.automation} {one.quality}{' (sandbox)' if one.stand_in else ''}: {sentence}"
        for one in cost_trends(replica, since, automation, now=until)
        for sentence in one.sentences(until=until)
    )


_PARTS = (("recent",), ("earlier",), ("recent", "earlier"), ("before",))


def _cost(rows: Sequence[Row]) -> PeriodCost:
    runs, outcomes, unpriced, cost, charged = (
        sum(row[name] for row in rows) for name in ("runs", "outcomes", "unpriced", "cost_nano", "charged_nano")
    )
    earned = None if unpriced or not outcomes else charged
    unit = -(-cost // outcomes) if outcomes else None
    return PeriodCost(runs, outcomes, cost, earned, unit, gross_margin(earned, cost))


def _compared(new: Sequence[Row], old: Sequence[Row]) -> CostChange | None:
    """The change between two periods, by the delta method for the logarithm of a ratio of means; ``None`` with too few
    runs.
    """
    sides = [_log_unit(rows) for rows in (new, old)]
    if sides[0] is None or sides[1] is None:
        return None
    (here, noise), (there, other) = sides[0], sides[1]
    error = _SIGMA * sqrt(noise + other)
    return CostChange(exp(here - there), exp(here - there - error), exp(here - there + error))


def _log_unit(rows: Sequence[Row]) -> tuple[float, float] | None:
    """The logarithm of the cost per outcome, and its variance."""
    runs, outcomes, cost = (sum(row[name] for row in rows) for name in ("runs", "outcomes", "cost_nano"))
    if runs < LEAST_RUNS or not outcomes or not cost:
        return None
    mean = cost / runs
    variance = (
        sum(row["runs"] * (row["variance"] + (row["cost_nano"] / row["runs"] - mean) ** 2) for row in rows) / runs
    )
    noise = variance / mean**2 / runs + (runs - outcomes) / outcomes / runs
    return log(cost / outcomes), noise


def _amount(cost: PeriodCost) -> str:
    unit = "no outcome" if cost.unit_nano is None else format_money(cost.unit_nano)
    return unit if cost.gross_margin is None else f"{unit} (gross margin {percent(cost.gross_margin)})"


def _change(change: CostChange) -> str:
    return f"{abs(change.ratio - 1) * _HUNDRED:.0f} % {'more' if change.ratio > 1 else 'less'}"
