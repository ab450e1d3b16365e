"""Gemini's native API at Google AI and at Vertex AI."""

import json
from typing import Any

import pytest

from pricing.content import DocumentPart, ImagePart, TextPart, ToolCallPart, ToolResultPart
from pricing.usage import Usage
from tasks.providers import ReplyError, adapter_for
from tasks.providers.messages import HttpRequest, Message, ModelReply, ModelRequest
from tasks.providers.options import RequestOptions
from tasks.providers.reasoning import ALLOWANCES
from tasks.routing.target import Credential
from tests.support.exchanges import WEATHER, Free, request, schema, target

MODEL = "gemini-3.8-flash"
COUNTS = {"promptTokenCount": 100, "candidatesTokenCount": 7, "totalTokenCount": 107}


def sent(asked: ModelRequest | None = None, *, stream: bool = False, provider: str = "gemini", **changes: Any) -> HttpRequest:  # fmt: skip
    return adapter_for(provider).encode(
        target(provider, **({"model": MODEL} | changes)), asked or request(), stream=stream, attempt_id="a1"
    )


def body_of(asked: ModelRequest | None = None, **changes: Any) -> Any:
    return json.loads(sent(asked, **changes).body)


def decode(reply: Any, status: int = 200, headers: dict[str, str] | None = None) -> ModelReply:
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return adapter_for("gemini").decode(target("gemini"), status, headers or {}, body)


def reply_of(*parts: Any, reason: str = "STOP", **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "usageMetadata": COUNTS, "modelVersion": MODEL, "responseId": "r1"} | more


def test_the_whole_request():
    body = body_of()
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    config = body["generationConfig"]
    assert (config["maxOutputTokens"], config["temperature"]) == (500 + ALLOWANCES["medium"], 0.2)
    assert "thinkingConfig" not in config
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["required"] == ["best", "others"]
    [declared] = body["tools"][0]["functionDeclarations"]
    assert declared == {"name": "weather", "description": "Today's weather", "parametersJsonSchema": WEATHER.parameters}
    assert "toolConfig" not in body
    roles = [content["role"] for content in body["contents"]]
    assert roles == ["user", "model", "user"]
    calls = [part["functionCall"] for part in body["contents"][1]["parts"]]
    assert calls == [
        {"name": "weather", "args": {"city": "Bern"}},
        {"name": "weather", "args": {"invalid_arguments": "{broken"}},
    ]
    answers = [part["functionResponse"] for part in body["contents"][2]["parts"] if "functionResponse" in part]
    assert answers[0] == {"name": "weather", "response": {"result": "sunny"}}
    assert list(answers[1]["response"]) == ["error"]
    assert body["contents"][2]["parts"][-1] == {"text": "Go on."}, "results come before words"


@pytest.mark.parametrize(
    ("model", "signed"),
    [
        ("gemini-3.8-flash", True),
        ("gemini-4-argon", True),
        ("models/gemini-3-pro", True),
        ("gemini-pro-latest", True),
        ("gemini-2.5-flash", False),
    ],
)
def test_calls_without_a_signature_say_so_where_one_is_asked_for(model: str, signed: bool):
    parts = body_of(request(schema=None), model=model)["contents"][1]["parts"]
    assert ["thoughtSignature" in part for part in parts] == [signed, False]


@pytest.mark.parametrize("stream", [False, True])
def test_the_address_and_the_key(stream: bool):
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    google = sent(stream=stream)
    assert google.url == f"https://generativelanguage.googleapis.com/v1beta/models/{MODEL}:{verb}"
    assert (google.headers["x-goog-api-key"], google.headers["X-Client-Request-Id"]) == ("secret", "a1")
    assert "secret" not in google.url
    vertex = sent(stream=stream, provider="vertex", credential=Credential(key="AQ.Ab8"))
    assert vertex.url == f"https://aiplatform.googleapis.com/v1/publishers/google/models/{MODEL}:{verb}"
    assert vertex.headers["x-goog-api-key"] == "AQ.Ab8"
    own = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google"
    token = sent(stream=stream, provider="vertex", base_url=own, credential=Credential(key="ya29.token"))
    assert token.url == f"{own}/models/{MODEL}:{verb}"
    assert token.headers["Authorization"] == "Bearer ya29.token"
    assert "x-goog-api-key" not in token.headers


def test_images_and_documents():
    image = ImagePart("image/png", b"\x89PNG\r\n\x1a\n")
    page = DocumentPart("application/pdf", b"%PDF-1.7")
    body = body_of(request(messages=(Message.of("user", "Read.", image, page),), tools=(), schema=None))
    assert [part.get("inlineData", {}).get("mimeType") for part in body["contents"][0]["parts"]] == [
        None,
        "image/png",
        "application/pdf",
    ]


@pytest.mark.parametrize(
    ("model", "asked", "form"),
    [
        ("gemini-2.5-flash", request(tools=()), "native"),
        ("gemini-2.5-flash", request(), "any tool"),
        ("gemini-2.5-flash", request(tools=(), without=frozenset({"json_schema"})), "the tool"),
        ("gemini-3.8-flash", request(), "native"),
        ("gemini-3.8-flash", request(schema=schema(Free), tools=()), "native"),
        ("gemini-3.8-flash", request(tools=(), without=frozenset({"json_schema", "forced_tool"})), "prompt"),
        ("gemma-3-27b-it", request(tools=()), "prompt"),
    ],
)
def test_forms_of_a_schema(model: str, asked: ModelRequest, form: str):
    body = body_of(asked, model=model)
    mode = body.get("toolConfig", {}).get("functionCallingConfig")
    found = {
        "native": "responseJsonSchema" in body["generationConfig"],
        "any tool": mode == {"mode": "ANY"},
        "the tool": mode == {"mode": "ANY", "allowedFunctionNames": ["structured_answer"]},
        "prompt": "JSON schema" in json.dumps(body.get("systemInstruction", {})),
    }
    assert [name for name, is_so in found.items() if is_so] == [form]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_tool_choice_and_sampling(choice: str, config: Any):
    options = RequestOptions(tool_choice=choice, stop=("END",), top_p=0.9, seed=7)
    body = body_of(request(schema=None, options=options))
    assert body["toolConfig"]["functionCallingConfig"] == config
    sampled = body["generationConfig"]
    assert (sampled["stopSequences"], sampled["topP"], sampled["seed"]) == (["END"], 0.9, 7)


def test_text_calls_and_thoughts():
    reply = decode(
        reply_of({"text": "Hm.", "thought": True}, {"text": "It "}, {"text": "rains.", "thoughtSignature": "x"})
    )
    assert (reply.text, reply.stop, reply.model, reply.response_id) == ("It rains.", "end", MODEL, "r1")
    calls = decode(
        reply_of(
            {"functionCall": {"name": "weather", "args": {"city": "Bern"}}},
            {"functionCall": {"name": "now", "id": "f1"}},
        )
    )
    assert calls.stop == "tool_calls"
    assert [(call.name, call.arguments) for call in calls.tool_calls] == [("weather", {"city": "Bern"}), ("now", {})]
    assert len({call.id for call in calls.tool_calls} - {""}) == 2


def test_an_answer_by_the_tool_is_text():
    reply = decode(reply_of({"functionCall": {"name": "structured_answer", "args": {"x": 1}}}))
    assert (reply.stop, reply.tool_calls, json.loads(reply.text)) == ("end", (), {"x": 1})


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("STOP", "end"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"), ("SPII", "content_filter"), ("MALFORMED_FUNCTION_CALL", "malformed"),
        ("UNEXPECTED_TOOL_CALL", "malformed"), ("MISSING_THOUGHT_SIGNATURE", "malformed"), ("OTHER", "end"),
    ],
)  # fmt: skip
def test_why_it_stopped(reason: str, stop: str):
    assert decode(reply_of({"text": "It"}, reason=reason)).stop == stop


@pytest.mark.parametrize(
    ("counts", "read"),
    [
        (COUNTS, Usage(100, 7)),
        (COUNTS | {"cachedContentTokenCount": 64}, Usage(100, 7, cache_read_tokens=64)),
        (COUNTS | {"thoughtsTokenCount": 30, "totalTokenCount": 137}, Usage(100, 37, reasoning_tokens=30)),
        (COUNTS | {"toolUsePromptTokenCount": 5, "totalTokenCount": 112}, Usage(105, 7)),
        (
            {"promptTokenCount": 100, "thoughtsTokenCount": 30, "totalTokenCount": 130},
            Usage(100, 30, reasoning_tokens=30),
        ),
        ({"promptTokenCount": 100, "totalTokenCount": 100}, Usage(100, 0)),
        ({"promptTokenCount": 100}, Usage(100, None)),
        ({}, Usage()),
    ],
)
def test_usage(counts: Any, read: Usage):
    assert decode(reply_of({"text": "It"}, usageMetadata=counts)).usage == read


def test_a_blocked_prompt_and_a_reply_without_candidates():
    blocked = decode(
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
    )
    assert (blocked.stop, blocked.usage) == ("content_filter", Usage(9, 0))
    with pytest.raises(ReplyError) as raised:
        decode({"usageMetadata": COUNTS})
    assert raised.value.failure.kind == "server_error"


def test_the_tier_that_served():
    assert decode(reply_of({"text": "It"}), headers={"X-Gemini-Service-Tier": "flex"}).service_tier == "flex"


def test_a_stream_may_be_split_anywhere():
    first = reply_of({"text": "It "}, reason="")
    second = reply_of({"text": "rains."}, {"functionCall": {"name": "weather", "args": {"city": "Bern"}}})
    raw = b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in (first, second))
    for at in range(0, len(raw), 11):
        reader = adapter_for("gemini").stream(target("gemini"), {})
        words = [*reader.feed(raw[:at]), *reader.feed(raw[at:])]
        reply = reader.finish()
        assert "".join(words) == reply.text == "It rains."
        assert (reply.stop, reply.tool_calls[0].arguments, reply.usage) == (
            "tool_calls",
            {"city": "Bern"},
            Usage(100, 7),
        )
    reader = adapter_for("gemini").stream(target("gemini"), {})
    reader.feed(raw[: raw.index(b"\r\n\r\n") + 4])
    with pytest.raises(ReplyError):
        reader.finish()


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_sandbox_answers_in_it(provider: str, stream: bool, tmp_path: Any):
    import httpx

    from tasks.sandbox import Latency, Sandbox

    history = (
        Message.of("user", "Weather in Bern?"),
        Message.of("assistant", ToolCallPart("x", "weather", {"city": "Bern"})),
        Message.of("tool", ToolResultPart("x", "It rains in Bern.")),
    )
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as sandbox:
        base = f"{sandbox.url}/t/own/v1"
        for asked in (
            request(messages=(Message.of("user", "Say that it rains."),), tools=(), schema=None, system=TextPart("")),
            request(messages=(Message.of("user", "Where? Bern."),), tools=()),
            request(messages=history, schema=None),
        ):
            wire = sent(asked, provider=provider, base_url=base, stream=stream)
            answer = httpx.post(wire.url, headers=dict(wire.headers), content=wire.body)
            assert answer.status_code == 200, answer.text
            adapter = adapter_for(provider)
            if stream:
                reader = adapter.stream(target(provider), answer.headers)
                reader.feed(answer.content)
                reply = reader.finish()
            else:
                reply = adapter.decode(target(provider), 200, answer.headers, answer.content)
            assert reply.stop in {"end", "tool_calls"}
            assert reply.usage.known
            if asked.schema is not None:
                assert set(json.loads(reply.text)) == {"best", "others"}
        bad = httpx.post(f"{base}/models/{MODEL}:generateContent", json={"contents": [{"role": "system", "parts": []}]})
        assert (bad.status_code, bad.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_the_sandbox_refuses_what_gemini_would(tmp_path: Any):
    import httpx

    from tasks.sandbox import Latency, Sandbox

    ask = {"role": "user", "parts": [{"text": "Weather?"}]}
    result = {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "x"}}}]}
    declared = [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": WEATHER.parameters}]}]
    forced = {"functionCallingConfig": {"mode": "ANY"}}

    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as sandbox:

        def answer(*contents: Any, model: str = MODEL, **more: Any) -> tuple[int, Any]:
            body = {"contents": [ask, *contents], "tools": declared, **more}
            reply = httpx.post(f"{sandbox.url}/v1beta/models/{model}:generateContent", json=body)
            return reply.status_code, reply.json()

        def told(*contents: Any, **more: Any) -> str:
            status, reply = answer(*contents, **more)
            return "" if status == 200 else reply["error"]["message"]

        _, reply = answer(toolConfig=forced)
        made = reply["candidates"][0]["content"]
        signed = made["parts"][0]
        assert told(made, result) == ""
        bare = {name: value for name, value in signed.items() if name != "thoughtSignature"}
        altered = signed | {"thoughtSignature": signed["thoughtSignature"].swapcase()}
        for part, complaint in (
            (bare, "missing a thought_signature"),
            (altered, "Corrupted thought signature"),
            (bare | {"thoughtSignature": "skip_thought_signature_validator"}, ""),
        ):
            assert complaint in told({"role": "model", "parts": [part]}, result)
        assert told({"role": "model", "parts": [bare]}, result, model="gemini-2.5-flash") == ""
        assert told({"role": "model", "parts": [bare]}, result, ask) == "", "of an earlier turn, none is asked for"
        for model, thinking in (
            ("gemini-2.5-pro", {"thinkingBudget": 0}),
            ("gemini-2.5-flash", {"thinkingLevel": "low"}),
            (MODEL, {"thinkingLevel": "none"}),
        ):
            assert told(model=model, generationConfig={"thinkingConfig": thinking})
