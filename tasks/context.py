"""Where the code is: in which run, and in which LLM step of it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from guardrails import Guarded
from pricing import NoRun, PlanError, TurnFailed
from pricing.ledger import NEWEST, CallOutcome
from tasks.routing.complexity import THRESHOLD
from tasks.routing.target import StepTier
from tasks.turn.records import StepCallRecord, TurnRecord, cause
from tasks.turn.verifiers import Verify

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What an ``@llm_task`` declares; ``max_tokens`` is per answer, ``max_turns`` per call of the task.

    Raises:
        PlanError: ``threshold`` is no score from 0 to 1, ``latency`` no time, or ``verify`` is async.
    """

    operation: str
    tier: StepTier = "light"
    max_tokens: int = 1024
    max_turns: int = 1
    stored_for: timedelta | None = None
    threshold: float = THRESHOLD
    latency: float | None = None
    guards: tuple[Guarded, ...] = ()
    verify: Verify | None = None
    unmasked_media: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise PlanError(
                f"The step {self.operation!r} has the threshold {self.threshold:g}: no score gets there.",
                next_step="Give a threshold from 0 (always premium) to 1.",
                operation=self.operation,
            )
        if self.latency is not None and not self.latency > 0:
            raise PlanError(
                f"The step {self.operation!r} has a latency of {self.latency:g} s.",
                next_step="Give the seconds that most of its answers may take.",
                operation=self.operation,
            )
        if inspect.iscoroutinefunction(self.verify):
            raise PlanError(
                f"The step {self.operation!r} has a verifier that is async.",
                next_step="Give a plain function of the answer; it is called on a thread of its own.",
                operation=self.operation,
            )


class StepContext:
    """One call of a step, under way."""

    def __init__(
        self, run_id: str, step: Step, outer: StepContext | None = None, execution: int | None = NEWEST
    ) -> None:
        self.run_id = run_id
        self.execution: int | None = outer.execution if outer is not None and outer.run_id == run_id else execution
        """The execution of the run that this is a part of; ``None`` where the ledger has yet to be asked."""
        self.admitted = True
        """Whether ``run_id`` is known to be that of a run under way; else ``OutsideRuns`` finds or opens one."""
        self.step = step
        self.steps: tuple[str, ...] = (step.operation, *(outer.steps if outer else ()))
        """Operations from here outwards: a step may call another."""
        self.keep: Callable[[StepCallRecord], None] | None = None
        """Keeps the call when it is over; set by a turn of it, where that is declared."""
        self.tool_calls = 0
        """Calls of tools that its agents made."""
        self._turns = 0
        self._noted: list[TurnRecord] = []

    def note(self, turn: TurnRecord) -> None:
        """Note a turn that is over, where the call is kept."""
        if self.keep is not None:
            self._noted.append(turn)

    def ended(self, arguments: Mapping[str, object], returned: object = None, *, failed: bool = False) -> None:
        """Keep the call, where that is declared. Whatever goes wrong with that, the step goes on."""
        if self.keep is None or not self._noted:
            return
        last = self._noted[-1].turn.outcome
        outcome: CallOutcome = "answered" if not failed else last if last in {"blocked", "stopped"} else "failed"
        try:
            self.keep(StepCallRecord(self.step.operation, outcome, tuple(self._noted), arguments, returned))
        except Exception as error:  # noqa: BLE001  what was asked is paid and answered; that it is not kept is said
            _log.warning("the content of a call is not kept: %s", cause(error))

    def count_turn(self) -> None:
        """Note one more turn.

        Raises:
            TurnFailed: the step has had all that it declares: its quote would no longer be true.
        """
        self._turns += 1
        if self._turns > self.step.max_turns:
            raise TurnFailed(
                f"The step {self.step.operation!r} asked for more than its {self.step.max_turns} turn(s).",
                next_step=f"Declare them: @llm_task(operation={self.step.operation!r}, max_turns=…).",
                kind="max_turns",
                operation=self.step.operation,
            )


CURRENT_RUN: ContextVar[str] = ContextVar("farebox_run")
"""The run whose flow function is under way, in this process."""
CURRENT_EXECUTION: ContextVar[int] = ContextVar("farebox_execution", default=NEWEST)
"""The number of its execution: an older one may not spend any more."""
_CURRENT_STEP: ContextVar[StepContext] = ContextVar("farebox_step")


@contextmanager
def inside(step: Step) -> Iterator[StepContext]:
    """One call of a step. Outside an automation its run is found, or opened, with its first turn."""
    run_id = CURRENT_RUN.get(None)
    execution = CURRENT_EXECUTION.get() if run_id is not None else None
    place = StepContext(run_id or _prefect_run_id(), step, around(), execution)
    place.admitted = run_id is not None
    token = _CURRENT_STEP.set(place)
    try:
        yield place
    finally:
        _CURRENT_STEP.reset(token)


def around() -> StepContext | None:
    """The step that is under way, if one is."""
    return _CURRENT_STEP.get(None)


def current_step() -> StepContext:
    """The step that is under way.

    Raises:
        NoRun: no step is.
    """
    found = around()
    if found is None:
        raise NoRun(
            "A model was asked outside an LLM step.",
            next_step="Call ask(…) from a function decorated with @llm_task, so that its cost has an operation.",
        )
    return found


class Completable(Protocol):
    """What is begun inside a block and completed when that ends."""

    def end(self, error: BaseException | None = None) -> None:
        """Complete it, if that is not done yet."""


_OPEN: ContextVar[list[Completable] | None] = ContextVar("farebox_open", default=None)


def leave_open(begun: Completable) -> None:
    """Have it completed when the innermost :func:`completed_at_end` ends. Where there is none (the process of a task
    runner, outside any step), the settlement of the run does it, at what was set aside.
    """
    if (around := _OPEN.get()) is not None:
        around.append(begun)


@contextmanager
def completed_at_end() -> Iterator[None]:
    """Complete what is begun inside and left open, once the block ends."""
    opened: list[Completable] = []
    token = _OPEN.set(opened)
    failed: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failed = error
        raise
    finally:
        _OPEN.reset(token)
        for begun in opened:
            begun.end(failed)


def paying_run(operation: str) -> tuple[str, int | None]:
    """The run that a cost of this operation is of, and its execution; ``None`` where the ledger has to be asked.

    Raises:
        NoRun: outside a flow run.
    """
    place, run_id = around(), CURRENT_RUN.get(None)
    if place is not None:
        return place.run_id, place.execution
    if run_id is not None:
        return run_id, CURRENT_EXECUTION.get()
    if not (found := _prefect_run_id()):
        raise no_run(operation)
    return found, None


def _prefect_run_id() -> str:
    """The run's id where no automation of this process is under way: that of Prefect's flow run, empty outside one."""
    from prefect.context import FlowRunContext, TaskRunContext

    task = TaskRunContext.get()
    if task is not None and task.task_run.flow_run_id is not None:
        return str(task.task_run.flow_run_id)
    flow = FlowRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return str(flow.flow_run.id)
    return ""


class OutsideRuns(Protocol):
    """Finds the run of a step that no automation of this process is around, or opens one for it."""

    def joined(self, here: StepContext) -> bool:
        """Give the step its run if that is under way here; quick, and false if it has to be looked for."""

    def join(self, here: StepContext) -> None:
        """Give the step its run, found in the ledger or opened as an ad-hoc run.

        Raises:
            NoRun: neither is possible.
            OverBudget: no budget has room for an ad-hoc run.
        """


def no_run(operation: str) -> NoRun:
    """The error of a step whose run the ledger does not have."""
    return NoRun(
        f"The step {operation!r} belongs to a run that the ledger does not have.",
        next_step="Use the ledger of the process that started the run: ledger_url in farebox.toml.",
        operation=operation,
    )
