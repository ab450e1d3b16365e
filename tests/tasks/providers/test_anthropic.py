import json
from typing import Any

import pytest
from anthropic.types import Message as SdkMessage
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from pydantic import ConfigDict, TypeAdapter, with_config

from pricing.content import TextPart, ToolResultPart
from pricing.usage import NOT_A_COUNT, Usage
from tasks.providers import ReplyError, Stream, adapter_for
from tasks.providers.anthropic import usage as anthropic_usage
from tasks.providers.messages import Message, ModelReply, ModelRequest
from tests.support.exchanges import Free, request, schema, target

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 50,
    "output_tokens_details": {"thinking_tokens": 20},
}
COUNTED = Usage(2310, 50, 2000, 100, 200, 20)


def body_of(asked: ModelRequest | None = None, *, stream: bool = False, **changes: Any) -> Any:
    sent = adapter_for("anthropic").encode(target("anthropic", **changes), asked or request(), stream=stream)
    return json.loads(sent.body)


def reply_body(content: Any, stop: str = "end_turn", **more: Any) -> bytes:
    return json.dumps({"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": content, "stop_reason": stop, "stop_sequence": None, "usage": USAGE} | more).encode()  # fmt: skip


def decode(body: bytes, status: int = 200) -> ModelReply:
    return adapter_for("anthropic").decode(target("anthropic"), status, {"Request-Id": "req_9"}, body)


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_accepts_our_bodies(stream):
    params = MessageCreateParamsStreaming if stream else MessageCreateParamsNonStreaming
    strict = with_config(ConfigDict(extra="forbid"))(params)
    for asked in (
        request(),
        request(tools=(), system=TextPart("")),
        request(schema=None, cache=False),
        request(schema=schema(Free)),
    ):
        # The SDK's types are those of version 2026-10-21, which takes no temperature any more.
        TypeAdapter(strict).validate_python(body_of(asked, stream=stream, sends_temperature=False))


def test_where_it_goes_and_who_asks():
    sent = adapter_for("anthropic").encode(
        target("anthropic", base_url="http://127.0.0.1:9/t/h/"), request(), attempt_id="at_1"
    )
    assert sent.url == "http://127.0.0.1:9/t/h/v1/messages"
    assert sent.headers["x-api-key"] == "secret"
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.headers["X-Client-Request-Id"] == "at_1"
    assert "Authorization" not in sent.headers


def test_results_follow_their_calls_and_nothing_is_blank():
    messages = body_of()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"][1]["input"] == {"invalid_arguments": "{broken"}
    assert [block["type"] for block in messages[2]["content"]] == ["tool_result", "tool_result", "text"]
    assert messages[2]["content"][1] == {
        "type": "tool_result",
        "tool_use_id": "call00002",
        "content": "(no output)",
        "is_error": True,
    }


def test_results_come_before_words_said_earlier():
    messages = (Message.of("user", "a"), Message.of("tool", ToolResultPart("c1", "r")))
    assert [block["type"] for block in body_of(request(messages=messages))["messages"][0]["content"]] == [
        "tool_result",
        "text",
    ]


def test_cache_marks():
    body = body_of()
    assert body["system"][-1]["cache_control"] == body["tools"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in json.dumps(body_of(request(cache=False)))


def test_schemas():
    assert body_of()["output_config"]["format"]["schema"]["additionalProperties"] is False
    for body in (
        body_of(request(schema=schema(Free))),
        body_of(model="claude-3-5-haiku-20241022"),
        body_of(model="claude-sonnet-4-20250514"),
    ):
        assert "output_config" not in body
        assert "JSON schema" in body["system"][0]["text"]
    assert "output_config" in body_of(model="claude-sonnet-4-5-20250929")


def test_temperature():
    assert body_of()["temperature"] == 0.2
    assert "temperature" not in body_of(sends_temperature=False)


@pytest.mark.parametrize(
    ("content", "reason", "stop", "text", "calls"),
    [
        (
            [words("a"), {"type": "thinking", "thinking": "hm", "signature": "s"}, words("b")],
            "end_turn",
            "end",
            "ab",
            [],
        ),
        ([words("a")], "stop_sequence", "end", "a", []),
        ([words("a")], "max_tokens", "length", "a", []),
        ([words("a")], "model_context_window_exceeded", "length", "a", []),
        ([words("a")], "pause_turn", "length", "a", []),
        ([], "refusal", "refusal", "", []),
        ([], "end_turn", "malformed", "", []),
        (
            [words("a"), {"type": "tool_use", "id": "t", "name": "n", "input": {"k": 1}}],
            "tool_use",
            "tool_calls",
            "a",
            [{"k": 1}],
        ),
        ([{"type": "tool_use", "id": "t", "name": "n", "input": {}}], "tool_use", "tool_calls", "", [{}]),
        ([{"type": "tool_use", "id": "t", "name": "n", "input": {}}], "max_tokens", "length", "", []),
    ],
)
def test_replies(content, reason, stop, text, calls):
    body = reply_body(content, reason)
    SdkMessage.model_validate_json(body)
    reply = decode(body)
    assert (reply.stop, reply.text, [call.arguments for call in reply.tool_calls]) == (stop, text, calls)
    assert (reply.usage, reply.model, reply.request_id) == (COUNTED, "claude-x", "req_9")


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 7}, Usage(17, 5, None, 7)),
        (
            {"input_tokens": 1, "output_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
            Usage(1, 5, 0, 0),
        ),
        ({"output_tokens": 5}, Usage(None, 5)),
        ({"input_tokens": 10, "cache_read_input_tokens": None}, Usage(10)),
        (None, Usage()),
    ],
)
def test_usage(counts, usage):
    assert decode(reply_body([words("a")], usage=counts)).usage == usage


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"content":"a"}'])
def test_a_200_that_is_no_reply_is_loss_of_service(body):
    with pytest.raises(ReplyError) as raised:
        decode(body)
    assert (raised.value.failure.kind, raised.value.failure.maybe_billed) == ("server_error", True)


def test_usage_survives_a_broken_reply():
    with pytest.raises(ReplyError) as raised:
        decode(json.dumps({"content": None, "usage": USAGE}).encode())
    assert raised.value.usage == COUNTED


def event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def block(index: int, start: Any, *deltas: Any) -> bytes:
    return event("content_block_start", index=index, content_block=start) + b"".join(event("content_block_delta", index=index, delta=delta) for delta in deltas) + event("content_block_stop", index=index)  # fmt: skip


START = event("message_start", message={"model": "claude-x", "content": [], "usage": USAGE | {"output_tokens": 1, "output_tokens_details": None}}) + event("ping")  # fmt: skip
THOUGHT = block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "hm"})
TEXT = block(1, words(""), {"type": "text_delta", "text": "Grü"}, {"type": "text_delta", "text": "ezi 👋"})
TOOL = block(2, {"type": "tool_use", "id": "t", "name": "n", "input": {}}, {"type": "input_json_delta", "partial_json": '{"k"'}, {"type": "input_json_delta", "partial_json": ":1}"})  # fmt: skip
BARE = block(3, {"type": "tool_use", "id": "u", "name": "m", "input": {}})


def end(reason: str) -> bytes:
    counts = {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20}}
    return event("message_delta", delta={"stop_reason": reason}, usage=counts) + event("message_stop")


def read(raw: bytes, at: int | None = None) -> tuple[str, Stream]:
    reader = adapter_for("anthropic").stream(target("anthropic"), {"request-id": "req_9"})
    parts = [raw] if at is None else [raw[:at], raw[at:]]
    return "".join(word for part in parts for word in reader.feed(part)), reader


def test_a_stream_may_be_split_anywhere():
    raw = START + THOUGHT + TEXT + TOOL + BARE + end("tool_use")
    for at in range(len(raw)):
        said, reader = read(raw, at)
        reply = reader.finish()
        assert said == reply.text == "Grüezi 👋"
        assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
            ("t", "n", {"k": 1}),
            ("u", "m", {}),
        ]
        assert (reply.usage, reply.stop, reply.model, reply.request_id) == (COUNTED, "tool_calls", "claude-x", "req_9")


def test_a_stream_cut_before_its_end_keeps_what_was_counted():
    raw = START + TEXT + end("end_turn")
    for at in range(raw.index(b"\n\nevent: message_stop")):
        _, reader = read(raw[:at])
        with pytest.raises(ReplyError) as raised:
            reader.finish()
        assert (raised.value.failure.kind, raised.value.failure.maybe_billed) == ("connection", True)
        if at < raw.index(b"event: message_delta"):  # the first event's output is not a total
            assert raised.value.usage is not None
            assert raised.value.usage.output_tokens is None
    assert raised.value.usage == Usage(2310, None, 2000, 100, 200)


def test_an_error_within_a_stream():
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    with pytest.raises(ReplyError) as raised:
        read(START + TEXT + error)
    assert raised.value.failure.kind == "overloaded"
    assert raised.value.usage == Usage(2310, None, 2000, 100, 200)


@pytest.mark.parametrize("part", ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"])
@pytest.mark.parametrize("count", [-1, 0.5, 2**60, "7", True])
def test_a_part_of_the_input_that_is_no_count_makes_the_input_none(part, count):
    counts = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 1, "cache_creation_input_tokens": 2}
    assert anthropic_usage(counts).input_tokens == 13
    assert anthropic_usage(counts | {part: count}).input_tokens == NOT_A_COUNT
