"""Costs by what one asks: every way adds up to the same, and margins are what they are called."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pricing.clock import from_us
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.money import USD
from pricing.rates.rate import Band
from pricing.replica.replica import Replica
from pricing.reports import BY, RunSelection, breakdown, overview, run_report
from pricing.reports.exports import export
from pricing.reports.rate_comparison import TargetRates
from tests.pricing.reports.conftest import eventful
from tests.support.business import write_business
from tests.support.report_books import CENT, NOON, SECOND, Books

SONNET = TargetRates("sonnet", "claude-sonnet-4-5", Band(3 * USD, 3 * USD // 10, 375 * USD // 100, 6 * USD, 15 * USD))


def sold(books: Books, run_id: str, org: str | None, cost: int, outcome: str = "completed", price: int = 50) -> None:
    run = books.run(run_id, org_id=org, user_id=f"of {org}", price_nano=price * CENT)
    books.answered(run, f"{run_id}-t", cost)
    books.clock += SECOND
    books.ledger.settle(run_id, outcome)  # type: ignore[arg-type]


def test_every_way_adds_up_to_the_same(light_store: Store, light_replica: Replica):
    write_business(light_store, days=8)
    light_replica.sync()
    section = overview(light_replica).real
    assert section is not None
    spent = section.spent_nano
    for by in (*((one,) for one in BY), ("operation", "model"), ("day", "org"), ("org", "operation")):
        found = breakdown(light_replica, by)
        assert sum(line.cost_nano for line in found.lines) == spent, by
        assert sum(line.attempts for line in found.lines) == section.attempts
        assert len({line.names for line in found.lines}) == len(found.lines)
        if found.of_runs:
            assert sum(line.runs or 0 for line in found.lines) == section.runs
            assert sum(line.charged_nano or 0 for line in found.lines) == section.sold.charged_nano
    days = breakdown(light_replica, ["day"]).lines
    assert [line.names[0] for line in days] == [day.day.isoformat() for day in section.days]
    assert [sum(day.operations.values()) for day in section.days] == [day.spent_nano for day in section.days]
    assert sum(line.outcomes for line in section.automations) == section.sold.outcomes
    assert sum(sum(one.runs for one in line.bins) for line in section.automations) == section.runs - section.refused


def test_margins_by_hand(books: Books, replica: Replica):
    sold(books, "a1", "acme", 10 * CENT)
    sold(books, "a2", "acme", 20 * CENT)
    sold(books, "a3", "acme", 10 * CENT, "failed")
    sold(books, "b1", None, 5 * CENT)
    replica.sync()
    acme, nobody = breakdown(replica, ["org"]).lines
    assert (acme.names, acme.runs, acme.outcomes, acme.cost_nano) == (("acme",), 3, 2, 40 * CENT)
    assert (acme.charged_nano, acme.gross_margin, acme.markup) == (100 * CENT, 0.6, 1.5)
    assert (nobody.names, nobody.gross_margin) == (("–",), 0.9)
    section = overview(replica, RunSelection(org="acme")).real
    assert section is not None
    [line] = section.automations
    assert (line.cost_nano, line.price_nano, line.unearned_nano) == (20 * CENT, 50 * CENT, 10 * CENT)
    assert (line.gross_margin, line.markup, line.at_p95) == (0.6, 1.5, 0.6)
    assert (section.sold.charged_nano, section.sold.gross_margin) == (100 * CENT, 0.6)
    assert [(one.outcome, one.spent_nano, one.charged_nano) for one in section.outcomes] == [
        ("completed", 30 * CENT, 100 * CENT),
        ("failed", 10 * CENT, 0),
    ]
    assert {line.names for line in breakdown(replica, ["user"], RunSelection(user="of acme")).lines} == {("of acme",)}


def test_an_outcome_without_a_price_has_no_margin(light_books: Books, light_replica: Replica):
    sold(light_books, "priced", "acme", CENT)
    run = light_books.run("unpriced", org_id="acme")
    light_books.answered(run, "u", CENT)
    light_books.ledger.settle("unpriced", "completed")
    light_replica.sync()
    [line] = breakdown(light_replica, ["org"]).lines
    assert (line.charged_nano, line.gross_margin, line.markup) == (None, None, None)


def test_premium_only_is_the_same_tokens_at_its_rates(light_books: Books, light_replica: Replica):
    eventful(light_books)
    calibration = light_books.run("tried", automation="calibrate")
    light_books.end(light_books.intent(calibration, "c"), CENT)  # asks cheap models, saves nothing
    light_replica.sync()
    section = overview(light_replica, premium=SONNET).real
    assert section is not None
    assert section.routing is not None
    # four answers of 1,000 in (400 of them cached) and 200 out, at 3, 0.30 and 15 dollars a million; the time-out that
    # may have been billed reported no tokens and is on neither side
    answer = 600 * 3_000 + 400 * 300 + 200 * 15_000
    assert (section.routing.spent_nano, section.routing.premium_nano) == (10 * CENT, 4 * answer)


def test_moves_blocks_and_guards_are_told(light_books: Books, light_replica: Replica):
    eventful(light_books)
    light_replica.sync()
    section = overview(light_replica).real
    assert section is not None
    [move] = section.moves
    assert (move.origin, move.target, move.answered, move.turns) == ("haiku", "groq-oss", True, 1)
    assert {(one.guard, one.mode, one.times) for one in section.guards} == {
        ("pii", "enforce", 2),
        ("scope", "enforce", 1),
        ("brand", "shadow", 1),
    }


def test_budgets_burn_down_and_circuits_open(light_store: Store, light_replica: Replica):
    write_business(light_store)
    light_replica.sync()
    seen = overview(light_replica)
    assert [(one.scope, one.key, one.span) for one in seen.budgets] == [
        ("automation", "daily-digest", "month"),
        ("org", "acme", "month"),
    ]
    assert seen.real is not None
    for budget in seen.budgets:
        begins = from_us(NOON).replace(year=2026, month=11, day=1, hour=0, minute=0, second=0)
        since = RunSelection(begins, **({budget.scope: budget.key}))  # type: ignore[arg-type]
        within = overview(light_replica, since).real
        assert within is not None
        assert budget.limit_nano - budget.left[-1][1] == within.spent_nano
        assert [left for _, left in budget.left] == sorted((left for _, left in budget.left), reverse=True)
    [circuit] = seen.circuits
    assert (circuit.target, circuit.opened, circuit.away_us) == ("haiku", 2, 30 * 60 * SECOND)
    assert circuit.last_at.hour == 13
    assert overview(light_replica, RunSelection(since=circuit.last_at + timedelta(minutes=1))).circuits == ()


def test_unknown_names_are_refused(light_books: Books, light_replica: Replica):
    sold(light_books, "one", "acme", CENT)
    light_replica.sync()
    with pytest.raises(UsageError, match="not made by 'colour'"):
        breakdown(light_replica, ["colour"])
    with pytest.raises(UsageError, match="no runs of an automation 'digset'"):
        breakdown(light_replica, ["org"], RunSelection(automation="digset"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_hold_what_the_report_holds(light_books: Books, light_replica: Replica, tmp_path: Path, kind: str):
    sold(light_books, "one", 'a,"c"\nme', 3 * CENT)
    eventful(light_books)
    light_replica.sync()
    path = tmp_path / f"it's a file.{kind}"
    lines = breakdown(light_replica, ["org", "model"]).lines
    assert export(breakdown(light_replica, ["org", "model"]), path, kind) == len(lines)  # type: ignore[arg-type]
    reader = duckdb.read_csv if kind == "csv" else duckdb.read_parquet
    columns = "org, model, cost_nano, input_tokens, stand_in"
    found = reader(str(path)).project(columns).fetchall()
    assert found == [(*line.names, line.cost_nano, line.input_tokens, line.stand_in) for line in lines]
    report = run_report(light_replica, "last")
    assert export(report, path, kind) == 6  # type: ignore[arg-type]
    assert sum(row[0] for row in reader(str(path)).project("cost_nano").fetchall()) == report.money.spent_nano
    with pytest.raises(UsageError, match="cannot be written"):
        export(report, tmp_path / "no" / "such" / "folder", kind)  # type: ignore[arg-type]
