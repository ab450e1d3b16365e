"""What a target adds to its requests, and which certificates its server is checked against."""

import asyncio
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from farebox.config.keys import Key
from farebox.config.settings import TargetSettings
from farebox.config.targets import build_target
from pricing.errors import ConfigError
from pricing.rates import RateCard
from tasks.providers import Transport, adapter_for, classify_exception
from tasks.providers.messages import HttpRequest, WireFailed
from tasks.routing import Credential, Target
from tests.support.exchanges import request, target

BASE = {"name": "own", "provider": "vllm", "model": "m", "tier": "light"}


@pytest.fixture(autouse=True)
def _no_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own settings may name one."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def built(**more: Any) -> Target:
    return build_target(TargetSettings.model_validate(BASE | more), RateCard.load(), Key("here", Credential))


@pytest.mark.parametrize("provider", ["openai", "vllm", "anthropic", "bedrock"])
def test_headers_and_fields_are_added(provider: str):
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 5}
    headers = {"X-Team": "reports", "cf-aig-authorization": "Bearer t"}
    where = target(provider, extra_headers=headers, extra_body=extra, ca_file="/ca.pem")
    sent = adapter_for(provider).encode(where, request())
    plain = adapter_for(provider).encode(target(provider), request())
    assert json.loads(sent.body) == json.loads(plain.body) | extra
    assert headers.items() <= sent.headers.items()
    assert sent.ca_file == "/ca.pem"
    assert "reports" not in repr(where)
    assert "Bearer t" not in repr(sent)


def test_fields_are_merged_at_every_depth_and_signed():
    keys = Credential(access_key_id="AKIA", secret_access_key="secret")
    extra = {"inferenceConfig": {"topP": 0.5}, "requestMetadata": {"team": "reports"}}
    where = target("bedrock", credential=keys, extra_body=extra)
    body = json.loads(adapter_for("bedrock").encode(where, request()).body)
    assert body["inferenceConfig"] == {"maxTokens": 500, "temperature": 0.2, "topP": 0.5}
    plain = adapter_for("bedrock").encode(target("bedrock", credential=keys), request())
    sent = adapter_for("bedrock").encode(where, request())
    assert sent.headers["Authorization"] != plain.headers["Authorization"]


def test_a_header_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_TOKEN", " Bearer abc ")
    found = built(extra_headers={"X-Auth-Token": "env:GATEWAY_TOKEN", "X-Team": "reports"})
    assert found.extra_headers == {"X-Auth-Token": "Bearer abc", "X-Team": "reports"}
    assert hash(found)
    monkeypatch.delenv("GATEWAY_TOKEN")
    with pytest.raises(ConfigError, match="GATEWAY_TOKEN, which is not set") as raised:
        built(extra_headers={"X-Auth-Token": "env:GATEWAY_TOKEN"})
    assert "Set GATEWAY_TOKEN" in str(raised.value.next_step)
    monkeypatch.setenv("GATEWAY_TOKEN", "a\nb")
    with pytest.raises(ConfigError, match="printable"):
        built(extra_headers={"X-Auth-Token": "env:GATEWAY_TOKEN"})


@pytest.mark.parametrize(
    "more",
    [
        {"extra_headers": {"X Team": "a"}},
        {"extra_headers": {"": "a"}},
        {"extra_headers": {"X-Team": "a\r\nX-Other: b"}},
        {"extra_headers": {"X-Team": "Zürich"}},
        {"extra_headers": {"Host": "elsewhere"}},
        {"extra_headers": {"content-length": "3"}},
        {"extra_headers": {"Authorization": "Bearer sk-4711"}},
        {"extra_headers": {"x-api-key": "sk-4711"}},
        {"extra_headers": {"Cookie": "session=sk-4711"}},
        {"extra_headers": {"X-Token": "env:not a name"}},
        {"extra_body": {"messages": []}},
        {"extra_body": {"model": "other"}},
        {"extra_body": {"stream": True}},
        {"extra_body": {"api_key": "sk-4711"}},
        {"extra_headers": {"X-Gateway": "Bearer sk-4711"}},
        {"extra_headers": {"X-Gateway": " basic c2stNDcxMQ== sk-4711"}},
        {"extra_body": {"provider": {"options": {"api_key": "sk-4711"}}}},
        {"extra_body": {"servers": [{"authorization": "sk-4711"}]}},
        {"extra_body": {"servers": [{"headers": {"X-Gateway": "Bearer sk-4711"}}]}},
        {"extra_body": {"secrets": ["sk-4711"]}},
        {"extra_body": {"credentials": {"of": {"gateway": "sk-4711"}}}},
        {"extra_body": {"gateway": {"password": 4711}}},
    ],
)
def test_what_cannot_be_added_is_refused_without_repeating_it(more: dict[str, Any]):
    with pytest.raises(ValidationError) as raised:
        TargetSettings.model_validate(BASE | more)
    told = [error["msg"] for error in raised.value.errors()]
    assert told
    assert "sk-4711" not in "".join(told)


def test_fields_that_only_sound_like_a_key_are_taken():
    fields = {
        "prompt_cache_key": "reports",
        "provider": {"sort": "price", "cache_key": "a"},
        "top_k": 5,
        "logit_bias": {"50256": -100},
        "returns_key": False,
        "reasoning": {"summary": "Basic"},
    }
    assert TargetSettings.model_validate(BASE | {"extra_body": fields}).extra_body == fields


def test_a_header_from_the_environment_is_in_no_representation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_TOKEN", "Bearer sk-4711")
    found = built(extra_headers={"X-Auth-Token": "env:GATEWAY_TOKEN"})
    sent = adapter_for(found.provider).encode(found, request())
    assert sent.headers["X-Auth-Token"] == "Bearer sk-4711"
    assert "sk-4711" not in f"{found!r} {found} {sent!r} {sent}"


def test_a_file_of_certificates_has_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match="cannot be read"):
        built(ca_file=tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="holds no certificate in PEM form") as raised:
        built(ca_file=tmp_path / "empty.pem")
    assert "ca_file of the target 'own'" in raised.value.message
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        with monkeypatch.context() as changed:
            changed.setenv(name, str(tmp_path / "empty.pem"))
            with pytest.raises(ConfigError, match=name):
                Transport()


async def test_a_damaged_bundle_is_told_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "half.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "half.pem"))
    transport = Transport()
    with pytest.raises(ConfigError, match=r"REQUESTS_CA_BUNDLE names .*half\.pem, which holds no certificate"):
        await transport.load()
    assert not transport.loaded


async def test_a_bundle_may_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    transport = Transport()
    await transport.load()
    assert transport.loaded


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for this machine that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    day, now = dt.timedelta(days=1), dt.datetime.now(dt.UTC)
    built = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now - day, now + day)
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A TLS server on loopback, and the file of its certificate."""
    ours, key = certificate(tmp_path, "ours")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours, key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", ours
    server.close()


async def sent(url: str, ca_file: str = "") -> int:
    transport = Transport()
    try:
        return (await transport.send(HttpRequest(url, {}, b"{}", ca_file=ca_file), read_timeout=600)).status
    finally:
        await transport.close()


@pytest.mark.parametrize("named_by", ["target", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_a_server_is_trusted_by_its_own_authority(secure, monkeypatch: pytest.MonkeyPatch, named_by: str):
    url, ours = secure
    if named_by != "target":
        monkeypatch.setenv(named_by, str(ours))
    assert await sent(url, str(ours) if named_by == "target" else "") == 200


@pytest.mark.parametrize("stranger", [False, True])
async def test_an_authority_that_is_not_trusted_says_so(secure, tmp_path: Path, stranger: bool):
    url, _ = secure
    ca_file = str(certificate(tmp_path, "stranger")[0]) if stranger else ""
    with pytest.raises(WireFailed) as raised:
        await sent(url, ca_file)
    why = classify_exception(raised.value)
    assert (why.kind, why.code, why.retry_same_target, why.fallback) == ("connection", "tls_certificate", False, True)


async def test_plain_http_where_tls_is_spoken_is_no_certificate(secure):
    url, _ = secure
    with pytest.raises(WireFailed) as raised:
        await sent(url.replace("https", "http"))
    assert classify_exception(raised.value).code is None


async def test_tls_where_plain_http_is_spoken_is_a_failed_handshake():
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(WireFailed) as raised:
        await sent(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    server.close()
    assert classify_exception(raised.value).code == "tls_handshake"
