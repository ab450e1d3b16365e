"""The thread that keeps the replica up to date beside requests, so that no page waits for a sync of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from farebox.runtime import Runtime
from pricing import FareboxError

_logger = logging.getLogger(__name__)
_WAIT_SECONDS = 1.0
"""The wait for another process that uses the replica; the next round tries again."""


class BackgroundSync:
    """Copies new rows of the ledger to the replica, in rounds.

    Args:
        runtime: whose ledger and replica.
        seconds: between two rounds.
        moved: called after each round that copied anything.
    """

    def __init__(self, runtime: Runtime, seconds: float, moved: Callable[[], None]) -> None:
        self._runtime = runtime
        self._seconds = seconds
        self._moved = moved
        self._ended = threading.Event()
        self._fault = ""
        self._thread = threading.Thread(target=self._work, name="farebox-web-sync", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a round under way finishes first."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                self._round()
                self._fault = ""
            except FareboxError as error:
                if error.message != self._fault:  # said once, not every few seconds
                    _logger.warning("The replica is not brought up to date: %s %s", error.message, error.next_step)
                self._fault = error.message
            self._ended.wait(self._seconds)

    def _round(self) -> None:
        from farebox.prefect.report_files import refresh_report_files

        self._runtime.ledger.reap()
        if self._runtime.replica.sync(wait=_WAIT_SECONDS).rows:
            refresh_report_files(self._runtime)
            self._moved()
