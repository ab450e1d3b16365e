"""Hosts are reached as calls of models reach them: over the same transport, its proxies and its errors."""

import asyncio

import pytest

from farebox.doctor.reachability import reach, reach_all
from tasks.providers import HttpRequest, Transport, WireFailed, classify_exception


@pytest.mark.parametrize(
    "url, fault",
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("https://localhost:1/x", "Connection refused"),
        ("http://a..b/", "not a valid host name"),
        (f"http://{'a' * 64}.example/", "not a valid host name"),
    ],
)
def test_why_a_host_cannot_be_reached(url: str, fault: str):
    assert (reach(url).fault, reach(url).status) == (fault, None)


def test_a_proxy_is_used_and_one_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert reach("https://models.invalid/").fault == "Connection refused"  # the proxy's: the host has no address
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    found = reach_all([("https://models.invalid/v1", ""), ("https://models.invalid/v2", ""), ("http://a..b", "")])
    assert [host.address for host in found] == ["a..b:80", "models.invalid:443"]
    assert all("HTTPS_PROXY is a socks5 proxy" in (host.fault or "") for host in found)


def test_certificates_that_cannot_be_read_are_the_host_s_fault_alone():
    found = reach_all([("https://127.0.0.1:1", "/nowhere.pem"), ("http://127.0.0.1:1", "")])
    assert [("/nowhere.pem" in (host.fault or "")) for host in found] == [False, True]


def test_a_host_name_that_no_resolver_takes_fails_as_a_wrong_address():
    async def send() -> None:
        transport = Transport()
        try:
            await transport.load()
            await transport.send(HttpRequest("http://a..b/v1", {}, b"{}"), read_timeout=1)
        finally:
            await transport.close()

    with pytest.raises(WireFailed) as failed:
        asyncio.run(send())
    why = classify_exception(failed.value)
    assert (why.kind, why.phase, why.maybe_billed) == ("not_found", "connect", False)
