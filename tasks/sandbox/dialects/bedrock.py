"""Bedrock's Converse and ConverseStream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import orjson

from pricing import ToolCallPart, ToolResultPart, Usage
from tasks.providers.messages import JSONObject, Message, Schema, StopReason, Tool
from tasks.sandbox.dialects.eventstream import broken_event, event
from tasks.sandbox.protocol import (
    BadRequest,
    Complaint,
    Facts,
    Lifetime,
    PromptSegment,
    Provider,
    SandboxExchange,
    SandboxRefusal,
    SandboxRequest,
    StreamPart,
    json_object,
    positive_int,
    require_objects,
    require_pairs,
    require_schema,
    require_text,
    text_of,
)
from tasks.sandbox.thoughts import is_genuine, signature, thought
from tasks.sandbox.tokens import chunks

_STOP: Final[Mapping[StopReason, str]] = {
    "end": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "refusal": "content_filtered",
    "content_filter": "content_filtered",
    "malformed": "malformed_tool_use",
}
_NAMESPACE: Final = "http://internal.amazon.com/coral/com.amazon.bedrock/"
_TOKENS_PER_EVENT: Final = 4

_ERRORS: Final[Mapping[Complaint, tuple[int, str, str]]] = {
    "429": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "500": (500, "InternalServerException", "The system encountered an unexpected error. Try your request again."),
    "503": (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    "capacity": (503, "ServiceUnavailableException", "There is no capacity at this service tier."),
    "529": (429, "ModelNotReadyException", "Model is not ready for inference."),
    "quota": (400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
    "auth": (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    "overflow": (
        400,
        "ValidationException",
        "The model returned the following errors: prompt is too long: {tokens} tokens > {window} maximum",
    ),
    "invalid_output": (
        424,
        "ModelErrorException",
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
    "not_found": (404, "UnknownOperationException", "Unknown operation."),
    "missing": (404, "ResourceNotFoundException", "Could not find the resource."),
    "too_large": (400, "ValidationException", "The request body is too large."),
}
"""Status, code, message; ``invalid`` brings its own words."""


class BedrockDialect:
    """Reads and writes Converse."""

    provider: Provider = "bedrock"
    id_header = "x-amzn-requestid"
    stream_type = "application/vnd.amazon.eventstream"

    def new_id(self) -> str:
        """A request id in AWS's form."""
        return str(uuid4())

    def read(self, body: JSONObject, model: str, headers: Mapping[str, str]) -> SandboxRequest:  # noqa: ARG002 — the protocol's
        """The request, or what Bedrock would say is wrong with it."""
        wire_messages = require_objects(body.get("messages"), name="messages")
        config = _object(body.get("toolConfig"), "toolConfig")
        tools = _tools(config)
        choice, forced = _tool_choice(config.get("toolChoice"), tools)
        messages = _messages(wire_messages)
        if not tools and any(message.tool_calls or message.role == "tool" for message in messages):
            raise BadRequest("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        _check_thoughts(wire_messages)
        schema = _schema(body.get("outputConfig"))
        limit = _object(body.get("inferenceConfig"), "inferenceConfig").get("maxTokens")
        return SandboxRequest(
            model=model,
            messages=messages,
            instructions=text_of(body.get("system"), param="system"),
            segments=_segments(body, config, schema, wire_messages),
            tools=tools,
            schema=schema,
            max_tokens=None if limit is None else positive_int(limit, name="inferenceConfig.maxTokens"),
            tool_choice=choice,
            forced_tool=forced,
            stream_usage=True,
            thinks=_thinks(_object(body.get("additionalModelRequestFields"), "additionalModelRequestFields")),
        )

    def usage(self, counted: Usage) -> Usage:
        """Without reasoning, which Bedrock does not tell; it tells of an hour's cache only when it was written to."""
        return replace(counted, cache_write_1h_tokens=counted.cache_write_1h_tokens or None, reasoning_tokens=None)

    def reply(self, exchange: SandboxExchange) -> JSONObject:
        """A reply of Converse."""
        answer = exchange.answer
        content: list[JSONObject] = [_thought(exchange)] if exchange.question.thinks else []
        content += [{"text": answer.text}] if answer.text else []
        if answer.stop != "malformed":
            content += [
                {"toolUse": {"toolUseId": call.id, "name": call.name, "input": json_object(call.arguments)}}
                for call in answer.calls
            ]
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": _STOP[answer.stop],
            "usage": _usage_body(exchange.usage),
            "metrics": {"latencyMs": exchange.latency_ms},
            **_service_tier(exchange),
        }

    def stream(self, exchange: SandboxExchange) -> list[StreamPart]:
        """The events of ConverseStream."""
        answer = exchange.answer
        parts = [StreamPart(event("messageStart", {"role": "assistant"}))]
        index = 0
        if exchange.question.thinks:
            said = _thought(exchange)["reasoningContent"]["reasoningText"]
            parts += [
                StreamPart(
                    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {name: value}}})
                )
                for name, value in said.items()
            ]
            parts.append(StreamPart(event("contentBlockStop", {"contentBlockIndex": 0})))
            index = 1
        if answer.text:
            parts += [
                StreamPart(event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": text}}), tokens)
                for text, tokens in chunks(answer.text, _TOKENS_PER_EVENT)
            ]
            parts.append(StreamPart(event("contentBlockStop", {"contentBlockIndex": index})))
            index += 1
        for call in answer.calls if answer.stop != "malformed" else ():
            start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
            parts.append(StreamPart(event("contentBlockStart", {"contentBlockIndex": index, "start": start})))
            parts += [
                StreamPart(
                    event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": text}}}),
                    tokens,
                )
                for text, tokens in chunks(call.arguments, _TOKENS_PER_EVENT)
            ]
            parts.append(StreamPart(event("contentBlockStop", {"contentBlockIndex": index})))
            index += 1
        parts.append(StreamPart(event("messageStop", {"stopReason": _STOP[answer.stop]})))
        metadata = {
            "usage": _usage_body(exchange.usage),
            "metrics": {"latencyMs": exchange.latency_ms},
            **_service_tier(exchange),
        }
        parts.append(StreamPart(event("metadata", metadata)))
        return parts

    def refuse(self, complaint: Complaint, facts: Facts) -> SandboxRefusal:
        """An exception; waits are asked for as botocore reads them, in ``x-amz-retry-after`` (milliseconds)."""
        status, code, message = _ERRORS.get(complaint, (400, "ValidationException", ""))
        text = message.format(tokens=facts.tokens, window=facts.window) or facts.message
        headers = {"x-amzn-ErrorType": f"{code}:{_NAMESPACE}"}
        if complaint in {"429", "503", "529"} and facts.retry_after is not None:
            headers["x-amz-retry-after"] = f"{facts.retry_after * 1000:.0f}"
        return SandboxRefusal(status, {"message": text}, headers)

    def garbage(self) -> bytes:
        """An event with a wrong checksum."""
        return broken_event()


def _thinks(fields: JSONObject) -> bool:
    """Whether a request asks for thoughts, in any of the ways that models have."""
    thinking = _object(fields.get("thinking"), "thinking").get("type")
    efforts = [
        fields.get("reasoning_effort"),
        fields.get("reasoning_config"),
        _object(fields.get("reasoning"), "reasoning").get("effort"),
        _object(fields.get("reasoningConfig"), "reasoningConfig").get("maxReasoningEffort"),
    ]
    return thinking in {"adaptive", "enabled"} or any(effort not in {None, "none"} for effort in efforts)


def _check_thoughts(messages: Sequence[JSONObject]) -> None:
    for message in messages:
        for block in require_objects(message.get("content"), name="messages.content"):
            said = _object(_object(block.get("reasoningContent"), "reasoningContent").get("reasoningText"), "text")
            if said and not is_genuine(said.get("text"), said.get("signature")):
                text = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."
                raise BadRequest(f"The model returned the following errors: {text}")


def _thought(exchange: SandboxExchange) -> JSONObject:
    text = thought(exchange.request_id)
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature(text)}}}


def _service_tier(exchange: SandboxExchange) -> JSONObject:
    return {"serviceTier": {"type": exchange.service_tier}} if exchange.service_tier else {}


def _usage_body(usage: Usage) -> JSONObject:
    read = usage.cache_read_tokens or 0
    short = usage.cache_write_tokens or 0
    long = usage.cache_write_1h_tokens or 0
    body: JSONObject = {
        "inputTokens": (usage.input_tokens or 0) - read - short - long,
        "outputTokens": usage.output_tokens,
        "totalTokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": short + long,
    }
    details = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in (("5m", short), ("1h", long)) if tokens]
    return body | {"cacheDetails": details} if details else body


def _object(wire: Any, name: str) -> JSONObject:
    if wire is None:
        return {}
    if not isinstance(wire, dict):
        raise BadRequest(f"{name}: expected an object")
    return wire


def _tools(config: JSONObject) -> list[Tool]:
    tools = []
    for item in require_objects(config.get("tools") or [], name="toolConfig.tools"):
        if "cachePoint" in item:
            continue
        spec = _object(item.get("toolSpec"), "toolSpec")
        name = require_text(spec.get("name"), name="toolConfig.tools.toolSpec.name")
        schema = _object(spec.get("inputSchema"), "inputSchema").get("json")
        schema = require_schema(schema, name="toolConfig.tools.toolSpec.inputSchema.json")
        tools.append(Tool(name, str(spec.get("description") or ""), schema))
    return tools


def _tool_choice(wire: Any, tools: Sequence[Tool]) -> tuple[str, str | None]:
    choice = _object(wire, "toolChoice")
    if not choice or "auto" in choice:
        return "auto", None
    if "any" in choice:
        return "any", None
    name = _object(choice.get("tool"), "toolChoice.tool").get("name")
    if name not in [tool.name for tool in tools]:
        raise BadRequest("toolConfig.toolChoice.tool.name is not the name of a tool.")
    return "tool", name


def _schema(wire: Any) -> Schema | None:
    text_format = _object(_object(wire, "outputConfig").get("textFormat"), "textFormat")
    if not text_format:
        return None
    spec = _object(_object(text_format.get("structure"), "structure").get("jsonSchema"), "jsonSchema")
    try:
        definition = orjson.loads(spec["schema"])
    except (KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise BadRequest("outputConfig.textFormat.structure.jsonSchema.schema must be JSON text.") from error
    return Schema(str(spec.get("name") or "answer"), require_schema(definition, name="jsonSchema.schema"))


def _messages(wire: Sequence[JSONObject]) -> list[Message]:
    if not wire or wire[0].get("role") != "user":
        raise BadRequest("A conversation must start with a user message. Try again with a conversation that does.")
    messages: list[Message] = []
    previous = None
    for index, item in enumerate(wire):
        role = item.get("role")
        if role not in ("user", "assistant") or role == previous:
            raise BadRequest("A conversation must alternate between user and assistant roles.")
        previous = role
        blocks = require_objects(item.get("content"), name=f"messages.{index}.content")
        if any("text" in block and not str(block["text"]).strip() for block in blocks) or not blocks:
            raise BadRequest(f"The text field in the ContentBlock object at messages.{index} is blank.")
        messages += _assistant(blocks) if role == "assistant" else _user(blocks)
    require_pairs(messages)
    return messages


def _assistant(blocks: Sequence[JSONObject]) -> list[Message]:
    uses = [block["toolUse"] for block in blocks if isinstance(block.get("toolUse"), dict)]
    if not all(isinstance(use.get("input"), dict) for use in uses):
        raise BadRequest("toolUse.input: expected an object")
    calls = tuple(
        ToolCallPart(
            require_text(use.get("toolUseId"), name="toolUse.toolUseId"),
            require_text(use.get("name"), name="toolUse.name"),
            use["input"],
        )
        for use in uses
    )
    return [Message.of("assistant", text_of(list(blocks), param="messages"), *calls)]


def _user(blocks: Sequence[JSONObject]) -> list[Message]:
    results = [block["toolResult"] for block in blocks if isinstance(block.get("toolResult"), dict)]
    messages = [
        Message.of(
            "tool",
            ToolResultPart(
                require_text(result.get("toolUseId"), name="toolResult.toolUseId"),
                _result_text(result.get("content")),
                is_error=result.get("status") == "error",
            ),
        )
        for result in results
    ]
    text = text_of(list(blocks), param="messages")
    return [*messages, Message.of("user", text)] if text or not messages else messages


def _result_text(content: Any) -> str:
    blocks = require_objects(content, name="toolResult.content")
    return "\n".join(
        orjson.dumps(block["json"]).decode() if "json" in block else str(block.get("text", "")) for block in blocks
    )


def _segments(
    body: JSONObject, config: JSONObject, schema: Schema | None, messages: Sequence[JSONObject]
) -> list[PromptSegment]:
    """What is counted, in the order the cache reads it: tools, system, messages; a cache point marks what precedes."""
    blocks = [*(config.get("tools") or []), *require_objects(body.get("system") or [], name="system")]
    segments = [] if schema is None else [PromptSegment(orjson.dumps(schema.definition).decode())]
    for block in [*blocks, *(block for message in messages for block in message["content"])]:
        if "cachePoint" in block:
            if not segments:
                raise BadRequest("A cachePoint cannot come first.")
            segments[-1] = PromptSegment(segments[-1].text, _lifetime(block["cachePoint"]))
        elif isinstance(block.get("text"), str):
            segments.append(PromptSegment(block["text"]))
        elif "image" not in block and "document" not in block:
            segments.append(PromptSegment(orjson.dumps(block).decode()))
    return segments


def _lifetime(point: Any) -> Lifetime:
    if not isinstance(point, dict) or point.get("type") != "default" or point.get("ttl", "5m") not in ("5m", "1h"):
        raise BadRequest("cachePoint: needs type 'default' and a ttl of '5m' or '1h'.")
    return "1h" if point.get("ttl") == "1h" else "5m"
