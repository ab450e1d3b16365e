"""How reports format values: plain JSON, durations, shares, counts, and text that is safe to display."""

from __future__ import annotations

import unicodedata
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any

from pricing.characters import invisible


class Plain:
    """Gives a dataclass :meth:`to_json`."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """The report as dicts, lists, strings and numbers: amounts are integer nano-dollars, times ISO 8601 in UTC."""
        return {name: _plain(getattr(self, name)) for name in _names(type(self))}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if names := _names(type(value)):
        return {name: _plain(getattr(value, name)) for name in names}
    return value.isoformat() if isinstance(value, date) else value


_fields: dict[type, tuple[str, ...]] = {}


def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass; none of anything else."""
    names = _fields.get(kind)
    if names is None:
        names = _fields[kind] = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
    return names


UNKNOWN = "–"
SANDBOX = "answers by the sandbox, not by a model: prices are what the named models would have cost"
_HARMFUL = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories of characters that steer a terminal, reorder text or are not text at all."""
_PRESENTATION = "\ufe0e\ufe0f"
"""Whether the sign before it is drawn as an emoji: left out, since texts of models have many."""
_MILLISECOND, _SECOND, _MINUTE, _HOUR, _DAY = 1_000, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
_LEAST_PERCENT, _ROUND_FROM = 0.1, 10


def ratio(part: int, whole: int) -> float | None:
    """``part`` divided by ``whole``; None where ``whole`` is 0."""
    return part / whole if whole else None


def clean(text: object) -> str:
    """The text on one line, without escape sequences, control characters, changes of direction or invisible letters."""
    shown = str(text)
    return shown if shown.isascii() and shown.isprintable() else "".join(map(_harmless, shown))


def clean_lines(text: str) -> str:
    """A text of several lines without characters that steer a terminal or reorder text."""
    return "\n".join(map(clean, text.splitlines()))


def amount(number: float | None) -> str:
    """A number: ``1``, ``2.5``, ``12,000``; a dash for ``None``."""
    return UNKNOWN if number is None else f"{number:,.10g}"


def duration(microseconds: int | None) -> str:
    """A duration: ``<1 ms``, ``340 ms``, ``1.2 s``, ``2 min 5 s``, ``3 h 10 min``, ``2 d 4 h``; a dash for ``None``.

    Example:
        >>> duration(400), duration(1_200_000), duration(11_400_000_000)
        ('<1 ms', '1.2 s', '3 h 10 min')
    """
    if microseconds is None:
        return UNKNOWN
    if microseconds < _MILLISECOND:
        return "<1 ms"
    if microseconds < _SECOND:
        return f"{microseconds // _MILLISECOND} ms"
    if microseconds < _MINUTE:
        return f"{microseconds // 100_000 / 10:.1f} s"
    for unit, name, smaller, smaller_name in _UNITS:
        if microseconds >= unit:
            rest = microseconds % unit // smaller
            return f"{microseconds // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")
    raise AssertionError("a minute is the smallest of these units")


_UNITS = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", _SECOND, "s"))


def percent(share: float | None) -> str:
    """A share as a percentage: ``62 %``, ``0.4 %``, a dash for ``None``. A share above 0 is never shown as 0 %.

    Example:
        >>> percent(0.62), percent(0.004), percent(None)
        ('62 %', '0.4 %', '–')
    """
    if share is None:
        return UNKNOWN
    value = share * 100
    if 0 < value < _LEAST_PERCENT:
        return f"<{_LEAST_PERCENT} %"
    return f"{value:,.0f} %" if value == 0 or abs(value) >= _ROUND_FROM else f"{value:.1f} %"


def count(number: int | None) -> str:
    """A count: ``12,300``; a dash for ``None``."""
    return UNKNOWN if number is None else f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 turn``, ``3 turns``.

    Example:
        >>> plural(1, "turn"), plural(3_000, "turn"), plural(2, "reply", "replies")
        ('1 turn', '3,000 turns', '2 replies')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(when: datetime | None) -> str:
    """A time in UTC: ``2026-11-23 08:15 UTC``; a dash for ``None``."""
    return UNKNOWN if when is None else f"{when:%Y-%m-%d %H:%M %Z}"


def _harmless(character: str) -> str:
    if character in "\n\r\t":
        return " "
    if character in _PRESENTATION:
        return ""
    harmful = unicodedata.category(character) in _HARMFUL or invisible(character)
    return "\N{REPLACEMENT CHARACTER}" if harmful else character
