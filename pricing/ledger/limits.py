"""Limits as people state them, in farebox.toml or with ``farebox budgets set``, and those that apply to a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import sqlalchemy as sa

from pricing.characters import readable
from pricing.clock import from_us, now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.prepared import PreparedStatement
from pricing.errors import MoneyError, UsageError
from pricing.ledger import budgets
from pricing.ledger.budgets import BudgetRule, BudgetState, Scope
from pricing.ledger.windows import Window, read_window
from pricing.money import Nano, parse_money

SOFT = "80%"
"""Where a limit's soft threshold is unless it says otherwise."""
WILDCARD = "*"
"""The key of a limit that holds for each user, organisation, … on its own."""
SHARED: tuple[Scope, ...] = tuple(scope for scope in get_args(Scope) if scope != "run")

LONGEST_KEY = 200
"""Characters of a name."""
_PERCENT = re.compile(r"(?P<number>[0-9]{1,3})\s*%")
_FULL = 100
_T = schema.budget_settings.c
_ALL = PreparedStatement(
    sa.select(_T.scope, _T.key, _T.span, _T.limit_nano, _T.soft).order_by(_T.scope, _T.key, _T.span)
)


def soft_threshold(text: str, limit: Nano) -> Nano | None:
    """The amount that a soft threshold stands for: ``"80%"`` of the limit, an amount, or ``"none"``.

    Raises:
        MoneyError: it has none of these forms, or above the limit.
    """
    if text.strip().lower() == "none":
        return None
    if found := _PERCENT.fullmatch(text.strip()):
        amount = -(-limit * int(found["number"]) // _FULL)
    else:
        amount = parse_money(text)
    if not 0 < amount <= limit:
        raise MoneyError(
            f"A soft threshold of {text[:40]!r} is not within its limit.", next_step='Write it like "80%" or "4 USD".'
        )
    return amount


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it was stated; ``key`` may be ``WILDCARD``.

    Raises:
        MoneyError: its soft threshold makes no sense.
        UsageError: its window is not a budget period.
    """

    scope: Scope
    key: str
    window: Window
    limit: Nano
    soft: str = SOFT

    def __post_init__(self) -> None:
        read_window(self.window)
        soft_threshold(self.soft, self.limit)

    def rule(self, key: str) -> BudgetRule:
        """The budget rule for one key, such as a user or an organisation."""
        return BudgetRule(self.scope, key, self.window, self.limit, soft_threshold(self.soft, self.limit))


def applicable(limits: Iterable[Limit], about: Mapping[Scope, Collection[str]]) -> list[BudgetRule]:
    """The rules for a run that is ``about`` these keys by scope.

    A limit for one key is before the one for each; of two for the same key and window the later one counts.
    """
    stated = {(limit.scope, limit.key, limit.window): limit for limit in limits}
    return [
        limit.rule(name)
        for (scope, key, window), limit in stated.items()
        for name in about.get(scope, ())
        if key == name or (key == WILDCARD and (scope, name, window) not in stated)
    ]


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A change of a limit: ``set`` by a person (``limit`` is ``None`` where it was removed), or in force in a
    ``window``.
    """

    at: datetime
    window: str
    limit: Nano | None
    soft: Nano | None
    origin: str


class StatedLimits:
    """The limits that people set, and the history of budgets.

    Args:
        store: the database below.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self._clock = clock

    def all(self) -> list[Limit]:
        """Every limit that is set, in a fixed order."""
        with self._store.read() as connection:
            rows = _ALL.run(connection, {}).fetchall()
        return [Limit(scope, key, window, int(limit), soft) for scope, key, window, limit, soft in rows]

    def set(self, limit: Limit) -> None:
        """Set a limit for runs from now on, in place of the same one in farebox.toml.

        Raises:
            UsageError: its key is not a valid name.
        """
        if limit.key != WILDCARD:
            read_key(limit.scope, limit.key)
        rule = limit.rule(limit.key)
        with self._store.write(durable=True) as connection:
            self._clear(connection, limit.scope, limit.key, limit.window)
            connection.execute(
                schema.budget_settings.insert().values(
                    scope=limit.scope, key=limit.key, span=limit.window, limit_nano=limit.limit, soft=limit.soft
                )
            )
            budgets.write_change(connection, rule, "set", self._clock())

    def unset(self, scope: Scope, key: str, window: Window) -> None:
        """Remove a set limit, so that the one in farebox.toml applies again.

        Raises:
            UsageError: no such limit is set.
        """
        with self._store.write(durable=True) as connection:
            if not self._clear(connection, scope, key, window):
                raise UsageError(
                    f"No limit per {window} is set for {scope} {key!r}.",
                    next_step="See `farebox budgets`; one in farebox.toml is changed there.",
                )
            connection.execute(
                schema.budget_changes.insert().values(
                    scope=scope, key=key, span=window, origin="set", changed_at=self._clock()
                )
            )

    def changes(self, scope: Scope, key: str, *, limit: int) -> list[LimitChange]:
        """The changes of a budget's limits, newest first."""
        table = schema.budget_changes.c
        query = (
            sa.select(schema.budget_changes)
            .where(table.scope == scope, table.key == key)
            .order_by(table.seq.desc())
            .limit(limit)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [
            LimitChange(from_us(row.changed_at), row.span, row.limit_nano, row.soft_nano, row.origin) for row in rows
        ]

    def windows(self, scope: Scope, key: str, *, limit: int) -> list[BudgetState]:
        """The spend in a budget's windows, newest first, including the current ones."""
        with self._store.read() as connection:
            found = budgets.past_windows(connection, scope, key, limit)
        return sorted(found, key=lambda state: state.starts_at, reverse=True)

    @staticmethod
    def _clear(connection: sa.Connection, scope: str, key: str, window: str) -> bool:
        condition = (_T.scope == scope, _T.key == key, _T.span == window)
        return connection.execute(sa.delete(schema.budget_settings).where(*condition)).rowcount == 1


def read_key(scope: str, text: str) -> str:
    """The key of a scope, such as a user's name, checked; keys that differ in any character are different.

    Raises:
        UsageError: it could be taken for another, or for each (``*``).
    """
    if text != WILDCARD and len(text) <= LONGEST_KEY and readable(text):
        return text
    shown = ascii(text[:40])
    raise UsageError(
        f"{shown} is not a valid name of {'an' if scope[0] in 'aeiou' else 'a'} {scope}.",
        next_step=f"Use up to {LONGEST_KEY} visible characters, single spaces only between them, and not {WILDCARD!r}.",
    )


def read_scope(text: str) -> Scope:
    """The scope of that name.

    Raises:
        UsageError: there is none of that name.
    """
    if text not in SHARED:
        raise UsageError(f"{text[:40]!r} is not a scope.", next_step=f"There are: {', '.join(SHARED)}.")
    return text
