"""What a person decides about a run that exceeds a budget: exactly that, once, and written down."""

import dataclasses
import json
from datetime import timedelta

import pytest

from pricing.clock import from_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.approvals import ApprovalDecision, ApprovalRequest, Approvals, Approved, shortfalls
from pricing.ledger.budgets import BudgetRule, BudgetState
from pricing.ledger.facts import Run
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent, rows

DAY = BudgetRule("automation", "digest", "day", 1 * USD)
ORG = BudgetRule("org", "acme", "month", 50 * USD)
OWN = BudgetRule("operation", "summarize", "day", USD // 10, needs=USD // 2)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def ledger(store: Store, clock: Clock) -> Ledger:
    return Ledger(store, clock=clock)


@pytest.fixture
def approvals(store: Store, clock: Clock) -> Approvals:
    return Approvals(store, clock)


def named(run_id: str, hold: int) -> Run:
    return dataclasses.replace(a_run(hold), run_id=run_id)


def asked(ledger: Ledger, approvals: Approvals, run_id: str, hold: int, *rules: BudgetRule) -> ApprovalRequest:
    run = named(run_id, hold)
    refusals = ledger.admit(run, rules, final=False)
    assert refusals
    question = ApprovalRequest(run, hold // 2, shortfalls(refusals), from_us(NOON) + timedelta(hours=1))
    approvals.ask(question)
    return question


def day(ledger: Ledger) -> BudgetState:
    [found] = [state for state in ledger.budgets() if state.scope == "automation"]
    return found


def test_to_approve_once_overdraws_the_budget_that_was_named_by_what_is_written_down(
    ledger: Ledger, approvals: Approvals
):
    assert not ledger.admit(named("before", USD * 9 // 10), [DAY, ORG])
    question = asked(ledger, approvals, "dear", USD // 2, DAY, ORG)
    assert dict(question.lacking) == {day(ledger).budget_id: USD * 4 // 10}
    assert approvals.open("dear") == question
    approved = Approved(question, ApprovalDecision("once", "ana"))
    assert not ledger.admit(question.run, [DAY, ORG], approved=approved)
    assert (day(ledger).held, day(ledger).left) == (USD * 14 // 10, -USD * 4 // 10)
    assert approvals.open("dear") is None
    [decided] = rows(ledger, schema.approvals)
    assert (decided["choice"], decided["decided_by"], decided["hold_nano"]) == ("once", "ana", USD // 2)
    assert json.loads(decided["budgets"]) == {day(ledger).budget_id: USD * 4 // 10}
    assert ledger.admit(named("next", 1), [DAY, ORG]), "nobody else may follow"
    assert ledger.admit(question.run, [DAY, ORG], approved=approved, final=False), "nor the same decision twice"
    assert len(rows(ledger, schema.approvals)) == 1


def test_a_budget_that_was_not_named_refuses_still(ledger: Ledger, approvals: Approvals):
    question = asked(ledger, approvals, "dear", 2 * USD, DAY)
    tight = dataclasses.replace(ORG, limit=USD)
    refusals = ledger.admit(
        question.run, [DAY, tight], final=False, approved=Approved(question, ApprovalDecision("once", "ana"))
    )
    assert [refusal.budget.scope for refusal in refusals] == ["org"]
    assert day(ledger).held == 0
    [decided] = rows(ledger, schema.approvals)
    assert json.loads(decided["budgets"]) == {}, "nothing was overdrawn"


def test_to_raise_a_budget_gives_it_room_until_it_resets(ledger: Ledger, approvals: Approvals, clock: Clock):
    question = asked(ledger, approvals, "dear", 2 * USD, DAY)
    assert not ledger.admit(question.run, [DAY], approved=Approved(question, ApprovalDecision("raise", "ana", 3 * USD)))
    assert (day(ledger).limit, day(ledger).left, day(ledger).raised) == (4 * USD, 2 * USD, True)
    assert not ledger.admit(named("next", 2 * USD), [DAY])
    assert rows(ledger, schema.budget_changes)[-1]["limit_nano"] == 4 * USD
    clock.now += 24 * 3_600_000_000
    assert ledger.admit(named("tomorrow", 2 * USD), [DAY])
    assert day(ledger).limit == USD


def test_the_budget_of_one_operation_is_raised_by_what_it_lacks(ledger: Ledger, approvals: Approvals):
    question = asked(ledger, approvals, "dear", USD, OWN)
    assert not ledger.admit(question.run, [OWN], approved=Approved(question, ApprovalDecision("once", "ana")))
    [state] = ledger.budgets()
    assert (state.limit, state.held) == (USD // 2, 0)


def test_to_finish_with_what_there_is_leaves_a_run_no_room_and_is_refused_by_no_budget(
    ledger: Ledger, approvals: Approvals
):
    own = BudgetRule("run", "dear", "run", 3 * USD)
    assert not ledger.admit(named("before", USD), [DAY])
    question = asked(ledger, approvals, "dear", 2 * USD, DAY, own)
    raised = Approved(question, ApprovalDecision("raise", "ana", 5 * USD))
    assert not ledger.admit(question.run, [DAY, own], approved=raised)
    ledger.settle("dear", "over_budget", "a budget")
    assert not ledger.admit(named("greedy", 5 * USD), [DAY]), "others take what there is"
    approvals.ask(question)
    finish = Approved(question, ApprovalDecision("finish", "ana"))
    assert finish.hold == 0
    closed = dataclasses.replace(question.run, held_nano=finish.hold)
    low = dataclasses.replace(ORG, limit=0)
    needy = dataclasses.replace(OWN, limit=0)
    assert not ledger.admit(closed, [DAY, low, needy, own], approved=finish, closed=True)
    assert approvals.open("dear") is None
    [this] = [row for row in rows(ledger, schema.budgets) if row["scope"] == "run"]
    assert (this["limit_nano"], this["raised_nano"]) == (0, None)
    refusals = ledger.begin(an_intent(question.run, 1)).result()
    assert "run" in {refusal.budget.scope for refusal in refusals}
    decided = rows(ledger, schema.approvals)[-1]
    assert (decided["choice"], decided["hold_nano"]) == ("finish", 0)
    ledger.settle("dear", "over_budget", "a budget")
    assert not ledger.admit(named("dear", USD), [own]), "its next execution has room again"


@pytest.mark.parametrize("decision", [ApprovalDecision("refuse", "ana"), None])
def test_a_refusal_and_silence_end_the_run_once(
    ledger: Ledger, approvals: Approvals, decision: ApprovalDecision | None
):
    question = asked(ledger, approvals, "dear", 2 * USD, DAY)
    assert approvals.waiting() == [question]
    assert ledger.reject(question, decision)
    assert not ledger.reject(question, decision)
    [settlement] = rows(ledger, schema.settlements)
    assert settlement["outcome"] == "over_budget"
    assert ("ana" in settlement["reason"]) == (decision is not None)
    [decided] = rows(ledger, schema.approvals)
    assert (decided["choice"], decided["decided_by"]) == (("refuse", "ana") if decision else ("timed_out", None))
    assert approvals.waiting() == []
    assert ledger.run("dear") == question.run
