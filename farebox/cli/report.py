"""``farebox report``: what runs cost, and the reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from cyclopts import Parameter

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.periods import read_moment, read_since
from farebox.runtime import Runtime, get_runtime
from pricing import UsageError
from pricing.ledger import read_key

if TYPE_CHECKING:
    from pricing.reports import Breakdown, Overview, RunReport, RunSelection

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()
_messages = terminal(stderr=True)
_SINCE = "30d"
_ALL = "all"


@app.command
def report(
    what: str = "",
    /,
    *,
    by: tuple[str, ...] = (),
    since: str | None = None,
    until: str | None = None,
    org: str | None = None,
    user: str | None = None,
    html: Path | None = None,
    csv: Path | None = None,
    parquet: Path | None = None,
    focus: Path | None = None,
    closed: str | None = None,
    json: Json = False,
) -> None:
    """Report what runs cost, and why: one run, all runs of an automation, or all runs.

    Without arguments, the latest run is reported. For several runs, the default period is the last 30 days.

    Args:
        what: "last", a run's id or its first characters, an automation's name, or "all".
        by: a table by automation, quality, org, user, day, operation, model, target or service_tier; may be repeated.
        since: the start of the period: 2026-11-01, 30d, 12h, today, ever.
        until: the end of the period.
        org: only this organisation's runs.
        user: only this user's runs.
        html: write a self-contained page to this file.
        csv: write the table (for one run, its attempts) to this file.
        parquet: likewise, as Parquet.
        focus: write the spend as rows of FOCUS 1.2 to this file, .csv or .parquet.
        closed: the figures of a closed month, such as 2026-11, as they were when it was closed.
        json: print JSON.
    """
    if closed is not None:
        _closed(closed, json=json)
        return
    from pricing.reports import render_html, render_terminal

    runtime = synced()
    several = bool(by) or any(said is not None for said in (since, until, org, user))
    name = what or (_ALL if several else "last")
    choice = _choice(runtime, name, since=since, until=until, org=org, user=user)
    with runtime.replica.read():  # opens the file once for all queries
        answer = _answer(runtime, name, by, choice, several=several)
        if focus is not None:
            _focus(runtime, name, choice, focus)
        if html is not None:
            _write(html, render_html(answer.page()))
        files: tuple[tuple[Path | None, Literal["csv", "parquet"]], ...] = ((csv, "csv"), (parquet, "parquet"))
        for path, kind in files:
            if path is not None:
                _export(answer.table(), path, kind)
        if json:
            print_json(answer.shown().to_json())
        elif html is csv is parquet is focus is None:
            _out.print(render_terminal(answer.shown()))


def report_of_runs(what: str, by: tuple[str, ...], since: str | None) -> RunReport | Overview | Breakdown:
    """The report of one run, of an automation or of all runs.

    Raises:
        UsageError: there is no such run, automation, table or time.
    """
    runtime = synced()
    choice = _choice(runtime, what, since=since, until=None, org=None, user=None)
    return _answer(runtime, what, by, choice, several=bool(by) or since is not None).shown()


class _Answer(NamedTuple):
    """The terminal output, the page and the rows of a report, each built when it is needed."""

    shown: Callable[[], RunReport | Overview | Breakdown]
    page: Callable[[], RunReport | Overview]
    table: Callable[[], RunReport | Breakdown]


def _answer(runtime: Runtime, name: str, by: tuple[str, ...], choice: RunSelection, *, several: bool) -> _Answer:
    from farebox.cache_drops import with_cache_drops
    from farebox.overview import make_overview
    from pricing.reports import automations, breakdown, run_report

    known = automations(runtime.replica)
    if name in known or (name == _ALL and known):
        page = partial(make_overview, runtime, choice)
        table = partial(breakdown, runtime.replica, by or ("automation",), choice)
        return _Answer(table if by else page, page, table)
    if several and known:
        raise UsageError(
            f"{name[:40]!r} is not an automation that has run, and one run takes no time, owner or table.",
            next_step="Name an automation, or `farebox report all`; `farebox runs` lists what has run.",
        )
    found = with_cache_drops(runtime, run_report(runtime.replica, name))
    return _Answer(lambda: found, lambda: found, lambda: found)


def _choice(
    runtime: Runtime, name: str, *, since: str | None, until: str | None, org: str | None, user: str | None
) -> RunSelection:
    from pricing.reports import RunSelection

    zone = runtime.settings.zone
    begins = read_since(_SINCE if since is None else since, zone)
    ends = None if until is None else read_moment(until, zone)
    if begins is not None and ends is not None and ends <= begins:
        raise UsageError(
            f"--until {until} is not after --since {_SINCE if since is None else since}.",
            next_step="Give an earlier --since, like 60d or ever, or a later --until.",
        )
    return RunSelection(
        since=begins,
        until=ends,
        automation=None if name == _ALL else name,
        org=None if org is None else read_key("org", org),
        user=None if user is None else read_key("user", user),
        zone=zone,
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).", next_step="Name another file.") from None
    _messages.print(f"written to {path}", style="dim", markup=False)


def _export(table: RunReport | Breakdown, path: Path, kind: Literal["csv", "parquet"]) -> None:
    from pricing.reports import export

    rows = export(table, path, kind)
    _messages.print(f"{rows} rows written to {path}", style="dim", markup=False)


def _closed(month: str, *, json: bool) -> None:
    from farebox.cli.close import closed_month, show_month

    found = closed_month(get_runtime(), month)
    if json:
        print_json(found.to_json() | {"digest": found.digest()})
    else:
        show_month(found)


def _focus(runtime: Runtime, name: str, choice: RunSelection, path: Path) -> None:
    from pricing.rates import RateCard
    from pricing.reports import FocusRates, automations, run_report, write_focus

    of_one = name != _ALL and name not in automations(runtime.replica)
    run_id = run_report(runtime.replica, name).run.run_id if of_one else None
    if of_one:
        choice = replace(choice, automation=None, since=None)
    regions = {target.name: target.region for target in runtime.router.targets}
    rates = FocusRates(RateCard.load(), runtime.rates, regions)
    rows = write_focus(runtime.replica, rates, path, choice, run_id=run_id)
    _messages.print(f"{rows} rows written to {path}", style="dim", markup=False)


def synced() -> Runtime:
    """The runtime, with its replica up to date unless another process uses it."""
    from farebox.prefect.report_files import refresh_report_files

    runtime = get_runtime()
    if runtime.replica.sync().rows:
        refresh_report_files(runtime)
    return runtime
