"""Costs that are not tokens: ``spend`` and ``tool``.

Each is an attempt of the kind ``tool``: set aside and written down before the request is made, completed after it. A
process that dies in between leaves it at the amount that was set aside.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from pricing import BudgetClosed, Nano, OverBudget, PlanError, Usage, now_us, parse_money
from pricing.db import PendingWrite
from pricing.ledger import Completion, Intent, PriceBasis, Refusal, read_key
from tasks.context import around, completed_at_end, current_run, leave_open, paying_run
from tasks.event_loop import in_thread
from tasks.llm_step import adopt_signature
from tasks.tool_calls import INTERRUPTIONS, Interruption, ToolCall, ToolRules, await_tool, call_tool
from tasks.turn.engine import Engine

F = TypeVar("F", bound=Callable[..., Any])

KIND: Final = "tool"
STATED: Final = "stated"
"""What stands for a rate card's version where the code names the amount."""
_REASON: Final = "paid request"


@dataclass(frozen=True, slots=True)
class ToolCost:
    """The cost of one call of a ``@tool``, in nano-dollars, with its operation and provider."""

    operation: str
    cost_nano: Nano
    provider: str
    units: float


class Expense:
    """One paid request: its amount is set aside. Use it as a context manager, or leave it to the function around it.

    ``settle`` says what it came to; without it, it costs what was set aside. In async code use ``async with`` and
    ``await expense.settle_aio(…)``, which leave the event loop free while the ledger writes.
    """

    def __init__(self, engine: Engine, intent: Intent) -> None:
        self._engine = engine
        self._intent = intent
        self._began = time.perf_counter_ns()
        self._done = False

    @property
    def amount_nano(self) -> Nano:
        """The amount set aside, in nano-dollars."""
        return self._intent.worst_nano

    def settle(self, amount: str | None = None, *, units: float | None = None) -> None:
        """Record that the request is over.

        Args:
            amount: what it came to, such as ``"0.010 USD"``; what was set aside if left out. ``"0 USD"`` if the
                provider charges nothing for it.
            units: how many units were bought, where that differs from what was stated.

        Raises:
            MoneyError: ``amount`` is not a valid amount.
        """
        if (written := self._settled(amount, units)) is not None:
            self._note(written.result())

    async def settle_aio(self, amount: str | None = None, *, units: float | None = None) -> None:
        """Record that the request is over, as ``settle`` does, without blocking the event loop."""
        if (written := self._settled(amount, units)) is not None:
            self._note(await written)

    def end(self, error: BaseException | None = None) -> None:
        """Complete the expense, unless that is done. With an ``error`` it costs the whole amount, since it may have
        been billed.
        """
        if (written := self._ended(error)) is not None:
            self._note(written.result())

    def _settled(self, amount: str | None, units: float | None) -> PendingWrite[float] | None:
        cost = self.amount_nano if amount is None else parse_money(amount)
        return self._end("ok", "stated", cost, units)

    def _ended(self, error: BaseException | None) -> PendingWrite[float] | None:
        if error is None:
            return self._end("ok", "stated", self.amount_nano, None)
        outcome = "failed" if isinstance(error, Exception) else "cancelled"
        return self._end(outcome, "worst_case", self.amount_nano, None)

    def _end(self, outcome: str, priced: PriceBasis, cost: Nano, units: float | None) -> PendingWrite[float] | None:
        """Submit the completion, once."""
        if self._done:
            return None
        intent = self._intent
        completion = Completion(
            outcome=outcome,
            usage=Usage(),
            cost_nano=cost,
            priced=priced,
            duration_us=(time.perf_counter_ns() - self._began) // 1000,
            units=intent.units if units is None else _checked_units(units, intent.operation),
        )
        self._done = True
        return self._engine.ledger_of(intent.run_id, intent.operation).end(intent, completion)

    def _note(self, share: float) -> None:
        self._engine.note_share(self._intent.run_id, share)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if (written := self._ended(error)) is not None:
            self._note(await written)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)


class Spend:
    """Pays for a request that is not a model's, inside an automation.

    ``spend("0.012 USD", operation="search", provider="serper")`` before the request sets the amount aside on the run's
    hold and budgets, and records it as an attempt of its own. It is completed at the end of its ``with``
    block, else when the ``@tool``, ``@llm_task`` or automation around it returns.

    Example:
        ``with spend("0.012 USD", operation="search", provider="serper", units=1): results = client.search(query)``
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def __call__(self, amount: str, *, operation: str, units: float = 1, provider: str = "other") -> Expense:
        """Set an amount aside for one request that is about to be made.

        Args:
            amount: the most that it costs, such as ``"0.012 USD"``.
            operation: what the cost is attributed to; budgets of this operation apply.
            units: how many units are bought: pages, searches, seconds.
            provider: who is paid.

        Raises:
            OverBudget: it exceeds a budget; nothing was set aside, and the request must not be made.
            MoneyError: ``amount`` is not a valid amount.
            NoRun: outside an automation.
            RunExpired: the run's hold is gone, or belongs to a newer execution of the run.
        """
        expense = self._begun(ToolCost(_name("operation", operation), parse_money(amount), provider, units))
        leave_open(expense)
        return expense

    async def aio(self, amount: str, *, operation: str, units: float = 1, provider: str = "other") -> Expense:
        """Set an amount aside in async code: the event loop goes on while the ledger writes.

        Takes, gives and raises what a plain call does.

        Example:
            ``async with await spend.aio("0.012 USD", operation="search", provider="serper"): await client.get(url)``
        """
        expense = await self._begun_aio(ToolCost(_name("operation", operation), parse_money(amount), provider, units))
        leave_open(expense)
        return expense

    def tool(
        self,
        *,
        cost: str | None = None,
        operation: str | None = None,
        units: float = 1,
        provider: str = "other",
        replay: bool = True,
        interrupted: Interruption = "ask",
    ) -> Callable[[F], F]:
        """Make a function (or a Prefect task) a tool: one whose call costs money, or takes effect outside.

        In a durable run its result is kept, so that it is not called again when the run goes on; where a flow is
        around, each call is a task run in Prefect.

        Args:
            cost: of one call, such as ``"0.005 USD"``; nothing if left out.
            operation: what the cost is attributed to; the function's name if left out.
            units: how many units one call buys.
            provider: who is paid.
            replay: whether its result is kept; without, it is called again whenever the run goes on.
            interrupted: what becomes of a call that was under way when its process ended: ``ask`` stops the run until
                somebody decides, ``retry`` makes it again, ``skip`` leaves it out (it gives ``None``), ``fail`` ends
                the run.

        Raises:
            MoneyError: ``cost`` is not a valid amount.
            PlanError: ``interrupted`` is none of these.

        Example:
            ``@tool(cost="0.005 USD", provider="serper")`` above ``def search(query: str) -> str``
        """

        def decorate(function: F) -> F:
            called: str = operation or str(getattr(function, "__name__", "tool"))
            name, payee = _name("operation", called), _name("provider", provider)
            declared = None if cost is None else ToolCost(name, parse_money(cost), payee, units)
            _checked_units(units, called)
            body = getattr(function, "fn", None)
            rules = ToolRules.of(function if body is None else body, name, replay=replay, interrupted=interrupted)
            if body is None:
                return self._kept(self.paid(function, declared), rules, task=True)
            task: Any = copy.copy(function)  # a Prefect task: its settings stay, its body is paid for
            task.fn = self._kept(self.paid(body, declared), rules, task=False)
            return task  # type: ignore[no-any-return]

        if interrupted not in INTERRUPTIONS:
            raise PlanError(
                f"A tool has interrupted={str(interrupted)[:40]!r}.",
                next_step=f"Write one of {', '.join(INTERRUPTIONS)}.",
            )
        return decorate

    def _kept(self, function: F, rules: ToolRules, *, task: bool) -> F:
        """The function with its results stored in durable runs."""
        signature, wrapped = inspect.signature(function), cast("Any", None)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def kept_async(*args: Any, **kwargs: Any) -> Any:
                arguments = _named(signature, args, kwargs)
                call = await in_thread(functools.partial(ToolCall, self._engine(), rules, arguments, "code"))
                work = functools.partial(function, *args, **kwargs)
                return (await await_tool(call, rules, work, task=task)).value

            wrapped = kept_async
        else:

            @functools.wraps(function)
            def kept(*args: Any, **kwargs: Any) -> Any:
                call = ToolCall(self._engine(), rules, _named(signature, args, kwargs), "code")
                return call_tool(call, rules, functools.partial(function, *args, **kwargs), task=task).value

            wrapped = kept
        adopt_signature(wrapped, function)
        wrapped.farebox_rules, wrapped.farebox_unkept = rules, function
        return cast("F", wrapped)

    def paid(self, function: F, declared: ToolCost | None) -> F:
        """The function with each call paid for, if it has a cost."""
        if declared is None:
            return function
        wrapped: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def paid_async(*args: Any, **kwargs: Any) -> Any:
                async with await self._begun_aio(declared):
                    with completed_at_end():
                        return await function(*args, **kwargs)

            wrapped = paid_async
        else:

            @functools.wraps(function)
            def paid(*args: Any, **kwargs: Any) -> Any:
                with self._begun(declared), completed_at_end():
                    return function(*args, **kwargs)

            wrapped = paid
        adopt_signature(wrapped, function)
        wrapped.farebox_tool = declared
        return wrapped  # type: ignore[no-any-return]

    def _begun(self, cost: ToolCost) -> Expense:
        engine = self._engine()
        intent, begun = self._submit(engine, cost)
        _check_refusals(intent, begun.result())
        return Expense(engine, intent)

    async def _begun_aio(self, cost: ToolCost) -> Expense:
        # In a thread: the run may have to be looked for in the ledger, or opened.
        engine = self._engine()
        intent, begun = await asyncio.to_thread(self._submit, engine, cost)
        _check_refusals(intent, await begun)
        return Expense(engine, intent)

    @staticmethod
    def _submit(engine: Engine, cost: ToolCost) -> tuple[Intent, PendingWrite[list[Refusal]]]:
        """Submit the intent, which sets the amount aside."""
        if (here := around()) is not None:
            engine.join(here)
        run = paying_run(cost.operation)
        run_id, execution = run.run_id, run.execution
        ledger = engine.ledger_of(run_id, cost.operation)
        if execution is None:  # a process of a task runner
            execution = ledger.execution(run_id)
        attempt_id = secrets.token_hex(16)
        intent = Intent(
            attempt_id=attempt_id,
            turn_id=attempt_id,
            run_id=run_id,
            operation=cost.operation,
            hop=0,
            ordinal=0,
            reason=_REASON,
            target=cost.operation,
            provider=_name("provider", cost.provider),
            account="",
            model=cost.operation,
            tier=KIND,
            stand_in=False,
            worst_nano=cost.cost_nano,
            rate_version=STATED,
            started_at=now_us(),
            kind=KIND,
            units=_checked_units(cost.units, cost.operation),
            execution=execution,
        )
        return intent, ledger.begin(intent, execution)


def _check_refusals(intent: Intent, refusals: Sequence[Refusal]) -> None:
    """Raise if a budget was exceeded.

    Raises:
        OverBudget: there are refusals.
        BudgetClosed: and somebody chose that the run finishes with what there is.
    """
    if not refusals:
        return
    operation = intent.operation
    if current_run().closed:
        raise BudgetClosed.at(operation)
    raise OverBudget(
        f"The run was stopped at {operation}: " + "; ".join(refusal.explain() for refusal in refusals) + ".",
        next_step="The request was not made. What was done so far is recorded and paid; raise the budget to go on.",
        operation=operation,
        budgets=[refusal.budget.name for refusal in refusals],
        budget_ids=[refusal.budget.budget_id for refusal in refusals],
        worst_nano=intent.worst_nano,
        short_nano=max(refusal.short for refusal in refusals),
    )


def tool_cost(function: object) -> ToolCost | None:
    """The cost that a ``@tool`` declares, also where it is a Prefect task; ``None`` for anything else."""
    found = getattr(getattr(function, "fn", function), "farebox_tool", None)
    return found if isinstance(found, ToolCost) else None


def _named(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, including defaults."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _name(what: str, text: str) -> str:
    """A name that reports can show, so that no content reaches the ledger through it.

    Raises:
        UsageError: it is not a valid name.
    """
    return read_key(what, text)


def _checked_units(units: float, operation: str) -> float:
    if isinstance(units, bool) or not isinstance(units, int | float) or not math.isfinite(units) or units < 0:
        raise PlanError(
            f"The tool {operation!r} has invalid units: they must be a number from 0.",
            next_step="Give the number of units that one call buys, such as 1.",
            operation=operation,
        )
    return float(units)
