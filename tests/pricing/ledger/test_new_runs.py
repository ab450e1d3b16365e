"""A run that the ledger does not know begins with its admission; over SQLite and Postgres."""

from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import RunTakenOver
from pricing.ledger import NEW_EXECUTION, Execution
from pricing.ledger.approvals import ApprovalRequest, Approvals
from pricing.ledger.facts import Run
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.ledger import NOON, a_run, an_intent, per_day, rows


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, clock=lambda: NOON)


def test_it_is_held_by_its_first_execution(ledger: Ledger):
    run = a_run()
    assert not ledger.knows(run.run_id)
    assert ledger.admit(run, [per_day(5 * USD)], execution=NEW_EXECUTION) == []
    assert ledger.knows(run.run_id)
    assert ledger.execution(run.run_id) == NEW_EXECUTION.number == 1
    assert ledger.begin(an_intent(run), 1).result() == []
    assert ledger.start(run.run_id) == Execution(2), "which takes over"
    with pytest.raises(RunTakenOver):
        ledger.begin(an_intent(run), 1).result()


def test_one_that_began_elsewhere_meanwhile_is_not_begun_again(ledger: Ledger):
    """The older process lives and has its hold; the one that took the run for new leaves nothing."""
    run, rules = a_run(), [per_day(5 * USD)]
    assert ledger.admit(run, rules, execution=NEW_EXECUTION) == []
    before = rows(ledger, schema.holds), rows(ledger, schema.budgets), rows(ledger, schema.executions)
    with pytest.raises(RunTakenOver):
        ledger.admit(run, rules, execution=NEW_EXECUTION)
    assert (rows(ledger, schema.holds), rows(ledger, schema.budgets), rows(ledger, schema.executions)) == before
    assert ledger.begin(an_intent(run), 1).result() == []


def test_of_processes_that_begin_it_at_once_one_does(ledger: Ledger):
    run, together, ends = a_run(), Barrier(4), list[object]()

    def begin() -> None:
        together.wait()
        try:
            ends.append(ledger.admit(run, [per_day(5 * USD)], execution=NEW_EXECUTION))
        except RunTakenOver:
            ends.append("taken over")

    threads = [Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, ends)) == ["[]", *["taken over"] * 3]
    assert [state.held for state in ledger.budgets()] == [run.held_nano]
    assert ledger.execution(run.run_id) == 1


def test_a_refusal_that_is_not_final_is_followed_by_a_second_try(ledger: Ledger):
    dear = a_run(held=USD)
    assert ledger.admit(dear, [per_day(USD // 2)], execution=NEW_EXECUTION, final=False)
    assert ledger.run(dear.run_id) is None
    cheap = replace(dear, held_nano=USD // 4)
    assert ledger.admit(cheap, [per_day(USD // 2)], execution=NEW_EXECUTION.number) == []
    assert [state.held for state in ledger.budgets()] == [USD // 4]


@pytest.mark.parametrize("trace", ["started", "refused", "asked about", "settled"])
def test_whatever_is_known_of_a_run_makes_it_known(ledger: Ledger, trace: str):
    run = a_run()
    {"started": start, "refused": refuse, "asked about": ask_about, "settled": settle}[trace](ledger, run)
    assert ledger.knows(run.run_id)
    assert not ledger.knows(a_run().run_id)


def start(ledger: Ledger, run: Run) -> None:
    ledger.start(run.run_id)


def refuse(ledger: Ledger, run: Run) -> None:
    assert ledger.rehearse(run, [per_day(1)])


def ask_about(ledger: Ledger, run: Run) -> None:
    Approvals(ledger.store).ask(ApprovalRequest(run, 1, {}, datetime(2030, 1, 1, tzinfo=UTC)))


def settle(ledger: Ledger, run: Run) -> None:
    ledger.admit(run, [], execution=NEW_EXECUTION)
    ledger.settle(run.run_id, "completed")
