"""Recent observations of this process: its targets' results, their token counts, how much of its runs' holds is used.

Routing asks for it at every turn, on the event loop; so asking never waits and never reads a database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from pricing import FareboxError
from pricing.db import after_fork

T = TypeVar("T")

FRESH_SECONDS = 30.0
_MOST_RUNS = 1024
_log = logging.getLogger(__name__)


class Observations(Generic[T]):
    """A cached snapshot of recent results in the ledger, renewed at most every ``FRESH_SECONDS``.

    Args:
        load: reads it again.
        nothing: what is known before.
        clock: seconds; tests pass their own.
    """

    def __init__(self, load: Callable[[], T], nothing: T, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._snapshot = nothing
        self._due = -float("inf")
        self._lock = threading.Lock()
        after_fork(self._forked)

    def _forked(self) -> None:
        """In a forked child: the thread that held the lock is not here."""
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """The current snapshot. An old one is renewed on a thread, for later callers."""
        if self._is_due():
            threading.Thread(target=self._renew_quietly, name="farebox-observing", daemon=True).start()
        return self._snapshot

    def fresh(self) -> T:
        """The snapshot, renewed first if it is old; it waits for the database.

        Raises:
            LedgerError: it cannot be read.
        """
        if self._is_due():
            self._snapshot = self._load()
        return self._snapshot

    def _is_due(self) -> bool:
        """Whether the caller has to renew it: true once per period, over all callers."""
        now = self._clock()
        if now < self._due:
            return False
        with self._lock:
            if now < self._due:
                return False
            self._due = now + FRESH_SECONDS
            return True

    def _renew_quietly(self) -> None:
        try:
            self._snapshot = self._load()
        except FareboxError as error:
            _log.warning("older observations are used: %s", error.message)


class HoldsInUse:
    """The share of each run's hold that is spent, as of its last attempt in this process."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}

    def note(self, run_id: str, share: float) -> None:
        """Store the share of a run, 0 to 1."""
        self._shares.pop(run_id, None)
        self._shares[run_id] = share
        while len(self._shares) > _MOST_RUNS:
            del self._shares[next(iter(self._shares))]

    def share(self, run_id: str) -> float:
        """The share; 0 before the run's first attempt here."""
        return self._shares.get(run_id, 0.0)
