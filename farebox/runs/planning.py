"""Routes and expected model calls of an automation before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil

from farebox.config.guard_settings import JUDGE
from farebox.judging.ask import STEP
from farebox.runtime import Runtime
from guardrails import Guards
from pricing.ledger import BudgetRule, CacheUse, complexities
from pricing.quotes import CachedPrompt, CachedPrompts, Counter, PlanCost, ResolvedPlan, ResolvedStep
from pricing.tokens import MediaSize, count_tokens
from tasks import Step
from tasks.providers import usual_thinking_tokens
from tasks.routing import ENOUGH, TYPICAL, Quality, Route, Size

_ANSWERS = 2
"""Per turn, at most: the one that was judged, and the one that it had to be made up for with."""


def asked_operations(
    guards: Guards, automation: str, steps: Mapping[str, Step], costs: Iterable[PlanCost] = ()
) -> list[str]:
    """The operations that a run's budgets are about: those of its steps and of its costs that are not tokens, and that
    of its guards if any asks.
    """
    asks = any(
        guards.of(automation, operation).plus(step.guards).asks()
        for operation, step in steps.items()
        if operation != JUDGE
    )
    return sorted({*steps, *(cost.operation for cost in costs), *([JUDGE] if asks else [])})


def with_guard_calls(
    guards: Guards, automation: str, plan: ResolvedPlan, steps: Mapping[str, Step]
) -> tuple[ResolvedPlan, Mapping[str, Step]]:
    """The plan and its steps with what the guards of each step are expected to ask, as one step named ``judge``.

    Their calls differ in length; the step has as many as are expected, rounded up, and their tokens between them. An
    automation that plans an operation of that name itself knows better.
    """
    if JUDGE in steps:
        return plan, steps
    expected, read, written, most, longest = 0.0, 0.0, 0.0, 0, 0
    for step in plan.steps:
        pipeline = guards.of(automation, step.operation).plus(steps[step.operation].guards)
        for direction, asks in pipeline.asks():
            seen, limit = (
                (step.input_tokens, step.max_input_tokens)
                if direction == "input"
                else (step.output_tokens, steps[step.operation].max_tokens)
            )
            calls = step.calls * asks.share
            expected += calls
            read += calls * (asks.input_tokens + min(seen, asks.reads))
            written += calls * asks.output_tokens
            most += _ANSWERS * step.max_calls
            longest = max(longest, asks.input_tokens + min(limit, asks.reads))
    if not most:
        return plan, steps
    calls = ceil(expected)
    mean = [ceil(tokens / calls) if calls else 0 for tokens in (read, written)]
    judging = ResolvedStep(JUDGE, calls, mean[0], mean[1], max(calls, most), max(longest, mean[0]))
    return replace(plan, steps=(*plan.steps, judging)), {**steps, JUDGE: STEP}


def planned_routes(
    runtime: Runtime,
    automation: str,
    plan: ResolvedPlan,
    steps: Mapping[str, Step],
    *,
    quality: Quality,
    economic: str | None = None,
) -> dict[str, Route]:
    """By operation, where its turns may go. Reads the ledger if what is known of the targets is old.

    An ``auto`` step's route is that of its light turns, marked with how many of a hundred turns begin at which target:
    as in the automation's newest runs; all of them light, as long as fewer than ``ENOUGH`` turns were scored.

    Raises:
        UnknownPrice: a target has no rate.
    """
    runtime.observations.fresh()
    sizes = {step.operation: Size(step.input_tokens, step.output_tokens) for step in plan.steps}
    return {
        operation: planned_route(
            runtime, automation, step, quality, size=sizes.get(operation, TYPICAL), economic=economic
        )
        for operation, step in steps.items()
    }


def planned_route(
    runtime: Runtime, automation: str, step: Step, quality: Quality, *, size: Size, economic: str | None = None
) -> Route:
    """The route of one step."""

    def at_tier(tier: str) -> Route:
        wanted = "premium" if tier == "premium" else "light" if step.tier == "auto" else step.tier
        return runtime.router.route(
            wanted,
            quality,
            seconds=step.latency,
            size=size,
            economic=economic,
            lock=lock,
            service_tier=step.service_tier,
        )

    lock = runtime.locks.of(automation, step.operation)
    usual = at_tier(step.tier)
    if step.tier != "auto":
        return usual
    raised = at_tier("premium")[0].target
    if raised is usual[0].target:  # by quality, or because money runs short
        return usual
    percent = _raised_percent(runtime, automation, step, stand_in=usual[0].target.stand_in)
    percents = {usual[0].target.name: 100 - percent, raised.name: percent}
    return tuple(replace(candidate, percent=percents.get(candidate.target.name)) for candidate in usual)


def with_thoughts(route: Route, step: Step) -> Route:
    """A step's route with what each model usually thinks before an answer; a step of several turns may have tools."""
    tools = step.max_turns > 1
    thinking = [usual_thinking_tokens(candidate.target, step.reasoning, tools=tools) for candidate in route]
    return tuple(
        replace(candidate, thinking=tokens) if tokens else candidate
        for candidate, tokens in zip(route, thinking, strict=True)
    )


def spread(route: Route, turns: Mapping[str, int]) -> Route:
    """A route of which so many turns begin at each target, by its name, whatever its order: a calibration's."""
    total = sum(turns.values())
    if not total:
        return route
    shares = {name: 100 * count / total for name, count in turns.items()}
    percents = {name: int(share) for name, share in shares.items()}
    for name in sorted(shares, key=lambda name: percents[name] - shares[name])[: 100 - sum(percents.values())]:
        percents[name] += 1
    return tuple(replace(candidate, percent=percents.get(candidate.target.name)) for candidate in route)


def token_counter(
    runtime: Runtime, automation: str, steps: Mapping[str, Step], quality: Quality, economic: str | None
) -> Counter:
    """Counts what plans say by a text, images or pages: offline, by the model that a step begins at.

    Texts are counted times what bills have taught of it.
    """

    def count(operation: str, text: str, media: Sequence[MediaSize]) -> int:
        route = planned_route(runtime, automation, steps[operation], quality, size=TYPICAL, economic=economic)
        target = route[0].target
        factor = runtime.token_factors.fresh().of(target.model, operation, stand_in=target.stand_in)
        return replace(count_tokens(text), media=tuple(media)).expected(factor, target.model)

    return count


def cached_prompts(runtime: Runtime, automation: str, quality: str, *, stand_in: bool) -> dict[str, CachedPrompts]:
    """By operation, what its newest runs had in a prompt cache; nothing where they had nothing, or there are none.

    One call writes it and the others read it where turns wait for one another and some have read it.
    """
    found: dict[str, dict[tuple[str, str], CachedPrompt]] = {}
    waits = runtime.settings.turns.cache_wait_seconds > 0
    for one in CacheUse(runtime.store).prompts(automation, quality, stand_in=stand_in):
        prompt = CachedPrompt(one.tokens, waits and one.was_read)
        found.setdefault(one.operation, {})[one.provider, one.model] = prompt
    return dict(found)


def pressure(runtime: Runtime, rules: Iterable[BudgetRule]) -> str | None:
    """Why a run should take the economic route from its start: a budget whose soft threshold is spent.

    What is merely held does not count: most of it is released again.
    """
    states = {(state.scope, state.key, state.window): state for state in runtime.ledger.budgets()}
    for rule in rules:
        state = states.get((rule.scope, rule.key, rule.window))
        if state is None or not state.spent:
            continue
        limit = state.limit if state.raised else rule.limit
        if state.spent >= runtime.settings.routing.pressure * limit:
            return f"budget {rule.name!r} is {state.spent / limit:.0%} spent"
    return None


def _raised_percent(runtime: Runtime, automation: str, step: Step, *, stand_in: bool) -> int:
    """The percentage of turns whose complexity is at or above the step's threshold."""
    scores = complexities(runtime.ledger, automation, step.operation, stand_in=stand_in)
    if len(scores) < ENOUGH:
        return 0
    return round(100 * sum(score >= step.threshold for score in scores) / len(scores))
