"""Many runs together, and apart: sandbox from real, each once."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
import sqlalchemy as sa

from pricing.clock import from_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.ledger.budgets import BudgetRule
from pricing.replica.replica import Replica
from pricing.reports import RunSelection, overview, runs
from pricing.reports.overview.data import SpendSection
from pricing.reports.run.data import TokenSums
from tests.pricing.reports.conftest import eventful
from tests.support.report_books import CENT, DAY, NOON, SECOND, Books


def everything(replica: Replica, **changed: Any) -> SpendSection:
    replica.sync()
    section = overview(replica, RunSelection(**changed)).real
    assert section is not None
    return section


def a_run(books: Books, run_id: str, cost: int, *, automation: str = "digest", stand_in: bool = False) -> None:
    run = books.run(run_id, automation=automation, stand_in=stand_in)
    books.answered(run, f"turn of {run_id}", cost)
    books.clock += SECOND
    books.ledger.settle(run_id, "completed")


def test_totals_by_hand(books: Books, replica: Replica):
    for number in range(1, 21):
        a_run(books, f"run-{number}", number * CENT)
    a_run(books, "weekly-1", 30 * CENT, automation="weekly")
    books.clock += DAY
    eventful(books)
    section = everything(replica)
    assert (section.runs, section.turns, section.attempts) == (22, 25, 27)
    assert section.spent_nano == (210 + 30 + 15) * CENT
    digest, weekly = section.automations
    assert (digest.automation, digest.runs, digest.spent_nano) == ("digest", 21, 225 * CENT)
    assert (digest.p50_nano, digest.p95_nano) == (11 * CENT, 19 * CENT)
    assert (weekly.automation, weekly.p50_nano) == ("weekly", 30 * CENT)
    assert [(day.day, day.runs, day.spent_nano) for day in section.days] == [
        (date(2026, 9, 21), 21, 240 * CENT),
        (date(2026, 9, 22), 1, 15 * CENT),
    ]
    summarize, plan, groq = section.operations
    assert (summarize.operation, summarize.model, summarize.cost_nano) == ("summarize", "claude-haiku-4-5", 249 * CENT)
    assert (summarize.attempts, summarize.failed, summarize.tokens) == (24, 2, TokenSums(22_000, 4_400, 8_800))
    assert (plan.operation, plan.cost_nano) == ("plan", 5 * CENT)
    assert (groq.provider, groq.model, groq.cost_nano, groq.share) == ("groq", "gpt-oss-120b", CENT, 1 / 255)
    assert (section.coverage.runs, section.coverage.within, section.coverage.share) == (22, 21, 21 / 22)
    assert (section.fallbacks.turns, section.fallbacks.fell_back) == (24, 1)
    assert [(one.what, one.reason, one.count) for one in section.blocks] == [("turn", "scope", 1)]


def test_the_sandbox_is_summed_apart(books: Books, replica: Replica):
    a_run(books, "real", 2 * CENT)
    a_run(books, "pretended", 7 * CENT, stand_in=True)
    replica.sync()
    seen = overview(replica)
    assert seen.real is not None
    assert seen.sandbox is not None
    assert (seen.real.spent_nano, seen.real.stand_in_nano, seen.real.runs) == (2 * CENT, 0, 1)
    assert (seen.sandbox.spent_nano, seen.sandbox.stand_in_nano, seen.sandbox.runs) == (7 * CENT, 7 * CENT, 1)
    assert [(line.run_id, line.stand_in) for line in runs(replica)] == [("pretended", True), ("real", False)]
    assert orjson.dumps(seen.to_json())


def test_a_stand_in_target_within_a_real_run_is_told(light_books: Books, light_replica: Replica):
    run = light_books.run("mixed")
    light_books.answered(run, "t1", 2 * CENT)
    light_books.answered(run, "t2", 3 * CENT, stand_in=True)
    light_books.ledger.settle("mixed", "completed")
    section = everything(light_replica)
    assert (section.spent_nano, section.stand_in_nano) == (5 * CENT, 3 * CENT)


def test_runs_settled_twice_count_once(books: Books, replica: Replica):
    run = books.run("twice")
    books.answered(run, "t1", 3 * CENT)
    books.ledger.settle("twice", "failed")
    books.clock += SECOND
    books.ledger.admit(run, ())
    books.answered(run, "t2", 4 * CENT)
    books.ledger.settle("twice", "completed")
    section = everything(replica)
    assert (section.runs, section.spent_nano, section.turns) == (1, 7 * CENT, 2)
    assert [(one.outcome, one.runs) for one in section.outcomes] == [("completed", 1)]
    assert (section.coverage.runs, section.coverage.within) == (1, 1)
    [line] = runs(replica)
    assert (line.outcome, line.turns, line.attempts, line.spent_nano) == ("completed", 2, 2, 7 * CENT)
    assert (line.duration_us, line.of_point, line.of_p95) == (SECOND, 0.7, 0.35)


def test_adjustments_are_in_every_sum(store: Store, books: Books, replica: Replica):
    intent = books.intent(books.run("lost"), "t1", operation="plan", worst=9 * CENT)
    a_run(books, "other", 5 * CENT)
    books.clock += 120 * SECOND
    books.ledger.reap()
    assert everything(replica).spent_nano == 14 * CENT
    books.end(intent, 2 * CENT)
    section = everything(replica)
    assert section.spent_nano == 7 * CENT
    assert {one.operation: one.cost_nano for one in section.operations} == {"plan": 2 * CENT, "summarize": 5 * CENT}
    assert sum(one.spent_nano for one in section.automations) == sum(one.spent_nano for one in section.days) == 7 * CENT
    assert {line.run_id: line.spent_nano for line in runs(replica)} == {"lost": 2 * CENT, "other": 5 * CENT}
    with store.read() as connection:
        settled = connection.execute(sa.select(sa.func.sum(schema.settlements.c.spent_nano))).scalar_one()
        delta = connection.execute(sa.select(sa.func.sum(schema.adjustments.c.cost_delta_nano))).scalar_one()
    assert settled + delta == section.spent_nano


def test_refused_runs_are_counted_but_do_not_make_runs_look_cheap(light_books: Books, light_replica: Replica):
    books = light_books
    a_run(books, "fine", 4 * CENT)
    for number in range(3):
        books.run(f"refused-{number}", rules=(BudgetRule("automation", "digest", "day", CENT),))
    stopped = books.run("stopped")
    books.answered(stopped, "t", 6 * CENT)
    books.turn(stopped, "t-stopped", 0, "stopped", reason="budget")
    books.turn(stopped, "t-cancelled", 0, "stopped", reason="cancelled")
    books.ledger.settle("stopped", "over_budget")
    books.run("running")
    section = everything(light_replica)
    assert (section.runs, section.refused) == (6, 3)
    assert (section.automations[0].p50_nano, section.automations[0].p95_nano) == (4 * CENT, 6 * CENT)
    assert [(one.what, one.reason, one.count) for one in section.blocks] == [
        ("run", "budget", 3),
        ("turn", "budget", 1),
    ]
    assert (section.coverage.runs, section.coverage.stopped) == (1, 1)
    assert {one.outcome: one.runs for one in section.outcomes} == {"over_budget": 4, "completed": 1, "running": 1}


def test_periods_are_half_open_and_days_are_those_of_the_zone(light_books: Books, light_replica: Replica):
    books = light_books
    for day in range(3):
        books.clock = NOON + day * DAY
        a_run(books, f"run-{day}", (day + 1) * CENT)
    light_replica.sync()
    start = from_us(NOON)
    seen = overview(light_replica, RunSelection(start + timedelta(days=1), start + timedelta(days=2))).real
    assert seen is not None
    assert (seen.runs, seen.spent_nano) == (1, 2 * CENT)
    apia = overview(light_replica, RunSelection(zone=ZoneInfo("Pacific/Apia"))).real
    assert apia is not None
    assert [day.day for day in apia.days] == [date(2026, 9, 22), date(2026, 9, 23), date(2026, 9, 24)]


def test_days_of_25_hours(light_books: Books, light_replica: Replica):
    madrid = ZoneInfo("Europe/Madrid")
    first = 1_792_879_200_000_000 + DAY - SECOND  # 2026-10-25, when clocks go back at 03:00: 23:59:59 of a short day
    for number, moment in enumerate((first, first + 3600 * SECOND)):
        light_books.clock = moment
        a_run(light_books, f"run-{number}", CENT)
    days = everything(light_replica, zone=madrid).days
    assert [(day.day, day.runs) for day in days] == [(date(2026, 10, 25), 2)]


def test_nothing_in_the_period_is_not_an_error_but_an_unknown_name_is(light_books: Books, light_replica: Replica):
    a_run(light_books, "one", CENT)
    light_replica.sync()
    seen = overview(light_replica, RunSelection(since=from_us(NOON + DAY)))
    assert (seen.real, seen.sandbox) == (None, None)
    for read in (
        lambda: overview(light_replica, RunSelection(automation="digset")),
        lambda: runs(light_replica, automation="digset"),
    ):
        with pytest.raises(UsageError) as caught:
            read()
        assert "digset" in caught.value.message
        assert "digest" in caught.value.next_step
    assert runs(light_replica, automation="digest")[0].run_id == "one"


def test_an_empty_replica_has_nothing_to_tell(replica: Replica):
    assert runs(replica) == []
    seen = overview(replica)
    assert (seen.real, seen.sandbox) == (None, None)


def test_the_list_is_the_latest_first_and_no_longer_than_asked(light_books: Books, light_replica: Replica):
    for number in range(5):
        a_run(light_books, f"run-{number}", CENT)
    light_replica.sync()
    assert [line.run_id for line in runs(light_replica, limit=2)] == ["run-4", "run-3"]
