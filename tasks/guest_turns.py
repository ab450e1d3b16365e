"""Turns of code that brings its own messages: other libraries' agents, whose requests are answered by our engine."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any, Final

from pricing import ProviderStatePart, TextPart, json_text
from tasks.context import Step, inside
from tasks.prompts import Prompt
from tasks.providers.messages import Message, Schema, Tool
from tasks.providers.options import NO_OPTIONS, RequestOptions
from tasks.providers.reasoning import Reasoning
from tasks.routing.target import StepTier
from tasks.structured_output import answer_type, json_answer
from tasks.turn.engine import Engine
from tasks.turn.executor import Answer
from tasks.turn.request import TurnRequest

_MOST_STATES: Final = 4_096
"""Replies whose provider state is remembered in one process; beyond it the oldest are forgotten."""

_SECONDS_TO_END: Final = 5.0
"""How long a caller who leaves a stream early waits for its attempt to be written down."""


@dataclass(frozen=True, slots=True)
class GuestRequest:
    """One request of another library, in terms of our types.

    Args:
        messages: the conversation.
        system: its instructions.
        tools: functions that the model may ask for; who asks calls them.
        schema: of the answer; its text is handed back, and who asks reads it.
        max_tokens: of the answer; the step's where that is less, or where this is left out.
        temperature: sent only to models that accept one.
        reasoning: how much the model is to think; what the step says, if left out.
        options: what it asks for beside its messages.
        tier: which targets take it, where it is not the step's.
        first: the target that is asked first, where it is one of these.
    """

    messages: Sequence[Message] = field(repr=False)
    system: str = field(default="", repr=False)
    tools: Sequence[Tool] = ()
    schema: Schema | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    reasoning: Reasoning | None = None
    options: RequestOptions = NO_OPTIONS
    tier: StepTier | None = None
    first: str = ""


class GuestTurns:
    """Answers requests of another library: each is one call of ``step``, and one turn.

    Args:
        engine: what takes the turns.
        step: what they are attributed to, and which targets take them.
        library: whose requests they are; reports show it as the prompt's name.
    """

    def __init__(self, engine: Callable[[], Engine], step: Step, library: str) -> None:
        self._engine = engine
        self.step = step
        self._library = library

    async def answer(self, asked: GuestRequest) -> Answer[str]:
        """The answer, for an async caller.

        Raises:
            Blocked, NoTarget, TurnFailed, OverBudget, RunExpired: see ``pricing.errors``.
        """
        return await self._engine().loop.await_(self._turn(asked, None))

    def answer_blocking(self, asked: GuestRequest) -> Answer[str]:
        """The answer, for a caller that is not async; it raises what ``answer`` does."""
        return self._engine().loop.run(self._turn(asked, None))

    async def stream(self, asked: GuestRequest) -> AsyncGenerator[str | Answer[str], None]:
        """The pieces of the answer's text as they arrive, then the answer; leaving off early cancels the rest.

        An answer with a schema has no pieces: guards look at it as a whole.
        """
        loop, pieces, ended = asyncio.get_running_loop(), asyncio.Queue[str | None](), asyncio.Event()

        def hand_over(piece: str | None) -> None:
            with suppress(RuntimeError):  # the caller's loop is closed: nobody waits any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
                if piece is None:
                    loop.call_soon_threadsafe(ended.set)

        future = self._begin(asked, hand_over)
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            answer = await asyncio.wrap_future(future)
            yield answer
        finally:
            if future.cancel():
                await asyncio.wait_for(ended.wait(), _SECONDS_TO_END)

    def stream_blocking(self, asked: GuestRequest) -> Generator[str | Answer[str], None, None]:
        """The same, for a caller that is not async."""
        pieces: SimpleQueue[str | None] = SimpleQueue()
        ended = Event()

        def hand_over(piece: str | None) -> None:
            pieces.put(piece)
            if piece is None:
                ended.set()

        future = self._begin(asked, hand_over)
        try:
            while (piece := pieces.get()) is not None:
                yield piece
            yield future.result()
        finally:
            if future.cancel():
                ended.wait(_SECONDS_TO_END)

    def _begin(self, asked: GuestRequest, hand_over: Callable[[str | None], None]) -> Future[Answer[str]]:
        async def work() -> Answer[str]:
            try:
                return await self._turn(asked, None if asked.schema else hand_over)
            finally:
                hand_over(None)

        return self._engine().loop.submit(work())

    async def _turn(self, asked: GuestRequest, emit: Callable[[str], None] | None) -> Answer[str]:
        step = self.step
        prompt = Prompt(self._library, _version(asked), TextPart(asked.system), ())
        answer = answer_type(str) if asked.schema is None else json_answer(asked.schema)
        turn = replace(
            TurnRequest.of(step, prompt, asked.messages, answer),
            tools=asked.tools,
            max_tokens=min(asked.max_tokens or step.max_tokens, step.max_tokens),
            temperature=asked.temperature,
            reasoning=asked.reasoning or step.reasoning,
            options=asked.options,
            tier=asked.tier or step.tier,
            first=asked.first,
            emit=emit,
        )
        with inside(step) as place:
            place.count_turn()
            return await self._engine().turn(place, turn)


class ProviderStates:
    """Provider state of replies that another library stores as its own messages. The state must not leave the process,
    so the library receives a key. A key that is unknown, such as after a restart, is ignored: the model continues
    without it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[ProviderStatePart, ...]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._kept)

    def keep(self, key: str, states: Sequence[ProviderStatePart]) -> None:
        """Remember the state of a reply."""
        with self._lock:
            self._kept[key] = tuple(states)
            while len(self._kept) > _MOST_STATES:
                self._kept.popitem(last=False)

    def of(self, key: str) -> tuple[ProviderStatePart, ...]:
        """The state that was kept under a key; none where it is not known."""
        with self._lock:
            return self._kept.get(key, ())


def _version(asked: GuestRequest) -> str:
    """What stands for the version of a prompt: its tools and its schema, which code declares. Not its instructions,
    which may hold values of persons.
    """
    declared: list[Any] = [[tool.name, tool.description, tool.parameters] for tool in asked.tools]
    declared.append(None if asked.schema is None else asked.schema.definition)
    return hashlib.sha256(json_text(declared).encode("utf-8", "surrogatepass")).hexdigest()[:12]
