"""Starts at which a run would cost less, where rates depend on the time of day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from farebox.runs.admission import Automation, Priced, price_run
from farebox.runtime import Runtime
from pricing import Nano, format_estimate, to_us


@dataclass(frozen=True, slots=True)
class CheaperStart:
    """When a run would cost least, and how much less than at its own start, in nano-dollars at the median."""

    at: datetime
    saving_nano: Nano

    def words(self, zone: ZoneInfo) -> str:
        """For people."""
        return f"starting at {self.at.astimezone(zone):%H:%M} would save about {format_estimate(self.saving_nano)}"


@dataclass(frozen=True, slots=True)
class StartMove:
    """What it would save to start a deployment's runs at another time of day: ``saving_nano`` in all ``runs`` ahead."""

    deployment: str
    start: str
    better: str
    saving_nano: Nano
    runs: int

    def __str__(self) -> str:
        each = format_estimate(round(self.saving_nano / self.runs))
        rest = f", {format_estimate(self.saving_nano)} in the {self.runs:,} runs ahead" if self.runs > 1 else ""
        moved = f"{self.deployment}: starting at {self.better} instead of {self.start}"
        return f"{moved} would save about {each} a run{rest}"


def cheaper_start(
    runtime: Runtime,
    automation: Automation,
    parameters: Mapping[str, object],
    priced: Priced,
    *,
    start: datetime,
    end: datetime,
) -> CheaperStart | None:
    """The earliest of the cheapest starts after ``start`` and before ``end``; ``None`` where none is cheaper.

    Rates change at the bounds of their hours only, so these are all the starts that are looked at.

    Raises:
        UnknownPrice: a model of its route has no rate at one of them.
    """
    models = {(one.target.provider, one.target.model) for route in priced.routes.values() for one in route}
    best: CheaperStart | None = None
    for at in runtime.rates.hour_changes(models, start, end):
        if priced.due_at is not None and to_us(at) >= priced.due_at:
            break
        then = price_run(runtime, automation, parameters, priced.economic, due_at=priced.due_at, at=at)
        saving = priced.quote.p50 - then.quote.p50
        if saving > (0 if best is None else best.saving_nano):
            best = CheaperStart(at, saving)
    return best


def moves_of(found: Iterable[tuple[str, datetime, CheaperStart]], zone: ZoneInfo) -> list[StartMove]:
    """What to move: by deployment and time of day, the savings of its runs ahead; the largest first."""
    savings: dict[tuple[str, str, str], list[Nano]] = {}
    for deployment, start, better in found:
        key = deployment, f"{start.astimezone(zone):%H:%M}", f"{better.at.astimezone(zone):%H:%M}"
        savings.setdefault(key, []).append(better.saving_nano)
    moves = [StartMove(*key, sum(each), len(each)) for key, each in savings.items()]
    return sorted(moves, key=lambda move: (-move.saving_nano, move.deployment, move.start))
