"""One event loop on one thread per process: sync and async callers share its connections."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from pricing.db import abandon, after_fork

T = TypeVar("T")


class LoopThread:
    """An event loop that starts when it is first needed and ends with the process or with ``stop``.

    A forked child inherits the loop without its thread; it starts a loop of its own when it first needs one. What the
    parent had under way goes on in the parent only.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()
        after_fork(self._forked)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``work`` on the loop; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end from synchronous code. An interrupt of the caller cancels it."""
        future = self.submit(work)
        try:
            return future.result()
        except CancelledError:
            raise KeyboardInterrupt from None
        except BaseException:
            future.cancel()
            raise

    async def await_(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end from a coroutine on any loop."""
        return await asyncio.wrap_future(self.submit(work))

    @property
    def is_here(self) -> bool:
        """Whether the caller runs on this loop, where it must not wait for it."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def stop(self) -> None:
        """Cancel everything on the loop, then end it."""
        with self._starting:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="farebox-loop", daemon=True).start()
            return self._loop

    def _forked(self) -> None:
        self._starting = threading.Lock()
        loop, self._loop = self._loop, None
        # Its selector is the parent's too: closing the loop here would take the parent's sockets out of it.
        abandon(loop)


async def in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` on a thread of its own, with the caller's context variables.

    Unlike ``asyncio.to_thread`` it takes none of the loop's few workers: work that never ends keeps nothing else
    waiting, neither the loop's other work nor the end of the process.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():  # the caller has left
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]
        elif isinstance(error, StopIteration):  # a future does not take it
            done.set_exception(RuntimeError("the work raised StopIteration"))
        else:
            done.set_exception(error)

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = context.run(work)
        except BaseException as raised:  # noqa: BLE001 - handed to the caller
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="farebox-tool", daemon=True).start()
    return await done


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
