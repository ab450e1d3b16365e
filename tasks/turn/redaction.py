"""What of a request the guards look at, and how what they took out of it comes back into the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, TypeGuard
from urllib.parse import urlsplit

from guardrails import OfferedTool, Origin, Source, readable
from pricing import (
    DocumentPart,
    ImagePart,
    MediaKind,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnreadableValue,
    json_text,
    leaves,
    media_kind,
    with_leaves,
)
from tasks.answer_json import json_of
from tasks.providers.messages import ModelRequest, Role, Tool, media_of
from tasks.routing.target import Target

_ORIGINS: Final[Mapping[Role, Origin]] = {"user": "user", "assistant": "assistant", "tool": "tool_result"}


def sources_of(request: ModelRequest) -> tuple[Source, ...]:
    """What the guards look at: the system's text, and of each message the texts, arguments and results of tools.

    Provider state is not among it: it goes back only to the model family that made it. Nor are images and documents
    (see :func:`unreadable_of`), nor tool names and ids, which are ours or the provider's.
    """
    sources = [Source("system", _inspected(request.system))]
    for message in request.messages:
        for part in message.parts:
            match part:
                case TextPart():
                    sources.append(Source(_ORIGINS[message.role], _inspected(part)))
                case ToolCallPart():
                    sources.append(Source("tool_call", part.arguments))
                case ToolResultPart():
                    value = part.value
                    inner = [text for text in value if isinstance(text, TextPart)] if _is_parts(value) else [value]
                    sources += (Source("tool_result", one) for one in inner)
    return tuple(sources)


def tools_of(request: ModelRequest) -> tuple[OfferedTool, ...]:
    """The tools of a request, with every string that a foreign one is described by."""
    return tuple(
        OfferedTool(
            tool.name, "\n".join(readable([Source("tool_result", _described(tool))]).texts) if tool.foreign else ""
        )
        for tool in request.tools
    )


def _described(tool: Tool) -> list[Any]:
    return [tool.description, tool.parameters]


def with_values(request: ModelRequest, values: Iterable[Any]) -> ModelRequest:
    """The request with other values, in the order of :func:`sources_of`."""
    given = iter(values)
    system = _text(next(given))
    messages = [
        replace(message, parts=tuple(_changed(part, given) for part in message.parts)) for message in request.messages
    ]
    return replace(request, system=system, messages=messages)


def with_strings(request: ModelRequest, change: Callable[[str], str]) -> ModelRequest:
    """The request with each string in it changed."""
    read = readable(sources_of(request))
    texts = iter([change(text) for text in read.texts])
    return with_values(request, [with_leaves(source.value, texts) for source in read.sources])


def unreadable_of(request: ModelRequest) -> frozenset[MediaKind]:
    """The kinds of parts in a request that no guard can read."""
    return frozenset(media_kind(part) for message in request.messages for part in media_of(message.parts))


def json_value(text: str) -> Any:
    """The value of a structured answer, as far as guards can read it; what is not JSON is that text."""
    try:
        value = json.loads(json_of(text))
        leaves(value)
    except (ValueError, RecursionError, UnreadableValue):
        return text
    return value if _encodes(value) else text


def unescaped(text: str) -> str:
    """A text with the escapes of JSON in it read, where it should be JSON and is not: what is kept of it is masked."""
    return _ESCAPE.sub(_read_escape, text)


def is_external(target: Target) -> bool:
    """Whether what is sent there leaves the own network. A stand-in counts as what it stands in for."""
    return target.stand_in or _is_outside(target.base_url)


@lru_cache(maxsize=256)
def _is_outside(base_url: str) -> bool:
    host = urlsplit(base_url).hostname
    if host is None:
        return True
    try:
        return not ip_address(host).is_private
    except ValueError:
        return not (host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host)


def _inspected(part: TextPart) -> str | TextPart:
    return part if part.pieces else part.text


def _text(value: str | TextPart) -> TextPart:
    return TextPart(value) if isinstance(value, str) else value


_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?)')


def _read_escape(found: re.Match[str]) -> str:
    try:
        read = str(json.loads(f'"{found[0]}"'))
        read.encode()
    except (ValueError, UnicodeEncodeError):
        return found[0]
    return read


def _is_parts(value: object) -> TypeGuard[tuple[TextPart | ImagePart | DocumentPart, ...]]:
    """Whether a tool's result came as parts: JSON has no tuples."""
    return isinstance(value, tuple)


def _changed(part: Part, given: Iterator[Any]) -> Part:
    match part:
        case TextPart():
            return _text(next(given))
        case ToolCallPart():
            return replace(part, arguments=next(given))
        case ToolResultPart() if _is_parts(part.value):
            inner = tuple(_text(next(given)) if isinstance(one, TextPart) else one for one in part.value)
            return replace(part, value=inner)
        case ToolResultPart():
            return replace(part, value=next(given))
        case _:
            return part


def _encodes(value: object) -> bool:
    """Whether it is text that can be sent: halves of surrogate pairs are none."""
    try:
        json_text(value).encode()
    except UnicodeEncodeError:
        return False
    return True
