"""A section of the overview, from what the queries found: all runs that are summed together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pricing.analysis.intervals import wilson
from pricing.clock import from_us
from pricing.margins import buffer, gross_margin, markup
from pricing.reports.format import ratio
from pricing.reports.overview.data import (
    AutomationLine,
    Bin,
    BlockLine,
    Coverage,
    DayLine,
    Fallbacks,
    GuardTotals,
    Money,
    OperationModelLine,
    OperationSavings,
    OutcomeLine,
    QuotedRun,
    RoutingSavings,
    SizeLine,
    SpendSection,
    TargetMove,
)
from pricing.reports.query import Row
from pricing.reports.rate_comparison import TargetRates, at_rates
from pricing.reports.run.data import Savings, TokenSums

Tables: TypeAlias = dict[str, list[Row]]

_INVOICES = (1, 7, 30)
_BUFFERED = 20
"""Automations whose distribution is drawn from: those that cost most."""
_BINS = 30


def section(
    tables: Tables, zone: ZoneInfo, premium: TargetRates | None, buffer_percent: int, *, stand_in: bool
) -> SpendSection | None:
    """The runs answered by models, or those of the sandbox; None where there were none."""
    mine = {name: [_rest(row) for row in rows if row["stand_in"] == stand_in] for name, rows in tables.items()}
    if not mine["totals"]:
        return None
    [totals] = mine["totals"]
    asked, fell_back = (sum(row[name] for row in mine["turns"]) for name in ("asked", "fell_back"))
    return SpendSection(
        stand_in=stand_in,
        runs=totals["runs"],
        refused=totals["refused"],
        turns=sum(row["turns"] for row in mine["turns"]),
        attempts=totals["attempts"],
        spent_nano=totals["spent_nano"],
        stand_in_nano=totals["stand_in_nano"],
        sold=_sold(totals),
        outcomes=tuple(OutcomeLine(**row) for row in mine["outcomes"]),
        automations=tuple(
            _automation(row, mine["bins"], buffer_percent if place < _BUFFERED else None)
            for place, row in enumerate(mine["automations"])
        ),
        days=_days(mine["days"], mine["day_operations"], zone),
        operations=tuple(_operation(row, totals["spent_nano"]) for row in mine["operations"]),
        saved=_saved(mine["operations"], mine["turns"]),
        savings=_savings(mine["operations"], mine["turns"]),
        routing=None if premium is None else _routing(mine["routed"], premium),
        coverage=Coverage(
            totals["quoted"], totals["covered"], ratio(totals["covered"], totals["quoted"]), totals["stopped"]
        ),
        sizes=tuple(_size(row) for row in mine["sizes"]),
        fallbacks=Fallbacks(asked, fell_back, ratio(fell_back, asked)),
        blocks=_blocks(mine["turns"], totals["refused"]),
        moves=tuple(TargetMove(**row) for row in mine["moves"]),
        guards=tuple(GuardTotals(**row) for row in mine["guards"]),
        newest=tuple(QuotedRun(**(row | {"started_at": from_us(row["started_at"])})) for row in mine["newest"]),
    )


def _rest(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "stand_in"}


def _size(row: Row) -> SizeLine:
    low, high = wilson(row["within"], row["runs"])
    return SizeLine(**row, share=ratio(row["within"], row["runs"]), low=low, high=high)


def _sold(totals: Row) -> Money:
    known = totals["completed"] and not totals["unpriced"]
    charged = totals["charged_nano"] if known else None
    spent = totals["spent_nano"]
    return Money(totals["completed"], totals["unpriced"], charged, gross_margin(charged, spent), markup(charged, spent))


def _automation(row: Row, bins: Sequence[Row], buffer_percent: int | None) -> AutomationLine:
    outcomes, sample = row["outcomes"], row["sample"] or []
    spent = row["spent_nano"] - row["open_nano"]
    cost = -(-spent // outcomes) if outcomes else None
    charged = row["charged_nano"] if outcomes and not row["unpriced"] else None
    price = None if charged is None else charged // outcomes
    drawn = () if buffer_percent is None else (buffer(sample, runs, buffer_percent) for runs in _INVOICES)
    return AutomationLine(
        automation=row["automation"],
        runs=row["runs"],
        refused=row["refused"],
        outcomes=outcomes,
        spent_nano=row["spent_nano"],
        unearned_nano=row["unearned_nano"],
        p50_nano=row["p50_nano"],
        p95_nano=row["p95_nano"],
        cost_nano=cost,
        price_nano=price,
        charged_nano=charged,
        gross_margin=None if cost is None else gross_margin(price, cost),
        markup=None if cost is None else markup(price, cost),
        at_p95=gross_margin(price, row["p95_nano"]) if row["p95_nano"] is not None else None,
        within=row["covered"],
        buffers=tuple(one for one in drawn if one is not None),
        bins=_bins([one for one in bins if one["automation"] == row["automation"]]),
    )


def _bins(rows: Sequence[Row]) -> tuple[Bin, ...]:
    """The last one ends at the most expensive run."""
    lows = [(row, row["least"] + row["bin"] * row["step"]) for row in rows]
    return tuple(
        Bin(low, max(row["most"] + 1, low + row["step"]) if row["bin"] >= _BINS else low + row["step"], row["runs"])
        for row, low in lows
    )


def _days(days: Sequence[Row], operations: Sequence[Row], zone: ZoneInfo) -> tuple[DayLine, ...]:
    costs: dict[int, dict[str, int]] = defaultdict(dict)
    for row in operations:
        costs[row["day"]][row["operation"]] = row["cost_nano"]
    return tuple(
        DayLine(
            from_us(row["day"]).astimezone(zone).date(),
            row["runs"],
            row["spent_nano"],
            row["charged_nano"],
            costs[row["day"]],
        )
        for row in days
    )


def _operation(row: Row, spent: int) -> OperationModelLine:
    return OperationModelLine(
        operation=row["operation"],
        provider=row["provider"],
        model=row["model"],
        attempts=row["attempts"],
        failed=row["failed"],
        tokens=TokenSums(row["input_tokens"], row["output_tokens"], row["cache_read_tokens"]),
        cost_nano=row["cost_nano"],
        share=ratio(row["cost_nano"], spent),
    )


def _routing(rows: Sequence[Row], premium: TargetRates) -> RoutingSavings:
    """The savings of routing. Both sides count only tokens that a provider reported."""
    return RoutingSavings(
        premium.target,
        premium.model,
        sum(row["cost_nano"] for row in rows),
        sum(row["cost_nano"] if row["model"] == premium.model else at_rates(row, premium.rates) for row in rows),
    )


def _savings(attempts: Sequence[Row], turns: Sequence[Row]) -> tuple[OperationSavings, ...]:
    def of(name: str, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row["operation"] == name]

    names = sorted({row["operation"] for row in (*attempts, *turns)})
    lines = [OperationSavings(name, _saved(of(name, attempts), of(name, turns))) for name in names]
    found = [line for line in lines if line.saved.any]
    return tuple(sorted(found, key=lambda line: -line.saved.caching_nano - line.saved.stored_nano))


def _saved(attempts: Sequence[Row], turns: Sequence[Row]) -> Savings:
    return Savings(
        caching_nano=sum(row["caching_nano"] for row in attempts),
        stand_in_nano=sum(row["stand_in_nano"] for row in attempts),
        stored_nano=sum(row["stored_nano"] for row in turns if row["outcome"] == "stored"),
        stored_turns=sum(row["turns"] for row in turns if row["outcome"] == "stored"),
    )


def _blocks(turns: Sequence[Row], refused: int) -> tuple[BlockLine, ...]:
    """Runs refused at admission, turns blocked by a guard or a limit, and turns stopped by a budget."""
    reasons: Counter[str] = Counter()
    for row in turns:
        if row["outcome"] == "blocked" or (row["outcome"] == "stopped" and row["reason"] == "budget"):
            reasons[row["reason"] or "unknown"] += row["turns"]
    found = [BlockLine("turn", reason, count) for reason, count in sorted(reasons.items())]
    if refused:
        found.append(BlockLine("run", "budget", refused))
    return tuple(sorted(found, key=lambda one: -one.count))
