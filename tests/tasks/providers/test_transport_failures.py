import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from tasks.providers.failures import Failure, classify_exception

REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@asynccontextmanager
async def server(*, reply: bytes | None, hang: bool = False, reset: bool = False) -> AsyncIterator[str]:
    """A socket that reads a request, answers ``reply`` as it is, and hangs, hangs up or resets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply or b"")
        await writer.drain()
        if hang:
            await asyncio.sleep(5)
        if reset:
            writer.transport.abort()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    finally:
        listening.close()


async def failure_of(url: str, transport: Callable[[], httpx.AsyncBaseTransport], **timeouts: float) -> Failure:
    timeout = httpx.Timeout(5.0, read=timeouts.get("read", 5.0))
    async with httpx.AsyncClient(transport=transport(), timeout=timeout) as client:
        with pytest.raises(httpx.TransportError) as raised:
            await client.post(url, content=b"{}")
    return classify_exception(raised.value)


@pytest.fixture(params=[AiohttpTransport, httpx.AsyncHTTPTransport])
def transport(request):
    return request.param


@pytest.mark.parametrize("reply", [None, REPLY + b"content-length: 9\r\n\r\n{"])
async def test_silence_is_a_timeout_that_may_be_billed(transport, reply):
    async with server(reply=reply, hang=True) as url:
        failure = await failure_of(url, transport, read=0.2)
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("timeout", "read", True)


@pytest.mark.parametrize("reply", [None, b"HTTP/1.1 2", REPLY + b"content-length: 9\r\n\r\n{", REPLY + b"transfer-encoding: chunked\r\n\r\n5\r\nab"])  # fmt: skip
@pytest.mark.parametrize("reset", [False, True])
async def test_a_server_that_hangs_up_after_the_request_may_bill_it(transport, reply, reset):
    async with server(reply=reply, reset=reset) as url:
        failure = await failure_of(url, transport)
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("connection", "read", True)


async def test_garbage_instead_of_http_is_a_lost_connection():
    async with (
        server(reply=b"220 smtp ready\r\n\r\n") as url,
        httpx.AsyncClient(transport=AiohttpTransport()) as client,
    ):
        with pytest.raises(Exception) as raised:
            await client.post(url)
    assert classify_exception(raised.value).kind == "connection"


async def test_a_refused_connection_sent_nothing(transport):
    async with server(reply=None) as url:
        pass
    failure = await failure_of(url, transport)
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("connection", "connect", False)


async def test_an_unknown_host_sent_nothing(transport):
    failure = await failure_of("http://no-such-host.invalid/", transport)
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("connection", "connect", False)


async def test_a_full_pool_sent_nothing():
    narrow = AiohttpTransport(limits=httpx.Limits(max_connections=1))
    async with (
        server(reply=None, hang=True) as url,
        httpx.AsyncClient(transport=narrow, timeout=httpx.Timeout(5.0, pool=0.2)) as client,
    ):
        first = asyncio.create_task(client.post(url))
        await asyncio.sleep(0.05)
        with pytest.raises(httpx.TimeoutException) as raised:
            await client.post(url)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    failure = classify_exception(raised.value)
    assert (failure.kind, failure.maybe_billed) == ("timeout", False)


@pytest.mark.parametrize(
    ("exc", "kind", "phase"),
    [
        (httpx.PoolTimeout("x"), "timeout", "pool"),
        (httpx.ConnectTimeout("x"), "timeout", "connect"),
        (httpx.WriteTimeout("x"), "timeout", "write"),
        (httpx.ReadTimeout("x"), "timeout", "read"),
        (httpx.WriteError("x"), "connection", "write"),
        (httpx.RemoteProtocolError("x"), "connection", "read"),
        (httpx.DecodingError("x"), "connection", "read"),
        (httpx.UnsupportedProtocol("x"), "not_found", "connect"),
        (TimeoutError(), "timeout", "read"),
        (ConnectionResetError(), "connection", "read"),
        (ConnectionRefusedError(), "connection", "connect"),
    ],
)
def test_exceptions_by_name(exc, kind, phase):
    failure = classify_exception(exc)
    assert (failure.kind, failure.phase) == (kind, phase)
    assert failure.maybe_billed is (phase in {"write", "read"})


@pytest.mark.parametrize("exc", [ValueError("ours"), KeyboardInterrupt()])
def test_a_bug_is_no_failure_of_a_provider(exc):
    with pytest.raises(type(exc)):
        classify_exception(exc)
