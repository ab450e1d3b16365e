"""The replica equals the ledger, whatever happens to either."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.file_lock import acquire_file_lock
from pricing.errors import LedgerBusy
from pricing.ledger.facts import Turn
from pricing.ledger.ledger import Ledger
from pricing.replica.replica import Replica, Synced
from tests.support.replica import a_turn, add
from tests.support.waiting import until


@pytest.fixture
def replica(store: Store, tmp_path: Path) -> Replica:
    return Replica(tmp_path / "data" / "replica.duckdb", store)


def in_ledger(store: Store, table: sa.Table = schema.turns) -> list[tuple[Any, ...]]:
    columns = [c for c in table.columns if c.name != "xid"]
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(table.c.seq))]


def in_replica(replica: Replica, table: sa.Table = schema.turns) -> list[tuple[Any, ...]]:
    with replica.read() as connection:
        return connection.execute(f"SELECT * FROM {table.name} ORDER BY seq").fetchall()


def test_each_sync_copies_what_is_new_and_only_that(store: Store, replica: Replica):
    add(store, 0, 10)
    assert replica.sync().rows == 10
    assert replica.sync().rows == 0
    add(store, 10, 5)
    assert replica.sync().rows == 5
    assert in_replica(replica) == in_ledger(store)


def test_it_can_be_deleted_truncated_or_garbled_and_is_rebuilt_equal(store: Store, replica: Replica):
    add(store, 0, 20)
    replica.sync()
    whole = replica.path.read_bytes()
    for spoiled in (None, whole[:5000], b"x" * 9000):
        replica.path.unlink()
        if spoiled is not None:
            replica.path.write_bytes(spoiled)
        assert replica.sync().rebuilt
        assert in_replica(replica) == in_ledger(store)
    assert replica.rebuild().rows == 20
    assert in_replica(replica) == in_ledger(store)


def test_a_replica_of_another_ledger_is_rebuilt(store: Store, replica: Replica):
    add(store, 0, 3)
    replica.sync()
    with store.write() as connection:
        connection.execute(sa.update(schema.meta).values(value="another"))
    assert replica.sync() == replica.sync().__class__(3, rebuilt=True, done=True)


def test_rows_committed_out_of_order_are_all_copied(store: Store, replica: Replica):
    if store.is_sqlite:
        pytest.skip("SQLite's writers are serial: its rows cannot be committed out of order")
    add(store, 0, 1)
    late = store._opened().connect()
    late.execute(schema.turns.insert().values(**vars_of(a_turn(100))))
    add(store, 1, 5)
    replica.sync()
    late.commit()
    late.close()
    add(store, 6, 1)
    replica.sync()
    assert sorted(in_replica(replica)) == sorted(in_ledger(store))
    assert len(in_replica(replica)) == 8


def vars_of(turn: Turn) -> dict[str, Any]:
    return {name: getattr(turn, name) for name in Turn.__dataclass_fields__}


def test_many_values_survive_the_copy(store: Store, replica: Replica):
    ledger = Ledger(store)
    odd = Turn('q"uote', "r\n", "ü✓", "", "v", "[1]", "failed", None, None, 0, True, 2**53 + 1, 0)
    ledger.record_turn(odd).result()
    replica.sync()
    assert in_replica(replica) == in_ledger(store)


def test_a_held_lock_delays_a_sync_and_a_report_but_loses_nothing(store: Store, replica: Replica):
    add(store, 0, 4)
    replica.sync()
    add(store, 4, 4)
    with acquire_file_lock(replica.path.with_name(replica.path.name + ".lock")):
        assert not replica.sync(wait=0.05).done
        with pytest.raises(LedgerBusy), replica.read(wait=0.05):
            pass
    assert replica.sync().rows == 4
    assert in_replica(replica) == in_ledger(store)


def test_readers_share_the_file(store: Store, replica: Replica):
    add(store, 0, 4)
    replica.sync()
    with replica.read() as first, replica.read(wait=0.05) as second:
        assert (
            first.execute("SELECT count(*) FROM turns").fetchone()
            == second.execute("SELECT count(*) FROM turns").fetchone()
        )


def test_another_program_that_holds_the_file_only_delays(store: Store, replica: Replica):
    add(store, 0, 2)
    replica.sync()
    code = f"""
        import duckdb, sys
        connection = duckdb.connect({str(replica.path)!r})
        print("open", flush=True)
        sys.stdin.read()
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    add(store, 2, 2)
    assert not replica.sync(wait=0.05).done
    holder.communicate()
    assert replica.sync().rows == 2


def test_syncs_from_many_threads_copy_each_row_once(store: Store, replica: Replica):
    def work(first: int) -> None:
        for step in range(3):
            add(store, first + step * 5, 5)
            replica.sync()

    threads = [threading.Thread(target=work, args=(n * 1000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    replica.sync()
    assert in_replica(replica) == in_ledger(store)
    assert len(in_ledger(store)) == 60


def test_every_open_goes_through_the_lock(store: Store, replica: Replica, monkeypatch: pytest.MonkeyPatch):
    """Whenever DuckDB opens the file its lock must be held, shared or alone; of a new file, that of who writes."""
    opened = []
    real = duckdb.connect

    def watched(path: str, **options: Any) -> Any:
        lock = ".write.lock" if path.endswith(".new") else ".lock"
        with acquire_file_lock(replica.path.with_name(replica.path.name + lock), wait=0) as free:
            opened.append((path, options.get("read_only", False), free))
        return real(path, **options)

    monkeypatch.setattr(duckdb, "connect", watched)
    add(store, 0, 1)
    replica.sync()
    replica.rebuild()
    with replica.read():
        pass
    assert len(opened) == 3
    assert not any(free for _, _, free in opened)


def test_the_old_one_is_read_while_a_new_one_is_built(store: Store, replica: Replica, monkeypatch: pytest.MonkeyPatch):
    add(store, 0, 4)
    replica.sync()
    copy, seen = Replica._copy, list[int]()

    def reading(self: Replica, path: Path) -> Synced:
        copied = copy(self, path)
        with replica.read(wait=0) as connection:  # another reader would have to wait, were the lock held
            seen.extend(connection.execute("SELECT count(*) FROM turns").fetchone() or ())
        assert not replica.sync(wait=0).done, "only one writes"
        return copied

    with monkeypatch.context() as patched:
        patched.setattr(Replica, "_copy", reading)
        add(store, 4, 2)
        assert replica.rebuild().rows == 6
    assert seen == [4]
    assert in_replica(replica) == in_ledger(store)
    assert replica.sync().rows == 0


def test_a_new_one_takes_its_place_once_nobody_reads_the_old_one(store: Store, replica: Replica):
    add(store, 0, 4)
    replica.sync()
    add(store, 4, 2)
    rebuilding = threading.Thread(target=replica.rebuild)
    with replica.read() as connection:
        rebuilding.start()
        new = replica.path.with_name(replica.path.name + ".new")
        until("new replica", new.exists)
        assert connection.execute("SELECT count(*) FROM turns").fetchone() == (4,)
    rebuilding.join()
    assert in_replica(replica) == in_ledger(store)


def test_a_wrong_one_is_not_read_while_it_is_repaired(store: Store, replica: Replica, monkeypatch: pytest.MonkeyPatch):
    add(store, 0, 4)
    replica.sync()
    with duckdb.connect(str(replica.path)) as connection:
        connection.execute("UPDATE about SET epoch = 'of another ledger'")
    copy, refused = Replica._copy, list[str]()

    def reading(self: Replica, path: Path) -> Synced:
        if path != replica.path:
            with pytest.raises(LedgerBusy) as caught, replica.read(wait=0):
                pass
            refused.append(caught.value.next_step)
        return copy(self, path)

    monkeypatch.setattr(Replica, "_copy", reading)
    assert replica.sync().rebuilt
    assert len(refused) == 1
    assert "wait while it is repaired" in refused[0]
    assert in_replica(replica) == in_ledger(store)
