"""What servers send that is not quite the API they speak, read as it was meant."""

import json
import re
from typing import Any

import pytest

from pricing.content import InvalidArguments, ToolCallPart, ToolResultPart
from tasks.providers import ReplyError, adapter_for
from tasks.providers.messages import Message, ModelReply
from tasks.sandbox.dialects.eventstream import event as aws_event
from tests.support.exchanges import request, target

USAGE = {"prompt_tokens": 5, "completion_tokens": 3}


def openai_reply(message: dict[str, Any], reason: str = "stop") -> ModelReply:
    body = {"choices": [{"message": message, "finish_reason": reason}], "usage": USAGE}
    return adapter_for("openai_compatible").decode(target("openai_compatible"), 200, {}, json.dumps(body).encode())


def call(arguments: Any, **more: Any) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "weather", "arguments": arguments, **more}}


ARGUMENTS: list[tuple[Any, Any]] = [
    ('{"city": "Bern"}', {"city": "Bern"}),
    ({"city": "Bern"}, {"city": "Bern"}),
    (json.dumps('{"city": "Bern"}'), {"city": "Bern"}),
    ('\ufeff {"city": "Bern"}\n', {"city": "Bern"}),
    ("", {}),
    ("  ", {}),
    (None, {}),
    ("null", {}),
    ({}, {}),
    ("{}", {}),
    ({"city": {"name": "Bern", "lines": [1, None]}}, {"city": {"name": "Bern", "lines": [1, None]}}),
]
BROKEN: list[Any] = ["{broken", "[1]", [1], "3", 3, '"Bern"', True]


@pytest.mark.parametrize(("sent", "read"), ARGUMENTS)
def test_arguments_are_read_in_every_form(sent: Any, read: Any):
    (found,) = openai_reply({"content": None, "tool_calls": [call(sent)]}).tool_calls
    assert found.arguments == read
    chunk = {"choices": [{"delta": {"tool_calls": [{"index": 0, **call(sent)}]}, "finish_reason": "tool_calls"}]}
    reader = adapter_for("openai_compatible").stream(target("openai_compatible"), {})
    reader.feed(f"data: {json.dumps(chunk | {'usage': USAGE})}\n\n".encode())
    assert reader.finish().tool_calls[0].arguments == read


@pytest.mark.parametrize(("sent", "read"), ARGUMENTS)
def test_claude_and_bedrock_read_them_too(sent: Any, read: Any):
    block = {"type": "tool_use", "id": "t", "name": "weather", "input": sent}
    body = {"content": [block], "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}}
    reply = adapter_for("anthropic").decode(target("anthropic"), 200, {}, json.dumps(body).encode())
    assert reply.tool_calls[0].arguments == read
    use = {"toolUse": {"toolUseId": "t", "name": "weather", "input": sent}}
    answer = {"output": {"message": {"content": [use]}}, "stopReason": "tool_use"}
    reply = adapter_for("bedrock").decode(target("bedrock"), 200, {}, json.dumps(answer).encode())
    assert reply.tool_calls[0].arguments == read


def test_claude_may_send_all_of_the_input_in_the_first_event():
    reader = adapter_for("anthropic").stream(target("anthropic"), {})
    block = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Bern"}}
    for event in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ):
        reader.feed(f"data: {json.dumps(event)}\n\n".encode())
    assert reader.finish().tool_calls[0].arguments == {"city": "Bern"}


@pytest.mark.parametrize("sent", BROKEN)
def test_invalid_arguments_stay_what_they_were_and_are_wrapped_when_sent_back(sent: Any):
    (found,) = openai_reply({"content": None, "tool_calls": [call(sent)]}).tool_calls
    assert isinstance(found.arguments, InvalidArguments)
    messages = (
        Message.of("user", "Weather?"),
        Message.of("assistant", found),
        Message.of("tool", ToolResultPart(found.id, "Invalid arguments", is_error=True)),
    )
    asked = request(messages=messages, schema=None)
    for provider in ("openai", "openai_compatible", "anthropic", "bedrock", "groq"):
        body = json.loads(adapter_for(provider).encode(target(provider), asked).body)
        text = json.dumps(body)
        assert "invalid_arguments" in text
        for sent_call in (c for m in body["messages"] for c in m.get("tool_calls", ())):
            assert isinstance(json.loads(sent_call["function"]["arguments"]), dict)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"type": "text", "text": "It "}, {"type": "text", "text": "rains."}], "It rains."),
        ([{"type": "output_text", "text": "It rains."}], "It rains."),
        (["It ", "rains."], "It rains."),
        ({"type": "text", "text": "It rains."}, "It rains."),
        ([{"text": "It rains."}], "It rains."),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "It rains."}], "It rains."),
        ([{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "It rains."}], "It rains."),
    ],
)  # fmt: skip
def test_content_may_be_blocks(content: Any, said: str):
    assert openai_reply({"content": content}).text == said
    reader = adapter_for("openai_compatible").stream(target("openai_compatible"), {})
    chunk = {"choices": [{"delta": {"content": content}, "finish_reason": "stop"}], "usage": USAGE}
    assert reader.feed(f"data: {json.dumps(chunk)}\n\n".encode()) == [said]
    assert reader.finish().text == said


def test_a_refusal_among_blocks_is_a_refusal():
    assert openai_reply({"content": [{"type": "refusal", "refusal": "I can't."}]}).stop == "refusal"


FIRST = {"choices": [{"delta": {"content": "It "}}]}
LAST = {"choices": [{"delta": {"content": "rains."}, "finish_reason": "stop"}], "usage": USAGE}


@pytest.mark.parametrize("end", ["", "\n", "\r", "\r\n", "\n\n", "\n\ndata: [DONE]", "\n\ndata: [DONE] \n"])
@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf", b": keep-alive\n\n"])
def test_the_last_event_may_lack_its_blank_line(end: str, begin: bytes):
    reader = adapter_for("openai_compatible").stream(target("openai_compatible"), {})
    raw = begin + f"data:{json.dumps(FIRST)}\n\ndata: {json.dumps(LAST)}{end}".encode()
    for at in range(0, len(raw), 7):
        reader.feed(raw[at : at + 7])
    assert reader.finish().text == "It rains."


def test_claude_s_last_event_may_lack_it_too():
    reader = adapter_for("anthropic").stream(target("anthropic"), {})
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes."}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
    for event in (start, delta):
        reader.feed(f"event: x\ndata: {json.dumps(event)}\n\n".encode())
    reader.feed(f"event: message_delta\ndata: {json.dumps(end)}".encode())
    assert reader.finish().text == "Yes."


@pytest.mark.parametrize("cut", [2, 20, 60])
def test_a_stream_cut_within_its_last_event_is_lost(cut: int):
    reader = adapter_for("openai_compatible").stream(target("openai_compatible"), {})
    reader.feed(f"data: {json.dumps(FIRST)}\n\ndata: {json.dumps(LAST)[:-cut]}".encode())
    with pytest.raises(ReplyError) as raised:
        reader.finish()
    assert (raised.value.failure.kind, raised.value.failure.maybe_billed) == ("connection", True)


def test_a_cut_message_of_bedrock_is_lost():
    reader = adapter_for("bedrock").stream(target("bedrock"), {})
    reader.feed(aws_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Yes."}}))
    reader.feed(aws_event("messageStop", {"stopReason": "end_turn"})[:-3])
    with pytest.raises(ReplyError):
        reader.finish()


ODD_IDS = ["", "call_0", "toolu_01A:b c!", "x" * 200, "ü", "call_0", "a.b/c"]


@pytest.mark.parametrize("provider", ["openai", "groq", "openai_compatible", "anthropic", "bedrock"])
def test_ids_on_the_wire_are_ours_and_each_result_has_its_call(provider: str):
    messages = [Message.of("user", "Weather?")]
    for start in (0, 4):
        ids = ODD_IDS[start : start + 4]
        messages.append(
            Message.of("assistant", *(ToolCallPart(one, "weather", {"city": str(n)}) for n, one in enumerate(ids)))
        )
        messages.append(Message.of("tool", *(ToolResultPart(one, f"result {n}") for n, one in enumerate(ids))))
    body = adapter_for(provider).encode(target(provider), request(messages=tuple(messages), schema=None)).body
    made, answered = wire_ids(json.loads(body)["messages"])
    assert made == answered
    assert len(set(made)) == len(ODD_IDS)
    assert all(re.fullmatch(r"[A-Za-z0-9]{9}", one) for one in made)
    longer = (*messages, Message.of("user", "And tomorrow?"))
    again = adapter_for(provider).encode(target(provider), request(messages=longer, schema=None)).body
    assert wire_ids(json.loads(again)["messages"])[0] == made, "what was sent before is sent alike: caches read it"


def wire_ids(messages: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    made, answered = [], []
    for message in messages:
        made += [one["id"] for one in message.get("tool_calls", ())]
        if message["role"] == "tool":
            answered.append(message["tool_call_id"])
        for block in message["content"] if isinstance(message["content"], list) else ():
            made += [block["id"]] if block.get("type") == "tool_use" else []
            made += [block["toolUse"]["toolUseId"]] if "toolUse" in block else []
            answered += [block["tool_use_id"]] if block.get("type") == "tool_result" else []
            answered += [block["toolResult"]["toolUseId"]] if "toolResult" in block else []
    return made, answered


def test_calls_without_ids_get_some():
    reply = openai_reply({"content": None, "tool_calls": [call("{}") | {"id": ""}, call("{}") | {"id": None}]})
    assert len({one.id for one in reply.tool_calls} - {""}) == len(reply.tool_calls) == 2
