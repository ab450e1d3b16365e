"""The write queue: submitted work shares transactions, and its result can be awaited.

On SQLite a write is committed on the caller's own thread while no other writer is active.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import chain
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakSet

from sqlalchemy.engine import Connection, Engine

from pricing.db.file_lock import InterprocessLock
from pricing.db.forks import after_fork
from pricing.db.page_statement import PageStatement
from pricing.errors import LedgerBusy

T = TypeVar("T")


class PendingWrite(Generic[T]):
    """Work that will be written even if its caller stops waiting; it is done once it is committed.

    Args:
        work: uses the connection it is given, and nothing else.
        page: what it was gathered with, where that is what an event loop submits.
    """

    __slots__ = ("_callbacks", "_done", "_error", "_lock", "_page", "_result", "_waiters", "work")

    def __init__(self, work: Callable[[Connection], T], page: _Gathered | None = None) -> None:
        self.work = work
        self._page = page
        self._lock = threading.Lock()
        self._done = False
        self._result: T
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], object]] = []
        self._waiters: list[asyncio.Future[None]] = []

    def done(self) -> bool:
        """Whether it is committed, or has failed."""
        return self._done

    def result(self, timeout: float | None = None) -> T:
        """What the work gave, or the error that it raised.

        Raises:
            TimeoutError: it is not done after so many seconds.
        """
        if not self._done:
            ended = threading.Event()
            self.add_done_callback(ended.set)
            if self._page is not None:  # the caller blocks the loop that would write it
                self._page.write()
            if not ended.wait(timeout):
                raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._result

    def __await__(self) -> Generator[Any, None, T]:
        """The same, without blocking the loop."""
        if not self._done and self._page is not None:
            self._page.write_if_whole()
        if not self._done:
            waiter = asyncio.get_running_loop().create_future()
            with self._lock:
                waits = not self._done
                if waits:
                    self._waiters.append(waiter)
            if waits:
                yield from waiter
        return self.result()

    def add_done_callback(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once it is done, on whatever thread that is; now if it is."""
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback()

    def end(self, result: T) -> Iterable[asyncio.Future[None]]:
        """It is committed; who waits for it on a loop, to be woken by :func:`wake`."""
        self._result = result
        return self._end()

    def fail(self, error: BaseException) -> Iterable[asyncio.Future[None]]:
        """It could not be written; likewise."""
        self._error = error
        return self._end()

    def _end(self) -> Iterable[asyncio.Future[None]]:
        with self._lock:
            self._done = True
        for callback in self._callbacks:
            callback()
        return self._waiters


def wake(waiters: Iterable[asyncio.Future[None]]) -> None:
    """Wake who waits: each loop once, however many wait on it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
    for waiter in waiters:
        by_loop[waiter.get_loop()].append(waiter)
    here = asyncio._get_running_loop()  # noqa: SLF001 - get_running_loop, without an exception where there is none
    for loop, sleeping in by_loop.items():
        if loop is here:
            _rouse(sleeping)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(_rouse, sleeping)


def _rouse(sleeping: Iterable[asyncio.Future[None]]) -> None:
    for waiter in sleeping:
        if not waiter.done():  # the waiting caller has left
            waiter.set_result(None)


WriteBatch: TypeAlias = list[PendingWrite[Any]]

_MOST = 256
"""Pieces of work in one transaction."""


class WriteEntry(ABC, Generic[T]):
    """Work that is written together with other entries that wait: one statement for all of a kind."""

    @staticmethod
    @abstractmethod
    def page(connection: Connection, entries: Sequence[Any]) -> list[Any]:
        """Write several; their results in the same order. When it raises, each is written alone."""

    @staticmethod
    def statement(entries: Sequence[Any]) -> PageStatement | None:  # noqa: ARG004 - of those that have one
        """The same as one statement of Postgres; ``None`` where it cannot be one."""
        return None

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
        page: writes and commits a page of one statement, and gives the results of its entries; ``None`` if it wrote
            nothing. None where no page is one statement.
    """

    def __init__(
        self,
        transact: Commit,
        at_once: Commit | None,
        page: Callable[[PageStatement], list[Any] | None] | None = None,
    ) -> None:
        self._transact = transact
        self._at_once = at_once
        self._page = page
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        """In a forked child: the thread, and what was submitted, are the parent's."""
        self._queue: queue.SimpleQueue[WriteBatch | Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._given = self._done = 0
        """Items that the thread was given, and those of them that it is done with."""
        self._here = threading.local()
        self._gathering: WeakSet[_Gathered] = WeakSet()

    def submit(self, work: Callable[[Connection], T]) -> PendingWrite[T]:
        """Have ``work`` written. It must do nothing but use its connection: it may be run more than once."""
        loop = asyncio._get_running_loop()  # noqa: SLF001 - get_running_loop, without an exception where there is none
        if loop is None:
            written = PendingWrite(work)
            self._hand_over([written])
            return written
        gathered = self._gathered(loop)
        written = PendingWrite(work, gathered)
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

    def _take(self, batch: WriteBatch) -> None:
        """Write a batch at once, if that can be and nothing waits that was submitted before it."""
        if self._at_once is None or self._given != self._done or not _wrote(self._at_once, batch):
            self._hand_over(batch)

    def _hand_over(self, item: WriteBatch | Callable[[], object]) -> None:
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

    def _commit(self, batch: WriteBatch) -> bool:
        """Whether the batch was dealt with: committed, or failed since the ledger is busy, and all know it."""
        try:
            results = self._as_page(batch)
            if results is None:
                results = self._transact(lambda connection: _results(connection, batch))
        except LedgerBusy as error:
            wake(chain.from_iterable(written.fail(error) for written in batch))
        except BaseException:  # noqa: BLE001 - each is run again, and its caller gets the error
            return False
        else:
            _set_results(batch, results)
        return True

    def _as_page(self, batch: WriteBatch) -> list[Any] | None:
        """The results of a batch that one statement has written; ``None`` if it is not written."""
        first = batch[0].work
        if self._page is None or not isinstance(first, WriteEntry):
            return None
        make, works = type(first).statement, [written.work for written in batch]
        if any(not isinstance(work, WriteEntry) or type(work).statement is not make for work in works):
            return None
        page = make(works)
        return None if page is None else self._page(page)

    def _commit_alone(self, written: PendingWrite[Any]) -> None:
        try:
            result = self._transact(written.work)
        except BaseException as error:  # noqa: BLE001 - passed to the waiting caller
            wake(written.fail(error))
        else:
            wake(written.end(result))


def _wrote(at_once: Commit, batch: WriteBatch) -> bool:
    """Whether a batch is written. If not, nothing of it is, and the thread waits, or finds which work failed."""
    try:
        results = at_once(lambda connection: _results(connection, batch))
    except Exception:  # noqa: BLE001 - the work's own errors too: it is run again, and then they are raised
        return False
    _set_results(batch, results)
    return True


class _Gathered:
    """What one event loop submits within one of its steps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[WriteBatch], None]) -> None:
        self.loop = loop
        self.batch: WriteBatch = []
        self._take = take

    def write(self) -> None:
        """Hand on what there is."""
        batch, self.batch = self.batch, []
        if batch:
            self._take(batch)

    def write_if_whole(self) -> None:
        """Hand it on now if nobody can add to it in this step of the loop, which saves two more of them. All that is
        ready to run then is our :meth:`write`.
        """
        ready: Sequence[object] | None = getattr(self.loop, "_ready", None)  # of asyncio's own loops
        if self.batch and ready is not None and len(ready) == 1 and asyncio._get_running_loop() is self.loop:  # noqa: SLF001
            self.write()


def _results(connection: Connection, batch: WriteBatch) -> list[Any]:
    """Of each piece of work; entries are written a page at a time."""
    results: list[Any] = [None] * len(batch)
    pages = defaultdict(list)
    for at, written in enumerate(batch):
        if isinstance(written.work, WriteEntry):
            pages[type(written.work).page].append(at)
        else:
            results[at] = written.work(connection)
    for page, places in pages.items():
        for at, result in zip(places, page(connection, [batch[at].work for at in places]), strict=True):
            results[at] = result
    return results


def _set_results(batch: WriteBatch, results: Sequence[Any]) -> None:
    wake(chain.from_iterable(written.end(result) for written, result in zip(batch, results, strict=True)))


_LAST_WAIT = 5.0
_CHECKPOINT_AFTER = 1_000
"""Transactions; about the megabytes of log after which SQLite itself would."""


_SETTINGS = ("synchronous=NORMAL", "busy_timeout=0", "wal_autocheckpoint=0", "temp_store=MEMORY")
"""``temp_store``: what triggers may have to undo is not written to a temporary file."""


class WouldWait(Exception):
    """Somebody else is writing."""


class InlineWriter:
    """One connection, kept, on which transactions are committed that wait for nobody.

    A commit neither waits for another process (``busy_timeout`` 0) nor for the disk: the log is copied into the
    database, and synchronised, by what ``overdue`` starts. It survives the death of the process, as every
    commit does; the next one that is ``durable`` makes it survive a power cut too.

    Args:
        engine: of the database.
        gate: in front of its write transactions.
        overdue: called when a checkpoint is due.
    """

    def __init__(self, engine: Engine, gate: InterprocessLock, overdue: Callable[[], object]) -> None:
        self._engine = engine
        self._gate = gate
        self._overdue = overdue
        self._connection: Connection | None = None
        self._since = 0

    def commit(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` gives, once it is committed.

        Raises:
            WouldWait: nothing was done; also whatever the work raises, rolled back.
        """
        if not self._gate.enter():
            raise WouldWait
        try:
            connection = self._connection or self._open()
            driver: Any = connection.connection.dbapi_connection
            try:
                driver.execute("BEGIN IMMEDIATE")
                result = work(connection)
                if connection.in_transaction():  # it used SQLAlchemy, which keeps account
                    connection.commit()
                else:
                    driver.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise
        finally:
            self._gate.leave()
        self._since += 1
        if self._since >= _CHECKPOINT_AFTER:
            self._since = 0
            self._overdue()
        return result

    def close(self) -> None:
        """Close the connection, once its user is done."""
        held = self._gate.enter(_LAST_WAIT)
        self._drop()
        if held:
            self._gate.leave()

    def _open(self) -> Connection:
        connection = self._connection = self._engine.connect()
        for setting in _SETTINGS:  # whatever it had before
            connection.exec_driver_sql(f"PRAGMA {setting}")
        connection.rollback()  # SQLAlchemy's account of a transaction that these began
        return connection

    def _roll_back(self, connection: Connection) -> None:
        """Undo what was begun; a connection that cannot do that is forgotten."""
        try:
            connection.rollback()
            connection.connection.rollback()
        except self._engine.dialect.loaded_dbapi.Error:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
