"""Whose run it is: the user and the organisation it is for, and its tags. Budgets and wallets go by these."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from numbers import Integral
from uuid import UUID

from pricing import UsageError
from pricing.ledger import LONGEST_KEY, read_key


@dataclass(frozen=True, slots=True)
class RunOwner:
    """Names only, as the product that starts the run knows them; nothing about the person."""

    user: str | None = None
    org: str | None = None
    tags: tuple[str, ...] = ()


ANONYMOUS = RunOwner()
RUN_OWNER: ContextVar[RunOwner] = ContextVar("farebox_whose_run", default=ANONYMOUS)
"""Whose a run is when whoever starts it says so: ``farebox run --user --org --tag``."""


def run_owner(parameters: Mapping[str, object]) -> RunOwner:
    """Whose the run with these parameters is.

    What its starter said counts before the automation's parameters named ``user``, ``org`` and ``tags``; the tags of
    its Prefect flow run are its tags too.

    Raises:
        UsageError: a name is none that budgets and wallets could go by.
    """
    said = RUN_OWNER.get()
    tags = (*said.tags, *_tags(parameters.get("tags")), *_flow_run_tags())
    return RunOwner(
        user=_owner("user", said.user, parameters.get("user")),
        org=_owner("org", said.org, parameters.get("org")),
        tags=tuple(sorted({name_of("tag", tag) for tag in tags})),
    )


def name_of(scope: str, value: object) -> str:
    """The one text that a value has as the name of a user, an organisation or a tag.

    Strings and whole numbers, also of types of your own, UUIDs in their usual form, whole Decimals without exponent or
    fraction, and members of an Enum as their value. Two values that are equal have the same text.

    >>> name_of("org", UUID(int=7)), name_of("user", Decimal("42.0"))
    ('00000000-0000-0000-0000-000000000007', '42')

    Raises:
        UsageError: it has no such text (a bool, a float, bytes, a list, a model, ...), or the text is not a valid name.
    """
    text = _canonical(value)
    if text is None:
        kind = type(value).__name__
        raise UsageError(
            f"A value of type {kind} is not a valid name of {'an' if scope[0] in 'aeiou' else 'a'} {scope}.",
            next_step="Pass its id as a string, an int, a UUID or a member of an Enum.",
        )
    return read_key(scope, text)


def _owner(scope: str, said: object, parameter: object) -> str | None:
    """Who was named; nobody if the parameter is left out: ``None``, or the empty text of a form."""
    if said is not None:
        return name_of(scope, said)
    absent = parameter is None or (isinstance(parameter, str) and not parameter)
    return None if absent else name_of(scope, parameter)


def _tags(value: object) -> tuple[object, ...]:
    if value is None or (isinstance(value, str) and not value):
        return ()
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping) or not isinstance(value, Collection):
        raise UsageError(
            f"The parameter 'tags' is of type {type(value).__name__}, not a list of names.",
            next_step="Pass a list, a tuple or a set of names, or call a parameter that is no list of tags otherwise.",
        )
    return tuple(value)


def _canonical(value: object) -> str | None:
    """The text of a value, ``None`` where it has none, or more than one."""
    if isinstance(value, Enum):
        return _canonical(value.value)
    if isinstance(value, str | UUID):
        kind = str if isinstance(value, str) else UUID
        return kind.__str__(value)  # what it holds, whatever a type of its own prints
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return _whole(Decimal(int(value)))
    return _whole(value) if isinstance(value, Decimal) and value.is_finite() else None


def _whole(number: Decimal) -> str | None:
    if number.adjusted() >= LONGEST_KEY or number != number.to_integral_value():
        return None
    return f"{int(number)}"


def _flow_run_tags() -> set[str]:
    if "prefect.context" not in sys.modules:
        return set()
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return set(context.flow_run.tags) if context is not None and context.flow_run is not None else set()
