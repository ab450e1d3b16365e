"""SQLite's locks on a ledger's files outlast what else a process does with them: others heed them."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing.db import journal_table, schema
from pricing.db.database import Store
from pricing.db.ledger_state import _indexes, ledger_state
from tests.support.waiting import PATIENCE

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
    """Else another process starts the log again, while this one reads it."""
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


def test_a_ledger_that_was_closed_leaves_no_file_open(tmp_path: Path):
    with closing(Store(f"sqlite:///{tmp_path / 'ledger.db'}")) as store:
        with store.read():
            pass
        assert store.state() == store.state() is not None
        index = (tmp_path / "ledger.db-shm").stat()
        assert (index.st_dev, index.st_ino) in _indexes._descriptors
    assert ledger_state(tmp_path / "ledger.db") is None, "nobody has it open"
    assert all(os.fstat(descriptor).st_nlink for descriptor in _indexes._descriptors.values())


def write(store: Store, key: str) -> None:
    with store.write() as connection:
        connection.execute(schema.meta.insert().values(key=key, value="1"))
        row = dict.fromkeys(("run_id", "kind", "key", "operation", "target", "state", "holder"), "x")
        connection.execute(journal_table.entries.insert().values(**row, entry_id=key, claimed=1, cost=0, written_at=1))


def test_what_a_child_commits_outlasts_the_end_of_its_parent(store: Store):
    """Which deletes the logs once it closes the ledger, if it is the last that has it open."""
    write(store, "parent")
    pid = os.fork()
    if pid == 0:
        try:
            write(store, "before")
            os.kill(os.getpid(), signal.SIGSTOP)  # seen by who waits
            write(store, "after")
        finally:
            os._exit(0)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    store.close()
    os.kill(pid, signal.SIGCONT)
    handle = os.pidfd_open(pid)
    if not select.select([handle], [], [], PATIENCE)[0]:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(handle)
    with store.read() as connection:
        assert {"parent", "before", "after"} <= set(connection.execute(sa.select(schema.meta.c.key)).scalars())
        kept = set(connection.execute(sa.select(journal_table.entries.c.entry_id)).scalars())
        assert kept == {"parent", "before", "after"}
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
