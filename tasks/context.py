"""Where the code is: in which run, and in which LLM step of it."""

from __future__ import annotations

import inspect
import logging
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pricing import NoRun, PlanError, TurnFailed, frozen_record
from pricing.ledger import CallOutcome
from pricing.rates import ServiceTier
from tasks.providers.reasoning import LEVELS, Reasoning
from tasks.providers.service_tiers import ASKABLE
from tasks.routing.complexity import THRESHOLD
from tasks.routing.target import StepTier
from tasks.run_context import RunContext
from tasks.turn.answers import StepAnswers
from tasks.turn.records import StepCallRecord, TurnRecord, cause
from tasks.turn.verifiers import Verify
from tasks.turn.waves import StepCall, step_under_way

if TYPE_CHECKING:  # they take longer to load than this package
    from guardrails import Guarded

_log = logging.getLogger(__name__)


@frozen_record(frozen=True, slots=True)
class Step:
    """What an ``@llm_task`` declares; ``max_tokens`` is per answer, ``max_turns`` per call of the task.

    Raises:
        PlanError: ``reasoning`` or ``service_tier`` is not a setting, ``threshold`` is not from 0 to 1,
        ``latency`` is not a time, or ``verify`` is async.
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
    reasoning: Reasoning | None = None
    service_tier: ServiceTier | None = None

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
        check_reasoning(self.reasoning, f"The step {self.operation!r}")
        check_service_tier(self.service_tier, f"The step {self.operation!r}")
        if inspect.iscoroutinefunction(self.verify):
            raise PlanError(
                f"The step {self.operation!r} has a verifier that is async.",
                next_step="Give a plain function of the answer; it is called on a thread of its own.",
                operation=self.operation,
            )


def check_reasoning(reasoning: object, whose: str) -> None:
    """Check a reasoning setting.

    Raises:
        PlanError: it is not.
    """
    if reasoning is not None and reasoning not in LEVELS:
        raise PlanError(
            f"{whose} has reasoning={str(reasoning)[:40]!r}.",
            next_step=f"Use one of {', '.join(LEVELS)}, or leave it out for what the target says.",
        )


def check_service_tier(service_tier: object, whose: str) -> None:
    """Check that a service tier can be requested.

    Raises:
        PlanError: it cannot.
    """
    if service_tier is not None and service_tier not in ASKABLE:
        raise PlanError(
            f"{whose} has service_tier={str(service_tier)[:40]!r}.",
            next_step=f"Use one of {', '.join(ASKABLE)}, or leave it out for what the target says.",
        )


class StepContext:
    """One running call of a step."""

    def __init__(self, run: RunContext, step: Step, outer: StepContext | None = None) -> None:
        self.run = run
        """The run that it belongs to; in a process other than the flow's, the first turn completes it."""
        self.step = step
        self.steps: tuple[str, ...] = (step.operation, *(outer.steps if outer else ()))
        """Operations from here outwards: a step may call another."""
        self.keep: Callable[[StepCallRecord], None] | None = None
        """Keeps the call when it is over; set by a turn of it, where that is declared."""
        self.tool_calls = 0
        """Calls of tools that its agents made."""
        self.turn_ids: list[str] | None = None
        """Ids of the turns that pinned steps took, noted as they end; ``None`` where none is pinned."""
        self.call: StepCall = StepCall(outer.call if outer else None)
        """Whether it waits for a batch."""
        self.answers: StepAnswers = StepAnswers(outer.answers if outer else None)
        """What it was answered, for its retry."""
        self._turns = 0
        self._noted: list[TurnRecord] = []

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    def note(self, turn: TurnRecord) -> None:
        """Record a completed turn, where the step keeps calls."""
        if self.keep is not None:
            self._noted.append(turn)

    def ended(self, arguments: Mapping[str, object], returned: object = None, *, failed: bool = False) -> None:
        """Record the call, where the step keeps calls. Failures of recording do not fail the step."""
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


_RETRIED: OrderedDict[str, dict[str, deque[str]]] = OrderedDict()
"""By task run, what its failed attempt was answered: Prefect retries a task in the process that it failed in."""
_MOST_RETRIED = 1_000


def task_run_with_retries() -> str | None:
    """The id of the current Prefect task run if it may be retried, else ``None``."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect.context import TaskRunContext

    found = TaskRunContext.get()
    return str(found.task_run.id) if found is not None and found.task.retries else None


class _Current(NamedTuple):
    """The current run, its current step, and the list that collects turn ids of pinned steps."""

    run: RunContext
    step: StepContext | None = None
    turn_ids: list[str] | None = None


_NOWHERE = _Current(RunContext())
_CURRENT: ContextVar[_Current] = ContextVar("farebox_current", default=_NOWHERE)


def current_run() -> RunContext:
    """The current run; its ``run_id`` is empty before one is admitted and outside of one."""
    return _CURRENT.get().run


@contextmanager
def use_run(run: RunContext, turn_ids: list[str] | None = None) -> Iterator[RunContext]:
    """Make ``run`` the current run for the block, in a thread or process of your own: pass the ``current_run()`` of the
    code that started it. ``turn_ids`` collects the ids of turns that pinned steps take.
    """
    current = _CURRENT.get()
    with _use(_Current(run, current.step, turn_ids if turn_ids is not None else current.turn_ids)):
        yield run


@contextmanager
def inside(
    step: Step, arguments: Mapping[str, object] | None = None, *, run: RunContext | None = None
) -> Iterator[StepContext]:
    """Run a block as one call of a step, with ``arguments`` by name, in ``run`` or else in the current run. Outside of
    an automation the run is found, or opened, with the first turn.
    """
    current = _CURRENT.get()
    here = run or current.run
    if not here.run_id:
        here = _rebuilt(here)
    here = here.knowing(arguments or {})
    place = StepContext(here, step, current.step)
    place.turn_ids = current.turn_ids
    retried = task_run_with_retries()
    if retried is not None:
        place.answers.again = _RETRIED.pop(retried, {})
    waits = step_under_way(here.run_id, place.call) if here.due_at is not None else nullcontext()
    with _use(_Current(here, place, current.turn_ids)), waits:
        try:
            yield place
        except Exception:
            if retried is not None and place.answers.kept:
                _RETRIED[retried] = place.answers.by_key()
                while len(_RETRIED) > _MOST_RETRIED:
                    _RETRIED.popitem(last=False)
            raise


@contextmanager
def _use(current: _Current) -> Iterator[None]:
    """Set the current run and step for the block; nothing else sets them."""
    token = _CURRENT.set(current)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def around() -> StepContext | None:
    """The current step; ``None`` outside a step."""
    return _CURRENT.get().step


def current_step() -> StepContext:
    """The current step.

    Raises:
        NoRun: no step is running.
    """
    found = around()
    if found is None:
        raise NoRun(
            "A model was asked outside an LLM step.",
            next_step="Call ask(…) from a function decorated with @llm_task, so that its cost has an operation.",
        )
    return found


def _rebuilt(given: RunContext) -> RunContext:
    """The run in a process that is not the flow's, and the personal values given here before. Outside a flow run it has
    no id yet: the first turn opens an ad-hoc run.
    """
    from tasks.flow_run_context import rebuilt_context

    found = rebuilt_context()
    if found is None:
        return replace(given, execution=None)
    return replace(found, known=(*found.known, *given.known), pin=given.pin)


class Completable(Protocol):
    """Something that is begun inside a block and completed at its end."""

    def end(self, error: BaseException | None = None) -> None:
        """Complete it, unless that is done."""


_OPEN: ContextVar[list[Completable] | None] = ContextVar("farebox_open", default=None)


def leave_open(begun: Completable) -> None:
    """Complete ``begun`` when the innermost :func:`completed_at_end` ends. Without such a block (in the process of a
    task runner, outside any step), the settlement of the run completes it at the amount set aside.
    """
    if (around := _OPEN.get()) is not None:
        around.append(begun)


@contextmanager
def completed_at_end() -> Iterator[None]:
    """Complete, at the end of the block, what was begun inside it and is still open."""
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


def paying_run(operation: str) -> RunContext:
    """The run that pays for a cost of this operation; its execution is ``None`` where the ledger has to be asked.

    Raises:
        NoRun: outside a flow run.
    """
    place = around()
    found = place.run if place is not None else current_run()
    if not found.run_id:
        found = _rebuilt(found)
    if not found.run_id:
        raise no_run(operation)
    return found


class OutsideRuns(Protocol):
    """Finds or opens the run of a step that is called outside of an automation of this process."""

    def joined(self, here: StepContext) -> bool:
        """Give the step its run if this process knows it; ``False`` if it has to be looked up. It does not block."""

    def join(self, here: StepContext) -> None:
        """Give the step its run, found in the ledger or opened as an ad-hoc run.

        Raises:
            NoRun: neither is possible.
            OverBudget: an ad-hoc run exceeds a budget.
        """


def no_run(operation: str) -> NoRun:
    """The error for a step whose run is not in the ledger."""
    return NoRun(
        f"The step {operation!r} belongs to a run that the ledger does not have.",
        next_step="Use the ledger of the process that started the run: ledger_url in farebox.toml.",
        operation=operation,
    )
