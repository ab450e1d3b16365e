"""A ledger whose disk, lock, server or clock lets it down: what was acknowledged stays, and the message says why."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from farebox.runs.admission import AdmittedRun
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import LedgerAway, LedgerBusy, LedgerUnusable
from pricing.ledger.circuits import Circuits
from pricing.ledger.facts import Completion, Run
from pricing.ledger.ledger import Ledger
from pricing.ledger.rate_limits import MovingWindows, RateLimit
from pricing.money import USD
from pricing.usage import Usage
from tests.support.books import rows
from tests.support.clock import Clock
from tests.support.command import farebox
from tests.support.disks import Disk, small_disk
from tests.support.ledger import DONE, NOON, RULES, a_run, an_intent
from tests.support.postgres import MISSING, Postgres, postgres_server
from tests.support.project import make_project
from tests.support.waiting import PATIENCE

HOUR = 3_600_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """A server that may be stopped: nobody else uses it."""
    if MISSING:
        pytest.skip(MISSING)
    with postgres_server() as server:
        yield server


def attempt_until_it_fails(ledger: Ledger, run: Run) -> tuple[list[str], LedgerUnusable]:
    """The ids of the attempts that were acknowledged, and why there are no more."""
    told: list[str] = []
    for _ in range(5_000):
        intent = an_intent(run, worst=USD // 1000)
        try:
            assert ledger.begin(intent).result() == []
            told.append(intent.attempt_id)
            ledger.end(intent, Completion("ok", Usage(1, 1), USD // 10_000, "usage", 1)).result()
        except LedgerUnusable as error:
            return told, error
    raise AssertionError("the disk was never full")


def test_a_full_disk_is_said_and_loses_nothing_that_was_acknowledged(disk: Disk):
    store = Store(f"sqlite:///{disk.folder / 'ledger.db'}")
    ledger, run = Ledger(store, lease_seconds=3600), a_run()
    assert ledger.admit(run, RULES) == []
    disk.fill(leave=200_000)
    told, error = attempt_until_it_fails(ledger, run)
    assert "cannot be written (database or disk is full)" in error.message
    assert error.next_step.startswith("Free space on its disk")
    with pytest.raises(LedgerUnusable):
        ledger.admit(a_run(), RULES)
    disk.make_room()
    settled = ledger.settle(run.run_id, "completed")
    store.close()
    again = Ledger(Store(f"sqlite:///{disk.folder / 'ledger.db'}"))
    known = {row["attempt_id"]: row for row in rows(again, schema.attempts)}
    assert set(told) <= set(known), "an acknowledged attempt is gone"
    assert {row["priced"] for row in known.values()} <= {"usage", "worst_case"}
    assert settled is not None
    assert settled.spent == sum(row["cost_nano"] for row in known.values())
    [budget] = rows(again, schema.budgets)
    assert (budget["held_nano"], budget["spent_nano"]) == (0, settled.spent)
    again.close()


def test_a_disk_without_room_for_a_new_ledger_is_said(disk: Disk):
    disk.fill()
    with pytest.raises(LedgerUnusable) as caught:
        Ledger(Store(f"sqlite:///{disk.folder / 'home' / 'ledger.db'}")).budgets()
    assert caught.value.next_step.startswith("Free space on its disk")


def test_a_read_only_disk_is_one_line_and_a_next_step(disk: Disk):
    project = make_project(disk.folder / "project", "http://127.0.0.1:9", documents=0)
    with project.runtime_here() as runtime:
        runtime.ledger.budgets()
        runtime.replica.sync()
    disk.read_only()
    for command in (("credits", "grant", "org:acme", "100"), ("report", "last")):
        said = farebox(project.root, *command)
        assert said.code == 1, said.all
        assert "Traceback" not in said.all
        first, second = said.err.strip().splitlines()
        assert first.startswith("error: ")
        assert "cannot be opened (it is read-only)" in first or "cannot be written" in first
        assert "FAREBOX_HOME" in second
    disk.read_only(yes=False)


def test_a_ledger_that_another_process_keeps_locked_is_waited_for_and_then_said(tmp_path: Path):
    path = tmp_path / "ledger.db"
    ledger, run = Ledger(Store(f"sqlite:///{path}", busy_seconds=0.3)), a_run()
    ledger.admit(run, RULES)
    browser = sqlite3.connect(path, isolation_level=None)
    browser.execute("BEGIN IMMEDIATE")
    waiting = [ledger.begin(an_intent(run, worst=1)) for _ in range(20)]
    for future in waiting:
        with pytest.raises(LedgerBusy, match=r"locked by another process for 0\.3 s"):
            future.result(timeout=PATIENCE)
    assert rows(ledger, schema.runs), "who reads does not wait"
    browser.execute("ROLLBACK")
    intent = an_intent(run, worst=1)
    assert ledger.begin(intent).result() == []
    assert [row["attempt_id"] for row in rows(ledger, schema.inflight)] == [intent.attempt_id]
    ledger.close()


def test_a_process_that_was_stopped_with_the_lock_does_not_stop_the_others(tmp_path: Path):
    ledger = Ledger(Store(f"sqlite:///{tmp_path / 'ledger.db'}", busy_seconds=0.3))
    ledger.budgets()
    code = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "ledger.db.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LedgerBusy, match="Close whatever holds it open"):
            ledger.admit(a_run(), RULES)
        holder.communicate()
    assert ledger.admit(a_run(), RULES) == []
    ledger.close()


async def test_a_run_whose_ledger_was_locked_for_a_while_keeps_its_hold(tmp_path: Path):
    """The beat that renews its lease fails while somebody has the ledger, and the next one does not."""

    class Locked:
        beats = 0

        def renew(self, _: str, *, execution: int) -> bool:
            assert execution == 1
            self.beats += 1
            if self.beats < 3:
                raise LedgerBusy("locked")
            return self.beats < 5

    class Settings:
        class holds:  # noqa: N801
            lease_seconds = 0.003

    class Around:
        ledger, settings = Locked(), Settings()

    ride = AdmittedRun.__new__(AdmittedRun)
    ride.run, ride.execution, ride._runtime = a_run(), 1, Around()  # type: ignore[assignment]
    await asyncio.wait_for(ride._renew(), PATIENCE)
    assert Around.ledger.beats == 5


def test_postgres_that_is_killed_over_and_over_takes_every_write_once(own_postgres: Postgres):
    """A commit whose answer never came is asked for, not repeated and not forgotten."""
    ledger, run = Ledger(Store(own_postgres.database()), lease_seconds=3600), a_run(held=100 * USD)
    assert ledger.admit(run, RULES) == []
    stop, told, futures = threading.Event(), list[str](), list[Future[Any]]()

    def work() -> None:
        while not stop.is_set():
            intent = an_intent(run, worst=USD // 10_000)
            assert ledger.begin(intent).result() == []
            ledger.end(intent, Completion("ok", Usage(1, 1), USD // 20_000, "usage", 1)).result()
            told.append(intent.attempt_id)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work) for _ in range(4)]
        for _ in range(4):
            before = len(told)
            while len(told) < before + 40 and not any(future.done() for future in futures):
                stop.wait(0.01)
            own_postgres.stop()
            own_postgres.start()
        stop.set()
        for future in futures:
            future.result()
    settled = ledger.settle(run.run_id, "completed")
    known = [row["attempt_id"] for row in rows(ledger, schema.attempts)]
    assert sorted(told) == sorted(known)
    assert settled is not None
    assert (settled.spent, settled.lost) == (len(told) * (USD // 20_000), 0)
    assert rows(ledger, schema.adjustments) == []
    assert [(b.held, b.spent) for b in ledger.budgets()] == [(0, settled.spent)]
    ledger.close()


def execute(statement: sa.Insert, connection: sa.Connection) -> None:
    connection.execute(statement)


def test_a_commit_in_doubt_is_asked_for(own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch):
    """The server committed and died before it said so: the work is not done twice; or it did not, and is done."""
    store = Store(own_postgres.database())
    ledger = Ledger(store)
    ledger.budgets()
    real, seen = sa.engine.Connection.commit, list[str]()
    for when in ("after", "before"):

        def commit(connection: sa.engine.Connection, when: str = when) -> None:
            monkeypatch.setattr(sa.engine.Connection, "commit", real)
            if when == "after":
                real(connection)
            own_postgres.stop()
            own_postgres.start()
            seen.append(when)
            real(connection)
            raise LedgerAway("its answer never came")

        monkeypatch.setattr(sa.engine.Connection, "commit", commit)
        insert = schema.budget_settings.insert().values(scope="org", key=when, span="day", limit_nano=1, soft="none")
        store.transact(partial(execute, insert))
    assert seen == ["after", "before"]
    assert [row["key"] for row in rows(ledger, schema.budget_settings)] == ["after", "before"]
    ledger.close()


def test_a_server_that_is_not_there_is_said_at_once(tmp_path: Path):
    if MISSING:
        pytest.skip(MISSING)
    with pytest.raises(LedgerAway, match="cannot be reached") as caught:
        Ledger(Store(f"postgresql://postgres:secret@/x?host={tmp_path}")).budgets()
    assert caught.value.next_step == "Check that its server runs."
    assert "secret" not in str(caught.value)


# The clock ------------------------------------------------------------------------------------------------------------


def test_a_lease_given_before_the_clock_was_set_back_an_hour_still_ends(store: Store):
    clock = Clock(NOON)
    ledger = Ledger(store, lease_seconds=60, clock=clock)
    dead, alive = a_run(), a_run()
    for run in (dead, alive):
        assert ledger.admit(run, RULES) == []
    clock.now -= HOUR
    assert ledger.reap() == 0, "who lives gets the time to renew"
    assert ledger.renew(alive.run_id)
    clock.now += 50_000_000
    assert ledger.renew(alive.run_id)
    clock.now += 11_000_000
    assert ledger.reap() == 1
    assert (ledger.has_hold(dead.run_id), ledger.has_hold(alive.run_id)) == (False, True)
    settled = ledger.settle(alive.run_id, "completed")
    assert settled is not None
    assert all(row["held_nano"] == 0 for row in rows(ledger, schema.budgets))


def test_what_a_window_counted_before_the_clock_was_set_back_lapses_in_its_time(store: Store):
    clock = Clock(NOON)
    windows, limit = MovingWindows(store, clock), [RateLimit("user:ana", 2, 60)]
    assert not any(use.refused for _ in range(2) for use in windows.use(limit))
    clock.now -= HOUR
    [use] = windows.use(limit)
    assert use.refused
    assert use.retry_after <= 60
    clock.now += 60_000_001
    assert not windows.use(limit)[0].refused


def test_a_claim_made_before_the_clock_was_set_back_keeps_nobody_from_trying(store: Store):
    clock = Clock(NOON)
    circuits = Circuits(store, clock=clock)
    circuits.trip("light", "timeout", lambda _: 10).result()
    clock.now += 11_000_000
    [circuit] = circuits.snapshot().values()
    assert circuits.claim(circuit, 30).result()
    clock.now -= HOUR
    [circuit] = circuits.snapshot().values()
    assert circuit.probe_until == 0
    assert circuits.claim(circuit, 30).result()
    assert not circuits.claim(circuit, 30).result()


# Two versions ---------------------------------------------------------------------------------------------------------


def test_a_ledger_of_a_newer_version_is_refused_and_left_as_it_is(store: Store):
    """Who is under way when it is upgraded goes on: a migration only adds. A process that starts then gets an error."""
    running, run = Ledger(store, lease_seconds=60), a_run()
    assert running.admit(run, RULES) == []
    with store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts ADD COLUMN invented TEXT")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    intent = an_intent(run)
    assert running.begin(intent).result() == []
    running.end(intent, DONE).result()
    settled = running.settle(run.run_id, "completed")
    assert settled is not None
    assert settled.spent == DONE.cost_nano
    older = Store(store.url.render_as_string(hide_password=False))
    with pytest.raises(LedgerUnusable) as caught:
        Ledger(older).admit(a_run(), RULES)
    assert "newer version of Farebox (its schema is 9999" in caught.value.message
    assert caught.value.next_step.startswith("Update this copy of Farebox")
    older.close()
    assert len(rows(running, schema.runs)) == 1


def test_migrations_only_add():
    """So that a process of the version before can go on while a newer one upgrades the ledger under it."""
    folder = Path(schema.__file__).parent / "migrations" / "versions"
    statements = [
        statement.strip()
        for path in sorted(folder.glob("*.sql"))
        for statement in path.read_text("utf-8").split(";\n")
        if statement.strip() and not path.name.startswith("0001")
    ]
    assert statements
    for statement in statements:
        assert statement.startswith(("CREATE TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX", "ALTER TABLE")), statement
        if statement.startswith("ALTER TABLE"):
            assert " ADD COLUMN " in statement
            assert "NOT NULL" not in statement or "DEFAULT" in statement, statement
