"""Runs of real automations: on the level below Prefect, as the decorator does it, or as the flow runs they are."""

import contextvars
import inspect
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from farebox.automations import automation_of
from farebox.runs.admission import AdmittedRun, admit
from farebox.runs.context import admitted_context
from farebox.runtime import Runtime
from pricing.errors import OverBudget
from tasks.context import completed_at_end, use_run

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def riding(runtime: Runtime, flow: Any, parameters: Mapping[str, object], run_id: str = "") -> Iterator[AdmittedRun]:
    """An admitted run around a block; settled at its end, however that comes."""
    bound = inspect.signature(flow.fn).bind(**parameters)
    bound.apply_defaults()
    ride = admit(runtime, automation_of(flow), run_id or str(uuid.uuid4()), bound.arguments)
    try:
        with use_run(admitted_context(ride.run, ride.execution, bound.arguments)), completed_at_end():
            yield ride
    except BaseException as error:
        ride.finish(error)
        raise
    ride.finish(None)


def at_once(function: Callable[[T], R], values: Iterable[T], threads: int = 4) -> list[R]:
    """``[function(value) for value in values]`` on several threads, each in the caller's context, as ``.map`` does."""
    with ThreadPoolExecutor(threads) as pool:
        calls = [pool.submit(contextvars.copy_context().run, function, value) for value in values]
        return [call.result() for call in calls]


def digest_run(runtime: Runtime, source: str, limit: int, quality: str = "fast", run_id: str = "") -> str:
    """One run of the daily digest; its opening."""
    from flows.daily_digest import Entry, classify, compose, daily_digest, summarize
    from flows.sources import collect

    with riding(runtime, daily_digest, {"source": source, "limit": limit, "quality": quality}, run_id):
        documents = collect(source, limit=limit).documents
        summaries = at_once(summarize.fn, documents)
        sortings = at_once(classify.fn, summaries)
        entries = [
            Entry(**summary.model_dump(), **sorting.model_dump(), origin=document.origin)
            for document, summary, sorting in zip(documents, summaries, sortings, strict=True)
        ]
        return compose.fn(entries)


def triage_run(runtime: Runtime, tickets: str, quality: str = "fast") -> str:
    """One run of the support triage, agent and tools included; its opening."""
    from flows.sources import load_tickets
    from flows.support_triage import Case, hand_over, reply, support_triage, triage

    with riding(runtime, support_triage, {"tickets": tickets, "quality": quality}):
        found = load_tickets(tickets)
        decided = at_once(triage.fn, found)
        drafts = [reply.fn(ticket, decision) for ticket, decision in zip(found, decided, strict=True)]
        cases = [
            Case(**decision.model_dump(), ticket=ticket.id, reply=draft)
            for ticket, decision, draft in zip(found, decided, drafts, strict=True)
        ]
        return hand_over.fn(cases)


def calibrate_run(
    runtime: Runtime,
    operation: str,
    cases: str,
    margin: float = 0.5,
    threads: int = 8,
    before: Callable[[], object] = lambda: None,
    replace: bool = False,
    last_first: bool = False,
    **more: Any,
) -> tuple[str, str]:
    """One calibration: its run, and what it said; ``before`` is called once it is admitted, ``last_first`` turns each round around."""
    from farebox.calibration.bench import Chosen
    from farebox.calibration.run import Asked, calibrate_operation, may_go_on
    from flows.calibrate import calibrate, try_one

    what = Chosen(operation, cases, **more)

    def try_it(one: tuple[int, str]) -> object:
        try:
            return try_one.fn(*one, what)
        except OverBudget as error:
            return error

    def ask(asked: Asked) -> bool:
        return may_go_on(at_once(try_it, asked[::-1] if last_first else asked, threads))

    given = {"operation": operation, "cases": cases, "margin": margin, **more}
    with riding(runtime, calibrate, given) as ride:
        before()
        told = calibrate_operation(what, margin, 0.95, ask, replace=replace)
    return ride.run.run_id, told


def flow_run(source: str, limit: int) -> None:
    """One run of the daily digest as a Prefect flow, on the server at ``PREFECT_API_URL``."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.daily_digest import daily_digest

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        state = daily_digest(source, limit=limit, return_state=True)
    assert state.is_completed(), state
