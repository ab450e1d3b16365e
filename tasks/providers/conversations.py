"""Conversations as providers want them: ids of calls, user and assistant in turn, results before words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count, groupby
from typing import Any, Final, Literal, TypeAlias

from pricing import Part, ProviderStatePart, TextPart, ToolCallPart, ToolResultPart
from tasks.providers.messages import Message
from tasks.routing.target import Target

Side: TypeAlias = Literal["user", "assistant"]
NO_OUTPUT = "(no output)"
"""Stands for the empty result of a tool: both APIs refuse blank text."""


def turns(messages: Sequence[Message]) -> Iterator[tuple[Side, list[Message]]]:
    """The messages, joined to turns; those that say nothing are left out, as both APIs refuse them.

    Within a turn tool results come first: they must directly follow the calls they answer.
    """
    for side, joined in groupby(filter(_speaks, messages), _side):
        yield side, sorted(joined, key=lambda message: message.role != "tool")


_BEFORE_NAME: Final = re.compile(r"^(?:global|regional|apac|us|eu|jp|au|in|ca|sa)\.|^.*/")
_BEHIND_NAME: Final = re.compile(r"-v\d+(?::\d+)?$")


def with_wire_ids(messages: Sequence[Message], target: Target) -> Sequence[Message]:
    """The messages with ids of tool calls that every provider takes: nine letters and digits, by their order.

    What a model or another provider made up may be too long, empty, used twice or of other characters. Replies keep
    their own ids; a result belongs to the call with its id in the last message that has calls. Calls beside reasoning
    state that the target reads keep the ids it gave them.

    Example:
        >>> from pricing import ToolCallPart, ToolResultPart
        >>> asked = Message.of("assistant", ToolCallPart("toolu_01:a b", "find", {}))
        >>> result = Message.of("tool", ToolResultPart("toolu_01:a b", "Bern"))
        >>> haiku = Target("haiku", "anthropic", "claude-haiku-4-5", "light", 200_000, 64_000, "", "anthropic")
        >>> sent = with_wire_ids([asked, result], haiku)
        >>> sent[0].tool_calls[0].id, sent[1].results[0].call_id
        ('call00001', 'call00001')
    """
    if not any(message.role == "tool" or message.tool_calls for message in messages):
        return messages
    numbers = count(1)
    unanswered: dict[str, list[str]] = {}
    sent = []
    for message in messages:
        if message.tool_calls:
            unanswered = {}
            if any(isinstance(part, ProviderStatePart) and own_state(part, target) for part in message.parts):
                for call in message.tool_calls:
                    unanswered.setdefault(call.id, []).append(call.id)
                sent.append(message)
                continue
        parts = tuple(_with_wire_id(part, unanswered, numbers) for part in message.parts)
        sent.append(Message(message.role, parts))
    return sent


def _with_wire_id(part: Part, unanswered: dict[str, list[str]], numbers: Iterator[int]) -> Part:
    if isinstance(part, ToolCallPart):
        wire_id = f"call{next(numbers):05}"
        unanswered.setdefault(part.id, []).append(wire_id)
        return replace(part, id=wire_id)
    if isinstance(part, ToolResultPart):
        waiting = unanswered.get(part.call_id, [])
        found = waiting.pop(0) if len(waiting) > 1 else waiting[0] if waiting else f"call{next(numbers):05}"
        return replace(part, call_id=found)
    return part


def state_family(target: Target) -> str:
    """The family of reasoning state that a target can read: that of its model at the same provider and account. Claude
    Haiku 5.5 reads only state of its own account, OpenAI only of its own organisation; no provider reads another's.
    """
    return f"{'sandbox ' if target.stand_in else ''}{target.provider}/{target.account}/{_bare_name(target.model)}"


@lru_cache(maxsize=256)
def _bare_name(model: str) -> str:
    return _BEHIND_NAME.sub("", _BEFORE_NAME.sub("", model.lower()))


def own_state(part: ProviderStatePart, target: Target) -> Any | None:
    """The received state if the target is of the family that made it; else None."""
    return part.payload if part.family == state_family(target) else None


def _speaks(message: Message) -> bool:
    return any(
        part.text.strip() if isinstance(part, TextPart) else not isinstance(part, ProviderStatePart)
        for part in message.parts
    )


def _side(message: Message) -> Side:
    return "assistant" if message.role == "assistant" else "user"
