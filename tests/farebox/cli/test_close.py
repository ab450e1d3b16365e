"""A month is closed, then an attempt is corrected: the closed month stays, the correction is in the month it was made."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from farebox.cli.close import close_month, closed_month
from farebox.runtime import Runtime
from pricing.clock import to_us
from pricing.db import schema
from pricing.errors import LedgerError, UsageError
from pricing.ledger import MonthClose, MonthCloses
from pricing.money import USD
from tests.support.business import write_business
from tests.support.command import Call
from tests.support.ledger import a_run
from tests.support.project import make_project

DECEMBER = datetime(2026, 12, 2, 9, tzinfo=UTC)
JANUARY = datetime(2027, 1, 3, 9, tzinfo=UTC)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    with project.runtime_here() as here:
        write_business(here.ledger.store, days=12)  # 26 October to 6 November
        yield here


def total(runtime: Runtime, table: sa.Table, column: str, since: datetime, until: datetime, when: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.sum(table.c[column]), 0))
    with runtime.ledger.store.read() as connection:
        found = connection.execute(query.where(table.c[when] >= to_us(since), table.c[when] < to_us(until)))
        return int(found.scalar_one())


def some_attempts(runtime: Runtime, month: int) -> list[Any]:
    table = schema.attempts
    begins = to_us(datetime(2026, month, 1, tzinfo=UTC))
    with runtime.ledger.store.read() as connection:
        query = sa.select(table).where(table.c.started_at >= begins, table.c.cost_nano > 0).order_by(table.c.seq)
        return list(connection.execute(query.limit(3)).all())


def adjust(runtime: Runtime, attempt: Any, delta: int, at: datetime) -> None:
    with runtime.ledger.store.write() as connection:
        connection.execute(
            schema.adjustments.insert().values(
                attempt_id=attempt.attempt_id, run_id=attempt.run_id, reason="billed", cost_delta_nano=delta,
                recorded_at=to_us(at), reconciliation_id="r",
            )
        )  # fmt: skip


def test_a_closed_month_stays_and_corrections_go_where_they_are_made(runtime: Runtime) -> None:
    october, november, december = (datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12))
    first, second, third = some_attempts(runtime, 11)
    adjust(runtime, first, -5_000, DECEMBER - timedelta(hours=20))  # in December, before November was closed
    found = close_month(runtime, "2026-11", now=DECEMBER)
    spent = total(runtime, schema.attempts, "cost_nano", november, december, "started_at")
    assert found.cost_nano == found.total_nano == spent - 5_000
    assert found.charged_nano == total(runtime, schema.settlements, "charged_nano", november, december, "ended_at")
    assert sum(line.cost_nano for line in found.automations) == found.cost_nano
    assert sum(line.cost_nano for line in found.customers) == sum(line.cost_nano for line in found.providers)
    assert {line.name for line in found.providers} == {"bedrock", "groq"}
    adjust(runtime, second, -7_000, DECEMBER + timedelta(days=5))
    adjust(runtime, third, 2_000, DECEMBER + timedelta(days=9))
    assert closed_month(runtime, "2026-11") == found
    assert closed_month(runtime, "2026-11").digest() == found.digest()
    later = close_month(runtime, "2026-12", now=JANUARY)
    assert (later.cost_nano, later.corrections_nano) == (0, -5_000)
    [correction] = later.corrections
    assert (correction.month, correction.cost_nano, correction.facts) == ("2026-11", -5_000, 2)
    assert closed_month(runtime, "2026-11") == found
    adjust(runtime, some_attempts(runtime, 10)[0], 900, JANUARY - timedelta(days=2))  # October was never closed
    before = close_month(runtime, "2026-10", now=JANUARY + timedelta(days=1))
    assert before.cost_nano == total(runtime, schema.attempts, "cost_nano", october, november, "started_at") + 900
    books = found.total_nano + later.total_nano + before.total_nano
    everything = total(runtime, schema.attempts, "cost_nano", october, JANUARY, "started_at")
    assert books == everything + total(runtime, schema.adjustments, "cost_delta_nano", october, JANUARY, "recorded_at")


def test_an_attempt_that_ends_after_the_close_is_in_the_next_month(runtime: Runtime) -> None:
    [one, *_] = some_attempts(runtime, 11)
    row = {name: value for name, value in one._mapping.items() if name not in {"seq", "xid"}}
    late = row | {
        "attempt_id": "late",
        "cost_nano": 777,
        "duration_us": to_us(DECEMBER + timedelta(days=3)) - one.started_at,
    }
    ledger = runtime.ledger
    run = a_run(held=USD)
    assert ledger.admit(run, []) == []
    intent = {"attempt_id": "late", "started_at": one.started_at}
    with ledger.store.write() as connection:
        connection.execute(
            schema.inflight.insert().values(attempt_id="late", run_id=run.run_id, worst_nano=999, intent=json.dumps(intent))
        )  # fmt: skip
    found = close_month(runtime, "2026-11", now=DECEMBER)
    assert (found.open_attempts, found.open_nano) == (1, 999)
    with ledger.store.write() as connection:
        connection.execute(schema.inflight.delete())
        connection.execute(schema.attempts.insert().values(**late))
    december = close_month(runtime, "2026-12", now=JANUARY)
    assert (december.cost_nano, december.corrections_nano) == (0, 777)
    assert december.corrections[0].month == "2026-11"


def test_what_cannot_be_closed_says_so(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="is not over"):
        close_month(runtime, "2026-11", now=datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
    for month in ("2026-13", "november", "2026"):
        with pytest.raises(UsageError, match="is not a month"):
            close_month(runtime, month, now=DECEMBER)
    with pytest.raises(UsageError, match="closed months: none"):
        closed_month(runtime, "2026-11")
    preview = close_month(runtime, "2026-11", preview=True, now=DECEMBER)
    assert MonthCloses(runtime.ledger.store).months() == []
    assert close_month(runtime, "2026-11", now=DECEMBER) == preview
    with pytest.raises(UsageError, match="closed already"):
        close_month(runtime, "2026-11", now=JANUARY)
    with runtime.ledger.store.write() as connection:
        kept = connection.execute(sa.select(schema.month_closes.c.figures)).scalar_one()
        changed = kept.replace(f'"cost_nano":{preview.cost_nano}', '"cost_nano":1', 1)
        connection.execute(schema.month_closes.update().values(figures=changed))
    with pytest.raises(LedgerError, match="were changed after it was closed"):
        closed_month(runtime, "2026-11")


def test_the_commands(runtime: Runtime, call: Call) -> None:
    said = call("close", "2026-10")
    assert said.code == 0, said.err
    assert "2026-10 costs $" in said.out
    assert "By automation" in said.out
    told = json.loads(call("report", "--closed", "2026-10", "--json").out)
    again = json.loads(call("report", "--closed", "2026-10", "--json").out)
    assert told == again
    assert told["cost_nano"] == closed_month(runtime, "2026-10").cost_nano
    assert call("close", "2026-10").code == 2
    assert json.loads(call("close", "2026-09", "--preview", "--json").out)["closed"] is False
    missing = call("report", "--closed", "2026-08")
    assert missing.code == 2
    assert "closed months: 2026-10" in missing.err


def test_two_who_close_at_once_write_one(store: Any) -> None:
    closes = MonthCloses(store)
    first = MonthClose("2026-11", 1, 2, 3, "UTC", 4, 5, 6, "{}", "d")
    closes.close(first)
    with pytest.raises(UsageError, match="closed already"):
        closes.close(replace(first, digest="e"))
    assert closes.find("2026-11") == first
    assert closes.months() == ["2026-11"]
