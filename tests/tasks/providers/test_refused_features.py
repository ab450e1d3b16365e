"""Which feature of a request a 400 is about, and what is remembered of that."""

import json
from typing import Any

import pytest

from tasks.providers import classify
from tasks.providers.messages import Schema
from tasks.providers.options import RequestOptions
from tasks.providers.refused_features import RefusedFeatures
from tests.support.exchanges import request, target

NAMED: list[tuple[str, str, str | None]] = [
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens", "max_tokens"),
    ("Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.", "temperature", "temperature"),
    ("`temperature` is deprecated for this model.", "temperature", None),
    ("`temperature` may only be set to 1 when thinking is enabled.", "temperature", None),
    ("temperature: Extra inputs are not permitted", "temperature", None),
    ("This model doesn't support the inferenceConfig.temperature field. Remove it and try again.", "temperature", None),
    ("Unrecognized request argument supplied: parallel_tool_calls", "parallel_tool_calls", None),
    ("Unknown parameter: 'prompt_cache_key'.", "prompt_cache_key", "prompt_cache_key"),
    ("Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.", "json_schema", None),
    ("Function calling with a response mime type: 'application/json' is unsupported", "json_schema", None),
    ("This response_format type is unavailable now", "json_schema", None),
    ("output_config: Extra inputs are not permitted", "json_schema", None),
    ("Structured outputs are not supported for this model", "json_schema", None),
    ("compiled grammar is too large", "this schema", None),
    ("The specified schema produces a constraint that has too many states for serving.", "this schema", None),
    ("Schema is too complex for structured output", "this schema", None),
    ("tool_choice forces tool use, which is not supported with this model", "forced_tool", None),
    ("Thinking mode does not support this tool_choice", "forced_tool", None),
    ("This model doesn't support tool use.", "forced_tool", None),
    ("stream_options is not supported", "stream_options", None),
    ("Unsupported parameter: 'seed'", "seed", "seed"),
    ("Function tools with reasoning_effort are not supported for gpt-6-astra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.", "chat", "reasoning_effort"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "feature", "param"), NAMED)
def test_what_a_400_is_about(message: str, feature: str, param: str | None):
    error = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}
    failure = classify("openai_compatible", 400, {}, json.dumps(error).encode())
    assert failure.kind == "invalid_request"
    assert failure.refuses[0] == feature
    assert classify("bedrock", 400, {}, json.dumps({"message": message}).encode()).refuses[0] == feature


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "Bad request"}}),
        (400, {"error": {"message": "The temperature outside is 12 degrees"}}),
        (400, {"error": {"message": "x" * 500 + " temperature is not supported"}}),
        (400, b""),
        (401, {"error": {"message": "temperature is not supported", "code": "invalid_api_key"}}),
        (429, {"error": {"message": "response_format is not supported"}}),
        (500, {"error": {"message": "Unsupported parameter: 'temperature'"}}),
    ],
)
def test_what_names_nothing(status: int, body: Any):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert classify("openai_compatible", status, {}, raw).refuses == ()


def test_what_is_remembered():
    refused, where, asked = RefusedFeatures(), target("openai"), request()
    assert refused.of(where, asked.schema) == frozenset()
    assert refused.learn(where, asked, ("temperature",)) == "temperature"
    assert refused.learn(where, asked, ("temperature",)) is None, "leaving it out was no help"
    assert refused.of(where, None) == {"temperature"}
    assert refused.of(target("openai", model="other"), None) == frozenset()
    assert refused.of(target("openai", name="again", account="b"), None) == {"temperature"}, "by model, not by target"


def test_a_schema_that_is_too_complex_is_remembered_alone():
    refused, where, asked = RefusedFeatures(), target("openai"), request()
    assert refused.learn(where, asked, ("this schema", "json_schema")) == "json_schema"
    assert refused.of(where, asked.schema) == {"json_schema"}
    assert refused.of(where, None) == frozenset()
    other = request(schema=Schema("Other", {"type": "object", "properties": {}}))
    assert refused.of(where, other.schema) == frozenset()


def test_only_what_the_request_had_is_learned():
    refused, where = RefusedFeatures(), target("openai")
    bare = request(schema=None, temperature=None, tools=(), cache=False)
    for feature in ("json_schema", "forced_tool", "temperature", "top_p", "seed", "strict", "prompt_cache_key"):
        assert refused.learn(where, bare, (feature,)) is None
    assert refused.learn(where, request(options=RequestOptions(seed=1)), ("seed",)) == "seed"
