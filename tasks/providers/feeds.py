"""Fetching a feed: a small page from an address that nobody vouches for, within a total deadline."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Final

from pricing import FareboxError, SourceError
from tasks.providers.downloads import DownloadFailed, DownloadTooLarge, download

LARGEST_FEED: Final = 5_000_000
"""Bytes."""
FEED_SECONDS: Final = 20.0
"""From looking the name up to the last byte, redirects included."""
_GRACE: Final = 1.0
"""Seconds for the fetch to give up by itself; it cannot while it looks a name up."""


def fetch(url: str, *, seconds: float = FEED_SECONDS) -> bytes:
    """The body of a page, at most 5 MB of it once decoded, following up to 5 redirects.

    Args:
        url: an http or https address.
        seconds: the most that all of it may take, however the server spreads its bytes over the time.

    Raises:
        SourceError: it cannot be had, is larger, takes longer, or is in more than one content coding.
        ConfigError: the environment names a proxy that cannot be used.
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
        raise _unfetched(url, f"it was not complete after {seconds:g} s") from None
    except FareboxError as error:
        raise error from None


async def _fetched(url: str, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await download(url, most=LARGEST_FEED, read_timeout=seconds)
    except DownloadTooLarge:
        raise SourceError(f"{url} is larger than 5 MB.", next_step="Point --source at a smaller feed.") from None
    except DownloadFailed as error:
        raise _unfetched(url, str(error)) from None


def _unfetched(url: str, why: str) -> SourceError:
    return SourceError(f"{url} cannot be fetched ({why}).", next_step="Check the address and the network.")
