"""The scores of past runs at the current rate card, whatever card they ran under."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from pricing.clock import from_us
from pricing.errors import UnknownPrice
from pricing.facts import Run
from pricing.ledger import Ledger, PastRun, RunUsage
from pricing.money import Nano
from pricing.plans import ResolvedPlan
from pricing.quotes import ModelAt, score_of
from pricing.rates import RateCard
from pricing.usage import Usage


def past_scores(
    ledger: Ledger, card: RateCard, automation: str, quality: str, *, stand_in: bool
) -> tuple[list[float], datetime | None]:
    """The scores that a quote leans on, oldest first, and when the oldest of their runs ended.

    A run under another card is repriced, tokens and point alike. One whose models have no rate any more is left out.
    """
    past = ledger.history(automation, quality, stand_in=stand_in)
    foreign = [run.run_id for run in past if run.rate_version != card.version]
    repriced = _repriced(ledger, card, foreign) if foreign else {}
    scored = [(run, repriced.get(run.run_id) if run.run_id in foreign else run.score) for run in past]
    known: list[tuple[PastRun, float]] = [(run, score) for run, score in scored if score is not None]
    return [score for _, score in known], from_us(known[0][0].ended_at) if known else None


def _repriced(ledger: Ledger, card: RateCard, run_ids: Sequence[str]) -> dict[str, float | None]:
    used: dict[str, list[RunUsage]] = defaultdict(list)
    for usage in ledger.usage_of(run_ids):
        used[usage.run_id].append(usage)
    scores: dict[str, float | None] = {}
    for run in ledger.runs(run_ids):
        try:
            scores[run.run_id] = score_of(sum(_cost(usage, card) for usage in used[run.run_id]), _point(run, card))
        except UnknownPrice:
            scores[run.run_id] = None
    return scores


def _cost(used: RunUsage, card: RateCard) -> Nano:
    """At the card; what was priced at its worst case has no tokens to reprice, and stays."""
    return card.price(used.model, used.provider, used.usage) if used.counted else used.cost_nano


def _point(run: Run, card: RateCard) -> Nano:
    plan = ResolvedPlan.from_json(json.loads(run.plan))
    primary: dict[str, ModelAt] = {
        operation: (route[0]["provider"], route[0]["model"]) for operation, route in json.loads(run.routes).items()
    }
    total = 0
    for step in plan.steps:
        provider, model = primary[step.operation]
        total += step.calls * card.price(model, provider, Usage(step.input_tokens, step.output_tokens))
    return total
