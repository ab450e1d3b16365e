"""Requests to models go through the proxy that the environment names, and past it where it says so."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pricing.errors import ConfigError
from tasks.providers.failures import classify_exception
from tasks.providers.messages import HttpRequest, WireFailed
from tasks.providers.transport import Transport

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Proxy:
    """Notes what it is asked for, and answers it all the same way."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = ANSWER

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def proxy(monkeypatch) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    port = listening.sockets[0].getsockname()[1]
    monkeypatch.setenv("ALL_PROXY", f"user:word@127.0.0.1:{port}")
    yield proxy
    listening.close()


async def post(url: str) -> int:
    transport = Transport()
    try:
        return (await transport.send(HttpRequest(url, {}, b"{}"), read_timeout=600)).status
    finally:
        await transport.close()


async def test_a_request_goes_through_the_proxy_with_its_credentials(proxy):
    assert await post("http://api.example.com/v1/model/a%3A0/converse") == 200
    [asked] = proxy.asked
    assert asked.startswith("POST http://api.example.com/v1/model/a%3A0/converse HTTP/1.1")
    assert "proxy-authorization: basic dxnlcjp3b3jk" in asked.lower()


@pytest.mark.parametrize(
    "path",
    [
        "/model/a%3A0/converse",
        "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
        "/model/arn%3Aaws%3Abedrock%3A%3A1%3Aprofile%2Fp/converse",
        "/openai/deployments/gpt%205%C3%A9/chat/completions?api-version=2024-10-21",
        "/v1/chat/completions",
    ],
)
async def test_a_path_is_sent_as_it_is_written(proxy, path: str):
    """AWS signs colons as ``%3A``; Google's verbs stand behind one that is not encoded."""
    assert await post(f"http://api.example.com{path}") == 200
    assert [asked.split()[1] for asked in proxy.asked] == [f"http://api.example.com{path}"]


async def test_a_tunnel_that_the_proxy_refuses_sent_nothing(proxy):
    proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
    with pytest.raises(WireFailed) as raised:
        await post("https://api.example.com/v1")
    failure = classify_exception(raised.value)
    assert proxy.asked[0].startswith("CONNECT api.example.com:443")
    assert (failure.kind, failure.maybe_billed) == ("connection", False)


@pytest.mark.parametrize("kept", ["127.0.0.1", "localhost"])
async def test_this_machine_is_never_reached_through_a_proxy(proxy, kept):
    with pytest.raises(WireFailed):
        await post(f"http://{kept}:9/")
    assert proxy.asked == []


async def test_no_proxy_names_hosts_that_are_reached_directly(proxy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "internal.invalid")
    with pytest.raises(WireFailed):
        await post("http://vllm.internal.invalid/")
    assert proxy.asked == []


def test_a_proxy_of_another_kind_is_refused_before_anything_is_sent(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:word@10.0.0.1:1080")
    with pytest.raises(ConfigError, match="HTTPS_PROXY is a socks5 proxy") as raised:
        Transport()
    assert "word" not in str(raised.value)
