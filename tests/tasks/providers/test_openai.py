import json
from typing import Any

import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import ConfigDict, TypeAdapter, with_config

from pricing.content import InvalidArguments, TextPart
from pricing.usage import NOT_A_COUNT, Usage
from tasks.providers import ReplyError, Stream, adapter_for
from tasks.providers.messages import Message, ModelReply, ModelRequest
from tasks.routing.target import ProviderName
from tests.support.exchanges import CONVERSATION, Answer, Free, request, schema, target

FLAVOURS: list[ProviderName] = ["openai", "groq", "openai_compatible"]
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 40,
    "total_tokens": 140,
    "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 30},
}
COUNTED = Usage(100, 40, cache_read_tokens=64, cache_write_tokens=16, reasoning_tokens=30)


def body_of(provider: ProviderName, asked: ModelRequest | None = None, *, stream: bool = False, **changes: Any) -> Any:
    sent = adapter_for(provider).encode(target(provider, **changes), asked or request(), stream=stream)
    return json.loads(sent.body)


def completion(message: Any, finish: str | None = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "x", "model": "gpt-x", "choices": [choice], "usage": USAGE, **more}).encode()


def decode(body: bytes, provider: ProviderName = "openai", status: int = 200) -> ModelReply:
    return adapter_for(provider).decode(target(provider), status, {"X-Request-ID": "req_9"}, body)


@pytest.mark.parametrize("provider", FLAVOURS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_accepts_our_bodies(provider, stream):
    params = CompletionCreateParamsStreaming if stream else CompletionCreateParamsNonStreaming
    strict = with_config(ConfigDict(extra="forbid"))(params)
    for asked in (request(), request(tools=()), request(schema=None), request(schema=schema(Free))):
        TypeAdapter(strict).validate_python(body_of(provider, asked, stream=stream))


def test_where_it_goes_and_who_asks():
    sent = adapter_for("openai").encode(target("openai"), request(), attempt_id="at_1")
    assert sent.url == "https://api.openai.com/v1/chat/completions"
    assert sent.headers["Authorization"] == "Bearer secret"
    assert sent.headers["X-Client-Request-Id"] == "at_1"
    prefixed = adapter_for("groq").encode(target("groq", base_url="http://127.0.0.1:9/t/haiku/"), request())
    assert prefixed.url == "http://127.0.0.1:9/t/haiku/chat/completions"


def test_a_conversation_with_tools():
    messages = body_of("openai")["messages"]
    assert [message["role"] for message in messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
        "assistant",
    ]
    assert messages[2]["content"] is None
    assert messages[2]["tool_calls"][1] == {
        "id": "call00002",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"invalid_arguments":"{broken"}'},
    }
    assert messages[3] == {"role": "tool", "tool_call_id": "call00001", "content": "sunny"}


def test_where_the_flavours_differ():
    ours, groq, theirs = (body_of(provider) for provider in FLAVOURS)
    assert ours["max_completion_tokens"] == groq["max_completion_tokens"] == 500 + 8_192, "thoughts are on top"
    assert theirs["max_tokens"] == 500
    assert ours["prompt_cache_key"].startswith("farebox-")
    assert "prompt_cache_key" not in groq | theirs
    assert ours["response_format"]["json_schema"]["strict"] is True
    assert "response_format" not in groq, "Groq holds no answer to a schema next to tools"
    assert "JSON schema" in groq["messages"][0]["content"]


def test_reasoning_models_get_no_temperature():
    assert body_of("openai", model="gpt-4.1")["temperature"] == 0.2
    assert "temperature" not in body_of("openai")
    assert "temperature" not in body_of("openai", model="gpt-4.1", sends_temperature=False)
    assert body_of("groq", model="qwen/qwen3.8-27b")["reasoning_format"] == "hidden"
    assert "reasoning_format" not in body_of("groq", reasoning="none", model="qwen/qwen3.8-27b")


@pytest.mark.parametrize(
    ("provider", "model", "tools", "definition", "kind", "strict"),
    [
        ("openai", "gpt-5-mini", True, Answer, "json_schema", True),
        ("openai", "gpt-4.1", False, Answer, "json_schema", True),
        ("openai", "gpt-4-turbo", False, Answer, "json_object", None),
        ("openai", "gpt-5-mini", False, Free, "json_schema", False),
        ("groq", "openai/gpt-oss-20b", False, Answer, "json_schema", True),
        ("groq", "meta-llama/llama-4-scout", False, Answer, "json_schema", False),
        ("groq", "llama-3.1-8b-instant", False, Answer, "json_object", None),
        ("openai_compatible", "qwen3", True, Answer, "json_schema", True),
    ],
)
def test_how_a_model_is_held_to_a_schema(provider, model, tools, definition, kind, strict):
    asked = request(schema=schema(definition), tools=request().tools if tools else ())
    body = body_of(provider, asked, model=model)
    assert body["response_format"]["type"] == kind
    assert body["response_format"].get("json_schema", {}).get("strict") is strict
    assert ("JSON schema" in body["messages"][0]["content"]) is (kind == "json_object")


def test_the_cache_key_follows_the_prefix_only():
    keys = [
        body_of("openai", request(messages=messages))["prompt_cache_key"]
        for messages in (CONVERSATION, (Message.of("user", "x"),))
    ]
    assert keys[0] == keys[1]
    assert keys[0] != body_of("openai", request(system=TextPart("Be long.")))["prompt_cache_key"]
    assert len(keys[0]) <= 64


def test_an_unpaired_surrogate_does_not_stop_a_request():
    assert body_of("openai", request(messages=(Message.of("user", "a\ud83db"),)))["messages"][1]["content"] == "a?b"


def test_an_answer():
    reply = decode(completion({"content": "Hello."}))
    assert (reply.text, reply.stop, reply.model, reply.request_id) == ("Hello.", "end", "gpt-x", "req_9")
    assert reply.usage == COUNTED


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":'}}


@pytest.mark.parametrize(
    ("message", "finish", "stop", "calls"),
    [
        ({"content": "x"}, "stop", "end", 0),
        ({"content": "x"}, None, "end", 0),
        ({"content": "x"}, "eos", "end", 0),
        ({"content": "x"}, "length", "length", 0),
        ({"content": "x"}, "content_filter", "content_filter", 0),
        ({"content": None, "refusal": "No."}, "stop", "refusal", 0),
        ({"content": ""}, "stop", "malformed", 0),
        ({"content": " \n"}, "stop", "malformed", 0),
        ({"content": None}, "tool_calls", "malformed", 0),
        ({"content": None, "tool_calls": [CALL]}, "tool_calls", "tool_calls", 1),
        ({"content": None, "tool_calls": [CALL]}, "stop", "tool_calls", 1),
        ({"content": None, "tool_calls": [CALL]}, "length", "length", 0),
    ],
)
def test_stops(message, finish, stop, calls):
    reply = decode(completion(message, finish))
    assert reply.stop == stop
    assert len(reply.tool_calls) == calls
    assert reply.usage == COUNTED


def test_missing_counts_are_unknown():
    assert decode(completion({"content": "x"}, usage=None)).usage == Usage()
    assert decode(completion({"content": "x"}, usage={"prompt_tokens": None})).usage == Usage()


@pytest.mark.parametrize("count", [True, -1, 1.5, 300.0, 1e300, 2**53, 10**30, "300", [300], {}])
def test_what_is_no_count_is_told_from_a_missing_one(count):
    counts = {"prompt_tokens": count, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": count}}
    usage = decode(completion({"content": "x"}, usage=counts)).usage
    assert usage == Usage(NOT_A_COUNT, 3, cache_read_tokens=NOT_A_COUNT)


def test_a_prompt_cut_by_the_server_is_an_overflow():
    with pytest.raises(ReplyError) as raised:
        decode(
            completion({"content": ""}, "length", usage={"prompt_tokens": 4096, "completion_tokens": 0}),
            "openai_compatible",
        )
    assert raised.value.failure.kind == "context_overflow"
    assert raised.value.usage == Usage(4096, 0)
    assert decode(completion({"content": ""}, "length"), "openai").stop == "length"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":[{"message":null}]}']
)
def test_a_200_that_is_no_reply_is_loss_of_service(body):
    with pytest.raises(ReplyError) as raised:
        decode(body)
    assert raised.value.failure.kind == "server_error"
    assert raised.value.failure.maybe_billed


def test_an_error_is_classified():
    with pytest.raises(ReplyError) as raised:
        decode(b'{"error":{"code":"insufficient_quota","message":"secret words"}}', status=429)
    assert raised.value.failure.kind == "quota_exhausted"
    assert "secret" not in str(raised.value) + repr(raised.value)


def event(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    chunk = {
        "model": "gpt-x",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        "usage": None,
        **more,
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def tool_delta(index: int, **function: str) -> dict[str, Any]:
    head = {"id": f"c{index}"} if "name" in function else {}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


LAST = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\ndata: [DONE]\n\n"
WORDS = (
    b": hello\n\n"
    + event({"role": "assistant", "content": ""})
    + event({"content": "Grü"})
    + event({"content": "ezi 👋"})
    + event({}, "stop")
)
CALLS = event(tool_delta(0, name="weather", arguments="")) + event(tool_delta(1, name="weather", arguments="{}")) + event(tool_delta(0, arguments='{"a"')) + event(tool_delta(0, arguments=":1}"))  # fmt: skip


def read(raw: bytes, at: int | None = None, provider: ProviderName = "openai") -> tuple[str, Stream]:
    reader = adapter_for(provider).stream(target(provider), {"x-request-id": "req_9"})
    parts = [raw] if at is None else [raw[:at], raw[at:]]
    words = "".join(word for part in parts for word in reader.feed(part))
    return words, reader


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_stream_may_be_split_anywhere(newline):
    raw = (WORDS + LAST).replace(b"\n", newline) + (b"data: x\n" if newline == b"\r" else b"")
    for at in range(len(raw)):
        words, reader = read(raw, at)
        reply = reader.finish()
        assert words == reply.text == "Grüezi 👋"
        assert (reply.stop, reply.usage, reply.model, reply.request_id) == ("end", COUNTED, "gpt-x", "req_9")


def test_streamed_tool_calls():
    _, reader = read(CALLS + event({}, "tool_calls") + LAST)
    assert [(call.id, call.name, call.arguments) for call in reader.finish().tool_calls] == [("c0", "weather", {"a": 1}), ("c1", "weather", {})]  # fmt: skip
    _, reader = read(CALLS + event({}, "length") + LAST)
    assert (reader.finish().stop, reader.finish().tool_calls) == ("length", ())


def test_calls_that_a_server_numbers_alike_stay_apart():
    chunk = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "n", "arguments": "{}"}}]}
    other = {"tool_calls": [{"index": 0, "id": "b", "function": {"name": "n", "arguments": "[]"}}]}
    _, reader = read(event(chunk) + event(other) + event({}, "stop") + LAST, provider="openai_compatible")
    assert [(call.id, call.arguments) for call in reader.finish().tool_calls] == [
        ("a", {}),
        ("b", InvalidArguments("[]")),
    ]


def test_a_stream_cut_before_its_end_is_a_lost_connection():
    whole = WORDS + LAST
    end = whole.index(b"\n\ndata: [DONE]")
    for at in range(end):
        _, reader = read(whole[:at])
        with pytest.raises(ReplyError) as raised:
            reader.finish()
        failure = raised.value.failure
        assert (failure.kind, failure.phase, failure.maybe_billed) == ("connection", "read", True)
    _, reader = read(whole[:end])
    assert reader.finish().text == "Grüezi 👋", "nothing but the farewell is missing"


def test_an_error_within_a_stream():
    with pytest.raises(ReplyError) as raised:
        read(WORDS + b'data: {"error":{"message":"x","type":"server_error","code":null}}\n\n')
    assert raised.value.failure.kind == "server_error"
    with pytest.raises(ReplyError) as raised:
        read(b'data: {"object":"error","message":"This model\'s maximum context length is 9","code":400}\n\n')
    assert raised.value.failure.kind == "context_overflow"


def test_garbage_within_a_stream():
    with pytest.raises(ReplyError) as raised:
        read(b"data: {oops\n\n")
    assert (raised.value.failure.kind, raised.value.failure.maybe_billed) == ("server_error", True)


def test_groqs_own_place_for_usage():
    _, reader = read(event({"content": "x"}, "stop", x_groq={"usage": USAGE}), provider="groq")
    assert reader.finish().usage == COUNTED
