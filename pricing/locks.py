"""Locks between processes: an advisory lock on a file, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import threading
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


class Gate:
    """A lock between threads and processes whose file stays open: taking it costs a microsecond.

    Args:
        path: the lock file, created when missing.

    Raises:
        OSError: it cannot be opened; when it is first entered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._descriptor = -1

    def enter(self) -> None:
        """Queue until it is free."""
        self._threads.acquire()
        self._lock(fcntl.LOCK_EX)

    def try_enter(self) -> bool:
        """Whether it was free; it is not waited for."""
        if not self._threads.acquire(blocking=False):
            return False
        try:
            self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def leave(self) -> None:
        """Let the next one in."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        """Close its file; it is opened again when it is entered again."""
        with self._threads:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()

    def _lock(self, kind: int) -> None:
        """Of the file; the threads' lock is given back if that fails."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, kind)
        except BaseException:
            self._threads.release()
            raise


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
