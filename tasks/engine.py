"""What answers: routes, prompts, turns and the loop they run on, put together once per process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self, TypeVar, cast

from pricing.facts import Run
from pricing.plans import ResolvedPlan
from tasks.complexity import THRESHOLD, Complexity, score
from tasks.floors import Quality
from tasks.journey import Question
from tasks.known import known
from tasks.loop import LoopThread
from tasks.observing import HoldsInUse
from tasks.pins import Looked, Pin, pin_of
from tasks.prompts import Prompt, Prompts
from tasks.route_locks import RouteLocks
from tasks.routing import TYPICAL, Candidate, Route, Router, Size, economic_reason, other_family_first
from tasks.steps import Here, Step, no_run
from tasks.structured import AnswerType
from tasks.targets import StepTier
from tasks.turns import Answer, Turns
from tasks.verifiers import Verify
from tasks.wire import Message, ModelRequest, Tool

if TYPE_CHECKING:  # the database's library takes longer to load than all of this floor
    from pricing.ledger import Ledger

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one turn of a step adds to its prompt: messages, tools, where its text is streamed to."""

    messages: Sequence[Message]
    operation: str
    tier: StepTier
    max_tokens: int
    tools: Sequence[Tool] = ()
    emit: Callable[[str], None] | None = None
    threshold: float = THRESHOLD
    latency: float | None = None
    temperature: float | None = None
    verify: Verify | None = None
    judges: str = ""
    """The model whose answer it judges: another family than its own is asked first."""

    @classmethod
    def of(cls, step: Step, messages: Sequence[Message], emit: Callable[[str], None] | None = None) -> Self:
        """A turn of the step as it is declared."""
        return cls(
            messages,
            step.operation,
            step.tier,
            step.max_tokens,
            emit=emit,
            threshold=step.threshold,
            latency=step.latency,
            verify=step.verify,
        )


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A run, and what was decided about its routes before it began."""

    run: Run
    sizes: Mapping[str, Size]
    economic: str | None

    @classmethod
    def of(cls, run: Run) -> Self:
        plan = ResolvedPlan.from_json(json.loads(run.plan))
        sizes = {step.operation: Size(step.input_tokens, step.output_tokens) for step in plan.steps}
        return cls(run, sizes, economic_reason(json.loads(run.routes)))


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
    ) -> None:
        self._ledger = ledger
        self._router = router
        self._prompts = prompts
        self._turns = turns
        self.loop = loop
        self._holds = holds
        self._pressure = pressure
        self._locks = locks
        self._admitted = lru_cache(maxsize=256)(self._load_run)

    @property
    def deadline_seconds(self) -> float:
        """What one turn may take, the tools that it asks for included."""
        return self._turns.deadline_seconds

    def render(self, name: str, values: dict[str, object]) -> Prompt:
        """A prompt by its template's name."""
        return self._prompts.render(name, values)

    def prompt_version(self, name: str) -> str:
        """Of a template as it is now.

        Raises:
            PromptError: there is none of that name.
        """
        return self._prompts.version(name)

    async def turn(self, here: Here, prompt: Prompt, talk: Conversation, answer: AnswerType[T]) -> Answer[T]:
        """One turn of the step that is under way."""
        pin = pin_of(here.step.operation)
        if pin is not None and pin.target is None:
            raise Looked(prompt)
        admitted = self._admitted(here.run_id, here.step.operation)
        content = self._turns.content
        if pin is None and content.keeps(admitted.run.automation, here.step.operation):
            here.keep = content.keep_call
        request = ModelRequest(
            messages=talk.messages,
            max_tokens=talk.max_tokens,
            system=prompt.system,
            tools=talk.tools,
            schema=answer.schema,
            temperature=talk.temperature,
            cache=bool(prompt.system),
        )
        decides = talk.tier == "auto" and admitted.run.quality == "fast" and pin is None
        complexity = score(request) if decides else None
        if here.execution is None:  # a process of a task runner
            here.execution = self._ledger.execution(here.run_id)
        question = Question(
            run=admitted.run,
            execution=here.execution,
            operation=talk.operation,
            route=self._route(here, admitted, talk, complexity) if pin is None else _pinned(pin),
            request=request,
            answer=answer,
            prompt=prompt.name,
            prompt_version=prompt.version,
            complexity=complexity.score if complexity else None,
            known=(*known(), *prompt.known),
            guards=here.step.guards,
            emit=talk.emit,
            stored_for=None if talk.tools or pin else here.step.stored_for,
            noted=here.note if pin is None else pin.note,
            verify=talk.verify,
            steps=here.steps,
        )
        return await self._turns.ask(question)

    def _route(self, here: Here, admitted: _Admitted, talk: Conversation, complexity: Complexity | None) -> Route:
        """Where the turn may go: by its lock, its tier or its complexity; from the cheapest up when money runs short.

        A lock is of a step, and of all its turns.
        """
        run = admitted.run
        share = self._holds.share(run.run_id)
        spent = f"{share:.0%} of the run's hold is spent" if share >= self._pressure else None
        if complexity is not None:
            tier, why = complexity.tier(talk.threshold), complexity.explain(talk.threshold)
        else:
            tier, why = "light" if talk.tier == "auto" else talk.tier, ""
        route = self._router.route(
            tier,
            cast("Quality", run.quality),
            seconds=talk.latency,
            size=admitted.sizes.get(talk.operation, TYPICAL),
            economic=admitted.economic or spent,
            lock=self._locks.of(run.automation, here.step.operation),
            why=why,
        )
        return other_family_first(route, talk.judges) if talk.judges else route

    def _load_run(self, run_id: str, operation: str) -> _Admitted:
        run = self._ledger.run(run_id)
        if run is None:
            raise no_run(operation)
        return _Admitted.of(run)


def _pinned(pin: Pin) -> Route:
    if pin.target is None:
        raise RuntimeError("a pin without a target asks nobody")
    return (Candidate(pin.target, "pinned by a calibration"),)
