"""Ends of runs that the ledger could not take when they came: settled later, once, and with their own outcome."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import LedgerError
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import RunOutcome
from pricing.ledger.ledger import Ledger
from pricing.ledger.pending_ends import PendingEnd, PendingEnds
from pricing.money import USD
from tests.support.books import rows
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent

CENT = USD // 100
SECOND = 1_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def pending(tmp_path: Path) -> PendingEnds:
    return PendingEnds(tmp_path / "home" / "pending-ends")


@pytest.fixture
def ledger(store: Store, clock: Clock, pending: PendingEnds) -> Ledger:
    return Ledger(store, lease_seconds=60, clock=clock, pending=pending)


def held(ledger: Ledger) -> tuple[str, int]:
    """A run that holds a dollar and has one attempt of ten cents in flight; its execution."""
    run = a_run(held=USD)
    execution = ledger.start(run.run_id).number
    assert ledger.admit(run, [BudgetRule("automation", "digest", "day", 5 * USD)], execution=execution) == []
    ledger.begin(an_intent(run, 10 * CENT), execution).result()
    return run.run_id, execution


def ends(ledger: Ledger) -> list[tuple[str, str | None]]:
    return [(row["outcome"], row["reason"]) for row in rows(ledger, schema.settlements)]


@pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled", "blocked", "over_budget"])
def test_whoever_reaps_next_settles_it_as_it_ended(ledger: Ledger, pending: PendingEnds, outcome: RunOutcome):
    run_id, execution = held(ledger)
    pending.add(PendingEnd(run_id, execution, outcome, "why"))
    assert ledger.reap() == 0, "nothing was lost"
    assert ends(ledger) == [(outcome, "why")]
    assert pending.all() == []
    assert ledger.reap() == 0
    assert len(ends(ledger)) == 1
    assert [(state.held, state.spent) for state in ledger.budgets()] == [(0, 10 * CENT)]


def test_it_comes_before_the_end_of_the_lease_counts(ledger: Ledger, pending: PendingEnds, clock: Clock):
    run_id, execution = held(ledger)
    pending.add(PendingEnd(run_id, execution, "completed"))
    clock.now += 3_600 * SECOND
    assert ledger.reap() == 0
    assert ends(ledger) == [("completed", None)]


def test_whoever_starts_the_same_run_again_settles_it_first(ledger: Ledger, pending: PendingEnds):
    run_id, execution = held(ledger)
    pending.add(PendingEnd(run_id, execution, "failed", "ValueError"))
    assert not ledger.start(run_id).resumed
    assert ends(ledger) == [("failed", "ValueError")]
    assert ledger.newest_end(run_id) is not None


def test_what_others_settled_before_stays_as_it_is(ledger: Ledger, pending: PendingEnds, clock: Clock):
    run_id, execution = held(ledger)
    clock.now += 61 * SECOND
    assert ledger.reap() == 1
    pending.add(PendingEnd(run_id, execution, "completed"))
    ledger.reap()
    assert [outcome for outcome, _ in ends(ledger)] == ["lost"]
    assert pending.all() == []


def test_an_older_execution_ends_nothing_of_a_newer_one(ledger: Ledger, pending: PendingEnds):
    run_id, execution = held(ledger)
    newer = ledger.start(run_id).number
    assert ledger.admit(a_run_like(ledger, run_id), [], execution=newer) == []
    pending.add(PendingEnd(run_id, execution, "completed"))
    pending.add(PendingEnd(run_id, execution, kept_until=NOON + 9 * SECOND))
    ledger.reap()
    assert [outcome for outcome, _ in ends(ledger)] == ["lost"], "of the older one, taken over"
    assert ledger.has_hold(run_id)
    assert ledger.renew(run_id, execution=newer), "it is still the newer one's"


def a_run_like(ledger: Ledger, run_id: str) -> Any:
    run = ledger.run(run_id)
    assert run is not None
    return run


def test_a_suspended_run_goes_on_with_its_hold(ledger: Ledger, pending: PendingEnds, clock: Clock):
    run_id, execution = held(ledger)
    pending.add(PendingEnd(run_id, execution, kept_until=NOON + 600 * SECOND))
    clock.now += 120 * SECOND  # beyond the lease
    assert ledger.start(run_id).resumed
    assert ends(ledger) == []
    assert ledger.has_hold(run_id)


def test_one_that_is_not_resumed_in_time_is_cancelled(ledger: Ledger, pending: PendingEnds, clock: Clock):
    run_id, execution = held(ledger)
    pending.add(PendingEnd(run_id, execution, kept_until=NOON + 600 * SECOND))
    clock.now += 601 * SECOND
    assert ledger.reap() == 1
    assert [outcome for outcome, _ in ends(ledger)] == ["cancelled"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00",
        json.dumps({"run_id": "r"}),
        json.dumps({"run_id": "r", "execution": "1", "outcome": "completed"}),
        json.dumps({"run_id": "r", "execution": True, "outcome": "completed"}),
        json.dumps({"run_id": "r", "execution": 1, "outcome": "paid"}),
        json.dumps({"run_id": ["r"], "execution": 1, "outcome": "completed"}),
        json.dumps({"run_id": "r", "execution": 1, "outcome": ["completed"]}),
        json.dumps({"run_id": "r", "execution": 1, "outcome": "completed", "more": 1}),
        "[" * 100_000,
    ],
    ids=range(13),
)
def test_a_file_that_is_no_end_is_told_of_and_stops_nobody(
    ledger: Ledger, pending: PendingEnds, text: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    run_id, execution = held(ledger)
    pending.folder.mkdir(parents=True)
    (pending.folder / "odd.json").write_text(text)
    (pending.folder / "half.new").write_text("{")
    pending.add(PendingEnd(run_id, execution, "completed"))
    ledger.reap()
    assert ends(ledger) == [("completed", None)]
    assert "odd.json is not the end of a run" in caplog.text


def test_a_folder_that_is_none_stops_nobody(ledger: Ledger, pending: PendingEnds, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    pending.folder.parent.mkdir(parents=True)
    pending.folder.write_text("a file")
    held(ledger)
    assert "cannot be read: Not a directory" in caplog.text
    with pytest.raises(OSError, match="pending-ends"):
        pending.add(PendingEnd("r", 1, "completed"))


def test_one_that_the_ledger_does_not_take_stops_nobody(
    ledger: Ledger, pending: PendingEnds, monkeypatch: pytest.MonkeyPatch
):
    run_id, execution = held(ledger)
    pending.add(PendingEnd("odd", 0, "completed"))
    pending.add(PendingEnd(run_id, execution, "completed"))
    settle = Ledger.settle

    def refusing(self: Ledger, settled: str, *rest: Any, **how: Any) -> Any:
        if settled == "odd":
            raise LedgerError("It refused a statement.")
        return settle(self, settled, *rest, **how)

    monkeypatch.setattr(Ledger, "settle", refusing)
    ledger.reap()
    assert ends(ledger) == [("completed", None)]
    assert [end.run_id for _, end in pending.all()] == ["odd"], "it is tried again"
