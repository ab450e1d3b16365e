"""Small ledgers, written through the ledger itself."""

import itertools
from typing import Any
from zoneinfo import ZoneInfo

from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Completion, Intent, Run, Turn
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from pricing.usage import Usage

NOON = 1_790_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
CENT = USD // 100


class Books:
    """Writes runs down, one short call each; ``clock`` is the time the ledger believes it is."""

    def __init__(self, store: Store) -> None:
        self.clock = NOON
        self.ledger = Ledger(store, zone=ZoneInfo("UTC"), lease_seconds=60, clock=lambda: self.clock)
        self._numbers = itertools.count(1)

    def run(self, run_id: str, *, held: int = USD, rules: tuple[BudgetRule, ...] = (), **changed: Any) -> Run:
        values: dict[str, Any] = {
            "run_id": run_id,
            "automation": "digest",
            "quality": "fast",
            "plan": "[]",
            "routes": "{}",
            "rate_version": "2026-11-01",
            "method": "student_t",
            "history": 12,
            "point_nano": 10 * CENT,
            "p50_nano": 12 * CENT,
            "p95_nano": 20 * CENT,
            "ceiling_nano": 400 * CENT,
            "held_nano": held,
            "stand_in": False,
            "started_at": self.clock,
        }
        run = Run(**(values | changed))
        self.ledger.admit(run, rules)
        return run

    def intent(
        self, run: Run, turn_id: str, *, operation: str = "summarize", worst: int = 5 * CENT, **changed: Any
    ) -> Intent:
        values: dict[str, Any] = {
            "attempt_id": f"a{next(self._numbers)}",
            "turn_id": turn_id,
            "run_id": run.run_id,
            "operation": operation,
            "hop": 0,
            "ordinal": 0,
            "reason": "primary, light",
            "target": "haiku",
            "provider": "bedrock",
            "account": "default",
            "model": "claude-haiku-4-5",
            "tier": "light",
            "stand_in": run.stand_in,
            "worst_nano": worst,
            "rate_version": run.rate_version,
            "started_at": self.clock,
        }
        intent = Intent(**(values | changed))
        assert self.ledger.begin(intent).result() == []
        return intent

    def end(self, intent: Intent, cost: int, outcome: str = "ok", **changed: Any) -> None:
        values: dict[str, Any] = {
            "outcome": outcome,
            "usage": Usage(1000, 200, 400) if outcome == "ok" else Usage(),
            "cost_nano": cost,
            "priced": "usage" if outcome == "ok" else ("worst_case" if cost else "unbilled"),
            "duration_us": 400_000,
            "status": 200 if outcome == "ok" else 503,
        }
        self.ledger.end(intent, Completion(**(values | changed))).result()

    def turn(self, run: Run, turn_id: str, attempts: int, outcome: Any = "answered", **changed: Any) -> None:
        values: dict[str, Any] = {
            "turn_id": turn_id,
            "run_id": run.run_id,
            "operation": "summarize",
            "prompt": "summarize.j2",
            "prompt_version": "v",
            "route": "[]",
            "outcome": outcome,
            "reason": None,
            "target": "haiku" if outcome == "answered" else None,
            "attempts": attempts,
            "repaired": False,
            "started_at": self.clock,
            "duration_us": 1_200_000,
        }
        self.ledger.record_turn(Turn(**(values | changed))).result()

    def answered(self, run: Run, turn_id: str, cost: int, *, operation: str = "summarize", **changed: Any) -> None:
        """One turn, answered at the first attempt."""
        intent = self.intent(run, turn_id, operation=operation, **changed)
        self.end(intent, cost)
        self.turn(run, turn_id, 1, operation=operation, target=intent.target)

    def decided(self, run: Run, action: str, reason: str | None, **changed: Any) -> None:
        row: dict[str, Any] = {
            "run_id": run.run_id,
            "operation": "summarize",
            "guard": "pii",
            "version": "1",
            "mode": "enforce",
            "direction": "input",
            "action": action,
            "reason": reason,
            "latency_us": 5,
            "cost_nano": 0,
            "spans": "[]",
            "decided_at": self.clock,
        }
        with self.ledger.store.write() as connection:
            connection.execute(schema.guard_decisions.insert(), row | changed)
