"""From an exception of the transport to a class of failure.

The transport's own exception carries what the client raised: so what caused an exception outranks what it is called.
"""

from __future__ import annotations

from tasks.providers.kinds import Failure, FailureKind, Phase, failure

_NAMED: tuple[tuple[str, FailureKind, Phase], ...] = (
    # aiohttp's, the most telling first
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
    for candidate in (exc.__cause__, exc):
        names = {cls.__name__ for cls in type(candidate).__mro__}
        for name, kind, phase in _NAMED:
            if name in names:
                return failure(kind, phase=phase, maybe_billed=phase in {"write", "read"})
    raise exc
