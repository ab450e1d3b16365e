"""Credits: grants, reservations and charges, and the wallets of users and organisations."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing.clock import from_us, now_us, to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into
from pricing.errors import OutOfCredits, UsageError
from pricing.ledger.facts import Run
from pricing.ledger.limits import read_key

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
class WalletBalance:
    """What one wallet can spend now, and what is set aside in it for runs under way, in credits."""

    wallet_id: str
    available: int
    held: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """No wallet of the run can pay its outcome alone; ``wallets`` in the order in which they would pay."""

    asked: int
    wallets: tuple[WalletBalance, ...]

    def explain(self) -> str:
        """One sentence for people: which wallets were tried in which order, and what each has."""
        balances = " and ".join(_balance_text(one) for one in self.wallets)
        alone = " (the user's wallet pays first, else the organisation's; one of them pays the whole price)"
        return f"the outcome costs {_whole_credits(self.asked)}; {balances}{alone if len(self.wallets) > 1 else ''}"

    def error(self, automation: str) -> OutOfCredits:
        """The refusal of a run of that automation."""
        first, nearest = self.wallets[0], max(self.wallets, key=lambda one: one.available)
        waits = any(one.available + one.held >= self.asked for one in self.wallets)
        return OutOfCredits(
            f"{automation} was not started: {self.explain()}.",
            next_step=f"Grant more (`farebox credits grant {nearest.wallet_id} {self.asked - nearest.available}`)"
            f"{', or wait for the runs under way' if waits else ''}. Nothing was called and nothing is charged.",
            automation=automation,
            wallet=first.wallet_id,
            asked_credits=self.asked,
            available_credits=first.available,
        )


def _balance_text(one: WalletBalance) -> str:
    held = f" and {one.held} set aside for runs under way" if one.held else ""
    return f"wallet {one.wallet_id} has {one.available} left{held}"


def wallets_of(connection: Connection, user_id: str | None, org_id: str | None) -> list[str]:
    """Who may pay, in this order: the user's own wallet, then the organisation's; empty if neither has one."""
    names = [f"{kind}:{name}" for kind, name in (("user", user_id), ("org", org_id)) if name]
    known = set(connection.execute(sa.select(_W.wallet_id).where(_W.wallet_id.in_(names))).scalars()) if names else ()
    return [name for name in names if name in known]


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
    """Set aside what the run's outcome costs; the shortage if no wallet can pay it.

    The first wallet of :func:`wallets_of` that has enough pays the whole price: a price is never split, so that one
    settlement names one payer. Grants are spent by priority, and of one priority those that expire first. Without a
    wallet nothing is enforced.
    """
    price = run.price_credits
    names = wallets_of(connection, run.user_id, run.org_id) if price else []
    if not names or price is None:
        return None
    tried = []
    for wallet_id in names:  # every run locks the user's before the organisation's: no deadlock
        lock(connection, wallet_id)
        expire(connection, wallet_id, now)
        usable = live(connection, wallet_id, now)
        available = sum(grant.available_credits for grant in usable)
        if available >= price:
            _set_aside(connection, usable, run.run_id, price, now)
            return None
        tried.append(WalletBalance(wallet_id, available, held_credits(connection, wallet_id)))
    return Shortage(price, tuple(tried))


def _set_aside(connection: Connection, usable: Sequence[Row[Any]], run_id: str, price: int, now: int) -> None:
    needed = price
    for grant in usable:
        if taken := min(needed, grant.available_credits):
            _move(connection, grant, _Movement("available", "held", taken, now, run_id))
            connection.execute(
                schema.credit_holds.insert().values(run_id=run_id, grant_id=grant.grant_id, credits=taken)
            )
            needed -= taken


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
    """Expire grants. Credits that roll over become a new grant of the same duration, once."""
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
    """The grants that can be spent, in spending order."""
    return _grants(
        connection,
        _G.wallet_id == wallet_id,
        _G.available_credits > 0,
        sa.or_(_G.expires_at.is_(None), _G.expires_at > now),
    )


def held_credits(connection: Connection, wallet_id: str) -> int:
    """Credits of a wallet that are held for runs under way."""
    total = sa.func.coalesce(sa.func.sum(_G.held_credits), 0)
    return int(connection.execute(sa.select(total).where(_G.wallet_id == wallet_id)).scalar_one())


def lock(connection: Connection, wallet_id: str) -> None:
    """Lock the wallet until the transaction ends."""
    connection.execute(sa.select(_W.wallet_id).where(_W.wallet_id == wallet_id).with_for_update()).one()


def _grants(connection: Connection, *conditions: sa.ColumnElement[bool]) -> Sequence[Row[Any]]:
    order = (_G.priority, _G.expires_at.is_(None), _G.expires_at, _G.granted_at, _G.grant_id)
    return connection.execute(sa.select(schema.grants).where(*conditions).order_by(*order)).all()


def _move(connection: Connection, grant: Row[Any], movement: _Movement) -> None:
    """Move credits of a grant between accounts and record the movement."""
    changes = {movement.debit: -movement.credits, movement.credit: movement.credits}
    columns = {"available": _G.available_credits, "held": _G.held_credits}
    values = {column.name: column + changes[name] for name, column in columns.items() if name in changes}
    connection.execute(sa.update(schema.grants).where(_G.grant_id == grant.grant_id).values(values))
    _write(connection, grant.wallet_id, grant.grant_id, movement)


def _write(connection: Connection, wallet_id: str, grant_id: str, movement: _Movement) -> None:
    row = {"wallet_id": wallet_id, "grant_id": grant_id, **asdict(movement)}
    connection.execute(schema.credit_entries.insert().values(row))


def _whole_credits(number: int) -> str:
    return f"{number} credit" if number == 1 else f"{number} credits"


_OWNERS = ("user", "org")
_MOST = 10**12
"""Credits in one grant; more is a slip of the keyboard."""
_KINDS = {
    ("issued", "available"): "granted",
    ("rolled_over", "available"): "carried over",
    ("available", "held"): "set aside",
    ("held", "available"): "given back",
    ("held", "charged"): "charged",
    ("available", "expired"): "expired",
    ("available", "rolled_over"): "expired, carried over",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits given at once. ``rollover``: how many may be carried over when it expires."""

    grant_id: str
    granted: int
    available: int
    held: int
    priority: int
    rollover: int
    granted_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of a wallet: ``available`` credits, ``held`` ones for runs under way, and its grants in spending
    order.
    """

    wallet_id: str
    available: int
    held: int
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement: ``change`` of what can be spent, and the ``balance`` after it."""

    at: datetime
    kind: str
    credits: int
    change: int
    balance: int
    grant_id: str
    run_id: str | None


class Wallets:
    """Every wallet of one ledger.

    Args:
        store: the database below.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self._clock = clock

    def grant(
        self, wallet_id: str, amount: int, *, expires: datetime | None = None, priority: int = 0, rollover: int = 0
    ) -> str:
        """Give a wallet credits; the grant's id. From the first grant on, credits are enforced for whom it belongs to.

        Raises:
            UsageError: the wallet's name, the amount or the expiry makes no sense.
        """
        now = self._clock()
        read_wallet(wallet_id)
        if not 0 < amount <= _MOST:
            raise UsageError(f"{amount} credits cannot be granted.", next_step="Grant a whole number above 0.")
        if rollover and expires is None:
            raise UsageError("Credits that never expire have nothing to carry over.", next_step="Add --expires DATE.")
        if not 0 <= rollover <= amount:
            raise UsageError(f"{rollover} of {amount} credits cannot be carried over.", next_step="Carry over fewer.")
        if expires is not None and to_us(expires) <= now:
            raise UsageError(f"{expires:%Y-%m-%d} is over already.", next_step="Let the grant expire later.")
        until = None if expires is None else to_us(expires)

        def work(connection: Connection) -> str:
            return add(connection, wallet_id, amount, now=now, expires_at=until, priority=priority, rollover=rollover)

        return self._store.transact(work, durable=True)

    def ids(self) -> list[str]:
        """The ids of all wallets, sorted."""
        with self._store.read() as connection:
            return list(
                connection.execute(sa.select(schema.wallets.c.wallet_id).order_by(schema.wallets.c.wallet_id)).scalars()
            )

    def balance(self, wallet_id: str) -> Balance:
        """The current balance of a wallet, after its expired grants are removed.

        Raises:
            UsageError: there is no such wallet.
        """
        self._find(wallet_id)
        now = self._clock()
        with self._store.write() as connection:
            lock(connection, wallet_id)
            expire(connection, wallet_id, now)
            found = tuple(
                Grant(
                    grant_id=row.grant_id,
                    granted=row.granted_credits,
                    available=row.available_credits,
                    held=row.held_credits,
                    priority=row.priority,
                    rollover=row.rollover_credits,
                    granted_at=from_us(row.granted_at),
                    expires_at=None if row.expires_at is None else from_us(row.expires_at),
                )
                for row in live(connection, wallet_id, now)
            )
            held = held_credits(connection, wallet_id)
        return Balance(wallet_id, sum(grant.available for grant in found), held, found)

    def statement(self, wallet_id: str) -> list[StatementLine]:
        """Every movement of a wallet, oldest first.

        Raises:
            UsageError: there is no such wallet.
        """
        self.balance(wallet_id)
        table = schema.credit_entries.c
        with self._store.read() as connection:
            rows = connection.execute(
                sa.select(schema.credit_entries).where(table.wallet_id == wallet_id).order_by(table.seq)
            ).all()
        lines, balance = [], 0
        for row in rows:
            change = row.credits * ((row.credit == "available") - (row.debit == "available"))
            balance += change
            kind = _KINDS[row.debit, row.credit]
            lines.append(
                StatementLine(from_us(row.recorded_at), kind, row.credits, change, balance, row.grant_id, row.run_id)
            )
        return lines

    def _find(self, wallet_id: str) -> None:
        known = self.ids()
        if wallet_id not in known:
            read_wallet(wallet_id)
            from difflib import get_close_matches

            near = get_close_matches(wallet_id, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"`farebox credits grant {wallet_id} 100` opens it."
            raise UsageError(f"There is no wallet {wallet_id[:60]!r}.", next_step=hint)


def read_wallet(wallet_id: str) -> str:
    """The id of a wallet as it was given: ``org:acme``, ``user:ana``.

    Raises:
        UsageError: it does not begin with who owns it, or its name is none that a run could have.
    """
    owner, _, name = wallet_id.partition(":")
    if owner not in _OWNERS or not name:
        raise UsageError(f"{wallet_id[:60]!a} is not a valid wallet.", next_step="Write org:NAME or user:NAME.")
    read_key(owner, name)
    return wallet_id
