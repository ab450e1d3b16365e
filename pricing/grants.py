"""Grants of credits, and the outcomes paid with them: set aside before a run, charged when it is done.

Works on a connection of the caller's, so that credits move in the same transaction as the money held for the run. A
wallet's row is locked first, so that no credit is spent twice. Each movement is one row that is never changed: it names
the account that gave and the one that got, so that both sides always balance.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing import schema
from pricing.errors import OutOfCredits
from pricing.facts import Run
from pricing.upsert import insert_into

Account: TypeAlias = Literal["issued", "available", "held", "charged", "expired", "rolled_over"]

_G = schema.grants.c
_W = schema.wallets.c


@dataclass(frozen=True, slots=True)
class _Movement:
    debit: Account
    credit: Account
    credits: int
    recorded_at: int
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Shortage:
    """A wallet that has fewer credits than an outcome costs."""

    wallet_id: str
    asked: int
    available: int
    held: int

    def explain(self) -> str:
        """One sentence for people: which wallet, and by how much."""
        held = f" and {self.held} set aside for runs under way" if self.held else ""
        return f"the outcome costs {_credits(self.asked)}; wallet {self.wallet_id} has {self.available} left{held}"

    def error(self, automation: str) -> OutOfCredits:
        """The refusal of a run of that automation."""
        missing = self.asked - self.available
        wait = ", or wait for the runs under way" if self.available + self.held >= self.asked else ""
        return OutOfCredits(
            f"{automation} was not started: {self.explain()}.",
            next_step=f"Grant it more (`farebox credits grant {self.wallet_id} {missing}`){wait}. "
            "Nothing was called and nothing is charged.",
            automation=automation,
            wallet=self.wallet_id,
            asked_credits=self.asked,
            available_credits=self.available,
        )


def wallet_of(connection: Connection, user_id: str | None, org_id: str | None) -> str | None:
    """Who pays: the user's own wallet where there is one, else the organisation's; nobody, if neither has one."""
    names = [f"{kind}:{name}" for kind, name in (("user", user_id), ("org", org_id)) if name]
    known = set(connection.execute(sa.select(_W.wallet_id).where(_W.wallet_id.in_(names))).scalars()) if names else ()
    return next((name for name in names if name in known), None)


def add(
    connection: Connection,
    wallet_id: str,
    credits_: int,
    *,
    now: int,
    expires_at: int | None = None,
    priority: int = 0,
    rollover: int = 0,
    source: Account = "issued",
) -> str:
    """Give a wallet credits, opening it if need be; the grant's id. Of several, the lowest priority is spent first."""
    opened = insert_into(connection.dialect.name, schema.wallets).values(wallet_id=wallet_id, opened_at=now)
    connection.execute(opened.on_conflict_do_nothing())
    lock(connection, wallet_id)
    grant_id = uuid.uuid4().hex[:12]
    connection.execute(
        schema.grants.insert().values(
            grant_id=grant_id,
            wallet_id=wallet_id,
            granted_credits=credits_,
            available_credits=credits_,
            held_credits=0,
            priority=priority,
            rollover_credits=rollover,
            granted_at=now,
            expires_at=expires_at,
        )
    )
    _write(connection, wallet_id, grant_id, _Movement(source, "available", credits_, now))
    return grant_id


def reserve(connection: Connection, run: Run, now: int) -> Shortage | None:
    """Set aside what the run's outcome costs; the shortage if the wallet that pays has not enough.

    Grants are spent by priority, and of one priority those that expire first. Without a wallet nothing is enforced.
    """
    wallet_id = wallet_of(connection, run.user_id, run.org_id) if run.price_credits else None
    if wallet_id is None or run.price_credits is None:
        return None
    lock(connection, wallet_id)
    expire(connection, wallet_id, now)
    usable, needed = live(connection, wallet_id, now), run.price_credits
    available = sum(grant.available_credits for grant in usable)
    if available < needed:
        return Shortage(wallet_id, needed, available, held(connection, wallet_id))
    for grant in usable:
        if taken := min(needed, grant.available_credits):
            _move(connection, grant, _Movement("available", "held", taken, now, run.run_id))
            connection.execute(
                schema.credit_holds.insert().values(run_id=run.run_id, grant_id=grant.grant_id, credits=taken)
            )
            needed -= taken
    return None


def conclude(connection: Connection, run_id: str, *, earned: bool, now: int) -> str | None:
    """Charge what was set aside for a run's outcome, or give it back; the wallet it was of, if any."""
    table = schema.credit_holds.c
    set_aside = connection.execute(sa.select(table.grant_id, table.credits).where(table.run_id == run_id)).all()
    if not set_aside:
        return None
    grants = {row.grant_id: row for row in _grants(connection, _G.grant_id.in_([row.grant_id for row in set_aside]))}
    wallet_id = str(grants[set_aside[0].grant_id].wallet_id)
    lock(connection, wallet_id)
    for row in set_aside:
        _move(
            connection,
            grants[row.grant_id],
            _Movement("held", "charged" if earned else "available", row.credits, now, run_id),
        )
    connection.execute(sa.delete(schema.credit_holds).where(table.run_id == run_id))
    expire(connection, wallet_id, now)
    return wallet_id


def expire(connection: Connection, wallet_id: str, now: int) -> None:
    """Let go of what has expired. What rolls over becomes a grant that lasts as long again, and once only."""
    while due := _grants(connection, _G.wallet_id == wallet_id, _G.expires_at <= now, _G.available_credits > 0):
        for grant in due:
            rolled = min(grant.available_credits, grant.rollover_credits)
            if rolled:
                _move(connection, grant, _Movement("available", "rolled_over", rolled, now))
                connection.execute(
                    sa.update(schema.grants)
                    .where(_G.grant_id == grant.grant_id)
                    .values(rollover_credits=_G.rollover_credits - rolled)
                )
                until = 2 * grant.expires_at - grant.granted_at
                add(
                    connection,
                    wallet_id,
                    rolled,
                    now=grant.expires_at,
                    expires_at=until,
                    priority=grant.priority,
                    source="rolled_over",
                )
            if rest := grant.available_credits - rolled:
                _move(connection, grant, _Movement("available", "expired", rest, now))


def live(connection: Connection, wallet_id: str, now: int) -> Sequence[Row[Any]]:
    """The grants that can be spent, in the order in which they are."""
    return _grants(
        connection,
        _G.wallet_id == wallet_id,
        _G.available_credits > 0,
        sa.or_(_G.expires_at.is_(None), _G.expires_at > now),
    )


def held(connection: Connection, wallet_id: str) -> int:
    """Credits of a wallet that are set aside for runs under way."""
    total = sa.func.coalesce(sa.func.sum(_G.held_credits), 0)
    return int(connection.execute(sa.select(total).where(_G.wallet_id == wallet_id)).scalar_one())


def lock(connection: Connection, wallet_id: str) -> None:
    """Let nobody else change this wallet until the transaction ends."""
    connection.execute(sa.select(_W.wallet_id).where(_W.wallet_id == wallet_id).with_for_update()).one()


def _grants(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Sequence[Row[Any]]:
    order = (_G.priority, _G.expires_at.is_(None), _G.expires_at, _G.granted_at, _G.grant_id)
    return connection.execute(sa.select(schema.grants).where(*conditions).order_by(*order)).all()


def _move(connection: Connection, grant: Row[Any], movement: _Movement) -> None:
    """Move credits of one grant from an account to another, and write it down."""
    changes = {movement.debit: -movement.credits, movement.credit: movement.credits}
    columns = {"available": _G.available_credits, "held": _G.held_credits}
    values = {column.name: column + changes[name] for name, column in columns.items() if name in changes}
    connection.execute(sa.update(schema.grants).where(_G.grant_id == grant.grant_id).values(values))
    _write(connection, grant.wallet_id, grant.grant_id, movement)


def _write(connection: Connection, wallet_id: str, grant_id: str, movement: _Movement) -> None:
    row = {"wallet_id": wallet_id, "grant_id": grant_id, **asdict(movement)}
    connection.execute(schema.credit_entries.insert().values(row))


def _credits(number: int) -> str:
    return f"{number} credit" if number == 1 else f"{number} credits"
