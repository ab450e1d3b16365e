"""Runs that were sold, written into a ledger in bulk: what each cost, earned, when and for whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pricing.clock import to_us
from pricing.db import schema
from pricing.db.database import Store

_MODEL = ("haiku", "bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", "light")


@dataclass(frozen=True)
class SoldRun:
    """One run; ``price_nano`` is charged if it completed."""

    at: datetime
    cost_nano: int
    price_nano: int
    org: str | None = None
    user: str | None = None
    earned: bool = True
    automation: str = "daily-digest"
    quality: str = "fast"
    point_nano: int = 10_000_000
    p95_nano: int = 25_000_000


def write_sold_runs(store: Store, runs: Iterable[SoldRun]) -> None:
    """One model call a run, priced by its usage."""
    rows: dict[str, list[dict[str, Any]]] = {"runs": [], "turns": [], "attempts": [], "settlements": []}
    for number, run in enumerate(sorted(runs, key=lambda one: one.at)):
        for name, row in _rows(f"{number:08x}-sold", run).items():
            rows[name].append(row)
    with store.write() as connection:
        for table in schema.FACTS:
            if rows.get(table.name):
                connection.execute(table.insert(), rows[table.name])


def _rows(run_id: str, run: SoldRun) -> dict[str, dict[str, Any]]:
    at, held = to_us(run.at), max(run.p95_nano * 5 // 4, run.cost_nano)
    target, provider, model, tier = _MODEL
    turn = {
        "turn_id": f"{run_id}-1", "run_id": run_id, "operation": "summarize", "prompt": "summarize",
        "prompt_version": "1", "route": "[]", "outcome": "answered", "reason": None, "target": target, "attempts": 1,
        "repaired": False, "saved_nano": 0, "started_at": at - 3_000_000, "duration_us": 800_000,
    }  # fmt: skip
    return {
        "runs": {
            "run_id": run_id, "automation": run.automation, "quality": run.quality, "user_id": run.user,
            "org_id": run.org, "plan": "[]", "routes": "{}", "rate_version": "2026-11-01", "method": "conformal",
            "history": 300, "point_nano": run.point_nano, "p50_nano": run.point_nano, "p95_nano": run.p95_nano,
            "ceiling_nano": 100 * run.p95_nano, "held_nano": held, "stand_in": False, "started_at": at - 4_000_000,
            "price_nano": run.price_nano,
        },
        "turns": turn,
        "attempts": {
            "attempt_id": f"{run_id}-1-0", "turn_id": turn["turn_id"], "run_id": run_id, "operation": "summarize",
            "hop": 0, "ordinal": 0, "reason": f"primary, {tier}", "target": target, "provider": provider,
            "account": "default", "model": model, "tier": tier, "stand_in": False, "outcome": "ok", "status": 200,
            "input_tokens": run.cost_nano // 1_000, "output_tokens": 0, "worst_nano": run.cost_nano * 4,
            "cost_nano": run.cost_nano, "priced": "usage", "saved_nano": 0, "rate_version": "2026-11-01",
            "started_at": at - 3_000_000, "duration_us": 700_000,
        },
        "settlements": {
            "run_id": run_id, "ordinal": 0, "automation": run.automation, "quality": run.quality, "stand_in": False,
            "outcome": "completed" if run.earned else "failed", "budgets": "[]", "held_nano": held,
            "spent_nano": run.cost_nano, "released_nano": held - run.cost_nano, "rate_version": "2026-11-01",
            "ended_at": at, "charged_nano": run.price_nano if run.earned else 0,
        },
    }  # fmt: skip
