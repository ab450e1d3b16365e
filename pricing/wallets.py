"""Wallets of users and organisations: what they were granted, what is left, and every credit that moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing import grants, schema
from pricing.clock import from_us, now_us, to_us
from pricing.errors import UsageError
from pricing.limits import read_key
from pricing.store import Store

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
    """What a wallet has: ``available`` credits to spend, ``held`` ones for runs under way; grants in spending order."""

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
            return grants.add(
                connection, wallet_id, amount, now=now, expires_at=until, priority=priority, rollover=rollover
            )

        return self._store.transact(work, durable=True)

    def ids(self) -> list[str]:
        """Every wallet there is, sorted."""
        with self._store.read() as connection:
            return list(
                connection.execute(sa.select(schema.wallets.c.wallet_id).order_by(schema.wallets.c.wallet_id)).scalars()
            )

    def balance(self, wallet_id: str) -> Balance:
        """What a wallet has now; what has expired is let go of first.

        Raises:
            UsageError: there is no such wallet.
        """
        self._find(wallet_id)
        now = self._clock()
        with self._store.write() as connection:
            grants.lock(connection, wallet_id)
            grants.expire(connection, wallet_id, now)
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
                for row in grants.live(connection, wallet_id, now)
            )
            held = grants.held(connection, wallet_id)
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
