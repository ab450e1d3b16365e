"""Past forecasts made again with what was known then: figures by SQL, and verdicts that few forecasts cannot give."""

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from pricing.analysis.intervals import clopper_pearson
from pricing.analysis.spend_forecast import imagine
from pricing.clock import to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.replica.replica import Replica
from pricing.reports import Moment, audit_grid, audit_sentences, forecast_audit
from pricing.reports.month_forecast_audit import least_to_show_too_wide
from tests.support.command import farebox
from tests.support.project import make_project

UTC_ZONE = ZoneInfo("UTC")
TODAY = date(2026, 11, 16)
CENT = 10_000_000


def at(day: date, hour: int = 12) -> int:
    return to_us(datetime.combine(day, time(hour), UTC))


def write(
    store: Store, days: int, cost: Callable[[int], int], *, automation: str = "digest", late: bool = False
) -> None:
    """A run at noon of each of so many days up to yesterday; with ``late``, half of its cost is found three weeks on."""
    tables: dict[sa.Table, list[dict[str, object]]] = {
        schema.runs: [], schema.attempts: [], schema.settlements: [], schema.adjustments: []
    }  # fmt: skip
    for ago in range(days, 0, -1):
        day, run_id = TODAY - timedelta(days=ago), f"{automation}-{ago}"
        amount = cost(days - ago)
        tables[schema.runs].append({
            "run_id": run_id, "automation": automation, "quality": "fast", "plan": "[]", "routes": "{}",
            "rate_version": "v", "method": "prior", "history": 0, "point_nano": amount, "p50_nano": amount,
            "p95_nano": amount, "ceiling_nano": amount, "held_nano": amount, "stand_in": False, "started_at": at(day),
        })  # fmt: skip
        tables[schema.attempts].append({
            "attempt_id": f"a-{run_id}", "turn_id": "t", "run_id": run_id, "operation": "o", "hop": 0, "ordinal": 0,
            "reason": "r", "target": "t", "provider": "p", "account": "", "model": "m", "tier": "light",
            "stand_in": False, "outcome": "ok", "worst_nano": amount, "cost_nano": amount // 2 if late else amount,
            "priced": "usage", "saved_nano": 0, "rate_version": "v", "started_at": at(day), "duration_us": 1,
        })  # fmt: skip
        if late:
            tables[schema.adjustments].append({
                "attempt_id": f"a-{run_id}", "run_id": run_id, "reason": "reconciled",
                "cost_delta_nano": amount - amount // 2, "recorded_at": at(day + timedelta(days=21)),
            })  # fmt: skip
        tables[schema.settlements].append({
            "run_id": run_id, "ordinal": 0, "automation": automation, "quality": "fast", "stand_in": False,
            "outcome": "completed", "budgets": "[]", "held_nano": amount, "spent_nano": amount, "released_nano": 0,
            "rate_version": "v", "ended_at": at(day, 13), "charged_nano": 2 * amount,
        })  # fmt: skip
    with store.write() as connection:
        for table, rows in tables.items():
            if rows:
                connection.execute(table.insert(), rows)


@pytest.fixture
def books(tmp_path: Path) -> tuple[Store, Replica]:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    return store, Replica(tmp_path / "replica.duckdb", store)


def known_by_sql(store: Store, before: date) -> dict[date, int]:
    """By day of the run, what attempts and adjustments of before that morning came to."""
    moment = at(before, 0)
    query = sa.text(
        "SELECT r.started_at, (SELECT coalesce(sum(cost_nano), 0) FROM attempts a WHERE a.run_id = r.run_id "
        "AND a.started_at + a.duration_us < :at) + (SELECT coalesce(sum(cost_delta_nano), 0) FROM adjustments d "
        "WHERE d.run_id = r.run_id AND d.recorded_at < :at) AS nano FROM runs r WHERE r.started_at < :at"
    )
    found: dict[date, int] = {}
    with store.read() as connection:
        for row in connection.execute(query, {"at": moment}):
            day = datetime.fromtimestamp(row.started_at / 1e6, UTC).date()
            found[day] = found.get(day, 0) + row.nano
    return found


@pytest.mark.parametrize("late", [False, True])
def test_weeks_and_months_are_those_of_sql_with_what_was_known_then(books: tuple[Store, Replica], late: bool) -> None:
    store, replica = books
    dice = random.Random(5)
    write(store, 118, lambda _: round(CENT * dice.lognormvariate(0, 0.3)), late=late)
    replica.sync(wait=60)
    found = forecast_audit(replica, Moment(datetime.combine(TODAY, time(9), UTC), UTC_ZONE))
    spend = [one for one in found if one.series == "spend"]
    assert [(one.horizon, one.days_gone) for one in spend] == [
        ("week", 0),
        *(("month", gone) for gone in (0, 7, 14, 21)),
    ]
    final = known_by_sql(store, TODAY + timedelta(days=60))

    def outcome(begins: date, made: date, ends: date) -> tuple[int, int, int]:
        known = known_by_sql(store, made)
        told = imagine(known, made, ends).total().plus(sum(nano for day, nano in known.items() if day >= begins))
        return told.low, sum(nano for day, nano in final.items() if begins <= day <= ends), told.high

    first = TODAY - timedelta(days=118 - 7)
    weeks = [TODAY - timedelta(days=7 * n) for n in range(1, 17) if TODAY - timedelta(days=7 * n) >= first]
    expected = [outcome(day, day, day + timedelta(days=6)) for day in weeks]
    assert spend[0].forecasts == len(weeks) == 15
    assert spend[0].within == sum(low <= came <= high for low, came, high in expected)
    assert spend[0].above == sum(came > high for _, came, high in expected)
    months = [
        (date(2026, 10, 1), date(2026, 10, 31)),
        (date(2026, 9, 1), date(2026, 9, 30)),
        (date(2026, 8, 1), date(2026, 8, 31)),
    ]
    for one in spend[1:]:
        told = [
            outcome(begins, begins + timedelta(days=one.days_gone), ends)
            for begins, ends in months
            if begins + timedelta(days=one.days_gone) >= first
        ]
        assert (one.forecasts, one.within) == (len(told), sum(low <= came <= high for low, came, high in told))
    if late:  # half of each week was not yet known when it was forecast: forecasts were too low, and that is seen
        assert spend[0].above > spend[0].forecasts // 2
        assert spend[0].verdict == "too narrow"


def test_a_forecast_that_is_too_narrow_is_named_and_few_are_no_proof(books: tuple[Store, Replica]) -> None:
    store, replica = books
    level = {n: (1, 40)[n // 14 % 2] for n in range(140)}  # a business that no draw of past days foresees
    write(store, 140, lambda n: CENT * level[n])
    replica.sync(wait=60)
    found = forecast_audit(replica, Moment(datetime.combine(TODAY, time(9), UTC), UTC_ZONE))
    week = found[0]
    assert week.verdict == "too narrow"
    assert week.high < week.level
    told = " ".join(audit_sentences(found))
    assert f"Intervals of spend of the next 7 days are too narrow: {week.within} of {week.forecasts} held" in told
    assert f"fewer than {least_to_show_too_wide()} forecasts" in told
    months = [one for one in found if one.horizon == "month"]
    assert all(one.verdict != "too wide" for one in months)
    assert len(audit_grid(found).rows) == len(found) == 10  # spend and revenue


def test_an_automation_alone_and_one_that_is_unknown(books: tuple[Store, Replica]) -> None:
    store, replica = books
    write(store, 30, lambda _: CENT)
    write(store, 22, lambda _: CENT, automation="other")
    replica.sync(wait=60)
    moment = Moment(datetime.combine(TODAY, time(9), UTC), UTC_ZONE)
    assert forecast_audit(replica, moment)[0].forecasts == 3
    assert forecast_audit(replica, moment, automation="other")[0].forecasts == 2
    assert forecast_audit(replica, moment, automation="digest", days=14)[0].forecasts == 2
    with pytest.raises(UsageError):
        forecast_audit(replica, moment, automation="nothing")


def test_too_young_a_business_has_no_audit(books: tuple[Store, Replica]) -> None:
    store, replica = books
    replica.sync(wait=60)
    moment = Moment(datetime.combine(TODAY, time(9), UTC), UTC_ZONE)
    assert forecast_audit(replica, moment) == []
    write(store, 9, lambda _: CENT)
    replica.sync(wait=60)
    found = forecast_audit(replica, moment)
    assert {one.forecasts for one in found} == {0}
    assert {(one.low, one.high, one.share, one.verdict) for one in found} == {(0.0, 1.0, None, None)}
    assert "No past forecast can be audited yet" in " ".join(audit_sentences(found))


@pytest.mark.parametrize(
    ("within", "runs", "low", "high"),
    [  # R: binom.test(x, n)$conf.int
        (0, 10, 0.0, 0.3084971), (9, 10, 0.5549839, 0.9974714), (10, 10, 0.6915029, 1.0), (27, 30, 0.7347115, 0.9788828),
        (90, 100, 0.8237774, 0.9509953), (0, 0, 0.0, 1.0), (1, 1, 0.025, 1.0),
    ],
)  # fmt: skip
def test_the_exact_interval(within: int, runs: int, low: float, high: float) -> None:
    assert clopper_pearson(within, runs) == pytest.approx((low, high), abs=1e-6)


def test_how_many_show_too_wide() -> None:
    least = least_to_show_too_wide()
    assert least == 36
    assert clopper_pearson(least - 1, least - 1)[0] <= 0.9 < clopper_pearson(least, least)[0]


def test_the_command(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    assert "No past forecast can be audited yet" in farebox(project.root, "forecast", "--audit").out
    assert json.loads(farebox(project.root, "forecast", "--audit", "--json").out) == []
    refused = farebox(project.root, "forecast", "--automation", "digest")
    assert refused.code == 2
    assert "--audit" in refused.err
