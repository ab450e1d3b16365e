"""A guard's decision as it is written down: places, counts and limits, no text."""

from __future__ import annotations

from typing import Any

from guardrails import GuardDecision
from pricing import to_us
from tasks.providers.json_shapes import dump


def decision_row(decision: GuardDecision, turn_id: str) -> dict[str, Any]:
    """The row of ``guard_decisions``. Most guards have nothing to tell, so nothing is made JSON of for them."""
    spans = [[span.part, span.start, span.end, span.kind] for span in decision.spans]
    facts = {**decision.facts, "error": decision.error} if decision.error else dict(decision.facts)
    return {
        "run_id": decision.run_id,
        "operation": decision.operation,
        "guard": decision.guard,
        "version": decision.version,
        "mode": decision.mode,
        "direction": decision.direction,
        "action": decision.action,
        "reason": decision.reason,
        "latency_us": decision.latency_us,
        "cost_nano": decision.cost_nano,
        "spans": dump(spans) if spans else "[]",
        "facts": dump(facts) if facts else "{}",
        "turn_id": turn_id,
        "decided_at": to_us(decision.at),
    }
