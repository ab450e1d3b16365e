"""Prefect's server: the one at PREFECT_API_URL, or one of this process; and why it does not start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from pricing import ConfigError, FareboxError

_LOG = "farebox-server.log"
_LINES = 3
_ANSWER_SECONDS = 5.0


def ensure_server() -> None:
    """Make sure that Prefect has a server before a run starts; Prefect's own errors name no cause.

    Raises:
        ConfigError: Prefect's folder cannot be written, or the port of a server is taken.
        FareboxError: no server answers at PREFECT_API_URL, or the one of this process ended while it started.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE

    if url := PREFECT_API_URL.value():
        check_answers(url)
        return
    if not PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value():
        raise ConfigError(
            "There is no Prefect server: PREFECT_API_URL is not set, and PREFECT_SERVER_ALLOW_EPHEMERAL_MODE is off.",
            next_step="Start one with `farebox up`, or set PREFECT_API_URL.",
        )
    _start_temporary(check_home())


def check_home() -> Path:
    """Prefect's folder, after a check that it can be written.

    Raises:
        ConfigError: it cannot be written.
    """
    from prefect.settings import PREFECT_HOME

    home = Path(PREFECT_HOME.value())
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".farebox-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"Prefect's folder {home} cannot be written ({error.strerror}).",
            next_step="Set PREFECT_HOME to a folder that can be written, or fix that folder's permissions.",
        ) from None
    return home


def check_answers(url: str) -> None:
    """Check that a Prefect server listens at the address.

    Raises:
        ConfigError: the address is not valid.
        FareboxError: nothing listens there, or something else does.
    """
    place = urlsplit(url)
    try:
        port = place.port or (443 if place.scheme == "https" else 80)
        if not place.hostname:
            raise ValueError("it has no host")
    except ValueError as error:
        raise ConfigError(
            f"PREFECT_API_URL is not a valid address: {error}.",
            next_step="Set it to one like http://127.0.0.1:4200/api, or unset it.",
        ) from None
    try:
        socket.create_connection((place.hostname, port), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        raise FareboxError(
            f"No Prefect server answers at {place.hostname}:{port}, where PREFECT_API_URL says it is "
            f"({error.strerror or error}).",
            next_step="Start it with `farebox up`, or unset PREFECT_API_URL to run without one.",
        ) from None
    if why := _no_prefect(url):
        raise FareboxError(
            f"PREFECT_API_URL says that a Prefect server is at {place.hostname}:{port}, but another "
            f"program answers there ({why}).",
            next_step="Set PREFECT_API_URL to the server's address with its /api, or unset it to run without one.",
        )


def _no_prefect(url: str) -> str:
    """The reason why a reply is not that of a Prefect server; empty if it may be one."""
    import httpx

    try:
        status = httpx.get(f"{url.rstrip('/')}/health", timeout=_ANSWER_SECONDS).status_code
    except httpx.ProtocolError:
        return "it does not speak HTTP"
    except (httpx.ReadError, httpx.WriteError):
        return "it closed the connection"
    except httpx.HTTPError:  # slow, or reached another way: Prefect's client tries for longer
        return ""
    return f"status {status}" if status == httpx.codes.NOT_FOUND else ""


def check_port(host: str, port: int) -> None:
    """Check that a server can listen on the port.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"Port {port} of {host} cannot be used ({error.strerror}).",
                next_step="Stop the process that uses it, or give another with --port.",
            ) from None


def spawn_server(host: str, port: int, log: Path, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a Prefect server as a separate process that logs to a file."""
    import prefect
    from prefect.settings import get_current_settings

    command = [
        *(sys.executable, "-m", "uvicorn", "--app-dir", str(prefect.__module_path__.parent)),
        *("--factory", "prefect.server.api.server:create_app", "--host", host, "--port", str(port)),
        *("--log-level", "error", "--lifespan", "on"),
    ]
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    with log.open("wb") as file:
        return subprocess.Popen(
            command, env={**os.environ, **settings, **more}, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )


def wait_for_server(process: subprocess.Popen[bytes], api_url: str, log: Path, seconds: float) -> None:
    """Wait until a server answers.

    Raises:
        FareboxError: it ended, with the last lines of its log; or it does not answer in time.
    """
    import httpx

    deadline = time.monotonic() + seconds
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            if (code := process.poll()) is not None:
                raise FareboxError(
                    f"Prefect's server ended while it started (exit code {code}): {last_lines(log)}.",
                    next_step=f"Its log is {log}.",
                )
            try:
                if client.get(f"{api_url}/health").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    process.terminate()
    raise FareboxError(
        f"Prefect's server did not answer within {seconds:.0f} seconds; its last output: {last_lines(log)}.",
        next_step=f"Its log is {log}. PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS gives it longer.",
    )


def last_lines(log: Path) -> str:
    """The last lines of a server's log, joined to one."""
    try:
        said = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        said = []
    return " / ".join(said[-_LINES:]).rstrip(".") or "no output"


def _start_temporary(home: Path) -> None:
    """Start the temporary server that Prefect would start for this process. Prefect then uses it and ends it."""
    import atexit

    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS

    server = SubprocessASGIServer()
    if server.running:
        return
    server.port = server.port or server.find_available_port()
    log = home / _LOG
    ours = {
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",  # why it ends
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    process = spawn_server("127.0.0.1", server.port, log, ours)
    server.server_process = process
    atexit.register(server.stop)
    try:
        wait_for_server(process, server.api_url, log, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value())
    except FareboxError:
        server.stop()
        raise
    server.running = True
