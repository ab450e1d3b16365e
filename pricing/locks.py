"""Locks between processes: an advisory lock on a file, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.02


@contextmanager
def file_lock(path: Path, *, shared: bool = False, wait: float | None = None) -> Iterator[bool]:
    """Hold the lock at ``path`` (created when missing), shared with other readers or alone.

    Args:
        path: the lock file; it stays empty.
        shared: whether others that ask for it shared may hold it at the same time.
        wait: seconds to wait at most; ``None`` queues until the lock is free.

    Yields:
        Whether the lock is held: always true when ``wait`` is ``None``.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if wait is None:
            fcntl.flock(descriptor, kind)
            yield True
        else:
            yield _poll(descriptor, kind, wait)
    finally:
        os.close(descriptor)


def _poll(descriptor: int, kind: int, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
