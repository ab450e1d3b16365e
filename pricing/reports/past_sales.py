"""Past runs as sales: what each cost, whether its outcome was reached, and whose it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pricing.analysis.packaging import Sale
from pricing.clock import from_us, to_us
from pricing.reports.query import read_replica
from pricing.reports.run_lookup import check_automation

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

NEWEST = 20_000
"""Runs that are looked at: the newest of the period."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PastSales:
    """The runs of a period, and the ``days`` that they took: from the first of them, at least one."""

    sales: tuple[Sale, ...]
    days: float


def sales(
    replica: Replica,
    automation: str,
    quality: str,
    *,
    stand_in: bool,
    since: datetime | None = None,
    until: datetime | None = None,
) -> PastSales:
    """The newest runs of an automation at one quality that ended in a period, answers of the sandbox apart.

    Args:
        replica: the copy for reports.
        automation: its name.
        quality: ``fast`` or ``best``.
        stand_in: runs answered by the sandbox, or those of models.
        since: from when on; all, if None.
        until: up to when; now, if None.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    ends = until or datetime.now(UTC)
    asked = {"automation": automation, "quality": quality, "stand_in": stand_in, "newest": NEWEST}
    with read_replica(replica) as source:
        rows = source.rows("economics", since=to_us(since) if since else 0, until=to_us(ends), **asked)
        if not rows:  # of an automation that was imported there may be no other
            check_automation(source, automation)
    days = (ends - from_us(rows[-1]["ended_at"])) / _DAY if rows else 1.0
    return PastSales(tuple(Sale(row["cost_nano"], row["earned"], row["owner"]) for row in rows), max(1.0, days))
