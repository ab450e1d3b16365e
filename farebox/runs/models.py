"""The declared targets: prices, locations, and recent latency and failures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from farebox.config.keys import Missing
from farebox.config.targets import usable_targets
from farebox.runtime import Runtime
from pricing import Nano, UnknownPrice, Usage
from pricing.rates import STANDARD, EndOfLife, RateCard, ServiceTier
from pricing.reports import TargetHealth, target_health
from tasks.providers import LEVELS, rules_of, spec_of
from tasks.routing import Target

EXAMPLE = Usage(input_tokens=2_000, output_tokens=500)
"""A short question and its answer, without any cache."""
_PART, _PARTS = 100_000, 10
"""A million tokens are priced in tenths: a request of that size is still below every threshold of length."""
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Nano-dollars per million tokens of a request of usual length, and of the example."""

    input_per_mtok: Nano
    output_per_mtok: Nano
    cache_read_per_mtok: Nano
    cache_write_per_mtok: Nano
    cache_write_1h_per_mtok: Nano
    example: Nano


@dataclass(frozen=True, slots=True)
class TierPrices:
    """What a target costs at one service tier, in nano-dollars per million tokens of a request of usual length.

    ``source`` says where the price is from; ``asked`` whether a request can name the tier, which a batch cannot.
    """

    service_tier: ServiceTier
    input_per_mtok: Nano
    output_per_mtok: Nano
    cache_read_per_mtok: Nano
    cache_write_per_mtok: Nano
    source: str
    asked: bool


@dataclass(frozen=True, slots=True)
class TargetLine:
    """One target; one without a key does not answer while others have theirs.

    Without ``prices`` none are known, and every run that could reach it is refused.
    """

    target: Target
    answers: bool
    key_place: str | None
    prices: Prices | None
    health: TargetHealth | None
    ends: EndOfLife | None = None
    tier_prices: tuple[TierPrices, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data; amounts are nano-dollars."""
        target, health = self.target, self.health
        names = ("name", "tier", "provider", "account", "model", "region", "failure_domain", "window", "max_output")
        return {
            **{name: getattr(target, name) for name in names},
            "features": _features(target),
            "reasoning": _reasoning(target),
            "sandbox": target.stand_in and self.answers,
            "answers": self.answers,
            "key": self.key_place,
            "retires": self.ends.on.isoformat() if self.ends else None,
            "prices_nano": asdict(self.prices) if self.prices else None,
            "service_tier": target.service_tier,
            "prices_by_service_tier_nano": [asdict(one) for one in self.tier_prices],
            "recent": health.to_json() if health else None,
        }


def _features(target: Target) -> dict[str, Any]:
    """What the provider of a target can do, as plain data."""
    features = spec_of(target.provider).features
    return {
        "schemas": features.schemas,
        "tools": features.tools,
        "reasoning": features.reasoning,
        "media": sorted(features.media.takes),
        "media_limits": media_limits(target),
        "service_tiers": list(features.service_tiers),
        "batches": features.batches is not None,
        "options": sorted(features.options),
    }


def _reasoning(target: Target) -> dict[str, Any]:
    """The reasoning levels of a model, and its default."""
    rules = rules_of(target.provider, target.model)
    return {"levels": [level for level in LEVELS if level in rules.efforts], "setting": rules.level(target.reasoning)}


def abilities(target: Target) -> list[str]:
    """The features of a target's provider, as text."""
    features = spec_of(target.provider).features
    named = {"schemas": features.schemas, "tools": features.tools, "batches": features.batches is not None}
    kinds = sorted({medium.split()[0] + "s" for medium in features.media.takes})
    options = [option for option in sorted(features.options) if option != "tool_choice none"]
    return [*(name for name, can in named.items() if can), *kinds, *options]


def media_limits(target: Target) -> list[str]:
    """The limits of images and documents of a target, as text; empty if none are known."""
    return spec_of(target.provider).features.media.limits(target.window)


def list_targets(runtime: Runtime) -> list[TargetLine]:
    """Every target in the order of fallback; recent results are read from the replica alone.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    known = {(h.target, h.provider, h.model, h.stand_in): h for h in target_health(runtime.replica)}
    ends = {target.name: target.end_of_life for target in runtime.settings.targets}
    lines, asked = [], usable_targets(runtime.targets)
    for target in runtime.targets:
        key = runtime.keys[target.name]
        lines.append(
            TargetLine(
                target=target,
                answers=target in asked,
                key_place=None if isinstance(key, Missing) else key.place,
                prices=prices(runtime.rates, target),
                health=known.get((target.name, target.provider, target.model, target.stand_in)),
                ends=ends.get(target.name),
                tier_prices=tier_prices(runtime.rates, target),
            )
        )
    return lines


def tier_prices(rates: RateCard, target: Target) -> tuple[TierPrices, ...]:
    """The prices of a target at each service tier that has one, the standard tier first."""
    offered = spec_of(target.provider).features
    found = []
    for service_tier in rates.service_tiers(target.model, target.provider):
        if service_tier == "batch" and not offered.batches:
            continue
        if service_tier in {"flex", "priority"} and service_tier not in offered.service_tiers:
            continue
        try:
            (_, _, band), *_ = rates.bands(target.model, target.provider, service_tier=service_tier)
        except UnknownPrice:  # it has none for what it writes
            continue
        source = rates.source(target.model, target.provider, service_tier=service_tier)
        found.append(
            TierPrices(
                service_tier,
                band.input,
                band.output or 0,
                band.cache_read,
                band.cache_write,
                source,
                asked=service_tier in offered.service_tiers,
            )
        )
    return tuple(found)


def prices(rates: RateCard, target: Target) -> Prices | None:
    """Today's prices of a target's model at the target's service tier; ``None`` if unknown."""

    def price(usage: Usage) -> Nano:
        return rates.price(target.model, target.provider, usage, service_tier=target.service_tier or STANDARD)

    try:
        return Prices(
            input_per_mtok=price(Usage(_PART, 0)) * _PARTS,
            output_per_mtok=price(Usage(0, _MILLION)),
            cache_read_per_mtok=price(Usage(_PART, 0, cache_read_tokens=_PART)) * _PARTS,
            cache_write_per_mtok=price(Usage(_PART, 0, cache_write_tokens=_PART)) * _PARTS,
            cache_write_1h_per_mtok=price(Usage(_PART, 0, cache_write_1h_tokens=_PART)) * _PARTS,
            example=price(EXAMPLE),
        )
    except UnknownPrice:
        return None
