"""What several tests of the ledger share."""

import uuid
from typing import Any

import sqlalchemy as sa

from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Completion, Intent, Run
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from pricing.usage import Usage

NOON = 1_790_000_000_000_000


def a_run(held: int = USD, automation: str = "digest") -> Run:
    values: dict[str, Any] = {
        "run_id": uuid.uuid4().hex,
        "automation": automation,
        "quality": "fast",
        "plan": "[]",
        "routes": "{}",
        "rate_version": "v1",
        "method": "prior",
        "history": 0,
        "point_nano": held // 2,
        "p50_nano": held // 2,
        "p95_nano": held,
        "ceiling_nano": held * 4,
        "held_nano": held,
        "stand_in": True,
        "started_at": NOON,
    }
    return Run(**values)


def an_intent(run: Run, worst: int = USD // 10) -> Intent:
    return Intent(
        attempt_id=uuid.uuid4().hex,
        turn_id=uuid.uuid4().hex,
        run_id=run.run_id,
        operation="summarize",
        hop=0,
        ordinal=0,
        reason="first choice",
        target="light",
        provider="groq",
        account="default",
        model="m",
        tier="light",
        stand_in=True,
        worst_nano=worst,
        rate_version="v1",
        started_at=NOON,
    )


def ok(cost: int) -> Completion:
    return Completion("ok", Usage(10, 5), cost, "usage", 1000, status=200)


def per_day(limit: int, key: str = "digest") -> BudgetRule:
    return BudgetRule("automation", key, "day", limit)


def rows(ledger: Ledger, table: sa.Table) -> list[dict[str, Any]]:
    with ledger.store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]


RULES = [BudgetRule("org", "acme", "day", 1000 * USD)]


DONE = Completion("ok", Usage(10, 5), USD // 100, "usage", 1)
