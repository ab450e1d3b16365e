"""The rate card: what tokens cost, by provider, model and date."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.errors import UnknownPrice
    from pricing.rates.card import RateCard
    from pricing.rates.sources import OwnRate

__all__ = ["OwnRate", "RateCard", "UnknownPrice"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {"OwnRate": "pricing.rates.sources", "RateCard": "pricing.rates.card", "UnknownPrice": "pricing.errors"},
    )
