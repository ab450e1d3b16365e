"""A ledger that goes back in time: whatever was restored or lost, the replica equals the ledger after the next sync."""

import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import LedgerUnusable
from pricing.ledger.ledger import Ledger
from pricing.replica import sync_points
from pricing.replica.archive import Archive
from pricing.replica.replica import RESTORED, Replica
from tests.support.archive import (
    a_run,
)
from tests.support.books import copied_facts, facts
from tests.support.examples import examples
from tests.support.postgres import Postgres, postgres_server
from tests.support.replica import a_turn
from tests.support.report_books import Books

STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 3), st.integers(1, 5)),
    st.tuples(st.sampled_from(["backup", "restore", "crash", "sync", "rebuild", "reopen"])),
)
RESTORE_UNDER_THE_SAME_TAIL = [
    ("write", 0, 3),
    ("backup",),
    ("write", 2, 2),
    ("write", 0, 1),
    ("sync",),
    ("restore",),
    ("write", 4, 2),
    ("write", 0, 1),
]
"""The newest row is the same before and after, the rows before it are not."""


class Machine(Protocol):
    """A ledger that can be backed up and restored."""

    store: Store

    def backup(self) -> None: ...

    def restore(self) -> None: ...

    def crash(self) -> None: ...


class SqliteMachine:
    """A file; ``crash`` loses the write-ahead log and all that was not checkpointed."""

    def __init__(self, folder: Path) -> None:
        self._path, self._copy = folder / "ledger.db", folder / "copy.db"
        self.store = self._opened()
        self.backup()

    def _opened(self) -> Store:
        return Store(f"sqlite:///{self._path}")

    def backup(self) -> None:
        with self.store.read():
            pass
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(self._copy)) as target:
            source.backup(target)

    def restore(self) -> None:
        self._replace(self._copy.read_bytes())

    def crash(self) -> None:
        self._replace(self._path.read_bytes())

    def _replace(self, content: bytes) -> None:
        self.store.close()
        for end in ("-wal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)
        self._path.write_bytes(content)
        self.store = self._opened()


class PostgresMachine:
    """A database that is copied as it lies on disk; what was acknowledged survives a crash, so ``crash`` restores."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self.store = Store(server.ledger())
        self._copy: str | None = None
        self.backup()

    def backup(self) -> None:
        with self.store.read():
            pass
        self.store.close()
        self._copy = self._clone(str(self.store.url.database))

    def restore(self) -> None:
        self.store.close()
        self.store = Store(self._server.url(self._clone(str(self._copy))))

    crash = restore

    def _clone(self, name: str) -> str:
        clone = f"t{uuid.uuid4().hex[:12]}"
        engine = sa.create_engine(self._server.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {clone} TEMPLATE {name} STRATEGY FILE_COPY")
        engine.dispose()
        return clone


def write(store: Store, salt: int, count: int) -> None:
    """Rows of several tables; their values follow from the salt and from how many there are, so they come again."""
    ledger = Ledger(store)
    with store.read() as connection:
        first = connection.execute(sa.select(sa.func.count()).select_from(schema.turns)).scalar_one()
    for number in range(first, first + count):
        ledger.record_turn(a_turn(number + 1000 * salt)).result()
    if salt % 2:
        event = {"target": "haiku", "event": "opened", "level": salt, "open_until": 1, "happened_at": first}
        with store.write() as connection:
            connection.execute(schema.circuit_events.insert().values(**event))


def assert_equal(replica: Replica, store: Store) -> None:
    replica.sync()
    assert copied_facts(replica) == facts(Ledger(store))
    assert replica.compare().same
    assert replica.compare().behind == 0


def play(machine: Machine, folder: Path, steps: list[tuple[Any, ...]]) -> None:
    replica = Replica(folder / "replica.duckdb", machine.store)
    for name, *numbers in steps:
        if name == "write":
            write(machine.store, *numbers)
        elif name in {"sync", "rebuild"}:
            getattr(replica, name)()
        else:
            if name == "reopen":
                machine.store.close()
            else:
                getattr(machine, name)()
            replica = Replica(folder / "replica.duckdb", machine.store)
    assert_equal(replica, machine.store)
    write(machine.store, 3, 2)
    assert replica.sync().rows == 3
    assert_equal(replica, machine.store)
    machine.store.close()


@contextmanager
def a_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="farebox-restores-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@settings(max_examples=examples(4))
@given(st.lists(STEPS, max_size=12))
@example(RESTORE_UNDER_THE_SAME_TAIL)
@example([("write", 1, 5), ("sync",), ("crash",), ("write", 2, 5)])
@example([("write", 1, 2), ("sync",), ("restore",), ("write", 1, 2)])
def test_any_order_of_writes_backups_restores_and_syncs_on_sqlite(steps: list[tuple[Any, ...]]):
    with a_folder() as folder:
        play(SqliteMachine(folder), folder, steps)


@settings(max_examples=examples(2), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=8))
@example(steps=RESTORE_UNDER_THE_SAME_TAIL)
def test_any_order_of_writes_backups_restores_and_syncs_on_postgres(postgres: Postgres, steps: list[tuple[Any, ...]]):
    with a_folder() as folder:
        play(PostgresMachine(postgres), folder, steps)


@pytest.fixture(params=["sqlite", "postgres"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    if request.param == "sqlite":
        return SqliteMachine(tmp_path)
    return PostgresMachine(request.getfixturevalue("postgres"))


def test_it_says_once_that_it_was_rebuilt(machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write(machine.store, 0, 4)
    machine.backup()
    write(machine.store, 1, 3)
    Replica(tmp_path / "replica.duckdb", machine.store).sync()
    machine.restore()
    write(machine.store, 2, 3)
    replica = Replica(tmp_path / "replica.duckdb", machine.store)
    assert replica.compare().why == RESTORED
    synced = replica.sync()
    assert (synced.rebuilt, synced.why) == (True, RESTORED)
    [record] = [record for record in caplog.records if record.name == "pricing.replica.replica"]
    assert RESTORED in record.getMessage()
    assert "\n" not in record.getMessage()
    assert not replica.sync().rebuilt
    assert_equal(replica, machine.store)


def test_a_backup_that_has_everything_needs_no_rebuild(tmp_path: Path):
    machine = SqliteMachine(tmp_path)
    write(machine.store, 1, 4)
    Replica(tmp_path / "replica.duckdb", machine.store).sync()
    machine.backup()
    machine.restore()
    write(machine.store, 2, 4)
    assert not Replica(tmp_path / "replica.duckdb", machine.store).sync().rebuilt
    assert_equal(Replica(tmp_path / "replica.duckdb", machine.store), machine.store)


@pytest.mark.parametrize("died", ["before the token", "after the token"])
def test_a_sync_that_dies_around_its_sync_point_needs_no_rebuild(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, died: str
):
    replica = Replica(tmp_path / "replica.duckdb", store)
    write(store, 0, 3)
    replica.sync()
    real = sync_points.leave

    def dying(*arguments: Any) -> str:
        if died == "after the token":
            real(*arguments)
        raise KeyboardInterrupt

    for salt in (1, 2):
        write(store, salt, 2)
        with monkeypatch.context() as patched:
            patched.setattr(sync_points, "leave", dying)
            with pytest.raises(KeyboardInterrupt):
                replica.sync()
    assert not replica.sync().rebuilt
    assert_equal(replica, store)


def test_rows_that_are_taken_away_or_changed_are_found(store: Store, tmp_path: Path):
    """Without a backup: somebody edits the ledger, or the replica."""
    replica = Replica(tmp_path / "replica.duckdb", store)
    write(store, 0, 6)
    replica.sync()
    with store.write() as connection:
        connection.execute(sa.delete(schema.turns).where(schema.turns.c.seq == 6))
    assert replica.sync().rebuilt  # the newest row is looked at by every sync
    with store.write() as connection:
        connection.execute(sa.update(schema.turns).where(schema.turns.c.seq == 2).values(operation="other"))
        connection.execute(sa.delete(schema.turns).where(schema.turns.c.seq == 3))
    found = replica.compare()
    assert (found.missing, found.extra, found.changed, found.same) == (0, 1, 1, False)
    replica.rebuild()
    assert_equal(replica, store)


def test_older_rows_are_compared_by_number_and_sums(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pricing.replica.comparison.NEWEST", 2)
    replica = Replica(tmp_path / "replica.duckdb", store)
    write(store, 1, 6)
    replica.sync()
    assert replica.compare().same
    with store.write() as connection:
        connection.execute(sa.update(schema.turns).where(schema.turns.c.seq == 2).values(duration_us=7))
    assert replica.compare().older == ("turns",)
    replica.rebuild()
    assert_equal(replica, store)


def test_a_dump_in_another_server_is_copied_whole(postgres: Postgres, tmp_path: Path):
    """Its rows bear transaction ids that the new server has yet to reach; new rows bear lower ones than the watermark."""
    source = Store(postgres.ledger())
    spend_transactions(source, 1_500)
    write(source, 1, 4)
    Replica(tmp_path / "replica.duckdb", source).sync()
    dump = postgres.base / f"{source.url.database}.sql"
    postgres._run("pg_dump", "-h", str(postgres.base), "-U", "postgres", "-f", str(dump), str(source.url.database))
    source.close()
    with postgres_server() as other:
        url = other.database()
        name = str(sa.make_url(url).database)
        dump.chmod(0o644)
        shutil.copy(dump, other.base / "dump.sql")
        (other.base / "dump.sql").chmod(0o644)
        other._run(
            "psql", "-h", str(other.base), "-U", "postgres", "-q", "-d", name, "-f", str(other.base / "dump.sql")
        )
        store = Store(url)
        replica = Replica(tmp_path / "replica.duckdb", store)
        write(store, 2, 2)  # below the watermark of the old server
        assert replica.sync().why == RESTORED
        assert_equal(replica, store)
        write(store, 3, 2)
        assert replica.sync().rows == 3
        spend_transactions(store, 2_500)  # past the ids of the restored rows: they must not be copied twice
        write(store, 1, 2)
        assert replica.sync().rows == 3
        assert_equal(replica, store)
        store.close()


def spend_transactions(store: Store, count: int) -> None:
    with store.read():
        pass
    engine = sa.create_engine(store.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            f"DO $$ BEGIN FOR i IN 1..{count} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
    engine.dispose()


def test_a_rebuild_that_fails_leaves_the_old_replica(
    books: Books,
    store: Store,
    tmp_path: Path,
):
    archive = Archive(tmp_path / "data" / "archive", store, runs=2, clock=lambda: books.clock)
    replica = Replica(tmp_path / "data" / "replica.duckdb", store)
    archive.move(books.clock - 400 * 86_400_000_000)
    replica.sync()
    before = copied_facts(replica)
    [path] = archive.folder.glob("*-000001/turns.parquet")
    whole = path.read_bytes()
    for spoiled, told in ((None, "missing"), (whole[:-1] + b"x", "changed"), (b"", "changed")):
        path.unlink(missing_ok=True)
        if spoiled is not None:
            path.write_bytes(spoiled)
        with pytest.raises(LedgerUnusable, match=told) as caught:
            replica.rebuild()
        assert str(path) in caught.value.message
        assert "backup" in caught.value.next_step
        assert sorted(p.name for p in replica.path.parent.glob("replica.duckdb*")) == [
            "replica.duckdb",
            "replica.duckdb.lock",
            "replica.duckdb.write.lock",
        ]
        path.write_bytes(whole)
        assert copied_facts(replica) == before
    a_run(books, "9999-newer")
    replica.sync()
    assert {row[2] for row in books_rows(replica)} >= {"9999-newer"}


def books_rows(replica: Replica) -> list[tuple[Any, ...]]:
    with replica.read() as duck:
        return duck.execute("SELECT seq, 0, run_id FROM runs").fetchall()


def test_a_restore_to_before_the_archive_was_written(
    books: Books,
    store: Store,
    tmp_path: Path,
):
    """The ledger has the rows again and does not know the segment."""
    replica = Replica(tmp_path / "data" / "replica.duckdb", store)
    replica.sync()
    before = copied_facts(replica)
    kept = {
        table.name: [dict(row._mapping) for row in rows_of(store, table)] for table in (*schema.FACTS, schema.segments)
    }
    Archive(tmp_path / "data" / "archive", store, runs=2, clock=lambda: books.clock).move(
        books.clock - 400 * 86_400_000_000
    )
    replica.sync()
    with store.write() as ledger:
        for table in (*schema.FACTS, schema.segments):
            ledger.execute(sa.delete(table))
            if kept[table.name]:
                ledger.execute(table.insert(), kept[table.name])
    assert replica.sync().why == RESTORED
    assert copied_facts(replica) == before
    assert replica.compare().same


def rows_of(store: Store, table: sa.Table) -> list[Any]:
    with store.read() as ledger:
        return list(ledger.execute(sa.select(table)).all())
