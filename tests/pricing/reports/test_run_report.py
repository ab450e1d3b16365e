"""One run's report, held to numbers computed by hand and to the ledger itself."""

import tempfile
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.ledger.budgets import BudgetRule
from pricing.replica.replica import Replica
from pricing.replica.run_copy import RunCopy
from pricing.reports import RunReport, run_report
from pricing.reports.run.data import TokenSums
from pricing.usage import Usage
from tests.pricing.reports.conftest import eventful
from tests.support.examples import examples
from tests.support.report_books import CENT, SECOND, Books


def report_of(replica: Replica, run_id: str = "last") -> RunReport:
    replica.sync()
    return run_report(replica, run_id)


def spent_in_ledger(store: Store, run_id: str) -> int:
    with store.read() as connection:
        attempts, adjustments = schema.attempts.c, schema.adjustments.c
        cost = connection.execute(sa.select(sa.func.sum(attempts.cost_nano)).where(attempts.run_id == run_id)).scalar()
        delta = connection.execute(
            sa.select(sa.func.sum(adjustments.cost_delta_nano)).where(adjustments.run_id == run_id)
        ).scalar()
    return int(cost or 0) + int(delta or 0)


def sums(report: RunReport) -> set[int]:
    """The run's cost by every breakdown: one number, if they agree."""
    return {
        report.money.spent_nano,
        sum(one.cost_nano for one in report.operations),
        sum(one.cost_nano for one in report.models),
        sum(one.cost_nano for one in report.turns),
        sum(attempt.cost_nano for turn in report.turns for attempt in turn.attempts),
    }


def test_an_eventful_run(store: Store, books: Books, replica: Replica):
    eventful(books)
    report = report_of(replica)
    assert (report.run.automation, report.run.outcome, report.run.stand_in) == ("digest", "completed", False)
    assert report.run.duration_us == 4 * SECOND
    assert (report.quote.point_nano, report.quote.method, report.quote.history) == (10 * CENT, "student_t", 12)
    money = report.money
    assert (money.held_nano, money.spent_nano, money.released_nano) == (100 * CENT, 15 * CENT, 85 * CENT)
    assert (money.of_point, money.of_p95, money.unsettled_nano) == (1.5, 0.75, 0)
    summarize, plan = report.operations
    assert (summarize.operation, summarize.turns, summarize.answered, summarize.blocked) == ("summarize", 3, 2, 1)
    assert (summarize.attempts, summarize.cost_nano, summarize.share) == (4, 10 * CENT, 10 / 15)
    assert summarize.tokens == TokenSums(2000, 400, 800)
    assert (plan.operation, plan.turns, plan.attempts, plan.cost_nano) == ("plan", 1, 2, 5 * CENT)
    haiku, groq = report.models
    assert (haiku.target, haiku.attempts, haiku.ok, haiku.failed, haiku.cost_nano) == ("haiku", 5, 3, 2, 14 * CENT)
    assert (groq.target, groq.model, groq.cost_nano) == ("groq-oss", "gpt-oss-120b", CENT)
    assert [(turn.turn_id, turn.outcome, len(turn.attempts)) for turn in report.turns] == [
        ("t1", "answered", 3),
        ("t2", "answered", 2),
        ("t3", "answered", 1),
        ("t4", "blocked", 0),
    ]
    assert [(a.hop, a.ordinal, a.outcome, a.status, a.priced) for a in report.turns[0].attempts] == [
        (0, 0, "server_error", 503, "unbilled"),
        (0, 1, "timeout", None, "worst_case"),
        (1, 2, "ok", 200, "usage"),
    ]
    assert report.turns[1].repaired
    assert [line.story for line in report.fallbacks] == [
        "summarize: haiku 503 server_error → retry 1 timeout → groq-oss ok",
        "plan: haiku ok → repair (the answer did not follow its schema) ok",
    ]
    assert [(g.guard, g.action, g.reason, g.mode, g.count) for g in report.guards] == [
        ("pii", "redact", "pii", "enforce", 2),
        ("brand", "block", "brand", "shadow", 1),
        ("scope", "block", "scope", "enforce", 1),
    ]
    assert (report.unknown.attempts, report.unknown.worst_nano) == (1, 5 * CENT)
    assert sums(report) == {spent_in_ledger(store, report.run.run_id)}


def test_what_nobody_counted_is_not_zero(books: Books, replica: Replica):
    run = books.run("uncounted")
    books.end(books.intent(run, "t"), 0, "connection")
    books.turn(run, "t", 1, "failed", reason="connection")
    books.ledger.settle(run.run_id, "failed", "no target answered")
    report = report_of(replica)
    assert report.operations[0].tokens == TokenSums(None, None, None)
    assert report.operations[0].share is None
    assert (report.run.outcome, report.run.reason) == ("failed", "no target answered")


def test_a_run_settled_twice_is_one_run(store: Store, books: Books, replica: Replica):
    run = books.run("twice")
    books.answered(run, "t1", 3 * CENT)
    books.ledger.settle("twice", "failed", "crashed")
    books.clock += SECOND
    books.ledger.admit(run, ())
    books.answered(run, "t2", 4 * CENT)
    before = report_of(replica)
    assert (before.run.outcome, before.money.spent_nano, before.money.unsettled_nano) == ("failed", 7 * CENT, 4 * CENT)
    books.clock += SECOND
    books.ledger.settle("twice", "completed")
    report = report_of(replica)
    assert (report.run.outcome, report.run.duration_us) == ("completed", 2 * SECOND)
    assert [(one.outcome, one.spent_nano) for one in report.settlements] == [
        ("failed", 3 * CENT),
        ("completed", 4 * CENT),
    ]
    assert (report.money.held_nano, report.money.released_nano) == (200 * CENT, 193 * CENT)
    assert (report.money.unsettled_nano, report.quote.point_nano) == (0, 10 * CENT)
    assert sums(report) == {7 * CENT} == {spent_in_ledger(store, "twice")}


def test_a_lost_attempt_counts_at_its_worst_until_it_comes_back(store: Store, books: Books, replica: Replica):
    run = books.run("lost")
    intent = books.intent(run, "t1", operation="plan", worst=9 * CENT)
    books.clock += 120 * SECOND
    assert books.ledger.reap() == 1
    report = report_of(replica)
    assert (report.run.outcome, report.money.spent_nano) == ("lost", 9 * CENT)
    assert (report.unknown.attempts, report.unknown.worst_nano) == (1, 9 * CENT)
    assert [(turn.outcome, turn.duration_us) for turn in report.turns] == [("unfinished", None)]
    assert report.operations[0].open == 1
    assert sums(report) == {9 * CENT}

    books.end(intent, 2 * CENT, usage=Usage(700, 80))
    report = report_of(replica)
    assert (report.money.spent_nano, report.money.adjusted_nano, report.money.unsettled_nano) == (
        2 * CENT,
        -7 * CENT,
        0,
    )
    assert [(a.attempt_id, a.delta_nano) for a in report.adjustments] == [(intent.attempt_id, -7 * CENT)]
    assert report.unknown.attempts == 0
    [attempt] = report.turns[0].attempts
    assert (attempt.outcome, attempt.priced, attempt.tokens) == ("lost", "usage", TokenSums(700, 80, None))
    assert sums(report) == {2 * CENT} == {spent_in_ledger(store, "lost")}


def test_a_lost_attempt_that_was_never_billed(books: Books, replica: Replica):
    intent = books.intent(books.run("lost"), "t1", worst=9 * CENT)
    books.ledger.settle("lost", "cancelled")
    books.end(intent, 0, "connection")
    report = report_of(replica)
    assert (report.money.spent_nano, report.unknown.attempts) == (0, 0)
    assert report.turns[0].attempts[0].priced == "unbilled"


def test_a_refused_run_and_one_under_way(light_books: Books, light_replica: Replica):
    books, replica = light_books, light_replica
    books.run("refused", rules=(BudgetRule("automation", "digest", "day", CENT),))
    report = report_of(replica)
    assert (report.run.outcome, report.money.held_nano, report.money.spent_nano) == ("over_budget", 0, 0)
    assert report.run.reason is not None
    assert "is short by" in report.run.reason
    assert not report.operations
    books.clock += SECOND
    run = books.run("under-way")
    books.answered(run, "t1", CENT)
    report = report_of(replica)
    assert (report.run.outcome, report.run.ended_at, report.run.duration_us) == ("running", None, None)
    assert (report.money.held_nano, report.money.released_nano) == (100 * CENT, 0)
    assert report.money.unsettled_nano == report.money.spent_nano == CENT


def test_turns_that_failed_tell_how_they_ended(light_books: Books, light_replica: Replica):
    run = light_books.run("failing")
    light_books.end(light_books.intent(run, "t1"), 0, "overloaded", status=529)
    light_books.end(
        light_books.intent(run, "t1", hop=1, ordinal=1, target="groq", reason="overloaded"), 0, "rate_limit", status=429
    )
    light_books.turn(run, "t1", 2, "failed", reason="rate_limit")
    [line] = report_of(light_replica).fallbacks
    assert line.story == "summarize: haiku 529 overloaded → groq 429 rate_limit → failed (rate_limit)"


def test_it_is_plain_json(light_books: Books, light_replica: Replica):
    eventful(light_books)
    values = orjson.loads(orjson.dumps(report_of(light_replica).to_json()))
    assert values["money"]["spent_nano"] == 15 * CENT
    assert values["run"]["started_at"] == "2026-09-21T14:13:20+00:00"
    assert values["turns"][0]["attempts"][2]["tokens"] == {"input": 1000, "output": 200, "cached": 400, "written": None}


def test_runs_are_found_by_id_prefix_and_last(light_books: Books, light_replica: Replica):
    for run_id in ("0199aaaa-1111", "0199aaaa-2222", "0199aaaa-2222-more", "0%99_wild"):
        light_books.clock += SECOND
        light_books.run(run_id)
    light_replica.sync()
    for asked, found in [
        ("last", "0%99_wild"),
        (" LAST ", "0%99_wild"),
        ("0199aaaa-1", "0199aaaa-1111"),
        ("0199AAAA-1111", "0199aaaa-1111"),
        ("0199aaaa-2222", "0199aaaa-2222"),
        ("0199aaaa-2222-", "0199aaaa-2222-more"),
        ("0%99", "0%99_wild"),
        ("…-2222", "0199aaaa-2222"),
        ("more", "0199aaaa-2222-more"),
    ]:
        assert run_report(light_replica, asked).run.run_id == found


@pytest.mark.parametrize(
    "asked, message, next_step",
    [
        ("0199aaaa-2", "the beginning of several", "0199aaaa-2222-more"),
        ("-0000", "the end of several", "They are: 0199aaaa-4444-0000, 0199aaaa-3333-0000."),
        ("0199aaaa-5333", "no run", "Nearest: 0199aaaa-"),
        ("zzzzzzzzzzzz", "no run", "Latest: 0199aaaa-2222-more"),
        ("019", "too short", "last"),
        ("%%%%", "no run", "Latest"),
        ("\x1b[31mred", r"no run '\x1b[31mred'", "Latest"),
        ("", "too short", "last"),
        ("' OR 1=1 --", "no run", "Latest"),
    ],
)
def test_a_run_that_is_not_there(light_books: Books, light_replica: Replica, asked: str, message: str, next_step: str):
    for run_id in ("0199aaaa-3333-0000", "0199aaaa-4444-0000", "0199aaaa-1111", "0199aaaa-2222", "0199aaaa-2222-more"):
        light_books.clock += SECOND
        light_books.run(run_id)
    light_replica.sync()
    with pytest.raises(UsageError) as caught:
        run_report(light_replica, asked)
    assert message in caught.value.message
    assert next_step in caught.value.next_step
    assert caught.value.exit_code == 2


def test_without_any_run_it_says_how_to_start(replica: Replica):
    with pytest.raises(UsageError, match="no runs yet") as caught:
        run_report(replica, "last")
    assert "farebox demo" in caught.value.next_step


ATTEMPT = st.tuples(
    st.sampled_from(["plan", "summarize", "chat"]),
    st.sampled_from([("haiku", "m1"), ("groq", "m2"), ("groq", "m3")]),
    st.integers(0, 10**12),
    st.sampled_from(["ok", "timeout", "vanishes", "vanishes and comes back"]),
    st.booleans(),
)


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(ATTEMPT, min_size=1, max_size=3), max_size=4))
def test_every_breakdown_sums_to_what_was_spent(turns: list[list[tuple[str, tuple[str, str], int, str, bool]]]):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/ledger.db")
        books, late = Books(store), []
        run = books.run("any-run")
        for number, attempts in enumerate(turns):
            for ordinal, (_, (target, model), cost, fate, stand_in) in enumerate(attempts):
                operation, turn_id = attempts[0][0], f"t{number}"
                place = {"target": target, "model": model, "stand_in": stand_in, "ordinal": ordinal, "hop": ordinal}
                intent = books.intent(run, turn_id, operation=operation, worst=10**12, **place)
                if fate in {"ok", "timeout"}:
                    books.end(intent, cost, fate)
                elif fate == "vanishes and comes back":
                    late.append((intent, cost))
        books.ledger.settle("any-run", "completed")
        for intent, cost in late:
            books.end(intent, cost)
        report = report_of(Replica(Path(folder) / "replica.duckdb", store))
        assert sums(report) == {spent_in_ledger(store, "any-run")}
        assert sum(one.spent_nano for one in report.settlements) + report.money.adjusted_nano == report.money.spent_nano
        store.close()


def test_a_machine_that_keeps_no_replica_reports_the_same(books: Books, store: Store, replica: Replica):
    """From a copy of the run's own facts; other runs are not in it."""
    run = eventful(books)
    books.answered(books.run("bbbb-other"), "t9", 2 * CENT)
    replica.sync()
    copy = RunCopy(store, run.run_id)
    assert run_report(copy, run.run_id) == run_report(replica, run.run_id)
    with pytest.raises(UsageError, match="no run"):
        run_report(copy, "bbbb-other")
