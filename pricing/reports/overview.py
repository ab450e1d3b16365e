"""The overview of many runs: what they cost by automation, day, operation and model, and how well they were quoted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pricing.clock import from_us, to_us
from pricing.reports.overview_shapes import (
    AutomationLine,
    BlockLine,
    Coverage,
    DayLine,
    Fallbacks,
    OperationModelLine,
    OperationSavings,
    OutcomeCount,
    Overview,
    Section,
)
from pricing.reports.reading import Reading, Row, reading
from pricing.reports.run_lookup import check_automation
from pricing.reports.run_shapes import Savings, Tokens, ratio

if TYPE_CHECKING:
    from pricing.replica import Replica

_OF_RUNS = ("totals", "outcomes", "automations", "days")
_OF_TURNS = ("operations", "turns")


def overview(
    replica: Replica,
    *,
    since: datetime | None,
    until: datetime | None,
    automation: str | None = None,
    zone: ZoneInfo | None = None,
) -> Overview:
    """What the runs that began from ``since`` up to ``until`` came to.

    Args:
        replica: the copy of the ledger to read.
        since: the first moment of the period; from the first run, if None.
        until: the moment after it; to the last run, if None.
        automation: only its runs; of all, if None.
        zone: whose days to count by, as budgets do; UTC, if None.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    zone = zone or ZoneInfo("UTC")
    period = {"since": since and to_us(since), "until": until and to_us(until), "automation": automation}
    with reading(replica) as source:
        check_automation(source, automation)
        [span] = source.rows("overview_span", **period)
        tables = {} if span["first"] is None else _tables(source, period, _midnights(span["first"], span["last"], zone))
    real, sandbox = (_section(tables, zone, stand_in=which) for which in (False, True))
    return Overview(since, until, automation, zone.key, real, sandbox)


def _tables(source: Reading, period: Row, midnights: Sequence[int]) -> dict[str, list[Row]]:
    source.run("overview_picked", **period, midnights=midnights)
    tables = {name: source.rows(f"overview_{name}") for name in _OF_RUNS}
    return tables | {name: source.rows(f"overview_{name}", **period) for name in _OF_TURNS}


def _midnights(first: int, last: int, zone: ZoneInfo) -> list[int]:
    """When each day from that of ``first`` to that of ``last`` begins; days may have 23 or 25 hours."""
    day, end = (from_us(moment).astimezone(zone).date() for moment in (first, last))
    midnights = []
    while day <= end:
        midnights.append(to_us(datetime.combine(day, time(), zone).astimezone(UTC)))
        day += timedelta(days=1)
    return midnights


def _section(tables: dict[str, list[Row]], zone: ZoneInfo, *, stand_in: bool) -> Section | None:
    mine = {name: [_rest(row) for row in rows if row["stand_in"] == stand_in] for name, rows in tables.items()}
    if not mine.get("totals"):
        return None
    [totals] = mine["totals"]
    asked, fell_back = (sum(row[name] for row in mine["turns"]) for name in ("asked", "fell_back"))
    return Section(
        stand_in=stand_in,
        runs=totals["runs"],
        refused=totals["refused"],
        turns=sum(row["turns"] for row in mine["turns"]),
        attempts=totals["attempts"],
        spent_nano=totals["spent_nano"],
        stand_in_nano=totals["stand_in_nano"],
        outcomes=tuple(OutcomeCount(**row) for row in mine["outcomes"]),
        automations=tuple(AutomationLine(**row) for row in mine["automations"]),
        days=tuple(
            DayLine(from_us(row["day"]).astimezone(zone).date(), row["runs"], row["spent_nano"]) for row in mine["days"]
        ),
        operations=tuple(_operation(row, totals["spent_nano"]) for row in mine["operations"]),
        saved=_saved(mine["operations"], mine["turns"]),
        savings=_savings(mine["operations"], mine["turns"]),
        coverage=Coverage(
            totals["completed"], totals["covered"], ratio(totals["covered"], totals["completed"]), totals["stopped"]
        ),
        fallbacks=Fallbacks(asked, fell_back, ratio(fell_back, asked)),
        blocks=_blocks(mine["turns"], totals["refused"]),
    )


def _rest(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "stand_in"}


def _operation(row: Row, spent: int) -> OperationModelLine:
    return OperationModelLine(
        operation=row["operation"],
        provider=row["provider"],
        model=row["model"],
        attempts=row["attempts"],
        failed=row["failed"],
        tokens=Tokens(row["input_tokens"], row["output_tokens"], row["cache_read_tokens"]),
        cost_nano=row["cost_nano"],
        share=ratio(row["cost_nano"], spent),
    )


def _savings(attempts: Sequence[Row], turns: Sequence[Row]) -> tuple[OperationSavings, ...]:
    def of(name: str, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row["operation"] == name]

    names = sorted({row["operation"] for row in (*attempts, *turns)})
    lines = [OperationSavings(name, _saved(of(name, attempts), of(name, turns))) for name in names]
    told = [line for line in lines if line.saved.any]
    return tuple(sorted(told, key=lambda line: -line.saved.caching_nano - line.saved.stored_nano))


def _saved(attempts: Sequence[Row], turns: Sequence[Row]) -> Savings:
    return Savings(
        caching_nano=sum(row["caching_nano"] for row in attempts),
        stand_in_nano=sum(row["stand_in_nano"] for row in attempts),
        stored_nano=sum(row["stored_nano"] for row in turns),
        stored_turns=sum(row["turns"] for row in turns if row["outcome"] == "stored"),
    )


def _blocks(turns: Sequence[Row], refused: int) -> tuple[BlockLine, ...]:
    """Runs refused at the gate, turns that a guard or a limit blocked, and turns that a budget stopped."""
    reasons: Counter[str] = Counter()
    for row in turns:
        if row["outcome"] == "blocked" or (row["outcome"] == "stopped" and row["reason"] == "budget"):
            reasons[row["reason"] or "unknown"] += row["turns"]
    told = [BlockLine("turn", reason, count) for reason, count in sorted(reasons.items())]
    if refused:
        told.append(BlockLine("run", "budget", refused))
    return tuple(sorted(told, key=lambda one: -one.count))
