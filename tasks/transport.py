"""The wire: the only room that knows the HTTP client.

httpx's requests and replies over aiohttp's connections: httpx's own pool collapses at 50 requests in flight (≈ 190/s).
There is no httpx client in between: we need none of its cookies, redirects and authentication, and it was measured to
take as long as all the rest of a call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pricing.errors import SourceError
from tasks.wire import HttpRequest

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 30.0
POOL_SECONDS = 5.0
_MOST_CONNECTIONS = 200
_LARGEST_FEED = 5_000_000


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: headers are case-insensitive, the body is whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """The connections of one process. Every method but ``fetch`` must run on the process's one event loop."""

    def __init__(self) -> None:
        self._connections: httpx.AsyncBaseTransport | None = None

    async def send(self, request: HttpRequest, *, read_timeout: float) -> HttpReply:
        """Post the request and read its whole reply.

        Raises:
            httpx.TransportError: no reply, or not a whole one; ``tasks.providers.classify_exception`` tells why.
        """
        reply = await self._opened().handle_async_request(_post(request, read_timeout))
        try:
            return HttpReply(reply.status_code, reply.headers, await reply.aread())
        finally:
            await reply.aclose()

    @asynccontextmanager
    async def stream(
        self, request: HttpRequest, *, read_timeout: float
    ) -> AsyncIterator[tuple[int, Mapping[str, str], AsyncIterator[bytes]]]:
        """Post the request; status, headers, and the body as it arrives."""
        reply = await self._opened().handle_async_request(_post(request, read_timeout))
        try:
            yield reply.status_code, reply.headers, reply.aiter_bytes()
        finally:
            await reply.aclose()

    async def close(self) -> None:
        """Close every connection."""
        if self._connections is not None:
            await self._connections.aclose()
            self._connections = None

    def _opened(self) -> httpx.AsyncBaseTransport:
        if self._connections is None:
            self._connections = _open_connections()
        return self._connections


def fetch(url: str) -> bytes:
    """The body of a page, at most 5 MB of it, following redirects.

    Raises:
        SourceError: it cannot be had.
    """
    import httpx

    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_timeout(20.0)) as reply:
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


def _open_connections() -> httpx.AsyncBaseTransport:
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, limit_per_host=0, keepalive_timeout=30.0)
        return aiohttp.ClientSession(
            connector=connector, middlewares=(_keep_colons_encoded,), cookie_jar=aiohttp.DummyCookieJar()
        )

    return AiohttpTransport(client=session)


def _post(request: HttpRequest, read_timeout: float) -> httpx.Request:
    import httpx

    return httpx.Request(
        "POST",
        request.url,
        headers={"Accept-Encoding": "gzip, deflate", **request.headers},
        content=request.body,
        extensions={"timeout": _timeout(read_timeout).as_dict()},
    )


async def _keep_colons_encoded(request: Any, handler: Any) -> Any:
    """Send ``%3A`` in a path as it was signed: the URL library decodes it, and AWS then finds the signature wrong."""
    path = request.url.raw_path
    if ":" in path:
        request.url = request.url.with_path(path.replace(":", "%3A"), encoded=True, keep_query=True)
    return await handler(request)


def _timeout(read: float) -> httpx.Timeout:
    import httpx

    return httpx.Timeout(connect=CONNECT_SECONDS, read=read, write=WRITE_SECONDS, pool=POOL_SECONDS)
