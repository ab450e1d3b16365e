"""Whether a host can be reached, without any billed request."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

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


def reach_all(urls: Iterable[str], *, timeout: float = TIMEOUT_SECONDS) -> list[Reached]:
    """Every host of these addresses once, all at the same time."""
    hosts = sorted({f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" for parts in map(urlsplit, urls)})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda host: reach(host, timeout=timeout), hosts))


def reach(url: str, *, timeout: float = TIMEOUT_SECONDS) -> Reached:
    """Connect (with TLS for https), then request the headers of the page, without a key."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = f"{host}:{port}"
    connection: http.client.HTTPConnection
    if secure:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            return Reached(address, fault=_why(error))
        try:
            connection.request("HEAD", parts.path or "/")
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException):
            return Reached(address)  # it accepts connections but does not speak this kind of HTTP
        return Reached(address, status=reply.status, ahead=_ahead(reply.headers.get("Date")))
    finally:
        connection.close()


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"no secure connection: {error.reason}"
    return getattr(error, "strerror", None) or type(error).__name__


def _ahead(date: str | None) -> float | None:
    if not date:
        return None
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return None
