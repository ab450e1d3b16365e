"""Signed notices of providers: what is collected, and what is refused, over HTTP."""

import asyncio
import json
import threading
import time
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from farebox.config.settings import BatchSettings, WebSettings
from farebox.runtime import Runtime
from farebox.web import web_app
from farebox.web.batch_webhook import PATH, BatchWebhook, webhook_secrets
from pricing import ConfigError
from tasks.batches import LARGEST_NOTICE, signed_webhook

SECRET, OLDER = "whsec_c2VjcmV0LW9mLWEtdGVzdA==", "whsec_b2xkZXItc2VjcmV0"
NOW = 1_790_000_000


class Receiver:
    """The receiver before an application without pages, and the batches that it had collected."""

    def __init__(self, *secrets: str, prefix: str = "") -> None:
        self.now = float(NOW)
        self.collected: list[str] = []
        self.answers: list[bool | Exception] = []
        """What the next collections come to; then they succeed."""
        app = BatchWebhook(Starlette(), secrets or (SECRET,), prefix, self.collect, clock=lambda: self.now)
        self.client = TestClient(app, base_url="https://any.example")

    def collect(self, batch_id: str) -> bool:
        self.collected.append(batch_id)
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, body: bytes, secret: str = SECRET, notice: str = "wh_1", **changes: str) -> int:
        headers = {**signed_webhook(notice, NOW, body, secret), **changes}
        return self.client.post(PATH, content=body, headers=headers).status_code


def event(batch: str = "batch_1", kind: str = "batch.completed", **more: Any) -> bytes:
    return json.dumps({"type": kind, "data": {"id": batch, **more}}).encode()


@pytest.mark.parametrize("kind", ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"])
def test_a_genuine_notice_has_its_batch_collected(kind: str):
    receiver = Receiver()
    assert receiver.send(event(kind=kind)) == 202
    assert receiver.collected == ["batch_1"]


def test_a_notice_that_is_sent_again_changes_nothing():
    receiver = Receiver()
    assert [receiver.send(event()) for _ in range(3)] == [202, 204, 204]
    assert receiver.send(event("batch_2"), notice="wh_2") == 202
    assert receiver.collected == ["batch_1", "batch_2"]


@pytest.mark.parametrize("failure", [False, RuntimeError("of a library")])
def test_a_notice_whose_collection_failed_is_taken_again_until_it_succeeds(failure: bool | Exception):
    receiver = Receiver()
    receiver.answers = [failure, failure]
    assert [receiver.send(event()) for _ in range(4)] == [503, 503, 202, 204]
    assert receiver.collected == ["batch_1"] * 3


def test_a_notice_that_comes_again_while_its_batch_is_collected_waits_for_the_same_collection():
    collected, go_on = list[str](), threading.Event()

    def collect(batch_id: str) -> bool:
        collected.append(batch_id)
        return go_on.wait(60) and False

    async def told() -> list[int]:
        app = BatchWebhook(Starlette(), [SECRET], "", collect, clock=lambda: NOW, patience=0.01)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://any.example") as client:
            headers = signed_webhook("wh_1", NOW, event(), SECRET)
            early = [(await client.post(PATH, content=event(), headers=headers)).status_code for _ in range(2)]
            assert len(collected) <= 1, "one collection at a time"
            go_on.set()
            late = early[-1]
            while late == 202:  # a failed collection does not use the notice up
                late = (await client.post(PATH, content=event(), headers=headers)).status_code
            return [*early, late]

    assert asyncio.run(told()) == [202, 202, 503]


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_an_old_or_early_notice_is_refused_also_where_its_id_is_forgotten(seconds: int):
    receiver = Receiver()
    assert receiver.send(event()) == 202
    receiver.now += seconds
    assert receiver.send(event()) == 401
    assert receiver.send(event(), notice="wh_2") == 401
    assert receiver.collected == ["batch_1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-id": "wh_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": "soon"},
    ],
)
def test_a_forged_notice_is_refused(changes: dict[str, str]):
    receiver = Receiver()
    assert receiver.send(event(), **changes) == 401
    assert receiver.send(event(), "whsec_Zm9yZ2Vk") == 401
    assert receiver.client.post(PATH, content=event()).status_code == 401
    signed = signed_webhook("wh_1", NOW, event(), SECRET)
    assert receiver.client.post(PATH, content=event("batch_2"), headers=signed).status_code == 401
    assert receiver.collected == []
    assert receiver.send(event()) == 202, "a forgery does not use an id up"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", event("../../etc"), event("b" * 129), b'{"type": "batch.completed"}']
)
def test_a_signed_body_that_names_no_batch_is_refused(body: bytes):
    receiver = Receiver()
    assert receiver.send(body) == 401
    assert receiver.collected == []


def test_other_events_are_taken_and_ignored():
    receiver = Receiver()
    assert receiver.send(event(kind="response.completed")) == 204
    assert receiver.collected == []


def test_only_small_posts_are_read():
    receiver = Receiver()
    assert receiver.send(b"x" * (LARGEST_NOTICE + 1)) == 413
    assert receiver.client.get(PATH).status_code == 405
    assert receiver.client.put(PATH).headers["allow"] == "POST"
    assert receiver.client.post("/webhooks/batches/more").status_code == 404


def test_both_secrets_count_while_one_is_replaced_and_a_prefix_may_stay():
    receiver = Receiver(SECRET, OLDER, prefix="/farebox")
    assert receiver.send(event(), OLDER) == 202
    headers = signed_webhook("wh_2", NOW, event(), SECRET)
    assert receiver.client.post(f"/farebox{PATH}", content=event(), headers=headers).status_code == 202


def with_secret(small: Runtime, monkeypatch: pytest.MonkeyPatch, value: str | None) -> Runtime:
    monkeypatch.delenv("WEBHOOK_OF_A_TEST", raising=False)
    if value is not None:
        monkeypatch.setenv("WEBHOOK_OF_A_TEST", value)
    update = {"batches": BatchSettings(webhook_secret_env="WEBHOOK_OF_A_TEST"), "web": WebSettings()}
    monkeypatch.setattr(small, "settings", small.settings.model_copy(update=update))
    return small


def test_the_server_takes_notices_without_its_token_and_only_where_it_is_set(
    small: Runtime, monkeypatch: pytest.MonkeyPatch
):
    body, now = event("batch_of_somebody_else"), int(time.time())
    headers = signed_webhook("wh_1", now, body, SECRET)
    plain = TestClient(web_app(small, follow=False), base_url="http://127.0.0.1:4201")
    assert plain.post(PATH, content=body, headers=headers).status_code == 404
    app = web_app(with_secret(small, monkeypatch, f"{SECRET},{OLDER}"), token="a-token-of-16-letters", follow=False)
    client = TestClient(app, base_url="https://public.example")
    answer = client.post(PATH, content=body, headers=headers)
    assert answer.status_code == 202
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/budgets", follow_redirects=False).status_code in {302, 303, 401}, "pages still need it"
    assert client.post(PATH, content=body, headers={**headers, "webhook-id": "x"}).status_code == 401


@pytest.mark.parametrize("value", [None, "", "whsec_", "whsec_no base64!", "whsec_%%%"])
def test_a_missing_or_unusable_secret_is_told_without_it(
    small: Runtime, monkeypatch: pytest.MonkeyPatch, value: str | None
):
    with pytest.raises(ConfigError) as told:
        webhook_secrets(with_secret(small, monkeypatch, value))
    assert "WEBHOOK_OF_A_TEST" in told.value.message
    assert not value or value not in told.value.message
