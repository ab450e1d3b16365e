"""Token counts of texts before a provider has counted them, and what bills teach about them."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.tokens.estimate import NOT_LEARNED, Factor, TokenCount, count_tokens, estimate_tokens
    from pricing.tokens.factors import TokenFactors, learn_factors
    from pricing.tokens.media import MediaSize, PixelSize

__all__ = [
    "NOT_LEARNED",
    "Factor",
    "MediaSize",
    "PixelSize",
    "TokenCount",
    "TokenFactors",
    "count_tokens",
    "estimate_tokens",
    "learn_factors",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Factor": "pricing.tokens.estimate",
            "MediaSize": "pricing.tokens.media",
            "NOT_LEARNED": "pricing.tokens.estimate",
            "PixelSize": "pricing.tokens.media",
            "TokenCount": "pricing.tokens.estimate",
            "TokenFactors": "pricing.tokens.factors",
            "count_tokens": "pricing.tokens.estimate",
            "estimate_tokens": "pricing.tokens.estimate",
            "learn_factors": "pricing.tokens.factors",
        },
    )
