"""The transport: posts requests and reads their replies.

httpx's requests and replies over aiohttp's connections: httpx's own pool collapses at 50 requests in flight (≈ 190/s).
There is no httpx client in between: we need none of its cookies, redirects and authentication, and it was measured to
take as long as all the rest of a call. Both libraries are in ``connections.py``, which :meth:`Transport.load` imports.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

from pricing import ConfigError, record
from pricing.db import abandon, after_fork
from tasks.providers.bodies import LARGEST_ANSWER, decoded, first_bytes, whole_body
from tasks.providers.certificates import trusted_ca
from tasks.providers.messages import HttpRequest, WireFailed

if TYPE_CHECKING:
    import httpx
    from aiohttp import ClientSession
    from httpx_aiohttp import AiohttpTransport

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 30.0
POOL_SECONDS = 10.0
"""To get a connection: one that is free, or a new one."""
_MOST_CONNECTIONS = 200
_PROXIED = frozenset({"http", "https", "all"})
_OK = 200
_LARGEST_ERROR = 256 * 1024
"""Bytes of an error's body that are read: its code stands at its beginning, and its status tells the rest."""


@record(frozen=True, slots=True)
class HttpReply:
    """A complete reply; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """The connections of one process. Every method must run on the process's one event loop.

    Proxies are those of the environment: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, but for the hosts of
    ``NO_PROXY`` and this machine itself. Certificates are checked against a request's ``ca_file``, else against those
    of ``SSL_CERT_FILE`` or ``REQUESTS_CA_BUNDLE``, else against the system's.

    Raises:
        ConfigError: a proxy is of a kind that cannot be used, or the file of certificates cannot be read.
    """

    def __init__(self) -> None:
        self._proxies = _proxies()
        self._ca_file = trusted_ca(os.environ)
        self.loaded = False
        """Whether a request can be posted without loading anything first."""
        self._sessions: dict[str, ClientSession] = {}
        self._way = lru_cache(maxsize=256)(self._find_way)
        self._by_proxy = lru_cache(maxsize=None)(self._open)
        after_fork(self._forked)

    async def load(self) -> None:
        """Import the HTTP client and read the certificates, on another thread than the loop's.

        It takes up to a second in a new process, and must not count against the time of a turn.
        """
        if not self.loaded:
            await asyncio.to_thread(_load, self._ca_file)
            self.loaded = True

    async def connect(self, url: str, ca_file: str = "") -> None:
        """Open a connection for the next request, without sending anything.

        Raises:
            WireFailed: there is no connection.
        """
        from tasks.providers import connections

        await self.load()
        try:
            _, way = self._way(url, ca_file)
            await connections.connect(way, url, CONNECT_SECONDS)
        except connections.FAULTS as error:
            raise WireFailed from error

    async def send(
        self,
        request: HttpRequest,
        *,
        read_timeout: float,
        most: int = LARGEST_ANSWER,
        connected: Callable[[], None] | None = None,
    ) -> HttpReply:
        """Post the request and read its whole reply, decoded; of an error's body the first 256 KB.

        Args:
            request: what is sent.
            read_timeout: seconds without a byte.
            most: bytes that the reply may have.
            connected: called when there is a connection, right before the request goes out.

        Raises:
            WireFailed: no reply, not a whole one, or one that is too large or in more than one content coding;
                ``tasks.providers.classify_exception`` tells why.
        """
        try:
            reply = await self._post(request, read_timeout, connected)
            try:
                headers = _read_once(reply.headers)
                if reply.status_code == _OK:
                    body = await whole_body(headers, _wire(reply), most=most)
                else:
                    body = await first_bytes(headers, _wire(reply), most=_LARGEST_ERROR)
                return HttpReply(reply.status_code, headers, body)
            finally:
                await reply.aclose()
        except _faults() as error:
            raise WireFailed from error

    @asynccontextmanager
    async def stream(
        self,
        request: HttpRequest,
        *,
        read_timeout: float,
        most: int = LARGEST_ANSWER,
        connected: Callable[[], None] | None = None,
    ) -> AsyncIterator[tuple[int, Mapping[str, str], AsyncIterator[bytes]]]:
        """Post the request; status, headers, and the body as it arrives, decoded; of an error's the first 256 KB.

        Raises:
            WireFailed: no reply; also from the body, when it breaks off or is refused as in ``send``.
        """
        try:
            reply = await self._post(request, read_timeout, connected)
        except _faults() as error:
            raise WireFailed from error
        try:
            yield reply.status_code, reply.headers, _pieces(reply, most)
        finally:
            await reply.aclose()

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._way.cache_clear()
        self._by_proxy.cache_clear()

    def _forked(self) -> None:
        """Drop the connections in a forked child: they belong to the parent."""
        abandon((self._sessions, self._way, self._by_proxy))
        self._sessions = {}
        self._way = lru_cache(maxsize=256)(self._find_way)
        self._by_proxy = lru_cache(maxsize=None)(self._open)

    async def _post(
        self, request: HttpRequest, read_timeout: float, connected: Callable[[], None] | None
    ) -> httpx.Response:
        import httpx

        url, connections = self._way(request.url, request.ca_file)
        timeout = {"connect": CONNECT_SECONDS, "read": read_timeout, "write": WRITE_SECONDS, "pool": POOL_SECONDS}
        headers = {"Accept-Encoding": "gzip, deflate", **request.headers}
        extensions = {"timeout": timeout}
        # With a stream, it adds no headers: aiohttp adds them.
        body = httpx.ByteStream(request.body)
        posted = httpx.Request(request.method, url, headers=headers, stream=body, extensions=extensions)
        posted.read()
        if connected is None:
            return await connections.handle_async_request(posted)
        from tasks.providers.connections import CONNECTED

        token = CONNECTED.set(connected)
        try:
            return await connections.handle_async_request(posted)
        finally:
            CONNECTED.reset(token)

    def _find_way(self, url: str, ca_file: str) -> tuple[httpx.URL, AiohttpTransport]:
        """The address, parsed once, and the connections that lead there: past the proxy or through it."""
        import httpx

        address, ca_file = httpx.URL(url), ca_file or self._ca_file
        proxy = self._proxies.get(address.scheme) or self._proxies.get("all")
        if proxy is None or _is_this_machine(address.host):
            return address, self._by_proxy(None, ca_file)
        from urllib.request import proxy_bypass

        return address, self._by_proxy(None if proxy_bypass(address.host) else proxy, ca_file)

    def _open(self, proxy: str | None, ca_file: str) -> AiohttpTransport:
        from tasks.providers import connections

        def session() -> ClientSession:
            """One pool for all that trust the same certificates."""
            if ca_file not in self._sessions:
                self._sessions[ca_file] = connections.open_session(ca_file, _MOST_CONNECTIONS)
            return self._sessions[ca_file]

        return connections.transport(session, proxy, ca_file)


def _wire(reply: httpx.Response) -> AsyncIterable[bytes]:
    """The body's bytes as they come. What httpx wraps around them is for clients that follow redirects."""
    return cast("httpx.AsyncByteStream", reply.stream)


def _read_once(headers: httpx.Headers) -> dict[str, str]:
    """Headers by their names in lower case, those of one name as one: httpx decodes them at each look."""
    found: dict[str, str] = {}
    for name, value in headers.raw:
        key, text = name.decode("latin-1").lower(), _decoded(value)
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _pieces(reply: httpx.Response, most: int) -> AsyncIterator[bytes]:
    try:
        if reply.status_code != _OK:
            yield await first_bytes(reply.headers, reply.aiter_raw(), most=_LARGEST_ERROR)
            return
        async for piece in decoded(reply.headers, reply.aiter_raw(), most=most):
            yield piece
    except _faults() as error:
        raise WireFailed from error


def _faults() -> tuple[type[Exception], ...]:
    """What the client raises; Python asks for it only when something was raised."""
    from tasks.providers.connections import FAULTS

    return FAULTS


def _load(ca_file: str) -> None:
    from tasks.providers import connections

    connections.ssl_context(ca_file)


def _proxies() -> Mapping[str, str]:
    """By scheme, what the environment names; ``no`` are the hosts that are reached without."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies_environment

    found = getproxies_environment()
    proxies = {name: url if "://" in url or name == "no" else f"http://{url}" for name, url in found.items()}
    for name, url in proxies.items():
        kind = url.partition("://")[0]
        if name in _PROXIED and kind not in {"http", "https"}:
            raise ConfigError(
                f"The environment's {name.upper()}_PROXY is a {kind} proxy, which cannot be used.",
                next_step=f"Set {name.upper()}_PROXY to an http:// proxy, or unset it.",
            )
    return proxies


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
