"""Budgets of operations, soft thresholds, and what becomes of limits, over SQLite and Postgres."""

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.budgets import BudgetRule, BudgetState
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent, ok, rows

CENT = USD // 100


def of_operation(limit: int, key: str = "summarize", needs: int | None = 0) -> BudgetRule:
    return BudgetRule("operation", key, "day", limit, needs=needs)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def told() -> list[BudgetState]:
    return []


@pytest.fixture
def ledger(store: Store, clock: Clock, told: list[BudgetState]) -> Ledger:
    return Ledger(store, lease_seconds=60, clock=clock, warn=told.append)


def state(ledger: Ledger, scope: str) -> BudgetState:
    [found] = [budget for budget in ledger.budgets() if budget.scope == scope]
    return found


def test_an_operations_budget_is_held_and_charged_by_its_own_attempts(ledger: Ledger):
    run = a_run(held=USD)
    assert ledger.admit(run, [of_operation(USD), BudgetRule("automation", "digest", "day", 2 * USD)]) == []
    assert state(ledger, "operation").held == 0
    mine, other = an_intent(run, 20 * CENT), an_intent(run, 30 * CENT)
    object.__setattr__(other, "operation", "compose")
    assert ledger.begin(mine).result() == ledger.begin(other).result() == []
    assert state(ledger, "operation").held == 20 * CENT
    ledger.end(mine, ok(5 * CENT)).result()
    ledger.end(other, ok(7 * CENT)).result()
    assert (state(ledger, "operation").spent, state(ledger, "operation").held) == (5 * CENT, 0)
    ledger.settle(run.run_id, "completed")
    assert (state(ledger, "operation").spent, state(ledger, "automation").spent) == (5 * CENT, 12 * CENT)
    assert state(ledger, "automation").held == 0


def test_an_attempt_that_its_operations_budget_refuses_leaves_nothing_behind(ledger: Ledger):
    run = a_run(held=USD)
    assert ledger.admit(run, [of_operation(25 * CENT)]) == []
    first, second = an_intent(run, 20 * CENT), an_intent(run, 20 * CENT)
    assert ledger.begin(first).result() == []
    [refusal] = ledger.begin(second).result()
    assert (refusal.budget.scope, refusal.short) == ("operation", 15 * CENT)
    [hold] = rows(ledger, schema.holds)
    assert (hold["amount_nano"], hold["inflight_nano"]) == (USD, 20 * CENT)
    ledger.end(first, ok(1)).result()
    assert ledger.begin(second).result() == []


def test_a_run_is_not_begun_when_an_operation_has_not_what_it_needs(ledger: Ledger):
    wide = BudgetRule("automation", "digest", "day", 5 * USD)
    [refusal] = ledger.admit(a_run(held=USD), [of_operation(10 * CENT, needs=11 * CENT), wide])
    assert refusal.short == CENT
    assert [budget.held for budget in ledger.budgets()] == [0, 0]


def test_an_operation_that_a_run_does_not_plan_is_held_once_it_asks_for_it(ledger: Ledger):
    spender, other = a_run(held=USD), a_run(held=USD)
    assert ledger.admit(spender, [of_operation(10 * CENT)]) == []
    spent = an_intent(spender, 10 * CENT)
    ledger.begin(spent).result()
    ledger.end(spent, ok(10 * CENT)).result()
    assert [refusal.short for refusal in ledger.admit(a_run(held=USD), [of_operation(10 * CENT, needs=1)])] == [1]
    assert ledger.admit(other, [of_operation(10 * CENT, needs=None)]) == []
    [refusal] = ledger.begin(an_intent(other, CENT)).result()
    assert refusal.budget.scope == "operation"
    elsewhere = an_intent(other, CENT)
    object.__setattr__(elsewhere, "operation", "compose")
    assert ledger.begin(elsewhere).result() == []


def test_what_is_lost_and_comes_back_is_charged_to_its_operation(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    ledger.admit(run, [of_operation(USD), of_operation(USD, "compose")])
    lost = an_intent(run, 20 * CENT)
    ledger.begin(lost).result()
    clock.now += 61_000_000
    assert ledger.reap() == 1
    assert {b.key: b.spent for b in ledger.budgets()} == {"summarize": 20 * CENT, "compose": 0}
    ledger.end(lost, ok(3 * CENT)).result()
    assert {b.key: (b.spent, b.held) for b in ledger.budgets()} == {"summarize": (3 * CENT, 0), "compose": (0, 0)}


def test_a_soft_threshold_is_told_once_per_window(ledger: Ledger, clock: Clock, told: list[BudgetState]):
    rule = BudgetRule("automation", "digest", "day", 10 * USD, soft=8 * USD)
    for held in (5 * USD, 2 * USD):
        assert ledger.admit(a_run(held=held), [rule]) == []
    assert told == []
    third, fourth = a_run(held=USD), a_run(held=USD)
    assert ledger.admit(third, [rule]) == []
    assert [(t.name, t.held, t.soft) for t in told] == [("digest per day", 8 * USD, 8 * USD)]
    assert ledger.admit(fourth, [rule]) == []
    for run in (third, fourth):
        ledger.settle(run.run_id, "completed")
    assert ledger.admit(a_run(held=USD), [rule]) == []
    assert len(told) == 1
    clock.now += 86_400_000_000
    assert ledger.admit(a_run(held=9 * USD), [rule]) == []
    assert len(told) == 2


def test_a_soft_threshold_is_told_of_by_whoever_extends_a_hold(ledger: Ledger, told: list[BudgetState]):
    run = a_run(held=USD)
    ledger.admit(run, [BudgetRule("automation", "digest", "day", 10 * USD, soft=4 * USD)])
    assert ledger.begin(an_intent(run, 3 * USD)).result() == []
    assert told == []
    assert ledger.begin(an_intent(run, USD)).result() == []
    assert [t.held for t in told] == [4 * USD]


def test_a_refused_run_tells_of_no_threshold(ledger: Ledger, told: list[BudgetState]):
    soft, tight = BudgetRule("automation", "digest", "day", 9 * USD, soft=USD), BudgetRule("user", "ana", "day", 1)
    assert len(ledger.admit(a_run(held=2 * USD), [soft, tight])) == 1
    assert told == []


def test_a_limit_that_changes_is_written_down_once(ledger: Ledger):
    for limit in (5, 5, 7, 7, 6):
        ledger.admit(a_run(held=1), [BudgetRule("org", "acme", "month", limit * USD)])
    assert [row["limit_nano"] // USD for row in rows(ledger, schema.budget_changes)] == [5, 7, 6]
    [budget] = ledger.budgets()
    assert budget.limit == 6 * USD


def test_runs_windows_are_no_news(ledger: Ledger):
    run = a_run()
    ledger.admit(run, [BudgetRule("run", run.run_id, "run", 4 * USD)])
    assert rows(ledger, schema.budget_changes) == []
    with ledger.store.read() as connection:
        assert connection.execute(sa.select(schema.budgets.c.starts_at)).scalar_one() == NOON
