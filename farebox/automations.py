"""`@automation`, `@llm_task`, `ask`, `Agent`, `spend` and `tool`: the names that a flow is written with."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, Pause
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Failed
from prefect.utilities.hashing import file_hash

import tasks
from farebox.declaration import Budget, DeclaredPlan, Price
from farebox.prefect.artifacts import follow, leave, publish, spare_tracebacks
from farebox.prefect.schedule_zone import schedule_zone
from farebox.runs.admission import AdmittedRun, Automation, Decided, admit, ask_to_go_on
from farebox.runs.approval import ASK_HERE, Approver, Present, Suspending, kept_until
from farebox.runs.batch_waits import end_left_tasks, left_until, waiting_for_batches
from farebox.runs.context import admitted_context
from farebox.runs.due_times import read_due, run_due_at, signature_with_due, without_due
from farebox.runs.outcomes import outcome_of_state
from farebox.runtime import get_runtime
from pricing import Blocked, ConfigError, FareboxError, LedgerError, NoRun, OverBudget, RunTakenOver
from pricing.rates import ServiceTier
from pricing.reports import escape_advice, escape_markdown
from tasks import (
    EXCEPTION_FINDER,
    Ask,
    Spend,
    ToolSource,
    adopt_signature,
    completed_at_end,
    conversation,
    iterate_within,
    iterate_within_async,
    masked_exceptions,
    masked_state,
    use_run,
)
from tasks.providers import Reasoning
from tasks.routing import StepTier
from tasks.turn import Engine


def _engine() -> Engine:
    return get_runtime().engine


ask = Ask(_engine)
"""One turn of the ``@llm_task`` that is running: ``ask("summarize.j2", document=text, returns=Summary)``."""

spend = Spend(_engine)
"""A paid request to something other than a model. Call it before the request: ``spend("0.012 USD",
operation="search")``.
"""
tool = spend.tool
"""A function whose every call costs money: ``@tool(cost="0.005 USD")``."""


class Agent(tasks.Agent):
    """A model with tools, run inside an ``@llm_task``: see ``tasks.Agent``. Its turns are recorded in this project."""

    def _engine(self) -> Engine:
        return _engine()

    def _left(self, place: tasks.StepContext) -> tasks.Allowance:
        from farebox.run_limits import remaining_in

        left = remaining_in(place, self.operation)
        return tasks.Allowance(str(left), left.money_nano)


class Conversation(conversation.Conversation):
    """A conversation with a model, priced message by message: see ``tasks.conversation.Conversation``."""

    def __init__(
        self,
        *,
        prompt: str = "",
        system: str = "",
        tools: Sequence[Callable[..., Any] | ToolSource] = (),
        history: Sequence[Mapping[str, Any]] = (),
        operation: str = "chat",
        tier: StepTier = "light",
        max_turns: int = 6,
        max_tokens: int = 1024,
        calls_per_reply: int = tasks.MOST_CALLS,
        calls_per_message: int = tasks.MOST_CALLS,
        reasoning: Reasoning | None = None,
        service_tier: ServiceTier | None = None,
        unmasked_media: bool = False,
        **values: object,
    ) -> None:
        super().__init__(
            _engine,
            prompt=prompt,
            system=system,
            tools=tools,
            history=history,
            operation=operation,
            tier=tier,
            max_turns=max_turns,
            max_tokens=max_tokens,
            calls_per_reply=calls_per_reply,
            calls_per_message=calls_per_message,
            reasoning=reasoning,
            service_tier=service_tier,
            unmasked_media=unmasked_media,
            credit=lambda: get_runtime().settings.credits.value,
            **values,
        )


P = ParamSpec("P")
R = TypeVar("R")


def automation(
    *,
    price: str,
    plan: DeclaredPlan,
    budget: Budget = Budget(),  # noqa: B008 - frozen
    approval: timedelta | None = None,
    durable: bool = True,
    due: str | timedelta | time | None = None,
    name: str | None = None,
    **options: Any,
) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Make a function a Prefect flow that knows its price before it runs.

    Args:
        price: what a customer pays for one outcome: ``"3 credits"`` or ``"0.50 USD"``.
        plan: the steps of a run and how often each is called: ``plan(summarize, …) + plan(compose, …)``.
        budget: limits of the automation itself.
        approval: how long a person may take to decide about a run that exceeds its budgets. Until then the run waits in
            the Prefect UI as ``NeedsApproval``. Without it, such a run is refused.
        durable: whether answers are kept, encrypted, until the run has completed, so that a retry, a restart or a
            resumption does not pay for them again. ``[journal]`` in farebox.toml can forbid it.
        due: when runs must be done, so that they can use a cheaper service tier or a batch: ``"6h"`` or a timedelta
            after the start, ``"07:00"`` or a time of day. A run can override it with the parameter ``due``, which is
            added to functions that lack it, or with ``farebox run --due``.
        name: the name of the automation; by default the function's name with dashes.
        options: any argument of ``prefect.flow``.

    Raises:
        UsageError: the due time cannot be read, or is too early or too late.
        MoneyError: a price or a limit is not a valid amount.
        PlanError: the plan does not fit the function's parameters.

    Example:
        ``@automation(price="3 credits", budget=Budget(per_run="0.50 USD"), plan=plan(summarize, calls=10))``
    """

    def decorate(function: Callable[P, R]) -> Flow[P, R]:
        called = name or function.__name__.replace("_", "-")
        read_due(due)
        spec = Automation(called, Price.parse(price), budget, plan, approval, durable, due)
        plan.plan.check(inspect.signature(function).parameters)
        wrapped = _gated(function, spec)
        hooks = [*(options.get("on_completion") or ()), _forget_journal]
        settings: dict[str, Any] = {
            "name": called,
            "flow_run_name": functools.partial(_run_name, called),
            "version": file_hash(inspect.getfile(function)),
        }
        return Flow(wrapped, **(settings | options | {"on_completion": hooks}))

    return decorate


def automation_of(flow: object) -> Automation:
    """The declaration of an automation, also after ``with_options``.

    Raises:
        ConfigError: the flow is not an automation.
    """
    found = getattr(getattr(flow, "fn", None), "farebox_automation", None)
    if not isinstance(found, Automation):
        raise ConfigError(
            f"{getattr(flow, '__name__', type(flow).__name__)!r} is not an automation.",
            next_step="Decorate its function with @automation(…).",
        )
    return found


class _Gate:
    """The gate of one automation. It runs inside the flow's function, because deployed runs skip ``Flow.__call__``."""

    def __init__(self, function: Callable[..., Any], spec: Automation) -> None:
        self._signature = signature_with_due(function, spec.due)
        self._spec = spec

    def open(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], decided: Decided | None = None) -> AdmittedRun:
        """Quote and hold the run, or carry out the decision about a run that a budget stopped before its end.

        Raises:
            OverBudget: it is refused.
            LedgerUnusable: a value in the ledger is damaged.
            Abort: a newer execution of the run has begun.
        """
        spare_tracebacks()
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        flow_run = _flow_run(self._spec.name)
        run_id = str(flow_run.id)
        try:
            get_runtime().check()
            approver = self._approver(flow_run)
            due = functools.partial(self._due_at, flow_run, self._named(bound))
            held = admit(get_runtime(), self._spec, run_id, self._named(bound), approver, decided=decided, due=due)
        except RunTakenOver as taken:
            raise _abort(taken) from None
        except OverBudget:
            publish(get_runtime(), run_id, self._spec.name)
            raise
        except FareboxError:
            raise
        except Exception:
            if damage := get_runtime().ledger.store.damage():
                raise damage from None
            raise
        follow(get_runtime(), held.run)
        end_left_tasks(held, flow_run)
        return held

    def asked(
        self, held: AdmittedRun, error: BaseException, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Decided | None:
        """The decision about a run that a budget stopped before its end; ``None`` if the automation allows no approval.

        Raises:
            Pause: the decision is made in a form, and the run is suspended until then.
        """
        if not isinstance(error, OverBudget) or not error.fields.get("budget_ids") or not held.run.durable:
            return None
        if held.closed:
            return None
        approver = self._approver(_flow_run(self._spec.name))
        if approver is None:
            return None
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return ask_to_go_on(get_runtime(), self._spec, held.run, self._named(bound), approver=approver, refused=error)

    def _due_at(self, flow_run: FlowRun, parameters: Mapping[str, Any]) -> int | None:
        """When the run is due. A run that started late is due as if it had started on time."""
        now = datetime.now(UTC)
        start = min(flow_run.expected_start_time or now, now)
        zone = functools.partial(schedule_zone, flow_run, get_runtime().settings.zone)
        return run_due_at(self._spec.due, parameters, start=start, zone=zone)

    def _approver(self, flow_run: FlowRun) -> Approver | None:
        """Who can approve the run: ``None`` if the automation does not allow it or Prefect cannot suspend."""
        if self._spec.approval is None:
            return None
        if asker := ASK_HERE.get():
            return Present(asker, self._spec.approval)
        return Suspending(flow_run, self._spec.approval) if Suspending.can(flow_run) else None

    @contextmanager
    def run(
        self, held: AdmittedRun, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, suspends: bool = True
    ) -> Iterator[None]:
        """Make the run and its known personal values available to the steps below; mask exceptions.

        A run that waits for batches is suspended if Prefect can do that, unless it yields values.
        """
        guards, parameters = get_runtime().guards, self._named(self._signature.bind(*args, **kwargs))
        token = EXCEPTION_FINDER.set(lambda: guards.finder(self._spec.name, ""))
        try:
            context = admitted_context(held.run, held.execution, parameters, closed=held.closed)
            waits = waiting_for_batches(held, _flow_run(self._spec.name), suspends=suspends)
            with use_run(context), waits, completed_at_end(), masked_exceptions():
                yield
        finally:
            EXCEPTION_FINDER.reset(token)

    def _named(self, bound: inspect.BoundArguments) -> Mapping[str, Any]:
        """The parameters by name, including those that a flow takes as ``**more``: an ``org`` among them selects its
        budget.
        """
        named = dict(bound.arguments)
        for parameter in self._signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                named |= named.get(parameter.name, {})
        return named

    def close(self, held: AdmittedRun, error: BaseException | None = None, result: object = None) -> State[Any] | None:
        """Settle and report the run; returns the state it ends in if a decision ended it.

        A run that suspends itself has not ended: its hold is kept, and nothing is settled or reported yet. If the
        ledger cannot be written, the run ends as it would have, and is settled later.

        Raises:
            Abort: a newer execution of the run has its hold, so that this process must not set the final state.
        """
        try:
            if isinstance(error, Pause):
                held.suspend(kept_until(error))
            elif isinstance(error, KeyboardInterrupt | asyncio.CancelledError) and held.waits:
                held.suspend(left_until(held.run))
            elif isinstance(result, State):
                held.finish(None, *outcome_of_state(result))
            else:
                held.finish(error)
        except RunTakenOver as taken:
            raise _abort(taken) from None
        finally:
            leave(get_runtime(), held.run.run_id, completed=error is None)
        if held.unsettled:
            get_run_logger().warning("%s", held.unsettled)
        if isinstance(error, Pause) or held.left:
            return None
        if not held.unsettled:
            publish(get_runtime(), held.run.run_id, self._spec.name)
        return state_of(error) if isinstance(error, FareboxError) else None


def _gated(function: Callable[P, R], spec: Automation) -> Callable[P, R]:
    gate = _Gate(function, spec)
    called = without_due(function, spec.due)
    if inspect.isgeneratorfunction(function):
        wrapped = cast("Callable[P, R]", _gated_generator(called, gate))
    elif inspect.isasyncgenfunction(function):
        wrapped = cast("Callable[P, R]", _gated_async_generator(called, gate))
    else:
        gated = _gated_async if inspect.iscoroutinefunction(function) else _gated_sync
        wrapped = cast("Callable[P, R]", gated(gate, called))
    adopt_signature(wrapped, called)
    wrapped.farebox_automation = spec  # type: ignore[attr-defined]
    return wrapped


def _gated_async(gate: _Gate, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        decided: Decided | None = None
        while True:  # repeats when a person lets a stopped run continue
            try:
                held = await asyncio.to_thread(gate.open, args, kwargs, decided)
            except FareboxError as refused:
                return state_of(refused)
            try:
                with gate.run(held, args, kwargs):
                    result = masked_state(await function(*args, **kwargs))
            except BaseException as error:
                state = await asyncio.shield(asyncio.to_thread(gate.close, held, error))
                if (decided := await asyncio.to_thread(gate.asked, held, error, args, kwargs)) is not None:
                    continue
                if state is not None:
                    return state
                raise
            await asyncio.to_thread(gate.close, held, None, result)
            return result

    return run_async


def _gated_sync(gate: _Gate, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        decided: Decided | None = None
        while True:
            try:
                held = gate.open(args, kwargs, decided)
            except FareboxError as refused:
                return state_of(refused)
            try:
                with gate.run(held, args, kwargs):
                    result = masked_state(function(*args, **kwargs))
            except BaseException as error:
                state = gate.close(held, error)
                if (decided := gate.asked(held, error, args, kwargs)) is not None:
                    continue
                if state is not None:
                    return state
                raise
            gate.close(held, None, result)
            return result

    return run


def _gated_generator(function: Callable[..., Generator[Any, Any, Any]], gate: _Gate) -> Callable[..., Any]:
    """The run is open from the first value to the last. Closing the generator early completes the run."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        try:
            held = gate.open(args, kwargs)
        except FareboxError as refused:
            return state_of(refused)
        try:
            within = functools.partial(gate.run, held, args, kwargs, suspends=False)
            result = masked_state((yield from iterate_within(within, function(*args, **kwargs))))
        except GeneratorExit:
            gate.close(held)
            raise
        except BaseException as error:
            if state := gate.close(held, error):
                return state
            raise
        gate.close(held, None, result)
        return result

    return run


def _gated_async_generator(function: Callable[..., AsyncGenerator[Any, Any]], gate: _Gate) -> Callable[..., Any]:
    """The same for async generators. They cannot return a state, so that errors of ours are raised."""

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        held = await asyncio.to_thread(gate.open, args, kwargs)
        try:
            within = functools.partial(gate.run, held, args, kwargs, suspends=False)
            async for value in iterate_within_async(within, function(*args, **kwargs)):
                yield value
        except GeneratorExit:
            await asyncio.shield(asyncio.to_thread(gate.close, held))
            raise
        except BaseException as error:
            await asyncio.shield(asyncio.to_thread(gate.close, held, error))
            raise
        await asyncio.to_thread(gate.close, held)

    return run


def _abort(taken: RunTakenOver) -> Abort:
    """End this process without a state: a newer execution owns the run, and a failed state would start a retry."""
    get_run_logger().error("%s %s", taken.message, taken.next_step)
    return Abort(taken.message)


def state_of(error: FareboxError) -> State[Any]:
    """The Prefect state of a run that ended by an error of ours, named after that error.

    Refusals are Cancelled, since Prefect would retry a Failed run. Outside Prefect there is no state. Prefect shows the
    message as Markdown, so every name in it is escaped; the error itself is the state's data.
    """
    if isinstance(error, NoRun) and FlowRunContext.get() is None:
        raise error
    message = f"{escape_markdown(error.message)}\n{escape_advice(error.next_step)}".strip()
    if isinstance(error, OverBudget | Blocked):
        name = "OverBudget" if isinstance(error, OverBudget) else "Blocked"
        return Cancelled(name=name, message=message, data=error)
    return Failed(name=type(error).__name__, message=message, data=error)


def _flow_run(name: str) -> FlowRun:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise NoRun(
            f"The automation {name!r} was called without Prefect: there is no flow run to quote and hold.",
            next_step="Call the flow itself, not its .fn.",
        )
    return context.flow_run


def _forget_journal(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Delete the journal of a run once Prefect knows that the run completed."""
    del flow, state
    with suppress(LedgerError):  # a later cleanup deletes it
        get_runtime().journal.delete(str(flow_run.id))


def _run_name(name: str) -> str:
    return f"{name} {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"
