"""What is asked in a turn, and where: the two values that go from ``ask()`` to the attempts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from pricing import record
from pricing.ledger import Run
from pricing.rates import ServiceTier
from tasks.context import Step
from tasks.personal_values import KnownPairs
from tasks.prompts import Prompt
from tasks.providers.messages import Message, ModelRequest, Tool
from tasks.providers.options import NO_OPTIONS, RequestOptions
from tasks.providers.reasoning import Reasoning
from tasks.routing.complexity import THRESHOLD
from tasks.routing.router import Route
from tasks.routing.target import StepTier, Target
from tasks.run_context import JournalPlace
from tasks.structured_output import AnswerType
from tasks.turn.answers import StepAnswers
from tasks.turn.records import TurnRecord
from tasks.turn.verifiers import Verify
from tasks.turn.waves import RunWaves, StepCall

if TYPE_CHECKING:  # they take longer to load than this package
    from guardrails import Guarded

T = TypeVar("T")


def version_with(version: str, reasoning: Reasoning | None) -> str:
    """A prompt's version as it is recorded for a turn.

    >>> version_with("1f3a", "high"), version_with("1f3a", None)
    ('1f3a+high', '1f3a')
    """
    return f"{version}+{reasoning}" if reasoning else version


@record(frozen=True, slots=True)
class TurnRequest(Generic[T]):
    """What is asked in one turn.

    Args:
        prompt: the rendered template that it is asked with.
        messages: the conversation.
        answer: what the answer has to be.
        operation: what its cost is attributed to.
        tier: which targets may take it; ``auto`` lets its complexity decide.
        max_tokens: of the answer.
        tools: functions that the model may ask for.
        threshold: the complexity from which on an ``auto`` turn is premium.
        latency: seconds that most answers may take, where the step says so.
        temperature: sent only to models that accept one.
        emit: takes the answer piece by piece while it arrives.
        stored_for: how long its answer may be served to the same question again.
        guards: those that the step brings along.
        unmasked_media: whether images and documents may be sent although no guard can read them.
        verify: says whether an answer of its type is right.
        reasoning: how much a model is to think before it answers; what its target says, if left out.
        judges: the model whose answer it judges; another family than its own is asked first.
        options: what it asks for beside its messages; targets that cannot do it are left out of its route.
        first: the target of its route that is asked before the others.
        service_tier: that it asks for, at targets that have it; what each target says, if left out.
    """

    prompt: Prompt
    messages: Sequence[Message] = field(repr=False)
    answer: AnswerType[T]
    operation: str
    tier: StepTier
    max_tokens: int
    tools: Sequence[Tool] = ()
    threshold: float = THRESHOLD
    latency: float | None = None
    temperature: float | None = None
    emit: Callable[[str], None] | None = None
    stored_for: timedelta | None = None
    guards: Sequence[Guarded] = ()
    unmasked_media: bool = False
    verify: Verify | None = None
    judges: str = ""
    reasoning: Reasoning | None = None
    options: RequestOptions = NO_OPTIONS
    first: str = ""
    service_tier: ServiceTier | None = None

    @classmethod
    def of(cls, step: Step, prompt: Prompt, messages: Sequence[Message], answer: AnswerType[T]) -> Self:
        """A turn of a step as it is declared."""
        return cls(
            prompt,
            messages,
            answer,
            step.operation,
            step.tier,
            step.max_tokens,
            threshold=step.threshold,
            latency=step.latency,
            stored_for=step.stored_for,
            guards=step.guards,
            unmasked_media=step.unmasked_media,
            verify=step.verify,
            reasoning=step.reasoning,
            service_tier=step.service_tier,
        )

    @property
    def prompt_version(self) -> str:
        """The version of its prompt, its setting for reasoning included: another setting is another question."""
        return version_with(self.prompt.version, self.reasoning)

    @property
    def request(self) -> ModelRequest:
        """It as it is put to any model, before guards have seen it."""
        return ModelRequest(
            messages=self.messages,
            max_tokens=self.max_tokens,
            system=self.prompt.system,
            tools=self.tools,
            schema=self.answer.schema,
            temperature=self.temperature,
            cache=bool(self.prompt.system.text),
            reasoning=self.reasoning,
            options=self.options,
        )


@record(frozen=True, slots=True)
class TurnContext:
    """Where a turn is asked: in which run and steps, of which targets.

    Args:
        run: whose turn it is.
        execution: the execution of the run that asks; an older one may not spend any more.
        route: the targets that may be asked, in order.
        steps: operations of the steps that it is asked in, the innermost first.
        complexity: the score that chose the tier, where one did.
        known: the run's personal values, and what guards masked in its turns before.
        values_of: the run that masked values are kept for, where it is not its own.
        noted: called with the turn when it is over.
        pin: the target that a calibration pins it to.
        answers: what the step was answered before, and is now.
        journal: where its answers are kept, in a run that does so.
        closed: whether the run is to finish with what there is.
        waves: those of the run, where it has the time for batches.
        batched: whether a target's answer may come with a batch now.
        call: of the step that asks.
        may_wait: whether the turn may wait for a batch; not one that another turn waits for.
    """

    run: Run
    execution: int
    route: Route
    steps: tuple[str, ...] = ()
    complexity: float | None = None
    known: KnownPairs = field(default=(), repr=False)
    values_of: str = ""
    noted: Callable[[TurnRecord], None] | None = None
    pin: str = ""
    answers: StepAnswers | None = field(default=None, repr=False)
    journal: JournalPlace | None = None
    closed: bool = False
    waves: RunWaves | None = None
    batched: Callable[[Target], bool] | None = None
    call: StepCall | None = None
    may_wait: bool = False
