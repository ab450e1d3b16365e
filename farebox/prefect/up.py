"""Everything that a project needs to run on its schedule, in one foreground process: ``farebox up``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from farebox.prefect.server import check_home, check_port, last_lines, spawn_server, wait_for_server
from farebox.project import VARIABLE
from farebox.runtime import Runtime
from pricing import FareboxError

WEB_URL = "FAREBOX_WEB__URL"
SANDBOX_URL = "FAREBOX_SANDBOX__URL"
_START_SECONDS = 180.0
_END_SECONDS = 20.0
_LOOK_SECONDS = 1.0


def run_all(runtime: Runtime, host: str, port: int, print_line: Callable[[str], object]) -> None:
    """Run server, deployments, worker and report pages until Ctrl-C or SIGTERM; then end them all.

    Args:
        runtime: of the project.
        host: the address that server and pages listen on.
        port: of the server; the pages have the next one.
        print_line: takes each line for the person in front of it.

    Raises:
        ConfigError: a port is taken, Prefect's folder cannot be written, or prefect.yaml is wrong.
        FareboxError: the server or the worker ended by itself; with the last lines of its log.
    """
    from farebox.prefect.deployments import declared, pools
    from farebox.web import checked_token, page_server

    found = declared(runtime.root)
    checked_token(runtime, host)
    for one in (port, port + 1):
        check_port(host, one)
    check_home()
    logs = runtime.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - it is what they gave
    address = f"http://{shown}:{port}"
    environment = {"PREFECT_API_URL": f"{address}/api", VARIABLE: str(runtime.root)}
    with _interruption() as interrupted, page_server(runtime, host, port + 1) as reports:
        server_log = logs / "server.log"
        environment[WEB_URL] = os.environ.get(WEB_URL) or reports  # runs link to their page there
        if sandbox := runtime.shared_sandbox():
            environment[SANDBOX_URL] = sandbox  # batches are to outlive the processes of runs
        print_line("Starting Prefect's server …")
        server = spawn_server(host, port, server_log, environment | {"PREFECT_UI_API_URL": f"{address}/api"})
        with _ended(server):
            wait_for_server(server, f"{address}/api", server_log, _START_SECONDS)
            deployed = _deploy(runtime, environment)
            processes = {"Prefect's server": (server, server_log)}
            with _workers(runtime.root, pools(found), logs, environment, processes):
                workers = len(processes) - 1
                print_line(f"{deployed} deployments, {workers} worker{'' if workers == 1 else 's'}")
                print_line(f"Open {address} for Prefect, {reports} for reports.")
                print_line(f"In another terminal: export PREFECT_API_URL={address}/api")
                print_line("Ctrl-C stops everything.")
                _watch(processes, interrupted)


def _deploy(runtime: Runtime, environment: dict[str, str]) -> int:
    """Deploy the declared deployments; returns their number."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from farebox.prefect.deploy import deploy

    os.environ.update(environment)
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}):
        return len(deploy(runtime, runtime.root))


def _watch(processes: dict[str, tuple[subprocess.Popen[bytes], Path]], interrupted: threading.Event) -> None:
    while not interrupted.wait(_LOOK_SECONDS):
        for name, (process, log) in processes.items():
            if (code := process.poll()) is not None:
                raise FareboxError(
                    f"{name} ended by itself (exit code {code}): {last_lines(log)}.", next_step=f"Its log is {log}."
                )


@contextmanager
def _workers(
    root: Path,
    names: list[str],
    logs: Path,
    environment: dict[str, str],
    processes: dict[str, tuple[subprocess.Popen[bytes], Path]],
) -> Iterator[None]:
    """Run a worker for each work pool during the block; the processes are added to ``processes``."""
    started = []
    try:
        for name in names:
            log = logs / f"worker-{name}.log"
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", name]
            with log.open("wb") as file:
                process = subprocess.Popen(
                    command,
                    cwd=root,
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,  # Ctrl-C is ours to pass on: first to the worker, then to the server
                )
            started.append(process)
            processes[f"The worker of {name}"] = (process, log)
        yield
    finally:
        for process in started:
            _end(process)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and its process group where it has its own."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    try:
        if os.getpgid(0) != process.pid:
            os.killpg(process.pid, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        pass  # it had no group of its own, or nothing is left in it


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C and by SIGTERM."""
    interrupted = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
