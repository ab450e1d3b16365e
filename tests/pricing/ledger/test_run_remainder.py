"""What a run may still spend, over SQLite and Postgres."""

import pytest

from pricing.db.database import Store
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent, ok

CENT = USD // 100


def test_the_room_is_what_the_next_attempt_can_set_aside(store: Store):
    ledger = Ledger(store, lease_seconds=60, clock=Clock(NOON), warn=lambda _: None)
    with pytest.raises(LookupError):
        ledger.remaining("nobody")
    run, other = a_run(held=10 * CENT), a_run(held=30 * CENT)
    shared = BudgetRule("automation", "digest", "day", 90 * CENT)
    single = BudgetRule("operation", "summarize", "day", 45 * CENT, needs=0)
    for one in (run, other):
        assert ledger.admit(one, [shared, single, BudgetRule("run", one.run_id, "run", 70 * CENT)]) == []
    assert (ledger.remaining(run.run_id).left, ledger.remaining(run.run_id).spent) == (60 * CENT, 0), (
        "the other run holds 30"
    )
    assert ledger.remaining(run.run_id, "summarize").left == 45 * CENT
    begun = an_intent(run, 20 * CENT)
    assert ledger.begin(begun).result() == []
    assert ledger.remaining(run.run_id).left == 40 * CENT
    assert ledger.remaining(run.run_id, "summarize").left == 25 * CENT
    ledger.end(begun, ok(5 * CENT)).result()
    assert (ledger.remaining(run.run_id).left, ledger.remaining(run.run_id).spent) == (55 * CENT, 5 * CENT)
    left = ledger.remaining(run.run_id, "summarize").left
    assert left == 40 * CENT
    assert ledger.begin(an_intent(run, left + 1)).result() != []
    assert ledger.begin(an_intent(run, left)).result() == []
    assert ledger.remaining(run.run_id, "summarize").left == 0
    assert ledger.turns_sent(run.run_id) == 0
