"""A replica that is damaged, or has no disk space: it is only a copy, and says what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from pricing.db.database import Store
from pricing.errors import LedgerUnusable
from pricing.ledger.ledger import Ledger
from pricing.replica.replica import Replica
from tests.support.books import copied_facts, facts
from tests.support.damaged_replica import read_or_say_why
from tests.support.disks import small_disk
from tests.support.project import REPOSITORY
from tests.support.replica import add


@pytest.fixture
def full(tmp_path: Path):
    """A replica with a few thousand rows, and its ledger."""
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    add(store, 0, 1_500)
    replica = Replica(tmp_path / "replica.duckdb", store)
    replica.sync()
    yield replica, Ledger(store)
    store.close()


def test_wherever_it_is_damaged_it_is_rebuilt_or_says_so(full: tuple[Replica, Ledger], tmp_path: Path):
    """DuckDB's "corrupt block" holds the word "lock": it is not somebody who has the file open. On some damage DuckDB
    crashes the process: this runs in others, and the next one goes on with the same file.
    """
    replica, _ = full
    whole = tmp_path / "whole"
    whole.write_bytes(replica.path.read_bytes())
    size, rebuilt, crashes = whole.stat().st_size, 0, 0
    places = list(range(4096, size, max(4096, size // 10)))
    damaged = False
    while places:
        words = [str(tmp_path), str(whole), *map(str, places), *(["--damaged"] if damaged else [])]
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.damaged_replica", *words],
            cwd=REPOSITORY, capture_output=True, text=True, check=False,
        )  # fmt: skip
        ends = done.stdout.split()
        rebuilt += ends.count("rebuilt")
        places = places[len(ends) :]
        crashes = crashes + 1 if damaged and not ends else 1
        damaged = bool(places)
        assert done.returncode <= 0, done.stderr
        assert crashes <= 3, "a file on which processes crash is rebuilt"
    assert rebuilt


def test_a_file_that_processes_crashed_on_is_rebuilt(full: tuple[Replica, Ledger], caplog: pytest.LogCaptureFixture):
    replica, ledger = full
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for number in range(3):
        assert not replica.sync().rebuilt
        replica.path.with_name(f"{replica.path.name}.open.{ended.pid}.{number:08x}").touch()
    assert replica.sync().rebuilt
    assert "processes crashed" in caplog.text
    assert read_or_say_why(replica, ledger) is None
    assert not replica.sync().rebuilt
    assert [*replica.path.parent.glob("*.open.*")] == []


def test_a_disk_without_room_for_it_keeps_what_it_has_and_says_so(full: tuple[Replica, Ledger], tmp_path: Path):
    _, ledger = full
    with small_disk(tmp_path / "disk", 8) as disk:
        small = Replica(disk.folder / "replica.duckdb", ledger.store)
        small.sync()
        before = copied_facts(small)
        disk.fill()
        add(ledger.store, 1_500, 3_000)
        with pytest.raises(LedgerUnusable) as caught:
            small.sync()
        assert "No space left on device" in caught.value.message
        assert "Free space" in caught.value.next_step
        assert "Traceback" not in str(caught.value)
        disk.make_room()
        assert copied_facts(small) == before
        assert small.sync().rows == 3_000
        assert copied_facts(small) == facts(ledger)
