"""The rate card: what tokens cost, by provider, model and date."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.errors import UnknownPrice
    from pricing.rates.card import RateCard
    from pricing.rates.hours import Hours
    from pricing.rates.model_ids import callable_id
    from pricing.rates.own_rates import OwnBand, OwnRate
    from pricing.rates.price_lists import LARGEST_LIST, PriceLists, read_list
    from pricing.rates.rate import Band
    from pricing.rates.retirements import EndOfLife, end_of_life
    from pricing.rates.service_tiers import SERVICE_TIERS, STANDARD, ServiceTier

__all__ = [
    "LARGEST_LIST",
    "SERVICE_TIERS",
    "STANDARD",
    "Band",
    "EndOfLife",
    "Hours",
    "OwnBand",
    "OwnRate",
    "PriceLists",
    "RateCard",
    "ServiceTier",
    "UnknownPrice",
    "callable_id",
    "end_of_life",
    "read_list",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Band": "pricing.rates.rate",
            "EndOfLife": "pricing.rates.retirements",
            "Hours": "pricing.rates.hours",
            "LARGEST_LIST": "pricing.rates.price_lists",
            "OwnBand": "pricing.rates.own_rates",
            "OwnRate": "pricing.rates.own_rates",
            "PriceLists": "pricing.rates.price_lists",
            "RateCard": "pricing.rates.card",
            "SERVICE_TIERS": "pricing.rates.service_tiers",
            "STANDARD": "pricing.rates.service_tiers",
            "ServiceTier": "pricing.rates.service_tiers",
            "UnknownPrice": "pricing.errors",
            "callable_id": "pricing.rates.model_ids",
            "end_of_life": "pricing.rates.retirements",
            "read_list": "pricing.rates.price_lists",
        },
    )
