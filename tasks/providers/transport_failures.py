"""From an exception of the transport to a class of failure.

``httpx-aiohttp`` 0.2 maps every ``aiohttp.ClientConnectionError`` to ``httpx.ConnectTimeout``, also a server that hung
up after it had read the request, which may well be billed: so what caused the exception outranks what it is called.
"""

from __future__ import annotations

from collections.abc import Iterator

from tasks.providers.kinds import Failure, FailureKind, Phase, failure

_NAMED: tuple[tuple[str, FailureKind, Phase], ...] = (
    # ours, of a body that is too large or cannot be decoded; then aiohttp's, below httpx's: the most telling first
    ("BodyRefused", "server_error", "read"),
    ("InvalidURL", "not_found", "connect"),
    ("NonHttpUrlClientError", "not_found", "connect"),
    ("ClientHttpProxyError", "connection", "connect"),  # the proxy said no
    ("ConnectionTimeoutError", "timeout", "connect"),
    ("ServerTimeoutError", "timeout", "read"),
    ("ClientConnectorError", "connection", "connect"),
    ("ClientConnectionResetError", "connection", "write"),
    ("ClientConnectionError", "connection", "read"),
    ("ClientPayloadError", "connection", "read"),
    ("ClientResponseError", "connection", "read"),
    # httpx's
    ("PoolTimeout", "timeout", "pool"),
    ("ConnectTimeout", "timeout", "connect"),
    ("WriteTimeout", "timeout", "write"),
    ("TimeoutException", "timeout", "read"),
    ("UnsupportedProtocol", "not_found", "connect"),
    ("ProxyError", "connection", "connect"),
    ("ConnectError", "connection", "connect"),
    ("WriteError", "connection", "write"),
    ("TransportError", "connection", "read"),
    ("DecodingError", "connection", "read"),
    ("StreamError", "connection", "read"),
    # Python's own: a deadline around the exchange, a socket below it
    ("TimeoutError", "timeout", "read"),
    ("ConnectionRefusedError", "connection", "connect"),
    ("gaierror", "connection", "connect"),
    ("ConnectionError", "connection", "read"),
)


def classify_exception(exc: BaseException) -> Failure:
    """The class of a failed exchange; what is not the transport's doing is raised again, for it is a bug.

    Nothing was sent in the phases ``pool`` and ``connect``; afterwards the provider may bill what we never got.
    """
    names = {cls.__name__ for link in _chain(exc) for cls in type(link).__mro__}
    for name, kind, phase in _NAMED:
        if name in names:
            return failure(kind, phase=phase, maybe_billed=phase in {"write", "read"})
    raise exc


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__
