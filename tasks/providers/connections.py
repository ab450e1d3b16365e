"""Connections of the HTTP client: sessions, certificates, and the moment at which a request goes out.

Everything that takes long to import is imported here, so that loading this module is all that a cold process lacks.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from tasks.providers.bodies import BodyRefused
from tasks.providers.certificates import new_context

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

FAULTS: Final = (httpx.RequestError, httpx.InvalidURL, aiohttp.ClientError, TimeoutError, OSError, BodyRefused)
"""What the client raises."""
CONNECTED: ContextVar[Callable[[], None] | None] = ContextVar("connected", default=None)
"""Called when the request of the current task has a connection, right before its bytes go out."""
_ONLY_CONNECT: ContextVar[bool] = ContextVar("only_connect", default=False)
_WRITTEN: ContextVar[str] = ContextVar("written", default="")
"""The path of the current task's request, encoded as its adapter encoded it."""
_KEEPALIVE_SECONDS: Final = 30.0


class _Connected(Exception):
    """A connection was opened, and nothing is to be sent."""


class _Connector(aiohttp.TCPConnector):
    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """A pooled or new connection; notifies the sender that it is open."""
        try:
            connection = await super().connect(req, traces, timeout)
        except UnicodeError as error:  # of a host whose name no resolver takes
            raise httpx.InvalidURL("not a valid host name") from error
        if _ONLY_CONNECT.get():
            connection.release()
            raise _Connected
        if (connected := CONNECTED.get()) is not None:
            connected()
        return connection


class _Transport(AiohttpTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with its path as it is written."""
        written = _WRITTEN.set(request.url.raw_path.partition(b"?")[0].decode("ascii"))
        try:
            return await super().handle_async_request(request)
        finally:
            _WRITTEN.reset(written)


@cache
def ssl_context(ca_file: str) -> ssl.SSLContext:
    """The certificates that servers are checked against, loaded once.

    Raises:
        ConfigError: the file cannot be read, or holds no certificate.
    """
    context = new_context(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def open_session(ca_file: str, connections: int) -> aiohttp.ClientSession:
    """A session with a pool of its own."""
    connector = _Connector(
        limit=connections, limit_per_host=0, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=ssl_context(ca_file)
    )
    return aiohttp.ClientSession(connector=connector, middlewares=(_as_written,), cookie_jar=aiohttp.DummyCookieJar())


def transport(session: Callable[[], aiohttp.ClientSession], proxy: str | None, ca_file: str) -> AiohttpTransport:
    """The transport to a server, through a proxy if there is one."""
    return _Transport(client=session, proxy=httpx.Proxy(proxy) if proxy else None, verify=ssl_context(ca_file))


async def connect(way: AiohttpTransport, url: str, seconds: float) -> None:
    """Open a connection and leave it in the pool."""
    timeout = {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}
    token = _ONLY_CONNECT.set(True)
    try:
        await way.handle_async_request(httpx.Request("POST", url, extensions={"timeout": timeout}))
    except _Connected:
        return
    finally:
        _ONLY_CONNECT.reset(token)


async def _as_written(request: Any, handler: Any) -> Any:
    """Send the path as the adapter wrote it: the URL library decodes the ``%3A`` that AWS wants to find as signed."""
    path = _WRITTEN.get()
    if path and request.url.raw_path != path:
        request.url = request.url.with_path(path, encoded=True, keep_query=True)
    return await handler(request)
