"""A run that is started again while it is held: the newer execution takes over, and nobody else is stopped."""

import dataclasses
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing.clock import from_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import HoldUnsettled, RunExpired, RunTakenOver
from pricing.ledger.approvals import ApprovalDecision, ApprovalRequest, Approvals
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.holds import Unsettled
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.clock import Clock
from tests.support.interleavings import Interleavings
from tests.support.ledger import NOON, a_run, an_intent, ok, per_day, rows
from tests.support.postgres import Postgres
from tests.support.upgrade import lay

LEASE = 60_000_000
CENT = USD // 100
ON_SQLITE, ON_POSTGRES = 100, 10
BROKEN = (
    """
    INSERT INTO runs (run_id, automation, quality, plan, routes, rate_version, method, history, point_nano, p50_nano,
    p95_nano, ceiling_nano, held_nano, stand_in, started_at)
    VALUES ('crashed', 'digest', 'fast', '[]', '{}', 'v1', 'prior', 0, 5, 5, 10, 40, 10, :yes, :now)
    """,
    """
    INSERT INTO budgets (budget_id, name, scope, key, span, starts_at, ends_at, limit_nano, spent_nano, held_nano)
    VALUES ('automation:digest:month:2026-09-01', 'digest per month', 'automation', 'digest', 'month', 0, :ends,
    5000000000, 0, 10)
    """,
    """
    INSERT INTO holds (run_id, ordinal, amount_nano, used_nano, inflight_nano, lease_until, by_operation)
    VALUES ('crashed', 0, 10, 3, 0, :now, :no)
    """,
    "INSERT INTO hold_budgets (run_id, budget_id) VALUES ('crashed', 'automation:digest:month:2026-09-01')",
    """
    INSERT INTO settlements (run_id, ordinal, automation, quality, stand_in, outcome, reason, budgets, held_nano,
    spent_nano, released_nano, rate_version, ended_at)
    VALUES ('crashed', 0, 'digest', 'fast', :yes, 'over_budget', 'refused before the run', '[]', 0, 0, 0, 'v1', :now)
    """,
)
"""What the version before left behind: a run that is held, was started again, and was refused with the ordinal of the
settlement that its hold was to end in."""


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def told() -> list[Unsettled]:
    return []


@pytest.fixture
def ledger(store: Store, clock: Clock, told: list[Unsettled]) -> Ledger:
    return Ledger(store, lease_seconds=60, clock=clock, on_unsettled=told.append)


def budgets(ledger: Ledger) -> list[tuple[int, int]]:
    return [(state.held, state.spent) for state in ledger.budgets()]


def test_a_crashed_run_that_is_started_again_within_its_lease_stops_nobody(ledger: Ledger, clock: Clock):
    """The reproduction: killed with -9, started again under the same id, then every later run of every automation."""
    run = a_run(held=USD)
    ceiling = BudgetRule("run", run.run_id, "run", USD)
    first = ledger.start(run.run_id)
    assert ledger.admit(run, [per_day(5 * USD), ceiling], execution=first.number) == []
    assert ledger.begin(an_intent(run, 10 * CENT), first.number).result() == []

    second = ledger.start(run.run_id)
    assert (second.number, second.resumed) == (first.number + 1, False)
    assert budgets(ledger) == [(0, 10 * CENT)], "what was in flight counts at its worst case"
    assert ledger.newest_end(run.run_id) is None, "the run goes on"
    limit = ledger.committed(run.run_id) + USD
    rules = [per_day(5 * USD), dataclasses.replace(ceiling, limit=limit)]
    assert ledger.admit(run, rules, execution=second.number) == []
    clock.now += LEASE + 1
    assert ledger.reap() == 1
    assert ledger.admit(a_run(held=USD, automation="other"), [per_day(USD, "other")]) == []
    assert [(row["ordinal"], row["outcome"]) for row in rows(ledger, schema.settlements)] == [(0, "lost"), (1, "lost")]


def test_a_ledger_without_executions_takes_over_too(ledger: Ledger):
    """Admitting a run without an execution begins one."""
    run = a_run(held=USD)
    assert ledger.admit(run, [per_day(5 * USD)]) == []
    assert ledger.admit(run, [per_day(USD // 2)]), "it does not fit, and is refused"
    assert [row["outcome"] for row in rows(ledger, schema.settlements)] == ["lost", "over_budget"]
    assert (budgets(ledger), ledger.has_hold(run.run_id)) == ([(0, 0)], False)


def test_the_older_process_can_spend_and_settle_nothing_more(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    older = ledger.start(run.run_id).number
    ledger.admit(run, [per_day(5 * USD)], execution=older)
    sent = an_intent(run, 10 * CENT)
    ledger.begin(sent, older).result()
    newer = ledger.start(run.run_id).number
    with pytest.raises(RunTakenOver, match="started again"):
        ledger.begin(an_intent(run), older).result()
    ledger.admit(run, [per_day(5 * USD)], execution=newer)
    with pytest.raises(RunTakenOver):
        ledger.begin(an_intent(run), older).result()
    with pytest.raises(RunTakenOver):
        ledger.admit(run, [per_day(5 * USD)], execution=older)
    assert not ledger.renew(run.run_id, execution=older)
    assert not ledger.suspend(run.run_id, older, clock.now + LEASE)
    assert ledger.settle(run.run_id, "completed", execution=older) is None
    assert budgets(ledger) == [(USD, 10 * CENT)]
    ledger.end(sent, ok(3 * CENT)).result()
    assert budgets(ledger) == [(USD, 3 * CENT)], "what comes back late corrects what it was written off at"
    assert ledger.begin(an_intent(run, CENT), newer).result() == []
    assert ledger.settle(run.run_id, "completed", execution=newer) is not None
    assert budgets(ledger) == [(0, 4 * CENT)]


def test_attempts_of_two_executions_on_one_page(ledger: Ledger):
    """Those of the older one are refused, those of the newer one are not."""
    run = a_run(held=USD)
    older = ledger.start(run.run_id).number
    newer = ledger.start(run.run_id).number
    ledger.admit(run, [per_day(5 * USD)], execution=newer)
    written = [ledger.begin(an_intent(run, CENT), number) for number in (older, newer, older, newer)]
    for one in (written[0], written[2]):
        with pytest.raises(RunTakenOver):
            one.result()
    assert [written[1].result(), written[3].result()] == [[], []]
    [hold] = rows(ledger, schema.holds)
    assert hold["inflight_nano"] == 2 * CENT


def test_a_late_attempt_corrects_the_budgets_that_carried_it_not_those_of_a_later_refusal(ledger: Ledger, clock: Clock):
    run, org = a_run(held=USD), BudgetRule("org", "acme", "month", 10 * USD)
    ledger.admit(run, [per_day(5 * USD), org])
    sent = an_intent(run, 10 * CENT)
    ledger.begin(sent).result()
    clock.now += LEASE + 1
    ledger.reap()
    assert ledger.admit(run, [per_day(USD // 2)]), "refused by the day's budget"
    ledger.end(sent, ok(3 * CENT)).result()
    assert {(state.scope, state.spent) for state in ledger.budgets()} == {("automation", 3 * CENT), ("org", 3 * CENT)}
    assert rows(ledger, schema.written_off) == []


def test_a_refusal_ahead_of_a_run_that_is_held_is_not_written(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    ledger.admit(run, [per_day(5 * USD)])
    assert not ledger.refuse(run, [])
    question = ApprovalRequest(run, CENT, {"automation:digest:day:2026-09-21": 1}, from_us(NOON))
    Approvals(ledger.store, clock).ask(question)
    assert not ledger.reject(question, ApprovalDecision("refuse", "ana"))
    assert rows(ledger, schema.questions) == rows(ledger, schema.settlements) == rows(ledger, schema.approvals) == []
    clock.now += LEASE + 1
    assert ledger.reap() == 1
    assert ledger.refuse(run, [])


def test_a_run_that_is_admitted_leaves_no_question_open(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    approvals = Approvals(ledger.store, clock)
    approvals.ask(ApprovalRequest(run, CENT, {"automation:digest:day:2026-09-21": 1}, from_us(NOON)))
    assert ledger.admit(run, [per_day(5 * USD)]) == []
    assert approvals.waiting() == []


# Suspended -----------------------------------------------------------------------------------------------------------


def test_a_suspended_run_keeps_its_hold_and_is_settled_once(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    first = ledger.start(run.run_id).number
    ledger.admit(run, [per_day(5 * USD)], execution=first)
    sent = an_intent(run, 10 * CENT)
    ledger.begin(sent, first).result()
    assert ledger.suspend(run.run_id, first, clock.now + 100 * LEASE)
    with pytest.raises(RunTakenOver):
        ledger.begin(an_intent(run), first).result()
    ledger.end(sent, ok(3 * CENT)).result()
    clock.now += 50 * LEASE
    assert ledger.reap() == 0
    resumed = ledger.start(run.run_id)
    assert resumed.resumed
    assert ledger.begin(an_intent(run, CENT), resumed.number).result() == []
    settled = ledger.settle(run.run_id, "completed", execution=resumed.number)
    assert settled is not None
    assert (settled.held, settled.spent) == (USD, 4 * CENT)
    assert [row["outcome"] for row in rows(ledger, schema.settlements)] == ["completed"]
    assert rows(ledger, schema.adjustments) == []


def test_a_suspended_run_that_nobody_resumes_is_settled_in_the_end(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    first = ledger.start(run.run_id).number
    ledger.admit(run, [per_day(5 * USD)], execution=first)
    ledger.suspend(run.run_id, first, clock.now + 100 * LEASE)
    clock.now += 100 * LEASE + 1
    assert ledger.reap() == 1
    [settlement] = rows(ledger, schema.settlements)
    assert (settlement["outcome"], settlement["reason"]) == ("cancelled", "it was suspended and not resumed in time")
    assert not ledger.start(run.run_id).resumed


# What cannot be settled ----------------------------------------------------------------------------------------------


def test_a_hold_that_cannot_be_settled_is_put_aside_and_stops_nobody(
    ledger: Ledger, clock: Clock, told: list[Unsettled]
):
    broken, other = a_run(held=USD), a_run(held=USD)
    for run in (broken, other):
        assert ledger.admit(run, [per_day(5 * USD)]) == []
    ledger.begin(an_intent(broken, CENT)).result()
    with ledger.store.write() as connection:
        connection.execute(sa.update(schema.inflight).values(intent="no JSON"))
    clock.now += LEASE + 1
    assert ledger.reap() == 1, "the other one"
    assert told == ledger.unsettled() == [Unsettled(broken.run_id, "JSONDecodeError")]
    assert ledger.reap() == 0
    assert ledger.admit(a_run(held=USD), [per_day(5 * USD)]) == []
    assert len(told) == 1, "it is told of once"
    with pytest.raises(HoldUnsettled, match=broken.run_id):
        ledger.start(broken.run_id)
    with ledger.store.write() as connection:
        repaired = json.dumps(dataclasses.asdict(an_intent(broken, CENT)))
        connection.execute(sa.update(schema.inflight).values(intent=repaired))
    assert ledger.start(broken.run_id).number > 0
    assert ledger.unsettled() == []


def test_a_run_that_ends_with_a_hold_that_cannot_be_settled_ends_all_the_same(ledger: Ledger, told: list[Unsettled]):
    run = a_run(held=USD)
    ledger.admit(run, [per_day(5 * USD)])
    with ledger.store.write() as connection:
        connection.execute(sa.delete(schema.runs))
    assert ledger.settle(run.run_id, "completed") is None
    assert told == [Unsettled(run.run_id, "NoResultFound")]


# Ledgers of the version before ---------------------------------------------------------------------------------------


def test_a_ledger_that_no_run_could_start_on_any_more_is_repaired_when_it_is_opened(empty_database_url: str):
    """The old sequence: held, started again, refused with the ordinal that the live hold owns."""
    engine = sa.create_engine(empty_database_url)
    with engine.begin() as connection:
        lay(connection, 7)
        values = {"yes": True, "no": False, "now": NOON, "ends": NOON + 10**12}
        for statement in BROKEN:
            connection.execute(sa.text(statement), values)
    engine.dispose()
    store = Store(empty_database_url)
    ledger = Ledger(store, lease_seconds=60, clock=lambda: NOON + LEASE)
    assert [row["ordinal"] for row in rows(ledger, schema.holds)] == [1]
    assert ledger.admit(a_run(held=1), [per_day(USD)]) == []
    assert [(row["ordinal"], row["outcome"], row["spent_nano"]) for row in rows(ledger, schema.settlements)] == [
        (0, "over_budget", 0),
        (1, "lost", 3),
    ]
    assert ledger.unsettled() == []
    store.close()


# Whatever happens ----------------------------------------------------------------------------------------------------


def test_any_interleaving_ends_with_every_hold_settled_once_and_everybody_able_to_run(tmp_path: Path):
    """More of them: ``python -m benchmarks interleavings``."""
    interleavings = Interleavings(f"sqlite:///{tmp_path / 'ledger.db'}")
    for seed in range(ON_SQLITE):
        interleavings.run(seed)
    interleavings.close()
    assert min(interleavings.counts[what] for what in ("fenced", "adjusted", "suspend", "decide", "refuse")) > 0


def test_any_interleaving_on_postgres(postgres: Postgres):
    interleavings = Interleavings(postgres.ledger())
    for seed in range(ON_POSTGRES):
        interleavings.run(seed)
    interleavings.close()


def test_a_process_whose_lease_ran_out_is_still_told_so(ledger: Ledger, clock: Clock):
    run = a_run(held=USD)
    number = ledger.start(run.run_id).number
    ledger.admit(run, [per_day(5 * USD)], execution=number)
    clock.now += LEASE + 1
    ledger.reap()
    with pytest.raises(RunExpired, match="ran out") as caught:
        ledger.begin(an_intent(run), number).result()
    assert not isinstance(caught.value, RunTakenOver)
