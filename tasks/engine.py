"""What answers: routes, prompts, turns and the loop they run on, put together once per process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, cast

from pricing.facts import Run
from tasks.journey import Question
from tasks.loop import LoopThread
from tasks.prompts import Prompt, Prompts
from tasks.routing import Quality, Router
from tasks.steps import Here, no_run
from tasks.structured import AnswerType
from tasks.targets import Tier
from tasks.turns import Answer, Turns
from tasks.wire import Message, ModelRequest, Tool

if TYPE_CHECKING:  # the database's library takes longer to load than all of this floor
    from pricing.ledger import Ledger

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one turn of a step adds to its prompt: messages, tools, where its text is streamed to."""

    messages: Sequence[Message]
    operation: str
    tier: Tier
    max_tokens: int
    tools: Sequence[Tool] = ()
    emit: Callable[[str], None] | None = None


class Engine:
    """Asks models on behalf of steps."""

    def __init__(self, ledger: Ledger, router: Router, prompts: Prompts, turns: Turns, loop: LoopThread) -> None:
        self._ledger = ledger
        self._router = router
        self._prompts = prompts
        self._turns = turns
        self.loop = loop
        self._run = lru_cache(maxsize=256)(self._load_run)

    def render(self, name: str, values: dict[str, object]) -> Prompt:
        """A prompt by its template's name."""
        return self._prompts.render(name, values)

    async def turn(self, here: Here, prompt: Prompt, talk: Conversation, answer: AnswerType[T]) -> Answer[T]:
        """One turn of the step that is under way."""
        run = self._run(here.run_id, here.step.operation)
        question = Question(
            run=run,
            operation=talk.operation,
            route=self._router.route(talk.tier, cast("Quality", run.quality)),
            request=ModelRequest(
                messages=talk.messages,
                max_tokens=talk.max_tokens,
                system=prompt.system,
                tools=talk.tools,
                schema=answer.schema,
                cache=bool(prompt.system),
            ),
            answer=answer,
            prompt=prompt.name,
            prompt_version=prompt.version,
            emit=talk.emit,
            stored_for=None if talk.tools else here.step.stored_for,
        )
        return await self._turns.ask(question)

    def _load_run(self, run_id: str, operation: str) -> Run:
        run = self._ledger.run(run_id)
        if run is None:
            raise no_run(operation)
        return run
