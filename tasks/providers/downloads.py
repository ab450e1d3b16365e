"""Downloads: a page from an address that nobody vouches for, of limited size, over the transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urljoin

from tasks.providers.bodies import BodyRefused
from tasks.providers.messages import HttpRequest, WireFailed
from tasks.providers.transport import Transport

MOST_REDIRECTS: Final = 5
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class DownloadFailed(Exception):
    """A page cannot be downloaded. The message is the reason and contains nothing of the page."""


class DownloadTooLarge(DownloadFailed):
    """The page exceeds the allowed size."""


async def download(url: str, *, most: int, read_timeout: float) -> bytes:
    """The body of a page, following up to 5 redirects.

    Args:
        url: an http or https address.
        most: bytes that the body may have once it is decoded.
        read_timeout: seconds without a byte.

    Raises:
        DownloadTooLarge: it is larger.
        DownloadFailed: it cannot be had, or is in more than one content coding.
        ConfigError: the environment names a proxy that cannot be used.
    """
    transport = Transport()
    try:
        await transport.load()
        for _ in range(MOST_REDIRECTS + 1):
            request = HttpRequest(url, {}, b"", "GET")
            async with transport.stream(request, read_timeout=read_timeout, most=most) as (status, headers, pieces):
                if status == _OK:
                    return await _whole(pieces)
                following = headers.get("location")  # the body of a redirect is not read
            if status not in _REDIRECTS or not following:
                raise DownloadFailed(f"it answered {status}")
            url = urljoin(url, following)
        raise DownloadFailed(f"it redirects more than {MOST_REDIRECTS} times")
    except WireFailed as error:
        cause = error.__cause__ or error
        if not isinstance(cause, BodyRefused):
            raise DownloadFailed(type(cause).__name__) from None
        if str(cause).startswith("larger"):
            raise DownloadTooLarge(f"it is {cause}") from None
        raise DownloadFailed(f"its body is {cause}") from None
    finally:
        await transport.close()


async def _whole(pieces: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for piece in pieces:
        body += piece
    return bytes(body)
