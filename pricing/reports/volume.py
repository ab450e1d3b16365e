"""How much of an operation there is: what a price or a route of it is multiplied by."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pricing.clock import to_us
from pricing.reports.query import read_replica

if TYPE_CHECKING:
    from pricing.replica.replica import Replica


def asked_turns(
    replica: Replica, automation: str, operation: str, *, quality: str, stand_in: bool, since: datetime
) -> int:
    """Turns of an operation that were asked of targets from then on; ``stand_in``: those of runs in the sandbox.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    asked = {"automation": automation, "operation": operation, "quality": quality, "stand_in": stand_in}
    with read_replica(replica) as source:
        [row] = source.rows("asked_turns", **asked, since=to_us(since))
    return int(row["turns"])
