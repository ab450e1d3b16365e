"""Prefect for tests: one server of its own for all of them, and a flow's end without waiting for a heartbeat."""

import atexit
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

_KEPT = Path(__file__).absolute().parents[2] / ".pytest_cache" / "prefect"
_MIGRATE = """
import asyncio
from prefect.server.database import provide_database_interface
asyncio.run(provide_database_interface().create_db())
"""


def migrated_database(path: Path) -> None:
    """Put a database with Prefect's newest schema there, unless there is one: a copy of what was migrated once."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _KEPT.mkdir(parents=True, exist_ok=True)
    kept = _KEPT / f"{version('prefect')}.db"
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of one run begin at once
        if not kept.exists():
            _migrate(kept)
    shutil.copyfile(kept, path)


def _migrate(kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
        made = Path(folder) / "prefect.db"
        places = {"PREFECT_HOME": folder, "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{made}"}
        subprocess.run([sys.executable, "-c", _MIGRATE], env={**os.environ, **places}, check=True)
        assert [*made.parent.glob("prefect.db-*")] == [], "the database is not in one file"
        made.rename(kept)


@contextmanager
def prefect_server(home: Path) -> Iterator[None]:
    """A temporary Prefect, all its files below ``home``."""
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOCAL_STORAGE_PATH,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    places = {PREFECT_HOME: home, PREFECT_LOCAL_STORAGE_PATH: home / "storage"}
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home))
    migrated_database(folder / "prefect-test.db")
    with (
        temporary_settings({**places, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        patch("prefect.testing.utilities.mkdtemp", lambda: str(folder)),
        prefect_test_harness(server_startup_timeout=int(PATIENCE)),
    ):
        yield


@cache
def server_of_commands(home: Path) -> str:
    """The API's address of a Prefect server for the commands of all tests: this process's, or one started for them."""
    from prefect.settings import PREFECT_API_URL

    known: str | None = PREFECT_API_URL.value()
    if known:
        return known
    process, address = _started_server(home)
    atexit.register(process.wait)
    atexit.register(process.terminate)
    return address


@contextmanager
def own_server(home: Path, **environment: str) -> Iterator[str]:
    """The API's address of a Prefect server of the test's own, which has written everything at the end."""
    process, address = _started_server(home, **environment)
    try:
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _started_server(home: Path, **environment: str) -> tuple["subprocess.Popen[bytes]", str]:
    from farebox.prefect.server import spawn_server, wait_for_server

    database = home / "prefect.db"
    migrated_database(database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",  # not that of this process's server
        "PREFECT_UI_ENABLED": "0",
        **environment,
    }
    process = spawn_server("127.0.0.1", port, home / "server.log", own)
    address = f"http://127.0.0.1:{port}/api"
    wait_for_server(process, address, home / "server.log", PATIENCE)
    return process, address


def deployed_run(client: "SyncPrefectClient", flow: Any, **parameters: Any) -> UUID:
    """A run of a deployment, as a worker takes it."""
    from prefect.states import Pending

    deployment = client.create_deployment(client.create_flow(flow), "ends")
    state: Any = Pending()
    return client.create_flow_run_from_deployment(deployment, parameters=parameters, state=state).id


def execute(client: "SyncPrefectClient", flow: Any, run_id: UUID) -> "State[Any]":
    """The run, as the process that a worker starts executes it."""
    from prefect.flow_engine import run_flow

    run = client.read_flow_run(run_id)
    state: State[Any] = run_flow(flow, flow_run=run, parameters=run.parameters, return_type="state")  # type: ignore[assignment]
    return state
