import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tasks.providers.failure_kinds import Failure
from tasks.providers.failures import classify_exception
from tasks.providers.messages import HttpRequest, WireFailed
from tasks.providers.transport import Transport

REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@asynccontextmanager
async def server(
    *, reply: bytes | None, hang: bool = False, reset: bool = False, read: asyncio.Event | None = None
) -> AsyncIterator[str]:
    """A socket that reads a request, answers ``reply`` as it is, and hangs, hangs up or resets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if read is not None:
            read.set()
        writer.write(reply or b"")
        await writer.drain()
        if hang:
            await asyncio.Event().wait()
        if reset:
            writer.transport.abort()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    finally:
        listening.close()


@pytest.fixture
async def transport():
    transport = Transport()
    yield transport
    await transport.close()


async def read_stream(transport: Transport, request: HttpRequest, seconds: float) -> None:
    async with transport.stream(request, read_timeout=seconds) as (_, _, pieces):
        async for _ in pieces:
            pass


async def failure_of(transport: Transport, url: str, *, read: float = 600.0) -> Failure:
    """How a request fails; a stream fails alike."""
    request = HttpRequest(url, {}, b"{}")
    with pytest.raises(WireFailed) as raised:
        await transport.send(request, read_timeout=read)
    failure = classify_exception(raised.value)
    with pytest.raises(WireFailed) as raised:
        await read_stream(transport, request, read)
    assert classify_exception(raised.value) == failure
    return failure


@pytest.mark.parametrize("reply", [None, REPLY + b"content-length: 9\r\n\r\n{"])
async def test_silence_is_a_timeout_that_may_be_billed(transport, reply):
    async with server(reply=reply, hang=True) as url:
        failure = await failure_of(transport, url, read=0.2)
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("timeout", "read", True)


@pytest.mark.parametrize("reply", [None, b"HTTP/1.1 2", REPLY + b"content-length: 9\r\n\r\n{", REPLY + b"transfer-encoding: chunked\r\n\r\n5\r\nab"])  # fmt: skip
@pytest.mark.parametrize("reset", [False, True])
async def test_a_server_that_hangs_up_after_the_request_may_bill_it(transport, reply, reset):
    async with server(reply=reply, reset=reset) as url:
        failure = await failure_of(transport, url)
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("connection", "read", True)


async def test_garbage_instead_of_http_is_a_lost_connection(transport):
    async with server(reply=b"220 smtp ready\r\n\r\n") as url:
        assert (await failure_of(transport, url)).kind == "connection"


async def test_an_address_that_is_none_is_a_target_not_found(transport):
    failure = await failure_of(transport, "nonsense://host/")
    assert (failure.kind, failure.maybe_billed) == ("not_found", False)


async def test_a_refused_connection_sent_nothing(transport):
    async with server(reply=None) as url:
        pass
    failure = await failure_of(transport, url)
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("connection", "connect", False)


async def test_an_unknown_host_sent_nothing(transport):
    failure = await failure_of(transport, "http://no-such-host.invalid/")
    assert (failure.kind, failure.phase, failure.maybe_billed) == ("connection", "connect", False)


async def test_a_full_pool_sent_nothing(transport, monkeypatch):
    monkeypatch.setattr("tasks.providers.transport._MOST_CONNECTIONS", 1)
    monkeypatch.setattr("tasks.providers.transport.POOL_SECONDS", 0.2)
    read = asyncio.Event()
    async with server(reply=None, hang=True, read=read) as url:
        first = asyncio.create_task(transport.send(HttpRequest(url, {}, b"{}"), read_timeout=600))
        await read.wait()
        failure = await failure_of(transport, url)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
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
