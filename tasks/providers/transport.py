"""The wire: the only room that knows the HTTP client.

httpx's requests and replies over aiohttp's connections: httpx's own pool collapses at 50 requests in flight (≈ 190/s).
There is no httpx client in between: we need none of its cookies, redirects and authentication, and it was measured to
take as long as all the rest of a call.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from pricing import ConfigError
from pricing.db import abandon, after_fork
from tasks.providers.bodies import LARGEST_ANSWER, BodyRefused, beginning, decoded, whole_body
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
        self._by_proxy = lru_cache(maxsize=None)(self._open)
        after_fork(self._forked)

    async def send(self, request: HttpRequest, *, read_timeout: float, most: int = LARGEST_ANSWER) -> HttpReply:
        """Send the request and read its whole reply, decoded; of an error's body the first 256 KB.

        Args:
            request: what is sent.
            read_timeout: seconds without a byte.
            most: bytes that the reply may have.

        Raises:
            WireFailed: no reply, not a whole one, or one that is too large or in more than one content coding;
                ``tasks.providers.classify_exception`` tells why.
        """
        try:
            reply = await self._post(request, read_timeout)
            try:
                if reply.status_code == _OK:
                    body = await whole_body(reply.headers, reply.aiter_raw(), most=most)
                else:
                    body = await beginning(reply.headers, reply.aiter_raw(), most=_LARGEST_ERROR)
                return HttpReply(reply.status_code, reply.headers, body)
            finally:
                await reply.aclose()
        except _faults() as error:
            raise WireFailed from error

    @asynccontextmanager
    async def stream(
        self, request: HttpRequest, *, read_timeout: float, most: int = LARGEST_ANSWER
    ) -> AsyncIterator[tuple[int, Mapping[str, str], AsyncIterator[bytes]]]:
        """Post the request; status, headers, and the body as it arrives, decoded; of an error's the first 256 KB.

        Raises:
            WireFailed: no reply; also from the body, when it breaks off or is refused as in ``send``.
        """
        try:
            reply = await self._post(request, read_timeout)
        except _faults() as error:
            raise WireFailed from error
        try:
            yield reply.status_code, reply.headers, _pieces(reply, most)
        finally:
            await reply.aclose()

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            self._way.cache_clear()
            self._by_proxy.cache_clear()

    def _forked(self) -> None:
        """The connections are the parent's: what is sent here would be heard as the parent's."""
        abandon((self._session, self._way, self._by_proxy))
        self._session = None
        self._way = lru_cache(maxsize=256)(self._find_way)
        self._by_proxy = lru_cache(maxsize=None)(self._open)

    async def _post(self, request: HttpRequest, read_timeout: float) -> httpx.Response:
        import httpx

        url, connections = self._way(request.url)
        timeout = {"connect": CONNECT_SECONDS, "read": read_timeout, "write": WRITE_SECONDS, "pool": POOL_SECONDS}
        headers = {"Accept-Encoding": "gzip, deflate", **request.headers}
        extensions = {"timeout": timeout}
        posted = httpx.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)
        return await connections.handle_async_request(posted)

    def _find_way(self, url: str) -> tuple[httpx.URL, AiohttpTransport]:
        """The address, parsed once, and the connections that lead there: past the proxy or through it."""
        import httpx

        address = httpx.URL(url)
        proxy = self._proxies.get(address.scheme) or self._proxies.get("all")
        if proxy is None or _is_this_machine(address.host):
            return address, self._by_proxy(None)
        from urllib.request import proxy_bypass

        return address, self._by_proxy(None if proxy_bypass(address.host) else proxy)

    def _open(self, proxy: str | None) -> AiohttpTransport:
        import httpx
        from httpx_aiohttp import AiohttpTransport

        return AiohttpTransport(client=self._connections, proxy=httpx.Proxy(proxy) if proxy else None)

    def _connections(self) -> ClientSession:
        """One pool for all."""
        if self._session is None:
            import aiohttp

            connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, limit_per_host=0, keepalive_timeout=30.0)
            self._session = aiohttp.ClientSession(
                connector=connector, middlewares=(_keep_colons_encoded,), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def _keep_colons_encoded(request: Any, handler: Any) -> Any:
    """Send ``%3A`` in a path as it was signed: the URL library decodes it, and AWS then finds the signature wrong."""
    path = request.url.raw_path
    if ":" in path:
        request.url = request.url.with_path(path.replace(":", "%3A"), encoded=True, keep_query=True)
    return await handler(request)


async def _pieces(reply: httpx.Response, most: int) -> AsyncIterator[bytes]:
    try:
        if reply.status_code != _OK:
            yield await beginning(reply.headers, reply.aiter_raw(), most=_LARGEST_ERROR)
            return
        async for piece in decoded(reply.headers, reply.aiter_raw(), most=most):
            yield piece
    except _faults() as error:
        raise WireFailed from error


def _faults() -> tuple[type[Exception], ...]:
    """What the client raises; Python asks for it only when something was raised."""
    import httpx
    from aiohttp import ClientError

    return httpx.RequestError, httpx.InvalidURL, ClientError, TimeoutError, OSError, BodyRefused


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
