"""Why the turns of a run with a due time are asked live: what hinders a cheaper service tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from farebox.config.guard_settings import JUDGE
from farebox.runs.due_prices import can_be_batched
from farebox.runtime import Runtime
from pricing import Usage, now_us, to_us
from pricing.quotes import ResolvedPlan, ResolvedStep
from tasks import Step
from tasks.batches import batch_refusal
from tasks.providers import spec_of
from tasks.routing import Candidate, Route, Target


def live_reasons(
    runtime: Runtime,
    routes: Mapping[str, Route],
    plan: ResolvedPlan,
    steps: Mapping[str, Step],
    *,
    due_at: int,
    durable: bool,
    at: datetime | None = None,
) -> tuple[str, ...]:
    """The reasons, each once, in the order of the plan; each is part of a sentence.

    Args:
        runtime: knows what targets offer.
        routes: by operation, as they are for a run without a due time.
        plan: of the run.
        steps: as they are declared, by operation.
        due_at: by when the run is to be done, in microseconds UTC.
        durable: whether the run keeps its answers.
        at: when it starts; now, if left out.

    Raises:
        UnknownPrice: a target has no rate.
    """
    now = now_us() if at is None else to_us(at)
    found = dict[str, None]()
    for planned in plan.steps:
        if planned.calls:
            first, step = routes[planned.operation][0], steps[planned.operation]
            found |= dict.fromkeys(_reasons(runtime, first, planned, step, due_at - now, durable=durable))
    return tuple(found)


def _reasons(
    runtime: Runtime, first: Candidate, planned: ResolvedStep, step: Step, left: int, *, durable: bool
) -> Iterator[str]:
    if first.service_tier is not None:
        yield f"{planned.operation} is asked at the service tier {first.service_tier}, which is set"
        return
    target, usage = first.target, Usage(planned.input_tokens, planned.output_tokens + first.thinking)
    tiers = runtime.service_tiers
    best = tiers.choose(
        target, usage, due_at=left, now=0, batched=True, reserve=runtime.settings.batches.reserve_seconds
    )
    if best.service_tier == "batch":  # there is a price and the time for one
        yield from _hindrances(runtime, target, planned, step, durable=durable)
        return
    prices = tiers.offer(target, usage, batched=True).prices
    if min(prices.values()) == prices["standard"]:
        yield f"target {target.name} has no cheaper service tier"
    else:
        yield "no cheaper service tier answers in time"


def _hindrances(runtime: Runtime, target: Target, planned: ResolvedStep, step: Step, *, durable: bool) -> Iterator[str]:
    """The reasons why turns cannot be in a batch that would be cheaper and back in time."""
    if not runtime.settings.batches.enabled:
        yield "[batches] enabled is false in farebox.toml"
    if not durable:
        yield "a run that keeps no answers cannot wait for a batch"
    if planned.operation == JUDGE:
        yield "judges of guards are always asked live"
    elif not can_be_batched(step):
        yield f"turns of {planned.operation} cannot wait for a batch, since it takes several (max_turns)"
    rules = spec_of(target.provider).features.batches
    if rules is not None and planned.calls < rules.least:
        least = f"a batch of {target.provider} has at least {rules.least:,} turns"
        yield f"{least}, and {planned.operation} plans {planned.calls:,}"
    if (refusal := batch_refusal(target)) is not None:
        yield refusal
