"""The overview of many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pricing.replica.replica import Replica
    from pricing.reports.overview.data import Overview
    from pricing.reports.rate_comparison import TargetRates
    from pricing.reports.selection import RunSelection


def overview(
    replica: Replica,
    choice: RunSelection | None = None,
    *,
    premium: TargetRates | None = None,
    buffer_percent: int = 25,
) -> Overview:
    """What the chosen runs came to.

    Args:
        replica: the copy of the ledger to read.
        choice: which runs; all, if left out.
        premium: the model that all turns could have been answered by, to tell what routing saved.
        buffer_percent: what is added to a quote's p95 and to prices, against changes.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    from pricing.reports.overview.report import read_overview
    from pricing.reports.selection import RunSelection

    return read_overview(replica, choice or RunSelection(), premium=premium, buffer_percent=buffer_percent)
