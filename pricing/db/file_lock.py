"""Locks between processes: an advisory lock on a file, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pricing.db.forks import after_fork


@contextmanager
def acquire_file_lock(path: Path, *, shared: bool = False, wait: float | None = None) -> Iterator[bool]:
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
    owner, held = os.getpid(), False
    try:
        if wait is None:
            fcntl.flock(descriptor, kind)
            held = True
        else:
            held = _queue(descriptor, kind, wait)
        yield held
    finally:
        if held and os.getpid() == owner:  # a forked child has the file too: closing ours alone would not let go
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


class InterprocessLock:
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
        after_fork(self._forked)

    def enter(self, wait: float = 0) -> bool:
        """Queue for so many seconds; whether it is ours.

        Raises:
            OSError: its file cannot be opened.
        """
        if not self._threads.acquire(timeout=wait) if wait else not self._threads.acquire(blocking=False):
            return False
        held = False
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            held = _queue(self._descriptor, fcntl.LOCK_EX, wait)
            if not held and wait:  # those still in our queue get it on a deleted file
                self._forget()
        finally:
            if not held:
                self._threads.release()
        return held

    def leave(self) -> None:
        """Let the next one in."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        """Close its file; it is opened again when it is entered again."""
        with self._threads:
            self._forget()

    def _forked(self) -> None:
        """The lock belongs to the open file, which the parent has too: this process opens its own."""
        self._threads = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _queue(descriptor: int, kind: int, wait: float) -> bool:
    """Stand in the kernel's queue for so long: polling would let others jump it.

    Nothing can call back who waits there, so a thread does; given up, it lets go of the lock as soon as it has it,
    for the descriptor must be closed then.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        if wait <= 0:
            return False
    else:
        return True
    held = threading.Event()

    def stand() -> None:
        fcntl.flock(descriptor, kind)
        held.set()

    threading.Thread(target=stand, name="farebox-lock", daemon=True).start()
    return held.wait(wait)
