"""``farebox close``: freeze a month, and show frozen ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.tables import grid_table
from farebox.runtime import Runtime, get_runtime
from pricing import LedgerError, UsageError, to_us
from pricing.ledger import MonthClose, MonthCloses, closed_already

if TYPE_CHECKING:
    from pricing.reports import MonthFigures

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()


@app.command
def close(month: str, /, *, preview: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> None:
    """Close a month: its figures are frozen, and later findings are corrections in a later month.

    Args:
        month: such as 2026-11; it must be over.
        preview: show the figures as they are now, and close nothing.
        json: print JSON; amounts are nano-dollars.
    """
    found = close_month(get_runtime(), month, preview=preview)
    if json:
        print_json(found.to_json() | {"digest": found.digest(), "closed": not preview})
        return
    show_month(found)
    if preview:
        _out.print("\nNothing was closed.", style="dim")
    else:
        _out.print(f"\nClosed. `farebox report --closed {month}` shows these figures from now on.", markup=False)


def close_month(runtime: Runtime, month: str, *, preview: bool = False, now: datetime | None = None) -> MonthFigures:
    """The figures of a month, frozen unless only a preview is asked for.

    Raises:
        UsageError: the month is not valid, not over, or closed already.
    """
    from pricing.reports import month_bounds, month_figures

    present, zone = now or datetime.now(UTC), runtime.settings.zone
    closes = MonthCloses(runtime.ledger.store)
    begins, ends = month_bounds(month, zone)
    if not preview and closes.find(month) is not None:
        raise closed_already(month)
    if not preview and present < ends:
        raise UsageError(
            f"{month} is not over.", next_step=f"Close it from {ends:%Y-%m-%d} on; --preview shows it until then."
        )
    runtime.ledger.reap()
    if not runtime.replica.sync().done:
        raise LedgerError(
            "The replica could not be brought up to date: another process uses its file.",
            next_step="Try again in a moment.",
        )
    found = month_figures(runtime.replica, month, zone, present, closes.open_attempts())
    if not preview:
        closes.close(
            MonthClose(
                month=month,
                begins_at=to_us(begins),
                ends_at=to_us(ends),
                closed_at=to_us(found.closed_at),
                zone=zone.key,
                cost_nano=found.cost_nano,
                corrections_nano=found.corrections_nano,
                charged_nano=found.charged_nano,
                figures=found.canonical(),
                digest=found.digest(),
            )
        )
        runtime.replica.sync()
    return found


def closed_month(runtime: Runtime, month: str) -> MonthFigures:
    """The figures of a month as they were when it was closed.

    Raises:
        UsageError: it is not closed.
        LedgerError: the stored figures were changed.
    """
    from pricing.reports import read_figures

    closes = MonthCloses(runtime.ledger.store)
    kept = closes.find(month)
    if kept is None:
        known = ", ".join(closes.months()) or "none"
        raise UsageError(
            f"{month[:40]!a} is not closed; closed months: {known}.",
            next_step=f"Close it: `farebox close {month[:40]}`.",
        )
    found = read_figures(kept.figures)
    if found.digest() != kept.digest:
        raise LedgerError(
            f"The figures of {month} were changed after it was closed.",
            next_step="Restore the ledger from a backup.",
        )
    return found


def show_month(found: MonthFigures) -> None:
    """Print a month's figures."""
    from pricing.reports import month_grids, month_sentences

    for sentence in month_sentences(found):
        _out.print(sentence, markup=False)
    for title, grid in month_grids(found):
        _out.print(grid_table(title, grid))
