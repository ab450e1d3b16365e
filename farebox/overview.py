"""The overview of a project's runs, with what only the project knows: its premium target, its buffer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from farebox.config.targets import usable_targets
from farebox.runtime import Runtime
from pricing import UnknownPrice
from pricing.rates import STANDARD
from pricing.reports import Overview, RunSelection, TargetRates, overview
from tasks.routing import Tier


def make_overview(runtime: Runtime, choice: RunSelection) -> Overview:
    """The overview of the chosen runs.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    buffer, premium = runtime.settings.holds.buffer_percent, first_of_tier(runtime, "premium")
    found = overview(runtime.replica, choice, premium=premium, buffer_percent=buffer)
    return replace(found, changes=(*found.changes, *retirement_sentences(runtime)))


def retirement_sentences(runtime: Runtime) -> list[str]:
    """What to tell about targets whose models end within 60 days, or are gone."""
    today = datetime.now(runtime.settings.zone).date()
    near = [(t, ends) for t in runtime.settings.targets if (ends := t.end_of_life) and ends.is_near(today)]
    return [f"{ends.sentence(t.name, t.model, today)}. Move to another model." for t, ends in near]


def first_of_tier(runtime: Runtime, tier: Tier) -> TargetRates | None:
    """The first target of a tier that answers and has a price: what would be asked if it were asked for everything."""
    for target in usable_targets(runtime.targets):  # not the router's, which also learns how they did
        if target.tier == tier:
            try:
                asked = target.service_tier or STANDARD
                [first, *_] = runtime.rates.bands(target.model, target.provider, service_tier=asked)
            except UnknownPrice:
                continue
            return TargetRates(target.name, target.model, first[2])
    return None
