"""The overview of a project's runs, with what only the project knows: its premium target, its buffer."""

from __future__ import annotations

from farebox.runtime import Runtime
from pricing.errors import UnknownPrice
from pricing.reports import Choice, Overview, overview
from pricing.reports.overview_section import Premium


def make_overview(runtime: Runtime, choice: Choice) -> Overview:
    """The overview of the chosen runs.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    buffer = runtime.settings.holds.buffer_percent
    return overview(runtime.replica, choice, premium=premium(runtime), buffer_percent=buffer)


def premium(runtime: Runtime) -> Premium | None:
    """The first premium target that answers and has a price: what premium-only would have asked."""
    for target in runtime.router.targets:
        if target.tier == "premium":
            try:
                [first, *_] = runtime.rates.bands(target.model, target.provider)
            except UnknownPrice:
                continue
            return Premium(target.name, target.model, first[2])
    return None
