"""Settling a hold so that one that cannot be settled stops nobody else.

Every run begins by reaping the holds of others. A hold whose own rows cannot be settled (an attempt that cannot be
read, a row that is missing, a number out of range) is put aside as ``unsettled``: its money stays held, its run is
reported, and everybody else goes on. A database that is busy, away, full or corrupt concerns everybody, and is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

from pricing.db import database
from pricing.db.database import Store
from pricing.errors import HoldUnsettled
from pricing.ledger import holds
from pricing.ledger.facts import NEWEST, RunOutcome
from pricing.ledger.holds import Settled, Unsettled

T = TypeVar("T")

TAKEN_OVER = "it was started again while it was held"
"""The reason of a settlement that a newer execution of the run made: the run itself has not ended."""


class _Faulty(Exception):
    """The rows of the hold that a transaction settles are at fault; ``args`` is the type of the error."""


def close(
    connection: Connection,
    run_id: str,
    outcome: RunOutcome,
    reason: str | None,
    now: int,
    *,
    execution: int = NEWEST,
    only_before: int | None = None,
) -> Settled | None:
    """:func:`pricing.ledger.holds.close_hold`, inside a transaction of :func:`isolated`."""
    try:
        return holds.close_hold(
            connection,
            run_id,
            outcome=outcome,
            reason=reason,
            ended_at=now,
            execution=execution,
            only_before=only_before,
        )
    except Exception as error:
        if not database.is_of_the_data(error):
            raise
        raise _Faulty(type(error).__name__) from None


def take_over(connection: Connection, run_id: str, now: int) -> None:
    """Settle the hold of an older execution of a run."""
    close(connection, run_id, "lost", TAKEN_OVER, now)


def isolated(store: Store, run_id: str, transaction: Callable[[], T], notify: Callable[[Unsettled], None]) -> T:
    """Run a transaction that settles the hold of a run; if that cannot be settled it is put aside and reported.

    Raises:
        HoldUnsettled: it was put aside.
    """
    try:
        return transaction()
    except _Faulty as faulty:
        found = Unsettled(run_id, str(faulty))
    store.transact(lambda connection: holds.put_aside(connection, run_id, found.fault), durable=True)
    notify(found)
    raise HoldUnsettled(
        f"What run {run_id} holds cannot be settled ({found.fault}), and was put aside.",
        next_step="Start the work as a new run. `farebox doctor` lists what was put aside.",
        run_id=run_id,
    )
