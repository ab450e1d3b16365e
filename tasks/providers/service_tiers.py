"""Service tiers on the wire: how a provider is asked for one, and what its reply says served a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pricing.rates import ServiceTier

if TYPE_CHECKING:
    from tasks.providers.messages import ModelRequest
    from tasks.providers.spec import ProviderFeatures

ASKABLE: Final[tuple[ServiceTier, ...]] = ("standard", "priority", "flex")
"""Service tiers that a request can name; ``batch`` is a provider's other API."""
_PREFIX: Final = "service_tier_"
_SERVED: Final[Mapping[str, ServiceTier]] = {
    "standard": "standard",
    "standard_only": "standard",
    "default": "standard",
    "on_demand": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "performance": "priority",
    "batch": "batch",
}
"""The words of all providers; ``fast`` is OpenAI's other name of priority, ``performance`` Groq's."""
_UNSTATED: Final = frozenset({"auto", "unspecified", "service_tier_unspecified"})


def served_tier(word: str | None) -> str | None:
    """The service tier that a reply names: one of ours, or the provider's word where we know none; ``None`` where the
    reply does not tell.

    >>> served_tier("on_demand"), served_tier("PRIORITY"), served_tier("scale"), served_tier("auto")
    ('standard', 'priority', 'scale', None)
    """
    if not word or (tier := word.strip().lower()) in _UNSTATED:
        return None
    tier = tier.removeprefix(_PREFIX)
    return _SERVED.get(tier, tier)


def asked_word(features: ProviderFeatures, request: ModelRequest) -> str | None:
    """The value of the provider's field; ``None`` where the request names no service tier, or the provider has no word
    for it: a batch is asked for by its own API.
    """
    return None if request.service_tier is None else features.service_tiers.get(request.service_tier)
