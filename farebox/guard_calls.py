"""What guards will ask of models in a run, as a step of its plan: a quote is for the whole path."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from farebox.guarding import JUDGE
from farebox.judging import STEP
from guardrails import Guards
from pricing.quotes import ResolvedPlan, ResolvedStep
from tasks import Step

_ANSWERS = 2
"""Per turn, at most: the one that was judged, and the one that it had to be made up for with."""


def asked_operations(guards: Guards, automation: str, steps: Mapping[str, Step]) -> list[str]:
    """The operations that a run's budgets are about: those of its steps, and that of their guards if any asks."""
    asks = any(
        guards.of(automation, operation).plus(step.guards).asks()
        for operation, step in steps.items()
        if operation != JUDGE
    )
    return sorted({*steps, *([JUDGE] if asks else [])})


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
    return ResolvedPlan((*plan.steps, judging)), {**steps, JUDGE: STEP}
