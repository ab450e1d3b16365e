"""OpenAI's Responses API: bodies against the SDK's types, replies of every kind, streams wherever they are cut."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from openai.types.responses.response import Response
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import ConfigDict, TypeAdapter, with_config

from pricing.content import ImagePart, ProviderStatePart, TextPart, ToolCallPart, ToolResultPart
from pricing.usage import Usage
from tasks.providers import ReplyError, adapter_for
from tasks.providers.messages import Message, ModelReply, ModelRequest
from tasks.providers.options import OptionRefused, RequestOptions
from tasks.sandbox import Latency, Sandbox
from tests.support.exchanges import CONVERSATION, Answer, Free, request, schema, target
from tests.support.waiting import PATIENCE

MODEL = "gpt-6.1-terra"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01"
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA+/==\u00e9"}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "c1",
    "name": "weather",
    "arguments": '{"city":"Bern"}',
}
COUNTS = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 16},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 140,
}
COUNTED = Usage(100, 40, cache_read_tokens=64, cache_write_tokens=16, reasoning_tokens=30)


def said(words: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": words, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content, **more}


def response(*output: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-6.1-terra-2026-10-01", "error": None}
    head |= {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}
    return {**head, "status": status, "output": list(output), "usage": COUNTS, **more}


def decode(body: Any, status: int = 200) -> ModelReply:
    return adapter_for("openai").decode(
        target("openai", model=MODEL), status, {"X-Request-ID": "req_9"}, json.dumps(body).encode()
    )


def body_of(asked: ModelRequest, model: str = MODEL, *, stream: bool = False) -> Any:
    sent = adapter_for("openai").encode(target("openai", model=model), asked, stream=stream)
    assert sent.url == "https://api.openai.com/v1/responses"
    return json.loads(sent.body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [MODEL, "gpt-5.5-pro", "gpt-6-astra", "gpt-5.3-codex"])
def test_the_sdk_accepts_our_bodies(model: str, stream: bool):
    params = ResponseCreateParamsStreaming if stream else ResponseCreateParamsNonStreaming
    strict = TypeAdapter(with_config(ConfigDict(extra="forbid"))(params))
    picture = (Message.of("user", "What is it?", ImagePart("image/png", PNG)),)
    shown = (
        *CONVERSATION[:2],
        Message.of(
            "tool", ToolResultPart("c1", (TextPart("see"), ImagePart("image/png", PNG))), ToolResultPart("c2", "x")
        ),
    )
    for asked in (
        request(),
        request(schema=None),
        request(schema=schema(Free)),
        request(messages=picture),
        request(messages=shown),
    ):
        strict.validate_python(body_of(asked, model, stream=stream))


def test_nothing_is_stored_and_reasoning_is_asked_for():
    body = body_of(request(reasoning="high"))
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    assert body["reasoning"] == {"effort": "high"}
    system = {"type": "input_text", "text": "Be brief.", "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert body["input"][0] == {"role": "developer", "content": [system]}
    assert "instructions" not in body
    assert body["max_output_tokens"] == 500 + 16_384
    assert body["prompt_cache_key"].startswith("farebox-")
    assert body["text"]["format"]["strict"] is True
    assert body["tools"][0]["strict"] is False, "a missing one is read as true"
    assert "temperature" not in body
    assert body["input"][1] == {
        "role": "user",
        "content": [{"type": "input_text", "text": "Weather in Bern and Basel?"}],
    }
    assert body["input"][2]["arguments"] == '{"city":"Bern"}'
    assert body["input"][4] == {"type": "function_call_output", "call_id": "call00001", "output": "sunny"}


def test_which_requests_go_there():
    tools, none = request(), request(tools=())

    def path(model: str, asked: ModelRequest) -> str:
        return adapter_for("openai").encode(target("openai", model=model), asked).url.rpartition("/v1")[2]

    for model, with_tools, without in (
        ("gpt-6-luna", "/responses", "/chat/completions"),
        ("gpt-6-astra", "/responses", "/chat/completions"),
        ("gpt-5.5", "/responses", "/chat/completions"),
        ("gpt-5.4", "/chat/completions", "/chat/completions"),
        ("gpt-5.1", "/chat/completions", "/chat/completions"),
        ("gpt-5-mini", "/chat/completions", "/chat/completions"),
        ("gpt-4.1", "/chat/completions", "/chat/completions"),
        ("o3-pro", "/responses", "/responses"),
        ("gpt-5-pro", "/responses", "/responses"),
        ("gpt-5.3-codex", "/responses", "/responses"),
    ):
        assert (path(model, tools), path(model, none)) == (with_tools, without), model
    assert path("gpt-5.4", request(reasoning="low")) == "/responses"
    assert path("gpt-6-luna", request(reasoning="none")) == "/chat/completions"
    assert path("gpt-6-luna", request(tools=(), reasoning="max")) == "/responses"
    assert path("some-new-model", request()) == "/chat/completions"
    assert path("some-new-model", request(without=frozenset({"chat"}))) == "/responses", "as the server said"


def test_an_answer():
    whole = response(REASONING, said("Sunny."))
    Response.model_validate(whole)
    reply = decode(whole)
    assert (reply.parts, reply.stop, reply.usage) == ((TextPart("Sunny."),), "end", COUNTED)
    assert (reply.model, reply.request_id, reply.response_id) == ("gpt-6.1-terra-2026-10-01", "req_9", "resp_1")


def test_calls_with_reasoning_go_back_as_they_came():
    message = said("One moment.", phase="commentary")
    second = {**CALL, "id": "fc_2", "call_id": "c2"}
    reply = decode(response(REASONING, message, CALL, {**REASONING, "id": "rs_2"}, second))
    assert reply.stop == "tool_calls"
    results = Message.of("tool", ToolResultPart("c1", "sunny"), ToolResultPart("c2", "rain"))
    asked = request(messages=(Message.of("user", "?"), reply.message, results))
    back = body_of(asked)["input"][2:7]
    assert back[0] == REASONING
    assert back[1] == message
    assert [item["type"] for item in back] == ["reasoning", "message", "function_call", "reasoning", "function_call"]
    assert {**back[2], "status": "completed"} == CALL
    assert {**back[4], "status": "completed"} == second


def test_another_model_gets_neither_reasoning_nor_ids():
    reply = decode(response(REASONING, said("One moment.", phase="commentary"), CALL))
    results = Message.of("tool", ToolResultPart("c1", "sunny"))
    asked = request(messages=(Message.of("user", "?"), reply.message, results))
    back = body_of(asked, "gpt-6-luna")["input"][2:4]
    assert back == [
        {"role": "assistant", "content": "One moment."},
        {name: CALL[name] for name in ("type", "name", "arguments")} | {"call_id": "call00001"},
    ]


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("max_messages", "length")],
)
def test_an_incomplete_one(reason: str, stop: str):
    reply = decode(response(said("Sun"), status="incomplete", incomplete_details={"reason": reason}))
    assert (reply.text, reply.stop, reply.usage) == ("Sun", stop, COUNTED)


def test_one_whose_thoughts_took_all_of_it():
    reply = decode(response(REASONING, status="incomplete", incomplete_details={"reason": "max_output_tokens"}))
    assert (reply.parts, reply.stop) == ((), "length")


def test_a_refusal():
    refused = {**said(""), "content": [{"type": "refusal", "refusal": "I cannot help with that."}]}
    reply = decode(response(REASONING, refused))
    assert (reply.text, reply.stop) == ("I cannot help with that.", "refusal")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", "server_error"),
        ("rate_limit_exceeded", "rate_limit"),
        ("invalid_prompt", "content_policy"),
        ("bio_policy", "content_policy"),
        ("misalignment_policy_violation", "content_policy"),
        (None, "server_error"),
    ],
)
def test_a_failure_inside_a_200(code: str | None, kind: str):
    error = {"code": code, "message": "It failed."} if code else None
    with pytest.raises(ReplyError) as told:
        decode(response(status="failed", error=error))
    assert told.value.failure.kind == kind
    assert told.value.failure.maybe_billed
    assert told.value.usage == COUNTED


@pytest.mark.parametrize("status", ["in_progress", "queued", "cancelled", "what"])
def test_one_that_is_no_answer(status: str):
    with pytest.raises(ReplyError) as told:
        decode(response(said("x"), status=status))
    assert told.value.failure.kind == "server_error"


def test_an_error_is_read_as_of_chat_completions():
    error = {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}
    with pytest.raises(ReplyError) as told:
        decode({"error": error}, 401)
    assert told.value.failure.kind == "auth"


def events(*pairs: tuple[str, Any]) -> bytes:
    return b"".join(f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode() for kind, body in pairs)


def streamed(wire: bytes, size: int = 10**6) -> tuple[list[str], ModelReply]:
    reader = adapter_for("openai").stream(target("openai", model=MODEL), {})
    words = [piece for start in range(0, len(wire), size) for piece in reader.feed(wire[start : start + size])]
    return words, reader.finish()


@settings(max_examples=25)
@given(st.integers(1, 90))
def test_a_stream_wherever_it_is_cut(size: int):
    message, whole = said("Sée 雨.", phase="commentary"), response(REASONING, said("Sée 雨."), CALL)
    wire = events(
        ("response.created", {"response": {**whole, "status": "in_progress", "output": [], "usage": None}}),
        ("response.output_item.added", {"output_index": 0, "item": {**REASONING, "encrypted_content": "partial"}}),
        ("response.output_item.done", {"output_index": 0, "item": REASONING}),
        ("response.output_item.added", {"output_index": 1, "item": {**message, "content": []}}),
        ("response.output_text.delta", {"output_index": 1, "delta": "Sée "}),
        ("response.output_text.delta", {"output_index": 1, "delta": "雨."}),
        ("response.output_item.done", {"output_index": 1, "item": message}),
        ("response.output_item.added", {"output_index": 2, "item": {**CALL, "arguments": ""}}),
        ("response.function_call_arguments.delta", {"output_index": 2, "delta": CALL["arguments"]}),
        ("response.output_item.done", {"output_index": 2, "item": CALL}),
        ("response.completed", {"response": whole}),
    )
    words, reply = streamed(wire, size)
    assert "".join(words) == "Sée 雨."
    assert reply.usage == COUNTED
    asked = request(
        messages=(Message.of("user", "?"), reply.message, Message.of("tool", ToolResultPart("c1", "sunny")))
    )
    assert body_of(asked)["input"][2:4] == [REASONING, message]


def test_a_stream_that_says_its_words_only_at_the_end():
    whole = response(said("Sunny."))
    words, reply = streamed(
        events(
            ("response.output_item.done", {"output_index": 0, "item": said("Sunny.")}),
            ("response.completed", {"response": whole}),
        )
    )
    assert (words, reply.text) == (["Sunny."], "Sunny.")


@pytest.mark.parametrize(
    ("last", "kind", "usage"),
    [
        (("response.failed", {"response": response(status="failed", error={"code": "rate_limit_exceeded", "message": "x"})}), "rate_limit", COUNTED),
        (("response.failed", {"response": response(status="failed", error={"code": "server_error", "message": "x"})}), "server_error", COUNTED),
        (("error", {"code": "server_error", "message": "x", "param": None}), "server_error", Usage()),
        (("error", {"error": {"code": "rate_limit_exceeded", "message": "x", "type": "x"}}), "rate_limit", Usage()),
    ],
)  # fmt: skip
def test_a_stream_that_fails(last: Any, kind: str, usage: Usage):
    with pytest.raises(ReplyError) as told:
        streamed(events(("response.output_text.delta", {"output_index": 0, "delta": "Sun"}), last))
    assert (told.value.failure.kind, told.value.usage) == (kind, usage)


def test_a_text_about_errors_is_no_error():
    words, reply = streamed(
        events(
            ("response.output_text.delta", {"output_index": 0, "delta": 'say "error": response.failed'}),
            ("response.completed", {"response": response(said('say "error": response.failed'))}),
        )
    )
    assert (reply.stop, "".join(words)) == ("end", 'say "error": response.failed')


def test_a_stream_that_breaks_off():
    reader = adapter_for("openai").stream(target("openai", model=MODEL), {})
    reader.feed(events(("response.output_text.delta", {"output_index": 0, "delta": "Sun"})))
    with pytest.raises(ReplyError) as told:
        reader.finish()
    assert told.value.failure.kind == "connection"


# The sandbox ---------------------------------------------------------------------------------------------------------


def test_the_sandbox_speaks_as_the_sdk_reads_and_refuses_what_openai_refuses(tmp_path: Path):
    place = target("openai", model=MODEL)
    with (
        Sandbox(tmp_path / "j.jsonl", latency=Latency(0, 0)) as sandbox,
        httpx.Client(base_url=sandbox.url, timeout=PATIENCE) as http,
    ):

        def post(asked: ModelRequest, *, stream: bool = False, **changes: Any) -> httpx.Response:
            body = json.loads(adapter_for("openai").encode(place, asked, stream=stream).body) | changes
            return http.post("/v1/responses", json=body)

        question = Message.of("user", "What is the weather in Bern?")
        asked = request(messages=(question,), schema=None)
        whole = post(asked)
        Response.model_validate(whole.json())
        for line in post(asked, stream=True).text.splitlines():
            if line.startswith("data: "):
                TypeAdapter(ResponseStreamEvent).validate_python(
                    {
                        "sequence_number": 0,
                        "content_index": 0,
                        "logprobs": [],
                        "summary_index": 0,
                        **json.loads(line[6:]),
                    }
                )
        reply = adapter_for("openai").decode(place, 200, {}, whole.content)
        [call] = reply.tool_calls
        result = Message.of("tool", ToolResultPart(call.id, "sunny"))

        def again(*parts: Any) -> httpx.Response:
            return post(request(messages=(question, Message.of("assistant", *parts), result), schema=None))

        assert again(*reply.parts).status_code == 200
        states = [part for part in reply.parts if isinstance(part, ProviderStatePart)]
        broken = ProviderStatePart(
            states[0].family, {**states[0].payload, "encrypted_content": "x" + states[0].payload["encrypted_content"]}
        )
        assert again(broken, *states[1:], call).json()["error"]["code"] == "invalid_encrypted_content"
        assert "without its required 'reasoning' item" in again(states[1], call).json()["error"]["message"]
        assert again(call).status_code == 200, "neither reasoning nor ids"
        lost = post(
            request(messages=(question,), schema=None), input=[{"role": "user", "content": "?"}, states[0].payload]
        )
        assert "without its required following item" in lost.json()["error"]["message"]
        assert post(asked, temperature=0).json()["error"]["param"] == "temperature"
        assert post(asked, max_output_tokens=5).status_code == 400
        assert post(asked, messages=[]).status_code == 400
        structured = post(request(messages=(question,), tools=(), schema=schema(Answer), reasoning="max"))
        assert isinstance(json.loads(adapter_for("openai").decode(place, 200, {}, structured.content).text), dict)
        assert isinstance(call, ToolCallPart)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (RequestOptions("none"), {"tool_choice": "none"}),
        (RequestOptions("weather"), {"tool_choice": {"type": "function", "name": "weather"}}),
        (RequestOptions(parallel_tool_calls=False), {"parallel_tool_calls": False}),
    ],
)
def test_which_tools_are_to_be_called(options: RequestOptions, fields: dict[str, Any]):
    body = body_of(request(options=options))
    assert {name: body[name] for name in fields} == fields
    TypeAdapter(with_config(ConfigDict(extra="forbid"))(ResponseCreateParamsNonStreaming)).validate_python(body)


@pytest.mark.parametrize("options", [RequestOptions(stop=("END",)), RequestOptions(seed=0)])
def test_what_this_api_does_not_have_is_refused(options: RequestOptions):
    with pytest.raises(OptionRefused, match="Responses API"):
        body_of(request(options=options))
