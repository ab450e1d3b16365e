"""The sandbox provider: an HTTP server that stands in for real providers when no key is configured."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Self

from pricing import ConfigError
from tasks.sandbox.faults import Fault
from tasks.sandbox.journal import SandboxJournal
from tasks.sandbox.latency import Latency
from tasks.sandbox.script import Script

HOST: Final = "127.0.0.1"


class Sandbox:
    """A stand-in provider on a port, with its own event loop in a daemon thread.

    ``with Sandbox(journal) as sandbox: sandbox.url`` starts and stops it.

    Args:
        journal: the file that gets one line for every request; made if missing, appended to if not.
        faults: rules in force from the start; ``POST /_sandbox/faults`` replaces them.
        latency: how long answers take; ``Latency(0, 0)`` for as fast as possible.
        port: 0 takes any that is free.
        windows: context window in tokens by model id; other models take any length.
        script: says what a request gets instead of the sandbox's own answer, where it does.
        host: where to listen; elsewhere than on loopback, anybody who reaches it may ask it.
    """

    def __init__(
        self,
        journal: Path,
        faults: Sequence[Fault] = (),
        latency: Latency = Latency(),  # noqa: B008 — frozen
        port: int = 0,
        windows: Mapping[str, int] | None = None,
        *,
        host: str = HOST,
        script: Script | None = None,
    ) -> None:
        self.journal = journal
        self.url = ""
        self._faults = tuple(faults)
        self._latency = latency
        self._port = port
        self._host = host
        self._windows = dict(windows or {})
        self._script = script
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None

    def start(self) -> str:
        """Listen, and return the base URL; where it is running already, only that.

        Raises:
            ConfigError: the port is taken, or the journal cannot be written.
        """
        if self._thread is None:
            started: Future[str] = Future()
            self._thread = threading.Thread(target=self._run, args=(started,), name="farebox-sandbox", daemon=True)
            self._thread.start()
            try:
                self.url = started.result()
            except OSError as error:
                self.stop()
                raise ConfigError(
                    f"The sandbox provider could not start: {error}.",
                    next_step="Free the port or choose another, and check that its journal can be written.",
                    port=self._port,
                ) from error
        return self.url

    def stop(self) -> None:
        """Stop listening and end what is in flight; does nothing when it is not running."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._ending is not None and thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        thread.join()
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, started: Future[str]) -> None:
        try:
            asyncio.run(self._listen(started))
        except Exception as error:  # start() raises it where the caller can see it
            if started.done():
                raise
            started.set_exception(error)

    async def _listen(self, started: Future[str]) -> None:
        from aiohttp import web

        from tasks.sandbox.handler import Handler, large_request

        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        with SandboxJournal(self.journal) as journal:
            handler = Handler(
                journal, faults=self._faults, latency=self._latency, windows=self._windows, script=self._script
            )
            server = web.Server(handler, request_factory=large_request, handler_cancellation=True, access_log=None)
            runner = web.ServerRunner(server, shutdown_timeout=0.1)
            await runner.setup()
            try:
                site = web.TCPSite(runner, self._host, self._port, backlog=1024)
                await site.start()
                started.set_result(f"http://{self._host}:{runner.addresses[0][1]}")
                await self._ending.wait()
            finally:
                await runner.cleanup()
