"""Conversations as Anthropic and Bedrock want them: user and assistant in turn, results before words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, TypeAlias

from tasks.providers.json_shapes import parse
from tasks.wire import JSONObject, Message, ToolCall

Side: TypeAlias = Literal["user", "assistant"]
NO_OUTPUT = "(no output)"
"""Stands for the empty result of a tool: both APIs refuse blank text."""


def turns(messages: Sequence[Message]) -> Iterator[tuple[Side, list[Message]]]:
    """The messages, joined to turns; those that say nothing are left out, as both APIs refuse them.

    Within a turn tool results come first: they must directly follow the calls they answer.
    """
    spoken = (message for message in messages if message.role == "tool" or message.tool_calls or message.text.strip())
    for side, joined in groupby(spoken, _side):
        yield side, sorted(joined, key=lambda message: message.role != "tool")


def arguments(call: ToolCall) -> JSONObject:
    """A call's arguments as an object; what the model garbled is shown to it as it was."""
    parsed = parse(call.arguments.encode("utf-8", "replace"))
    if isinstance(parsed, dict):
        return parsed
    return {"invalid_arguments": call.arguments} if call.arguments.strip() else {}


def _side(message: Message) -> Side:
    return "assistant" if message.role == "assistant" else "user"
