"""Connections of the HTTP client: sessions, certificates, and the moment at which a request goes out.

Everything that takes long to import is imported here, so that loading this module is all that a cold process lacks.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Callable, Mapping
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx
from yarl import URL

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
_KEEPALIVE_SECONDS: Final = 30.0
_PIECE: Final = 16_384
"""Bytes that are read at a time."""


class _Connected(Exception):
    """A connection was opened, and nothing is to be sent."""


class _Connector(aiohttp.TCPConnector):
    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """A connection from the pool, or a new one; tells whoever sends that it is there."""
        connection = await super().connect(req, traces, timeout)
        if _ONLY_CONNECT.get():
            connection.release()
            raise _Connected
        if (connected := CONNECTED.get()) is not None:
            connected()
        return connection


@cache
def ssl_context(ca_file: str) -> ssl.SSLContext:
    """What servers are checked against, made once.

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
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class Way:
    """The way to some servers: a pool of connections, and the proxy that they go through, if one is named."""

    def __init__(self, session: Callable[[], aiohttp.ClientSession], proxy: str | None) -> None:
        self._session = session
        self._proxy: dict[str, Any] = {}
        if proxy:
            named = httpx.Proxy(proxy)
            auth = aiohttp.BasicAuth(*named.auth) if named.auth else None
            self._proxy = {"proxy": str(named.url), "proxy_auth": auth, "proxy_headers": named.headers}

    async def send(
        self,
        method: str,
        address: URL,
        headers: Mapping[str, str],
        body: bytes,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> aiohttp.ClientResponse:
        """Send a request; its reply, whose body is to be read, and to be released by :func:`release`."""
        return await self._session().request(
            method,
            address,
            headers=headers,
            data=body or None,
            allow_redirects=False,
            auto_decompress=False,
            compress=False,
            timeout=timeout,
            **self._proxy,
        )


def as_written(url: httpx.URL) -> URL:
    """The address with its path as the adapter wrote it: ``%3A`` stays, which AWS wants to find as signed."""
    return URL(str(url), encoded=True)


def timeouts(connect: float, read: float, pool: float) -> aiohttp.ClientTimeout:
    """Seconds for a new connection, between two bytes, and for any connection."""
    return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read, connect=pool)


def body_of(reply: aiohttp.ClientResponse) -> AsyncIterable[bytes]:
    """Its bytes as they come over the wire."""
    return reply.content.iter_chunked(_PIECE)


async def release(reply: aiohttp.ClientResponse) -> None:
    """Put the connection back into the pool, or close it if the reply was not read to its end."""
    await reply.__aexit__(None, None, None)


async def connect(way: Way, address: URL, seconds: float) -> None:
    """Open a connection and leave it in the pool."""
    told = _ONLY_CONNECT.set(True)
    try:
        await way.send("POST", address, {}, b"", timeouts(seconds, seconds, seconds))
    except _Connected:
        return
    finally:
        _ONLY_CONNECT.reset(told)
