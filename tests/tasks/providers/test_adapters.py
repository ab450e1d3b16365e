import json
import pickle
import sys
import traceback
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.content import TextPart, ToolCallPart, ToolResultPart
from pricing.usage import Usage
from tasks.providers import Adapter, ReplyError, adapter_for
from tasks.providers.failure_kinds import failure
from tasks.providers.messages import Message, ModelReply
from tests.support.exchanges import request, target

PROVIDERS = ["anthropic", "bedrock", "gemini", "groq", "openai", "openai_compatible"]
"""Every dialect, and each set of failure rules."""
WORDS = [
    "choices", "message", "content", "tool_calls", "function", "arguments", "finish_reason", "usage", "delta", "index",
    "stop_reason", "type", "text", "tool_use", "input", "output", "toolUse", "stopReason", "error", "inputTokens", "name",
    "message_start", "content_block_start", "content_block", "content_block_delta", "message_delta", "contentBlockIndex",
]  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=30,
)
bodies = st.binary() | values.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize("provider", PROVIDERS)
@given(status=st.sampled_from([200, 201, 400, 429, 500]), body=bodies)
def test_any_bytes_are_a_reply_or_a_failure(provider, status, body):
    adapter: Adapter = adapter_for(provider)
    try:
        reply = adapter.decode(target(provider), status, {}, body)
    except ReplyError as error:
        assert error.failure.status in {status, 200}  # noqa: PT017 - a reply is as good an outcome
    else:
        assert isinstance(reply, ModelReply)
        assert (reply.stop == "tool_calls") is bool(reply.tool_calls)
        reply.text.encode()


@pytest.mark.parametrize("provider", PROVIDERS)
@given(events=st.lists(bodies, max_size=4))
def test_any_bytes_are_a_stream_or_a_failure(provider, events):
    raw = (
        events[0]
        if provider == "bedrock" and events
        else b"".join(b"data: " + event.replace(b"\n", b"") + b"\n\n" for event in events)
    )
    reader = adapter_for(provider).stream(target(provider), {})
    try:
        words = reader.feed(raw)
        reply = reader.finish()
    except ReplyError as error:
        assert error.failure.maybe_billed  # noqa: PT017 - a reply is as good an outcome
    else:
        assert "".join(words) in reply.text


@pytest.mark.parametrize("provider", PROVIDERS)
@given(text=st.text(), arguments=st.text())
def test_any_words_can_be_sent(provider, text, arguments):
    messages = (
        Message.of("user", text),
        Message.of("assistant", text, ToolCallPart.parse("c", "n", arguments)),
        Message.of("tool", ToolResultPart("c", text)),
    )
    sent = adapter_for(provider).encode(
        target(provider), request(messages=messages, system=TextPart(text)), stream=True
    )
    assert isinstance(json.loads(sent.body), dict)


def test_a_reply_error_tells_nothing_and_travels():
    error = ReplyError(failure("refusal", status=200), Usage(1, 2))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (again.failure, again.usage) == (error.failure, error.usage)
    assert str(again) == "refusal (status 200, code None)"


def test_a_broken_streams_traceback_holds_no_content():
    secret = "4111 1111 1111 1111"
    reader = adapter_for("openai").stream(target("openai"), {})
    with pytest.raises(ReplyError) as raised:
        reader.feed(f'data: {{"oops {secret}\n\n'.encode())
    assert secret not in "".join(traceback.format_exception(raised.value))


def test_importing_the_room_is_cheap():
    code = "import sys, tasks.providers; print([name for name in ('httpx', 'aiohttp', 'pydantic', 'botocore') if name in sys.modules])"
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
