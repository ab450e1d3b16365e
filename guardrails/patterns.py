"""Regular expressions of users: only those whose cost is bounded by what they say."""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_MOST_REPEATS = 200
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}


def bounded(pattern: str) -> re.Pattern[str]:
    """The compiled pattern, any case.

    Raises:
        ValueError: it is no regular expression; a repeat has no bound, or one above 200; or repeats are nested, so that
            some text would take exponentially long.
    """
    try:
        _check(parser.parse(pattern), inside=False)
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def _check(parsed: Any, *, inside: bool) -> None:
    for code, argument in parsed:
        repeats = code in _REPEATS
        if repeats:
            least, most, _ = argument
            if most > _MOST_REPEATS:
                raise ValueError(
                    f"a repeat has no bound or one above {_MOST_REPEATS}; write {{0,60}} for *, {{1,60}} for +"
                )
            if inside and most > max(least, 1):
                raise ValueError("a repeat stands in another one; say the inner one without a range")
        for part in _inner(argument):
            _check(part, inside=inside or (repeats and argument[1] > 1))


def _inner(argument: Any) -> list[Any]:
    """The patterns in an argument of a parsed pattern."""
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, list | tuple):
        return [inner for part in argument for inner in _inner(part)]
    return []
