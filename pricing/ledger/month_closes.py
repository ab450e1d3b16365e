"""Closes of months: each is written once, as a fact."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into
from pricing.errors import UsageError
from pricing.money import Nano

_M = schema.month_closes.c


@dataclass(frozen=True, slots=True)
class MonthClose:
    """A closed month. Times are microseconds since 1970 UTC, amounts nano-dollars.

    What became known before ``closed_at`` is in it. ``figures`` is its report (JSON) as it was then, ``digest`` the
    SHA-256 of that text, ``zone`` says whose midnights it lies between.
    """

    month: str
    begins_at: int
    ends_at: int
    closed_at: int
    zone: str
    cost_nano: Nano
    corrections_nano: Nano
    charged_nano: Nano
    figures: str
    digest: str


class MonthCloses:
    """The closed months of a ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, month: str) -> MonthClose | None:
        """The close of a month such as ``2026-11``; ``None`` while it is open."""
        columns = [_M[name] for name in MonthClose.__dataclass_fields__]
        with self._store.read() as connection:
            row = connection.execute(sa.select(*columns).where(_M.month == month)).one_or_none()
        return None if row is None else MonthClose(*row)

    def months(self) -> list[str]:
        """The closed months, in order."""
        with self._store.read() as connection:
            return list(connection.execute(sa.select(_M.month).order_by(_M.month)).scalars())

    def open_attempts(self) -> list[tuple[int, Nano]]:
        """Attempts under way: when each began, in microseconds, and its worst case."""
        query = sa.select(schema.inflight.c.worst_nano, schema.inflight.c.intent)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [(int(json.loads(row.intent)["started_at"]), int(row.worst_nano)) for row in rows]

    def close(self, closed: MonthClose) -> None:
        """Record a close.

        Raises:
            UsageError: the month is closed already.
        """
        with self._store.write() as connection:
            statement = insert_into(connection.dialect.name, schema.month_closes).values(**asdict(closed))
            once = statement.on_conflict_do_nothing(index_elements=["month"]).returning(_M.seq)
            written = connection.execute(once).first()
        if written is None:
            raise closed_already(closed.month)


def closed_already(month: str) -> UsageError:
    """The error for a month that is closed already."""
    return UsageError(
        f"{month} is closed already; nothing was written.",
        next_step=f"`farebox report --closed {month}` shows it. What became known since is in later months.",
    )
