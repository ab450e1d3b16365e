"""Price reviews: the usage that was recorded, at other rates, another date or another model.

Every attempt is repriced on its own, since rates have cliffs; the replica does it in integers, exactly as a bill would
(a test holds it to ``RateCard.price``). Nothing that was recorded changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pricing.clock import to_us
from pricing.errors import NothingUsed
from pricing.margins import gross_margin
from pricing.money import USD, Nano, format_estimate
from pricing.rates.card import RateCard
from pricing.rates.rate import Band
from pricing.rates.service_tiers import SERVICE_TIERS, STANDARD
from pricing.reports.drift import cost_trends
from pricing.reports.format import Plain
from pricing.reports.query import ReplicaReading, read_replica

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

AtQuality: TypeAlias = tuple[str, str]
"""An automation and a quality."""
_Used: TypeAlias = tuple[str, str, str]
"""A provider, a model, and the service tier that it was used at."""
_Model: TypeAlias = tuple[str, str]
_FOREVER: Final = 2**62
_NARROW = 1000 * USD
"""The highest rate per million tokens for which 64 bits are enough."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates to reprice at: a card at a moment, with models moved to others, whose tokenizers make ``factor`` tokens
    out of one.
    """

    card: RateCard
    at: datetime
    moved: Mapping[_Model, _Model] | None = None
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class ReviewedRoute:
    """A target that an automation could run on as a whole, and what that would have cost."""

    target: str
    cost_nano: Nano
    margin: float | None


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """One automation at one quality: what its period cost as it was billed, at today's rates (``before``) and at
    the others (``after``). ``revenue_nano`` is ``None`` where some outcomes had no known price. ``restored_by`` is the
    cheapest target that brings the margin back to the one aimed at, where it falls below; ``None`` if none does.
    """

    automation: str
    quality: str
    attempts: int
    runs: int
    outcomes: int
    billed_nano: Nano
    before_nano: Nano
    after_nano: Nano
    revenue_nano: Nano | None
    margin_before: float | None
    margin_after: float | None
    below_target: bool
    restored_by: ReviewedRoute | None


@dataclass(frozen=True, slots=True)
class Retirement:
    """A model in use that its provider will switch off."""

    target: str
    model: str
    on: date
    attempts: int


@dataclass(frozen=True, slots=True)
class Review(Plain):
    """What a change of prices does to every automation of a period, by quality. ``changes`` says where costs per
    outcome have changed in that time, whatever the prices; ``hours`` what the cheapest hours of their rates would have
    saved, at the rates of after.
    """

    since: datetime
    until: datetime
    stand_in: bool
    version_before: str
    version_after: str
    target_margin: float
    lines: tuple[ReviewLine, ...]
    retirements: tuple[Retirement, ...]
    changes: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewCandidate:
    """A target that there is: where automations could go, and when it ends, if that is known."""

    name: str
    provider: str
    model: str
    retires: date | None = None


def review(
    replica: Replica,
    before: Rates,
    after: Rates,
    *,
    period: tuple[datetime, datetime],
    targets: Sequence[ReviewCandidate] = (),
    target_margin: float = 0.6,
    stand_in: bool = False,
) -> Review:
    """Replay what was used in a period at two kinds of rates.

    Raises:
        NothingUsed: nothing was used.
        UnknownPrice: one of the cards has no rate for a model.
        LedgerBusy: somebody holds the replica's file.
    """
    since, until = period
    asked = {"since": to_us(since), "until": to_us(until), "stand_in": stand_in}
    with read_replica(replica) as source:
        source.run("review_usage", **asked)
        used = source.rows("review_models")
        models = {(row["provider"], row["model"], row["service_tier"]) for row in used if row["kind"] == "model"}
        if not models:
            raise NothingUsed(
                "Nothing was used in that time that could be repriced.", next_step="Look further back: --since 365d."
            )
        costs = [_repriced(source, models, rates, period) for rates in (before, after)]
        outcomes = {_key(row): row for row in source.rows("review_outcomes", **asked)}
        lines = []
        for key in sorted({_key(row) for row in used}):
            mine = [row for row in used if _key(row) == key]
            lines.append(_line(key, mine, outcomes.get(key, {}), (costs[0][key], costs[1][key]), target_margin))
        wanted = targets if any(line.below_target for line in lines) else ()
        there = {target.name: _repriced(source, models, _all_at(after, models, target), period) for target in wanted}
        lines = [_restored(line, there, target_margin) for line in lines]
        hours = _at_cheapest_hours(source, models, after, period, costs[1])
    ending = [
        Retirement(target.name, target.model, target.retires, attempts)
        for target in targets
        if target.retires is not None
        and (attempts := sum(row["attempts"] for row in used if row["model"] == target.model))
    ]
    versions = (before.card.version, after.card.version)
    changes = tuple(
        f"{one.automation} {one.quality}: {sentence}"
        for one in cost_trends(replica, since, now=until)
        if one.stand_in == stand_in
        for sentence in one.sentences(until=until)
    )
    return Review(since, until, stand_in, *versions, target_margin, tuple(lines), tuple(ending), changes, hours)


def _key(row: Mapping[str, Any]) -> AtQuality:
    return row["automation"], row["quality"]


def _line(
    name: AtQuality,
    used: Sequence[Mapping[str, int]],
    outcomes: Mapping[str, int],
    costs: tuple[Nano, Nano],
    target_margin: float,
) -> ReviewLine:
    revenue = outcomes.get("revenue_nano") if not outcomes.get("unpriced") else None
    margins = [gross_margin(revenue, cost) for cost in costs]
    return ReviewLine(
        automation=name[0],
        quality=name[1],
        attempts=sum(row["attempts"] for row in used),
        runs=outcomes.get("runs", 0),
        outcomes=outcomes.get("outcomes", 0),
        billed_nano=sum(row["cost_nano"] for row in used),
        before_nano=costs[0],
        after_nano=costs[1],
        revenue_nano=revenue,
        margin_before=margins[0],
        margin_after=margins[1],
        below_target=margins[1] is not None and margins[1] < target_margin,
        restored_by=None,
    )


def _restored(line: ReviewLine, there: Mapping[str, Mapping[AtQuality, Nano]], target_margin: float) -> ReviewLine:
    """The line with the cheapest target that would restore its margin; ``there`` are costs by target and automation."""
    if not line.below_target:
        return line
    key = line.automation, line.quality
    routes = [
        ReviewedRoute(name, costs[key], gross_margin(line.revenue_nano, costs[key])) for name, costs in there.items()
    ]
    fitting = [route for route in routes if route.margin is not None and route.margin >= target_margin]
    return replace(line, restored_by=min(fitting, key=lambda route: route.cost_nano, default=None))


def _all_at(rates: Rates, models: set[_Used], target: ReviewCandidate) -> Rates:
    """Rates with every model replaced by one target, token for token."""
    moved = dict.fromkeys(((provider, model) for provider, model, _ in models), (target.provider, target.model))
    return Rates(rates.card, rates.at, moved)


class _Timed(NamedTuple):
    """The rates by input that hold from one moment up to another, in microseconds."""

    since: int
    until: int
    bands: list[tuple[int, int, Band]]


def _timed(
    rates: Rates, now: _Model, service_tier: str, period: tuple[datetime, datetime], *, moved: bool, cheapest: bool
) -> list[_Timed]:
    """The rates of what was used at a service tier, by the hours in which they hold; of a model in its place that does
    not have it, the standard ones. With ``cheapest`` those of the cheapest hours throughout.

    A provider's own tier without a price was charged at its worst case, and stays what it was.
    """
    card, (provider, model) = rates.card, now
    known = card.service_tiers(model, provider, rates.at)
    at_tier = service_tier in known or (service_tier in SERVICE_TIERS and not moved)
    tier = service_tier if at_tier else STANDARD
    if not card.has_hours(model, provider, tier):
        return [_Timed(0, _FOREVER, card.bands(model, provider, rates.at, tier))]
    since, until = period
    starts = [since, *card.hour_changes([now], since, until)]
    found = [
        _Timed(to_us(start), to_us(end), card.bands(model, provider, rates.at, tier, clock=start))
        for start, end in pairwise([*starts, until])
    ]
    if not cheapest:
        return found
    bands = min((one.bands for one in found), key=lambda bands: sum((bands[0][2].input, bands[0][2].output or 0)))
    return [_Timed(0, _FOREVER, bands)]


def _at_cheapest_hours(
    source: ReplicaReading,
    models: set[_Used],
    rates: Rates,
    period: tuple[datetime, datetime],
    usual: Mapping[AtQuality, Nano],
) -> tuple[str, ...]:
    """What the cheapest hours would have saved in the period, a sentence for each automation where they would have."""
    asked = [(rates.moved or {}).get((provider, model), (provider, model)) for provider, model, _ in models]
    if not any(rates.card.has_hours(model, provider, tier) for provider, model in asked for tier in SERVICE_TIERS):
        return ()
    best = _repriced(source, models, rates, period, cheapest=True)
    saved = {key: cost - best[key] for key, cost in usual.items()}
    return tuple(
        f"{automation} {quality}: starting runs in the cheapest hours would have saved about {format_estimate(less)} "
        "in this period"
        for (automation, quality), less in sorted(saved.items())
        if less > 0
    )


def _repriced(
    source: ReplicaReading,
    models: set[_Used],
    rates: Rates,
    period: tuple[datetime, datetime],
    *,
    cheapest: bool = False,
) -> dict[AtQuality, Nano]:
    """The cost of the period's usage at these rates, by automation and quality, in nano-dollars."""
    bands: list[dict[str, Any]] = [
        {
            "provider": provider,
            "model": model,
            "service_tier": service_tier,
            "provider_now": now[0],
            "model_now": now[1],
            "factor": rates.factor if now != (provider, model) else 1.0,
            "since": timed.since,
            "until": timed.until,
            "above": above,
            "upto": upto,
            **band._asdict(),
        }
        for provider, model, service_tier in sorted(models)
        for now in [(rates.moved or {}).get((provider, model), (provider, model))]
        for timed in _timed(rates, now, service_tier, period, moved=now != (provider, model), cheapest=cheapest)
        for above, upto, band in timed.bands
    ]
    most_expensive = max(rate for row in bands for name, rate in row.items() if name in Band._fields)
    source.run("review_wide" if most_expensive > _NARROW else "review_narrow")
    source.run("review_card", bands=json.dumps(bands))
    return {_key(row): int(row["cost_nano"]) for row in source.rows("review_repriced")}
