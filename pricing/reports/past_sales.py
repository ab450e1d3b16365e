"""Past runs as sales: what each cost and whether its outcome was reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pricing.analysis.packaging import Sale
from pricing.reports.query import reading
from pricing.reports.run_lookup import check_automation

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

NEWEST = 2_000
"""Runs that are looked at."""


def sales(replica: Replica, automation: str, quality: str, *, stand_in: bool) -> list[Sale]:
    """The newest runs of an automation at one quality, answers of the sandbox apart.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    asked = {"automation": automation, "quality": quality, "stand_in": stand_in, "newest": NEWEST}
    with reading(replica) as source:
        check_automation(source, automation)
        return [Sale(**row) for row in source.rows("economics", **asked)]
