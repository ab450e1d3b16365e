"""Personal values given to a run: the values under names like ``customer`` or ``email`` in what it was called with.

Names have no form that a pattern could find, but who passes a customer to a step says so by the parameter's name. What
is found goes to the guards with each turn, in the ``known`` of its ``RunContext``, and nowhere else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

KnownPairs: TypeAlias = tuple[tuple[str, str], ...]
"""Kind and value of each."""

_PERSONAL = re.compile(
    r"(?:(?:full|first|last|middle|given|family|maiden|user|display|contact|customer|client|patient|employee|account|company|"
    r"legal|author|owner|sender|recipient|reporter|assignee|person|billing|shipping|card_?holder)_?)?"
    r"name|surname|nickname|author|co_?author|customer|client|patient|contact|employee|recipient|sender|reporter|requester|"
    r"assignee|applicant|tenant|account_?holder|card_?holder|policy_?holder|signatory|addressee|person|"
    r"(?:(?:contact|customer|work|home|private|personal|billing|author|user|reply)_?)?(?:e_?mail(?:_?address)?|mail)|"
    r"(?:(?:contact|customer|work|home|cell|mobile|office)_?)?(?:phone(?:_?number)?|telephone|mobile|fax)|"
    r"(?:(?:home|postal|street|billing|shipping|delivery|mailing|residential|customer|work|invoice|legal)_?)?"
    r"address(?:_?line)?(?:_?\d)?|street|birth_?(?:day|date|place)|date_?of_?birth|dob|ssn|social_?security(?:_?number)?|"
    r"passport(?:_?(?:number|no))?|iban|tax_?id|(?:national|personal)_?id|licen[cs]e_?plate",
    re.IGNORECASE,
)
_LONGEST, _DEEPEST, _MOST = 300, 6, 2_000


def personal_values(values: Mapping[str, object]) -> KnownPairs:
    """Kind and value of each short text under a personal name, at any depth of mappings, sequences, models and
    dataclasses.
    """
    found: list[tuple[str, str]] = []
    for value in values.items():
        _collect(value, found, 0)
        if len(found) >= _MOST:
            break
    return tuple(dict.fromkeys(found[:_MOST]))


def _collect(item: tuple[str, object], found: list[tuple[str, str]], depth: int) -> None:
    name, value = item
    if depth > _DEEPEST or len(found) >= _MOST:
        return
    if isinstance(value, str):
        if 1 < len(value) <= _LONGEST and _PERSONAL.fullmatch(name):
            found.append((name, value))
        return
    for inner_name, inner in _items(name, value):
        _collect((inner_name, inner), found, depth + 1)


def _items(name: str, value: object) -> Iterator[tuple[str, Any]]:
    """The members of a value with their names; elements of a sequence have the sequence's name."""
    if isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif _is_model(value):
        yield from ((field, getattr(value, field)) for field in type(value).model_fields)  # type: ignore[attr-defined]
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif isinstance(value, list | tuple | set | frozenset):
        singular = name.removesuffix("s")
        yield from ((singular if _PERSONAL.fullmatch(singular) else name, inner) for inner in value)


def _is_model(value: object) -> bool:
    """Whether a value is a pydantic model; pydantic is not imported for that, since without it there is none."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)
