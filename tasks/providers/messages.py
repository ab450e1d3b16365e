"""What goes to a model and what comes back, whatever the provider's dialect.

A provider's adapter turns a :class:`ModelRequest` into its own bytes and its bytes into a :class:`ModelReply`; nothing
above the adapters knows a dialect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, Self, TypeAlias

from pricing import DocumentPart, ImagePart, Nano, Part, TextPart, ToolCallPart, ToolResultPart, Usage, record
from pricing.rates import ServiceTier
from tasks.providers.options import NO_OPTIONS, RequestOptions
from tasks.providers.reasoning import Reasoning

JSONObject: TypeAlias = dict[str, Any]
Role: TypeAlias = Literal["user", "assistant", "tool"]
StopReason: TypeAlias = Literal["end", "tool_calls", "length", "refusal", "content_filter", "malformed"]
"""Why a model stopped: done, wants tools, hit a token limit, declined, was filtered, or garbled its own output."""


_NO_TEXT = TextPart("")


def text_of(parts: Sequence[Part]) -> str:
    """The text parts, joined."""
    if len(parts) == 1 and type(only := parts[0]) is TextPart:
        return only.text
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def calls_of(parts: Sequence[Part]) -> tuple[ToolCallPart, ...]:
    """The tool calls among some parts."""
    if len(parts) == 1 and type(parts[0]) is TextPart:
        return ()
    return tuple(part for part in parts if isinstance(part, ToolCallPart))


def media_of(parts: Sequence[Part]) -> tuple[ImagePart | DocumentPart, ...]:
    """The images and documents among some parts, those in results of tools included."""
    found: list[ImagePart | DocumentPart] = []
    for part in parts:
        if isinstance(part, TextPart):  # nearly all are, and a union takes longer to look at
            continue
        if isinstance(part, ImagePart | DocumentPart):
            found.append(part)
        elif isinstance(part, ToolResultPart):
            found += part.media
    return tuple(found)


@record(frozen=True, slots=True)
class Message:
    """One message of a conversation: a role and its parts. Results of tools have a ``tool`` message."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, *parts: Part | str) -> Self:
        """A message; texts may be given as strings: ``Message.of("user", "What is on this page?", image)``."""
        return cls(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts))

    @property
    def text(self) -> str:
        """The text of the message; of a ``tool`` message that of its results."""
        if self.role == "tool":
            return "\n".join(result.text for result in self.results)
        return text_of(self.parts)

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls in the message."""
        return calls_of(self.parts)

    @property
    def results(self) -> tuple[ToolResultPart, ...]:
        """The tool results in the message."""
        return tuple(part for part in self.parts if isinstance(part, ToolResultPart))


@record(frozen=True, slots=True)
class Tool:
    """A function a model may ask for; ``parameters`` is a JSON schema of type object."""

    name: str
    description: str
    parameters: JSONObject
    strict: bool = False
    """Whether its arguments have to follow ``parameters`` exactly."""
    foreign: bool = False
    """Whether another process says what it is: guards read that."""


@record(frozen=True, slots=True)
class Schema:
    """The JSON schema an answer must follow, under a name of letters, digits, ``_`` and ``-``."""

    name: str
    definition: JSONObject


@record(frozen=True, slots=True)
class ModelRequest:
    """One question to one model.

    ``system`` is the static part of the prompt: ``cache`` marks it (and the tools) for the provider's prompt cache.
    ``max_tokens`` is of the answer; ``reasoning`` says how much the model is to think before it, and the tokens for
    that are added on top, ``room_factor`` times. ``temperature`` goes only to models that take it. ``without``
    names what the model was seen to refuse (see ``refused_features``): the adapter leaves it out, or uses the next
    form. ``shared_end`` is the last of the messages' parts that other requests begin with too: what is cached ends
    behind it. ``service_tier`` names the service tier; ``None`` leaves that to the provider.
    """

    messages: Sequence[Message]
    max_tokens: int
    system: TextPart = _NO_TEXT
    tools: Sequence[Tool] = ()
    schema: Schema | None = None
    temperature: float | None = None
    cache: bool = False
    reasoning: Reasoning | None = None
    room_factor: int = 1
    options: RequestOptions = NO_OPTIONS
    without: frozenset[str] = frozenset()
    shared_end: Part | None = field(default=None, repr=False, compare=False)
    service_tier: ServiceTier | None = None

    @property
    def marks_cache(self) -> bool:
        """Whether the request marks the cached prefix: its model has not refused that."""
        return self.cache and "cache_control" not in self.without


@record(frozen=True, slots=True)
class ModelReply:
    """One answer, as the parts of an assistant's message in the order they came.

    ``model`` is the id the provider reported, ``request_id`` the one its support asks for, ``response_id`` the answer's
    own, where the dialect has one. ``service_tier`` is the tier that served it, in the provider's word, ``cost_nano``
    what the provider says it cost, in nano-dollars; None where it does not tell.
    """

    parts: tuple[Part, ...] = field(repr=False)
    stop: StopReason
    usage: Usage
    model: str | None = None
    request_id: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    cost_nano: Nano | None = None

    @property
    def text(self) -> str:
        """The text of the reply."""
        return text_of(self.parts)

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls that the reply asks for."""
        return calls_of(self.parts)

    @property
    def message(self) -> Message:
        """The reply as a message of the assistant."""
        return Message("assistant", self.parts)


@record(frozen=True, slots=True)
class HttpRequest:
    """What goes on the wire: an absolute URL, headers (authorisation included) and a body: JSON of a call to a model, a
    file's bytes of an upload, none of a GET or HEAD.

    ``ca_file`` names the certificates that its server is checked against, where they are not the usual ones.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE"] = "POST"
    ca_file: str = ""


class WireFailed(Exception):
    """No reply, or an incomplete one; the client's exception is the cause."""
