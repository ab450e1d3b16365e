"""A request as the sandbox understands it and the answer it gives, free of any provider's dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

import orjson

from pricing import Usage
from tasks.providers.messages import JSONObject, Message, Schema, StopReason, Tool
from tasks.sandbox.answers.schema import Unfillable, check_schema

LABEL: Final = {"x-farebox-sandbox": "1"}
"""On every reply, so that nobody takes the sandbox for a model."""
Provider: TypeAlias = Literal["openai", "groq", "anthropic", "bedrock", "gemini"]
Lifetime: TypeAlias = Literal["5m", "30m", "1h"]
Complaint: TypeAlias = Literal[
    "429",
    "500",
    "503",
    "529",
    "capacity",
    "quota",
    "auth",
    "overflow",
    "invalid",
    "invalid_output",
    "not_found",
    "missing",
    "too_large",
]
"""What a dialect can say instead of an answer."""


@dataclass(frozen=True, slots=True)
class PromptSegment:
    """A piece of a prompt in the order the model reads it; ``cache`` marks the end of a prefix worth caching."""

    text: str
    cache: Lifetime | None = None


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One request, read.

    ``segments`` are all text that is counted as input, ``media_tokens`` what images and documents add,
    ``instructions`` the system's text among the segments; ``tool_choice`` is ``auto``, ``none``, ``any`` or ``tool``,
    the last with the tool's name in ``forced_tool``. ``thinks`` asks for a thought before the answer. ``service_tier``
    is the value of the request's field.
    """

    model: str
    messages: Sequence[Message]
    segments: Sequence[PromptSegment]
    instructions: str = ""
    tools: Sequence[Tool] = ()
    schema: Schema | None = None
    json_object: bool = False
    max_tokens: int | None = None
    tool_choice: str = "auto"
    forced_tool: str | None = None
    stream: bool = False
    stream_usage: bool = False
    thinks: bool = False
    media_tokens: int = 0
    service_tier: str = ""

    @property
    def prompt(self) -> str:
        """The input as one text; its tokens are the sum of its segments' tokens."""
        return "\n".join(segment.text for segment in self.segments)


@dataclass(frozen=True, slots=True)
class GeneratedCall:
    """A tool call that the sandbox generated; ``arguments`` is JSON text, which a fault may have broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class SandboxAnswer:
    """What the sandbox generated; ``tokens`` is all of its output."""

    text: str
    tokens: int
    calls: Sequence[GeneratedCall] = ()
    stop: StopReason = "end"


@dataclass(frozen=True, slots=True)
class SandboxExchange:
    """A question with its answer, ready to be put in a provider's words. ``usage`` is what will be billed,
    ``service_tier`` the reply's word for what served it.
    """

    request_id: str
    question: SandboxRequest
    answer: SandboxAnswer
    usage: Usage
    created: int
    latency_ms: int
    service_tier: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a complaint may mention: token counts, seconds to wait, what exactly is wrong, what was generated."""

    request_id: str
    model: str = ""
    message: str = ""
    param: str | None = None
    code: str | None = None
    tokens: int = 0
    window: int = 0
    max_tokens: int | None = None
    retry_after: float | None = None
    generated: str = ""


@dataclass(frozen=True, slots=True)
class SandboxRefusal:
    """An HTTP reply without an answer. ``headers`` are beyond the content type and the request id."""

    status: int
    body: JSONObject
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamPart:
    """One event of a stream, as bytes, and the output tokens it carries."""

    data: bytes
    tokens: int = 0


class BadRequest(Exception):
    """The request breaks a rule of its dialect; the provider would have refused it in the same way."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, complaint: Complaint = "invalid"
    ) -> None:
        super().__init__(message)
        self.complaint: Complaint = complaint
        self.message = message
        self.param = param
        self.code = code


class Dialect(Protocol):
    """One provider's dialect."""

    provider: Provider
    id_header: str
    stream_type: str

    def new_id(self) -> str:
        """A request id in the provider's form."""

    def read(self, body: JSONObject, model: str, headers: Mapping[str, str]) -> SandboxRequest:
        """The request, or :class:`BadRequest`. ``model`` is the one named in the path, if the dialect does that."""

    def usage(self, counted: Usage) -> Usage:
        """The counts that this dialect reports."""

    def reply(self, exchange: SandboxExchange) -> JSONObject:
        """The body of a reply with status 200."""

    def stream(self, exchange: SandboxExchange) -> list[StreamPart]:
        """The events of a streamed reply, in order."""

    def refuse(self, complaint: Complaint, facts: Facts) -> SandboxRefusal:
        """The reply that says what is wrong with a request."""

    def garbage(self) -> bytes:
        """An event that no client of a stream can read."""


def text_of(content: Any, *, param: str) -> str:
    """The text of a message's content: a string, a list of blocks with ``text``, or nothing."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            block["text"] for block in content if isinstance(block, dict) and isinstance(block.get("text"), str)
        )
    raise BadRequest(f"{param}: content must be a string or a list of blocks", param=param)


def positive_int(value: Any, *, name: str) -> int:
    """``value`` if it is a whole number above 0, else :class:`BadRequest`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest(f"{name}: must be an integer greater than or equal to 1", param=name)
    return value


def require_objects(value: Any, *, name: str) -> list[JSONObject]:
    """``value`` if it is a list of JSON objects, else :class:`BadRequest`."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRequest(f"{name}: must be a list of objects", param=name)
    return value


def require_text(value: Any, *, name: str) -> str:
    """``value`` if it is a string that is not empty, else :class:`BadRequest`."""
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{name}: Field required", param=name)
    return value


def require_schema(value: Any, *, name: str) -> JSONObject:
    """``value`` if it is a JSON schema and an object, else :class:`BadRequest`."""
    if not isinstance(value, dict):
        raise BadRequest(f"{name}: Field required", param=name)
    try:
        check_schema(value)
    except Unfillable as error:
        raise BadRequest(f"{name}: invalid schema: {error}", param=name) from error
    return value


def require_pairs(messages: Sequence[Message]) -> None:
    """Every tool call is answered right after it, and every tool result answers one; else :class:`BadRequest`."""
    open_ids: set[str] = set()
    for message in messages:
        for result in message.results:
            if result.call_id not in open_ids:
                raise BadRequest(f"unexpected tool result: no tool use with id {result.call_id} came before it")
            open_ids.remove(result.call_id)
        if message.role == "tool":
            continue
        if open_ids:
            raise BadRequest(f"tool uses without results immediately after them: {', '.join(sorted(open_ids))}")
        open_ids.update(call.id for call in message.tool_calls)
    if open_ids:
        raise BadRequest(f"tool uses without results immediately after them: {', '.join(sorted(open_ids))}")


def json_object(text: str) -> JSONObject:
    """The JSON object in ``text``; empty where there is none, as dialects with objects for arguments have it."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
