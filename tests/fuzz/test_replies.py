"""Whatever a provider sends, there is a reply or a failure of a known class: never an exception of another kind."""

import binascii
import struct
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.content import InvalidArguments
from pricing.usage import NOT_A_COUNT
from tasks.providers import ReplyError, adapter_for, classify
from tasks.providers.failure_kinds import FailureKind
from tasks.providers.messages import ModelReply
from tests.support.exchanges import MODELS, target
from tests.support.hostile import FUZZ, as_json, json_values, spoiled, texts

PROVIDERS = sorted(MODELS)
STATUSES = st.sampled_from(
    [200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529, 999]
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "content-type",
            "retry-after",
            "x-request-id",
            "x-amzn-errortype",
            "retry-after-ms",
            "x-ratelimit-reset-requests",
            "date",
        ]
    ),
    st.one_of(
        texts,
        st.sampled_from(["1e400", "nan", "-5", "99999999999999999999", "Wed, 99 Nov 2026 99:00:00 GMT", "0x10", "1_0"]),
    ),
    max_size=4,
)
OPENAI: Any = {
    "id": "r", "model": "m", "object": "chat.completion",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "hi", "refusal": None, "tool_calls": [{"id": "c", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}},
}  # fmt: skip
ANTHROPIC: Any = {
    "id": "r", "type": "message", "model": "m", "stop_reason": "tool_use",
    "content": [{"type": "text", "text": "hi"}, {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}],
    "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 1, "cache_creation_input_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": 1}},
}  # fmt: skip
BEDROCK: Any = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hi"}, {"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": 1}}}]}},
    "stopReason": "tool_use",
    "usage": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 1, "cacheWriteInputTokens": 2, "cacheDetails": [{"ttl": "1h", "inputTokens": 1}]},
}  # fmt: skip
ERROR: Any = {
    "type": "error",
    "error": {"type": "t", "code": "c", "message": "m", "param": None},
    "message": "m",
    "__type": "x",
}
WHOLE = {"anthropic": ANTHROPIC, "bedrock": BEDROCK}
OPENAI_EVENTS: Any = [
    {"id": "r", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}, "x_groq": {"usage": {"prompt_tokens": 1}}},
]  # fmt: skip
ANTHROPIC_EVENTS: Any = [
    {"type": "message_start", "message": {"id": "r", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "c", "name": "f", "input": {}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]  # fmt: skip
BEDROCK_EVENTS: Any = [
    {"role": "assistant"},
    {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "c", "name": "f"}}},
    {"contentBlockIndex": 0, "delta": {"text": "hi", "toolUse": {"input": "{"}}},
    {"stopReason": "end_turn"},
    {"usage": {"inputTokens": 1, "outputTokens": 1}},
]
BEDROCK_NAMES = ["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata"]
EVENTS = {"anthropic": ANTHROPIC_EVENTS, "bedrock": BEDROCK_EVENTS}


def sound(reply: ModelReply) -> None:
    """Its parts are of the types that everything above relies on."""
    assert isinstance(reply.text, str)
    for name in type(reply.usage).__dataclass_fields__:
        count = getattr(reply.usage, name)
        assert count is None or (isinstance(count, int) and not isinstance(count, bool) and count >= NOT_A_COUNT), (
            name,
            count,
        )
    for call in reply.tool_calls:
        assert isinstance(call.id, str)
        assert isinstance(call.name, str)
        assert isinstance(call.arguments, dict | InvalidArguments)
    assert reply.model is None or isinstance(reply.model, str)
    assert reply.response_id is None or isinstance(reply.response_id, str)


def decoded(provider: Any, status: int, headers: dict[str, str], body: bytes) -> None:
    failure = classify(provider, status, headers, body)
    assert failure.kind in get_args(FailureKind)
    assert failure.retry_after is None or 0 <= failure.retry_after < float("inf")
    try:
        sound(adapter_for(provider).decode(target(provider), status, headers, body))
    except ReplyError as error:
        assert error.failure.kind in get_args(FailureKind)  # noqa: PT017 - both ways are right


@pytest.mark.parametrize("provider", PROVIDERS)
@FUZZ
@given(data=st.data(), status=STATUSES, headers=HEADERS)
def test_any_bytes(provider: str, data: st.DataObject, status: int, headers: dict[str, str]):
    body = data.draw(st.one_of(st.binary(max_size=300), json_values.map(as_json), spoiled(ERROR).map(as_json)))
    decoded(provider, status, headers, body)


@pytest.mark.parametrize("provider", PROVIDERS)
@FUZZ
@given(data=st.data(), headers=HEADERS)
def test_a_reply_that_is_almost_right(provider: str, data: st.DataObject, headers: dict[str, str]):
    decoded(provider, 200, headers, as_json(data.draw(spoiled(WHOLE.get(provider, OPENAI)))))


def sse(event: Any) -> bytes:
    name = event.get("type", "x") if isinstance(event, dict) else "x"
    return b"event: " + as_json(name).strip(b'"') + b"\ndata: " + as_json(event) + b"\n\n"


def aws(name: str, event: Any) -> bytes:
    head = b""
    for key, value in ((":event-type", name), (":message-type", "event")):
        head += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    payload = as_json(event)
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    whole = prelude + head + payload
    return whole + struct.pack(">I", binascii.crc32(whole))


@pytest.mark.parametrize("provider", PROVIDERS)
@FUZZ
@given(data=st.data(), headers=HEADERS)
def test_any_stream(provider: Any, data: st.DataObject, headers: dict[str, str]):
    events = [data.draw(spoiled(event)) for event in EVENTS.get(provider, OPENAI_EVENTS)]
    frame = (
        [aws(*pair) for pair in zip(BEDROCK_NAMES, events, strict=True)] if provider == "bedrock" else map(sse, events)
    )
    whole = b"".join(frame)
    if data.draw(st.integers(0, 4)) == 0:
        at = data.draw(st.integers(0, len(whole)))
        whole = whole[:at] + data.draw(st.binary(max_size=60)) + whole[at:]
    size = data.draw(st.sampled_from([1, 7, 100, len(whole)]))
    reader = adapter_for(provider).stream(target(provider), headers)
    try:
        for start in range(0, len(whole), size):
            assert all(isinstance(delta, str) for delta in reader.feed(whole[start : start + size]))
        sound(reader.finish())
    except ReplyError as error:
        assert error.failure.kind in get_args(FailureKind)  # noqa: PT017 - both ways are right
    assert reader.usage is not None
