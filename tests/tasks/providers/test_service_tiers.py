"""How each provider is asked for a service tier, how its reply names one, and what a refusal for lack of capacity is."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tasks.providers import adapter_for, classify, provider_names, spec_of
from tasks.providers.failure_kinds import failure, without_capacity
from tasks.providers.messages import Message, ModelRequest
from tasks.providers.service_tiers import served_tier
from tasks.routing.target import Target

REQUEST = ModelRequest([Message.of("user", "Hi")], 20)


def target(provider: str, model: str = "m") -> Target:
    return Target("t", provider, model, "light", 200_000, 8_000, "https://x.example/v1", "d", region="us-east-1")


def body(provider: str, tier: Any, model: str = "m") -> dict[str, Any]:
    wire = adapter_for(provider).encode(target(provider, model), replace(REQUEST, service_tier=tier))
    found: dict[str, Any] = json.loads(wire.body)
    return found


@pytest.mark.parametrize(
    ("provider", "model", "tier", "field", "value"),
    [
        ("openai", "gpt-5", "flex", "service_tier", "flex"),
        ("openai", "gpt-5", "standard", "service_tier", "default"),
        ("openai", "gpt-5", "priority", "service_tier", "priority"),
        ("openai", "gpt-5-pro", "flex", "service_tier", "flex"),  # by Responses
        ("groq", "openai/gpt-oss-120b", "flex", "service_tier", "flex"),
        ("groq", "openai/gpt-oss-120b", "standard", "service_tier", "on_demand"),
        ("groq", "openai/gpt-oss-120b", "priority", "service_tier", "performance"),
        ("anthropic", "claude-sonnet-4-6", "standard", "service_tier", "standard_only"),
        ("anthropic", "claude-sonnet-4-6", "priority", "service_tier", "auto"),
        ("bedrock", "us.amazon.nova-pro-v1:0", "flex", "serviceTier", {"type": "flex"}),
        ("bedrock", "us.amazon.nova-pro-v1:0", "standard", "serviceTier", {"type": "default"}),
        ("gemini", "gemini-2.5-flash", "flex", "service_tier", "flex"),
        ("mistral", "mistral-small-latest", "standard", "service_tier", "standard_only"),
    ],
)
def test_each_dialect_says_it_in_its_own_words(provider: str, model: str, tier: Any, field: str, value: object):
    assert body(provider, tier, model)[field] == value


@pytest.mark.parametrize("provider", sorted(provider_names()))
@pytest.mark.parametrize("tier", [None, "batch"])
def test_nothing_is_sent_where_none_is_named_and_batches_have_another_api(provider: str, tier: Any):
    sent = body(provider, tier)
    assert "service_tier" not in sent
    assert "serviceTier" not in sent


@pytest.mark.parametrize("provider", sorted(provider_names()))
def test_a_provider_only_offers_tiers_that_a_request_can_name(provider: str):
    offered = spec_of(provider).features.service_tiers
    assert set(offered) <= {"standard", "priority", "flex"}
    assert all(served_tier(word) in {tier, None, "standard"} for tier, word in offered.items())


@pytest.mark.parametrize(
    ("word", "tier"),
    [
        (None, None),
        ("", None),
        ("auto", None),
        ("default", "standard"),
        ("on_demand", "standard"),
        ("STANDARD", "standard"),
        ("SERVICE_TIER_FLEX", "flex"),
        ("fast", "priority"),
        ("performance", "priority"),
        ("batch", "batch"),
        ("scale", "scale"),
        ("reserved", "reserved"),
    ],
)
def test_the_words_of_replies(word: str | None, tier: str | None):
    assert served_tier(word) == tier


def test_the_responses_api_tells_it_whole_and_streamed():
    place = target("openai", "gpt-5-pro")
    said = {"type": "output_text", "text": "Hi", "annotations": []}
    output = [{"type": "message", "role": "assistant", "id": "m1", "status": "completed", "content": [said]}]
    counts = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    reply = {"object": "response", "status": "completed", "service_tier": "flex", "output": output, "usage": counts}
    whole = adapter_for("openai").decode(place, 200, {}, json.dumps(reply).encode())
    assert whole.service_tier == "flex"
    reader = adapter_for("openai").stream(place, {})
    created = {"type": "response.created", "response": {**reply, "service_tier": "auto", "status": "in_progress"}}
    for event in (created, {"type": "response.completed", "response": reply}):
        reader.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    assert reader.finish().service_tier == "flex"


def test_geminis_header_holds_for_a_stream():
    reader = adapter_for("gemini").stream(target("gemini"), {"X-Gemini-Service-Tier": "priority"})
    piece = {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
    }
    reader.feed(f"data: {json.dumps(piece)}\r\n\r\n".encode())
    assert reader.finish().service_tier == "priority"


@pytest.mark.parametrize(
    ("provider", "status", "reply"),
    [
        ("openai", 429, {"error": {"message": "Resource unavailable", "type": "rate_limit_error", "code": None}}),
        (
            "openai",
            429,
            {
                "error": {
                    "message": "429 Resource Unavailable: try later.",
                    "type": None,
                    "code": "resource_unavailable",
                }
            },
        ),
        ("openai", 429, {"error": {"message": "The requested resources are currently unavailable.", "code": None}}),
        (
            "groq",
            498,
            {
                "error": {
                    "message": "Flex tier capacity exceeded",
                    "type": "capacity_exceeded",
                    "code": "capacity_exceeded",
                }
            },
        ),
        ("groq", 498, {}),
        ("gemini", 503, {"error": {"code": 503, "message": "Shed", "status": "UNAVAILABLE"}}),
        ("bedrock", 503, {"__type": "ServiceUnavailableException", "message": "No capacity"}),
    ],
)
def test_a_refusal_for_want_of_room_is_no_outage_where_a_tier_was_named(
    provider: str, status: int, reply: dict[str, Any]
):
    why = classify(provider, status, {}, json.dumps(reply).encode())
    assert (why.kind, why.maybe_billed) == ("overloaded", False)
    full = without_capacity(why)
    assert (full.kind, full.retry_same_target, full.fallback) == ("tier_capacity", True, True)


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "quota_exhausted", "timeout", "auth"])
def test_other_failures_stay_what_they_are(kind: Any):
    why = failure(kind, status=429)
    assert without_capacity(why) is why
    billed = failure("overloaded", status=200, maybe_billed=True)
    assert without_capacity(billed) is billed
