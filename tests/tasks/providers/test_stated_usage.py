"""What replies state beside their tokens: what was read from caches, what it cost, and which tier served it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.usage import Usage
from tasks.providers import adapter_for
from tasks.providers.json_fields import stated_cost
from tasks.providers.messages import ModelReply
from tasks.sandbox.dialects.eventstream import event as aws_event
from tests.support.exchanges import target

COUNTS = {"prompt_tokens": 100, "completion_tokens": 7}


def replies(provider: str, usage: dict[str, Any], **more: Any) -> list[ModelReply]:
    """The same reply whole and streamed."""
    adapter, where = adapter_for(provider), target(provider)
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    whole = adapter.decode(where, 200, {}, json.dumps({"choices": [choice], "usage": usage, **more}).encode())
    reader = adapter.stream(where, {})
    chunk = {"choices": [{"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}], **more}
    last = {"choices": [], "usage": usage, **more}
    reader.feed(f"data: {json.dumps(chunk)}\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())
    return [whole, reader.finish()]


@pytest.mark.parametrize(
    ("provider", "counts", "read", "written"),
    [
        ("deepseek", {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, 64, None),
        ("deepseek", {"prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 100}, 0, None),
        ("deepseek", {"prompt_tokens_details": {"cached_tokens": 64}, "prompt_cache_hit_tokens": 64}, 64, None),
        ("deepseek", {"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 0}, 0, None),
        ("deepseek", {"prompt_tokens_details": None, "prompt_cache_hit_tokens": 64}, 64, None),
        ("openrouter", {"prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 30}}, 40, 30),
        ("openrouter", {"prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}}, 0, 0),
        ("openai_compatible", {"cached_tokens": 12}, 12, None),
        ("openai", {}, None, None),
    ],
)
def test_cached_tokens(provider: str, counts: dict[str, Any], read: int | None, written: int | None):
    for reply in replies(provider, COUNTS | counts):
        assert reply.usage == Usage(100, 7, cache_read_tokens=read, cache_write_tokens=written)


@pytest.mark.parametrize(
    ("cost", "nano"),
    [
        (0.00014, 140_000),
        (0.1, 100_000_000),
        (0.30000000000000004, 300_000_001),
        (1e-9, 1),
        (1.5e-10, 1),
        (0, 0),
        (3, 3_000_000_000),
        ("0.0123", 12_300_000),
        (0.000001234, 1_234),
    ],
)
def test_openrouter_states_what_it_bills(cost: Any, nano: int):
    assert [reply.cost_nano for reply in replies("openrouter", COUNTS | {"cost": cost})] == [nano, nano]


@pytest.mark.parametrize("cost", [None, -1, -0.0001, True, "free", [], {}, 1e12, 1001])
def test_what_is_no_cost_is_not_taken(cost: Any):
    assert [reply.cost_nano for reply in replies("openrouter", COUNTS | {"cost": cost})] == [None, None]


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_nor_is_what_json_does_not_have(cost: str):
    assert stated_cost(cost) is None


def test_a_key_of_one_s_own_adds_the_bill_of_the_model_behind():
    counts = COUNTS | {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}}
    assert replies("openrouter", counts)[0].cost_nano == 2_100_000
    assert replies("openrouter", counts | {"is_byok": False})[0].cost_nano == 100_000


@pytest.mark.parametrize("provider", ["openai", "groq", "openai_compatible", "xai"])
def test_elsewhere_a_cost_may_be_in_any_currency(provider: str):
    assert [reply.cost_nano for reply in replies(provider, COUNTS | {"cost": 0.01})] == [None, None]


@given(st.decimals(min_value=0, max_value=100, places=9))
def test_every_cost_in_whole_nano_dollars_is_exact(dollars: Decimal):
    written = format(dollars.normalize(), "f") if dollars else "0"
    assert stated_cost(json.loads(written)) == int(dollars * 10**9)


@pytest.mark.parametrize("tier", ["default", "flex", "priority", "on_demand"])
def test_the_tier_that_served(tier: str):
    for reply in (*replies("openai", COUNTS, service_tier=tier), *replies("groq", COUNTS, service_tier=tier)):
        assert reply.service_tier == tier
    body = {"content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn"}
    counts = {"input_tokens": 1, "output_tokens": 1, "service_tier": tier}
    whole = adapter_for("anthropic").decode(target("anthropic"), 200, {}, json.dumps(body | {"usage": counts}).encode())
    assert whole.service_tier == tier
    reader = adapter_for("anthropic").stream(target("anthropic"), {})
    for event in (
        {"type": "message_start", "message": {"usage": counts}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ):
        reader.feed(f"data: {json.dumps(event)}\n\n".encode())
    assert reader.finish().service_tier == tier


def test_the_tier_of_bedrock():
    answer = {"output": {"message": {"content": [{"text": "Yes."}]}}, "stopReason": "end_turn"}
    body = json.dumps(answer | {"serviceTier": {"type": "flex"}}).encode()
    assert adapter_for("bedrock").decode(target("bedrock"), 200, {}, body).service_tier == "flex"
    reader = adapter_for("bedrock").stream(target("bedrock"), {})
    reader.feed(aws_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Yes."}}))
    reader.feed(aws_event("messageStop", {"stopReason": "end_turn"}))
    reader.feed(
        aws_event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}, "serviceTier": {"type": "flex"}})
    )
    assert reader.finish().service_tier == "flex"


@pytest.mark.parametrize("tier", [None, 3, "", "a b", "x" * 41, "<script>"])
def test_what_is_no_tier_is_none(tier: Any):
    assert replies("openai", COUNTS, service_tier=tier)[0].service_tier is None
