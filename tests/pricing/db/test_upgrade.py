"""A ledger of an earlier version, with a run under way in it, is upgraded where it lies."""

import pytest
import sqlalchemy as sa

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.calibration_scores import Results
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.ledger import NOON, a_run, rows
from tests.support.upgrade import lay


def write_first_version(url: str) -> None:
    """As the first version left it: one run settled, one held, one budget of today."""
    engine = sa.create_engine(url)
    run = (
        "INSERT INTO runs (run_id, automation, quality, plan, routes, rate_version, method, history, point_nano, "
        "p50_nano, p95_nano, ceiling_nano, held_nano, stand_in, started_at) VALUES "
        "(:id, 'digest', 'fast', '[]', '{}', 'v1', 'prior', 0, 5, 5, 10, 40, 10, :yes, :now)"
    )
    settled = (
        "INSERT INTO settlements (run_id, ordinal, automation, quality, stand_in, outcome, budgets, held_nano, "
        "spent_nano, released_nano, score, rate_version, ended_at) VALUES "
        "('old', 0, 'digest', 'fast', :yes, 'completed', '[]', 10, 4, 6, 0.8, 'v1', :now)"
    )
    state = (
        (
            "INSERT INTO budgets VALUES ('automation:digest:month:2026-09-01', 'digest per month', 'automation', 'digest', "
            "'month', :now - 1, :ends, 5000000000, 4, 10)"
        ),
        "INSERT INTO holds VALUES ('alive', 0, 10, 0, 3, :later)",
        "INSERT INTO hold_budgets VALUES ('alive', 'automation:digest:month:2026-09-01')",
        "INSERT INTO inflight VALUES ('a1', 'alive', 3, :intent)",
        "INSERT INTO meta VALUES ('epoch', 'first')",
    )
    intent = (
        '{"attempt_id": "a1", "turn_id": "t", "run_id": "alive", "operation": "summarize", "hop": 0, "ordinal": 0, '
        '"reason": "r", "target": "light", "provider": "groq", "account": "default", "model": "m", "tier": "light", '
        f'"stand_in": true, "worst_nano": 3, "rate_version": "v1", "started_at": {NOON}}}'
    )
    values = {"yes": True, "now": NOON, "later": NOON + 60_000_000, "ends": NOON + 10**12, "intent": intent}
    with engine.begin() as connection:
        lay(connection, 1)
        for statement, more in ((run, {"id": "old"}), (run, {"id": "alive"}), (settled, {}), *((s, {}) for s in state)):
            connection.execute(sa.text(statement), values | more)
    engine.dispose()


@pytest.fixture
def ledger(empty_database_url: str):
    write_first_version(empty_database_url)
    store = Store(empty_database_url)
    yield Ledger(store, lease_seconds=60, clock=lambda: NOON + 61_000_000)
    store.close()


def test_what_was_there_stays_and_what_is_new_is_unknown(ledger: Ledger):
    [old, _] = rows(ledger, schema.runs)
    assert (old["run_id"], old["tags"], old["price_nano"], old["price_credits"]) == ("old", "[]", None, None)
    [settled] = rows(ledger, schema.settlements)
    assert (settled["spent_nano"], settled["charged_nano"], settled["wallet"]) == (4, None, None)
    assert [(b.spent, b.held, b.soft, b.soft_at) for b in ledger.budgets()] == [(4, 10, None, None)]
    assert rows(ledger, schema.meta) == [{"key": "epoch", "value": "first"}]
    assert ledger.history("digest", "fast", stand_in=True)[0].score == pytest.approx(0.8)


def test_a_run_of_the_first_version_is_settled_by_this_one(ledger: Ledger):
    assert ledger.reap() == 1
    assert [(b.spent, b.held) for b in ledger.budgets()] == [(7, 0)]
    [lost] = rows(ledger, schema.attempts)
    assert (lost["outcome"], lost["cost_nano"], lost["estimated_input"]) == ("lost", 3, None)


def test_a_window_of_the_first_version_goes_on(ledger: Ledger):
    """Its limit is brought up to date, with a threshold, and what is spent in it counts."""
    [refusal] = ledger.admit(a_run(held=USD), [BudgetRule("automation", "digest", "month", USD, soft=USD // 2)])
    assert refusal.budget.spent == 7
    [change] = rows(ledger, schema.budget_changes)
    assert (change["limit_nano"], change["soft_nano"], change["origin"]) == (USD, USD // 2, "window")


def test_what_calibrations_paid_for_is_kept_and_tokens_that_nobody_told_become_unknown(empty_database_url: str):
    engine = sa.create_engine(empty_database_url)
    score = (
        "INSERT INTO calibration_scores VALUES (:key, 'digest/classify', 'r', :now, :now, 1.0, 300, 2000000, :read, "
        ":written, :yes, '[]')"
    )
    with engine.begin() as connection:
        lay(connection, 6)
        for key, read, written in (("told", 100, 20), ("untold", 0, 0)):
            values = {"key": key, "now": now_us(), "read": read, "written": written, "yes": True}
            connection.execute(sa.text(score), values)
    engine.dispose()
    store = Store(empty_database_url)
    found = Results(store, "digest/classify").read()
    store.close()
    assert {key: (one.input_tokens, one.output_tokens) for key, one in found.items()} == {
        "told": (100, 20),
        "untold": (None, None),
    }
    assert {(one.score, one.cost_nano, one.seconds, one.verified, one.ended) for one in found.values()} == {
        (1.0, 300, 2.0, True, True)
    }
