"""Reading JSON whose shape nobody vouches for: everything is there, of the asked type, or empty."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from pricing import NOT_A_COUNT, USD, Nano, ceil_nano
from tasks.providers.messages import JSONObject

_MOST_BRACKETS: Final = 250_000
_MOST_DOLLARS: Final = 1_000
"""No request costs more: a larger amount is a fault, and is not taken."""
_TEXT_BLOCKS: Final = frozenset({None, "text", "output_text"})


def parse(body: bytes) -> Any:
    """The JSON value in ``body``, or ``None``. Bytes that are not UTF-8 and halves of surrogate pairs are replaced.

    A body of more than ``_MOST_BRACKETS`` opening brackets is not read: an empty list of three bytes takes 80.
    """
    if len(body) > _MOST_BRACKETS and body.count(b"[") + body.count(b"{") > _MOST_BRACKETS:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return orjson.loads(_replaced(json.loads(body.decode("utf-8-sig", "replace"))))
    except (ValueError, RecursionError):
        return None


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8; characters that have none are replaced."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _replaced(value)


def dump(value: object) -> str:
    """Compact JSON text."""
    return encode(value).decode()


def stated_cost(value: object) -> Nano | None:
    """Nano-dollars of a cost in dollars, rounded up once; None if it is not a plausible amount.

    A JSON number is read back as its shortest text, which is what the provider wrote.

    Example:
        >>> stated_cost(0.00014), stated_cost("0.0000000001"), stated_cost(-1)
        (140000, 1, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        return None
    if not dollars.is_finite() or not 0 <= dollars <= _MOST_DOLLARS:
        return None
    return ceil_nano(dollars * USD)


def _replaced(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def obj(value: object) -> JSONObject:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def objects(value: object) -> list[JSONObject]:
    """The objects in a list."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def text(value: object) -> str:
    """``value`` if it is text, else empty text."""
    return value if isinstance(value, str) else ""


def arguments(value: object) -> str:
    """Arguments of a tool call as JSON text: servers send text, an object, or nothing where there are none."""
    return value if isinstance(value, str) else "" if value is None else dump(value)


def words(content: object) -> str:
    """The text of a message's content: text, or the text blocks; reasoning is not part of an answer."""
    if isinstance(content, list):
        return "".join(map(words, content))
    if isinstance(content, dict):
        return text(content.get("text")) if content.get("type") in _TEXT_BLOCKS else ""
    return text(content)


def count(value: object) -> int | None:
    """``value`` if it is a count of tokens, ``None`` if nothing is reported: that is unknown, not 0.

    Anything else (negative, a fraction, text, beyond what JSON's numbers hold exactly) is ``NOT_A_COUNT``.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    return NOT_A_COUNT
