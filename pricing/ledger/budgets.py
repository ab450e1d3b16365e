"""Budgets: limits on a scope over a window, and holds that can never push one past its limit.

A hold is one conditional update per budget inside one transaction (``… SET held = held + :x WHERE spent + held + :x <=
limit``): measured fastest, and never overspent, on SQLite and on Postgres. Everything here works on a connection of
the caller's, so that it commits with the facts it belongs to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.clock import from_us, to_us
from pricing.db import schema
from pricing.db import schema as columns
from pricing.db.prepared import PreparedStatement
from pricing.db.upsert import insert_into
from pricing.ledger.windows import RUN, Window, per_window, window_bounds
from pricing.money import Nano, format_money

Scope: TypeAlias = Literal["run", "automation", "operation", "user", "org", "tag"]

_B = schema.budgets.c

# What every run and attempt executes is built once: building a statement costs several times as much as executing it.
_AMOUNT = sa.bindparam("amount", type_=columns.Number)
_THIS = _B.budget_id == sa.bindparam("id")
_HELD = {"held_nano": _B.held_nano + _AMOUNT}
_TAKE = PreparedStatement(
    sa.update(schema.budgets).where(_THIS, _B.spent_nano + _B.held_nano + _AMOUNT <= _B.limit_nano).values(_HELD)
)
_LOCK = PreparedStatement(sa.select(_B.budget_id).where(_THIS).with_for_update())
_TAKE_BEYOND = PreparedStatement(sa.update(schema.budgets).where(_THIS).values(_HELD))
_MOVE = PreparedStatement(
    sa.update(schema.budgets)
    .where(_THIS)
    .values(
        held_nano=_B.held_nano + sa.bindparam("held", type_=columns.Number),
        spent_nano=_B.spent_nano + sa.bindparam("spent", type_=columns.Number),
    )
)
_STATE = (
    *(_B.budget_id, _B.name, _B.scope, _B.key, _B.span, _B.starts_at, _B.ends_at),
    *(_B.limit_nano, _B.spent_nano, _B.held_nano, _B.soft_nano, _B.soft_at, _B.raised_nano),
)
"""What :func:`_state` reads, in this order."""
_IN_ORDER = (_B.name, _B.starts_at)
_OPEN_AT = PreparedStatement(
    sa.select(*_STATE)
    .where(_B.span != RUN, _B.ends_at > sa.bindparam("now", type_=columns.Number))
    .order_by(*_IN_ORDER)
)
_OPENED = [column.name for column in _B if column.name not in {"soft_at", "raised_nano"}]
"""What is written of a budget whose window opens."""


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """A limit: ``key`` says which automation, user, … of the scope; a ``run`` rule's key is the run's id.

    From ``soft`` on, spent and held together, a warning about the budget is sent once per window. The budget of an
    operation is held by each attempt of that operation, not by the run; ``needs`` is what it must have left for a run
    to begin: ``None`` where the run does not plan to ask for it, and may begin whatever is left.
    """

    scope: Scope
    key: str
    window: Window
    limit: Nano
    soft: Nano | None = None
    needs: Nano | None = 0

    @property
    def operation(self) -> str | None:
        """The operation whose attempts the budget limits; ``None`` for all."""
        return self.key if self.scope == "operation" else None

    @property
    def name(self) -> str:
        """The name for people: ``daily-digest per day``."""
        return f"{'this run' if self.scope == 'run' else self.key}{per_window(self.window)}"


def budget_label(budget_id: str) -> str:
    """How people call the budget of an id.

    >>> budget_label("automation:daily-digest:day:2026-11-01")
    'daily-digest per day'
    """
    scope, rest = budget_id.split(":", 1)
    if scope == "run":
        return "this run"
    key, window, _ = rest.rsplit(":", 2)
    return f"{key} per {window}"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One budget in one window, in nano-dollars."""

    budget_id: str
    name: str
    scope: str
    key: str
    window: str
    starts_at: datetime
    resets_at: datetime | None
    limit: Nano
    spent: Nano
    held: Nano
    soft: Nano | None = None
    soft_at: datetime | None = None
    raised: bool = False
    """By a person, for this window."""

    @property
    def left(self) -> Nano:
        """The amount that can still be held, in nano-dollars; negative when the limit was lowered below the spend."""
        return self.limit - self.spent - self.held


@dataclass(frozen=True, slots=True)
class Refusal:
    """A budget that is too small for a requested amount."""

    budget: BudgetState
    asked: Nano

    @property
    def short(self) -> Nano:
        """The missing amount, in nano-dollars."""
        return self.asked - max(self.budget.left, 0)

    def facts(self) -> dict[str, str | int | float]:
        """The values for a team's own message: ``budget``, ``limit``, ``short`` and ``resets`` as texts."""
        state = self.budget
        resets = f"{state.resets_at:%Y-%m-%d %H:%M %Z}" if state.resets_at else ""
        amounts = {"limit": format_money(state.limit), "short": format_money(self.short)}
        return {"budget": state.name, **amounts, "resets": resets}

    def explain(self) -> str:
        """One sentence for people: the budget, the missing amount, and when it resets."""
        state = self.budget
        taken = (
            f", {format_money(state.spent)} spent and {format_money(state.held)} held"
            if state.spent or state.held
            else ""
        )
        reset = f"; it resets {state.resets_at:%Y-%m-%d %H:%M %Z}" if state.resets_at else ""
        return (
            f"budget {state.name!r} ({format_money(state.limit)}{taken}) is short by {format_money(self.short)} "
            f"of the {format_money(self.asked)} to hold{reset}"
        )


def open_windows(
    connection: Connection, rules: Sequence[BudgetRule], moment: datetime, zone: ZoneInfo
) -> dict[str, BudgetRule]:
    """The rules by the ids of their budgets in their current windows, sorted; made when missing, limits brought up to
    date, and each new limit written down.

    Of two rules for the same scope, key and window the lower limit counts. Rows are locked in the order of their ids,
    also those that another transaction is just making: every transaction takes from them in the same order.
    """
    wanted: dict[str, BudgetRule] = {}
    for rule in rules:
        start, _ = window_bounds(rule.window, moment, zone)
        since = "" if rule.window == RUN else f":{start:%Y-%m-%d}"
        budget_id = f"{rule.scope}:{rule.key}:{rule.window}{since}"
        if budget_id not in wanted or rule.limit < wanted[budget_id].limit:
            wanted[budget_id] = rule
    for budget_id in _outdated(connection, wanted):
        rule = wanted[budget_id]
        start, end = window_bounds(rule.window, moment, zone)
        row = {
            "budget_id": budget_id,
            "name": rule.name,
            "scope": rule.scope,
            "key": rule.key,
            "span": rule.window,
            "starts_at": to_us(start),
            "ends_at": to_us(end) if end else None,
            "limit_nano": rule.limit,
            "spent_nano": 0,
            "held_nano": 0,
            "soft_nano": rule.soft,
        }
        opened = _upsert(connection.dialect.name).run(connection, row).fetchall()
        if opened and rule.window != RUN:
            write_change(connection, rule, "window", to_us(moment))
    return dict(sorted(wanted.items()))


def _outdated(connection: Connection, wanted: Mapping[str, BudgetRule]) -> list[str]:
    """The budgets to make or to bring up to date, sorted.

    If a shared budget is among them, all are returned: their rows are then locked in the order of their ids, as by
    every transaction that takes from them. The budgets of a run are locked by no other.
    """
    known = _limits(len(wanted)).run(connection, _numbered(wanted)).fetchall() if wanted else []
    current = {
        budget_id
        for budget_id, limit, soft, raised in known
        if (limit, soft) == (max(wanted[budget_id].limit, raised or 0), wanted[budget_id].soft)
    }
    old = wanted.keys() - current
    if any(wanted[budget_id].window != RUN for budget_id in old):
        return sorted(wanted)
    return sorted(old)


def write_change(connection: Connection, rule: BudgetRule, origin: Literal["set", "window"], now: int) -> None:
    """Record a new limit."""
    connection.execute(
        schema.budget_changes.insert().values(
            scope=rule.scope,
            key=rule.key,
            span=rule.window,
            limit_nano=rule.limit,
            soft_nano=rule.soft,
            origin=origin,
            changed_at=now,
        )
    )


def take(connection: Connection, amounts: Mapping[str, Nano], beyond: Collection[str] = ()) -> list[Refusal]:
    """Hold each amount on the budget of that id, in the order of the ids; the refusals of those that are exceeded.

    Those in ``beyond`` need none: a person lets this run overdraw them. When there is any refusal the caller must roll
    its transaction (or savepoint) back: all or nothing.
    """
    refusals = []
    for budget_id, amount in sorted(amounts.items()):
        statement = _TAKE_BEYOND if budget_id in beyond else _TAKE
        if _took(connection, statement, budget_id, amount):
            continue
        # On Postgres others may give back meanwhile: only a locked row shows whether it covers the amount.
        _LOCK.run(connection, {"id": budget_id})
        if not _took(connection, statement, budget_id, amount):
            refusals += [Refusal(state, amount) for state in _states(connection, _B.budget_id == budget_id)]
    return refusals


def _took(connection: Connection, statement: PreparedStatement, budget_id: str, amount: Nano) -> bool:
    return bool(statement.run(connection, {"id": budget_id, "amount": amount}).rowcount == 1)


def shortfalls(connection: Connection, needs: Mapping[str, Nano]) -> list[Refusal]:
    """The budgets that have less left than is needed; nothing is held."""
    states = _states(connection, _B.budget_id.in_(list(needs))) if needs else []
    return [Refusal(state, needs[state.budget_id]) for state in states if state.left < needs[state.budget_id]]


def raise_limits(connection: Connection, rules: Mapping[str, BudgetRule], more: Mapping[str, Nano], now: int) -> None:
    """Raise the limits of the budgets with these ids, of those in ``rules``, in the current windows only."""
    for state in states(connection, more):
        limit = state.limit + more[state.budget_id]
        values = {"limit_nano": limit, "raised_nano": limit}
        connection.execute(sa.update(schema.budgets).where(_B.budget_id == state.budget_id).values(values))
        if state.window != RUN:
            write_change(connection, replace(rules[state.budget_id], limit=limit), "window", now)


def close_run(connection: Connection, run_id: str, wanted: Mapping[str, BudgetRule]) -> dict[str, BudgetRule]:
    """Leave a run nothing beyond what it has spent, until another execution of it asks: its rules, without needs."""
    closed = {"limit_nano": _B.spent_nano, "raised_nano": None}
    connection.execute(sa.update(schema.budgets).where(_B.scope == "run", _B.key == run_id).values(closed))
    return {budget_id: replace(rule, needs=None) for budget_id, rule in wanted.items()}


def states(connection: Connection, budget_ids: Iterable[str]) -> list[BudgetState]:
    """The states of the budgets with these ids."""
    return _states(connection, _B.budget_id.in_(list(budget_ids)))


def reached_soft_limit(connection: Connection, budget_ids: Collection[str], now: int) -> list[BudgetState]:
    """Those of the budgets that have just come to their soft threshold: each once per window, for all callers."""
    if not budget_ids:
        return []
    asked = {"now": now, **_numbered(sorted(budget_ids))}
    reached = [row[0] for row in _reached_soft_limit(len(budget_ids)).run(connection, asked).fetchall()]
    return _states(connection, _B.budget_id.in_(reached)) if reached else []


def move(connection: Connection, budget_ids: Sequence[str], *, held: Nano = 0, spent: Nano = 0) -> None:
    """Change what is held and spent without a check: to settle, to release, to record what could not be prevented."""
    for budget_id in budget_ids:
        _MOVE.run(connection, {"id": budget_id, "held": held, "spent": spent})


def past_windows(connection: Connection, scope: str, key: str, limit: int) -> list[BudgetState]:
    """The newest windows of a budget, of any length, including the current ones."""
    newest = sa.select(_B.budget_id).where(_B.scope == scope, _B.key == key).order_by(_B.starts_at.desc()).limit(limit)
    return _states(connection, _B.budget_id.in_(newest))


def open_at(connection: Connection, now: int) -> list[BudgetState]:
    """The budgets of every window that has not ended; those of single runs left out."""
    return [_state(row) for row in _OPEN_AT.run(connection, {"now": now}).fetchall()]


def _states(connection: Connection, condition: sa.ColumnElement[bool]) -> list[BudgetState]:
    query = sa.select(*_STATE).where(condition).order_by(*_IN_ORDER)
    return [_state(row) for row in connection.execute(query)]


def _state(row: Sequence[Any]) -> BudgetState:
    budget_id, name, scope, key, window, starts_at, ends_at, *amounts = row
    limit, spent, held, soft, soft_at, raised = amounts
    return BudgetState(
        budget_id=budget_id,
        name=name,
        scope=scope,
        key=key,
        window=window,
        starts_at=from_us(starts_at),
        resets_at=from_us(ends_at) if ends_at else None,
        limit=limit,
        spent=spent,
        held=held,
        soft=soft,
        soft_at=from_us(soft_at) if soft_at else None,
        raised=raised is not None,
    )


def _numbered(budget_ids: Iterable[str]) -> dict[str, str]:
    return {f"id{place}": budget_id for place, budget_id in enumerate(budget_ids)}


def _these(count: int) -> sa.ColumnElement[bool]:
    """So many budgets, by :func:`_numbered` ids."""
    return _B.budget_id.in_([sa.bindparam(f"id{place}", type_=sa.Text) for place in range(count)])


@lru_cache(maxsize=64)
def _limits(count: int) -> PreparedStatement:
    return PreparedStatement(sa.select(_B.budget_id, _B.limit_nano, _B.soft_nano, _B.raised_nano).where(_these(count)))


@lru_cache(maxsize=64)
def _reached_soft_limit(count: int) -> PreparedStatement:
    return PreparedStatement(
        sa.update(schema.budgets)
        .where(_these(count), _B.soft_at.is_(None), _B.spent_nano + _B.held_nano >= _B.soft_nano)
        .values(soft_at=sa.bindparam("now", type_=columns.Number))
        .returning(_B.budget_id)
    )


@cache
def _upsert(dialect: str) -> PreparedStatement:
    """Answers with the row's id when it is new or its limits changed."""
    added = insert_into(dialect, schema.budgets)
    new = added.excluded
    limit = sa.case((_B.raised_nano > new.limit_nano, _B.raised_nano), else_=new.limit_nano)
    # A row without a change is locked all the same.
    statement = added.on_conflict_do_update(
        index_elements=["budget_id"],
        set_={"limit_nano": limit, "soft_nano": new.soft_nano},
        where=(_B.limit_nano != limit) | _B.soft_nano.is_distinct_from(new.soft_nano),
    ).returning(_B.budget_id)
    return PreparedStatement(statement, _OPENED)
