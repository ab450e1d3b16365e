"""Reasoning state: kept byte by byte, sent back to the model that made it within a tool turn, nowhere else."""

import base64
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.content import ProviderStatePart, TextPart, ToolCallPart, ToolResultPart
from pricing.usage import Usage
from tasks.providers import adapter_for
from tasks.providers.messages import Message, ModelReply, ModelRequest
from tasks.providers.openai import usage
from tasks.providers.token_counts import whole_output
from tasks.sandbox.dialects.eventstream import event as aws_event
from tasks.turn.bound_state import bound, with_valid_state
from tests.support.exchanges import WEATHER, request, target

THOUGHT = {"type": "thinking", "thinking": "Let me sée 雨\n", "signature": "EqQB/+==\u00e9"}
HIDDEN = {"type": "redacted_thinking", "data": "AbC+/=="}
SPOKEN = {"reasoningContent": {"reasoningText": {"text": "Let me sée", "signature": "EqQB/+=="}}}
SEALED = {"reasoningContent": {"redactedContent": base64.b64encode(b"\x00\xffsecret").decode()}}
ASK = Message.of("user", "Weather in Bern?")
USE = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}
TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bern"}}}
CALL = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}


def _anthropic(content: list[Any], stop: str = "tool_use") -> bytes:
    counts = {"input_tokens": 9, "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 80}}
    return json.dumps({"id": "m", "model": "x", "content": content, "stop_reason": stop, "usage": counts}).encode()


def _converse(content: list[Any]) -> bytes:
    counts = {"inputTokens": 9, "outputTokens": 90, "totalTokens": 99}
    return json.dumps(
        {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use", "usage": counts}
    ).encode()


def _chat(message: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": "tool_calls"}
    return json.dumps({"id": "x", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 90}}).encode()


def read(provider: str, model: str, body: bytes) -> ModelReply:
    return adapter_for(provider).decode(target(provider, model=model), 200, {}, body)


def sent_back(provider: str, model: str, reply: ModelReply, **changes: Any) -> Any:
    """The assistant's message as it goes back with a tool's result."""
    messages = (ASK, reply.message, Message.of("tool", ToolResultPart("t1", "sunny")))
    asked = request(messages=messages, schema=None, **changes)
    body = json.loads(adapter_for(provider).encode(target(provider, model=model), asked).body)
    return next(message for message in body["messages"] if message["role"] == "assistant")


def test_claude_gets_its_thoughts_back_in_their_order():
    again = {**THOUGHT, "signature": "second"}
    second = {**USE, "id": "t2"}
    content = [THOUGHT, HIDDEN, {"type": "text", "text": "One moment."}, USE, again, second]
    reply = read("anthropic", "claude-opus-4-8", _anthropic(content))
    assert [type(part).__name__ for part in reply.parts] == [
        "ProviderStatePart", "ProviderStatePart", "TextPart", "ToolCallPart", "ProviderStatePart", "ToolCallPart"
    ]  # fmt: skip
    assert sent_back("anthropic", "claude-opus-4-8", reply)["content"] == content
    assert reply.usage.reasoning_tokens == 80
    assert reply.usage.output_tokens == 90, "thoughts are inside of it, once"


def test_converse_gets_its_thoughts_back():
    model = "global.anthropic.claude-sonnet-4-6"
    reply = read("bedrock", model, _converse([SPOKEN, SEALED, TOOL_USE]))
    assert sent_back("bedrock", model, reply)["content"] == [SPOKEN, SEALED, TOOL_USE]
    assert sent_back("bedrock", "eu.anthropic.claude-sonnet-4-6", reply)["content"][0] == SPOKEN, "the same model"


@pytest.mark.parametrize(
    ("provider", "model", "given"),
    [
        ("deepseek", "deepseek-flash", {"reasoning_content": "Let me sée 雨", "tool_calls": [CALL]}),
        ("groq", "openai/gpt-oss-120b", {"reasoning": "Let me see", "tool_calls": [CALL]}),
        ("openrouter", "anthropic/claude-opus-4.8", {"reasoning_details": [{"type": "reasoning.text", "signature": "+/="}], "tool_calls": [CALL]}),
        ("openai_compatible", "gemini-3.8-flash", {"tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "+/="}}}]}),
    ],
)  # fmt: skip
def test_chat_completions_get_their_fields_back(provider: str, model: str, given: Any):
    reply = read(provider, model, _chat(given))
    back = sent_back(provider, model, reply, reasoning="high")
    assert {name: back[name] for name in given} == given
    assert "reasoning" not in json.dumps(sent_back("openai", "gpt-4.1", reply)), "another provider gets none of it"


def test_servers_that_insist_on_state_get_a_stand_in_for_calls_of_others():
    foreign = ModelReply((ToolCallPart("t1", "weather", {}),), "tool_calls", Usage())
    assert sent_back("deepseek", "deepseek-flash", foreign, reasoning="high")["reasoning_content"] == ""
    assert "reasoning_content" not in sent_back("deepseek", "deepseek-flash", foreign)
    messages = (ASK, foreign.message, Message.of("tool", ToolResultPart("t1", "sunny")))
    for url, signed in (("https://generativelanguage.googleapis.com/v1beta/openai", True), ("http://localhost/v1", False)):  # fmt: skip
        where = target("openai_compatible", model="gemini-3.8-flash", base_url=url)
        body = json.loads(adapter_for("openai_compatible").encode(where, request(messages=messages, schema=None)).body)
        [call] = next(message for message in body["messages"] if message["role"] == "assistant")["tool_calls"]
        stand_in = {"google": {"thought_signature": "skip_thought_signature_validator"}}
        assert call.get("extra_content") == (stand_in if signed else None)


SIGNED = {"functionCall": {"name": "weather", "args": {"city": "Bern"}}, "thoughtSignature": "EqQB/+==é"}
SECOND = {"functionCall": {"name": "weather", "args": {"city": "Basel"}}}
WITH_ID = {"functionCall": {"id": "f-7", "name": "weather", "args": {}}, "thoughtSignature": "AbC/+="}


def gemini_back(reply: ModelReply, provider: str = "gemini", model: str = "gemini-3.8-flash") -> list[Any]:
    """The contents of the next request: a model's, and the results of its calls."""
    results = Message.of("tool", *(ToolResultPart(call.id, "sunny") for call in reply.tool_calls))
    asked = request(messages=(ASK, reply.message, results), schema=None)
    body = json.loads(adapter_for(provider).encode(target(provider, model=model), asked).body)
    return [content["parts"] for content in body["contents"]][1:]


def gemini_read(*parts: Any, provider: str = "gemini", model: str = "gemini-3.8-flash") -> ModelReply:
    return read(provider, model, _gemini([*parts]))


def _gemini(parts: list[Any], reason: str = "STOP") -> bytes:
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 10, "thoughtsTokenCount": 80, "totalTokenCount": 99}
    candidate = {"content": {"role": "model", "parts": parts}, **({"finishReason": reason} if reason else {})}
    return json.dumps({"candidates": [candidate], "usageMetadata": counts}).encode()


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
@pytest.mark.parametrize(
    "parts",
    [
        [SIGNED],
        [SIGNED, SECOND],
        [SIGNED, SECOND, WITH_ID],
        [{"text": "One moment."}, SIGNED, SECOND],
        [{"text": "One moment.", "thoughtSignature": "t+/="}, SECOND | {"thoughtSignature": "u"}],
        [{"text": "One "}, {"text": "moment.", "thoughtSignature": "t+/="}, SIGNED],
        [{"text": "Hm 雨", "thought": True, "thoughtSignature": "t+/="}, SIGNED],
        [{"text": "", "thoughtSignature": "t+/="}, SIGNED],
        [WITH_ID, WITH_ID | {"functionCall": {"id": "f-8", "name": "weather", "args": {}}}],
    ],
)
def test_gemini_gets_its_signatures_back_on_their_parts(provider: str, parts: list[Any]):
    back, results = gemini_back(gemini_read(*parts, provider=provider), provider)
    assert back == parts
    called = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [answer["functionResponse"].get("id") for answer in results] == [call.get("id") for call in called]


def test_results_belong_to_the_last_calls_where_gemini_gives_no_ids():
    """Ids of our own start again with each reply."""
    other = {"functionCall": {"name": "tides", "args": {}}, "thoughtSignature": "s"}
    messages = [ASK]
    for reply in (gemini_read(SIGNED, other), gemini_read(other, SECOND)):
        messages += [reply.message, Message.of("tool", *(ToolResultPart(call.id, "x") for call in reply.tool_calls))]
    asked = request(messages=tuple(messages), schema=None)
    body = json.loads(adapter_for("gemini").encode(target("gemini", model="gemini-3.8-flash"), asked).body)
    assert [
        [(part.get("functionCall") or part["functionResponse"])["name"] for part in content["parts"]]
        for content in body["contents"][1:]
    ] == [["weather", "tides"]] * 2 + [["tides", "weather"]] * 2


def test_gemini_thoughts_without_a_signature_are_left_out():
    back, _ = gemini_back(gemini_read({"text": "Hm.", "thought": True}, SIGNED))
    assert back == [SIGNED]


@pytest.mark.parametrize(
    ("provider", "model", "stand_in"),
    [
        ("gemini", "gemini-4-argon", True),
        ("vertex", "gemini-3.8-flash", True),
        ("gemini", "gemini-2.5-flash", False),
    ],
)
def test_another_gemini_gets_no_signature_but_the_stand_in(provider: str, model: str, stand_in: bool):
    back, results = gemini_back(gemini_read(WITH_ID, SECOND), provider, model)
    assert [part.get("thoughtSignature") for part in back] == [
        "skip_thought_signature_validator" if stand_in else None,
        None,
    ]
    assert all("id" not in part["functionCall"] for part in back)
    assert all("id" not in answer["functionResponse"] for answer in results)
    assert "AbC/+=" not in json.dumps(sent_back("openai", "gpt-4.1", gemini_read(WITH_ID)))


def test_gemini_2_is_given_no_stand_in_and_its_own_signature():
    model = "gemini-2.5-flash"
    parts = [{"text": "One moment.", "thoughtSignature": "t+/="}, SECOND]
    assert gemini_back(gemini_read(*parts, model=model), model=model)[0] == parts


def test_a_signature_goes_with_the_call_it_came_with():
    """Of an answer by the tool that stands for its schema, nothing is sent back."""
    answer = {"functionCall": {"name": "structured_answer", "args": {"x": 1}}, "thoughtSignature": "answer's"}
    back, _ = gemini_back(gemini_read(answer, SIGNED))
    assert back == [SIGNED]
    back, _ = gemini_back(gemini_read(answer, SECOND))
    assert back == [SECOND | {"thoughtSignature": "skip_thought_signature_validator"}]


@given(st.integers(1, 60))
def test_a_streamed_signature_is_on_its_part(size: int):
    pieces: list[list[Any]] = [
        [{"text": "One "}],
        [{"text": "moment."}],
        [{"text": "", "thoughtSignature": "t+/="}],
        [SIGNED, SECOND],
    ]
    wire = b"".join(b"data: " + _gemini(parts, "STOP" if parts[0] is SIGNED else "") + b"\r\n\r\n" for parts in pieces)
    reader = adapter_for("gemini").stream(target("gemini", model="gemini-3.8-flash"), {})
    said = [piece for start in range(0, len(wire), size) for piece in reader.feed(wire[start : start + size])]
    reply = reader.finish()
    assert "".join(said) == reply.text == "One moment."
    assert gemini_back(reply)[0] == [{"text": "One moment."}, {"text": "", "thoughtSignature": "t+/="}, SIGNED, SECOND]
    assert (reply.usage.output_tokens, reply.usage.reasoning_tokens) == (90, 80)


def test_an_answer_of_gemini_keeps_no_signature():
    assert gemini_read({"text": "Sunny.", "thoughtSignature": "t"}).parts == (TextPart("Sunny."),)


@pytest.mark.parametrize("other", ["claude-sonnet-5-5", "claude-haiku-4-5"])
def test_another_model_gets_none_of_it(other: str):
    reply = read("anthropic", "claude-opus-4-8", _anthropic([THOUGHT, USE]))
    assert sent_back("anthropic", other, reply)["content"] == [USE | {"id": "call00001"}]
    assert sent_back("bedrock", f"eu.anthropic.{other}", reply)["content"] == [
        {"toolUse": TOOL_USE["toolUse"] | {"toolUseId": "call00001"}}
    ]


def test_an_answer_without_calls_keeps_no_state():
    reply = read("anthropic", "claude-opus-4-8", _anthropic([THOUGHT, {"type": "text", "text": "Sunny."}], "end_turn"))
    assert reply.parts == (TextPart("Sunny."),)


def _events(provider: str, pieces: list[tuple[str, Any]]) -> bytes:
    if provider == "bedrock":
        return b"".join(aws_event(name, body) for name, body in pieces)
    return b"".join(f"event: {name}\ndata: {json.dumps({'type': name, **body})}\n\n".encode() for name, body in pieces)


@given(st.integers(1, 40))
def test_a_streamed_thought_is_whole_wherever_it_is_cut(size: int):
    pieces: list[tuple[str, Any]] = [
        ("message_start", {"message": {"id": "m", "model": "x", "usage": {"input_tokens": 9}}}),
        ("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        *(("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": word}}) for word in ("Let me ", "sée 雨\n")),
        ("content_block_delta", {"index": 0, "delta": {"type": "signature_delta", "signature": THOUGHT["signature"]}}),
        ("content_block_stop", {"index": 0}),
        ("content_block_start", {"index": 1, "content_block": HIDDEN}),
        ("content_block_start", {"index": 2, "content_block": {**USE, "input": {}}}),
        ("content_block_delta", {"index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"city":"Bern"}'}}),
        ("message_delta", {"delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 90}}),
        ("message_stop", {}),
    ]  # fmt: skip
    reader = adapter_for("anthropic").stream(target("anthropic", model="claude-opus-4-8"), {})
    wire = _events("anthropic", pieces)
    said = [piece for start in range(0, len(wire), size) for piece in reader.feed(wire[start : start + size])]
    assert said == [], "thoughts are no part of an answer"
    assert sent_back("anthropic", "claude-opus-4-8", reader.finish())["content"] == [THOUGHT, HIDDEN, USE]


def test_a_streamed_thought_of_converse():
    sealed = [base64.b64encode(piece).decode() for piece in (b"\x00\xff", b"secret")]
    deltas: list[tuple[int, Any]] = [
        *((0, {"reasoningContent": {"text": word}}) for word in ("Let me ", "sée")),
        (0, {"reasoningContent": {"signature": "EqQB/+=="}}),
        *((1, {"reasoningContent": {"redactedContent": piece}}) for piece in sealed),
    ]
    pieces = [
        ("messageStart", {"role": "assistant"}),
        *(("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for index, delta in deltas),
        ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"city":"Bern"}'}}}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 9, "outputTokens": 90}}),
    ]
    model = "global.anthropic.claude-sonnet-4-6"
    reader = adapter_for("bedrock").stream(target("bedrock", model=model), {})
    assert reader.feed(_events("bedrock", pieces)) == []
    assert sent_back("bedrock", model, reader.finish())["content"] == [SPOKEN, SEALED, TOOL_USE]


def test_state_is_tied_to_the_text_before_it_where_the_model_ties_it():
    state = ProviderStatePart("anthropic/default/claude-opus-5-5", THOUGHT)
    asked = request(messages=(ASK,))
    reply = bound(ModelReply((state, ToolCallPart("t1", "weather", {})), "tool_calls", Usage()), asked)
    result = Message.of("tool", ToolResultPart("t1", "sunny"))

    def kept(model: str, **changes: Any) -> bool:
        again = request(**{"messages": (ASK, reply.message, result), **changes})
        return with_valid_state(again, target("anthropic", model=model)) is again

    assert kept("claude-opus-5-5")
    assert not kept("claude-opus-5-5", messages=(Message.of("user", "Weather in [CITY_1]?"), reply.message, result))
    assert not kept("claude-opus-5-5", tools=(WEATHER, WEATHER))
    assert not kept("claude-opus-5-5", system=TextPart("Be long."))
    assert kept("claude-opus-4-8", system=TextPart("Be long.")), "older models do not tie it"


def test_once_a_thought_is_left_out_those_after_it_are_too():
    def turn(asked: ModelRequest) -> Message:
        state = ProviderStatePart("f", THOUGHT)
        return bound(ModelReply((state, ToolCallPart("t1", "weather", {})), "tool_calls", Usage()), asked).message

    result = Message.of("tool", ToolResultPart("t1", "sunny"))
    first = turn(request(messages=(Message.of("user", "another question"),)))
    second = turn(request(messages=(ASK, first, result)))
    left = with_valid_state(
        request(messages=(ASK, first, result, second, result)), target("anthropic", model="claude-opus-5-5")
    )
    assert not any(isinstance(part, ProviderStatePart) for message in left.messages for part in message.parts)


def test_state_is_not_shown_and_does_not_leave_its_process():
    part = ProviderStatePart("f", THOUGHT, "digest")
    assert "EqQB" not in repr(part)
    with pytest.raises(TypeError):
        pickle.dumps(part)


@pytest.mark.parametrize(
    ("counts", "output", "reasoning"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140, "completion_tokens_details": {"reasoning_tokens": 30}}, 40, 30),
        ({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 140, "completion_tokens_details": {"reasoning_tokens": 30}}, 40, 30),
        ({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 140}, 40, None),
        ({"prompt_tokens": 100, "completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 30}}, 40, 30),
        ({"prompt_tokens": 100, "completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 30}}, 40, 30),
        ({"prompt_tokens": 100, "completion_tokens": 10, "reasoning_tokens": 30, "total_tokens": 140}, 40, 30),
        ({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 90}, 10, None),
        ({"prompt_tokens": None, "completion_tokens": 10, "total_tokens": 90}, 10, None),
    ],
)  # fmt: skip
def test_reasoning_is_counted_once(counts: Any, output: int, reasoning: int | None):
    counted = usage(counts)
    assert (counted.output_tokens, counted.reasoning_tokens) == (output, reasoning)


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["inside", "beside", "total"])
)
def test_wherever_it_is_counted_output_is_the_same(read: int, answer: int, thought: int, where: str):
    whole = answer + thought
    if where == "inside":
        assert whole_output(read, whole, thought, read + whole) == whole
    else:
        assert whole_output(read, answer, thought if where == "beside" else None, read + whole) == whole
