"""Moving windows: at most so many uses within any stretch of time, counted across processes in the ledger's database.

A window that admits N uses has N slots, each holding the time of its last use. A use takes a slot whose last use is
out of the window, by conditional update, so that two processes never take the same one; nothing has to be cleaned up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into

_SLOTS = schema.rate_slots.c


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``most`` uses by ``subject`` within any ``seconds``. The subject is kept as a hash only."""

    subject: str
    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Use:
    """The result of one use of a limit: the uses in its window, and if refused, the seconds until one is free."""

    limit: RateLimit
    used: int
    retry_after: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether the window was full."""
        return self.retry_after > 0


class MovingWindows:
    """The windows of one ledger.

    Args:
        store: its database.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self._clock = clock

    def use(self, limits: Sequence[RateLimit]) -> list[Use]:
        """Use every limit once, or none of them if one is full.

        Raises:
            LedgerError: the database cannot be written.
        """
        uses: list[Use] = []
        ordered = sorted(limits, key=lambda limit: limit.subject)  # in one order: nobody waits in a circle
        with self._store.write() as connection:
            now = self._clock()
            for limit in ordered:
                _pull_back(connection, limit, now)
            with connection.begin_nested() as savepoint:
                for limit in ordered:
                    uses.append(_take(connection, limit, now))
                    if uses[-1].refused:
                        savepoint.rollback()
                        return [uses[-1]]
        return uses


def _pull_back(connection: Connection, limit: RateLimit, now: int) -> None:
    """Move uses from before a clock change to the present: in the future they would count until then."""
    ahead = sa.update(schema.rate_slots).where(_SLOTS.subject == _hash(limit.subject), _SLOTS.used_at > now)
    connection.execute(ahead.values(used_at=now))


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()


def _take(connection: Connection, limit: RateLimit, now: int) -> Use:
    subject = _hash(limit.subject)
    window = round(limit.seconds * 1_000_000)
    own = (_SLOTS.subject == subject, _SLOTS.slot < limit.most)
    recent = sa.func.count().filter(_SLOTS.used_at > now - window)
    while True:  # as often as somebody else is quicker
        total, used = connection.execute(sa.select(sa.func.count(), recent).where(*own)).one()
        oldest = connection.execute(
            sa.select(_SLOTS.slot, _SLOTS.used_at).where(*own).order_by(_SLOTS.used_at).limit(1)
        ).one_or_none()
        if oldest is not None and oldest.used_at <= now - window:
            again = sa.update(schema.rate_slots).where(*own, _SLOTS.slot == oldest.slot)
            taken = connection.execute(again.where(_SLOTS.used_at == oldest.used_at).values(used_at=now)).rowcount
        elif total < limit.most:
            taken = _add(connection, subject, total, now)
        else:
            free_at = now + window if oldest is None else oldest.used_at + window
            return Use(limit, used, max(free_at - now, 1) / 1_000_000)
        if taken:
            return Use(limit, used + 1)


def _add(connection: Connection, subject: str, slot: int, now: int) -> int:
    """Add a slot; returns 0 if another process has just added it, else 1."""
    insert = insert_into(connection.dialect.name, schema.rate_slots).values(subject=subject, slot=slot, used_at=now)
    return len(connection.execute(insert.on_conflict_do_nothing().returning(_SLOTS.slot)).all())
