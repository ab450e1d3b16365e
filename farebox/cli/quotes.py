"""``farebox quotes``: how past quotes compared with costs, and whether quotes rise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.periods import read_since
from farebox.runtime import get_runtime
from pricing import format_money

if TYPE_CHECKING:
    from farebox.runs.quote_baseline import QuoteChange
    from pricing.reports import QuoteAudit, ShareEstimate

Json = Annotated[bool, Parameter(name="--json", negative="")]

quotes = App(name="quotes", help="Audit past quotes, and check quotes in CI.")
app.command(quotes)

_out = terminal()


@quotes.command
def audit(automation: str | None = None, /, *, since: str = "30d", json: Json = False) -> None:
    """Compare the costs of runs with their quotes: coverage, also by size, drift, over-holding.

    Args:
        automation: only this one's quotes.
        since: the start of the period: 2026-11-01, 30d, 12h, today, ever.
        json: print JSON.
    """
    from pricing.reports import ENOUGH, quote_audits

    runtime = get_runtime()
    runtime.replica.sync()
    found = quote_audits(runtime.replica, automation, since=read_since(since, runtime.settings.zone))
    if json:
        print_json([one.to_json() for one in found])
        return
    if not found:
        _out.print("No run has ended in this period. Use an earlier --since.")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("automation", "runs", "within p95", "95 % sure", "within p50", "held ÷ spent", "drift"):
        table.add_column(heading, justify="left" if heading == "automation" else "right")
    for one in found:
        shares = (str(one.p95.runs), _percent(one.p95), _sure(one.p95), _percent(one.p50))
        table.add_row(_name(one), *shares, _times(one.over_holding), _times(one.drift))
    _out.print(table)
    _show_sizes([one for one in found if one.sizes])
    for one in found:
        for warning in one.warnings:
            _out.print(f"{_name(one)}: {warning}", style="yellow", markup=False)
    if any(one.p95.runs < ENOUGH for one in found):
        _out.print(f"An honest p95 covers 93–97 %; fewer than {ENOUGH} runs are not enough to judge.", style="dim")


@quotes.command
def check(
    *,
    baseline: Path,
    most: Annotated[float, Parameter(name="--max-rise", validator=validators.Number(gte=0, lte=100))] = 0.1,
    write: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Compare the quotes of all automations with a baseline file; exit code 1 if a p95 rises too much. For CI.

    Changed prompts are counted, and past runs are scaled to the current plan. No model is called.

    Args:
        baseline: the file of agreed quotes; commit it.
        most: the share by which a p95 may rise: 0.1 is 10 %.
        write: write the current quotes to the file instead.
        json: print JSON.
    """
    from farebox.runs.quote_baseline import check_error, compare_quotes, quotes_now, read_baseline, write_baseline

    agreed = {} if write and not baseline.exists() else read_baseline(baseline)
    now, missing = quotes_now(get_runtime(), agreed)
    changes = compare_quotes(agreed, now, most)
    if write:
        write_baseline(baseline, now | {key: one for key, one in agreed.items() if key[0] in missing})
    if json:
        print_json({"quotes": [one.to_json() for one in changes], "missing": missing})
    else:
        _show_changes(changes)
        for name, why in missing.items():
            _out.print(f"{name} is not checked: {why}.", style="yellow", markup=False)
        if write:
            _out.print(f"Written to {baseline}: review it and commit it.", markup=False)
    if not write and (error := check_error(changes, most, baseline)):
        raise error


def _show_changes(changes: list[QuoteChange]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("automation", "p95 before", "p95 now", "change", "reasons"):
        table.add_column(heading, justify="right" if heading in {"p95 before", "p95 now", "change"} else "left")
    for one in changes:
        before, after = ("–" if nano is None else format_money(nano) for nano in (one.before_nano, one.after_nano))
        change = f"{one.share:+.0%}" if one.share is not None else "new" if one.before_nano is None else "gone"
        style = "red" if one.rises else ""
        table.add_row(f"{one.automation} {one.quality}", before, after, change, "; ".join(one.reasons), style=style)
    _out.print(table)


def _show_sizes(found: list[QuoteAudit]) -> None:
    from rich.table import Table

    if not found:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("by size", "quoted at", "runs", "within p95", "95 % sure", "held ÷ spent"):
        table.add_column(heading, justify="left" if heading == "by size" else "right")
    for one in found:
        for place, size in enumerate(one.sizes):
            between = f"{format_money(size.low_nano)} to {format_money(size.high_nano)}"
            shares = (str(size.p95.runs), _percent(size.p95), _sure(size.p95))
            table.add_row("" if place else _name(one), between, *shares, _times(size.over_holding))
    _out.print()
    _out.print(table)


def _name(one: QuoteAudit) -> str:
    return f"{one.automation} {one.quality}" + (" (sandbox)" if one.stand_in else "")


def _percent(share: ShareEstimate) -> str:
    return "–" if share.share is None else f"{share.share:.1%}"


def _sure(share: ShareEstimate) -> str:
    return f"{share.low:.0%}–{share.high:.0%}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} ×"
