"""Conversations as Anthropic and Bedrock want them: user and assistant in turn, results before words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from pricing import ProviderStatePart, TextPart
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


def state_family(target: Target) -> str:
    """Whose reasoning state a target can read: that of its model, made at the same provider by the same account.

    Claude Haiku 5.5 reads what its own account made, OpenAI what its own organisation did; no provider reads another's.
    """
    name = _BEHIND_NAME.sub("", _BEFORE_NAME.sub("", target.model.lower()))
    return f"{'sandbox ' if target.stand_in else ''}{target.provider}/{target.account}/{name}"


def own_state(part: ProviderStatePart, target: Target) -> Any | None:
    """The state as it was received, where the target is of the family that made it; None anywhere else."""
    return part.payload if part.family == state_family(target) else None


def _speaks(message: Message) -> bool:
    return any(
        part.text.strip() if isinstance(part, TextPart) else not isinstance(part, ProviderStatePart)
        for part in message.parts
    )


def _side(message: Message) -> Side:
    return "assistant" if message.role == "assistant" else "user"
