"""What there is to work on in a conversation: the last question and the tool results that came after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tasks.providers.messages import Message

_OPENING: Final = re.compile(r"<([A-Za-z][\w-]{0,40})(?:\s[^<>]{0,200})?>")
_HTML_TEXT: Final = """
    a abbr article b blockquote body br code div em footer h1 h2 h3 h4 h5 h6 head header html i img li main nav ol p
    pre s section small span strong style sub sup table tbody td th thead title tr u ul
"""
_HTML: Final = frozenset(_HTML_TEXT.split())
_PAIRS: Final = 12


@dataclass(frozen=True, slots=True)
class Material:
    """What an answer is made from.

    Args:
        text: the delimited content of the last user message, or all of it where nothing is delimited.
        orders: what the message says around delimited content; empty where nothing is delimited.
        results: what tools gave back since, readable.
        said: all of the message.
    """

    text: str
    orders: str
    results: Sequence[str]
    said: str

    @property
    def whole(self) -> str:
        """The results and the text, as one text."""
        return "\n\n".join([*self.results, self.text])


def gather(messages: Sequence[Message]) -> Material:
    """The material of a conversation, without the system prompt, which instructs."""
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    said = messages[last].text if last >= 0 else ""
    inside, outside, quoted = _delimited(said)
    results = [readable(text) for text in quoted]
    results += [readable(result.text) for message in messages[last + 1 :] for result in message.results]
    return Material(inside or _without_order(said), outside if inside else "", results, said)


def readable(text: str) -> str:
    """A tool's result as statements: JSON as ``key: value``, other text unchanged."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return "\n".join(_lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield f"- {_inline(item)}"
    elif isinstance(value, dict):
        flat = {key: item for key, item in value.items() if not isinstance(item, (dict, list))}
        if flat:
            yield _inline(flat)
        for key, item in value.items():
            if key not in flat:
                yield f"- {key}: {_inline(item)}"
    else:
        yield _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_inline(item)}" for key, item in list(value.items())[:_PAIRS])
    if isinstance(value, list):
        return ", ".join(_inline(item) for item in value[:_PAIRS])
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _delimited(text: str) -> tuple[str, str, list[str]]:
    """What stands between tags like ``<document>`` and ``</document>``, what stands around them, and tool results."""
    inside: list[str] = []
    results: list[str] = []
    outside: list[str] = []
    position = 0
    unclosed: set[str] = set()
    while found := _OPENING.search(text, position):
        name = found[1]
        end = -1 if name.lower() in _HTML or name in unclosed else text.find(f"</{name}>", found.end())
        if end < 0:
            unclosed.add(name)
            outside.append(text[position : found.end()])
            position = found.end()
            continue
        outside.append(text[position : found.start()])
        (results if name == "tool_result" else inside).append(text[found.end() : end].strip())
        position = end + len(name) + 3
    outside.append(text[position:])
    return "\n\n".join(part for part in inside if part), " ".join("".join(outside).split()), results


def _without_order(text: str) -> str:
    """``text`` without a first paragraph that only announces the rest, like *Summarize this:*."""
    head, gap, rest = text.strip().partition("\n\n")
    return rest if gap and rest.strip() and head.rstrip().endswith(":") else text
