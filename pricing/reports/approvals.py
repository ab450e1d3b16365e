"""Decisions about runs that exceeded a budget."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pricing.clock import from_us
from pricing.money import Nano
from pricing.reports.format import Plain
from pricing.reports.query import read_replica

if TYPE_CHECKING:
    from pricing.replica.replica import Replica


@dataclass(frozen=True, slots=True)
class DecidedApproval(Plain):
    """A decision about a run. ``by`` is None where nobody decided in time. ``hold_nano`` is the amount approved or
    requested; ``budgets`` are the nano-dollars by which each budget was overdrawn or raised, or that it is short.
    """

    run_id: str
    automation: str
    choice: str
    by: str | None
    hold_nano: Nano
    budgets: dict[str, Nano]
    asked_at: datetime
    decided_at: datetime


def decided_approvals(replica: Replica, *, automation: str | None = None, most: int = 200) -> list[DecidedApproval]:
    """The newest decisions, newest first.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        rows = source.rows("approvals", automation=automation, most=most)
    return [
        DecidedApproval(
            run_id=row["run_id"],
            automation=row["automation"],
            choice=row["choice"],
            by=row["decided_by"],
            hold_nano=row["hold_nano"],
            budgets=json.loads(row["budgets"]),
            asked_at=from_us(row["asked_at"]),
            decided_at=from_us(row["decided_at"]),
        )
        for row in rows
    ]
