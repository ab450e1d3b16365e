"""What people find of guards' decisions: facts of their own, beside the decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import sqlalchemy as sa

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import UsageError

ReviewFinding: TypeAlias = Literal["right", "wrong"]


class Reviews:
    """The reviews of one ledger.

    Args:
        store: its database.
        clock: microseconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self._clock = clock

    def add(self, decision: Mapping[str, object]) -> None:
        """Record a decision that was made after its turn, such as an audit's, as a row of ``guard_decisions``."""
        with self._store.write() as connection:
            connection.execute(schema.guard_decisions.insert(), dict(decision))

    def mark(self, decision: int, finding: ReviewFinding, origin: str = "cli") -> None:
        """Record a person's finding about a decision; the latest finding counts.

        Args:
            decision: its number (``seq``).
            finding: whether it was right.
            origin: where the finding comes from.

        Raises:
            UsageError: there is no such decision, or it allowed.
        """
        table = schema.guard_decisions.c
        with self._store.write() as connection:
            known = sa.select(table.seq).where(table.seq == decision, table.action != "allow")
            if connection.execute(known).one_or_none() is None:
                raise UsageError(
                    f"There is no decision {decision} that stopped or changed anything.",
                    next_step="List them with `farebox guards review --list`.",
                )
            row = {"decision": decision, "verdict": finding, "origin": origin, "reviewed_at": self._clock()}
            connection.execute(schema.guard_reviews.insert(), row)
