"""The wire: the only room that knows the HTTP clients.

Requests to models go over aiohttp's connections and nothing else: httpx's own pool collapses at 50 requests in flight
(≈ 190/s), and its requests and replies around aiohttp's connections take as long as the exchange itself. What is
fetched now and then (feeds) is httpx's.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pricing.errors import ConfigError, SourceError
from tasks.wire import HttpRequest, WireFailed

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

CONNECT_SECONDS = 5.0
POOL_SECONDS = 10.0
"""To get a connection: one that is free, or a new one."""
_MOST_CONNECTIONS = 200
_PROXIED = frozenset({"http", "https", "all"})
_LARGEST_FEED = 5_000_000
_FEED_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: headers are case-insensitive, the body is whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """The connections of one process. Every method must run on the process's one event loop.

    Proxies are those of the environment: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, but for the hosts of
    ``NO_PROXY`` and this machine itself.

    Raises:
        ConfigError: one of them is of a kind that cannot be used.
    """

    def __init__(self) -> None:
        self._proxies = _proxies()
        self._session: ClientSession | None = None
        self._way = lru_cache(maxsize=256)(self._find_way)

    async def send(self, request: HttpRequest, *, read_timeout: float) -> HttpReply:
        """Post the request and read its whole reply.

        Raises:
            WireFailed: no reply, or not a whole one; ``tasks.providers.classify_exception`` tells why.
        """
        try:
            reply = await self._post(request, read_timeout)
            try:
                return HttpReply(reply.status, reply.headers, await reply.read())
            finally:
                reply.release()
        except _faults() as error:
            raise WireFailed from error

    @asynccontextmanager
    async def stream(
        self, request: HttpRequest, *, read_timeout: float
    ) -> AsyncIterator[tuple[int, Mapping[str, str], AsyncIterator[bytes]]]:
        """Post the request; status, headers, and the body as it arrives.

        Raises:
            WireFailed: no reply; also from the body, when it breaks off.
        """
        try:
            reply = await self._post(request, read_timeout)
        except _faults() as error:
            raise WireFailed from error
        try:
            yield reply.status, reply.headers, _pieces(reply)
        finally:
            reply.close()

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, request: HttpRequest, read_timeout: float) -> ClientResponse:
        import aiohttp

        session = self._session or self._open()
        url, proxy = self._way(request.url)
        timeout = aiohttp.ClientTimeout(
            total=None, connect=POOL_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=read_timeout
        )
        return await session.post(
            url, data=request.body, headers=request.headers, timeout=timeout, proxy=proxy, allow_redirects=False
        )

    def _find_way(self, url: str) -> tuple[URL, str | None]:
        """The address, its path as it was signed (``%3A`` stays, which AWS' signature is over), and its proxy."""
        from yarl import URL

        address = URL(url, encoded=True)
        host = address.host or ""
        proxy = self._proxies.get(address.scheme) or self._proxies.get("all")
        if proxy is None or _is_this_machine(host):
            return address, None
        from urllib.request import proxy_bypass

        return address, None if proxy_bypass(host) else proxy

    def _open(self) -> ClientSession:
        import aiohttp

        connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, limit_per_host=0, keepalive_timeout=30.0)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"Accept-Encoding": "gzip, deflate"}
        )
        return self._session


async def _pieces(reply: ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in reply.content.iter_any():
            yield piece
    except _faults() as error:
        raise WireFailed from error


def _faults() -> tuple[type[Exception], ...]:
    """What the client raises; Python asks for it only when something was raised."""
    from aiohttp import ClientError

    return ClientError, TimeoutError, OSError


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


def fetch(url: str) -> bytes:
    """The body of a page, at most 5 MB of it, following redirects.

    Raises:
        SourceError: it cannot be had.
    """
    import httpx

    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_FEED_SECONDS) as reply:
            reply.raise_for_status()
            body = b""
            for chunk in reply.iter_bytes():
                body += chunk
                if len(body) > _LARGEST_FEED:
                    raise SourceError(f"{url} is larger than 5 MB.", next_step="Point --source at a smaller feed.")
            return body
    except httpx.HTTPStatusError as error:
        why = f"it answered {error.response.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = type(error).__name__
    raise SourceError(f"{url} cannot be fetched ({why}).", next_step="Check the address and the network.")
