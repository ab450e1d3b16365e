"""What a SQLite ledger holds, as far as its files tell without being opened: two equal states hold the same rows.

A commit appends to the write-ahead log. Its index tells how far the log goes, with random salts of the log and a
checksum over all of it; only a checkpoint writes to the database itself.
Source: https://www.sqlite.org/walformat.html, "WAL-Index File Format".

The index is where SQLite's locks on the log are, and a process that closes any descriptor of a file loses all locks it
has there: others would then overwrite what it reads. So a descriptor stays open until SQLite has deleted its file.
Source: https://www.sqlite.org/howtocorrupt.html, "POSIX advisory locks canceled by a separate thread doing close()".
"""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from typing import NamedTuple

from pricing.db.forks import after_fork

_HEADER = 48
"""Bytes of the index's header, which stands there twice: while it is written, the two differ."""
_COMMITS = slice(8, 12)
_INITIALIZED = 12
_LOG = slice(14, 40)
"""Page size, frames of the log, pages of the database, checksum of the newest frame, salts."""


class LedgerState(NamedTuple):
    """What it holds, and how many commits the processes that have it open now counted since the first opened it."""

    content: str
    commits: int


class _Indexes:
    """The indexes of logs that this process has read."""

    def __init__(self) -> None:
        self._descriptors: dict[tuple[int, int], int] = {}
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        """In a forked child: the thread that held the lock is not here. The descriptors are."""
        self._lock = threading.Lock()

    def head(self, path: Path, length: int) -> bytes:
        """The first bytes of an index.

        Raises:
            OSError: there is none.
        """
        with self._lock:
            found = path.stat()
            descriptor = self._descriptors.get((found.st_dev, found.st_ino))
            if descriptor is None:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                found = os.fstat(descriptor)
                self._descriptors[found.st_dev, found.st_ino] = descriptor
            return os.pread(descriptor, length, 0)

    def close_deleted(self) -> None:
        """Close those whose file SQLite has deleted, with the last connection to it."""
        with self._lock:
            for key, descriptor in list(self._descriptors.items()):
                if os.fstat(descriptor).st_nlink == 0:
                    del self._descriptors[key]
                    os.close(descriptor)


_indexes = _Indexes()


def release_closed_ledgers() -> None:
    """Let go of the files of ledgers that nobody has open any more: a disk with deleted files in use stays busy."""
    _indexes.close_deleted()


def ledger_state(path: Path) -> LedgerState | None:
    """The state of the ledger in this file; ``None`` where its files do not tell, as when nobody has opened it.

    Example:
        >>> ledger_state(Path("missing.db")) is None
        True
    """
    try:
        head = _indexes.head(path.with_name(path.name + "-shm"), 2 * _HEADER)
        header, again = head[:_HEADER], head[_HEADER:]
        log = path.with_name(path.name + "-wal").stat()  # no times of it: SQLite sets its owner when root opens it
        database = identity(path)
    except OSError:
        return None
    if len(header) < _HEADER or header != again or not header[_INITIALIZED]:
        return None
    [commits] = struct.unpack("=I", header[_COMMITS])
    return LedgerState(f"{database} {log.st_ino}-{log.st_size} {header[_LOG].hex()}", commits)


def identity(path: Path) -> str:
    """Which file it is and when it was changed.

    Raises:
        OSError: there is none.
    """
    found = path.stat()
    return f"{found.st_dev}-{found.st_ino}-{found.st_size}-{found.st_ctime_ns}"
