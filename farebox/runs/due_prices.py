"""Quotes of runs with a due time: the service tiers that turns are expected to ask for, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from farebox.config.guard_settings import JUDGE
from farebox.runtime import Runtime
from pricing import Usage, now_us, to_us
from pricing.quotes import ResolvedPlan, ResolvedStep
from tasks import Step
from tasks.batches import batch_refusal
from tasks.providers import spec_of
from tasks.routing import FLEX_MEDIAN, LIVE_PERCENT, BatchTime, Candidate, Route, Target

_LONG_MINUTES: Final = 90


class ExpectedTime(NamedTuple):
    """The expected duration of a run that waits for batches or the flex tier, in seconds, and the number of past
    batches it is based on.
    """

    median: float
    p95: float
    batches: int


def expected_words(expected: ExpectedTime | None) -> str | None:
    """The expected duration as text; ``None`` where the run does not wait."""
    if expected is None:
        return None
    past = "1 past batch" if expected.batches == 1 else f"{expected.batches} past batches"
    based = f"by {past}" if expected.batches else "assumed, without past batches"
    return f"in about {_words(expected.median)}, 95 of 100 times within {_words(expected.p95)} ({based})"


def _words(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < _LONG_MINUTES else f"{minutes / 60:.2g} h"


def can_be_batched(step: Step) -> bool:
    """Whether the turns of a step may wait for a batch: those of one turn, whose answers no other turn waits for."""
    return step.max_turns == 1


def with_service_tiers(
    runtime: Runtime,
    routes: Mapping[str, Route],
    planned: Iterable[ResolvedStep],
    steps: Mapping[str, Step],
    *,
    due_at: int | None,
    durable: bool,
    at: datetime | None = None,
) -> dict[str, Route]:
    """The routes with the service tier that the turns of each candidate are expected to ask for.

    Args:
        runtime: knows what targets offer.
        routes: by operation.
        planned: the steps as they are planned.
        steps: as they are declared, by operation.
        due_at: by when the run is to be done, in microseconds UTC.
        durable: whether the run keeps its answers, without which it cannot wait for a batch.
        at: when it starts; now, if left out.

    Raises:
        UnknownPrice: a target has no rate.
    """
    found, now = dict(routes), now_us() if at is None else to_us(at)
    if due_at is None:
        return found
    runtime.batch_histories.fresh()
    batches = durable and runtime.settings.batches.enabled
    for one in planned:
        batched = batches and one.operation != JUDGE and can_be_batched(steps[one.operation])
        found[one.operation] = tuple(
            _asked(runtime, candidate, one, due_at=due_at, now=now, batched=batched)
            for candidate in routes[one.operation]
        )
    return found


def _asked(
    runtime: Runtime, candidate: Candidate, step: ResolvedStep, *, due_at: int, now: int, batched: bool
) -> Candidate:
    usage = Usage(step.input_tokens, step.output_tokens + candidate.thinking)
    choice = runtime.service_tiers.choose(
        candidate.target,
        usage,
        due_at=due_at,
        now=now,
        batched=batched and _fits_batch(candidate.target, step.calls),
        named=candidate.service_tier,
        reserve=runtime.settings.batches.reserve_seconds,
    )
    if choice.service_tier != "batch":  # another reserve is kept for what is asked within minutes
        choice = runtime.service_tiers.choose(
            candidate.target, usage, due_at=due_at, now=now, batched=False, named=candidate.service_tier
        )
    if choice.live_at is None:
        return candidate
    if choice.service_tier != "batch":
        return replace(candidate, service_tier=choice.service_tier, live_percent=LIVE_PERCENT)
    percent = runtime.service_tiers.history(candidate.target.provider).live_percent
    return replace(candidate, service_tier=choice.service_tier, live_percent=percent)


def _fits_batch(target: Target, calls: int) -> bool:
    """Whether this number of turns can be one batch of a target."""
    rules = spec_of(target.provider).features.batches
    return rules is not None and calls >= rules.least and batch_refusal(target) is None


def expected_time(runtime: Runtime, plan: ResolvedPlan, routes: Mapping[str, Route]) -> ExpectedTime | None:
    """How long the steps take that wait, one after the other; ``None`` where none does.

    Turns of one step wait together. That steps wait for one another is not known, so this is the longest.
    """
    waits, batches = list[BatchTime](), list[int]()
    for operation in dict.fromkeys(step.operation for step in plan.steps if step.calls):
        first = routes[operation][0]
        if not first.live_percent:  # it does not wait, or is asked so whatever the due time
            continue
        if first.service_tier == "batch":
            waits.append(runtime.service_tiers.history(first.target.provider).time)
            batches.append(waits[-1].batches)
        else:
            waits.append(BatchTime(FLEX_MEDIAN, runtime.service_tiers.flex_seconds))
    if not waits:
        return None
    return ExpectedTime(sum(one.median for one in waits), sum(one.p95 for one in waits), min(batches, default=0))
