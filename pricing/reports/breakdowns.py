"""Costs by whatever one asks: automation, quality, organisation, user, day, operation, model, target, service
tier, or several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pricing.clock import from_us
from pricing.errors import UsageError
from pricing.margins import gross_margin, markup
from pricing.money import Nano
from pricing.reports.drift import cost_changes
from pricing.reports.format import Plain, ratio
from pricing.reports.query import Row, read_replica
from pricing.reports.selection import RunSelection, choose

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

OF_RUNS = ("automation", "quality", "org", "user", "day")
OF_COSTS = ("operation", "model", "target", "service_tier")
BY = (*OF_RUNS, *OF_COSTS)
_TRENDING = {"automation", "quality"}
_RUN_BY_RUN = {"org", "user", "day"}
NO_OWNER = "–"
"""Where runs are of no organisation, or of no user."""


@dataclass(frozen=True, slots=True)
class BreakdownLine(Plain):
    """One combination of what was asked for: ``names`` in that order.

    Counted by runs, there are ``runs`` to ``markup``; counted by operation, model, target or service tier, there are
    tokens, and of runs nothing, since one run has many of these. ``share`` is of all that was spent.
    """

    names: tuple[str, ...]
    stand_in: bool
    attempts: int
    cost_nano: Nano
    share: float | None
    runs: int | None = None
    outcomes: int | None = None
    refused: int | None = None
    turns: int | None = None
    p50_nano: Nano | None = None
    p95_nano: Nano | None = None
    charged_nano: Nano | None = None
    gross_margin: float | None = None
    markup: float | None = None
    failed: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    caching_nano: Nano | None = None
    unknown_nano: Nano | None = None


@dataclass(frozen=True, slots=True)
class Breakdown(Plain):
    """Lines by ``by``, most expensive first (by day, in the order of days); answers of the sandbox are lines of their
    own. By automation or quality, ``changes`` says where costs per outcome have changed in this time.
    """

    by: tuple[str, ...]
    of_runs: bool
    lines: tuple[BreakdownLine, ...]
    changes: tuple[str, ...] = ()


def breakdown(replica: Replica, by: Sequence[str], choice: RunSelection | None = None) -> Breakdown:
    """What the chosen runs came to, by one or several of ``BY``.

    Raises:
        UsageError: something else is asked for, or no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    wanted = tuple(dict.fromkeys(by))
    if unknown := [name for name in wanted if name not in BY]:
        raise UsageError(f"Reports are not made by {unknown[0][:40]!r}.", next_step=f"By any of: {', '.join(BY)}.")
    choice, of_runs = choice or RunSelection(), not set(wanted) & set(OF_COSTS)
    with read_replica(replica) as source:
        query = "breakdown_runs" if of_runs else "breakdown_costs"
        known = choose(source, choice, run_by_run=not _RUN_BY_RUN.isdisjoint(wanted))
        rows = source.rows(query, by=list(wanted)) if known else []
    totals = {kind: sum(row["cost_nano"] for row in rows if row["stand_in"] == kind) for kind in (False, True)}
    lines = [_line(row, wanted, totals[row["stand_in"]], choice.zone) for row in rows]
    if wanted[:1] == ("day",):
        lines.sort(key=lambda line: line.names)
    with_changes = of_runs and not _TRENDING.isdisjoint(wanted) and choice.org is None and choice.user is None
    changes = cost_changes(replica, choice.since, choice.automation, now=choice.until) if with_changes else ()
    return Breakdown(wanted, of_runs, tuple(lines), changes)


def _line(row: Row, by: tuple[str, ...], total: Nano, zone: ZoneInfo) -> BreakdownLine:
    known: dict[str, Any] = {name: value for name, value in row.items() if name not in {*BY, "unpriced"}}
    if "charged_nano" in known:
        priced = row["outcomes"] and not row["unpriced"]
        charged = row["charged_nano"] if priced else None
        margins = gross_margin(charged, row["cost_nano"]), markup(charged, row["cost_nano"])
        known |= {"charged_nano": charged, "gross_margin": margins[0], "markup": margins[1]}
    names = tuple(_name(row[name], zone) if name == "day" else row[name] or NO_OWNER for name in by)
    return BreakdownLine(**known, names=names, share=ratio(row["cost_nano"], total))


def _name(midnight: int, zone: ZoneInfo) -> str:
    return from_us(midnight).astimezone(zone).date().isoformat()
