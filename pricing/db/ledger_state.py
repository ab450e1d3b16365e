"""What a SQLite ledger holds, as far as its files tell without being opened: two equal states hold the same rows.

A commit appends to the write-ahead log. Its index tells how far the log goes, with random salts of the log and a
checksum over all of it; only a checkpoint writes to the database itself.
Source: https://www.sqlite.org/walformat.html, "WAL-Index File Format".
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

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


def ledger_state(path: Path) -> LedgerState | None:
    """The state of the ledger in this file; ``None`` where its files do not tell, as when nobody has opened it.

    Example:
        >>> ledger_state(Path("missing.db")) is None
        True
    """
    try:
        with path.with_name(path.name + "-shm").open("rb") as file:
            header, again = file.read(_HEADER), file.read(_HEADER)
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
