"""What became of work that was submitted: to be awaited on an event loop, or asked for its result elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from typing import Any, Generic, TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")


class Written(Generic[T]):
    """Work that will be written, whoever stops waiting for it; it is done once it is committed.

    Args:
        work: uses the connection it is given, and nothing else.
        hurry: has it written now, for a caller that blocks the loop which it was gathered on.
    """

    __slots__ = ("_callbacks", "_done", "_error", "_hurry", "_lock", "_result", "_waiters", "work")

    def __init__(self, work: Callable[[Connection], T], hurry: Callable[[], None] | None = None) -> None:
        self.work = work
        self._hurry = hurry
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
            if self._hurry is not None:
                self._hurry()
            if not ended.wait(timeout):
                raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._result

    def __await__(self) -> Generator[Any, None, T]:
        """The same, without blocking the loop."""
        if not self._done:
            waiter = asyncio.get_running_loop().create_future()
            with self._lock:
                waits = not self._done
                if waits:
                    self._waiters.append(waiter)
            if waits:
                yield from waiter
        return self.result()

    def add_done_callback(self, tell: Callable[[], object]) -> None:
        """Call ``tell`` once it is done, on whatever thread that is; now if it is."""
        with self._lock:
            if not self._done:
                self._callbacks.append(tell)
                return
        tell()

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
        for tell in self._callbacks:
            tell()
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
        if not waiter.done():  # whoever waited has left
            waiter.set_result(None)
