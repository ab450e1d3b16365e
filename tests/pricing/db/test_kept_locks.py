"""SQLite's locks on a ledger's files outlast what else a process does with them: others heed them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from pricing.db.database import Store
from pricing.db.ledger_state import _indexes, ledger_state

_IS_FREE = (
    "import fcntl, sys\n"
    "with open(sys.argv[1], 'r+b') as file:\n"
    "    try: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    "    except OSError: print('locked')\n"
)


def is_locked(path: Path) -> bool:
    """Whether another process finds a lock on a file, anywhere in it."""
    said = subprocess.run([sys.executable, "-ISc", _IS_FREE, str(path)], check=True, capture_output=True, text=True)
    return said.stdout == "locked\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(f"sqlite:///{tmp_path / 'ledger.db'}")) as store:
        yield store


def test_asking_for_the_state_of_a_ledger_keeps_its_locks(store: Store, tmp_path: Path):
    """Else another process starts the log anew, while this one reads it."""
    with store.read(), ThreadPoolExecutor(1) as pool:
        assert is_locked(tmp_path / "ledger.db-shm")
        for _ in range(2):
            assert pool.submit(store.state).result() is not None
        assert is_locked(tmp_path / "ledger.db-shm")


def test_opening_another_connection_keeps_the_locks_on_the_journal(store: Store, tmp_path: Path):
    with store.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM journal_entries")
        assert is_locked(tmp_path / "journal.db")
        with closing(Store(f"sqlite:///{tmp_path / 'ledger.db'}")) as other, other.write():
            pass
        assert is_locked(tmp_path / "journal.db")


def test_descriptors_of_indexes_that_are_gone_are_closed(tmp_path: Path):
    for number in range(3):
        with closing(Store(f"sqlite:///{tmp_path / f'{number}.db'}")) as store:
            with store.read():
                pass
            assert store.state() == store.state() is not None
        assert ledger_state(tmp_path / f"{number}.db") is None, "nobody has it open"
    deleted = [descriptor for descriptor in _indexes._descriptors.values() if os.fstat(descriptor).st_nlink == 0]
    assert len(deleted) <= 1, "the newest one"
