"""``farebox runs``: past runs, which of them can be continued, and continuing one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import print_json, terminal
from farebox.cli.report import synced
from farebox.runtime import get_runtime
from pricing.ledger import ToolDecision

Json = Annotated[bool, Parameter(name="--json", negative="")]
Count = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=1_000_000))]

runs = App(name="runs", help="List past runs, newest first; continue one that died or failed.")
app.command(runs)

_out = terminal()


@runs.default
@runs.command(name="list")
def list_runs(*, automation: str | None = None, limit: Count = 20, json: Json = False) -> None:
    """List past runs, newest first, and those that can be continued.

    Args:
        automation: only this one's.
        limit: how many.
        json: print JSON.
    """
    from pricing import format_money, from_us
    from pricing.reports import moment, plural, render_terminal
    from pricing.reports import runs as found_runs

    runtime = synced()
    found = found_runs(runtime.replica, limit=limit, automation=automation)
    open_ones = runtime.journal.resumable()
    if json:
        waiting = {batch.run_id: 0 for batch in runtime.batches.open()}
        for batch in runtime.batches.open():
            waiting[batch.run_id] += batch.lines
        more = [{"resumable": line.run_id in open_ones, "waiting_turns": waiting.get(line.run_id, 0)} for line in found]
        print_json([line.to_json() | one for line, one in zip(found, more, strict=True)])
        return
    _out.print(render_terminal(found))
    waited_for = runtime.batches.open()
    if waited_for:
        runtime.batch_histories.fresh()
    for batch in waited_for:
        note = f"{plural(batch.lines, 'turn')} sent {moment(from_us(batch.submitted_at or batch.begun_at))}"
        expected = runtime.expected_at(batch)
        about = "" if expected is None else f"expected about {moment(from_us(expected))}, "
        until = f"{about}waited for until {moment(from_us(batch.leave_at))}"
        _out.print(f"Waiting for a batch: {batch.run_id} ({note}, {until})", markup=False)
    kept = runtime.journal.kept_runs() if open_ones else {}
    for line in found:
        if line.run_id in open_ones:
            note = f"{plural(kept[line.run_id], 'result')} worth {format_money(runtime.journal.paid(line.run_id))} kept"
            command = f"farebox runs resume {line.run_id}"
            _out.print(f"Can be continued: {command} ({line.automation}; {note}, not paid again)", markup=False)


@runs.command(name="resume")
def resume_run(
    run: str,
    /,
    *,
    interrupted: ToolDecision | None = None,
    budget: str | None = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="")] = False,
    json: Json = False,
) -> None:
    """Continue a run that died or failed: stored answers are replayed, and only the rest is paid.

    A run of a deployment is scheduled there; any other goes on in this process.

    Args:
        run: its id, the beginning or end of it, or "last": the newest that can be continued.
        interrupted: what to do with tools that were running when its process ended: retry, skip or fail.
        budget: a new limit for this run: "0.10 USD".
        yes: continue it without asking.
        json: print one JSON document instead of following the run.
    """
    from farebox.cli.resume import resume
    from pricing import parse_money

    limit = None if budget is None else parse_money(budget)
    resume(get_runtime(), run, interrupted=interrupted, limit=limit, yes=yes, as_json=json)
