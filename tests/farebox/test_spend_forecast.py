"""The month's forecast of an imaginary company: figures by SQL, lines, page and command."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from farebox.spend_forecast import make_spend_forecast, write_forecast
from pricing.analysis import Planned
from pricing.clock import now_us, to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.budgets import BudgetState
from pricing.money import USD
from pricing.replica.replica import Replica
from pricing.reports import Moment, forecast_page, forecast_rows, forecast_sentences, render_page, spend_forecast
from tests.support.business import write_business
from tests.support.command import farebox
from tests.support.ledger import a_run
from tests.support.project import make_project

NOW = datetime(2026, 11, 18, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
ENDS = datetime(2026, 12, 1, tzinfo=UTC)


def budget(scope: str, key: str, limit: int, spent: int) -> BudgetState:
    return BudgetState(f"{scope}:{key}", f"{key} per month", scope, key, "month", FIRST, ENDS, limit, spent, 0)


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Replica]:
    folder = tmp_path_factory.mktemp("business")
    store = Store(f"sqlite:///{folder / 'ledger.db'}")
    write_business(store, days=23)  # until 17 November
    replica = Replica(folder / "replica.duckdb", store)
    replica.sync(wait=60)
    return store, replica


def spent_by_sql(store: Store, **where: str) -> int:
    runs, attempts = schema.runs.c, schema.attempts.c
    query = (
        sa.select(sa.func.sum(attempts.cost_nano))
        .join_from(schema.attempts, schema.runs, runs.run_id == attempts.run_id)
        .where(runs.started_at >= to_us(FIRST), *(runs[name] == value for name, value in where.items()))
    )
    with store.read() as connection:
        return int(connection.execute(query).scalar_one())


def test_to_date_is_what_the_ledger_says(business: tuple[Store, Replica]) -> None:
    store, replica = business
    found = spend_forecast(replica, Moment(NOW, ZoneInfo("UTC")))
    assert (found.begins, found.ends, found.history_days) == (date(2026, 11, 1), date(2026, 11, 30), 23)
    assert found.total.spent_nano == spent_by_sql(store)
    assert len(found.automations) == 3
    assert len(found.customers) == 5
    for line in found.automations:
        assert line.spent_nano == spent_by_sql(store, automation=line.name)
    for line in found.customers:
        assert line.spent_nano == spent_by_sql(store, org_id=line.name)
    for line in (found.total, *found.automations, *found.customers):
        assert line.spent_nano <= line.spend.low <= line.spend.p50 <= line.spend.high
        assert line.earned_nano <= line.revenue.low <= line.revenue.p50 <= line.revenue.high
    assert 1.4 < found.total.spend.p50 / found.total.spent_nano < 2.2  # 13 days of 30 are left
    assert found.days[16].p50_nano == found.total.spent_nano
    assert found.days[-1].high_nano == found.total.spend.high


def test_days_begin_where_the_project_is(business: tuple[Store, Replica]) -> None:
    _, replica = business
    there = ZoneInfo("Pacific/Auckland")
    found = spend_forecast(replica, Moment(datetime(2026, 11, 17, 20, tzinfo=UTC), there))
    assert found.days[17].day == date(2026, 11, 18)
    assert len(found.days) == 30
    assert found.days[17].low_nano < found.days[17].high_nano


def test_which_budget_runs_out_and_when(business: tuple[Store, Replica]) -> None:
    store, replica = business
    spent = spent_by_sql(store, org_id="acme")
    tight = budget("org", "acme", spent * 12 // 10, spent)
    wide = budget("automation", "daily-digest", 10**6 * USD, spent_by_sql(store, automation="daily-digest"))
    compose = budget("operation", "compose", 10**6 * USD, USD)
    nobody = budget("tag", "nightly", USD, 0)
    found = spend_forecast(replica, Moment(NOW, ZoneInfo("UTC")), budgets=[wide, tight, compose, nobody])
    by_name = {one.name: one for one in found.budgets}
    assert found.budgets[0].name == "acme per month"  # the most urgent comes first
    assert by_name["acme per month"].probability > 0.8
    assert by_name["acme per month"].expected is not None
    assert date(2026, 11, 18) < by_name["acme per month"].expected < date(2026, 11, 28)
    assert by_name["daily-digest per month"].probability == 0
    assert by_name["compose per month"].at_reset.low > USD
    assert by_name["nightly per month"].at_reset.high == 0
    assert any(
        "'acme per month'" in sentence and "run out on 2026-11-" in sentence for sentence in forecast_sentences(found)
    )


def test_a_scheduled_automation_without_history_counts(business: tuple[Store, Replica]) -> None:
    _, replica = business
    planned = {"new-one": [Planned(date(2026, 11, 20) + timedelta(days=n), USD, 2 * USD) for n in range(5)]}
    found = spend_forecast(replica, Moment(NOW, ZoneInfo("UTC")), planned=planned)
    [new] = [line for line in found.automations if line.name == "new-one"]
    assert new.spent_nano == 0
    assert 4 * USD < new.spend.p50 < 7 * USD
    assert found.scheduled == 5


def test_page_table_and_json(business: tuple[Store, Replica]) -> None:
    _, replica = business
    found = spend_forecast(replica, Moment(NOW, ZoneInfo("UTC")), budgets=[budget("org", "<b>acme</b>", USD, 2 * USD)])
    page = render_page(forecast_page(found))
    assert "<svg" in page
    assert "<b>acme</b>" not in page
    rows = forecast_rows(found)
    assert len(rows) == 1 + 3 + 5 + 1
    assert all(row.keys() == rows[0].keys() for row in rows)
    told = json.loads(json.dumps(found.to_json()))
    assert told["total"]["spend"]["p50"] == found.total.spend.p50
    assert told["budgets"][0]["expected"] == "2026-11-18"


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    empty = farebox(project.root, "forecast", "--month")
    assert "Nothing is known of past days" in empty.out
    runtime = project.runtime()
    write_run(runtime.ledger, 3 * USD)
    runtime.close()
    told = json.loads(farebox(project.root, "forecast", "--json").out)
    assert told["total"]["spent_nano"] == 3 * USD
    assert (project.home / "reports").exists()
    with project.runtime_here() as here:
        found = make_spend_forecast(here)
        assert found.total.spent_nano == 3 * USD
        assert write_forecast(here, found).read_text("utf-8").startswith("<!DOCTYPE html>")


def write_run(ledger, cost: int) -> None:
    run = replace(a_run(), started_at=now_us(), stand_in=False)
    assert ledger.admit(run, []) == []
    ledger.settle(run.run_id, "completed")
    with ledger.store.write() as connection:
        connection.execute(
            schema.attempts.insert().values(
                attempt_id="a", turn_id="a", run_id=run.run_id, operation="o", hop=0, ordinal=0, reason="r", target="t",
                provider="p", account="", model="m", tier="light", stand_in=False, outcome="ok", worst_nano=cost,
                cost_nano=cost, priced="usage", saved_nano=0, rate_version="v", started_at=now_us(), duration_us=1,
            )
        )  # fmt: skip
