"""Conversations: a person's messages and a model's answers, with tools, priced message by message."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from pricing import (
    DocumentPart,
    ImagePart,
    Nano,
    Part,
    PlanError,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnFailed,
    UsageError,
)
from pricing.rates import ServiceTier
from pricing.tokens import count_tokens
from tasks.agent import MOST_CALLS, Agent
from tasks.context import Step, inside
from tasks.prompts import InlinePrompt, Prompt
from tasks.providers.messages import Message, media_of
from tasks.providers.reasoning import Reasoning
from tasks.routing.target import StepTier
from tasks.structured_output import answer_type
from tasks.tool_sources import ToolSource
from tasks.turn.engine import Engine
from tasks.turn.request import TurnRequest

WARN_AT: Final = 0.8
"""The share of the window from which on a conversation warns."""
_USUAL_ANSWER: Final = 4
"""An answer is expected to take a fourth of what it may, until there are answers to go by."""


@dataclass(frozen=True, slots=True)
class MessagePrice:
    """What the next message is expected to cost, and the place of the conversation in the window with it.

    Args:
        cost_nano: nano-dollars of one turn, with an answer of the usual length.
        most_nano: likewise, with one of ``max_tokens``.
        credits: ``cost_nano`` in credits; ``None`` where farebox.toml does not say what one is worth.
        tokens: what the model will read, as counted offline.
        window: the most that any of its targets can read and write in one turn.
        share: of the window that this turn takes, its answer included; above 1 it is not sent.
    """

    cost_nano: Nano
    most_nano: Nano
    credits: Decimal | None
    tokens: int
    window: int
    share: float


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, its cost, and how much of the window is left; ``str()`` gives the text.

    Args:
        text: what the model said.
        cost_nano: nano-dollars of all turns that the message took.
        credits: the same in credits; ``None`` where farebox.toml does not say what one is worth.
        turns: how many there were: one, and one for each round of tool calls.
        share: of the window that the conversation takes now.
        warning: what to show the person when it takes 80% or more, else ``None``.
    """

    text: str
    cost_nano: Nano
    credits: Decimal | None
    turns: int
    share: float
    warning: str | None

    def __str__(self) -> str:
        return self.text


class Conversation:
    """A conversation with a model. Each message is a turn of the operation ``chat``; tools may take further turns.

    It works inside an automation, inside a step and on its own, where it is recorded as an ad-hoc run.

    Args:
        prompt: the template of its instructions; its other keywords are the template's values.
        system: instructions written where they are used, instead of a template.
        tools: functions that the model may call, and sources of some, as an ``Agent``'s.
        history: what was said before, as ``history`` gave it.
        operation: what its turns are attributed to.
        tier: which targets take its turns.
        max_turns: turns that one message may take.
        max_tokens: of each answer.
        calls_per_reply: tool calls that are made of one reply; the model receives an error for those beyond it.
        calls_per_message: likewise, of one message, over all of its replies.
        reasoning: how much a model is to think before each answer; what its target says, if left out.
        service_tier: that each answer is asked for at; what its target says, if left out.
        unmasked_media: send images and documents also where a guard that masks texts cannot read them.
        values: of the template.

    Raises:
        PlanError: both ``prompt`` and ``system`` are given, or a limit of calls below 1.
        UsageError: the history is not one.

    Example:
        ``chat = Conversation(system="You help with invoices."); answer = chat.say("Where is mine?")``
        ``saved = json.dumps(chat.history); chat = Conversation(system="…", history=json.loads(saved))``
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        *,
        prompt: str = "",
        system: str = "",
        tools: Sequence[Callable[..., Any] | ToolSource] = (),
        history: Sequence[Mapping[str, Any]] = (),
        operation: str = "chat",
        tier: StepTier = "light",
        max_turns: int = 6,
        max_tokens: int = 1024,
        calls_per_reply: int = MOST_CALLS,
        calls_per_message: int = MOST_CALLS,
        reasoning: Reasoning | None = None,
        service_tier: ServiceTier | None = None,
        unmasked_media: bool = False,
        credit: Callable[[], Nano | None] = lambda: None,
        **values: object,
    ) -> None:
        if prompt and system:
            raise PlanError(
                "The conversation has both prompt= and system=.", next_step="Keep one: a template, or a text."
            )
        for name, most in (("calls_per_reply", calls_per_reply), ("calls_per_message", calls_per_message)):
            if most < 1:
                raise PlanError(
                    f"The conversation has {name} = {most}.", next_step="Give at least 1, or leave its tools out."
                )
        self._engine = engine
        self._template, self._system, self._values = prompt, system, values
        self._agent = Agent(
            engine,
            prompt=prompt,
            tools=tools,
            operation=operation,
            tier=tier,
            max_tokens=max_tokens,
            calls_per_reply=calls_per_reply,
            calls_per_step=calls_per_message,
        )
        self._step = Step(
            operation,
            tier,
            max_tokens,
            max_turns,
            reasoning=reasoning,
            unmasked_media=unmasked_media,
            service_tier=service_tier,
        )
        self._credit = credit
        self._messages = [_read(entry, place) for place, entry in enumerate(history, 1)]
        self.say = Say(self)
        """Sends a message: ``say("…")``, or ``await say.aio("…")`` in async code."""

    @property
    def history(self) -> list[dict[str, Any]]:
        """All that was said, as plain data that JSON can hold: for the caller to keep, and to go on from later."""
        return [_written(message) for message in self._messages]

    @property
    def engine(self) -> Engine:
        """What asks its models."""
        return self._engine()

    def price(self, text: str, *media: ImagePart | DocumentPart) -> MessagePrice:
        """What a message would cost, before it is sent, images and documents included. Nobody is asked: tools of
        a source count from the first message on.

        Raises:
            UnknownPrice: the model that would be asked first has no rate.
            PromptError: the instructions do not render.
        """
        return self._price([*self._messages, _message(text, media)])

    def _price(self, messages: Sequence[Message]) -> MessagePrice:
        asked = self._asked(self._instructions(), messages)
        found = self.engine.foresee(asked, self._usual_output())
        share = (found.tokens + found.reserved) / found.window
        return MessagePrice(
            found.cost_nano, found.most_nano, self._credits(found.cost_nano), found.tokens, found.window, share
        )

    async def answer(self, text: str, *media: ImagePart | DocumentPart) -> Answered:
        """The answer to a message and the images and documents behind its text.

        The history takes both on, or neither where there is no answer.

        Raises:
            Blocked: a guard stopped it, or the conversation fits no window any more: open a new one.
            UsageError: the message is empty.
            TurnFailed: the model asked for tools until its turns were used up.
            NoTarget, OverBudget, RunExpired: as ``ask``.
        """
        if not text.strip() and not media:
            raise UsageError("The message is empty.", next_step="Send a text.")
        engine, cost, turns = self.engine, 0, 0
        prompt = self._instructions()
        messages = [*self._messages, _message(text, media)]
        with inside(self._step, self._values) as place:
            tools = await self._agent.tools_in(place)
            while turns < self._step.max_turns:
                place.count_turn()
                ends = time.monotonic() + engine.deadline_seconds(self._step.service_tier)
                answer = await engine.turn(place, self._asked(prompt, messages))
                cost, turns = cost + answer.cost_nano, turns + 1
                if not answer.reply.tool_calls:
                    messages.append(Message.of("assistant", answer.reply.text))
                    break
                messages += await self._agent.exchange(place, answer.reply, answer.ends or ends, tools)
            else:
                raise TurnFailed(
                    f"The model asked for tools {turns} times and gave no answer to the message.",
                    next_step="Raise max_turns of the conversation, or give it tools that answer more at once.",
                    kind="max_turns",
                    operation=self._step.operation,
                )
        self._messages = [_kept(message) for message in messages]
        share = self._price(self._messages).share
        return Answered(messages[-1].text, cost, self._credits(cost), turns, share, _warning(share))

    def _instructions(self) -> Prompt:
        """The instructions as the system's text; what a template has beside its block ``system`` comes first."""
        written: str | InlinePrompt = self._template or InlinePrompt("", "{{ instructions }}")
        values = self._values if self._template else {"instructions": self._system}
        prompt = self.engine.render(written, dict(values))
        if prompt.system.text:
            return prompt
        first = prompt.user[0] if len(prompt.user) == 1 else None
        return replace(prompt, system=first, user=(TextPart(""),)) if isinstance(first, TextPart) else prompt

    def _asked(self, prompt: Prompt, messages: Sequence[Message]) -> TurnRequest[str]:
        step = self._step
        opening = [Message("user", prompt.user)] if any(_speaks(part) for part in prompt.user) else []
        return TurnRequest(
            prompt,
            (*opening, *messages),
            answer_type(str),
            step.operation,
            step.tier,
            step.max_tokens,
            self._agent.specs,
            threshold=step.threshold,
            reasoning=step.reasoning,
            service_tier=step.service_tier,
            unmasked_media=step.unmasked_media,
        )

    def _usual_output(self) -> int:
        said = [message.text for message in self._messages if message.role == "assistant" and message.text]
        if not said:
            return max(1, self._step.max_tokens // _USUAL_ANSWER)
        mean = sum(count_tokens(text).expected() for text in said) // len(said)
        return max(1, min(mean, self._step.max_tokens))

    def _credits(self, cost: Nano) -> Decimal | None:
        worth = self._credit()
        return None if not worth else Decimal(cost) / Decimal(worth)


class Say:
    """Sends the messages of one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __call__(self, text: str, *media: ImagePart | DocumentPart) -> Answered:
        """The answer, for a caller that is not async; see :meth:`Conversation.answer`."""
        return self._conversation.engine.loop.run(self._conversation.answer(text, *media))

    async def aio(self, text: str, *media: ImagePart | DocumentPart) -> Answered:
        """The answer, for an async caller."""
        return await self._conversation.engine.loop.await_(self._conversation.answer(text, *media))


def _message(text: str, media: Sequence[ImagePart | DocumentPart]) -> Message:
    return Message("user", (*([TextPart(text)] if text.strip() or not media else ()), *media))


def _warning(share: float) -> str | None:
    if share < WARN_AT:
        return None
    return (
        f"This conversation takes {min(share, 1):.0%} of what the model can read at once. "
        "Open a new conversation soon, and bring only what matters."
    )


def _speaks(part: Part) -> bool:
    return not isinstance(part, TextPart) or bool(part.text.strip())


def _kept(message: Message) -> Message:
    """A message as the history has it: without what only the provider that made it can read."""
    return _read(_written(message), 0)


def _written(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        results = [
            {"id": one.call_id, "value": one.text if isinstance(one.value, tuple) else one.value, "error": one.is_error}
            for one in message.results
        ]
        return {"role": "tool", "results": results}
    entry: dict[str, Any] = {"role": message.role, "text": message.text}
    if shown := media_of(message.parts):
        entry["media"] = [
            {"type": one.media_type, "data": b64encode(one.data).decode(), "url": one.url} for one in shown
        ]
    if message.tool_calls:
        entry["calls"] = [{"id": one.id, "name": one.name, "arguments": dict(one.sent)} for one in message.tool_calls]
    return entry


def _media(media_type: str, data: bytes, url: str) -> ImagePart | DocumentPart:
    kind = ImagePart if media_type in ImagePart.types else DocumentPart
    return kind(media_type, data, url)


def _read(entry: Mapping[str, Any], place: int) -> Message:
    """A message of a history.

    Raises:
        UsageError: it is not a message.
    """
    try:
        role = entry["role"]
        if role == "tool":
            results = [ToolResultPart(str(one["id"]), one["value"], bool(one["error"])) for one in entry["results"]]
            return Message("tool", tuple(results))
        if role not in {"user", "assistant"} or not isinstance(entry["text"], str):
            raise KeyError(role)
        asked = entry.get("calls", ())
        calls = [ToolCallPart(str(one["id"]), str(one["name"]), dict(one["arguments"])) for one in asked]
        said = [TextPart(entry["text"])] if entry["text"] or not calls else []
        shown = [_media(one["type"], b64decode(one["data"]), one["url"]) for one in entry.get("media", ())]
        return Message(role, (*(said if entry["text"] or not shown else ()), *shown, *calls))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UsageError(
            f"Message {place} of the history is not valid.",
            next_step="Pass what Conversation.history gave, unchanged, or read back from JSON.",
        ) from None
