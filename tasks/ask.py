"""``ask``: one turn of the step that is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from typing_extensions import TypeVar

from tasks.engine import Conversation, Engine
from tasks.steps import here
from tasks.structured import answer_type
from tasks.wire import Message

T = TypeVar("T", default=str)


class Ask:
    """Asks a model with a prompt template, inside an ``@llm_task``.

    ``ask("summarize.j2", document=text)`` gives text, ``ask(…, returns=Summary)`` a validated value of that type;
    ``await ask.aio(…)`` is the same in async code. Every other keyword is a value of the template.

    Raises:
        PromptError, Blocked, NoTarget, TurnFailed, OverBudget, RunExpired: see ``pricing.errors``.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def __call__(self, prompt: str, /, *, returns: type[T] = str, **values: object) -> T:  # type: ignore[assignment]
        """The answer, for a caller that is not async."""
        return self._engine().loop.run(self._ask(prompt, returns, values))

    async def aio(self, prompt: str, /, *, returns: type[T] = str, **values: object) -> T:  # type: ignore[assignment]
        """The answer, for an async caller."""
        return await self._engine().loop.await_(self._ask(prompt, returns, values))

    async def _ask(self, name: str, returns: type[T], values: dict[str, object]) -> T:
        engine, place = self._engine(), here()
        place.count_turn()
        step = place.step
        prompt = engine.render(name, values)
        talk = Conversation([Message("user", prompt.user)], step.operation, step.tier, step.max_tokens)
        answer = await engine.turn(place, prompt, talk, answer_type(returns))
        return cast("T", answer.value)
