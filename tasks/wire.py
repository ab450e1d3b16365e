"""What goes to a model and what comes back, whatever the provider's dialect.

A provider's adapter turns a :class:`ModelRequest` into its own bytes and its bytes into a :class:`ModelReply`; nothing
above the adapters knows a dialect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pricing.usage import Usage

JSONObject: TypeAlias = dict[str, Any]
Role: TypeAlias = Literal["user", "assistant", "tool"]
StopReason: TypeAlias = Literal["end", "tool_calls", "length", "refusal", "content_filter", "malformed"]
"""Why a model stopped: done, wants tools, hit a token limit, declined, was filtered, or garbled its own output."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool. ``arguments`` is the JSON text as it came: it may be invalid."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. ``tool_call_id`` names the call that a ``tool`` message answers."""

    role: Role
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """A function a model may ask for; ``parameters`` is a JSON schema of type object."""

    name: str
    description: str
    parameters: JSONObject


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON schema an answer must follow, under a name of letters, digits, ``_`` and ``-``."""

    name: str
    definition: JSONObject


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to one model.

    ``system`` is the static part of the prompt: ``cache`` marks it (and the tools) for the provider's prompt cache.
    ``temperature`` is sent only to models that accept one.
    """

    messages: Sequence[Message]
    max_tokens: int
    system: str = ""
    tools: Sequence[Tool] = ()
    schema: Schema | None = None
    temperature: float | None = None
    cache: bool = False


@dataclass(frozen=True, slots=True)
class ModelReply:
    """One answer.

    ``model`` is the id the provider reported, ``request_id`` the one its support asks for, ``response_id`` the answer's
    own, where the dialect has one.
    """

    text: str
    stop: StopReason
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    model: str | None = None
    request_id: str | None = None
    response_id: str | None = None


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What goes on the wire: an absolute URL, headers (authorisation included) and a JSON body."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class WireFailed(Exception):
    """There is no reply, or not a whole one; what the client raised is its cause."""
