"""Locks on SQLite files that a forked child has to take again.

SQLite keeps one account of its locks per file and process. A child inherits the account, but not the locks: it takes
itself for a user of the file, and its parent, which closes the file as the last user that it sees, deletes the log that
the child writes to. What the child commits then is lost.
Source: https://www.sqlite.org/src/file/src/os_unix.c (``SHARED_FIRST``, ``UNIX_SHM_DMS``).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_USED = (0x40000002, 510)
"""Bytes of a database that each of its users has locked: where they begin, and how many."""
_INDEX_USED = (128, 1)
"""Likewise of the index of its log."""


def lock_again(database: Path) -> None:
    """Hold the locks of a user of this file, shared, until the process ends."""
    index = database.with_name(database.name + "-shm")
    for path, (start, length) in ((database, _USED), (index, _INDEX_USED)):
        with suppress(OSError):  # it is not there, or being closed
            # Never closed: that would give up all locks that the process has there.
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, length, start)
