"""The strings of a nested value: all of them, keys included, to be read and to be replaced.

What is looked for in a value is looked for in its strings, never in a spelling of it: in JSON, in ``repr`` or
percent-encoded a name may read otherwise than it is.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from operator import is_
from typing import Any, NamedTuple

from pricing.content import DEEPEST, InvalidArguments, MediaPart, ProviderStatePart, Spelled, TextPart

_LONGEST_LABEL = 60


class UnreadableValue(TypeError):
    """A value that holds something no guard can read, such as bytes. The message names the kind, never the content."""


class Leaf(NamedTuple):
    """One string of a value, and the key it stands under, "" where it stands under none."""

    text: str
    label: str = ""


def is_nested(value: object) -> bool:
    """Whether a value contains others: a mapping, a sequence, a set, a dataclass or a pydantic model.

    >>> is_nested(["a"]), is_nested("a")
    (True, False)
    """
    return isinstance(value, Mapping | list | tuple | set | frozenset) or _is_record(value)


def leaves(value: object, label: str = "") -> list[Leaf]:
    """Every string of a value, keys of mappings included; numbers, dates and the like by their text.

    ``leaves({"mail": ["a@b.example", 7]})`` is ``mail``, ``a@b.example`` (under ``mail``) and ``7`` (likewise).

    Args:
        value: strings, numbers, mappings, sequences, sets, dataclasses, pydantic models and enumerations, nested.
        label: what the value itself stands under.

    Raises:
        UnreadableValue: it holds bytes or media, or is nested deeper than ``DEEPEST`` levels.
    """
    found: list[Leaf] = []
    _collect(value, label, found, DEEPEST)
    return found


def with_leaves(value: Any, texts: Iterator[str]) -> Any:
    """The value with its strings replaced, in the order of :func:`leaves`; the same object if none differs.

    >>> with_leaves(["Ada", "Bob"], iter(["[NAME_1]", "Bob"]))
    ['[NAME_1]', 'Bob']
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return _mapping(value, texts)
    if isinstance(value, list | tuple | set | frozenset):
        changed = [with_leaves(inner, texts) for inner in value]
        return value if all(map(is_, changed, value)) else _sequence(value, changed)
    if isinstance(value, Spelled | TextPart | InvalidArguments):
        return _text(value, texts)
    if (names := _field_names(value)) is not None:
        changes = {name: with_leaves(getattr(value, name), texts) for name in names}
        return _record(value, {name: new for name, new in changes.items() if new is not getattr(value, name)})
    text = next(texts)
    return value if text == _plain(value) else text


def _collect(value: object, label: str, found: list[Leaf], depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if depth <= 0:
        raise UnreadableValue(f"a value is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            text = _plain(key)
            found.append(Leaf(text))
            _collect(inner, text, found, depth - 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            _collect(inner, label, found, depth - 1)
    elif isinstance(value, Spelled | TextPart | InvalidArguments):
        _collect_text(value, label, found, depth)
    elif (names := _field_names(value)) is not None:
        for name in names:
            _collect(getattr(value, name), name, found, depth - 1)
    else:
        found.append(Leaf(_plain(value), label))


def _collect_text(value: Spelled | TextPart | InvalidArguments, label: str, found: list[Leaf], depth: int) -> None:
    """A spelled value within a text stands under what its line says before it."""
    if isinstance(value, Spelled):
        _collect(value.value, label, found, depth - 1)
        return
    if isinstance(value, InvalidArguments):
        found.append(Leaf(value.text, label))
        return
    before = ""
    for piece in value.values:
        if isinstance(piece, str):
            found.append(Leaf(piece))
            before = piece
        else:
            said = before.rpartition("\n")[2][-_LONGEST_LABEL:].rstrip(" :=\"'{[(")
            _collect(piece.value, said, found, depth - 1)


def _text(value: Spelled | TextPart | InvalidArguments, texts: Iterator[str]) -> Spelled | TextPart | InvalidArguments:
    if isinstance(value, Spelled):
        inner = with_leaves(value.value, texts)
        return value if inner is value.value else Spelled(inner, value.spell)
    if isinstance(value, InvalidArguments):
        text = next(texts)
        return value if text == value.text else InvalidArguments(text)
    pieces = tuple(with_leaves(piece, texts) for piece in value.values)
    return value if all(map(is_, pieces, value.values)) else TextPart.of(pieces)


def _plain(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise UnreadableValue("a value holds bytes")
    if isinstance(value, MediaPart | ProviderStatePart):
        raise UnreadableValue("a value holds an image, a document or provider state")
    return str(value)


def _mapping(value: Mapping[Any, Any], texts: Iterator[str]) -> Mapping[Any, Any]:
    changed: dict[Any, Any] = {}
    as_it_was = True
    for key, inner in value.items():
        text, plain = next(texts), _plain(key)
        new = with_leaves(inner, texts)
        as_it_was = as_it_was and text == plain and new is inner
        changed[key if text == plain else _unused(text, changed)] = new
    return value if as_it_was else changed


def _unused(key: str, taken: Mapping[Any, Any]) -> str:
    """A key that is not taken: two keys may be masked alike, and neither value is to be lost."""
    number, name = 1, key
    while name in taken:
        number += 1
        name = f"{key} ({number})"
    return name


def _sequence(value: Any, changed: list[Any]) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*changed)
    kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
    return kind(changed)


def _field_names(value: object) -> list[str] | None:
    """The fields of a dataclass or of a pydantic model, extra ones included; None of anything else."""
    if isinstance(value, str | MediaPart | ProviderStatePart) or not _is_record(value):
        return None
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    return [*type(value).model_fields, *(value.model_extra or {})]  # type: ignore[attr-defined]


def _is_record(value: object) -> bool:
    """A dataclass, or a model of pydantic's, which is not loaded for that: before it is, nothing is one."""
    if isinstance(value, type):
        return False
    if is_dataclass(value):
        return True
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _record(value: Any, changes: Mapping[str, Any]) -> Any:
    """A copy of a dataclass or a model with other fields; not validated: a masked value is not a valid address."""
    if not changes:
        return value
    if hasattr(value, "model_copy"):
        return value.model_copy(update=dict(changes))
    new = copy.copy(value)
    for name, changed in changes.items():
        object.__setattr__(new, name, changed)
    return new
