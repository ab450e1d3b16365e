"""Speakers of OpenAI's dialect with addresses, headers and names of their own."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter, with_config

from farebox.config.keys import Key
from farebox.config.settings import TargetSettings
from farebox.config.targets import build_target
from pricing.errors import ConfigError
from pricing.rates import RateCard
from tasks.providers import ReplyError, adapter_for, classify
from tasks.providers.messages import HttpRequest, ModelReply
from tasks.providers.options import RequestOptions
from tasks.routing import Credential
from tasks.sandbox import Latency, Sandbox
from tests.support.exchanges import request, target

RESOURCE = "https://one.openai.azure.com"
CLASSIC = f"{RESOURCE}/openai/deployments/gpt%2041/chat/completions?api-version="


def azure(base_url: str, key: str = "0123456789abcdef", *, stream: bool = False) -> HttpRequest:
    where = target("azure_openai", base_url=base_url, model="gpt 41", credential=Credential(key=key))
    return adapter_for("azure_openai").encode(where, request(), stream=stream, attempt_id="a1")


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (RESOURCE, f"{CLASSIC}2024-10-21"),
        (f"{RESOURCE}/", f"{CLASSIC}2024-10-21"),
        (f"{RESOURCE}/openai", f"{CLASSIC}2024-10-21"),
        (f"{RESOURCE}?api-version=2025-01-01-preview", f"{CLASSIC}2025-01-01-preview"),
        (f"{RESOURCE}/openai/deployments/gpt%2041/chat/completions?api-version=2025-01-01", f"{CLASSIC}2025-01-01"),
        (f"{RESOURCE}/openai/deployments/other?api-version=2025-01-01", f"{CLASSIC}2025-01-01"),
        (f"{RESOURCE}/openai/v1", f"{RESOURCE}/openai/v1/chat/completions"),
        (f"{RESOURCE}/openai/v1/", f"{RESOURCE}/openai/v1/chat/completions"),
        (f"{RESOURCE}/openai/v1?api-version=preview", f"{RESOURCE}/openai/v1/chat/completions?api-version=preview"),
        ("https://two.services.ai.azure.com/openai/v1", "https://two.services.ai.azure.com/openai/v1/chat/completions"),
        ("https://apim.example.com/models/openai/v1", "https://apim.example.com/models/openai/v1/chat/completions"),
    ],
)
def test_both_addresses_of_azure(base_url: str, url: str):
    assert azure(base_url).url == url


def test_keys_and_tokens_of_azure():
    sent = azure(RESOURCE)
    assert sent.headers["api-key"] == "0123456789abcdef"
    assert "Authorization" not in sent.headers
    token = azure(RESOURCE, "eyJ0.eyJhdWQi.c2ln")
    assert token.headers["Authorization"] == "Bearer eyJ0.eyJhdWQi.c2ln"
    assert "api-key" not in token.headers
    where = target("azure_openai", base_url=RESOURCE, extra_headers={"api-key": "of the gateway"})
    assert adapter_for("azure_openai").encode(where, request()).headers["api-key"] == "of the gateway"


def test_the_sdk_accepts_azure_s_bodies():
    body = json.loads(azure(RESOURCE).body)
    TypeAdapter(with_config(ConfigDict(extra="forbid"))(CompletionCreateParamsNonStreaming)).validate_python(body)
    assert body["max_completion_tokens"] == 500
    assert body["response_format"]["json_schema"]["strict"] is True


def test_what_azure_s_filter_stops():
    chunk = {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
    last = {"choices": [{"index": 0, "delta": {"content": "It"}, "finish_reason": "content_filter"}]}
    reader = adapter_for("azure_openai").stream(target("azure_openai"), {})
    reader.feed(f"data: {json.dumps(chunk)}\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())
    assert reader.finish().stop == "content_filter"
    error = {"error": {"message": "The response was filtered", "type": None, "param": "prompt", "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}  # fmt: skip
    assert classify("azure_openai", 400, {}, json.dumps(error).encode()).kind == "content_policy"
    for code in ("DeploymentNotFound", "401", "429"):
        reply = json.dumps({"error": {"code": code, "message": "x"}}).encode()
        kinds = {"DeploymentNotFound": "not_found", "401": "auth", "429": "rate_limit"}
        status = {"DeploymentNotFound": 404}.get(code) or int(code)
        assert classify("azure_openai", status, {}, reply).kind == kinds[code]


def test_azure_needs_an_address():
    settings = {"name": "az", "provider": "azure_openai", "model": "gpt-4.1", "tier": "light"}
    key = Key("here", lambda: Credential(key="k"))
    with pytest.raises(ConfigError, match="has no base_url") as raised:
        build_target(TargetSettings.model_validate(settings), RateCard.load(), key)
    assert "address of your resource" in str(raised.value.next_step)
    built = build_target(TargetSettings.model_validate(settings | {"base_url": RESOURCE}), RateCard.load(), key)
    assert built.base_url == RESOURCE


def mistral(**options: Any) -> dict[str, Any]:
    sent = adapter_for("mistral").encode(target("mistral"), request(options=RequestOptions(**options)))
    assert sent.url == "https://api.mistral.ai/v1/chat/completions"
    body: dict[str, Any] = json.loads(sent.body)
    return body


def test_mistral_s_names():
    body = mistral(seed=7, tool_choice="required", parallel_tool_calls=False, stop=("END",), top_p=0.5)
    assert (body["random_seed"], body["tool_choice"], body["parallel_tool_calls"]) == (7, "any", False)
    assert "seed" not in body
    assert (body["stop"], body["top_p"], body["max_tokens"]) == (["END"], 0.5, 500)
    assert mistral(tool_choice="weather")["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["response_format"]["type"] == "json_schema"
    calls = [call["id"] for message in body["messages"] for call in message.get("tool_calls", ())]
    assert all(len(one) == 9 and one.isalnum() for one in calls)
    streamed = json.loads(adapter_for("mistral").encode(target("mistral"), request(), stream=True).body)
    assert streamed["stream"] is True
    assert "stream_options" not in streamed


def said(content: Any, finish: str = "stop", **message: Any) -> ModelReply:
    choice = {"index": 0, "message": {"role": "assistant", "content": content} | message, "finish_reason": finish}
    body = {"id": "1", "model": "m", "choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}
    return adapter_for("mistral").decode(target("mistral"), 200, {}, json.dumps(body).encode())


def test_mistral_s_thoughts_are_left_out():
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    assert said([thought, {"type": "text", "text": "It rains."}]).text == "It rains."
    assert said("It", "model_length").stop == "length"
    assert said("It", "error").stop == "malformed"
    call = {"id": "abcdefghi", "function": {"name": "weather", "arguments": {"city": "Bern"}}}
    assert said("", "tool_calls", tool_calls=[call]).tool_calls[0].arguments == {"city": "Bern"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"message": "Unauthorized", "request_id": "x"}, "auth"),
        (429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}, "rate_limit"),
        (429, {"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "service_tier_capacity_exceeded", "code": "3505"}, "overloaded"),
        (400, {"object": "error", "message": "Invalid model: nope", "type": "invalid_model", "code": "1500"}, "not_found"),
        (400, {"object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", "type": "invalid_request_prompt", "code": "3051"}, "context_overflow"),
        (422, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]}, "type": "invalid_request_error"}, "invalid_request"),
        (402, {"message": "Payment required"}, "quota_exhausted"),
        (503, b"upstream connect error", "overloaded"),
    ],
)  # fmt: skip
def test_mistral_s_errors(status: int, body: Any, kind: str):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert classify("mistral", status, {}, raw).kind == kind
    with pytest.raises(ReplyError):
        adapter_for("mistral").decode(target("mistral"), status, {}, raw)


@pytest.mark.parametrize(
    ("provider", "path"), [("azure_openai", ""), ("azure_openai", "/openai/v1"), ("mistral", "/v1"), ("cohere", "/v1")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_sandbox_stands_in_for_them(provider: str, path: str, stream: bool, tmp_path: Path):
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as sandbox:
        where = target(provider, base_url=f"{sandbox.url}/t/own{path}")
        for asked in (request(tools=()), request(schema=None), request()):
            wire = adapter_for(provider).encode(where, asked, stream=stream)
            answer = httpx.post(wire.url, headers=dict(wire.headers), content=wire.body)
            assert answer.status_code == 200, answer.text
            if stream:
                reader = adapter_for(provider).stream(where, answer.headers)
                reader.feed(answer.content)
                reply = reader.finish()
            else:
                reply = adapter_for(provider).decode(where, 200, answer.headers, answer.content)
            assert reply.stop in {"end", "tool_calls"}
