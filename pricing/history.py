"""The scores of past runs at the current rate card, whatever card they ran under."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from pricing.clock import from_us
from pricing.errors import UnknownPrice
from pricing.ledger import Ledger, PastRun, RunUsage
from pricing.money import Nano
from pricing.plans import ResolvedPlan
from pricing.quotes import Mix, expected_cost, score_of
from pricing.rates import RateCard


def past_scores(
    ledger: Ledger,
    card: RateCard,
    automation: str,
    quality: str,
    *,
    stand_in: bool,
    mixes: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> tuple[list[float], datetime | None]:
    """The scores that a quote leans on, oldest first, and when the oldest of their runs ended.

    A run under another card is repriced, tokens and point alike. One whose models have no rate any more is left out.
    ``mixes`` tells of operations whose turns begin at several targets how many of a hundred do at each, now: the points
    of past runs are taken at the same shares, so that what is compared is comparable.
    """
    past = ledger.history(automation, quality, stand_in=stand_in)
    stale = past if mixes else [run for run in past if run.rate_version != card.version]
    repriced = _repriced(ledger, card, stale, mixes) if stale else {}
    scored = [(run, repriced.get(run.run_id, run.score)) for run in past]
    known: list[tuple[PastRun, float]] = [(run, score) for run, score in scored if score is not None]
    return [score for _, score in known], from_us(known[0][0].ended_at) if known else None


def _repriced(
    ledger: Ledger, card: RateCard, past: Sequence[PastRun], mixes: Mapping[str, Sequence[int]]
) -> dict[str, float | None]:
    used: dict[str, list[RunUsage]] = defaultdict(list)
    foreign = {run.run_id for run in past if run.rate_version != card.version}
    for usage in ledger.usage_of(sorted(foreign)) if foreign else ():
        used[usage.run_id].append(usage)
    score = {run.run_id: run.score for run in past}
    scores: dict[str, float | None] = {}
    point = cache(lambda plan, routes: _point(plan, routes, card, mixes))  # runs of a day mostly have one plan
    for run in ledger.runs(list(score)):
        try:
            if run.run_id in foreign:
                cost = sum(_cost(usage, card) for usage in used[run.run_id])
            else:
                cost = round(score[run.run_id] * run.point_nano)
            scores[run.run_id] = score_of(cost, point(run.plan, run.routes))
        except UnknownPrice:
            scores[run.run_id] = None
    return scores


def _cost(used: RunUsage, card: RateCard) -> Nano:
    """At the card; what was priced at its worst case has no tokens to reprice, and stays."""
    return card.price(used.model, used.provider, used.usage) if used.counted else used.cost_nano


def _point(plan: str, routes: str, card: RateCard, mixes: Mapping[str, Sequence[int]]) -> Nano:
    steps, by_operation = ResolvedPlan.from_json(json.loads(plan)).steps, json.loads(routes)
    return sum(
        expected_cost(step, _mix(by_operation[step.operation], mixes.get(step.operation)), card) for step in steps
    )


def _mix(route: Sequence[Mapping[str, Any]], percents: Sequence[int] | None) -> Mix:
    """Where a past run's turns were expected to begin, at today's shares where it is the same targets they go to."""
    begins = [one for one in route if "percent" in one]
    shares = [one["percent"] for one in begins]
    if percents is not None and len(percents) == len(shares):
        shares = list(percents)
    models = [(one["provider"], one["model"]) for one in begins or route[:1]]
    return tuple(zip(models, shares or [100], strict=True))
