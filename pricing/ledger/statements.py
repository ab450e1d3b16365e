"""Statements that were issued to organisations: each has a number, and is kept as it was."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store

_S = schema.statements.c


@dataclass(frozen=True, slots=True)
class Issued:
    """An issued statement: its number and its content as JSON."""

    number: int
    figures: str


class Statements:
    """The statements of a ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue(self, org: str, month: str, figures: str, now: int, *, with_cost: bool) -> Issued:
        """Give a statement the next number, and keep it; the one of before where it was issued already.

        Args:
            org: the organisation.
            month: such as ``2026-11``.
            figures: what it says, as JSON.
            now: microseconds since 1970.
            with_cost: it says what outcomes cost us; such a statement is another one.
        """
        with self._store.write() as connection:
            # One at a time, so that numbers have no gaps.
            connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch").with_for_update())
            mine = (_S.org_id == org, _S.month == month, _S.with_cost == with_cost)
            before = connection.execute(sa.select(_S.number, _S.figures).where(*mine)).one_or_none()
            if before is not None:
                return Issued(int(before.number), before.figures)
            newest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(_S.number), 0))).scalar_one()
            number = int(newest) + 1
            connection.execute(
                schema.statements.insert().values(
                    number=number, org_id=org, month=month, with_cost=with_cost, figures=figures, issued_at=now
                )
            )
        return Issued(number, figures)
