"""Columns of money hold whole nano-dollars within bounds, on both databases, new and upgraded."""

import json

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.migrations.money import MOST, MOST_OF_ONE, money_columns
from pricing.errors import LedgerError
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import as_row
from pricing.ledger.ledger import Ledger
from pricing.money import LARGEST, USD
from tests.support.ledger import NOON, a_run, an_intent, ok, rows
from tests.support.upgrade import lay

MONEY = {
    table.name: sorted(column.name for column in table.c if column.name.endswith("_nano"))
    for table in schema.runs.metadata.tables.values()
    if any(column.name.endswith("_nano") for column in table.c)
}


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, lease_seconds=60, clock=lambda: NOON)


def test_the_bounds_have_room_for_the_largest_limit_and_their_sums_fit_64_bits():
    assert LARGEST < MOST
    assert 8 * MOST <= 2**63
    assert 8_192 * MOST_OF_ONE <= 2**63


def test_every_column_of_money_is_constrained(store: Store):
    with store.read() as connection:
        assert money_columns(connection) == MONEY
        if store.is_sqlite:
            query = "SELECT tbl_name, count(*) FROM sqlite_master WHERE type = 'trigger' GROUP BY 1"
            assert dict(map(tuple, connection.exec_driver_sql(query))) == dict.fromkeys(MONEY, 2)
            texts = connection.exec_driver_sql("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'").all()
        else:
            query = (
                "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE conname LIKE 'money%'"
            )
            texts = connection.execute(sa.text(query)).all()
            assert sorted(table for table, _ in texts) == sorted(MONEY)
    for table, text in texts:
        assert all(name in text for name in MONEY[table])


@pytest.mark.parametrize("amount", [2**60 + 1, -(2**60) - 1, 2**62, 2**63 - 1, 2**63, 2**70])
def test_an_amount_out_of_bounds_is_refused_in_one_line(ledger: Ledger, amount: int):
    row = {"scope": "run", "key": "k", "span": "run", "limit_nano": amount, "soft": ""}
    with pytest.raises(LedgerError, match="out of bounds"), ledger.store.write() as connection:
        connection.execute(schema.budget_settings.insert().values(row))
    assert rows(ledger, schema.budget_settings) == []


@pytest.mark.parametrize("step", [2**59, 2**59 + 2**58])
def test_a_sum_that_leaves_the_bounds_is_refused_and_others_go_on(ledger: Ledger, step: int):
    row = {"scope": "run", "key": "k", "span": "run", "limit_nano": step, "soft": ""}
    table = schema.budget_settings
    with ledger.store.write() as connection:
        connection.execute(table.insert().values(row))
    for _ in range(3):
        with pytest.raises(LedgerError, match="out of bounds"), ledger.store.write() as connection:
            connection.execute(sa.update(table).values(limit_nano=table.c.limit_nano * 4))
    assert [one["limit_nano"] for one in rows(ledger, table)] == [step]
    assert ledger.admit(a_run(), []) == []


@pytest.mark.parametrize("cost", [MOST_OF_ONE + 1, 6 * 10**23, 2**63])
async def test_an_attempt_that_costs_the_impossible_stops_only_itself(ledger: Ledger, cost: int):
    """However it came to be: two overlapping runs go on, and so do all later ones."""
    rule = BudgetRule("automation", "digest", "day", USD * 100)
    first, second = a_run(), a_run()
    assert ledger.admit(first, [rule]) == ledger.admit(second, [rule]) == []
    for run in (first, second):
        intent = an_intent(run)
        assert await ledger.begin(intent) == []
        with pytest.raises(LedgerError, match="out of bounds"):
            await ledger.end(intent, ok(cost))
        assert ledger.settle(run.run_id, "failed") is not None
    assert {row["cost_nano"] for row in rows(ledger, schema.attempts)} == {USD // 10}
    assert ledger.admit(a_run(), [rule]) == []


def test_a_fraction_is_refused_on_sqlite(store: Store):
    if not store.is_sqlite:
        return  # a bigint cannot hold one
    with pytest.raises(LedgerError, match="out of bounds"), store.write() as connection:
        connection.exec_driver_sql("INSERT INTO budget_settings VALUES ('run', 'k', 'run', 1.5, '')")


RUN = (
    "INSERT INTO runs (run_id, automation, quality, plan, routes, rate_version, method, history, point_nano, p50_nano, "
    "p95_nano, ceiling_nano, held_nano, stand_in, started_at) VALUES "
    "('wild', 'digest', 'fast', '[]', '{}', 'v1', 'prior', 0, 5, 5, 10, 40, 10, :yes, :now)"
)
BUDGET = (
    "INSERT INTO budgets (budget_id, name, scope, key, span, starts_at, limit_nano, spent_nano, held_nano) VALUES "
    "('b', 'b', 'automation', 'digest', 'month', 0, 5, :wild, :wild)"
)
HOLD = (
    "INSERT INTO holds (run_id, ordinal, amount_nano, used_nano, inflight_nano, lease_until, by_operation) VALUES "
    "('wild', 0, :wild, :wild, 3, 1, :no)"
)
REST = ("INSERT INTO hold_budgets VALUES ('wild', 'b', NULL)", "INSERT INTO inflight VALUES ('a', 'wild', 3, :intent)")


def test_what_an_earlier_version_let_in_no_longer_stops_runs(empty_database_url: str):
    """A hold and a budget that 6e14 tokens had brought to the limits of 64 bits, or beyond them."""
    engine = sa.create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    values = {
        "yes": True,
        "no": False,
        "now": NOON,
        "wild": 1e19 if empty_database_url.startswith("sqlite") else 2**63 - 2,
        "intent": json.dumps(as_row(an_intent(a_run(), worst=3)) | {"run_id": "wild"}),
    }
    with engine.begin() as connection:
        lay(connection, 7)
        connection.execute(sa.text("INSERT INTO meta VALUES ('epoch', 'seventh')"))
        for statement in (RUN, BUDGET, HOLD, *REST):
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(sa.text(statement), used)
    engine.dispose()
    store = Store(empty_database_url)
    ledger = Ledger(store, lease_seconds=60, clock=lambda: NOON)
    try:
        [hold] = rows(ledger, schema.holds)
        assert (hold["amount_nano"], hold["used_nano"]) == (MOST // 4, MOST // 4)
        assert ledger.reap() == 1
        [budget] = rows(ledger, schema.budgets)
        assert (budget["spent_nano"], budget["held_nano"]) == (MOST // 2 + 3, 0)
        assert ledger.admit(a_run(), []) == []
    finally:
        store.close()
