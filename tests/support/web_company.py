"""An imaginary company for the report server: a month of runs, a run with its content, a question, a quarantine."""

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from farebox.config.content_settings import ContentSettings
from farebox.runtime import Runtime
from pricing import Captured, CapturedCall
from pricing.clock import from_us, now_us, to_us
from pricing.db import schema
from pricing.ledger.approvals import ApprovalRequest
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.limits import Limit
from pricing.money import USD
from pricing.usage import Usage
from tests.support.business import BEGIN, DAYS, write_business
from tests.support.project import make_project
from tests.support.report_books import CENT, SECOND, Books

NOWHERE = "http://127.0.0.1:9"
TRACED = "0199c0de-7a1e-7d15-9f00-5ca1ab1e0001"
"""The id of the run whose content is kept."""


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def make_company(root: Path, *, days: int = DAYS) -> Runtime:
    """The project, its replica up to date."""
    runtime = make_project(root, NOWHERE, more='[content]\nkeep = ["support-triage"]\ndays = 3650\n').runtime()
    assert runtime.settings.content == ContentSettings(keep=("support-triage",), days=3650)
    write_business(runtime.ledger.store, days=days)
    books = Books(runtime.ledger.store)
    books.clock = to_us(BEGIN + timedelta(days=days - 1, hours=20))
    traced_run(runtime, books)
    question(runtime, books)
    decisions(books)
    reviews(books)
    today(runtime)
    runtime.circuits.force_open("gpt-oss", "rate_limit", 1800).result()
    runtime.replica.sync()
    return runtime


def traced_run(runtime: Runtime, books: Books) -> None:
    """Two steps, three turns: a fallback to a lower tier, a repair, guards; prompts and answers are kept."""
    rule = BudgetRule("automation", "support-triage", "day", 500 * CENT)
    run = books.run(
        TRACED, automation="support-triage", held=6 * CENT, rules=(rule,), price_nano=8 * CENT, org_id="acme",
        point_nano=2 * CENT, p50_nano=2 * CENT, p95_nano=4 * CENT, ceiling_nano=60 * CENT, tags='["support"]',
    )  # fmt: skip
    began = books.clock
    books.end(books.intent(run, "trace-1", operation="triage"), CENT // 2, duration_us=900_000)
    turn: dict[str, Any] = {"operation": "triage", "started_at": began, "duration_us": 1_050_000}
    books.turn(run, "trace-1", 1, target="haiku", **turn)
    books.decided(
        run, "redact", "pii", operation="triage", turn_id="trace-1", spans='[[0, 12, 31, "EMAIL"]]', latency_us=4_000
    )
    books.clock += 2 * SECOND
    later = books.clock
    model: dict[str, Any] = {
        "target": "sonnet",
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "tier": "premium",
    }
    books.end(
        books.intent(run, "trace-2", operation="reply", **model), 0, "overloaded", duration_us=600_000, status=529
    )
    books.clock += SECOND
    other: dict[str, Any] = {"target": "haiku", "hop": 1, "ordinal": 1, "reason": "overloaded at sonnet"}
    books.end(
        books.intent(run, "trace-2", operation="reply", **other),
        2 * CENT,
        usage=Usage(1840, 412, 900),
        duration_us=2_100_000,
    )
    books.turn(run, "trace-2", 2, operation="reply", target="haiku", started_at=later, duration_us=3_400_000)
    books.clock += 3 * SECOND
    books.decided(run, "allow", None, operation="reply", turn_id="trace-2", guard="injection", latency_us=11_000)
    books.decided(
        run,
        "block",
        "brand",
        operation="reply",
        turn_id="trace-2",
        guard="brand",
        mode="shadow",
        direction="output",
        latency_us=23_000,
    )
    books.end(books.intent(run, "trace-3", operation="reply"), CENT, duration_us=1_200_000)
    books.turn(run, "trace-3", 1, operation="reply", target="haiku", started_at=books.clock, duration_us=1_300_000)
    books.clock += 2 * SECOND
    books.ledger.settle(TRACED, "completed")
    keep_content(runtime, began)


def keep_content(runtime: Runtime, began: int) -> None:
    """What was asked and answered."""
    ticket = "From: <EMAIL_1>\n\nThe nightly export has failed since Tuesday. Our finance team needs it on Friday."
    asked = Captured(
        turn_id="trace-1", run_id=TRACED, automation="support-triage", operation="triage", prompt="triage.j2",
        prompt_version="3f2a", outcome="answered", target="haiku", stand_in=False, flagged=False, at=from_us(began),
        system="Sort support tickets by urgency. Answer with JSON.", messages=({"role": "user", "text": ticket},),
        answer='{"urgency": "high", "topic": "export"}',
    )  # fmt: skip
    runtime.captures.keep(asked)
    reply = replace(
        asked, turn_id="trace-2", operation="reply", prompt="reply.j2", system="Write to customers, kindly and briefly.",
        messages=({"role": "user", "text": f"{ticket}\n\nUrgency: high."},),
        answer="Thank you for telling us. The export runs again since this morning;\nplease check Friday's file.",
    )  # fmt: skip
    runtime.captures.keep(reply)
    call = CapturedCall(
        call_id="trace-1", run_id=TRACED, automation="support-triage", operation="triage", outcome="answered",
        target="haiku", stand_in=False, turns=("trace-1",), at=from_us(began), inputs={"ticket": ticket},
        answer={"urgency": "high"},
    )  # fmt: skip
    runtime.captures.keep(call)


def question(runtime: Runtime, books: Books) -> None:
    """A run that waits for a decision."""
    asked = books.ledger.run(TRACED)
    assert asked is not None
    waiting = "0199c0de-0a5c-7d15-9f00-5ca1ab1e0002"
    run = replace(asked, run_id=waiting, held_nano=90 * CENT, started_at=now_us())
    lacking = {"automation:support-triage:day:2026-11-25": 25 * CENT}
    due = datetime.now(UTC) + timedelta(hours=4)
    runtime.approvals.ask(ApprovalRequest(run, 20 * CENT, lacking, due))


def today(runtime: Runtime) -> None:
    """Budgets whose windows are open now: one nearly used up, and a run that is under way."""
    books = Books(runtime.ledger.store)
    books.clock = now_us()
    rules = (
        BudgetRule("automation", "support-triage", "day", 500 * CENT, 400 * CENT),
        BudgetRule("org", "acme", "month", 60 * USD, 48 * USD),
        BudgetRule("automation", "daily-digest", "day", 4 * CENT, 3 * CENT),
    )
    quoted: dict[str, Any] = {
        "point_nano": 25_200_000, "p50_nano": 24_400_000, "p95_nano": 48_640_000, "price_nano": 30 * CENT,
        "price_credits": 3,
    }  # fmt: skip
    digest: dict[str, Any] = {"automation": "daily-digest", "held": 38_000_000, "rules": rules[1:]} | quoted
    done = books.run("0199c0de-0b00-7d15-9f00-5ca1ab1e0003", **digest)
    books.answered(done, "today-1", 36_000_000, worst=37_000_000, attempt_id="today-1")
    books.ledger.settle(done.run_id, "completed")
    triage: dict[str, Any] = {"automation": "support-triage", "held": 6 * CENT, "rules": rules[:2]} | quoted
    under_way = books.run("0199c0de-0b00-7d15-9f00-5ca1ab1e0004", **triage)
    books.answered(under_way, "today-2", 12_000_000, worst=13_000_000, attempt_id="today-2")
    runtime.limits.set(Limit("org", "acme", "month", 60 * USD, "80%"))


def decisions(books: Books) -> None:
    """Two that were made."""
    rows = [
        {
            "run_id": TRACED, "automation": "support-triage", "choice": choice, "decided_by": by,
            "hold_nano": 6 * CENT, "budgets": json.dumps({"automation:support-triage:day:2026-11-25": 3 * CENT}),
            "asked_at": books.clock - 900 * SECOND, "decided_at": books.clock - 600 * SECOND + place,
        }
        for place, (choice, by) in enumerate((("once", "Ana Ruiz"), ("refuse", "Ben Okafor")))
    ]  # fmt: skip
    rows[1]["run_id"] = "00000485-sample"
    with books.ledger.store.write() as connection:
        connection.execute(schema.approvals.insert(), rows)


def reviews(books: Books) -> None:
    """Some decisions that people looked at."""
    with books.ledger.store.write() as connection:
        rows = connection.execute(schema.guard_decisions.select().limit(12)).all()
        connection.execute(
            schema.guard_reviews.insert(),
            [
                {"decision": row.seq, "verdict": "wrong" if place == 3 else "right", "origin": "cli", "reviewed_at": 1}
                for place, row in enumerate(rows)
            ],
        )
