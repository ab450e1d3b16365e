"""The context of a run, as the gate composes it: its owner and its known personal values.

Budgets and wallets go by the owner: the user and the organisation it is for, and its tags.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from numbers import Integral
from uuid import UUID

from pricing import Nano, UsageError
from pricing.ledger import LONGEST_KEY, Run, read_key
from tasks import ANONYMOUS, RunContext, RunOwner, current_run

__all__ = ["ANONYMOUS", "RunOwner", "admitted_context", "name_of", "run_owner", "starter_context"]


def starter_context(
    owner: RunOwner = ANONYMOUS, budget_nano: Nano | None = None, due_at: int | None = None
) -> RunContext:
    """The options given when a run is started: ``farebox run --user --org --tag --budget --due``.

    ``due_at`` is in microseconds UTC.
    """
    return replace(current_run(), starter=owner, budget_nano=budget_nano, due_at=due_at)


def admitted_context(run: Run, execution: int, parameters: Mapping[str, object], *, closed: bool = False) -> RunContext:
    """The context of an admitted run, in the one that it was started in: of a run that called it, it has the owner's
    names, what is known of persons, and the values that guards masked. A ``closed`` one may spend nothing more.
    """
    outer = current_run()
    root = outer.execution if outer.root_execution is None else outer.root_execution
    return replace(
        outer,
        root_execution=root if outer.run_id else None,
        run_id=run.run_id,
        execution=execution,
        owner=RunOwner.of(run),
        quality=run.quality,
        values_id=outer.values_of or run.run_id,
        closed=closed or outer.closed,
        due_at=run.due_at,
    ).knowing(parameters)


def run_owner(parameters: Mapping[str, object]) -> RunOwner:
    """Whose the run with these parameters is.

    What its starter said counts before the automation's parameters named ``user``, ``org`` and ``tags``, and these
    before the owner of the run that called it. Tags are all of them, those of its Prefect flow run too.

    Raises:
        UsageError: a name is not a valid key of budgets and wallets.
    """
    said, outer = current_run().starter, current_run().owner
    tags = (*said.tags, *_tags(parameters.get("tags")), *outer.tags, *_flow_run_tags())
    return RunOwner(
        user=_owner("user", said.user, parameters.get("user")) or outer.user,
        org=_owner("org", said.org, parameters.get("org")) or outer.org,
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
    """The named owner; ``None`` for a parameter that is ``None``, or empty as in a form."""
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
            next_step="Pass a list, a tuple or a set of names, or rename the parameter if it does not hold tags.",
        )
    return tuple(value)


def _canonical(value: object) -> str | None:
    """The canonical text of a value; ``None`` where there is none, or more than one."""
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
