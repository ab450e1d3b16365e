"""``farebox run`` and ``farebox demo``: one run in this process, followed to its end."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from farebox.automations import automation_of
from farebox.cli.output import near, print_json, terminal, warn, warning_of
from farebox.discovery import find_flow, read_parameters, with_defaults
from farebox.runs.admission import price_run
from farebox.runs.context import ANONYMOUS, RunOwner, starter_context
from farebox.runtime import Runtime, get_runtime
from pricing import FareboxError, Nano
from pricing.ledger import BudgetRule, Refusal, Run, Settled
from pricing.quotes import Quote
from tasks import use_run
from tasks.turn import TurnEvent

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import State


class _Record:
    """Remembers what a run was told about itself."""

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

    def settled(self, run: Run, outcome: str, settled: Settled) -> None:
        del run
        self.outcome, self.settled_as = outcome, settled


def run_here(
    name: str,
    given: dict[str, str],
    limit: Nano | None,
    *,
    whose: RunOwner = ANONYMOUS,
    as_json: bool,
    tell: Callable[[dict[str, Any]], object] = print_json,
) -> None:
    """Run an automation in this process; ends as its exit code says. What is told as JSON goes to ``tell``.

    Raises:
        FareboxError: the run did not complete; its exit code is the command's.
    """
    runtime = get_runtime()
    flow = find_flow(name)
    parameters = read_parameters(flow, given, whose)
    # What cannot be priced cannot run: that is told at once, not after Prefect has started.
    price_run(runtime, automation_of(flow), with_defaults(flow, parameters))
    record = _Record()
    runtime.watchers.append(record)
    console = terminal(stderr=as_json)
    try:
        try:
            # Nobody is shown the report, so trouble with it is told as it is logged.
            report = warning_of("farebox.prefect.artifacts", logging.INFO) if as_json else nullcontext()
            with warning_of("farebox.runs.admission"), report, use_run(starter_context(whose, limit)):
                state = _follow(runtime, flow, parameters, console, as_json=as_json)
        except FareboxError as error:
            if record.outcome != "completed":
                raise
            warn(f"The run completed and is settled, but not in Prefect: {error.message}", "See `farebox report last`.")
            return
        with _harmless():
            if as_json:
                tell(_told(record, state))
            else:
                _show(runtime, record, state, console)
    finally:
        runtime.watchers.remove(record)
    if not state.is_completed():
        raise _why(state)


@contextmanager
def _harmless() -> Iterator[None]:
    """Warn of what goes wrong while a run is shown. Its exit code stays: a scheduler would run it, and pay, again."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on; without a place to go, what is left would fail again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except FareboxError as error:
        warn(f"The run is settled, but its report cannot be shown: {error.message}", error.next_step)
    except Exception as error:  # noqa: BLE001 - of a library: a damaged file, a value that is no JSON, a full disk
        warn(
            f"The run is settled, but its report cannot be shown: {type(error).__name__}: {error}",
            "See `farebox report last`; the run need not be repeated.",
        )


def _follow(
    runtime: Runtime,
    flow: Flow[..., Any],
    parameters: dict[str, Any],
    console: Console,
    *,
    as_json: bool,
) -> State[Any]:
    """The state the run ends in."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from farebox.cli.display import RunDisplay

    display = RunDisplay(console)
    if not as_json:
        runtime.watchers.append(display)
        display.waiting("starting Prefect")
    try:
        # With its heartbeat every synchronous flow waits 1.1 s at its end; nobody watches for zombies here.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            return cast("State[Any]", flow(**parameters, return_state=True))
    except FareboxError:
        raise
    except Exception as error:  # noqa: BLE001 - of Prefect itself: what the flow raises is in its state
        raise FareboxError(
            f"Prefect could not start the run: {(str(error) or type(error).__name__).splitlines()[0].rstrip('.')}.",
            next_step="Check the server at PREFECT_API_URL, or unset that to run without one."
            if "PREFECT_API_URL" in os.environ
            else "Run it again when the machine is less busy, or start a server with `prefect server start`.",
        ) from None
    finally:
        display.stop()
        if display in runtime.watchers:
            runtime.watchers.remove(display)


def _show(runtime: Runtime, record: _Record, state: State[Any], console: Console) -> None:
    """The result, and of a run that was settled the cost report."""
    from farebox.cli.display import result_lines
    from farebox.prefect.artifacts import report_of
    from pricing.reports import render_terminal

    if state.is_completed():
        console.print()
        console.print(result_lines(state.result(raise_on_failure=False)))
    if record.settled_as is not None and record.run is not None:
        console.print()
        console.print(render_terminal(report_of(runtime, record.run.run_id)))
        console.print()
        _tell_places(runtime, record.run.run_id, console)


def _told(record: _Record, state: State[Any]) -> dict[str, Any]:
    run, settled = record.run, record.settled_as
    outcome = "over_budget" if state.name == "OverBudget" else record.outcome
    began = outcome == "running"  # and its end is not in the ledger yet: what it cost is not known here
    if began:
        outcome = "completed" if state.is_completed() else "failed"
    unknown = None if began else 0
    result = state.result(raise_on_failure=False) if state.is_completed() else None
    error = _ended_by(state)
    return {
        "run_id": run.run_id if run else None,
        "outcome": outcome,
        "message": f"{error.message}\n{error.next_step}".strip() if isinstance(error, FareboxError) else state.message,
        "sandbox": run.stand_in if run else None,
        "point_nano": run.point_nano if run else None,
        "p50_nano": run.p50_nano if run else None,
        "p95_nano": run.p95_nano if run else None,
        "ceiling_nano": run.ceiling_nano if run else None,
        "held_nano": settled.held if settled else unknown,
        "spent_nano": settled.spent if settled else unknown,
        "released_nano": settled.released if settled else unknown,
        "result": result.model_dump(mode="json") if isinstance(result, BaseModel) else result,
    }


def _tell_places(runtime: Runtime, run_id: str, console: Console) -> None:
    places: dict[str, Path | str] = {
        "report": runtime.home / "reports" / f"{run_id}.md",
        "ledger": runtime.ledger.store.place,
        "replica": runtime.replica.path,
    }
    for name, place in places.items():
        console.print(Text.assemble((f"{name:<8}", "dim"), near(place)))


def introduce(console: Console) -> None:
    """Say what the demo is about to do."""
    runtime = get_runtime()
    if any(target.stand_in for target in runtime.router.targets):
        console.print(
            "No provider key is set: the sandbox provider answers, on this machine. Its texts are extracts, not a "
            "model's; token counts, prices, budgets and reports are what a real run would show.\n",
            style="dim",
        )
    else:
        names = ", ".join(sorted({target.provider for target in runtime.router.targets}))
        console.print(f"Keys were found for {names}: real models answer, at the price of the quote.\n", style="dim")


def what_next(console: Console) -> None:
    """Say what to try after the demo."""
    console.print()
    for command, why in (
        ("farebox quote daily-digest", "what the next run would cost, fast and best"),
        ('farebox run daily-digest --budget "0.0001 USD"', "a run that is refused before any call"),
        ("farebox run support-triage", "an agent with tools, several turns per ticket"),
        ("farebox runs", "every run so far"),
    ):
        console.print(Text.assemble(("  " + command, "bold"), (f"   {why}", "dim")))


def _ended_by(state: State[Any]) -> object:
    """What a run ended with: its error, where one of ours ended it; the state's message is written for Markdown."""
    return None if state.is_completed() else state.result(raise_on_failure=False)


def _why(state: State[Any]) -> FareboxError:
    """The error that a run ended with."""
    error = _ended_by(state)
    if isinstance(error, FareboxError):
        return error
    if not isinstance(error, BaseException):
        return FareboxError(f"The run ended as {state.name}.", next_step="Look it up in the Prefect UI.")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{Path('flows')}" in Path(frame.filename).parts]
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return FareboxError(
        f"The automation's own code failed: {type(error).__name__}: {error}{place}.",
        next_step="Mend it and run again; what was spent is in `farebox report`.",
    )
