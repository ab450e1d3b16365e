"""Signed notices: only what a known secret signed, and recently, is taken."""

import base64
import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.batches import WebhookRefused, signed_webhook, verify_webhook
from tasks.batches.webhooks import LARGEST_NOTICE

NOW = 1_780_000_000
SECRET = "whsec_" + base64.b64encode(b"a secret of the test").decode()
BODY = b'{"id":"evt_1","object":"event","type":"batch.completed","created_at":1779999999,"data":{"id":"batch_abc"}}'


def headers(body: bytes = BODY, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    return signed_webhook("evt_1", at, body, secret)


def refused(told: dict[str, str], body: bytes = BODY, secrets: Any = SECRET, **more: Any) -> str:
    with pytest.raises(WebhookRefused) as why:
        verify_webhook(told, body, secrets, now=NOW, **more)
    return str(why.value)


def test_a_notice_names_its_batch():
    notice = verify_webhook(headers(), BODY, SECRET, now=NOW)
    assert notice is not None
    assert (notice.notice_id, notice.event, notice.batch_id) == ("evt_1", "batch.completed", "batch_abc")
    upper = {name.title(): value for name, value in headers().items()}
    assert verify_webhook(upper, BODY, SECRET, now=NOW) == notice


def test_a_genuine_event_about_something_else_is_none():
    body = BODY.replace(b"batch.completed", b"response.completed")
    assert verify_webhook(headers(body), body, SECRET, now=NOW) is None


def test_the_provider_library_signs_and_reads_alike(monkeypatch: pytest.MonkeyPatch):
    client = openai.OpenAI(api_key="secret", webhook_secret=SECRET)
    monkeypatch.setattr("time.time", lambda: float(NOW))
    client.webhooks.verify_signature(BODY, headers())
    assert client.webhooks.unwrap(BODY, headers()).type == "batch.completed"
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.verify_signature(BODY + b" ", headers())
    client.close()


@pytest.mark.parametrize("secret", ["plain words", SECRET])
def test_secrets_come_in_two_forms(secret: str):
    assert verify_webhook(headers(secret=secret), BODY, secret, now=NOW) is not None


def test_while_a_secret_is_replaced_both_hold():
    old, new = "old secret", "new secret"
    for signer in (old, new):
        assert verify_webhook(headers(secret=signer), BODY, [old, new], now=NOW) is not None
    both = headers(secret=old)
    both["webhook-signature"] += " " + headers(secret=new)["webhook-signature"]
    for known in (old, new):
        assert verify_webhook(both, BODY, known, now=NOW) is not None
    assert refused(headers(secret="another"), secrets=[old, new]) == "the signature matches none of the secrets"


@pytest.mark.parametrize("age", [-301, 301, 10**9])
def test_what_is_old_or_from_the_future_is_refused(age: int):
    assert "by more than 300 s" in refused(headers(at=NOW - age))


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_within_the_tolerance_it_is_taken(age: int):
    assert verify_webhook(headers(at=NOW - age), BODY, SECRET, now=NOW) is not None


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_lacks_is_refused(name: str):
    told = headers()
    del told[name]
    assert "missing or malformed" in refused(told)


@pytest.mark.parametrize("timestamp", ["", "x", "1.5", "-1", "1" * 20, "١٧٨٠٠٠٠٠٠٠"])
def test_a_timestamp_is_a_number_of_seconds(timestamp: str):
    assert "missing or malformed" in refused(headers() | {"webhook-timestamp": timestamp})


@pytest.mark.parametrize("signature", ["v1,", "v1", "v2,abc", "v1a,abc", ",", "v1,é", " "])
def test_other_signatures_fit_nothing(signature: str):
    assert "matches none" in refused(headers() | {"webhook-signature": signature})


def test_the_version_counts():
    bare = headers()["webhook-signature"].removeprefix("v1,")
    for version in ("v2,", "v1a,", ""):
        assert "matches none" in refused(headers() | {"webhook-signature": version + bare})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"no json",
        b'{"type":"batch.completed"}',
        b'{"type":"batch.completed","data":{"id":"../x"}}',
        b'{"type":"batch.completed","data":[]}',
    ],
)
def test_what_is_signed_and_no_notice_is_refused(body: bytes):
    assert refused(headers(body), body) in {"the body is not an event", "the event does not name a batch"}


def test_a_notice_without_end_is_not_looked_at():
    body = json.dumps({"type": "batch.completed", "data": {"id": "b"}, "more": "x" * LARGEST_NOTICE}).encode()
    assert "has more than" in refused(headers(body), body)


@pytest.mark.parametrize("secrets", [[], "", "whsec_", "whsec_***", ["good", ""]])
def test_without_a_secret_nothing_is_verified(secrets: Any):
    with pytest.raises(ValueError, match="secret"):
        verify_webhook(headers(), BODY, secrets, now=NOW)


@given(
    secret=st.binary(min_size=1, max_size=64),
    event=st.sampled_from(["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]),
    batch=st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True),
    notice=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    age=st.integers(-300, 300),
    data=st.data(),
)
def test_only_what_was_signed_is_taken(
    secret: bytes, event: str, batch: str, notice: str, age: int, data: st.DataObject
):
    key = "whsec_" + base64.b64encode(secret).decode()
    body = json.dumps({"type": event, "data": {"id": batch}}).encode()
    told = signed_webhook(notice, NOW - age, body, key)
    found = verify_webhook(told, body, key, now=NOW)
    assert found is not None
    assert (found.event, found.batch_id, found.notice_id) == (event, batch, notice)
    changed = bytearray(body)
    changed[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    assert "matches none" in refused(told, bytes(changed), key)
    assert "matches none" in refused(told | {"webhook-id": notice + "x"}, body, key)
    assert "matches none" in refused(told | {"webhook-timestamp": str(NOW - age + (1 if age > 0 else -1))}, body, key)
    other = "whsec_" + base64.b64encode(secret + b"x").decode()
    assert "matches none" in refused(told, body, other)
