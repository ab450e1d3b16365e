"""``ask``: one turn of the step that is under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast, overload

from pricing import PromptError
from pricing.rates import ServiceTier
from tasks.context import check_reasoning, check_service_tier, current_step
from tasks.prompts import InlinePrompt
from tasks.providers.messages import Message
from tasks.providers.reasoning import Reasoning
from tasks.structured_output import answer_type
from tasks.turn.engine import Engine
from tasks.turn.request import TurnRequest

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=str)
else:  # which does not have to be loaded for that
    from typing import TypeVar

    T = TypeVar("T")


_SECONDS_TO_END = 5.0
"""How long a caller who leaves a stream early waits for its attempt to be written down."""


# mypy does not see that ``*template, **values`` takes what both overloads do; tests/typing checks the calls themselves.
class Ask:
    r"""Asks a model with a prompt, inside an ``@llm_task``.

    ``ask("summarize.j2", document=text)`` gives text, ``ask(…, returns=Summary)`` a validated value of that type;
    ``await ask.aio(…)`` is the same in async code. ``reasoning="high"`` asks for more or less thinking than the step
    declares, ``"none"`` to ``"max"``; ``service_tier="flex"`` for another service tier than it does. Every other
    keyword is a value of the template.

    A short prompt may be written where it is used, as a template with its values beside it, never as an f-string: what
    is in a value is data, what is in the prompt is a template.

    Example:
        ``ask(prompt="Summarize in one sentence:\n{{ text }}", system="You are terse.", text=text)``

    Raises:
        PromptError, Blocked, NoTarget, TurnFailed, OverBudget, RunExpired: see ``pricing.errors``.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    @overload
    def __call__(self, template: str, /, *, returns: type[T] = ..., **values: object) -> T: ...
    @overload
    def __call__(self, *, prompt: str, system: str = ..., returns: type[T] = ..., **values: object) -> T: ...
    def __call__(self, *template: Any, **values: Any) -> Any:  # type: ignore[misc]
        """Take one turn and return the answer."""
        returns = values.pop("returns", str)
        return self._engine().loop.run(self._ask(_prompt(template, values), returns, values))

    @overload
    async def aio(self, template: str, /, *, returns: type[T] = ..., **values: object) -> T: ...
    @overload
    async def aio(self, *, prompt: str, system: str = ..., returns: type[T] = ..., **values: object) -> T: ...
    async def aio(self, *template: Any, **values: Any) -> Any:  # type: ignore[misc]
        """Take one turn in async code and return the answer."""
        returns = values.pop("returns", str)
        return await self._engine().loop.await_(self._ask(_prompt(template, values), returns, values))

    @overload
    def stream(self, template: str, /, **values: object) -> Iterator[str]: ...
    @overload
    def stream(self, *, prompt: str, system: str = ..., **values: object) -> Iterator[str]: ...
    def stream(self, *template: Any, **values: Any) -> Iterator[str]:  # type: ignore[misc]
        """Yield the text of an answer as it arrives; closing the iterator cancels the rest. Each piece has passed the
        output guards. Before the first piece an attempt may fall back; after it a failure raises ``TurnFailed``.

        Each piece has passed the output guards. Before the first one an attempt may fall back as always; after it a
        failure is a ``TurnFailed``.
        """
        pieces: SimpleQueue[str | None] = SimpleQueue()
        ended = threading.Event()

        def end() -> None:
            ended.set()
            pieces.put(None)

        future = self._engine().loop.submit(_then(self._ask(_prompt(template, values), str, values, pieces.put), end))
        try:
            while (piece := pieces.get()) is not None:
                yield piece
            future.result()
        finally:
            if future.cancel():
                ended.wait(_SECONDS_TO_END)

    @overload
    def aio_stream(self, template: str, /, **values: object) -> AsyncIterator[str]: ...
    @overload
    def aio_stream(self, *, prompt: str, system: str = ..., **values: object) -> AsyncIterator[str]: ...
    async def aio_stream(self, *template: Any, **values: Any) -> AsyncIterator[str]:  # type: ignore[misc]
        """Yield the text of an answer in async code, as :meth:`stream` does."""
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def hand_over(piece: str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        ended = asyncio.Event()

        def end() -> None:
            loop.call_soon_threadsafe(ended.set)
            hand_over(None)

        future = self._engine().loop.submit(_then(self._ask(_prompt(template, values), str, values, hand_over), end))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await asyncio.wrap_future(future)
        finally:
            if future.cancel():
                await asyncio.wait_for(ended.wait(), _SECONDS_TO_END)

    async def _ask(
        self,
        written: str | InlinePrompt,
        returns: type[T],
        values: dict[str, object],
        emit: Callable[[str], None] | None = None,
    ) -> T:
        engine, place = self._engine(), current_step()
        reasoning = cast("Reasoning | None", values.pop("reasoning", None)) or place.step.reasoning
        service_tier = cast("ServiceTier | None", values.pop("service_tier", None)) or place.step.service_tier
        check_service_tier(service_tier, f"ask() in the step {place.step.operation!r}")
        check_reasoning(reasoning, f"ask() in the step {place.step.operation!r}")
        place.count_turn()
        prompt = engine.render(written, values)
        asked = TurnRequest.of(place.step, prompt, [Message("user", prompt.user)], answer_type(returns))
        if emit is not None or (reasoning, service_tier) != (asked.reasoning, asked.service_tier):
            asked = replace(asked, emit=emit, reasoning=reasoning, service_tier=service_tier)
        answer = await engine.turn(place, asked)
        return cast("T", answer.value)


def _prompt(template: tuple[object, ...], values: dict[str, object]) -> str | InlinePrompt:
    """The prompt of a call: a template's name, or else an inline prompt of the keywords ``prompt`` and ``system``,
    which are taken out of the values. Beside a template's name these are values like any others.

    Beside a template's name these are values like any others.

    Raises:
        PromptError: there is neither.
    """
    if len(template) == 1 and isinstance(template[0], str):
        return template[0]
    prompt, system = values.pop("prompt", None), values.pop("system", "")
    if template or not isinstance(prompt, str) or not isinstance(system, str):
        raise PromptError(
            "ask(…) was called without a prompt.",
            next_step='Name a template, ask("summarize.j2", …), or write one: ask(prompt="…{{ text }}", text=text).',
        )
    return InlinePrompt(prompt, system)


async def _then(work: Coroutine[Any, Any, T], end: Callable[[], None]) -> T:
    """The result of ``work``; ``end`` is called when it is over, however it ended."""
    try:
        return await work
    finally:
        end()
