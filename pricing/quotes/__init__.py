"""Plans and quotes: what a run will cost, before it runs."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.quotes.history import History
    from pricing.quotes.plan import (
        INPUT_HEADROOM,
        Begins,
        Calls,
        Counter,
        Images,
        Plan,
        PlanCost,
        PlanStep,
        ResolvedCost,
        ResolvedPlan,
        ResolvedStep,
        Tokens,
    )
    from pricing.quotes.prediction import quote_amount, quote_scores
    from pricing.quotes.quote import (
        CachedPrompt,
        CachedPrompts,
        FirstGuess,
        ModelAt,
        OperationTargets,
        Quote,
        learned_quote,
        make_quote,
        worst_cost,
    )
    from pricing.quotes.sample import Estimate, SampleQuote, quote_from_sample

__all__ = [
    "INPUT_HEADROOM",
    "Begins",
    "CachedPrompt",
    "CachedPrompts",
    "Calls",
    "Counter",
    "Estimate",
    "FirstGuess",
    "History",
    "Images",
    "ModelAt",
    "OperationTargets",
    "Plan",
    "PlanCost",
    "PlanStep",
    "Quote",
    "ResolvedCost",
    "ResolvedPlan",
    "ResolvedStep",
    "SampleQuote",
    "Tokens",
    "learned_quote",
    "make_quote",
    "quote_amount",
    "quote_from_sample",
    "quote_scores",
    "worst_cost",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "CachedPrompt": "pricing.quotes.quote",
            "CachedPrompts": "pricing.quotes.quote",
            "Begins": "pricing.quotes.plan",
            "Images": "pricing.quotes.plan",
            "Calls": "pricing.quotes.plan",
            "Counter": "pricing.quotes.plan",
            "Estimate": "pricing.quotes.sample",
            "SampleQuote": "pricing.quotes.sample",
            "quote_from_sample": "pricing.quotes.sample",
            "History": "pricing.quotes.history",
            "INPUT_HEADROOM": "pricing.quotes.plan",
            "ModelAt": "pricing.quotes.quote",
            "OperationTargets": "pricing.quotes.quote",
            "Plan": "pricing.quotes.plan",
            "PlanCost": "pricing.quotes.plan",
            "PlanStep": "pricing.quotes.plan",
            "Quote": "pricing.quotes.quote",
            "ResolvedCost": "pricing.quotes.plan",
            "ResolvedPlan": "pricing.quotes.plan",
            "ResolvedStep": "pricing.quotes.plan",
            "Tokens": "pricing.quotes.plan",
            "FirstGuess": "pricing.quotes.quote",
            "learned_quote": "pricing.quotes.quote",
            "make_quote": "pricing.quotes.quote",
            "quote_amount": "pricing.quotes.prediction",
            "quote_scores": "pricing.quotes.prediction",
            "worst_cost": "pricing.quotes.quote",
        },
    )
