"""Which runs' reports are no longer right: those of which something became known after they had ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pricing.clock import from_us
from pricing.reports.query import read_replica

if TYPE_CHECKING:
    from pricing.replica.replica import Replica


@dataclass(frozen=True, slots=True)
class CorrectedRuns:
    """The time of the newest correction of each run; ``end`` is the last adjustment and settlement that was read."""

    runs: dict[str, datetime]
    end: tuple[int, int]


def corrected_runs(replica: Replica, after: tuple[int, int] | None = None) -> CorrectedRuns:
    """The runs that were adjusted or settled after ``end`` of the call before; without one, all that were adjusted.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    adjusted, settled = after or (0, 2**62)
    with read_replica(replica) as source:
        rows = source.rows("corrected_runs", adjusted=adjusted, settled=settled)
        [newest] = source.rows("corrected_runs_end")
    return CorrectedRuns(
        {row["run_id"]: from_us(row["known_at"]) for row in rows}, (newest["adjusted"], newest["settled"])
    )
