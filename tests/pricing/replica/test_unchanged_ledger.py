"""A sync that finds nothing new does not open the replica; whatever may be new is looked at."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.db.database import Store
from pricing.db.ledger_state import ledger_state
from pricing.ledger.ledger import Ledger
from pricing.replica import sync_points
from pricing.replica.replica import Replica
from tests.support.books import copied_facts, facts
from tests.support.examples import examples
from tests.support.replica import add


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    store = Store(f"sqlite:///{path}")
    with store.read():
        pass
    store.close()
    return path


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path) -> Store:
    shutil.copyfile(empty_ledger, tmp_path / "ledger.db")
    return Store(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def replica(ledger: Store, tmp_path: Path) -> Replica:
    add(ledger, 0, 3)
    found = Replica(tmp_path / "replica.duckdb", ledger)
    found.sync()
    add(ledger, 3, 2)
    assert found.sync().rows == 2
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that DuckDB opened."""
    files: list[str] = []
    connect = duckdb.connect

    def noted(path: str, **given: Any) -> duckdb.DuckDBPyConnection:
        files.append(path)
        return connect(path, **given)

    monkeypatch.setattr(duckdb, "connect", noted)
    return files


def test_nothing_is_opened_while_the_ledger_is_as_it_was_copied(ledger: Store, replica: Replica, opened: list[str]):
    other = Replica(replica.path, Store(str(ledger.url)))  # as in another process
    for one in (replica, other, replica):
        synced = one.sync()
        assert (synced.rows, synced.rebuilt, synced.done) == (0, False, True)
    assert opened == []


def another_commit(folder: Path) -> None:
    add(Store(f"sqlite:///{folder / 'ledger.db'}"), 5, 1)


def closed_after_a_commit(folder: Path) -> None:
    store = Store(f"sqlite:///{folder / 'ledger.db'}")
    add(store, 5, 1)
    store.close()


def replica_copied_back(folder: Path) -> None:
    shutil.copyfile(folder / "replica.duckdb", folder / "kept")
    (folder / "kept").replace(folder / "replica.duckdb")


def note_garbled(folder: Path) -> None:
    (folder / "replica.duckdb.copied").write_bytes(b"\xff\x00")


def note_lost(folder: Path) -> None:
    (folder / "replica.duckdb.copied").unlink()


def processes_crashed(folder: Path) -> None:
    for number in range(3):
        (folder / f"replica.duckdb.open.{2**22 + 1 + number}.x").touch()  # above what Linux numbers processes


def log_of_the_replica_left(folder: Path) -> None:
    (folder / "replica.duckdb.wal").touch()


@pytest.mark.parametrize(
    "event",
    [another_commit, closed_after_a_commit, replica_copied_back, note_garbled, note_lost, processes_crashed,
     log_of_the_replica_left],
)  # fmt: skip
def test_what_may_have_changed_is_looked_at(
    event: Callable[[Path], None], ledger: Store, replica: Replica, opened: list[str], tmp_path: Path
):
    event(tmp_path)
    assert replica.sync().done
    assert opened
    assert copied_facts(replica) == facts(Ledger(ledger))


def test_a_commit_of_somebody_else_during_a_sync_is_copied_by_the_next(
    ledger: Store, replica: Replica, monkeypatch: pytest.MonkeyPatch
):
    leave = sync_points.leave

    def after_another(store: Store, replica_id: str, previous: str) -> str:
        add(Store(str(store.url)), 100, 1)
        return leave(store, replica_id, previous)

    add(ledger, 5, 1)
    monkeypatch.setattr(sync_points, "leave", after_another)
    assert replica.sync().rows == 1
    monkeypatch.undo()
    assert replica.sync().rows == 1
    assert copied_facts(replica) == facts(Ledger(ledger))


EVENTS = st.lists(
    st.sampled_from(["write", "write elsewhere", "sync", "sync elsewhere", "checkpoint", "truncate", "close"]),
    max_size=8,
)


@settings(max_examples=examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(events=EVENTS)
def test_after_each_sync_the_replica_has_what_the_ledger_has(
    events: list[str], empty_ledger: Path, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("events")
    url = f"sqlite:///{folder / 'ledger.db'}"
    shutil.copyfile(empty_ledger, folder / "ledger.db")
    stores: dict[str, Store] = {"": Store(url), "elsewhere": Store(url)}
    replicas = {name: Replica(folder / "replica.duckdb", store) for name, store in stores.items()}
    for number, event in enumerate([*events, "sync"]):
        what, _, where = event.partition(" ")
        store = stores[where]
        if what == "write":
            add(store, number, 1)
        elif what == "sync":
            replicas[where].sync()
            assert copied_facts(replicas[where]) == facts(Ledger(store))
        elif what == "close":
            store.close()
        else:
            with store.read() as connection:
                connection.rollback()
                connection.exec_driver_sql(f"PRAGMA wal_checkpoint({'TRUNCATE' if what == 'truncate' else 'PASSIVE'})")
    for store in stores.values():
        store.close()


def test_the_state_is_of_the_content_and_not_of_who_has_it_open(ledger: Store, tmp_path: Path):
    path = tmp_path / "ledger.db"
    assert ledger_state(path) is None
    add(ledger, 0, 1)
    first = ledger_state(path)
    assert first is not None
    reader = Store(str(ledger.url))
    with reader.read():
        assert reader.state() is None
        assert ledger_state(path) == first
    assert reader.state() == first
    add(ledger, 1, 1)
    second = ledger_state(path)
    assert second is not None
    assert (second.content != first.content, second.commits) == (True, first.commits + 1)
    (tmp_path / "ledger.db-shm").write_bytes(b"\0" * 4096)
    assert ledger_state(path) is None
