"""What each model family is sent about reasoning: against the SDKs' types, the tokens for it, and what must not be sent."""

import json
from dataclasses import replace
from typing import Any

import pytest
from anthropic.types import message_create_params
from botocore.session import Session
from botocore.validate import ParamValidator
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter, with_config

from pricing.content import ProviderStatePart, ToolCallPart, ToolResultPart
from tasks.providers import adapter_for, classify, provider_names
from tasks.providers.conversations import state_family
from tasks.providers.messages import Message, ModelRequest
from tasks.providers.reasoning import ALLOWANCES, LEVELS, rules_of
from tasks.providers.reasoning_fields import level_of, output_limit, takes
from tests.support.exchanges import WEATHER, request, target

CONVERSE = Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
PLAIN: dict[str, Any] = {"tools": (), "schema": None, "messages": (Message.of("user", "Why?"),)}


def body_of(provider: str, model: str, setting: Any = None, **changes: Any) -> Any:
    asked = request(**{**PLAIN, "reasoning": setting, **changes})
    sent = adapter_for(provider).encode(target(provider, model=model, max_output=16_384), asked)
    return json.loads(sent.body)


def sdk_accepts(provider: str, body: Any) -> None:
    if provider == "bedrock":
        assert not ParamValidator().validate({"modelId": "m", **body}, CONVERSE).has_errors()
        return
    params = (
        message_create_params.MessageCreateParamsNonStreaming
        if provider == "anthropic"
        else CompletionCreateParamsNonStreaming
    )
    ours = {"reasoning_format", "reasoning", "thinking", "chat_template_kwargs"}
    # The SDK's own API version has no temperature any more; ours, which older models need, has.
    left_out = {"temperature"} if provider == "anthropic" else ours
    known = {key: value for key, value in body.items() if key not in left_out}
    TypeAdapter(with_config(ConfigDict(extra="forbid"))(params)).validate_python(known)


CLAUDE: list[tuple[Any, ...]] = [
    # model, unset, none, high, max, temperature when unset, temperature when high
    ("claude-fable-5", {}, "low", "high", "max", False, False),
    ("claude-opus-5-5", {}, "low", "high", "max", False, False),
    ("claude-sonnet-5-5", {}, {"type": "between_tools"}, "high", "max", False, False),
    ("claude-haiku-5-5", {}, {"type": "disabled"}, "high", "max", False, False),
    ("claude-opus-5", {}, {"type": "disabled"}, "high", "max", False, False),
    ("claude-sonnet-5", {}, {"type": "disabled"}, "high", "max", False, False),
    ("claude-opus-4-8", {}, {}, "high", "max", False, False),
    ("claude-opus-4-6", {}, {}, "high", "max", True, False),
    ("claude-sonnet-4-6", {}, {}, "high", "max", True, False),
    ("claude-opus-4-5", {}, {}, 16_384, 32_768, True, False),
    ("claude-haiku-4-5", {}, {}, 16_384, 32_768, True, False),
    ("claude-3-5-haiku-20241022", {}, {}, None, None, True, True),
]


@pytest.mark.parametrize(("model", "unset", "none", "high", "top", "plain", "thinking"), CLAUDE)
@pytest.mark.parametrize("provider", ["anthropic", "bedrock"])
def test_claude(provider: str, model: str, unset: Any, none: Any, high: Any, top: Any, plain: bool, thinking: bool):
    called = model if provider == "anthropic" else f"eu.anthropic.{model}"

    def sent(setting: Any) -> tuple[Any, Any, bool]:
        body = body_of(provider, called, setting)
        sdk_accepts(provider, body)
        fields = body if provider == "anthropic" else body.get("additionalModelRequestFields", {})
        warm = "temperature" in (body if provider == "anthropic" else body["inferenceConfig"])
        return fields.get("thinking", {}), fields.get("output_config", {}).get("effort"), warm

    assert sent(None) == (unset, None, plain)
    block, effort, _ = sent("none")
    assert (block if effort is None else effort) == none
    for setting, word in (("high", high), ("max", top)):
        block, effort, warm = sent(setting)
        if isinstance(word, int):
            assert block == {"type": "enabled", "budget_tokens": word}
        elif word is None:
            assert (block, effort) == ({}, None)
        else:
            assert (block, effort) == ({"type": "adaptive"}, word)
        assert warm is thinking


def test_the_effort_stands_beside_the_schema():
    body = body_of("anthropic", "claude-opus-5", "low", schema=request().schema)
    assert body["output_config"]["effort"] == "low"
    assert body["output_config"]["format"]["type"] == "json_schema"


CHAT = [
    ("openai", "gpt-6-luna", {"none": "none", "low": "low", "high": "high"}, None),
    ("openai", "gpt-6.1-terra", {"none": "none", "medium": "medium"}, None),
    ("openai", "gpt-6-astra", {"none": "low", "low": "low"}, None),
    ("openai", "gpt-5.5", {"none": "none", "max": "xhigh"}, None),
    ("openai", "gpt-5.4-mini", {"none": "none", "high": "high"}, None),
    ("openai", "gpt-5.1", {"none": "none", "max": "high"}, None),
    ("openai", "gpt-5-mini", {"none": "minimal", "low": "low", "max": "high"}, None),
    ("openai", "o3", {"none": "low", "max": "high"}, None),
    ("openai", "gpt-5.2-chat-latest", {"none": "medium", "high": "medium"}, None),
    ("openai", "gpt-4.1-mini", {"none": None, "high": None}, None),
    ("groq", "openai/gpt-oss-120b", {"none": "low", "low": "low", "max": "high"}, None),
    ("groq", "qwen/qwen3.8-27b", {"none": "none", "high": "high"}, None),
    ("groq", "llama-3.1-8b-instant", {"none": None, "high": None}, None),
    ("deepseek", "deepseek-flash", {"low": "low", "medium": "high", "max": "max"}, None),
    ("xai", "grok-4.7", {"none": "low", "max": "xhigh"}, None),
    ("openai_compatible", "our-own", {"none": "none", "high": "high", "max": "high"}, None),
    ("cerebras", "gpt-oss-120b", {"none": "low"}, None),
    ("cerebras", "zai-glm-4.7", {"none": "none", "high": None}, None),
    ("cerebras", "qwen-3-235b-a22b-instruct-2507", {"none": None, "high": None}, None),
    ("together", "openai/gpt-oss-20b", {"none": "low", "max": "high"}, None),
    ("fireworks", "accounts/fireworks/models/gpt-oss-120b", {"none": "low"}, None),
    ("fireworks", "accounts/fireworks/models/glm-5p2", {"none": "none", "low": "high", "max": "max"}, None),
    ("fireworks", "accounts/fireworks/models/kimi-k2p6", {"none": "low", "max": "high"}, None),
    ("mistral", "mistral-medium-3-5", {"none": "none", "low": "high", "high": "high"}, None),
    ("mistral", "magistral-medium-2509", {"none": None, "high": None}, None),
    ("mistral", "codestral-2508", {"none": None, "high": None}, None),
    ("cohere", "command-a-reasoning-08-2025", {"none": "none", "medium": "high"}, None),
    ("cohere", "command-r-plus", {"none": None, "high": None}, None),
    ("azure_openai", "gpt-5-mini", {"none": "minimal", "max": "high"}, None),
    ("azure_openai", "team-gpt-5-1", {"none": "none", "max": "high"}, None),
    ("azure_openai", "gpt-6-luna", {"none": "none", "max": "xhigh"}, None),
    ("azure_openai", "gpt-41-mini", {"none": None, "high": None}, None),
    ("azure_openai", "prod-gpt-4o", {"none": None, "high": None}, None),
    ("azure_openai", "Prod-O4-mini", {"none": "low", "max": "high"}, None),
    ("azure_openai", "gpt-5-2025-08-07", {"none": "minimal"}, None),
    ("azure_openai", "gpt-oss-120b", {"none": "low"}, None),
    ("azure_openai", "foo1", {"none": "none", "high": "high"}, None),
    ("azure_openai", "mini-in-sweden", {"none": "none", "high": "high"}, None),
]


@pytest.mark.parametrize(("provider", "model", "words", "unset"), CHAT)
def test_chat_completions(provider: str, model: str, words: dict[str, Any], unset: Any):
    assert body_of(provider, model).get("reasoning_effort") == unset
    for setting, word in words.items():
        body = body_of(provider, model, setting)
        assert body.get("reasoning_effort") == word, setting
        sdk_accepts(provider, body)


def test_switches_of_other_kinds():
    off = {"type": "disabled"}
    assert body_of("deepseek", "deepseek-flash")["thinking"] == off, "it thinks unless told not to"
    assert body_of("deepseek", "deepseek-flash", "none")["thinking"] == off
    assert "thinking" not in body_of("deepseek", "deepseek-flash", "high")
    assert body_of("openrouter", "openai/gpt-oss-120b", "high")["reasoning"] == {"effort": "high"}
    assert body_of("vllm", "Qwen/Qwen3-32B", "none")["chat_template_kwargs"] == {"enable_thinking": False}
    assert body_of("vllm", "Qwen/Qwen3-32B", "high")["chat_template_kwargs"] == {"enable_thinking": True}


GEMINIS: list[tuple[str, dict[Any, Any], int]] = [
    # model, what is sent by setting, the tokens of an answer when nothing is set
    ("gemini-3.8-flash", {"none": "low", "medium": "medium", "max": "high"}, ALLOWANCES["medium"]),
    ("gemini-4-argon", {"none": "low", "high": "high"}, ALLOWANCES["medium"]),
    ("gemini-3.1-pro-preview", {"none": "low"}, ALLOWANCES["high"]),
    ("gemini-3-pro-preview", {"none": "low", "medium": "high", "max": "high"}, ALLOWANCES["high"]),
    ("gemini-3.5-flash-lite", {"none": "minimal", "low": "low"}, ALLOWANCES["low"]),
    ("gemini-flash-lite-latest", {"none": "low"}, ALLOWANCES["low"]),
    ("gemini-flash-latest", {"none": "low", "high": "high"}, ALLOWANCES["medium"]),
    ("gemini-2.5-flash", {"none": 0, "low": 2_048, "high": 16_384, "max": 24_576}, ALLOWANCES["medium"]),
    ("gemini-2.5-pro", {"none": 128, "medium": 8_192, "max": 32_768}, ALLOWANCES["medium"]),
    ("gemini-2.5-flash-lite", {"none": 0, "low": 2_048}, 0),
    ("gemini-2.0-flash", {"none": None, "high": None}, 0),
    ("gemini-2.5-flash-image", {"none": None, "high": None}, 0),
    ("gemma-3-27b-it", {"none": None, "high": None}, 0),
]


@pytest.mark.parametrize(("model", "sent", "unset"), GEMINIS)
@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_gemini(provider: str, model: str, sent: dict[Any, Any], unset: int):
    config = body_of(provider, model)["generationConfig"]
    assert config == {"maxOutputTokens": 500 + unset, "temperature": 0.2}
    for setting, word in sent.items():
        body = body_of(provider, model, setting)
        name = "thinkingLevel" if isinstance(word, str) else "thinkingBudget"
        thinking = None if word is None else {name: word, "includeThoughts": False}
        assert body["generationConfig"].get("thinkingConfig") == thinking
        assert "reasoning_effort" not in body
        room = ALLOWANCES[rules_of(provider, model).level(setting)]
        assert body["generationConfig"]["maxOutputTokens"] == 500 + room >= (word if isinstance(word, int) else 0)


def test_a_budget_of_gemini_leaves_the_answer_its_tokens():
    where = target("gemini", model="gemini-2.5-pro", max_output=60_000)
    asked = request(max_tokens=60_000, reasoning="max", schema=None)
    config = json.loads(adapter_for("gemini").encode(where, asked).body)["generationConfig"]
    assert config["maxOutputTokens"] == 65_535
    assert config["thinkingConfig"]["thinkingBudget"] == 5_535
    again = json.loads(adapter_for("gemini").encode(where, replace(asked, max_tokens=500, room_factor=2)).body)
    assert again["generationConfig"]["maxOutputTokens"] == 60_000 + 5_535
    assert again["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 32_768


def test_gemini_without_what_was_refused():
    for provider, model in (("gemini", "gemini-2.5-flash"), ("vertex", "gemini-4-argon")):
        body = body_of(provider, model, "high", without=frozenset({"reasoning"}))
        assert "thinkingConfig" not in body["generationConfig"]


@pytest.mark.parametrize(
    "message",
    [
        "Thinking level is not supported for this model.",
        "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
        "Budget 0 is invalid. This model only works in thinking mode.",
        "Unknown name \"thinkingConfig\" at 'generation_config': Cannot find field.",
        "thinking_budget is not supported by this model",
        "The thinking budget 40000 is invalid. Please choose a value between 128 and 32768.",
    ],
)
@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_gemini_refuses_a_level(provider: str, message: str):
    reply = json.dumps({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": message}}).encode()
    assert classify(provider, 400, {}, reply).refuses[0] == "reasoning"


def test_a_model_that_always_thinks_has_room_for_it():
    assert body_of("mistral", "magistral-medium-2509")["max_tokens"] == 500 + ALLOWANCES["high"]
    assert body_of("mistral", "mistral-medium-3-5")["max_tokens"] == 500


def test_azure_has_tools_only_without_reasoning_where_openai_needs_its_other_api():
    """``/v1/chat/completions`` answers 400 to "Function tools with reasoning_effort"."""
    for model, word in (("gpt-6-luna", "none"), ("gpt-5.6-terra", "none"), ("gpt-5.1", "high"), ("our-own", "high")):
        body = body_of("azure_openai", model, "high", tools=(WEATHER,))
        assert body["reasoning_effort"] == word
        sdk_accepts("azure_openai", body)
        assert ("temperature" in body) is (word == "none" or model == "our-own")
    assert body_of("azure_openai", "gpt-6-luna", tools=(WEATHER,))["reasoning_effort"] == "none", "by itself it thinks"
    assert body_of("azure_openai", "gpt-6-luna", "high", tools=(WEATHER,))["max_completion_tokens"] == 500
    assert body_of("azure_openai", "gpt-6-luna", "high")["reasoning_effort"] == "high"
    told = "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. Use /v1/responses."
    refused = classify("azure_openai", 400, {}, json.dumps({"error": {"message": told}}).encode()).refuses
    learnt: dict[str, Any] = {"without": frozenset(refused[:1])}
    for setting in (None, "high"):
        body = body_of("azure_openai", "our-own", setting, tools=(WEATHER,), **learnt)
        assert body["reasoning_effort"] == "none", "a deployment whose model its name does not tell"
    assert body_of("azure_openai", "our-own", "high", **learnt)["reasoning_effort"] == "high", "without tools it may"


CONVERSED = [
    ("openai.gpt-oss-120b-1:0", "none", {"reasoning_effort": "low"}),
    ("openai.gpt-oss-20b-1:0", "max", {"reasoning_effort": "high"}),
    ("global.openai.gpt-6-luna", "none", {"reasoning": {"effort": "none"}}),
    ("global.openai.gpt-6-astra", "none", {"reasoning": {"effort": "low"}}),
    ("qwen.qwen3-32b-v1:0", "high", {"reasoning_config": "high"}),
    ("deepseek.v3.2", "low", {"reasoning_effort": "high"}),
    ("xai.grok-4.7", "max", {"reasoning": {"effort": "xhigh"}}),
    ("eu.amazon.nova-2-lite-v1:0", "high", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
    ("eu.amazon.nova-2-lite-v1:0", "none", {}),
    ("amazon.nova-pro-v1:0", "high", {}),
    ("mistral.mistral-large-2402-v1:0", "high", {}),
]


@pytest.mark.parametrize(("model", "setting", "fields"), CONVERSED)
def test_converse(model: str, setting: str, fields: Any):
    body = body_of("bedrock", model, setting)
    assert body.get("additionalModelRequestFields", {}) == fields
    sdk_accepts("bedrock", body)


def test_a_reply_is_never_asked_for_less_than_bedrock_takes():
    body = body_of("bedrock", "global.openai.gpt-6-luna", "none", max_tokens=5)
    assert body["inferenceConfig"] == {"maxTokens": 16}


@pytest.mark.parametrize(
    ("provider", "model", "field"),
    [
        ("anthropic", "claude-opus-4-8", "max_tokens"),
        ("openai", "gpt-5.1", "max_completion_tokens"),
        ("groq", "openai/gpt-oss-20b", "max_completion_tokens"),
        ("openai_compatible", "our-own", "max_tokens"),
    ],
)
@pytest.mark.parametrize("setting", LEVELS)
def test_room_for_thinking_is_added_to_the_answer(provider: str, model: str, field: str, setting: Any):
    level = rules_of(provider, model).level(setting)
    assert body_of(provider, model, setting)[field] == 500 + ALLOWANCES[level]


def test_a_budget_leaves_the_answer_its_tokens():
    for setting in ("low", "medium", "high", "max"):
        body = body_of("anthropic", "claude-haiku-4-5", setting, max_tokens=16_000)
        assert body["max_tokens"] - body["thinking"]["budget_tokens"] == 16_000
        assert body["thinking"]["budget_tokens"] >= 1024


def test_no_reply_is_longer_than_the_model_writes():
    where = target("anthropic", model="claude-haiku-4-5", max_output=60_000)
    asked = request(max_tokens=60_000, reasoning="max", messages=PLAIN["messages"])
    assert output_limit(where, asked) == 64_000


@pytest.mark.parametrize(("window", "room"), [(4_096, 2_048), (8_192, 4_096), (40_000, 16_384)])
def test_a_small_window_is_not_all_room(window: int, room: int):
    where = target("ollama", model="qwen3", window=window, max_output=16_384)
    assert output_limit(where, request(max_tokens=300, reasoning="high")) == 300 + room


def test_the_setting_of_a_step_goes_before_that_of_the_target():
    where = target("anthropic", model="claude-haiku-5-5", reasoning="none")
    assert level_of(where, request()) == "none"
    assert level_of(where, request(reasoning="high")) == "high"
    assert level_of(target("anthropic", model="claude-haiku-5-5"), request()) == "medium", "the model's own"


def test_what_a_model_forbids():
    haiku, sonnet = (target("anthropic", model=f"claude-{name}-5-5") for name in ("haiku", "sonnet"))
    assert takes(haiku, request(), "forced_tool")
    assert not takes(sonnet, request(), "forced_tool")
    older = target("anthropic", model="claude-haiku-4-5")
    assert takes(older, request(), "prefill")
    assert not takes(older, request(reasoning="low", messages=PLAIN["messages"]), "prefill")
    assert not takes(target("openai", model="o3"), request(), "top_p")


def test_a_model_that_takes_no_prefill_is_told_to_go_on():
    begun = (Message.of("user", "Count to three."), Message.of("assistant", "One, two,"))

    def last(provider: str, model: str, setting: Any = None) -> Any:
        return body_of(provider, model, setting, messages=begun)["messages"][-1]

    for provider, prefix in (("anthropic", ""), ("bedrock", "eu.anthropic.")):
        assert last(provider, f"{prefix}claude-haiku-4-5")["role"] == "assistant"
        for model, setting in (("claude-haiku-4-5", "high"), ("claude-sonnet-4-6", None), ("claude-haiku-5-5", "none")):
            assert last(provider, prefix + model, setting)["role"] == "user"


@pytest.mark.parametrize("provider", provider_names())
@pytest.mark.parametrize("setting", [None, *LEVELS])
def test_every_provider_encodes_every_setting(provider: str, setting: Any):
    body_of(provider, "some-model-1", setting)


def test_a_budget_is_not_asked_for_within_a_tool_turn_of_another_model():
    """Claude refuses it: "Expected `thinking`, but found `tool_use`"."""
    where = target("anthropic", model="claude-haiku-4-5", max_output=16_384)
    call, result = ToolCallPart("c1", "weather", {}), Message.of("tool", ToolResultPart("c1", "sunny"))
    own = ProviderStatePart(state_family(where), {"type": "thinking", "thinking": "…", "signature": "s"})

    def asked(*parts: Any) -> ModelRequest:
        messages = (Message.of("user", "?"), Message.of("assistant", *parts), result)
        return request(messages=messages, reasoning="high", schema=None)

    assert "thinking" not in json.loads(adapter_for("anthropic").encode(where, asked(call)).body)
    assert "thinking" in json.loads(adapter_for("anthropic").encode(where, asked(own, call)).body)
    assert WEATHER.name == "weather"


@pytest.mark.parametrize(
    ("status", "message", "param", "found"),
    [
        (400, "Unsupported value: 'temperature' does not support 0 with this model.", "temperature", "temperature"),
        (400, "`temperature` is deprecated for this model.", None, "temperature"),
        (400, "temperature: Extra inputs are not permitted", None, "temperature"),
        (
            400,
            "Unsupported parameter: 'reasoning_effort' is not supported with this model.",
            "reasoning_effort",
            "reasoning",
        ),
        (
            400,
            'adaptive thinking is not supported on this model; "thinking.type" must be one of enabled',
            None,
            "reasoning",
        ),
        (400, "`tool_choice` may only be set to auto when thinking is enabled", None, "forced_tool"),
        (
            400,
            "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. Use /v1/responses.",
            "reasoning_effort",
            "chat",
        ),
        (400, "messages: text content blocks must be non-empty", None, None),
        (400, "x" * 400 + " temperature is not supported", None, None),
        (500, "temperature is not supported", None, None),
        (422, "Unknown field chat_template_kwargs", None, "reasoning"),
        (400, "Reasoning is mandatory for this endpoint and cannot be disabled.", None, "reasoning"),
    ],
)
def test_which_parameter_a_400_is_about(status: int, message: str, param: str | None, found: str | None):
    reply = json.dumps({"error": {"message": message, "param": param}}).encode()
    assert next(iter(classify("openai", status, {}, reply).refuses), None) == found


def test_a_request_without_what_was_refused():
    body = body_of("openai", "gpt-6-luna", "none", without=frozenset({"reasoning", "temperature"}))
    assert "reasoning_effort" not in body
    assert "temperature" not in body
