"""Fetching a feed: a small page from an address that nobody vouches for, within a total deadline."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from pricing import SourceError
from tasks.providers.bodies import BodyRefused, whole_body

if TYPE_CHECKING:
    import httpx

LARGEST_FEED: Final = 5_000_000
"""Bytes."""
FEED_SECONDS: Final = 20.0
"""From looking the name up to the last byte, redirects included."""
_REDIRECTS: Final = 5
_GRACE: Final = 1.0
"""Seconds for the fetch to give up by itself; it cannot while it looks a name up."""


def fetch(url: str, *, seconds: float = FEED_SECONDS) -> bytes:
    """The body of a page, at most 5 MB of it once decoded, following up to 5 redirects.

    Args:
        url: an http or https address.
        seconds: the most that all of it may take, however the server spreads its bytes over the time.

    Raises:
        SourceError: it cannot be had, is larger, takes longer, or is in more than one content coding.
    """
    fetched: Future[bytes] = Future()

    def run() -> None:
        try:
            fetched.set_result(asyncio.run(_fetched(url, seconds)))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            fetched.set_exception(error)

    # On a thread of its own: the caller may be on a loop, and looking a name up can outlast any deadline.
    threading.Thread(target=run, name="farebox-feed", daemon=True).start()
    try:
        return fetched.result(seconds + _GRACE)
    except TimeoutError:
        why = f"it was not complete after {seconds:g} s"
    except SourceError as error:
        raise error from None
    raise SourceError(f"{url} cannot be fetched ({why}).", next_step="Check the address and the network.")


async def _fetched(url: str, seconds: float) -> bytes:
    import httpx

    why = ""
    try:
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=seconds) as client:
            request = client.build_request("GET", url, headers={"Accept-Encoding": "gzip, deflate"})
            for _ in range(_REDIRECTS + 1):
                reply = await client.send(request, stream=True, follow_redirects=False)
                try:
                    if reply.next_request is None:
                        return await _body(url, reply)
                    request = reply.next_request  # its body is not read
                finally:
                    await reply.aclose()
            why = f"it redirects more than {_REDIRECTS} times"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = type(error).__name__
    raise SourceError(f"{url} cannot be fetched ({why}).", next_step="Check the address and the network.")


async def _body(url: str, reply: httpx.Response) -> bytes:
    if not reply.is_success:
        raise SourceError(
            f"{url} cannot be fetched (it answered {reply.status_code}).",
            next_step="Check the address and the network.",
        )
    try:
        return await whole_body(reply.headers, reply.aiter_raw(), most=LARGEST_FEED)
    except BodyRefused as error:
        if str(error).startswith("larger"):
            raise SourceError(f"{url} is larger than 5 MB.", next_step="Point --source at a smaller feed.") from None
        raise SourceError(
            f"{url} cannot be fetched (its body is {error}).",
            next_step="Check the address, and the proxy or server that encodes the feed.",
        ) from None
