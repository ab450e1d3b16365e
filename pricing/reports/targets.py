"""Recent results of each target: its last attempts, and how long its last answers took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pricing.clock import from_us
from pricing.reports.format import Plain
from pricing.reports.query import read_replica

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

LAST = 20
"""How many attempts are looked back on."""


@dataclass(frozen=True, slots=True)
class TargetHealth(Plain):
    """The last attempts of one target, as one model and either real or by the sandbox.

    ``attempts`` is at most ``LAST``, ``failed`` those of them without an answer; ``p50_us`` is the median of the last
    ``LAST`` answers, in microseconds, ``None`` if there is none. Cancelled attempts are left out.
    """

    target: str
    provider: str
    model: str
    stand_in: bool
    attempts: int
    failed: int
    p50_us: int | None
    last_outcome: str
    last_at: datetime


def target_health(replica: Replica) -> list[TargetHealth]:
    """One line per target, provider and model that was ever tried.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        return [_line(**row) for row in source.rows("target_health", last=LAST)]


def _line(last_at: int, **row: Any) -> TargetHealth:
    return TargetHealth(**row, last_at=from_us(last_at))
