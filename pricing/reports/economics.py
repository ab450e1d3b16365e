"""What the economics of a ledger look like, for a doctor to judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pricing.reports.query import Row, read_replica
from pricing.reports.selection import RunSelection, choose

if TYPE_CHECKING:
    from pricing.replica.replica import Replica


@dataclass(frozen=True, slots=True)
class EconomicSigns:
    """Rows of the queries ``symptoms_*`` and ``overview_guards``, of answers by models, or by the sandbox where there
    are no others.
    """

    stand_in: bool
    operations: tuple[Row, ...]
    runs: tuple[Row, ...]
    prices: tuple[Row, ...]
    budgets: tuple[Row, ...]
    guards: tuple[Row, ...]


def signs(replica: Replica, choice: RunSelection) -> EconomicSigns | None:
    """The rows for the doctor's economic checks; None where nothing ran.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        if not choose(source, choice):
            return None
        names = ("symptoms_operations", "symptoms_runs", "symptoms_prices", "symptoms_budgets", "overview_guards")
        found = [source.rows(name) for name in names]
    stand_in = all(row["stand_in"] for row in found[1])
    return EconomicSigns(stand_in, *(tuple(row for row in rows if row["stand_in"] == stand_in) for rows in found))
