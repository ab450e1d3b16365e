"""Routing: targets, their order, circuit breakers and locked routes."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.routing.batch_history import LIVE_PERCENT, BatchHistory, BatchTime, batch_time
    from tasks.routing.breaker import BY_HAND, Breaker, BreakerEvent, Quarantine, open_domains
    from tasks.routing.complexity import THRESHOLD, Complexity, score
    from tasks.routing.locks import RouteLock, RouteLocks, model_of
    from tasks.routing.router import TYPICAL, Candidate, Route, Router, Size, describe, economic_reason, warnings_of
    from tasks.routing.service_tiers import (
        FLEX_MEDIAN,
        FLEX_SECONDS,
        RESERVE,
        ServiceTierChoice,
        ServiceTiers,
        TierOffer,
        choose_service_tier,
    )
    from tasks.routing.slo import ENOUGH, Quality, TargetSLO
    from tasks.routing.stats_cache import HoldsInUse, Observations
    from tasks.routing.target import Credential, ProviderName, StepTier, Target, Tier

__all__ = [
    "BY_HAND",
    "ENOUGH",
    "FLEX_MEDIAN",
    "FLEX_SECONDS",
    "LIVE_PERCENT",
    "RESERVE",
    "THRESHOLD",
    "TYPICAL",
    "BatchHistory",
    "BatchTime",
    "Breaker",
    "BreakerEvent",
    "Candidate",
    "Complexity",
    "Credential",
    "HoldsInUse",
    "Observations",
    "ProviderName",
    "Quality",
    "Quarantine",
    "Route",
    "RouteLock",
    "RouteLocks",
    "Router",
    "ServiceTierChoice",
    "ServiceTiers",
    "Size",
    "StepTier",
    "Target",
    "TargetSLO",
    "Tier",
    "TierOffer",
    "batch_time",
    "choose_service_tier",
    "describe",
    "economic_reason",
    "model_of",
    "open_domains",
    "score",
    "warnings_of",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "BY_HAND": "tasks.routing.breaker",
            "BatchHistory": "tasks.routing.batch_history",
            "BatchTime": "tasks.routing.batch_history",
            "Breaker": "tasks.routing.breaker",
            "BreakerEvent": "tasks.routing.breaker",
            "Candidate": "tasks.routing.router",
            "Complexity": "tasks.routing.complexity",
            "Credential": "tasks.routing.target",
            "ENOUGH": "tasks.routing.slo",
            "HoldsInUse": "tasks.routing.stats_cache",
            "Observations": "tasks.routing.stats_cache",
            "ProviderName": "tasks.routing.target",
            "FLEX_MEDIAN": "tasks.routing.service_tiers",
            "FLEX_SECONDS": "tasks.routing.service_tiers",
            "RESERVE": "tasks.routing.service_tiers",
            "ServiceTierChoice": "tasks.routing.service_tiers",
            "ServiceTiers": "tasks.routing.service_tiers",
            "TierOffer": "tasks.routing.service_tiers",
            "LIVE_PERCENT": "tasks.routing.batch_history",
            "batch_time": "tasks.routing.batch_history",
            "choose_service_tier": "tasks.routing.service_tiers",
            "Quality": "tasks.routing.slo",
            "Quarantine": "tasks.routing.breaker",
            "Route": "tasks.routing.router",
            "RouteLock": "tasks.routing.locks",
            "RouteLocks": "tasks.routing.locks",
            "Router": "tasks.routing.router",
            "Size": "tasks.routing.router",
            "StepTier": "tasks.routing.target",
            "THRESHOLD": "tasks.routing.complexity",
            "TYPICAL": "tasks.routing.router",
            "Target": "tasks.routing.target",
            "TargetSLO": "tasks.routing.slo",
            "Tier": "tasks.routing.target",
            "describe": "tasks.routing.router",
            "economic_reason": "tasks.routing.router",
            "model_of": "tasks.routing.locks",
            "open_domains": "tasks.routing.breaker",
            "score": "tasks.routing.complexity",
            "warnings_of": "tasks.routing.router",
        },
    )
