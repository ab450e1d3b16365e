"""A month of an imaginary company's runs, written into a ledger in bulk: enough of everything that reports tell of.

Three automations and five organisations; costs scatter; a target fails for an afternoon; guards block, a budget runs
out, answers are stored, prompts are cached. Seeded: the same every time.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pricing.clock import to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.money import USD

BEGIN = datetime(2026, 10, 26, tzinfo=UTC)
DAYS = 31
_ORGS = ("acme", "borealis", "cassini", "delphi", "eastwind")
_MODELS = {
    "haiku": ("bedrock", "claude-haiku-4-5", "light", 1_000, 5_000),
    "sonnet": ("bedrock", "claude-sonnet-4-5", "premium", 3_000, 15_000),
    "gpt-oss": ("groq", "openai/gpt-oss-120b", "light", 150, 600),
}
"""Provider, model, tier, and nano-dollars per token in and out."""
Row = dict[str, Any]


@dataclass(frozen=True)
class _Work:
    """An automation: its steps are operation, target, turns, tokens in and out."""

    name: str
    per_day: int
    price: int | None
    steps: tuple[tuple[str, str, int, int, int], ...]


_WORKS = (
    _Work(
        "daily-digest", 20, USD * 30 // 100, (("summarize", "haiku", 12, 900, 90), ("compose", "sonnet", 1, 1500, 300))
    ),
    _Work("support-triage", 24, USD * 8 // 100, (("triage", "haiku", 2, 1100, 60), ("reply", "sonnet", 1, 1800, 420))),
    _Work("contract-review", 3, USD, (("extract", "haiku", 8, 2600, 200), ("reason", "sonnet", 9, 6400, 1500))),
)


def write_business(store: Store, *, days: int = DAYS, stand_in: bool = False) -> None:
    """Write all of it."""
    rows: dict[str, list[Row]] = {table.name: [] for table in schema.FACTS}
    for name, row in _facts(random.Random(20261125), days, stand_in):
        rows[name].append(row)
    with store.write() as connection:
        for table in schema.FACTS:
            if rows[table.name]:
                connection.execute(table.insert(), rows[table.name])


def _facts(dice: random.Random, days: int, stand_in: bool) -> Iterator[tuple[str, Row]]:
    number = 0
    month = BEGIN.replace(day=1, month=11)
    for scope, key, span, limit in (("automation", "daily-digest", "month", 90), ("org", "acme", "month", 60)):
        yield "budget_changes", {
            "scope": scope, "key": key, "span": span, "limit_nano": limit * USD, "soft_nano": limit * USD * 8 // 10,
            "origin": "window", "changed_at": to_us(month),
        }  # fmt: skip
    for day in range(days):
        for work in _WORKS:
            weekend = (BEGIN + timedelta(days=day)).weekday() > 4
            for _ in range(work.per_day // (3 if weekend else 1) or 1):
                number += 1
                began = BEGIN + timedelta(days=day, seconds=dice.uniform(7, 19) * 3600)
                yield from _run(dice, work, number, began, stand_in)
    outage = BEGIN + timedelta(days=17, hours=13)
    for minutes, event, level in ((0, "opened", 1), (10, "opened", 2), (30, "closed", 0)):
        at = outage + timedelta(minutes=minutes)
        yield "circuit_events", {
            "target": "haiku", "event": event, "reason": "server_error", "level": level,
            "open_until": to_us(at + timedelta(minutes=10 * max(level, 1))), "happened_at": to_us(at),
        }  # fmt: skip


def _run(dice: random.Random, work: _Work, number: int, began: datetime, stand_in: bool) -> Iterator[tuple[str, Row]]:
    run_id, at, org = f"{number:08x}-sample", to_us(began), dice.choice(_ORGS)
    point = sum(
        turns * (read * _MODELS[name][3] + wrote * _MODELS[name][4]) for _, name, turns, read, wrote in work.steps
    )
    factor = dice.lognormvariate(-0.05, 0.42)
    outcome = dice.choices(("completed", "over_budget", "failed", "blocked", "refused"), (930, 12, 16, 12, 30))[0]
    refused, price = outcome == "refused", work.price
    yield "runs", {
        "run_id": run_id, "automation": work.name, "quality": "best" if dice.random() < 0.1 else "fast",
        "user_id": f"user-{dice.randrange(40)}", "org_id": org, "plan": "[]", "routes": "{}",
        "rate_version": "genai-prices 0.2.3", "method": "conformal", "history": 300, "point_nano": point,
        "p50_nano": round(point * 0.97), "p95_nano": round(point * 1.93), "ceiling_nano": 20 * point,
        "held_nano": round(point * 2.4), "stand_in": stand_in, "started_at": at, "price_nano": price,
        "price_credits": None if price is None else price // (USD // 10),
    }  # fmt: skip
    spent = 0
    if not refused:
        for table, row in _turns(dice, work, run_id, began, (factor, outcome, stand_in)):
            spent += row.get("cost_nano", 0) if table == "attempts" else 0
            yield table, row
    held = 0 if refused else max(round(point * 2.4), spent)
    day = f"{began.replace(day=1):%Y-%m-%d}"
    budgets = [f"automation:{work.name}:month:{day}", f"org:{org}:month:{day}"]
    earned = outcome == "completed"
    yield "settlements", {
        "run_id": run_id, "ordinal": 0, "automation": work.name, "quality": "fast", "stand_in": stand_in,
        "outcome": "over_budget" if refused else outcome, "budgets": json.dumps(budgets), "held_nano": held,
        "spent_nano": spent, "released_nano": held - spent, "rate_version": "genai-prices 0.2.3",
        "ended_at": at + 40_000_000, "charged_nano": None if price is None else price * earned,
    }  # fmt: skip


def _turns(
    dice: random.Random, work: _Work, run_id: str, began: datetime, how: tuple[float, str, bool]
) -> Iterator[tuple[str, Row]]:
    factor, outcome, stand_in = how
    at, last = to_us(began), len(work.steps) - 1
    down = BEGIN + timedelta(days=17, hours=13) <= began <= BEGIN + timedelta(days=17, hours=16)
    for place, (operation, target, turns, read, wrote) in enumerate(work.steps):
        for number in range(turns):
            turn_id, ends = f"{run_id}-{operation}-{number}", outcome != "completed" and place == last
            at += 900_000
            turn: Row = {
                "turn_id": turn_id, "run_id": run_id, "operation": operation, "prompt": operation, "prompt_version": "1",
                "route": "[]", "outcome": "answered", "reason": None, "target": target, "attempts": 1, "repaired": False,
                "saved_nano": 0, "started_at": at, "duration_us": 800_000,
            }  # fmt: skip
            if ends and outcome in {"blocked", "over_budget"}:
                reason = "budget" if outcome == "over_budget" else dice.choice(("scope", "policy", "leak", "brand"))
                how_ended = "stopped" if reason == "budget" else "blocked"
                yield "turns", turn | {"outcome": how_ended, "reason": reason, "target": None, "attempts": 0}
                if reason != "budget":
                    yield "guard_decisions", _decision(run_id, operation, reason, "block", at)
                return
            if dice.random() < 0.02:
                yield "guard_decisions", _decision(run_id, operation, "pii", "redact", at)
            if number and dice.random() < 0.03:
                yield "turns", turn | {"outcome": "stored", "attempts": 0, "saved_nano": 1_100_000}
                continue
            usage = round(read * factor * dice.uniform(0.85, 1.15)), round(wrote * factor * dice.uniform(0.8, 1.2))
            fails = dice.random() < (0.7 if down and target == "haiku" else 0.006)
            lost = ends and outcome == "failed"
            tried = [(target, "server_error")] if fails or lost else [(target, "ok")]
            if fails or lost:
                tried.append(("gpt-oss" if target == "haiku" else "haiku", "timeout" if lost else "ok"))
            for hop, (name, result) in enumerate(tried):
                yield "attempts", _attempt(turn, hop, (name, result, tried[0][0]), usage, stand_in)
            yield "turns", turn | {
                "attempts": len(tried), "target": None if lost else tried[-1][0],
                "outcome": "failed" if lost else "answered", "reason": "timeout" if lost else None,
            }  # fmt: skip
            if lost:
                return


def _attempt(turn: Row, hop: int, tried: tuple[str, str, str], usage: tuple[int, int], stand_in: bool) -> Row:
    target, outcome, before = tried
    provider, model, tier, per_input, per_output = _MODELS[target]
    ok, (read, wrote) = outcome == "ok", usage
    cached = read // 2 if target == "sonnet" else 0
    saved = cached * per_input * 9 // 10
    cost = read * per_input + wrote * per_output - saved
    return {
        "attempt_id": f"{turn['turn_id']}-{hop}", "turn_id": turn["turn_id"], "run_id": turn["run_id"],
        "operation": turn["operation"], "hop": hop, "ordinal": hop,
        "reason": f"server_error at {before}" if hop else f"primary, {tier}", "target": target, "provider": provider,
        "account": "default", "model": model, "tier": tier, "stand_in": stand_in, "outcome": outcome,
        "status": 200 if ok else 503, "input_tokens": read if ok else None, "output_tokens": wrote if ok else None,
        "cache_read_tokens": cached if ok else None, "worst_nano": cost * 4, "cost_nano": cost if ok else 0,
        "priced": "usage" if ok else "unbilled", "saved_nano": saved if ok else 0, "rate_version": "genai-prices 0.2.3",
        "started_at": turn["started_at"] + hop * 300_000, "duration_us": 700_000,
    }  # fmt: skip


def _decision(run_id: str, operation: str, reason: str, action: str, at: int) -> Row:
    return {
        "run_id": run_id, "operation": operation, "guard": reason, "version": "1", "mode": "enforce",
        "direction": "input", "action": action, "reason": reason, "latency_us": 40, "cost_nano": 0, "spans": "[]",
        "decided_at": at,
    }  # fmt: skip
