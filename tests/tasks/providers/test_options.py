"""What a request may ask for beside its messages: as each provider takes it, or refused with the reason."""

import json
from dataclasses import replace
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter, with_config

from tasks.providers import adapter_for, provider_names, spec_of
from tasks.providers.messages import Message
from tasks.providers.options import NO_OPTIONS, OptionRefused, RequestOptions, refusal
from tasks.providers.reasoning_fields import choice_refusal
from tests.support.exchanges import WEATHER, request, target

CONVERSE = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
NOVA, LLAMA = "amazon.nova-lite-v1:0", "meta.llama3-1-8b-instruct-v1:0"


def body_of(provider: str, options: RequestOptions = NO_OPTIONS, *, strict: bool = False, **changes: Any) -> Any:
    asked = request(schema=changes.pop("schema", None), options=options, tools=(replace(WEATHER, strict=strict),))
    return json.loads(adapter_for(provider).encode(target(provider, **changes), asked).body)


CASES: list[tuple[str, RequestOptions, dict[str, Any]]] = [
    ("openai", RequestOptions("none"), {"tool_choice": "none"}),
    ("openai", RequestOptions("required"), {"tool_choice": "required"}),
    ("groq", RequestOptions("weather"), {"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
    ("openai", RequestOptions(parallel_tool_calls=False), {"parallel_tool_calls": False}),
    ("vllm", RequestOptions(stop=("a", "b"), top_p=0.3, seed=0), {"stop": ["a", "b"], "top_p": 0.3, "seed": 0}),
    ("anthropic", RequestOptions("none"), {"tool_choice": {"type": "none"}}),
    ("anthropic", RequestOptions("required"), {"tool_choice": {"type": "any"}}),
    ("anthropic", RequestOptions("weather", False), {"tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}}),
    ("anthropic", RequestOptions(parallel_tool_calls=False), {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    ("anthropic", RequestOptions(stop=("END",), top_p=0.9), {"stop_sequences": ["END"], "top_p": 0.9}),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "options", "fields"), CASES)
def test_as_each_provider_takes_it(provider: str, options: RequestOptions, fields: dict[str, Any]):
    body = body_of(provider, options)
    assert {name: body[name] for name in fields} == fields
    params = MessageCreateParamsNonStreaming if provider == "anthropic" else CompletionCreateParamsNonStreaming
    if provider != "anthropic":
        TypeAdapter(with_config(ConfigDict(extra="forbid"))(params)).validate_python(body)


@pytest.mark.parametrize(
    ("options", "model", "choice", "field"),
    [
        (RequestOptions("required"), "", {"any": {}}, None),
        (RequestOptions("weather"), NOVA, {"tool": {"name": "weather"}}, None),
        (RequestOptions("none"), "", None, {"type": "none"}),
        (RequestOptions(parallel_tool_calls=False), "", None, {"type": "auto", "disable_parallel_tool_use": True}),
        (RequestOptions(), LLAMA, None, None),
    ],
)
def test_as_bedrock_takes_it(options: RequestOptions, model: str, choice: Any, field: Any):
    changes: dict[str, Any] = {"model": model} if model else {}
    body = body_of("bedrock", replace(options, stop=("END",), top_p=0.5), **changes)
    assert body["toolConfig"].get("toolChoice") == choice
    assert body.get("additionalModelRequestFields", {}).get("tool_choice") == field
    assert body["inferenceConfig"]["stopSequences"] == ["END"]
    assert body["inferenceConfig"]["topP"] == 0.5
    shape = CONVERSE.operation_model("Converse").input_shape
    assert not ParamValidator().validate(body | {"modelId": "m"}, shape).has_errors()


def test_strict_tools():
    assert body_of("openai", strict=True)["tools"][0]["function"]["strict"] is True
    assert body_of("openai", strict=True)["tools"][0]["function"]["parameters"]["required"] == ["city"]
    assert body_of("anthropic", strict=True)["tools"][0]["strict"] is True
    assert body_of("bedrock", strict=True)["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    assert "strict" not in body_of("openai")["tools"][0]["function"]


REFUSED: list[tuple[str, RequestOptions, bool, str, str]] = [
    ("anthropic", RequestOptions(seed=1), False, "", "seed"),
    ("bedrock", RequestOptions(seed=1), False, "", "seed"),
    ("bedrock", RequestOptions("none"), False, NOVA, "tool_choice none"),
    ("bedrock", RequestOptions(parallel_tool_calls=False), False, NOVA, "parallel_tool_calls"),
    ("bedrock", NO_OPTIONS, True, LLAMA, "strict"),
    ("gemini", RequestOptions(parallel_tool_calls=False), False, "", "parallel_tool_calls"),
    ("gemini", NO_OPTIONS, True, "", "strict"),
    ("groq", NO_OPTIONS, True, "", "strict"),
    ("openai", RequestOptions("forecast"), False, "", "not among its tools"),
]


@pytest.mark.parametrize(("provider", "options", "strict", "model", "why"), REFUSED)
def test_what_a_provider_lacks_is_refused_with_the_reason(
    provider: str, options: RequestOptions, strict: bool, model: str, why: str
):
    with pytest.raises(OptionRefused, match=why):
        body_of(provider, options, strict=strict, **({"model": model} if model else {}))


def test_a_choice_without_tools_is_refused():
    asked = request(tools=(), options=RequestOptions("required"))
    assert "without tools" in (refusal(spec_of("openai").features.options, asked) or "")


@pytest.mark.parametrize("wrong", [{"top_p": 0}, {"top_p": 1.5}, {"stop": ("",)}, {"tool_choice": ""}])
def test_values_that_no_provider_takes(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"top_p|empty"):
        RequestOptions(**wrong)


@pytest.mark.parametrize("provider", [name for name in provider_names() if name != "openai_compatible"])
def test_without_options_nothing_is_said_of_them(provider: str):
    text = json.dumps(body_of(provider))
    for word in ("tool_choice", "toolChoice", "parallel", "stop", "top_p", "topP", "seed"):
        assert f'"{word}' not in text


@pytest.mark.parametrize("provider", ["openai", "anthropic", "bedrock", "vllm", "mistral"])
def test_tools_and_a_schema_go_in_one_turn(provider: str):
    asked = request()
    body = json.loads(adapter_for(provider).encode(target(provider), asked).body)
    assert "weather" in json.dumps(body)
    assert any(name in body for name in ("response_format", "output_config", "outputConfig"))


def test_sampling_is_left_out_where_a_model_takes_none():
    assert "top_p" not in body_of("openai", RequestOptions(top_p=0.5), model="gpt-5", reasoning="high")
    assert "temperature" not in body_of("openai", RequestOptions(), sends_temperature=False)


@pytest.mark.parametrize(("model", "level", "refused"), [
    ("global.anthropic.claude-sonnet-5-5", None, True), ("eu.anthropic.claude-opus-5-5", "low", True),
    ("global.anthropic.claude-haiku-5-5", "high", False), ("global.anthropic.claude-opus-4-6-v1", "high", False),
    ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "high", True),
    ("global.anthropic.claude-haiku-4-5-20251001-v1:0", None, False),
])  # fmt: skip
@pytest.mark.parametrize("choice", ["required", "weather"])
def test_a_call_is_forced_only_where_the_model_takes_that(model: str, level: Any, refused: bool, choice: str):
    where = target("bedrock", model=model, max_output=32_000)
    plain = {"messages": (Message.of("user", "Weather?"),), "schema": None, "reasoning": level}
    asked = request(**plain, options=RequestOptions(choice))
    assert (choice_refusal(where, asked) is not None) is refused
    if refused:
        with pytest.raises(OptionRefused, match="takes no tool_choice that forces a call"):
            adapter_for("bedrock").encode(where, asked)
    else:
        body = json.loads(adapter_for("bedrock").encode(where, asked).body)
        assert body["toolConfig"]["toolChoice"] == (
            {"any": {}} if choice == "required" else {"tool": {"name": "weather"}}
        )
    assert choice_refusal(where, request(**plain)) is None
