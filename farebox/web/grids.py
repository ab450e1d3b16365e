"""Tables that several pages have, and what their cells say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farebox.web.site import Site
from pricing import Nano, format_money
from pricing.ledger import budget_label
from pricing.reports import DecidedApproval, QuoteAudit, RunLine, ShareEstimate, duration, moment, percent
from pricing.reports.charts import Grid

UNKNOWN = "–"
CHOICES: Mapping[str, str] = {
    "once": "approved once",
    "cheaper": "approved with cheaper models",
    "raise": "budget raised",
    "finish": "finish with what there is",
    "refuse": "refused",
    "timed_out": "nobody decided in time",
}


def runs_grid(site: Site, lines: Sequence[RunLine], *, of_one: bool = False) -> Grid:
    """A table of runs, one row each; without the automation's column where ``of_one`` automation is shown."""
    heads = (
        "run",
        *(() if of_one else ("automation",)),
        "outcome",
        "began",
        "owner",
        "quality",
        "turns",
        "estimate",
        "p95",
        "cost",
        "took",
    )
    rows = tuple(
        (
            one.run_id,
            *(() if of_one else (one.automation,)),
            one.outcome.replace("_", " ") + (" (sandbox)" if one.stand_in else ""),
            moment(one.started_at.astimezone(site.zone)),
            one.org or one.user or UNKNOWN,
            one.quality,
            f"{one.turns:,}",
            *(format_money(amount) for amount in (one.point_nano, one.p95_nano, one.spent_nano)),
            duration(one.duration_us),
        )
        for one in lines
    )
    return Grid(heads, rows, 5 if of_one else 6)


def approvals_grid(site: Site, lines: Sequence[DecidedApproval]) -> Grid:
    """A table of decisions about runs, one row each."""
    heads = ("run", "automation", "decision", "by", "decided", "budgets", "to hold")
    rows = tuple(
        (
            one.run_id,
            one.automation,
            CHOICES.get(one.choice, one.choice),
            one.by or UNKNOWN,
            moment(one.decided_at.astimezone(site.zone)),
            budget_amounts(one.choice, one.budgets),
            format_money(one.hold_nano),
        )
        for one in lines
    )
    return Grid(heads, rows, 6)


def budget_amounts(choice: str, budgets: Mapping[str, Nano]) -> str:
    """The effect of a decision on each budget that it names, as text."""
    what = {"once": "overdrawn by", "cheaper": "overdrawn by", "raise": "raised by"}.get(choice, "short by")
    return "; ".join(
        f"{budget_label(budget_id)} {what} {format_money(amount)}" for budget_id, amount in budgets.items()
    )


def audits_grid(audits: Sequence[QuoteAudit]) -> Grid:
    """A table of past quotes against actual cost, by automation and quality."""
    heads = ("automation", "quality", "runs", "within p95", "95 % interval", "within p50", "held ÷ spent", "drift")
    rows = tuple(
        (
            one.automation,
            one.quality + (" (sandbox)" if one.stand_in else ""),
            f"{one.p95.runs:,}",
            percent(one.p95.share),
            between(one.p95),
            percent(one.p50.share),
            times(one.over_holding),
            times(one.drift),
        )
        for one in audits
    )
    return Grid(heads, rows, 2)


def sizes_grid(audits: Sequence[QuoteAudit]) -> Grid:
    """A table of past quotes against actual cost, by size of runs."""
    heads = ("automation", "quality", "quoted at", "runs", "within p95", "95 % interval", "held ÷ spent")
    rows = tuple(
        (
            one.automation,
            one.quality,
            _quoted_at(size.low_nano, size.high_nano),
            f"{size.p95.runs:,}",
            percent(size.p95.share),
            between(size.p95),
            times(size.over_holding),
        )
        for one in audits
        for size in one.sizes
    )
    return Grid(heads, rows, 3)


def _quoted_at(low: Nano, high: Nano) -> str:
    return format_money(low) if low == high else f"{format_money(low)} to {format_money(high)}"


def between(share: ShareEstimate) -> str:
    """An interval of two shares, from 0 to 1, as text."""
    return between_shares(share.low, share.high)


def between_shares(low: float, high: float) -> str:
    """``93 % to 97 %``."""
    return f"{percent(low)} to {percent(high)}"


def times(value: float | None) -> str:
    """A factor as text."""
    return UNKNOWN if value is None else f"{value:.2f} ×"
