"""Why an operation's turns go where they go, before any is asked: what ``farebox routes explain`` tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from farebox.runs.admission import Automation, standing_rules, stated_limits
from farebox.runs.planning import planned_route, pressure
from farebox.runtime import Runtime
from pricing import Nano, UsageError
from pricing.ledger import TargetStats
from pricing.quotes import INPUT_HEADROOM, PlanStep
from pricing.rates import STANDARD, ServiceTier
from tasks import Step
from tasks.providers import Message, ModelRequest, answer_limit, reasoning_allowance
from tasks.routing import (
    ENOUGH,
    TYPICAL,
    Complexity,
    Quality,
    Route,
    Size,
    StepTier,
    TargetSLO,
    Tier,
    score,
    warnings_of,
)


@dataclass(frozen=True, slots=True)
class ExplainedTarget:
    """One candidate. ``cost_nano`` is a turn as planned, failures counted in; ``worst_nano`` the most expensive
    attempt.

    ``evidence`` is whether enough was observed to move it; ``service_tier`` the service tier that is asked for there,
    ``None`` where that is left to the provider.
    """

    target: str
    tier: Tier
    provider: str
    model: str
    reason: str
    cost_nano: Nano
    worst_nano: Nano
    observed: TargetStats | None
    evidence: bool
    missed: str | None
    service_tier: ServiceTier | None = None


@dataclass(frozen=True, slots=True)
class ExplainedOperation:
    """One operation: its chain, and where complexity or pressure would begin instead.

    ``raised`` is the target that turns from ``threshold`` on begin at, as ``raised_percent`` of a hundred do.
    ``cheapest`` is where the economic route begins.
    """

    operation: str
    tier: StepTier
    floors: TargetSLO
    size: Size
    chain: tuple[ExplainedTarget, ...]
    cheapest: str
    threshold: float | None = None
    raised: str | None = None
    raised_percent: int | None = None
    complexity: Complexity | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The plan of an automation's turns, or of one operation's; ``economic`` says why the cheapest go first today."""

    automation: str
    quality: Quality
    economic: str | None
    operations: tuple[ExplainedOperation, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data; amounts are nano-dollars, times seconds."""
        return asdict(self)


def explain(
    runtime: Runtime,
    automation: Automation,
    *,
    quality: Quality,
    operation: str | None = None,
    prompt: str | None = None,
) -> Explanation:
    """The routes that a run started now would take.

    Args:
        runtime: the process's.
        automation: whose.
        quality: at which quality.
        operation: only this one's.
        prompt: a prompt as it would be sent, to be scored.

    Raises:
        UsageError: the automation has no such operation.
        UnknownPrice: a target has no rate.
    """
    runtime.observations.fresh()
    economic = pressure(runtime, standing_rules(runtime, automation, stated_limits(runtime)))
    planned = {step.operation: step for step in automation.plan.plan}
    if operation is not None and operation not in planned:
        near = get_close_matches(operation, planned, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(planned)}."
        raise UsageError(f"{automation.name} has no operation {operation[:60]!r}.", next_step=hint)
    text = _Teller(runtime, automation, quality, economic, prompt)
    operations = [text.operation(step) for name, step in planned.items() if operation in {None, name}]
    warnings = tuple(f"{text[0].upper()}{text[1:]}. {next_step}" for text, next_step in warnings_of(runtime.router))
    return Explanation(automation.name, quality, economic, tuple(operations), warnings)


class _Teller:
    def __init__(
        self, runtime: Runtime, automation: Automation, quality: Quality, economic: str | None, prompt: str | None
    ) -> None:
        self._runtime = runtime
        self._automation = automation
        self._quality: Quality = quality
        self._economic = economic
        self._prompt = prompt

    def operation(self, planned: PlanStep) -> ExplainedOperation:
        step = self._automation.plan.steps[planned.operation]
        size = _size(planned)
        complexity = None
        if self._prompt is not None:
            complexity = score(ModelRequest([Message.of("user", self._prompt)], step.max_tokens))
        route = planned_route(
            self._runtime, self._automation.name, step, self._quality, size=size, economic=self._economic
        )
        cheapest = self._runtime.router.route(
            "light", self._quality, size=size, economic="asked for", service_tier=step.service_tier
        )[0]
        marked = [c for c in route if c.percent is not None and c.lock is None and c is not route[0]]
        tier: Tier = "light" if step.tier == "auto" else step.tier
        if marked and complexity is not None and complexity.tier(step.threshold) == "premium":
            tier = "premium"
            why = complexity.explain(step.threshold)
            route = self._runtime.router.route(
                "premium", self._quality, seconds=step.latency, size=size, why=why, service_tier=step.service_tier
            )
        wanted: Tier = "premium" if self._quality == "best" and tier == "light" else tier
        return ExplainedOperation(
            operation=planned.operation,
            tier=step.tier,
            floors=TargetSLO.of(wanted, self._quality, self._patience(step)),
            size=size,
            chain=self._chain(route, tier, step, planned),
            cheapest=cheapest.target.name,
            threshold=step.threshold if step.tier == "auto" else None,
            raised=marked[0].target.name if marked else None,
            raised_percent=marked[0].percent if marked else None,
            complexity=complexity,
        )

    def _patience(self, step: Step) -> float | None:
        """The step's latency limit in seconds: what it declares, or the deadline of the service tier flex."""
        if step.latency is None and step.service_tier == "flex":
            return self._runtime.settings.turns.flex_deadline_seconds
        return step.latency

    def _chain(self, route: Route, tier: Tier, step: Step, planned: PlanStep) -> tuple[ExplainedTarget, ...]:
        size = _size(planned)
        found = self._runtime.router.standings(
            tier, self._quality, seconds=step.latency, size=size, service_tier=step.service_tier
        )
        standings = {standing.target.name: standing for standing in found}
        most = planned.max_input_tokens or INPUT_HEADROOM * size.input_tokens
        chain = []
        for candidate in route:
            target, standing = candidate.target, standings[candidate.target.name]
            allowance = reasoning_allowance(target, step.reasoning, tools=step.max_turns > 1)
            output = answer_limit(target, step.max_tokens, allowance)
            worst = self._runtime.rates.worst(
                target.model,
                target.provider,
                min(most, target.window),
                output,
                service_tier=candidate.service_tier or STANDARD,
            )
            chain.append(
                ExplainedTarget(
                    target=target.name,
                    tier=target.tier,
                    provider=target.provider,
                    model=target.model,
                    reason=candidate.reason,
                    cost_nano=standing.cost,
                    worst_nano=worst,
                    observed=standing.observed,
                    evidence=standing.observed is not None and standing.observed.n >= ENOUGH,
                    missed=standing.missed,
                    service_tier=candidate.service_tier,
                )
            )
        return tuple(chain)


def _size(planned: PlanStep) -> Size:
    """The size of a step's turns in tokens; where only parameters determine it, that of a typical turn."""
    read = planned.declared_input()
    written = planned.declared_output()
    return Size(TYPICAL.input_tokens if read is None else read, TYPICAL.output_tokens if written is None else written)
