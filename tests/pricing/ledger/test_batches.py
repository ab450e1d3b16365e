"""Batches in the ledger: begun with their intents, created once, results taken once, held as long as they last."""

from dataclasses import replace
from typing import Any

import pytest

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import RunTakenOver
from pricing.ledger import BY_DUE_TIME, Batch, BatchAttempt, Batches, BudgetRule, Completion, Journal, Ledger, Turn
from pricing.money import USD
from pricing.usage import Usage
from tests.support.clock import Clock
from tests.support.ledger import DONE, NOON, a_run, an_intent, ok, per_day, rows

HOUR = 3_600_000_000
WORST = USD // 10
NOTHING = Completion("cancelled", Usage(), 0, "unbilled", 1, code="batch_expired")


class Books:
    """A ledger, its batches and one run that is held."""

    def __init__(self, store: Store) -> None:
        self.clock = Clock(NOON)
        self.ledger = Ledger(store, clock=self.clock, lease_seconds=60)
        self.journal = Journal(store, clock=self.clock)
        self.batches = Batches(store, self.journal, clock=self.clock)
        self.run = a_run()
        self.execution = self.start()
        assert self.admit() == []

    def start(self) -> int:
        return self.ledger.start(self.run.run_id).number

    def admit(self, rule: BudgetRule | None = None) -> list[Any]:
        return self.ledger.admit(self.run, [rule or per_day(10 * USD)], execution=self.execution)

    def lines(self, count: int, label: str = "b1", worst: int = WORST, key: str = "") -> list[BatchAttempt]:
        return [
            BatchAttempt(
                label, self.run.run_id, self.run.run_id, key or f"key-{n}", f"{label}-e{n}", self.execution, intent
            )
            for n in range(count)
            for intent in [replace(an_intent(self.run, worst), attempt_id=f"{label}-{n}", service_tier_asked="batch")]
        ]

    def begin(self, count: int = 3, label: str = "b1", worst: int = WORST, key: str = "") -> list[BatchAttempt]:
        lines = self.lines(count, label, worst, key)
        batch = Batch(
            label,
            self.run.run_id,
            target="light",
            provider="groq",
            model="m",
            stand_in=True,
            state="begun",
            execution=self.execution,
            lines=count,
            begun_at=self.clock(),
            cancel_at=NOON + 5 * HOUR,
            leave_at=NOON + 6 * HOUR,
        )
        refused = self.batches.begin(batch, lines, self.execution)
        return [line for line in lines if line.line_id not in refused]

    def hold(self) -> dict[str, Any]:
        [hold] = rows(self.ledger, schema.holds)
        return hold


@pytest.fixture
def books(store: Store) -> Books:
    return Books(store)


def test_a_batch_its_lines_and_their_intents_are_written_together(books: Books):
    lines = books.begin()
    assert books.hold()["inflight_nano"] == 3 * WORST
    assert {row["attempt_id"] for row in rows(books.ledger, schema.inflight)} == {line.line_id for line in lines}
    [batch] = books.batches.open()
    assert (batch.state, batch.lines, batch.batch_id) == ("begun", 3, None)
    assert books.batches.lines("b1") == lines


def test_lines_that_no_budget_has_room_for_are_not_part_of_it(books: Books):
    kept = books.begin(3, worst=4 * USD)  # two of three fit into 10 USD
    assert len(kept) == 2
    assert books.batches.open()[0].lines == 2
    assert len(rows(books.ledger, schema.inflight)) == 2


def test_an_older_execution_begins_none(books: Books):
    books.begin()
    older = books.execution
    books.ledger.start(books.run.run_id)
    books.execution = older
    with pytest.raises(RunTakenOver):
        books.begin(1, "b2")
    assert [batch.label for batch in books.batches.open()] == ["b1"]


def test_it_is_created_once_or_given_up(books: Books):
    books.begin()
    assert books.batches.created("b1", "batch_1")
    assert not books.batches.created("b1", "batch_2"), "it is known by then"
    assert not books.batches.abandon("b1", "never created")
    books.begin(1, "b2")
    assert books.batches.abandon("b2", "never created")
    assert not books.batches.created("b2", "batch_3"), "whoever created it late has to cancel it"


def test_a_result_is_taken_once_with_its_answer(books: Books):
    [line, other, third] = books.begin()
    assert books.batches.take(line, ok(500), "succeeded", b"an answer")
    assert not books.batches.take(line, ok(500), "succeeded", b"an answer")
    assert books.batches.take(other, NOTHING, "expired", None)
    assert (books.hold()["used_nano"], books.hold()["inflight_nano"]) == (500, WORST)
    assert len(rows(books.ledger, schema.attempts)) == 2
    books.batches.collected("b1")
    assert books.batches.open() != [], "a line is open"
    assert books.batches.take(third, ok(700), "succeeded", b"another")
    books.batches.collected("b1")
    [batch] = books.batches.of_run(books.run.run_id)
    assert (books.batches.open(), batch.completed, batch.failed) == ([], 2, 1)
    assert books.batches.costs("b1") == 1_200


def test_a_newer_execution_claims_each_answer_once(books: Books):
    lines = books.begin(3, key="same")
    for n, line in enumerate(lines):
        books.batches.take(line, ok(100), "succeeded", f"answer {n}".encode())
    me = books.run.run_id
    assert books.batches.claim(me, "same", books.execution, me) is None, "its own lines are waited for"
    found = [books.batches.claim(me, "same", books.execution + 1, me) for _ in range(4)]
    assert sorted(one.answer.value or b"" for one in found if one and one.answer) == [
        b"answer 0",
        b"answer 1",
        b"answer 2",
    ]
    assert found[3] is None


def test_an_entry_that_was_replayed_is_not_claimed_again(books: Books):
    [line, other] = books.begin(2, key="same")
    books.batches.take(line, ok(100), "succeeded", b"first")
    entry = books.journal.claim(books.run.run_id, "same", books.execution + 1).result()
    assert entry is not None
    assert entry.kind == "batch"
    found = books.batches.claim(books.run.run_id, "same", books.execution + 1, books.run.run_id)
    assert found is not None
    assert (found.line.line_id, found.answer) == (other.line_id, None)


def test_lines_that_gave_no_answer_count_as_tries(books: Books):
    [line] = books.begin(1, key="k")
    books.batches.take(line, NOTHING, "expired", None)
    found = books.batches.claim(books.run.run_id, "k", books.execution + 1, books.run.run_id)
    assert found is not None
    assert (found.answer, [one.outcome for one in found.tries], found.by_person) == (None, ["expired"], False)
    assert books.batches.claim(books.run.run_id, "k", books.execution + 1, books.run.run_id) is None


@pytest.mark.parametrize(("by", "person"), [("ana", True), (BY_DUE_TIME, False)])
def test_who_cancelled_a_batch_is_known(books: Books, by: str, person: bool):
    [line] = books.begin(1, key="k")
    assert books.batches.cancel("b1", by)
    assert not books.batches.cancel("b1", "somebody else")
    books.batches.take(line, NOTHING, "cancelled", None)
    found = books.batches.claim(books.run.run_id, "k", books.execution + 1, books.run.run_id)
    assert found is not None
    assert found.by_person is person


def test_the_hold_of_a_killed_run_is_kept_while_it_waits(books: Books):
    """Attempts that are not lines of a batch are written off; the batch's stay what they are."""
    books.begin(2)
    live = an_intent(books.run, WORST)
    assert books.ledger.begin(live, books.execution).result() == []
    books.clock.now += HOUR
    assert books.ledger.reap() == 0
    assert books.hold()["state"] == "suspended"
    assert (books.hold()["used_nano"], books.hold()["inflight_nano"]) == (WORST, 2 * WORST)
    assert [row["outcome"] for row in rows(books.ledger, schema.attempts)] == ["lost"]
    assert rows(books.ledger, schema.settlements) == []
    books.clock.now = NOON + 6 * HOUR + 24 * HOUR + HOUR
    assert books.ledger.reap() == 1, "nobody continued it"
    assert books.ledger.newest_end(books.run.run_id) is not None


def test_a_run_that_is_started_again_while_it_waits_goes_on_with_its_hold(books: Books):
    lines = books.begin(2)
    assert books.ledger.begin(an_intent(books.run, WORST), books.execution).result() == []
    again = books.ledger.start(books.run.run_id)
    assert (again.number, again.resumed) == (2, True)
    assert (books.hold()["state"], books.hold()["execution"]) == ("running", 2)
    assert (books.hold()["used_nano"], books.hold()["inflight_nano"]) == (WORST, 2 * WORST)
    assert books.batches.take(lines[0], ok(10), "succeeded", b"x")
    settled = books.ledger.settle(books.run.run_id, "completed", execution=2)
    assert settled is not None
    assert settled.lost == 1


def test_results_of_a_run_that_was_settled_correct_what_was_written_off(books: Books):
    [line] = books.begin(1)
    assert books.ledger.settle(books.run.run_id, "failed") is not None
    [budget] = rows(books.ledger, schema.budgets)
    assert budget["spent_nano"] == WORST
    assert books.batches.take(line, DONE, "succeeded", b"late")
    [budget] = rows(books.ledger, schema.budgets)
    assert budget["spent_nano"] == DONE.cost_nano
    found = books.batches.claim(books.run.run_id, "key-0", 2, books.run.run_id)
    assert found is not None
    assert found.answer is not None


def test_a_turn_that_is_recorded_is_a_replay_from_then_on(books: Books):
    [line] = books.begin(1)
    books.batches.take(line, ok(10), "succeeded", b"x")
    found = books.batches.line_of_entry(line.entry_id)
    assert found is not None
    assert (found[0].turn_id, found[1]) == (line.turn_id, 1)


def test_how_long_batches_took(books: Books):
    for n, seconds in enumerate((60, 120)):
        books.begin(1, f"b{n}")
        books.clock.now = NOON + 1_000_000
        books.batches.created(f"b{n}", f"batch-{n}")
        ended = books.clock.now + seconds * 1_000_000
        books.batches.observed(f"b{n}", "ended", completed=1, failed=0, fault=None, ended_at=ended)
        books.clock.now = NOON
    assert books.batches.past_seconds(stand_in=True) == {"groq": [60, 120]}
    assert books.batches.past_seconds(stand_in=False) == {}


@pytest.mark.parametrize(
    ("state", "by", "counted"),
    [
        ("ended", None, [600]),
        ("expired", None, [600]),
        ("cancelled", BY_DUE_TIME, [300]),  # for as long as it was waited for
        ("cancelled", "ana", []),
        ("ended", "ana", []),
        ("failed", None, []),
    ],
)
def test_late_batches_count_for_as_long_as_they_were_waited_for(
    books: Books, state: Any, by: str | None, counted: list[int]
):
    books.begin(1)
    books.batches.created("b1", "batch-1")
    books.clock.now += 300_000_000
    if by is not None:
        books.batches.cancel("b1", by)
    ended = NOON + 600_000_000
    books.batches.observed("b1", state, completed=0, failed=0, fault=None, ended_at=ended)
    assert books.batches.past_seconds(stand_in=True) == ({"groq": counted} if counted else {})


def test_how_many_turns_of_batches_were_asked_live(books: Books):
    """A turn in two batches counts once, one that has not ended not at all, nor one that a person cancelled."""
    [back, late, twice, under_way] = books.begin(4)
    [again] = [replace(line, intent=replace(line.intent, turn_id=twice.turn_id)) for line in books.lines(1, "b2")]
    batch = replace(books.batches.open()[0], label="b2", lines=1)
    books.batches.begin(batch, [again], books.execution)
    for line in (back, again):
        books.batches.take(line, ok(100), "succeeded", b"an answer")
    for line in (late, twice, under_way):
        books.batches.take(line, NOTHING, "expired", None)
    live = replace(an_intent(books.run, WORST), turn_id=late.turn_id)
    assert books.ledger.begin(live, books.execution).result() == []
    books.ledger.end(live, DONE).result()
    assert books.batches.past_turns(stand_in=True) == {}, "no turn has ended"
    for line in (back, late, twice):
        turn = Turn(line.turn_id, books.run.run_id, "say", "p.j2", "v1", "[]", "answered", None, "t", 1, False, NOON, 5)
        books.ledger.record_turn(turn).result()
    assert books.batches.past_turns(stand_in=True) == {"groq": (3, 1)}
    assert books.batches.past_turns(stand_in=False) == {}
    books.batches.cancel("b1", "ana")
    assert books.batches.past_turns(stand_in=True) == {"groq": (1, 0)}
