"""What answers: routes, prompts, turns and the loop they run on, put together once per process."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from pricing import Nano, Usage, now_us, record
from pricing.ledger import NEWEST, Run
from pricing.rates import ServiceTier
from tasks.context import OutsideRuns, StepContext, no_run
from tasks.event_loop import LoopThread, in_thread
from tasks.prompts import InlinePrompt, Prompt, Prompts
from tasks.providers.reasoning_fields import output_limit, usual_thinking_tokens
from tasks.routing.complexity import Complexity, score
from tasks.routing.router import (
    TYPICAL,
    Candidate,
    Route,
    Router,
    Size,
    economic_reason,
    named_first,
    other_family_first,
)
from tasks.routing.slo import Quality
from tasks.routing.target import Target
from tasks.run_context import Pin, RunContext, RunOwner
from tasks.run_values import run_values
from tasks.turn.answers import Answers
from tasks.turn.executor import Answer, Turns
from tasks.turn.pins import PromptPreview
from tasks.turn.records import TurnRecord
from tasks.turn.request import TurnContext, TurnRequest
from tasks.turn.state import count_request
from tasks.turn.waves import IN_TURN, RunWaves, Waves

_SECONDS_TO_CLOSE: Final = 8.0

if TYPE_CHECKING:  # they take longer to load than this package
    from pricing.ledger import Ledger
    from tasks.routing.locks import RouteLocks
    from tasks.routing.service_tiers import ServiceTiers
    from tasks.routing.stats_cache import HoldsInUse

T = TypeVar("T")


@record(frozen=True, slots=True)
class _Admitted:
    """A run, and what was decided about its routes before it began."""

    run: Run
    sizes: Mapping[str, Size]
    economic: str | None

    @classmethod
    def of(cls, run: Run) -> Self:
        from pricing.quotes import ResolvedPlan  # loaded by the process that admits runs

        plan = ResolvedPlan.from_json(json.loads(run.plan))
        sizes = {step.operation: Size(step.input_tokens, step.output_tokens) for step in plan.steps}
        return cls(run, sizes, economic_reason(json.loads(run.routes)))


@record(frozen=True, slots=True)
class Foresight:
    """What is expected of a turn: tokens that it reads, the largest window of its route, tokens that its
    reply may have, and nano-dollars.

    ``most_nano`` is the cost of an answer that is as long as allowed.
    """

    tokens: int
    window: int
    reserved: int
    cost_nano: Nano
    most_nano: Nano


class Engine:
    """Asks models on behalf of steps.

    Args:
        ledger: knows the runs.
        router: orders their targets.
        prompts: the templates.
        turns: asks questions.
        loop: what all of it runs on.
        holds: how much of its hold each run has spent.
        pressure: the share from which on the rest of a run takes the economic route.
        locks: where calibration has shown that turns should begin.
        outside: finds or opens the runs of steps that no automation is around.
        service_tiers: which service tier turns ask for, by when their run is due; what steps and targets name without.
        waves: the waves of runs that have the time for batches.
        batched: whether a target's answer may come with a batch, in a run with these waves.
    """

    def __init__(
        self,
        ledger: Ledger,
        router: Router,
        prompts: Prompts,
        turns: Turns,
        loop: LoopThread,
        *,
        holds: HoldsInUse,
        pressure: float,
        locks: RouteLocks,
        outside: OutsideRuns | None = None,
        service_tiers: ServiceTiers | None = None,
        waves: Waves | None = None,
        batched: Callable[[Target, RunWaves], bool] = lambda _target, _waves: True,
    ) -> None:
        self.waves = waves
        self._batched = batched
        self._ledger = ledger
        self._router = router
        self._prompts = prompts
        self._turns = turns
        self.loop = loop
        self._holds = holds
        self._pressure = pressure
        self._locks = locks
        self._outside = outside
        self._service_tiers = service_tiers
        self._loaded = lru_cache(maxsize=256)(self._load_run)
        self._at_end: dict[str, list[Callable[[], Awaitable[None]]]] = {}

    def deadline_seconds(self, service_tier: ServiceTier | None = None) -> float:
        """What one turn may take, the tools that it asks for included; ``service_tier`` is what its step asks for."""
        limits = self._turns.limits
        own = service_tier is None and any(target.service_tier == "flex" for target in self._router.targets)
        patient = service_tier == "flex" or own
        return limits.seconds(flex=patient)

    def render(self, prompt: str | InlinePrompt, values: dict[str, object]) -> Prompt:
        """A prompt by its template's name, or written where it is used."""
        return self._prompts.render(prompt, values)

    def prompt_version(self, name: str) -> str:
        """Of a template as it is now.

        Raises:
            PromptError: there is none of that name.
        """
        return self._prompts.version(name)

    def ledger_of(self, run_id: str, operation: str) -> Ledger:
        """The ledger that a run pays from.

        Raises:
            NoRun: it was not admitted.
        """
        if self._admitted(run_id) is None:
            raise no_run(operation)
        return self._ledger

    def kept_calls(self, run_id: str, *operations: str) -> Answers | None:
        """Where calls of tools in these operations of a run are kept; ``None`` where they are not."""
        answers, admitted = self._turns.answers, self._admitted(run_id)
        if answers is None or admitted is None:
            return None
        return answers if all(answers.keeps(admitted.run, one) for one in operations) else None

    def execution_of(self, run: RunContext) -> int:
        """The number of the execution that a context is of; the newest, where that is not known in this process."""
        known = run.execution
        return self._ledger.execution(run.run_id) if known is None or known == NEWEST else known

    def join(self, here: StepContext) -> None:
        """Give a step its run where the code is not inside one: that of an automation in another process, also of one
        that called the plain flow it is in, or an ad-hoc run.

        Raises:
            NoRun: there is none, and none can be opened.
            OverBudget: an ad-hoc run exceeds a budget.
        """
        if here.run.execution is not None or (self._outside is not None and self._outside.joined(here)):
            return
        admitted = self._found(here) if here.run_id else None
        if admitted is not None and admitted.run.quoted:
            here.run = self._completed(here.run, admitted.run)
        elif self._outside is None:
            raise no_run(here.step.operation)
        else:
            self._outside.join(here)

    def at_end(self, run_id: str, close: Callable[[], Awaitable[None]]) -> None:
        """Have something closed when a run ends in this process. Called on the loop, as ``close`` is."""
        self._at_end.setdefault(run_id, []).append(close)

    def ended(self, run_id: str) -> None:
        """Close what was opened for a run, and wait for that a few seconds at most, unless called on the loop."""
        if run_id not in self._at_end:
            return
        closed = self.loop.submit(self._close(run_id))
        if not self.loop.is_here:
            with suppress(FutureTimeout, CancelledError):  # it goes on beside whatever comes next
                closed.result(_SECONDS_TO_CLOSE)

    async def _close(self, run_id: str) -> None:
        for close in self._at_end.pop(run_id, []):
            await close()

    def note_share(self, run_id: str, share: float) -> None:
        """Note which share of a run's hold is spent."""
        self._holds.note(run_id, share)

    def foresee(self, asked: TurnRequest[Any], output_tokens: int) -> Foresight:
        """What a turn will read and cost at the target that is asked first, without asking anybody.

        Raises:
            UnknownPrice: that target has no rate.
        """
        tier = "light" if asked.tier == "auto" else asked.tier
        route = self._router.route(tier, "fast", seconds=asked.latency, service_tier=asked.service_tier)
        first, price = route[0].target, partial(self._router.price, service_tier=route[0].service_tier)
        tokens = count_request(asked.request).expected(model=first.model)
        reserved = output_limit(first, asked.request)
        thinking = usual_thinking_tokens(first, asked.reasoning, tools=bool(asked.tools))
        return Foresight(
            tokens=tokens,
            window=max(candidate.target.window for candidate in route),
            cost_nano=price(first, Usage(tokens, output_tokens + thinking)),
            most_nano=price(first, Usage(tokens, reserved)),
            reserved=reserved,
        )

    def prompt_names(self) -> list[str]:
        """Every template's name."""
        return self._prompts.names()

    def fixed_prompt_text(self, name: str) -> str:
        """What a template says whatever its values are.

        Raises:
            PromptError: there is none of that name.
        """
        return self._prompts.fixed_text(name)

    async def turn(self, here: StepContext, asked: TurnRequest[T]) -> Answer[T]:
        """One turn of the step that is under way."""
        pin = here.run.pin_of(here.step.operation)
        if pin is not None and pin.target is None:
            raise PromptPreview(asked.prompt)
        if here.run.execution is None and (self._outside is None or not self._outside.joined(here)):
            await in_thread(partial(self.join, here))
        admitted, execution = self._admitted(here.run_id), here.run.execution
        if admitted is None or execution is None:
            raise no_run(here.step.operation)
        content = self._turns.content
        if pin is None and content.keeps(admitted.run.automation, here.step.operation):
            here.keep = content.keep_call
        if pin is not None and asked.stored_for is not None:
            asked = replace(asked, stored_for=None)
        decides = asked.tier == "auto" and admitted.run.quality == "fast" and pin is None
        complexity = score(asked.request) if decides else None
        values_of = here.run.values_of
        where = TurnContext(
            run=admitted.run,
            execution=execution,
            route=self._route(here, admitted, asked, complexity)
            if pin is None
            else self._pinned(pin, asked.service_tier),
            steps=here.steps,
            complexity=complexity.score if complexity else None,
            known=(*run_values.of(values_of), *here.run.known, *asked.prompt.known),
            values_of=values_of,
            noted=_noted(here) if pin is not None else here.note if here.keep is not None else None,
            pin="" if pin is None else str(pin.target),
            answers=here.answers,
            journal=here.run.journal_place(execution),
            closed=here.run.closed,
        )
        if admitted.run.due_at is not None and self.waves is not None and pin is None:
            where = self._waiting(where, here, admitted.run.due_at)
        return await self._turns.ask(asked, where)

    def _waiting(self, where: TurnContext, here: StepContext, due_at: int) -> TurnContext:
        """The same, of a turn that may wait for a batch: unless another turn waits for it."""
        if self.waves is None:
            return where
        waves = self.waves.open(where.run.run_id, where.execution, due_at)
        return replace(
            where,
            waves=waves,
            batched=lambda target: self._batched(target, waves),
            call=here.call,
            may_wait=not IN_TURN.get(),
        )

    def _route(
        self, here: StepContext, admitted: _Admitted, asked: TurnRequest[Any], complexity: Complexity | None
    ) -> Route:
        """Where the turn may go: by its lock, its tier or its complexity; from the cheapest up when money runs short.

        A lock is of a step, and of all its turns.
        """
        run = admitted.run
        share = self._holds.share(run.run_id) if run.quoted else 0.0  # else each attempt is held when it is sent
        spent = f"{share:.0%} of the run's hold is spent" if share >= self._pressure else None
        if complexity is not None:
            tier, why = complexity.tier(asked.threshold), complexity.explain(asked.threshold)
        else:
            tier, why = "light" if asked.tier == "auto" else asked.tier, ""
        economic = admitted.economic or spent
        route = self._router.route(
            tier,
            cast("Quality", run.quality),
            seconds=asked.latency,
            size=admitted.sizes.get(asked.operation, TYPICAL),
            economic=economic,
            lock=self._locks.of(run.automation, here.step.operation),
            why=why,
            service_tier=asked.service_tier,
        )
        if run.due_at is not None and self._service_tiers is not None:
            size = admitted.sizes.get(asked.operation, TYPICAL)
            route = self._service_tiers.by_due_time(route, Usage(*size), due_at=run.due_at, now=now_us())
        if asked.first and not economic:
            route = named_first(route, asked.first)
        return other_family_first(route, asked.judges) if asked.judges else route

    def _found(self, here: StepContext) -> _Admitted | None:
        """The run that a step's flow run is, or is a part of: all that a worker of a task runner knows of a plain flow
        that an automation called is its own id.
        """
        from tasks.flow_run_context import caller_context

        context: RunContext | None = here.run
        while context is not None:
            if admitted := self._admitted(context.run_id):
                here.run = context
                return admitted
            context = caller_context(context)
        return None

    def _completed(self, run: RunContext, admitted: Run) -> RunContext:
        """A context that was rebuilt, with what the ledger knows."""
        execution = self._ledger.execution(run.run_id)
        return replace(
            run, execution=execution, owner=RunOwner.of(admitted), quality=admitted.quality, due_at=admitted.due_at
        )

    def _pinned(self, pin: Pin, asked: ServiceTier | None) -> Route:
        target = next((target for target in self._router.targets if target.name == pin.target), None)
        if target is None:
            raise RuntimeError("a pin names one of the router's targets")
        return (Candidate(target, "pinned by a calibration", service_tier=self._router.service_tier(target, asked)),)

    def _admitted(self, run_id: str) -> _Admitted | None:
        try:
            return self._loaded(run_id)
        except LookupError:
            return None

    def _load_run(self, run_id: str) -> _Admitted:
        run = self._ledger.run(run_id)
        if run is None:
            raise LookupError(run_id)  # which is not remembered: it may be admitted later
        return _Admitted.of(run)


def _noted(here: StepContext) -> Callable[[TurnRecord], None]:
    """Notes the ids of a pinned step's turns, if its caller wants them."""
    turn_ids = here.turn_ids
    return lambda turn: None if turn_ids is None else turn_ids.append(turn.turn.turn_id)
