"""``farebox run`` and ``farebox demo``: one run in this process, shown to its end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from farebox.automations import automation_of, state_of
from farebox.cli.approve import terminal_approval
from farebox.cli.display import RunDisplay, closing_line
from farebox.cli.output import near, print_json, terminal, warn, warning_of
from farebox.discovery import find_flow, read_parameters, with_defaults, with_due
from farebox.prefect.artifacts import publish, report_of
from farebox.runs.admission import check_admission, price_run
from farebox.runs.approval import ASK_HERE
from farebox.runs.batch_waits import show_left_here
from farebox.runs.context import ANONYMOUS, RunOwner, starter_context
from farebox.runs.due_times import stated_due
from farebox.runtime import Runtime, Watcher, get_runtime
from pricing import FareboxError, Nano, OverBudget, from_us
from pricing.ledger import BudgetRule, Refusal, Run, Settled
from pricing.quotes import Quote
from tasks import RunContext, use_run
from tasks.turn import TurnEvent, WaveNews

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import State

    from pricing.reports import RunReport


class _Record:
    """Records the events of a run."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.outcome = "not started"
        self.settled_as: Settled | None = None

    def quoted(self, run: Run, quote: Quote, rules: Sequence[BudgetRule], refusals: Sequence[Refusal]) -> None:
        del quote, rules
        self.run = run
        self.outcome = "over_budget" if refusals else "running"

    def turn(self, event: TurnEvent) -> None:
        """Turns are in the ledger."""

    def batches(self, news: WaveNews) -> None:
        """Batches are in the ledger."""

    def settled(self, run: Run, outcome: str, settled: Settled) -> None:
        del run
        self.outcome, self.settled_as = outcome, settled


def run_here(
    name: str,
    given: dict[str, str],
    limit: Nano | None,
    *,
    whose: RunOwner = ANONYMOUS,
    due: str | None = None,
    as_json: bool,
    emit: Callable[[dict[str, Any]], object] = print_json,
) -> None:
    """Run an automation in this process; its errors set the exit code. The JSON result is passed to ``emit``.

    Raises:
        UsageError: the due time cannot be met or read.
        FareboxError: the run did not complete; its exit code is the command's.
    """
    runtime = get_runtime()
    flow = find_flow(name)
    parameters = read_parameters(flow, with_due(flow, given, due), whose)
    due_at = stated_due(runtime, due)

    def start() -> State[Any] | OverBudget:
        # A run that is refused fails at once, before Prefect starts.
        if (refused := _refused(runtime, flow, parameters)) is not None:
            return refused
        runtime.check()
        if flow.isgenerator:
            return follow_run(partial(_iterated, flow, parameters))
        return follow_run(partial(flow, **parameters, return_state=True))

    follow_watched(runtime, start, starter_context(whose, limit, due_at), as_json=as_json, emit=emit)


def follow_watched(
    runtime: Runtime,
    start: Callable[[], State[Any] | OverBudget],
    starter: RunContext,
    *,
    as_json: bool,
    emit: Callable[[dict[str, Any]], object] = print_json,
) -> None:
    """Show a run from start to end. ``start`` returns its final state, or its refusal.

    Raises:
        FareboxError: the run did not complete; its exit code is the command's.
    """
    console = terminal(stderr=as_json)
    record, display = _Record(), RunDisplay(console)
    watchers: list[Watcher] = [record] if as_json else [record, display]
    runtime.watchers += watchers
    # The report is not shown here, so that problems with it are only logged.
    report = warning_of("farebox.prefect.artifacts", logging.INFO) if as_json else nullcontext()
    asked = nullcontext() if as_json else terminal_approval(console, display.stop)
    with warning_of("farebox.runs.admission"), report, use_run(starter), asked:
        try:
            if not as_json:
                display.waiting("starting Prefect")
            end = _ended(record, start)
        except KeyboardInterrupt:
            display.stop()
            _print_remaining(runtime, record)
            raise
        finally:
            display.stop()
            for watcher in watchers:
                runtime.watchers.remove(watcher)
    if end is None:
        return
    with _harmless():
        if as_json:
            emit(_result_fields(runtime, record, end))
        else:
            _show(runtime, record, end, console)
    if end.error is not None:
        raise end.error


def _print_remaining(runtime: Runtime, record: _Record) -> None:
    """Print how to continue a run that was interrupted while it waited for batches, and show it so in Prefect."""
    if record.run is None or not (batches := runtime.batches.open(record.run.run_id)):
        return
    lines = sum(batch.lines for batch in batches)
    turns = f"{lines} turn{'' if lines == 1 else 's'}"
    warn(
        f"The run is suspended: it waits for {turns} in batches. The batches go on, and its hold is kept.",
        f"`farebox runs resume {record.run.run_id}` continues it; `farebox batches cancel {record.run.run_id}` "
        "cancels its batches.",
    )
    if not show_left_here(record.run):
        warn("Prefect does not show the run as suspended: its server cannot be reached.")


def _refused(runtime: Runtime, flow: Flow[..., Any], parameters: dict[str, Any]) -> OverBudget | None:
    """The refusal of a run that exceeds a budget. A run that a person can still approve is not refused here.

    Raises:
        FareboxError: it cannot be priced.
    """
    automation, given = automation_of(flow), with_defaults(flow, parameters)
    if automation.approval is not None and ASK_HERE.get() is not None:
        price_run(runtime, automation, given)
        return None
    run_id = str(uuid4())
    try:
        check_admission(runtime, automation, run_id, given)
    except OverBudget as refused:
        publish(runtime, run_id, None)
        return refused
    return None


@dataclass(frozen=True, slots=True)
class _End:
    """How a run ended: in a Prefect state, or refused before it had one."""

    state: State[Any] | None
    error: FareboxError | None

    @property
    def completed(self) -> bool:
        return self.state is not None and self.state.is_completed()

    def result(self) -> object:
        """What a completed run returned."""
        return self.state.result(raise_on_failure=False) if self.state is not None and self.completed else None


def _ended(record: _Record, start: Callable[[], State[Any] | OverBudget]) -> _End | None:
    """How the run ended; ``None`` if it ended and Prefect does not know."""
    try:
        state = start()
    except FareboxError as error:
        if record.outcome != "completed":
            raise
        warn(f"The run completed and is settled, but not in Prefect: {error.message}", "See `farebox report last`.")
        return None
    if isinstance(state, OverBudget):
        return _End(None, state)
    return _End(state, None if state.is_completed() else _why(state))


@contextmanager
def _harmless() -> Iterator[None]:
    """Warn about errors while a run is shown. Its exit code stays, so that a scheduler does not run, and pay for, it
    again.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader is gone; output flushed at exit would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except FareboxError as error:
        warn(f"The run is settled, but its report cannot be shown: {error.message}", error.next_step)
    except Exception as error:  # noqa: BLE001 - of a library: a damaged file, a value that is not JSON, a full disk
        warn(
            f"The run is settled, but its report cannot be shown: {type(error).__name__}: {error}",
            "See `farebox report last`; the run need not be repeated.",
        )


def follow_run(start: Callable[[], Any]) -> State[Any]:
    """The final state of a run that ``start`` begins.

    Raises:
        FareboxError: Prefect itself failed.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from farebox.prefect.server import ensure_server

    try:
        # With its heartbeat every synchronous flow waits 1.1 s at its end; no zombie detection is needed here.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            ensure_server()
            running = start()
            return cast("State[Any]", asyncio.run(_awaited(running)) if isawaitable(running) else running)
    except FareboxError:
        raise
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
        raise FareboxError(
            f"The automation's own code ended the process with sys.exit, code {code}.",
            next_step="Raise an error or return in place of it; what was spent is in `farebox report`.",
        ) from None
    except Exception as error:  # noqa: BLE001 - of Prefect itself: what the flow raises is in its state
        raise FareboxError(
            f"Prefect failed: {(str(error) or type(error).__name__).splitlines()[0].rstrip('.')}.",
            next_step="Check the server at PREFECT_API_URL, or unset that variable to run without a server of your own."
            if "PREFECT_API_URL" in os.environ
            else "Run it again; if it fails again, start a server with `farebox up` and look at its log.",
        ) from None


def _iterated(flow: Flow[..., Any], parameters: dict[str, Any]) -> State[Any]:
    """The final state of a flow that yields, with its values as the result; Prefect gives no state of such a flow."""
    from prefect.states import Completed, Failed

    try:
        running = flow(**parameters)
        values = asyncio.run(_collected(running)) if flow.isasync else list(running)
    except FareboxError as error:
        return state_of(error)
    except Exception as error:
        if not _own_frames(error):
            raise
        return Failed(message=f"{type(error).__name__}: {error}", data=error)
    return Completed(data=values)


async def _collected(running: AsyncIterator[Any]) -> list[Any]:
    return [value async for value in running]


async def _awaited(running: Awaitable[Any]) -> Any:
    return await running


def _show(runtime: Runtime, record: _Record, end: _End, console: Console) -> None:
    """Print the result, and the cost if the run was settled."""
    from farebox.cli.results import result_lines
    from pricing.reports import run_summary

    report = _report(runtime, record)
    if report is not None:
        console.print(closing_line(report))
    if end.completed:
        console.print()
        console.print(result_lines(end.result()))
    if report is not None and record.run is not None:
        console.print()
        console.print(run_summary(report))
        console.print()
        page = near(runtime.home / "reports" / f"{record.run.run_id}.md")
        console.print(Text.assemble(("Full report  ", "dim"), ("farebox report last", "bold"), ("  or ", "dim"), page))


def _report(runtime: Runtime, record: _Record) -> RunReport | None:
    """The report of a settled run; ``None``, after a warning, if it cannot be made."""
    found = None
    if record.settled_as is not None and record.run is not None:
        with _harmless():
            found = report_of(runtime, record.run.run_id)
    return found


def _result_fields(runtime: Runtime, record: _Record, end: _End) -> dict[str, Any]:
    """The run as JSON; its cost is that of its report."""
    from farebox.cli.results import plain

    run, error = record.run, end.error
    report, settled = _report(runtime, record), record.settled_as
    over_budget = end.state is None or end.state.name == "OverBudget"
    outcome = "over_budget" if over_budget else record.outcome
    began = outcome == "running"  # its end is not in the ledger yet: its cost is not known here
    if began:
        outcome = "completed" if end.completed else "failed"
    if report is not None:
        amounts: tuple[Nano | None, ...] = (report.money.held_nano, report.money.spent_nano, report.money.released_nano)
    elif settled is not None:
        amounts = (settled.held, settled.spent, settled.released)
    else:
        amounts = (None, None, None) if began else (0, 0, 0)
    money = dict(zip(("held_nano", "spent_nano", "released_nano"), amounts, strict=True))
    return {
        "run_id": run.run_id if run else None,
        "outcome": outcome,
        "message": f"{error.message}\n{error.next_step}".strip() if error else end.state and end.state.message,
        "sandbox": run.stand_in if run else None,
        "point_nano": run.point_nano if run else None,
        "p50_nano": run.p50_nano if run else None,
        "p95_nano": run.p95_nano if run else None,
        "ceiling_nano": run.ceiling_nano if run else None,
        "due_at": from_us(run.due_at) if run and run.due_at is not None else None,
        **money,
        "result": plain(end.result()),
    }


def introduce(console: Console) -> None:
    """Print what the demo is about to do."""
    runtime = get_runtime()
    if any(target.stand_in for target in runtime.router.targets):
        console.print(
            "No provider key is set, so the sandbox provider answers on this machine. Its texts are extracts; "
            "quotes, budgets, requests and reports work as in a real run.\n",
            style="dim",
        )
    else:
        names = ", ".join(sorted({target.provider for target in runtime.router.targets}))
        console.print(f"Keys were found for {names}: real models answer, at the price of the quote.\n", style="dim")


def what_next(console: Console) -> None:
    """Print what to try after the demo."""
    console.print()
    for command, why in (
        ("farebox quote daily-digest", "what the next run would cost"),
        ('farebox run daily-digest --budget "0.0001 USD"', "refused before any call"),
        ("farebox run support-triage", "an agent with tools"),
        ("farebox runs", "every run so far"),
    ):
        console.print(Text.assemble(("  " + command, "bold"), (f"   {why}", "dim")))


def _why(state: State[Any]) -> FareboxError:
    """The error that a run ended with."""
    error = state.result(raise_on_failure=False)  # an error of ours if one ended it; the state's message is Markdown
    if isinstance(error, FareboxError):
        return error
    if not isinstance(error, BaseException):
        return FareboxError(f"The run ended as {state.name}.", next_step="See it in the Prefect UI.")
    own = _own_frames(error)
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return FareboxError(
        f"The automation's own code failed: {type(error).__name__}: {error}{place}.",
        next_step="Fix it and run again; what was spent is in `farebox report`.",
    )


def _own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of an error in the project's own files, outermost first."""
    frames, root = traceback.extract_tb(error.__traceback__), get_runtime().root
    return [
        frame for frame in frames if Path(frame.filename).is_relative_to(root) and "site-packages" not in frame.filename
    ]
