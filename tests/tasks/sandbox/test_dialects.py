"""Replies are what the providers' own SDKs expect, and their usage is what the journal billed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import botocore.session
import httpx
import openai
import pytest
from anthropic import Anthropic
from anthropic.types import Message
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import create_parser
from openai.types.chat import ChatCompletion

from tasks.sandbox import Sandbox, SandboxEntry

Ask = Callable[..., httpx.Response]
Journal = Callable[[], list[SandboxEntry]]

TOOL = {"type": "object", "properties": {"ticket_id": {"type": "string"}}, "required": ["ticket_id"]}
SYSTEM = "You are careful and brief. " * 300


def bedrock_parse(response: httpx.Response, operation: str = "Converse") -> Any:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model(operation).output_shape
    raw = {"status_code": response.status_code, "headers": response.headers, "body": response.content}
    return create_parser("rest-json").parse(raw, shape)


def test_openai_reply_is_a_strictly_valid_completion(ask: Ask, journal: Journal) -> None:
    response = ask("openai")
    completion = ChatCompletion.model_validate_json(response.content, strict=True)
    assert (completion.choices[0].message.content or "").startswith("[sandbox] ")
    assert completion.system_fingerprint == "fp_farebox_sandbox"
    entry = journal()[-1]
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (
        entry.input_tokens,
        entry.output_tokens,
    )
    assert response.headers["x-request-id"] == entry.request_id


def test_anthropic_reply_is_a_strictly_valid_message(ask: Ask, journal: Journal) -> None:
    response = ask("anthropic")
    message = Message.model_validate(response.json(), strict=True)
    entry = journal()[-1]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (entry.input_tokens, entry.output_tokens)
    assert message.stop_reason == "end_turn"
    assert response.headers["request-id"] == entry.request_id


def test_bedrock_reply_is_what_botocore_parses(ask: Ask, journal: Journal) -> None:
    response = ask("bedrock", model=quote("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.m-1:0", safe=""))
    parsed = bedrock_parse(response)
    entry = journal()[-1]
    assert parsed["output"]["message"]["content"][0]["text"].startswith("[sandbox] ")
    assert parsed["usage"]["totalTokens"] == (entry.input_tokens or 0) + (entry.output_tokens or 0)
    assert entry.model == "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.m-1:0"
    assert response.headers["x-amzn-requestid"] == entry.request_id


def test_every_reply_says_sandbox(ask: Ask, dialect: str) -> None:
    assert ask(dialect).headers["x-farebox-sandbox"] == "1"
    assert ask(dialect, stream=True).headers["x-farebox-sandbox"] == "1"


def test_the_openai_sdk_streams(sandbox: Sandbox, journal: Journal) -> None:
    client = openai.OpenAI(base_url=f"{sandbox.url}/t/x/v1", api_key="none", max_retries=0)
    chunks = list(
        client.chat.completions.create(
            model="m-1",
            messages=[{"role": "user", "content": "One. Two are here. Three are there."}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    usage = chunks[-1].usage
    entry = journal()[-1]
    assert text.startswith("[sandbox] ")
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (entry.input_tokens, entry.output_tokens)


def test_the_anthropic_sdk_streams(sandbox: Sandbox, journal: Journal) -> None:
    client = Anthropic(base_url=f"{sandbox.url}/t/x", api_key="none", max_retries=0)
    with client.messages.stream(
        model="m-1", max_tokens=90, messages=[{"role": "user", "content": "One. Two are here. Three are there."}]
    ) as stream:
        message = stream.get_final_message()
    entry = journal()[-1]
    assert message.content[0].type == "text"
    assert message.content[0].text.startswith("[sandbox] ")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (entry.input_tokens, entry.output_tokens)


def test_bedrock_streams_events_with_checksums(ask: Ask, journal: Journal) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(ask("bedrock", stream=True).content)
    events = [(event.headers[":event-type"], json.loads(event.payload)) for event in buffer]
    names = [name for name, _ in events]
    assert names[0] == "messageStart"
    assert names[-2:] == ["messageStop", "metadata"]
    text = "".join(body["delta"]["text"] for name, body in events if name == "contentBlockDelta")
    assert text.startswith("[sandbox] ")
    assert events[-1][1]["usage"]["outputTokens"] == journal()[-1].output_tokens


def test_streamed_and_whole_answers_are_the_same(ask: Ask) -> None:
    whole = ask("openai").json()["choices"][0]["message"]["content"]
    lines = [line[6:] for line in ask("openai", stream=True).text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"].get("content") or "" for line in lines for choice in json.loads(line)["choices"]]
    assert "".join(deltas) == whole


def test_the_limit_on_tokens_is_obeyed(ask: Ask, dialect: str, journal: Journal) -> None:
    body = ask(dialect, limit=6).json()
    stop = body.get("stop_reason") or body.get("stopReason") or body["choices"][0]["finish_reason"]
    assert stop in {"length", "max_tokens"}
    assert journal()[-1].output_tokens == 6


def test_tool_calls_in_openai_words(client: httpx.Client) -> None:
    tools = [{"type": "function", "function": {"name": "get_ticket", "description": "By id", "parameters": TOOL}}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Get ticket T-1042 and tell me its status."}]
    first = client.post("/v1/chat/completions", json={"model": "m", "messages": messages, "tools": tools}).json()
    message = ChatCompletion.model_validate(first).choices[0].message
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"ticket_id": "T-1042"}
    messages += [first["choices"][0]["message"]]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": '{"status": "open", "subject": "Charged twice"}'}]
    second = client.post("/v1/chat/completions", json={"model": "m", "messages": messages, "tools": tools}).json()
    assert second["choices"][0]["finish_reason"] == "stop"
    assert "status: open" in second["choices"][0]["message"]["content"]


def test_tool_calls_in_anthropic_words(client: httpx.Client) -> None:
    tools = [{"name": "get_ticket", "description": "By id", "input_schema": TOOL}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Get ticket T-1042 and tell me its status."}]
    body = {"model": "m", "max_tokens": 100, "messages": messages, "tools": tools}
    first = Message.model_validate(client.post("/v1/messages", json=body).json(), strict=True)
    assert first.stop_reason == "tool_use"
    use = first.content[0]
    assert use.type == "tool_use"
    assert use.input == {"ticket_id": "T-1042"}
    messages.append({"role": "assistant", "content": [use.model_dump(include={"type", "id", "name", "input"})]})
    messages.append(
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "It is open."}]}
    )
    second = client.post("/v1/messages", json=body).json()
    assert second["content"][0]["text"] == "[sandbox] It is open."


def test_tool_calls_in_bedrock_words(client: httpx.Client) -> None:
    config = {"tools": [{"toolSpec": {"name": "get_ticket", "inputSchema": {"json": TOOL}}}]}
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"text": "Get ticket T-1042, please."}]}]
    body = {"messages": messages, "toolConfig": config}
    first = bedrock_parse(client.post("/model/m/converse", json=body))
    assert first["stopReason"] == "tool_use"
    use = first["output"]["message"]["content"][0]["toolUse"]
    assert use["input"] == {"ticket_id": "T-1042"}
    result = {"toolUseId": use["toolUseId"], "content": [{"json": {"status": "open"}}], "status": "success"}
    messages += [first["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    assert client.post("/model/m/converse", json=body).json()["stopReason"] == "end_turn"
    refused = client.post("/model/m/converse", json={"messages": messages})
    assert "toolConfig field must be defined" in refused.json()["message"]


def test_structured_answers_in_each_dialect(client: httpx.Client) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }
    text = "Disks fill up. Add alarms."
    strict = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
    one = client.post(
        "/v1/chat/completions",
        json={"model": "m", "messages": [{"role": "user", "content": text}], "response_format": strict},
    ).json()["choices"][0]["message"]["content"]
    two = client.post(
        "/v1/messages",
        json={
            "model": "m",
            "max_tokens": 90,
            "messages": [{"role": "user", "content": text}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        },
    ).json()["content"][0]["text"]
    three = client.post(
        "/model/m/converse",
        json={
            "messages": [{"role": "user", "content": [{"text": text}]}],
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"schema": json.dumps(schema), "name": "a"}},
                }
            },
        },
    ).json()["output"]["message"]["content"][0]["text"]
    assert json.loads(one) == json.loads(two) == json.loads(three) == {"title": "Disks fill up"}


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_anthropic_prefixes_are_written_then_read(client: httpx.Client, journal: Journal, ttl: str) -> None:
    system = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": ttl}}]
    for question in ("First?", "Second, of other length?"):
        body = {"model": "m", "max_tokens": 9, "system": system, "messages": [{"role": "user", "content": question}]}
        reply = client.post("/v1/messages", json=body).json()
    first, second = journal()[-2:]
    written = first.cache_write_1h_tokens if ttl == "1h" else first.cache_write_tokens
    assert written == second.cache_read_tokens == 2100
    assert reply["usage"]["input_tokens"] + reply["usage"]["cache_read_input_tokens"] == second.input_tokens


def test_bedrock_cache_points_are_written_then_read(client: httpx.Client, journal: Journal) -> None:
    system = [{"text": SYSTEM}, {"cachePoint": {"type": "default"}}]
    body = {"system": system, "messages": [{"role": "user", "content": [{"text": "Why?"}]}]}
    usage = [client.post("/model/m/converse", json=body).json()["usage"] for _ in range(2)]
    assert usage[0]["cacheDetails"] == [{"ttl": "5m", "inputTokens": 2100}]
    assert usage[1]["cacheReadInputTokens"] == journal()[-1].cache_read_tokens == 2100


def test_openai_caches_long_prompts_by_itself(client: httpx.Client, journal: Journal) -> None:
    for question in ("First?", "Second?"):
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        client.post("/v1/chat/completions", json={"model": "m", "messages": messages})
    assert [entry.cache_read_tokens for entry in journal()] == [0, 1024 + 128 * 8]


@pytest.mark.parametrize(
    ("path", "body", "headers", "says"),
    [
        ("/v1/chat/completions", {"messages": []}, {}, "model"),
        (
            "/v1/chat/completions",
            {"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
            {},
            "tool_calls",
        ),
        ("/v1/messages", {"model": "m", "messages": [{"role": "user", "content": "x"}]}, {}, "max_tokens"),
        ("/v1/messages", {"model": "m", "max_tokens": 1, "temperature": 0, "messages": []}, {}, "temperature"),
        ("/v1/messages", {"model": "m"}, {"anthropic-version": "1"}, "anthropic-version"),
        ("/model/m/converse", {"messages": [{"role": "assistant", "content": []}]}, {}, "user message"),
        ("/model/m/converse", {"messages": [{"role": "user", "content": [{"text": " "}]}]}, {}, "blank"),
    ],
)
def test_bad_requests_are_refused_as_the_provider_would(
    client: httpx.Client, journal: Journal, path: str, body: dict[str, Any], headers: dict[str, str], says: str
) -> None:
    response = client.post(path, json=body, headers=headers)
    assert response.status_code == 400
    assert says in response.text
    assert not journal()[-1].billed


def test_strict_schemas_must_close_and_require_everything(client: httpx.Client) -> None:
    spec = {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    body["response_format"] = {"type": "json_schema", "json_schema": spec}
    message = client.post("/v1/chat/completions", json=body).json()["error"]["message"]
    assert "'additionalProperties' is required to be supplied and to be false" in message


def test_more_than_four_cache_marks_are_too_many(client: httpx.Client) -> None:
    block = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block] * 5}]}
    assert "Found 5" in client.post("/v1/messages", json=body).text


def test_unknown_paths_and_bad_json_are_journaled_too(client: httpx.Client, journal: Journal) -> None:
    assert client.post("/v1/embeddings", json={}).status_code == 404
    assert client.get("/v1/chat/completions").status_code == 404
    assert client.post("/v1/chat/completions", content=b"{").status_code == 400
    assert [entry.status for entry in journal()] == [404, 404, 400]


def test_bodies_of_many_megabytes_are_read_and_larger_ones_refused(ask: Ask, journal: Journal) -> None:
    assert ask("anthropic", "word " * 500_000).status_code == 200
    assert journal()[-1].input_tokens == 500_000
    refused = ask("anthropic", "word " * 7_000_000)
    assert (refused.status_code, refused.json()["error"]["type"]) == (413, "request_too_large")
