"""Whether a host can be reached, without any billed request."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pricing import ConfigError
from tasks.providers import HttpRequest, Transport, WireFailed

TIMEOUT_SECONDS = 3.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Reached:
    """One host.

    Args:
        address: host and port, for people.
        fault: why there is no connection; ``None`` when there is one.
        status: of its answer to ``HEAD``, if it gave one.
        ahead: seconds that its clock is ahead of ours, to within a second or so, if it tells the time.
    """

    address: str
    fault: str | None = None
    status: int | None = None
    ahead: float | None = None


def reach_all(places: Iterable[tuple[str, str]], *, timeout: float = TIMEOUT_SECONDS) -> list[Reached]:
    """Every host of these addresses once, several at the same time.

    Args:
        places: addresses, each with the file of certificates that its host is checked against (empty: the usual ones).
        timeout: seconds for each host.
    """
    hosts = {_host(url): ca_file for url, ca_file in sorted(places)}
    return asyncio.run(_reach_all(hosts.items(), timeout))


def reach(url: str, *, timeout: float = TIMEOUT_SECONDS) -> Reached:
    """Connect as a call of a model would: through the same proxies, with the same certificates. Then request the
    headers of the page, without a key.
    """
    return asyncio.run(_reach_all([(url, "")], timeout))[0]


async def _reach_all(places: Iterable[tuple[str, str]], timeout: float) -> list[Reached]:  # noqa: ASYNC109 - of each
    try:
        transport = Transport()
        await transport.load()
    except ConfigError as error:
        return [Reached(_address(url), fault=error.message.rstrip(".")) for url, _ in places]
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(url: str, ca_file: str) -> Reached:
        async with turns:
            return await _reach(transport, url, ca_file, timeout)

    try:
        return await asyncio.gather(*(one(*place) for place in places))
    finally:
        await transport.close()


async def _reach(transport: Transport, url: str, ca_file: str, timeout: float) -> Reached:  # noqa: ASYNC109 - of all steps
    connected = False

    def note() -> None:
        nonlocal connected
        connected = True

    address, request = _address(url), HttpRequest(url, {}, b"", "HEAD", ca_file)
    try:
        async with (
            asyncio.timeout(timeout),
            transport.stream(request, read_timeout=timeout, connected=note) as (status, headers, _),
        ):
            return Reached(address, status=status, ahead=_ahead(headers.get("Date")))
    except (WireFailed, TimeoutError, ConfigError) as error:
        # With a connection it is there, and speaks no HTTP of this kind.
        return Reached(address) if connected else Reached(address, fault=_why(error))


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or ''}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _why(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return error.message.rstrip(".")
    causes = list(_causes(error))
    # The last is Python's own; the client's are of that class, too, and give no reason.
    if secure := next((cause for cause in reversed(causes) if isinstance(cause, ssl.SSLError)), None):
        return f"no secure connection: {secure.reason}"
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return "no answer in time"
    if any(isinstance(cause, UnicodeError) for cause in causes):
        return "not a valid host name"
    return _system_reason(causes)


def _system_reason(causes: Sequence[BaseException]) -> str:
    refused = next((cause for cause in reversed(causes) if isinstance(cause, OSError) and cause.strerror), None)
    if isinstance(refused, ConnectionError) and refused.errno is not None:
        return os.strerror(refused.errno)
    return str(refused.strerror) if refused is not None else type(causes[-1]).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _ahead(date: str | None) -> float | None:
    if not date:
        return None
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return None
