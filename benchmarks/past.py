"""A ledger with a past: runs that were settled, and the attempts they made, inserted in bulk."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store

ATTEMPTS = 3
"""Per run: one of each step of the digest."""
AUTOMATIONS = 10
OLD_CARD = "0-older"
_STEPS = (
    ("summarize", 12, 900, 90, ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0")),
    ("classify", 12, 250, 25, ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0")),
    ("compose", 1, 1200, 160, ("bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0")),
)
_PLAN = json.dumps(
    [
        {
            "operation": operation,
            "calls": calls,
            "input_tokens": read,
            "output_tokens": written,
            "max_calls": calls,
            "max_input_tokens": 20_000,
        }
        for operation, calls, read, written, _ in _STEPS
    ]
)
_ROUTES = json.dumps(
    {
        operation: [{"target": "first", "provider": provider, "model": model, "reason": "primary, light"}]
        for operation, _, _, _, (provider, model) in _STEPS
    }
)
_POINT = 54_000_000
Row = tuple[object, ...]


def automation(number: int) -> str:
    """The name of one of the automations; those with an odd number ran under an older rate card."""
    return f"automation-{number % AUTOMATIONS}"


def fill(store: Store, runs: int, version: str, *, first: int = 0) -> int:
    """Write so many runs with their settlements and attempts; returns the rows written."""
    kinds = {"runs": _runs, "settlements": _settlements, "attempts": _attempts}
    written = 0
    for name, rows in kinds.items():
        numbers = range(first, first + runs)
        written += insert(store, schema.runs.metadata.tables[name], rows(numbers, version))
    with store.write() as connection:
        connection.exec_driver_sql("ANALYZE")
    return written


def fill_attempts(store: Store, runs: int, version: str, *, first: int) -> int:
    """Write only the attempts of so many runs; returns how many."""
    return insert(store, schema.attempts, _attempts(range(first, first + runs), version))


def insert(store: Store, table: sa.Table, rows: Iterator[dict[str, object]]) -> int:
    """In bulk, by the driver's own means."""
    ahead = next(rows)
    names = list(ahead)
    values: list[Row] = [tuple(ahead.values()), *(tuple(row.values()) for row in rows)]
    with store.write() as connection:
        cursor = connection.connection.cursor()
        columns = ", ".join(names)
        if store.is_sqlite:
            marks = ", ".join("?" * len(names))
            cursor.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", values)
        else:
            with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
    return len(values)


def _runs(numbers: Sequence[int], version: str) -> Iterator[dict[str, object]]:
    now = now_us()
    for number in numbers:
        yield {
            "run_id": f"past-{number:08d}",
            "automation": automation(number),
            "quality": "fast",
            "plan": _PLAN,
            "routes": _ROUTES,
            "rate_version": _version(number, version),
            "method": "conformal",
            "history": 600,
            "point_nano": _POINT,
            "p50_nano": _POINT,
            "p95_nano": 2 * _POINT,
            "ceiling_nano": 20 * _POINT,
            "held_nano": 3 * _POINT,
            "stand_in": True,
            "started_at": now,
        }


def _settlements(numbers: Sequence[int], version: str) -> Iterator[dict[str, object]]:
    now, dice = now_us(), random.Random(1)
    for number in numbers:
        score = dice.lognormvariate(0, 0.5)
        spent = round(score * _POINT)
        yield {
            "run_id": f"past-{number:08d}",
            "ordinal": 0,
            "automation": automation(number),
            "quality": "fast",
            "stand_in": True,
            "outcome": "completed" if number % 50 else "failed",
            "reason": None,
            "budgets": "[]",
            "held_nano": 3 * _POINT,
            "spent_nano": spent,
            "released_nano": 3 * _POINT - spent,
            "score": score,
            "rate_version": _version(number, version),
            "ended_at": now,
        }


def _attempts(numbers: Sequence[int], version: str) -> Iterator[dict[str, object]]:
    now, dice = now_us(), random.Random(2)
    for number in numbers:
        for ordinal, (operation, _, read, written, (provider, model)) in enumerate(_STEPS):
            share = dice.uniform(0.5, 2)
            yield {
                "attempt_id": f"attempt-{number:08d}-{ordinal}",
                "turn_id": f"turn-{number:08d}-{ordinal}",
                "run_id": f"past-{number:08d}",
                "operation": operation,
                "hop": 0,
                "ordinal": 0,
                "reason": "primary, light",
                "target": "haiku",
                "provider": provider,
                "account": "default",
                "model": model,
                "tier": "light",
                "stand_in": True,
                "outcome": "ok",
                "status": 200,
                "code": None,
                "phase": None,
                "request_id": f"req-{number}-{ordinal}",
                "input_tokens": round(read * share),
                "output_tokens": round(written * share),
                "cache_read_tokens": 0,
                "cache_write_tokens": 0,
                "cache_write_1h_tokens": 0,
                "reasoning_tokens": 0,
                "worst_nano": 5_000_000,
                "cost_nano": 1_000_000,
                "saved_nano": 0,
                "priced": "usage",
                "rate_version": _version(number, version),
                "started_at": now,
                "duration_us": 800_000,
            }


def _version(number: int, version: str) -> str:
    return OLD_CARD if number % 2 else version
