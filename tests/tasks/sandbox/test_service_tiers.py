"""The sandbox serves service tiers as each provider does: it says which one served, refuses, downgrades, and bills so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tasks.providers import classify
from tasks.sandbox import SandboxEntry

Inject = Callable[..., None]
Journal = Callable[[], list[SandboxEntry]]
TEXT = "The disk was full on Monday."

PATHS = {
    "openai": "v1/chat/completions",
    "responses": "v1/responses",
    "groq": "openai/v1/chat/completions",
    "anthropic": "v1/messages",
    "bedrock": "model/m/converse",
    "gemini": "v1beta/models/m:generateContent",
}


@pytest.fixture
def post(client: httpx.Client) -> Callable[[str, str | None], httpx.Response]:
    def post(dialect: str, tier: str | None) -> httpx.Response:
        body: dict[str, Any]
        if dialect == "bedrock":
            body = {"messages": [{"role": "user", "content": [{"text": TEXT}]}], "inferenceConfig": {"maxTokens": 20}}
            body |= {"serviceTier": {"type": tier}} if tier else {}
        elif dialect == "gemini":
            body = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}
        elif dialect == "responses":
            body = {
                "model": "m",
                "input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT}]}],
                "max_output_tokens": 20,
                "store": False,
            }
        else:
            body = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": TEXT}]}
        if tier and dialect != "bedrock":
            body["service_tier"] = tier
        return client.post(f"/t/t1/{PATHS[dialect]}", json=body)

    return post


def told(dialect: str, response: httpx.Response) -> Any:
    """The reply's word for the service tier."""
    body = response.json()
    match dialect:
        case "anthropic":
            return body["usage"]["service_tier"]
        case "bedrock":
            return body.get("serviceTier", {}).get("type")
        case "gemini":
            return response.headers.get("x-gemini-service-tier")
        case _:
            return body["service_tier"]


@pytest.mark.parametrize(
    ("dialect", "asked", "word", "billed"),
    [
        ("openai", None, "default", "standard"),
        ("openai", "auto", "default", "standard"),
        ("openai", "flex", "flex", "flex"),
        ("openai", "priority", "priority", "priority"),
        ("responses", "flex", "flex", "flex"),
        ("responses", None, "default", "standard"),
        ("groq", None, "on_demand", "standard"),
        ("groq", "flex", "flex", "flex"),
        ("groq", "performance", "performance", "priority"),
        ("anthropic", "auto", "standard", "standard"),
        ("anthropic", "standard_only", "standard", "standard"),
        ("bedrock", None, None, "standard"),
        ("bedrock", "flex", "flex", "flex"),
        ("bedrock", "default", "default", "standard"),
        ("gemini", None, "standard", "standard"),
        ("gemini", "priority", "priority", "priority"),
    ],
)
def test_a_reply_names_the_service_tier_and_the_journal_bills_it(
    post: Callable[..., httpx.Response],
    journal: Journal,
    dialect: str,
    asked: str | None,
    word: str | None,
    billed: str,
):
    response = post(dialect, asked)
    assert response.status_code == 200, response.text
    assert told(dialect, response) == word
    assert (journal()[-1].billed, journal()[-1].service_tier) == (True, billed)


@pytest.mark.parametrize(
    ("dialect", "wrong"),
    [("openai", "cheap"), ("groq", "default"), ("anthropic", "flex"), ("bedrock", "fast"), ("gemini", "auto")],
)
def test_a_word_that_the_dialect_does_not_have_is_refused(
    post: Callable[..., httpx.Response], dialect: str, wrong: str
):
    response = post(dialect, wrong)
    assert response.status_code == 400
    assert "service_tier" in response.text


@pytest.mark.parametrize(
    ("dialect", "tier", "status"),
    [
        ("openai", "flex", 429),
        ("responses", "flex", 429),
        ("groq", "flex", 498),
        ("bedrock", "flex", 503),
        ("gemini", "priority", 503),
    ],
)
def test_a_tier_without_capacity_refuses_those_who_name_it_and_no_others(
    post: Callable[..., httpx.Response], inject: Inject, journal: Journal, dialect: str, tier: str, status: int
):
    inject({"kind": "tier_full"})
    response = post(dialect, tier)
    assert response.status_code == status
    provider = "openai" if dialect == "responses" else dialect
    why = classify(provider, response.status_code, response.headers, response.content)
    assert (why.kind, why.maybe_billed) == ("overloaded", False)
    assert not journal()[-1].billed
    assert post(dialect, None).status_code == 200


def test_another_tier_may_serve_a_request_and_its_reply_says_so(
    post: Callable[..., httpx.Response], inject: Inject, journal: Journal
):
    inject({"kind": "tier", "service_tier": "default"})
    assert told("openai", post("openai", "priority")) == "default"
    assert journal()[-1].service_tier == "standard"
    inject({"kind": "tier", "service_tier": "scale"})
    assert told("responses", post("responses", None)) == "scale"
    assert journal()[-1].service_tier == "scale"
    inject({"kind": "tier"})
    assert told("gemini", post("gemini", "priority")) == "standard"
