"""Outages at their real length: what becomes of a run. ``python -m benchmarks outages``.

The ledger is locked by another process for 25 s and for 45 s (a run waits 30 s for it), Postgres is killed and started
again three times within a run, and so is a Prefect server that a flow reports to. Then the books must agree: the ledger
with the sandbox's billing journal, with itself, and with its replica.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks import harness
from pricing.db.database import BUSY_SECONDS
from pricing.errors import FareboxError
from tasks.sandbox import Latency, Sandbox
from tests.support.aftermath import examine
from tests.support.postgres import MISSING, postgres_server
from tests.support.project import Project, make_project
from tests.support.runs import digest_run, flow_run

LEASE = 3.0
HEADS = ("outage", "seconds", "the run", "attempts", "of them lost", "books agree")


def row(
    name: str, project: Project, journal: Path, outage: Callable[[], None], run: Callable[[], object]
) -> tuple[str, ...]:
    """Start a run, cause an outage, and return a row of the table."""
    began, came = time.perf_counter(), "completed"
    thread = threading.Thread(target=outage)
    thread.start()
    try:
        run()
    except FareboxError as error:
        came = type(error).__name__
    thread.join()
    seconds = time.perf_counter() - began
    time.sleep(LEASE + 0.5)
    with project.runtime_here() as runtime:
        found = examine(runtime, journal)
    return (name, f"{seconds:.0f}", came, str(found.attempts), str(found.lost_attempts), "yes")


def until_sent(journal: Path) -> None:
    """Wait until the sandbox has begun to answer."""
    while not journal.exists() or not journal.stat().st_size:
        time.sleep(0.01)


def lock(project: Project, journal: Path, seconds: float) -> None:
    until_sent(journal)
    other = sqlite3.connect(project.home / "ledger.db", isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    other.execute("ROLLBACK")
    other.close()


def locked(folder: Path, seconds: float) -> tuple[str, ...]:
    folder.mkdir()
    with Sandbox(folder / "journal.jsonl", latency=Latency(0.3, 0)) as sandbox:
        project = make_project(folder / "project", sandbox.url, lease_seconds=LEASE, deadline_seconds=90, documents=2)
        with project.runtime_here() as runtime:
            return row(
                f"ledger locked for {seconds:g} s",
                project,
                sandbox.journal,
                lambda: lock(project, sandbox.journal, seconds),
                lambda: digest_run(runtime, str(project.documents), 2),
            )


def postgres_killed(folder: Path) -> tuple[str, ...]:
    folder.mkdir()
    with postgres_server() as server, Sandbox(folder / "journal.jsonl", latency=Latency(0.5, 0)) as sandbox:
        project = make_project(
            folder / "project",
            sandbox.url,
            lease_seconds=LEASE * 4,
            deadline_seconds=90,
            documents=6,
            ledger_url=server.database(),
        )

        def outage() -> None:
            until_sent(sandbox.journal)
            for _ in range(3):
                server.stop()
                time.sleep(1)
                server.start()
                time.sleep(0.3)

        with project.runtime_here() as runtime:
            return row(
                "Postgres killed 3 times",
                project,
                sandbox.journal,
                outage,
                lambda: digest_run(runtime, str(project.documents), 6),
            )


class PrefectServer:
    """A Prefect server as a process of its own, on a port of its own."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._environment = {
            **os.environ,
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_SERVER_UI_ENABLED": "false",
        }
        self.url = f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        self._process = subprocess.Popen(command, env=self._environment, **quiet)  # type: ignore[call-overload]
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/health", timeout=2).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        raise RuntimeError("Prefect's server did not start")

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def prefect_killed(folder: Path) -> tuple[str, ...]:
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    folder.mkdir()
    server = PrefectServer(folder / "prefect")
    server.start()
    try:
        with Sandbox(folder / "journal.jsonl", latency=Latency(1.0, 0)) as sandbox:
            project = make_project(folder / "project", sandbox.url, lease_seconds=LEASE, documents=2)

            def outage() -> None:
                until_sent(sandbox.journal)
                server.kill()
                time.sleep(1)
                server.start()

            places = {PREFECT_API_URL: server.url, PREFECT_HOME: folder / "prefect"}
            with temporary_settings(places), project.runtime_here():
                return row(
                    "Prefect's server killed",
                    project,
                    sandbox.journal,
                    outage,
                    lambda: flow_run(str(project.documents), 2),
                )
    finally:
        server.kill()


def main() -> None:
    harness.quiet_environment()
    with harness.workplace() as folder:
        rows = [locked(folder / "short", 25), locked(folder / "long", 45)]
        if MISSING is None:
            rows.append(postgres_killed(folder / "postgres"))
        rows.append(prefect_killed(folder / "prefect-killed"))
    harness.table("Outages within a run", HEADS, rows, [f"a transaction waits {BUSY_SECONDS:g} s for the ledger"])


if __name__ == "__main__":
    main()
