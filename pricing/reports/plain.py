"""Reports as plain JSON values."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any


class Plain:
    """Gives a dataclass :meth:`to_json`."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """The report as dicts, lists, strings and numbers: amounts are integer nano-dollars, times ISO 8601 in UTC."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value.isoformat() if isinstance(value, date) else value
