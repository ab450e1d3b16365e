"""Analyses of what was recorded: price reviews, packaging, confidence sequences."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.analysis.cache_drops import CacheDrop, drop_length, find_drop
    from pricing.analysis.confidence_sequences import log_wealth, lower_bound, upper_bound, values_needed
    from pricing.analysis.intervals import wilson
    from pricing.analysis.packaging import LosingCustomer, Packaging, advise_packaging
    from pricing.analysis.paired_test import PairedTest, paired_cases_needed, paired_lower_bound
    from pricing.analysis.price_review import Rates, Review, ReviewCandidate, review
    from pricing.analysis.spend_forecast import Planned

__all__ = [
    "CacheDrop",
    "LosingCustomer",
    "Packaging",
    "PairedTest",
    "Planned",
    "Rates",
    "Review",
    "ReviewCandidate",
    "advise_packaging",
    "drop_length",
    "find_drop",
    "log_wealth",
    "lower_bound",
    "paired_cases_needed",
    "paired_lower_bound",
    "review",
    "upper_bound",
    "values_needed",
    "wilson",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "CacheDrop": "pricing.analysis.cache_drops",
            "ReviewCandidate": "pricing.analysis.price_review",
            "drop_length": "pricing.analysis.cache_drops",
            "find_drop": "pricing.analysis.cache_drops",
            "LosingCustomer": "pricing.analysis.packaging",
            "Packaging": "pricing.analysis.packaging",
            "PairedTest": "pricing.analysis.paired_test",
            "paired_cases_needed": "pricing.analysis.paired_test",
            "paired_lower_bound": "pricing.analysis.paired_test",
            "Planned": "pricing.analysis.spend_forecast",
            "Rates": "pricing.analysis.price_review",
            "Review": "pricing.analysis.price_review",
            "advise_packaging": "pricing.analysis.packaging",
            "log_wealth": "pricing.analysis.confidence_sequences",
            "lower_bound": "pricing.analysis.confidence_sequences",
            "review": "pricing.analysis.price_review",
            "upper_bound": "pricing.analysis.confidence_sequences",
            "values_needed": "pricing.analysis.confidence_sequences",
            "wilson": "pricing.analysis.intervals",
        },
    )
