"""Serving the pages: where the server may listen, and Uvicorn underneath."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn

from farebox.prefect.server import check_port
from farebox.runtime import Runtime
from farebox.web.app import web_app
from farebox.web.security import is_loopback
from pricing import ConfigError

_SHORTEST = 16
_START_SECONDS = 60.0
_END_SECONDS = 5


def checked_token(runtime: Runtime, host: str) -> str:
    """The token that requests to this address must carry; ``None`` on loopback, unless ``[web] token_env`` names one.

    Raises:
        ConfigError: the address is reached from other machines and there is no token, or it is too short.
    """
    name = runtime.settings.web.token_env
    token = os.environ.get(name, "").strip() if name else ""
    if name and len(token) < _SHORTEST:
        missing = "is not set" if not token else f"is shorter than {_SHORTEST} characters"
        raise ConfigError(
            f"web.token_env names {name}, which {missing}.",
            next_step=f"Set {name} to a random text, such as the output of `openssl rand -hex 24`.",
        )
    if not token and not is_loopback(host):
        raise ConfigError(
            f"The report server does not listen on {host} without a token: other machines reach that address.",
            next_step='Set token_env = "FAREBOX_WEB_TOKEN" below [web] in farebox.toml, and that variable; or use '
            "127.0.0.1.",
        )
    return token


def serve(runtime: Runtime, host: str, port: int, print_line: Callable[[str], object]) -> None:
    """Serve the pages until Ctrl-C or SIGTERM.

    Args:
        runtime: the project's.
        host: the address to listen on.
        port: the port.
        print_line: takes the line that says where the pages are.

    Raises:
        ConfigError: the port is taken, or the address needs a token.
    """
    server = _server(runtime, host, port)
    print_line(f"Reports at {address(runtime, host, port)} — Ctrl-C ends the server.")
    with suppress(KeyboardInterrupt):  # Uvicorn raises it again once it has ended
        server.run()


@contextmanager
def page_server(runtime: Runtime, host: str, port: int) -> Iterator[str]:
    """Serve the pages on a thread of its own until the block ends: their address.

    Raises:
        ConfigError: the port is taken, or the address needs a token.
    """
    server = _server(runtime, host, port)
    thread = threading.Thread(target=server.run, name="farebox-web", daemon=True)
    thread.start()
    server.listens.wait(_START_SECONDS)
    try:
        yield address(runtime, host, port)
    finally:
        server.should_exit = True
        thread.join()


def address(runtime: Runtime, host: str, port: int) -> str:
    """The public address of the pages: ``[web] url``, or the address that the server listens on."""
    if runtime.settings.web.url:
        return runtime.settings.web.url
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - it is what they gave
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}{runtime.settings.web.path_prefix}"


class _Server(uvicorn.Server):
    """A Uvicorn server that signals when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then signal it."""
        await super().startup(sockets)
        self.listens.set()


def _server(runtime: Runtime, host: str, port: int) -> _Server:
    token = checked_token(runtime, host)
    check_port(host, port)
    config = uvicorn.Config(
        web_app(runtime, token=token),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # addresses name customers
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_END_SECONDS,
    )
    return _Server(config)
