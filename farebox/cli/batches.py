"""``farebox batches``: the batches that runs have sent to providers; collecting results or cancelling by hand."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import App, Parameter, validators
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import print_json, terminal
from farebox.runtime import Runtime, get_runtime
from pricing import UsageError, format_money, from_us
from pricing.ledger import Batch
from pricing.reports import moment, plural

Json = Annotated[bool, Parameter(name="--json", negative="")]
Open = Annotated[bool, Parameter(name="--open", negative="")]
Limit = Annotated[int, WHOLE, Parameter(validator=validators.Number(gt=0, lte=10_000))]

_out = terminal()
_SHOWN = 60
batches = App(name="batches", help="Show batches that runs wait for; collect their results, or cancel them.")
app.command(batches)


@batches.default
@batches.command(name="list")
def list_(*, open_only: Open = False, limit: Limit = 20, json: Json = False) -> None:
    """List batches, newest first.

    Args:
        open_only: only those whose results are not all collected.
        limit: how many at most.
        json: print JSON.
    """
    runtime = _runtime()
    found = [batch for batch in runtime.batches.all(limit) if batch.is_open or not open_only]
    _print_batches(runtime, found, as_json=json)


@batches.command
def show(name: str, /, *, json: Json = False) -> None:
    """Show one batch, or those of a run: its lines, costs and errors.

    Args:
        name: the batch's label, the provider's id of it, or the run's id; part of one will do; "last" is the newest.
        json: print JSON.
    """
    runtime = _runtime()
    found = _named(runtime, name)
    if json:
        print_json([_plain(runtime, batch) | {"lines_of": _lines(runtime, batch)} for batch in found])
        return
    for batch in found:
        _out.print(Text(f"{batch.label}  {batch.state_text}", style="bold"))
        for heading, value in _facts(runtime, batch):
            _out.print(Text.assemble((f"  {heading:<12}", "dim"), value))


@batches.command
def cancel(name: str, /, *, json: Json = False) -> None:
    """Cancel batches at their providers. Lines that have run by then are billed, and their answers are used; the run
    asks the others live, never in another batch. To end the run itself, cancel it in Prefect.

    Args:
        name: a batch's label, the provider's id of it, or a run's id, whose open batches are cancelled.
        json: print JSON.
    """
    runtime = _runtime()
    found = [batch for batch in _named(runtime, name) if batch.is_open]
    if not found:
        raise UsageError(
            f"No open batch is called {name[:_SHOWN]!r}.", next_step="`farebox batches --open` lists them."
        )
    by = getpass.getuser()
    for batch in found:
        runtime.engine.loop.run(runtime.batch_results.cancel(batch.label, by))
    _print_batches(runtime, _again(runtime, found), as_json=json)


@batches.command
def collect(*, json: Json = False) -> None:
    """Check every open batch now, collect its results, and resume the runs that wait for them.

    The flow `collect_batches` does the same on its schedule.

    Args:
        json: print JSON.
    """
    from prefect.client.orchestration import get_client

    from farebox.prefect.batch_collection import collect_batches
    from farebox.prefect.server import ensure_server

    runtime = _runtime()
    waiting = bool(runtime.ledger.suspended())
    if waiting:
        ensure_server()
        with get_client(sync_client=True) as client:
            done = collect_batches(runtime, client)
    else:
        done = collect_batches(runtime)
    if json:
        print_json(done.counted() | {"batches": [_plain(runtime, batch) for batch in done.visited]})
        return
    counted = done.counted()
    _out.print(
        f"{counted['collected']} of {plural(counted['looked_at'], 'open batch', 'open batches')} collected; "
        f"{plural(counted['resumed'], 'run')} resumed."
    )
    if done.visited:
        _out.print(_table(runtime, done.visited))


def _runtime() -> Runtime:
    """This process's, with what past batches say."""
    runtime = get_runtime()
    runtime.batch_histories.fresh()
    return runtime


def _print_batches(runtime: Runtime, found: Sequence[Batch], *, as_json: bool) -> None:
    if as_json:
        print_json([_plain(runtime, batch) for batch in found])
    elif found:
        _out.print(_table(runtime, found))
    else:
        _out.print("No batches. Runs with a due time use them: farebox run NAME --due 6h")


def _table(runtime: Runtime, found: Sequence[Batch]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("batch", "target", "state", "answered", "times", "cost"):
        table.add_column(heading, overflow="fold")
    for batch in found:
        row = (
            f"…{batch.label[-8:]}\nrun …{batch.run_id[-8:]}",
            batch.target,
            batch.state_text,
            f"{batch.completed} of {batch.lines}",
            "\n".join(_times(runtime, batch)),
            format_money(runtime.batches.costs(batch.label)),
        )
        table.add_row(*map(Text, row))
    table.caption, table.caption_justify = "Times are UTC.", "left"
    return table


def _times(runtime: Runtime, batch: Batch) -> Iterator[str]:
    yield f"sent {from_us(batch.submitted_at or batch.begun_at):%m-%d %H:%M}"
    if (expected := runtime.expected_at(batch)) is not None:
        yield f"expected {from_us(expected):%m-%d %H:%M}"
    if batch.is_open:
        yield f"until {from_us(batch.leave_at):%m-%d %H:%M}"


def _plain(runtime: Runtime, batch: Batch) -> dict[str, Any]:
    """As plain data; times are microseconds UTC, amounts nano-dollars."""
    return asdict(batch) | {
        "cost_nano": runtime.batches.costs(batch.label),
        "open": batch.is_open,
        "expected_at": runtime.expected_at(batch),
    }


def _lines(runtime: Runtime, batch: Batch) -> list[dict[str, Any]]:
    return [
        {
            "line_id": line.line_id,
            "turn_id": line.turn_id,
            "operation": line.intent.operation,
            "state": line.state,
            "outcome": line.outcome,
        }
        for line in runtime.batches.lines(batch.label)
    ]


def _facts(runtime: Runtime, batch: Batch) -> list[tuple[str, str]]:
    """The facts of a batch, heading by heading."""
    facts = [
        ("provider", f"{batch.provider}, {batch.model}, target {batch.target}"),
        ("id there", batch.batch_id or "not known"),
        ("run", batch.run_id),
        ("lines", f"{batch.lines}: {batch.completed} answered, {batch.failed} failed"),
        ("cost so far", format_money(runtime.batches.costs(batch.label))),
        ("sent", moment(from_us(batch.submitted_at or batch.begun_at))),
    ]
    if batch.ended_at is not None:
        facts.append(("ended", moment(from_us(batch.ended_at))))
    if batch.is_open:
        facts.append(("expected", _expected(runtime, batch)))
        facts.append(("cancelled at", f"{moment(from_us(batch.cancel_at))}, if it is not back by then"))
    if batch.cancelled_at is not None:
        facts.append(("cancelled", f"{moment(from_us(batch.cancelled_at))} by {batch.cancelled_by}"))
    if batch.fault:
        facts.append(("trouble", batch.fault))
    return facts


def _expected(runtime: Runtime, batch: Batch) -> str:
    """When a batch is expected back, for people."""
    past = len(runtime.service_tiers.history(batch.provider).seconds)
    if (expected := runtime.expected_at(batch)) is not None:
        return f"about {moment(from_us(expected))}, by {past} past batch{'' if past == 1 else 'es'} of {batch.provider}"
    if not past:
        return f"not known: there are no past batches of {batch.provider}"
    if batch.submitted_at is None:
        return "not known: the batch is not known to have been created"
    return f"not known: no past batch of {batch.provider} took as long"


def _named(runtime: Runtime, name: str) -> list[Batch]:
    """The batches of a label, a provider's id or a run; part of one is enough if it is unique.

    Raises:
        UsageError: there is none, or the name is ambiguous.
    """
    wanted, known = name.strip().lstrip("…"), runtime.batches.all(10_000)
    if wanted == "last" and known:
        return known[:1]
    found = [
        (key, batch)
        for batch in known
        for key in (batch.label, batch.batch_id or "", batch.run_id)
        if wanted and key and (key == wanted or key.startswith(wanted) or key.endswith(wanted))
    ]
    exact = [pair for pair in found if pair[0] == wanted] or found
    things = {key for key, _ in exact}
    if not things:
        raise UsageError(f"There is no batch {name[:_SHOWN]!r}.", next_step="`farebox batches` lists them.")
    if len(things) > 1:
        raise UsageError(
            f"{len(things)} batches or runs are called {name[:_SHOWN]!r}.", next_step="Give more of the id."
        )
    return [batch for _, batch in exact]


def _again(runtime: Runtime, found: Sequence[Batch]) -> list[Batch]:
    return [now for batch in found if (now := runtime.batches.batch(batch.label)) is not None]
