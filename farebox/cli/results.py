"""The return value of an automation, for people and programs: text, tables and JSON, never a Python repr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeGuard

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from farebox.cli.display import stacked
from farebox.cli.output import clean_text

_SHORT = 40
_REMARK = 80
"""Characters of a text that shares its paragraph with others of its list."""


def plain(value: object) -> Any:
    """The value as JSON: dates in ISO 8601, decimals as text, members of enums by their value.

    A value without a JSON form is replaced by the name of its type.

    >>> from decimal import Decimal
    >>> plain({"total": Decimal("1.50"), "tags": {"a"}, "at": float("inf")})
    {'total': '1.50', 'tags': ['a'], 'at': 'Infinity'}
    """
    try:
        return json.loads(to_json(value, bytes_mode="base64", inf_nan_mode="strings", fallback=_unknown))
    except (PydanticSerializationError, RecursionError, ValueError):  # not UTF-8, or a list that contains itself
        return _unknown(value)


def result_lines(result: object) -> RenderableType:
    """A flow's result: texts unchanged, records as a table, all else as JSON; without control characters."""
    if isinstance(result, str):
        return Text(clean_text(result))
    if result is None:
        return Text("(no result)", "dim")
    if isinstance(result, BaseModel):
        return _model(result)
    if (table := _table(result)) is not None:
        return table
    if _is_list(result) and all(isinstance(item, str) for item in result):
        return stacked(*(Text(f"• {clean_text(str(item))}") for item in result)) if result else Text("[]")
    return Text(_json(result))


def _model(model: BaseModel) -> RenderableType:
    """A model by its fields."""
    lines: list[RenderableType] = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, str):
            lines += [Text(clean_text(value)), Text()]
        elif _is_list(value) and value and all(isinstance(item, str) and len(item) <= _REMARK for item in value):
            lines.append(Text(" ".join(clean_text(item) for item in value), style="dim"))
        elif _is_list(value) and all(isinstance(item, BaseModel | str) for item in value):
            lines += [line for item in value if isinstance(item, BaseModel | str) for line in _item(item)]
        else:
            lines.append(Text(f"{name}: {inline(value)}"))
    return stacked(*lines)


def _item(item: BaseModel | str) -> Iterable[RenderableType]:
    if isinstance(item, str):
        yield Text(f"  {clean_text(item)}", style="dim")
        return
    head, *rest = [inline(getattr(item, name)) for name in type(item).model_fields] or [""]
    tags = [value for value in rest if len(value) <= _SHORT]
    yield Text.assemble("• ", (head, "bold"), ("  " + " · ".join(tags), "dim"))
    yield from (Padding(Text(value), (0, 0, 0, 2)) for value in rest if len(value) > _SHORT)


def _table(result: object) -> Table | None:
    """Records with the same fields, each a single value, as a table."""
    if not _is_list(result) or not result:
        return None
    records = [_record(item) for item in result]
    first = records[0]
    if first is None or not first or any(record is None or list(record) != list(first) for record in records):
        return None
    rows = [list(record.values()) for record in records if record is not None]
    if any(isinstance(value, dict | list) for row in rows for value in row):
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for index, name in enumerate(first):
        figures = all(isinstance(row[index], int | float) and not isinstance(row[index], bool) for row in rows)
        table.add_column(Text(clean_text(name)), justify="right" if figures else "left")
    for row in rows:
        table.add_row(*(Text("" if value is None else inline(value)) for value in row))
    return table


def _record(item: object) -> dict[str, Any] | None:
    if isinstance(item, BaseModel):
        return {name: plain(getattr(item, name)) for name in type(item).model_fields}
    if is_dataclass(item) and not isinstance(item, type):
        return {field.name: plain(getattr(item, field.name)) for field in fields(item)}
    if isinstance(item, Mapping) and all(isinstance(key, str) for key in item):
        return {key: plain(value) for key, value in item.items()}
    return None


def inline(value: object) -> str:
    """A value within a line: text as it is, everything else as JSON."""
    data = plain(value)
    return clean_text(data) if isinstance(data, str) else clean_text(json.dumps(data, ensure_ascii=False))


def _json(value: object) -> str:
    data = plain(value)
    return clean_text(data if isinstance(data, str) else json.dumps(data, indent=2, ensure_ascii=False))


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _unknown(value: object) -> str:
    return f"({type(value).__name__}: not JSON)"
