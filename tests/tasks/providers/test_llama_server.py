"""A real llama-server, where one runs: what it answers to the requests that sandboxes take more easily.

To run it, build llama.cpp (``cmake -B build && cmake --build build --target llama-server``), start
``build/bin/llama-server -m MODEL.gguf --jinja --port 8080`` with any small instruction-tuned model, and name it:
``LLAMA_SERVER_URL=http://127.0.0.1:8080/v1 pytest tests/tasks/providers/test_llama_server.py``.
"""

import json
import os
from urllib.parse import urlsplit

import httpx
import pytest

from pricing.content import ToolCallPart, ToolResultPart
from tasks.answer_json import json_of
from tasks.providers import ReplyError, adapter_for
from tasks.providers.messages import Message, ModelReply, ModelRequest
from tests.support.exchanges import WEATHER, Point, request, schema, target
from tests.support.waiting import PATIENCE

URL = os.environ.get("LLAMA_SERVER_URL", "")
pytestmark = [
    pytest.mark.skipif(not URL, reason="no llama-server: set LLAMA_SERVER_URL, see the module's docstring"),
    pytest.mark.skipif(
        bool(URL) and urlsplit(URL).hostname not in {"127.0.0.1", "localhost"}, reason="tests reach only loopback"
    ),
]


def ask(asked: ModelRequest, *, stream: bool = False) -> ModelReply:
    adapter, where = adapter_for("llama_cpp"), target("llama_cpp", base_url=URL)
    wire = adapter.encode(where, asked, stream=stream)
    answer = httpx.post(wire.url, headers=dict(wire.headers), content=wire.body, timeout=PATIENCE)
    if not stream or answer.status_code != 200:
        return adapter.decode(where, answer.status_code, answer.headers, answer.content)
    reader = adapter.stream(where, answer.headers)
    reader.feed(answer.content)
    return reader.finish()


@pytest.mark.parametrize("stream", [False, True])
def test_text(stream: bool):
    reply = ask(request(messages=(Message.of("user", "Say yes."),), tools=(), schema=None), stream=stream)
    assert reply.text.strip()
    assert reply.usage.known


def test_a_schema():
    asked = request(messages=(Message.of("user", "x is 3, there is no title."),), tools=(), schema=schema(Point))
    Point.model_validate(json.loads(json_of(ask(asked).text)))


def test_invalid_arguments_that_are_sent_back_do_not_break_it():
    """It parses the arguments of earlier calls, and answers 500 if they are not a JSON object."""
    broken = ToolCallPart.parse("an id: of any kind", "weather", '{"city": ')
    messages = (
        Message.of("user", "What is the weather in Bern?"),
        Message.of("assistant", broken),
        Message.of("tool", ToolResultPart(broken.id, "Invalid arguments", is_error=True)),
    )
    assert ask(request(messages=messages, tools=(WEATHER,), schema=None)).stop in {"end", "tool_calls"}


def test_a_prompt_that_is_too_long_is_an_overflow():
    """Start the server with ``-c 2048`` or less than this prompt has."""
    long = request(messages=(Message.of("user", "It rains in Bern. " * 60_000),), tools=(), schema=None)
    with pytest.raises(ReplyError) as raised:
        ask(long)
    assert raised.value.failure.kind == "context_overflow"
