"""Pages that Postgres writes with one statement: what they write, and what becomes of them when the server goes away."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from pricing.db import journal_table, schema
from pricing.db.database import Store
from pricing.db.page_statement import PageStatement
from pricing.db.page_writer import PageWriter
from pricing.ledger.entries import AppendToJournal
from pricing.ledger.facts import Completion, Run, Turn
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from pricing.usage import Usage
from tests.support.ledger import NOON, RULES, a_run, an_intent, ok, rows
from tests.support.postgres import Postgres
from tests.support.waiting import until

TABLES = (schema.attempts, schema.turns, schema.guard_decisions, schema.inflight, schema.holds, journal_table.entries)


@pytest.fixture
def ledger(postgres: Postgres) -> Iterator[Ledger]:
    with closing(Ledger(Store(postgres.database()), lease_seconds=3600, clock=lambda: NOON)) as ledger:
        yield ledger


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each page that was to be one statement, whether it was written by it."""
    written, real = list[bool](), PageWriter.write

    def write(writer: PageWriter, page: PageStatement) -> list[Any] | None:
        results = real(writer, page)
        written.append(results is not None)
        return results

    monkeypatch.setattr(PageWriter, "write", write)
    return written


def admitted(ledger: Ledger, held: int = USD) -> Run:
    run = a_run(held=held)
    assert ledger.admit(run, RULES) == []
    return run


def a_turn(run: Run, number: int, complexity: float | None = None) -> Turn:
    return Turn(
        turn_id=f"t{number}",
        run_id=run.run_id,
        operation="summarize",
        prompt="p.j2",
        prompt_version="v1",
        route='[{"target": "light"}]',
        outcome="answered",
        reason=None if number else 'it\'s "quoted"; 100 % ü \\ \U0001f600',
        target="light",
        attempts=1,
        repaired=False,
        started_at=NOON,
        duration_us=7,
        complexity=complexity,
    )


def a_decision(run: Run, turn: Turn, number: int) -> dict[str, Any]:
    values = dict.fromkeys(str(column.name) for column in schema.guard_decisions.c if column.name not in {"seq", "xid"})
    given = {"run_id": run.run_id, "turn_id": turn.turn_id, "operation": "summarize", "guard": f"g{number}"}
    said = {"version": "1", "mode": "enforce", "direction": "input", "action": "allow", "spans": "[]"}
    return {**values, **given, **said, "latency_us": number, "cost_nano": 0, "decided_at": NOON}


def an_answer(run: Run, number: int, value: bytes | None) -> AppendToJournal:
    row = dict.fromkeys(("key", "operation", "target", "holder"), "x")
    row |= {"entry_id": f"e{number}", "run_id": run.run_id, "kind": "answer", "state": "done"}
    return AppendToJournal({**row, "claimed": 1, "cost": 2**40, "value": value, "written_at": NOON})


async def two_turns(ledger: Ledger, run: Run) -> list[Any]:
    """Two attempts that begin on one page and end on another, with all that turns write."""
    begun = [an_intent(run) for _ in range(2)]
    found: list[Any] = [await one for one in [ledger.begin(intent) for intent in begun]]
    ends = [ok(USD // 50), Completion("timeout", Usage(), USD // 10, "worst_case", 10**9, code="x", phase="read")]
    written: list[Any] = []
    for number, (intent, end) in enumerate(zip(begun, ends, strict=True)):
        turn = a_turn(run, number, complexity=0.1 if number else None)
        written += [ledger.end(intent, end), ledger.store.submit(an_answer(run, number, b"\0\xff" if number else None))]
        written.append(ledger.record_turn(turn, [a_decision(run, turn, one) for one in range(3)]))
    return found + [await one for one in written]


def all_rows(ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
    """Without the ids that differ from run to run."""
    drawn = {"seq", "xid", "run_id", "attempt_id", "turn_id", "started_at"}
    return {
        table.name: [{key: value for key, value in row.items() if key not in drawn} for row in rows(ledger, table)]
        for table in TABLES
    }


def test_one_statement_writes_what_a_transaction_writes(ledger: Ledger, postgres: Postgres, pages: list[bool]):
    other = Ledger(Store(postgres.database()), lease_seconds=3600, clock=lambda: NOON)
    other.store._writer._page = None
    with closing(other):
        results = [asyncio.run(two_turns(one, admitted(one))) for one in (ledger, other)]
        assert pages == [True, True]
        assert results[0] == results[1]
        assert results[0][2] == pytest.approx(0.12)
        assert all_rows(ledger) == all_rows(other)
        assert [len(found) for found in all_rows(ledger).values()] == [2, 2, 6, 0, 1, 2]


def test_what_a_hold_does_not_cover_is_not_written_by_one_statement(ledger: Ledger, pages: list[bool]):
    run = admitted(ledger, held=USD // 10)
    first, second = an_intent(run), an_intent(run)
    assert ledger.begin(first).result() == []
    assert ledger.begin(second).result() == [], "a budget has room for it"
    assert ledger.end(second, ok(USD // 5)).result() == 1.0, "more than its worst case, which is held too"
    assert pages == [True, False]
    [hold] = rows(ledger, schema.holds)
    assert (hold["amount_nano"], hold["used_nano"], hold["inflight_nano"]) == (USD * 3 // 10, USD // 5, USD // 10)


def test_an_attempt_that_is_not_in_flight_undoes_its_page(ledger: Ledger, pages: list[bool]):
    run = admitted(ledger)
    intent = an_intent(run)
    assert ledger.begin(intent).result() == []
    with ledger.store.write() as connection:
        connection.execute(sa.delete(schema.inflight))
        lost = {"outcome": "lost", "cost_nano": intent.worst_nano, "priced": "worst_case", "duration_us": 1}
        asked = {name: getattr(intent, name) for name in intent.__dataclass_fields__ if name in schema.attempts.c}
        connection.execute(schema.attempts.insert().values(**asked, **lost, saved_nano=0, service_tier="standard"))
    assert ledger.end(intent, ok(USD // 50)).result() == 1.0
    assert pages == [True, False]
    [hold] = rows(ledger, schema.holds)
    assert hold["used_nano"] == 0, "it is corrected on the budgets, since its run was charged before"
    assert [row["cost_delta_nano"] for row in rows(ledger, schema.adjustments)] == [USD // 50 - USD // 10]
    assert ledger.begin(an_intent(run)).result() == []
    assert pages[-1], "the next page is one statement again"


class _Cut:
    """A cursor whose connection the server ends before or after it has committed a page."""

    def __init__(self, cursor: Any, administrator: sa.Engine, *, committed: bool) -> None:
        self._cursor = cursor
        self._administrator = administrator
        self._committed = committed

    def execute(self, text: str, values: dict[str, Any]) -> None:
        if self._committed:
            self._cursor.execute(text, values)
        with self._administrator.connect() as connection:
            connection.exec_driver_sql(
                f"SELECT pg_terminate_backend({self._cursor.connection.info.backend_pid}, 10000)"
            )
        self._cursor.execute("SELECT 1")


@pytest.mark.parametrize("committed", [False, True])
def test_a_page_whose_reply_was_lost_is_written_once(ledger: Ledger, pages: list[bool], committed: bool):
    run = admitted(ledger)
    intent = an_intent(run, worst=USD // 2)
    assert ledger.begin(intent).result() == []
    writer = ledger.store._pages
    assert writer is not None
    engine = ledger.store._engine
    assert engine is not None
    writer._cursor = _Cut(writer._cursor, engine, committed=committed)
    assert ledger.end(intent, ok(USD // 4)).result() == 0.25
    assert pages == [True, committed]
    assert [row["cost_nano"] for row in rows(ledger, schema.attempts)] == [USD // 4]
    [hold] = rows(ledger, schema.holds)
    assert (hold["used_nano"], hold["inflight_nano"]) == (USD // 4, 0)
    assert ledger.begin(an_intent(run)).result() == []
    assert pages[-1], "on a new connection"


def test_a_page_that_was_given_up_cannot_be_committed_later(ledger: Ledger, pages: list[bool]):
    """The connection breaks while the server waits for a lock; the page is written on another one."""
    run = admitted(ledger)
    intent = an_intent(run, worst=USD // 2)
    assert ledger.begin(intent).result() == []
    writer, engine = ledger.store._pages, ledger.store._engine
    assert writer is not None
    assert engine is not None
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def waiters() -> set[int]:
        with engine.connect() as connection:
            return set(connection.exec_driver_sql(waiting).scalars())

    with engine.connect() as blocker:
        blocker.execute(sa.select(schema.holds).with_for_update())
        ended = ledger.end(intent, ok(USD // 4))
        until("the page waits for the hold", lambda: len(waiters()) == 1)
        abandoned = writer._connection.info.backend_pid
        with socket.socket(fileno=os.dup(writer._connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
        until("the transaction waits too", lambda: len(waiters()) == 2)
        blocker.rollback()
    assert ended.result() == 0.25
    assert pages == [True, False]

    def is_gone() -> bool:
        with engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {abandoned}")
            return int(found.scalar_one()) == 0

    until("the server gave up the page", is_gone)
    assert [row["cost_nano"] for row in rows(ledger, schema.attempts)] == [USD // 4]
    assert rows(ledger, schema.adjustments) == []
    [hold] = rows(ledger, schema.holds)
    assert (hold["used_nano"], hold["inflight_nano"]) == (USD // 4, 0)


def test_a_mark_that_is_gone_makes_a_page_be_written_in_a_transaction(ledger: Ledger, pages: list[bool]):
    run = admitted(ledger)
    assert ledger.begin(an_intent(run)).result() == []
    with ledger.store.write() as connection:
        connection.execute(sa.delete(schema.meta).where(schema.meta.c.key.startswith("writer:")))
    for _ in range(2):
        assert ledger.begin(an_intent(run)).result() == []
    assert pages == [True, False, True]
    assert len(rows(ledger, schema.inflight)) == 3
