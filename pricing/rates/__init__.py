"""The rate card: what tokens cost, by provider, model and date."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.errors import UnknownPrice
    from pricing.rates.card import RateCard
    from pricing.rates.model_ids import callable_id
    from pricing.rates.price_lists import LARGEST_LIST, PriceLists, read_list
    from pricing.rates.retirements import EndOfLife, end_of_life
    from pricing.rates.sources import Band, OwnRate

__all__ = [
    "LARGEST_LIST",
    "Band",
    "EndOfLife",
    "OwnRate",
    "PriceLists",
    "RateCard",
    "UnknownPrice",
    "callable_id",
    "end_of_life",
    "read_list",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Band": "pricing.rates.sources",
            "EndOfLife": "pricing.rates.retirements",
            "LARGEST_LIST": "pricing.rates.price_lists",
            "OwnRate": "pricing.rates.sources",
            "PriceLists": "pricing.rates.price_lists",
            "RateCard": "pricing.rates.card",
            "UnknownPrice": "pricing.errors",
            "callable_id": "pricing.rates.model_ids",
            "end_of_life": "pricing.rates.retirements",
            "read_list": "pricing.rates.price_lists",
        },
    )
