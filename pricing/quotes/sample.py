"""A quote from a sample: what a whole run costs, estimated from a few of its items that were run for real.

The turns of each operation are reweighted for every simulated sample (a Bayesian bootstrap), so that the p50 and the
p95 of the whole run have an interval of their own: of what so few items can say.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from pricing.money import Nano
from pricing.quotes.plan import ResolvedPlan

_DRAWS = 1_000
_SEED = 5
_LEVEL = 0.9
_Z95 = 1.6449
_LOOSE = 0.5
"""Relative spread of an operation that was seen once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Nano-dollars, and the ends between which it lies with 90 %."""

    amount: Nano
    low: Nano
    high: Nano


@dataclass(frozen=True, slots=True)
class SampleQuote:
    """What a whole run costs by a sample of it; ``turns`` is how many turns and paid requests that had."""

    p50: Estimate
    p95: Estimate
    turns: int
    unseen: tuple[str, ...]
    """Operations of the plan that the sample did not reach: they are left out."""


def quote_from_sample(seen: Mapping[str, Sequence[Nano]], sampled: ResolvedPlan, whole: ResolvedPlan) -> SampleQuote:
    """The quote of a whole run.

    Args:
        seen: by operation, what each of its turns in the sample cost.
        sampled: the plan of the sample.
        whole: the plan of the whole run.

    Example:
        ``quote_from_sample({"summarize": [900, 1100, 950]}, plan_of_three, plan_of_thirty)``
    """
    planned, wanted = (_calls(plan) for plan in (sampled, whole))
    known = {name: costs for name, costs in seen.items() if costs}
    times = {
        name: len(costs) * wanted.get(name, planned.get(name, 0) or len(costs)) / (planned.get(name) or len(costs))
        for name, costs in known.items()
    }
    dice = random.Random(_SEED)  # noqa: S311 - no secret is drawn
    p50s, p95s = [], []
    for _ in range(_DRAWS):
        mean = variance = 0.0
        for name, costs in known.items():
            one, spread = _drawn(dice, costs)
            mean += times[name] * one
            variance += times[name] * spread
        p50s.append(mean)
        p95s.append(mean + _Z95 * sqrt(variance))
    unseen = tuple(name for name, calls in wanted.items() if calls and name not in known)
    return SampleQuote(_estimate(p50s), _estimate(p95s), sum(map(len, known.values())), unseen)


def _drawn(dice: random.Random, costs: Sequence[Nano]) -> tuple[float, float]:
    """The mean and the variance of one turn, as another sample might show them."""
    if len(costs) == 1:
        mean = costs[0] * max(0.1, dice.gauss(1.0, _LOOSE))
        return mean, (_LOOSE * costs[0]) ** 2
    weights = [dice.expovariate(1.0) for _ in costs]
    total = sum(weights)
    mean = sum(weight * cost for weight, cost in zip(weights, costs, strict=True)) / total
    second = sum(weight * (cost - mean) ** 2 for weight, cost in zip(weights, costs, strict=True)) / total
    return mean, second * len(costs) / (len(costs) - 1)


def _calls(plan: ResolvedPlan) -> dict[str, int]:
    calls: dict[str, int] = {}
    for operation, planned in [
        *((step.operation, step.calls) for step in plan.steps),
        *((cost.operation, cost.calls) for cost in plan.costs),
    ]:
        calls[operation] = calls.get(operation, 0) + planned
    return calls


def _estimate(values: Sequence[float]) -> Estimate:
    ascending = sorted(values)
    places = (0.5, (1 - _LEVEL) / 2, (1 + _LEVEL) / 2)
    return Estimate(*(round(ascending[min(len(ascending) - 1, int(place * len(ascending)))]) for place in places))
