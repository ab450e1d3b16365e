"""Who writes what was submitted: work that waits at the same moment shares one transaction, and one wake-up.

Work that is submitted on an event loop is gathered until the loop's next step. What can be committed at once, is: a
transaction takes less time than waking another thread. Whatever would have to wait, for another process or for a
server, is done on a thread of the store's own.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakSet

from sqlalchemy.engine import Connection

from pricing.errors import LedgerBusy
from pricing.forks import after_fork
from pricing.written import Written, wake

T = TypeVar("T")
Batch: TypeAlias = list[Written[Any]]

_MOST = 256
"""Pieces of work in one transaction."""


class Entry(ABC, Generic[T]):
    """Work that is written together with other entries that wait: one statement for all of a kind."""

    @staticmethod
    @abstractmethod
    def page(connection: Connection, entries: Sequence[Any]) -> list[Any]:
        """Write several; their results in the same order. When it raises, each is written alone."""

    def __call__(self, connection: Connection) -> T:
        """Write it alone."""
        result: T = type(self).page(connection, [self])[0]
        return result


class Commit(Protocol):
    """Runs work in a transaction and commits it, or raises."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """What the work gives."""


class Writer:
    """Writes for one store.

    Args:
        transact: runs work in a transaction and commits it, however long it takes to get one.
        at_once: the same without waiting; none where every transaction does.
    """

    def __init__(self, transact: Commit, at_once: Commit | None) -> None:
        self._transact = transact
        self._at_once = at_once
        self._start_anew()
        after_fork(self._start_anew)

    def _start_anew(self) -> None:
        """In a forked child: the thread, and what was submitted, are the parent's."""
        self._queue: queue.SimpleQueue[Batch | Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._given = self._done = 0
        """Items that the thread was given, and those of them that it is done with."""
        self._here = threading.local()
        self._gathering: WeakSet[_Gathered] = WeakSet()

    def submit(self, work: Callable[[Connection], T]) -> Written[T]:
        """Have ``work`` written. It must do nothing but use its connection: it may be run more than once."""
        loop = asyncio._get_running_loop()  # noqa: SLF001 - get_running_loop, without an exception where there is none
        if loop is None:
            written = Written(work)
            self._hand_over([written])
            return written
        gathered = self._gathered(loop)
        written = Written(work, gathered.write)
        if not gathered.batch:
            loop.call_soon(gathered.write)
        gathered.batch.append(written)
        return written

    def call(self, task: Callable[[], object]) -> None:
        """Run a task on the writer's thread, between its transactions."""
        self._hand_over(task)

    def close(self) -> None:
        """Finish what was submitted."""
        for gathered in list(self._gathering):
            gathered.write()
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _gathered(self, loop: asyncio.AbstractEventLoop) -> _Gathered:
        """What this thread's loop has submitted since its last step."""
        gathered: _Gathered | None = getattr(self._here, "gathered", None)
        if gathered is None or gathered.loop is not loop:
            if gathered is not None:  # of a loop that has ended
                gathered.write()
            gathered = self._here.gathered = _Gathered(loop, self._take)
            self._gathering.add(gathered)
        return gathered

    def _take(self, batch: Batch) -> None:
        """Write a batch at once, if that can be and nothing waits that was submitted before it."""
        if self._at_once is None or self._given != self._done or not _wrote(self._at_once, batch):
            self._hand_over(batch)

    def _hand_over(self, item: Batch | Callable[[], object]) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="farebox-ledger", daemon=True)
                self._thread.start()
            self._given += 1
            self._queue.put(item)

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not None:
            taken = 1
            if isinstance(item, list):
                batch = item
                while len(batch) < _MOST and not self._queue.empty():  # nobody else takes from it
                    more = self._queue.get()
                    if not isinstance(more, list):
                        self._queue.put(more)
                        break
                    batch, taken = batch + more, taken + 1
                if not self._commit(batch):
                    for written in batch:
                        self._commit_alone(written)
            else:
                item()
            self._done += taken

    def _commit(self, batch: Batch) -> bool:
        """Whether the batch was dealt with: committed, or failed since the ledger is busy, and all know it."""
        try:
            results = self._transact(lambda connection: _results(connection, batch))
        except LedgerBusy as error:
            wake(chain.from_iterable(written.fail(error) for written in batch))
        except BaseException:  # noqa: BLE001 - each is run again, and whoever waits for it is told
            return False
        else:
            _tell(batch, results)
        return True

    def _commit_alone(self, written: Written[Any]) -> None:
        try:
            result = self._transact(written.work)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            wake(written.fail(error))
        else:
            wake(written.end(result))


def _wrote(at_once: Commit, batch: Batch) -> bool:
    """Whether a batch is written. If not, nothing of it is, and the thread waits, or finds which work failed."""
    try:
        results = at_once(lambda connection: _results(connection, batch))
    except Exception:  # noqa: BLE001 - the work's own errors too: it is run again, and then they are told
        return False
    _tell(batch, results)
    return True


class _Gathered:
    """What one event loop submits within one of its steps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[Batch], None]) -> None:
        self.loop = loop
        self.batch: Batch = []
        self._take = take

    def write(self) -> None:
        """Hand on what there is."""
        batch, self.batch = self.batch, []
        if batch:
            self._take(batch)


def _results(connection: Connection, batch: Batch) -> list[Any]:
    """Of each piece of work; entries are written a page at a time."""
    results: list[Any] = [None] * len(batch)
    pages = defaultdict(list)
    for at, written in enumerate(batch):
        if isinstance(written.work, Entry):
            pages[type(written.work).page].append(at)
        else:
            results[at] = written.work(connection)
    for page, places in pages.items():
        for at, result in zip(places, page(connection, [batch[at].work for at in places]), strict=True):
            results[at] = result
    return results


def _tell(batch: Batch, results: Sequence[Any]) -> None:
    wake(chain.from_iterable(written.end(result) for written, result in zip(batch, results, strict=True)))
