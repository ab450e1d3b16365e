"""Anthropic's Messages, in both live versions of the API."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import orjson

from pricing import ToolCallPart, ToolResultPart, Usage
from tasks.providers.messages import JSONObject, Message, Schema, StopReason, Tool
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
    "refusal": "refusal",
    "content_filter": "refusal",
    "malformed": "tool_use",
}
_VERSIONS: Final = frozenset({"2023-06-01", "2026-10-21"})
_LEAST_BUDGET: Final = 1_024
_GONE_IN_2026: Final = ("temperature", "top_p", "top_k")
_MOST_MARKS: Final = 4
_TOKENS_PER_EVENT: Final = 4

_ERRORS: Final[Mapping[Complaint, tuple[int, str, str]]] = {
    "429": (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of requests per minute.",
    ),
    "500": (500, "api_error", "Internal server error"),
    "503": (503, "api_error", "Service unavailable"),
    "529": (529, "overloaded_error", "Overloaded"),
    "capacity": (529, "overloaded_error", "Overloaded"),
    "quota": (429, "rate_limit_error", "Your organization has reached its spend limit."),
    "auth": (401, "authentication_error", "invalid x-api-key"),
    "overflow": (400, "invalid_request_error", "prompt is too long: {tokens} tokens > {window} maximum"),
    "invalid_output": (500, "api_error", "Internal server error"),
    "not_found": (404, "not_found_error", "Not found"),
    "missing": (404, "not_found_error", "Not found"),
    "too_large": (413, "request_too_large", "Request exceeds the maximum allowed number of bytes."),
}
"""Status, type, message; ``invalid`` brings its own words."""


class AnthropicDialect:
    """Reads and writes Messages."""

    provider: Provider = "anthropic"
    id_header = "request-id"
    stream_type = "text/event-stream; charset=utf-8"

    def new_id(self) -> str:
        """A request id in Anthropic's form."""
        return f"req_01{uuid4().hex[:22]}"

    def read(self, body: JSONObject, model: str, headers: Mapping[str, str]) -> SandboxRequest:  # noqa: ARG002 — the protocol's
        """The request, or what Anthropic would say is wrong with it."""
        _check_version(body, headers)
        named = require_text(body.get("model"), name="model")
        if "max_tokens" not in body:
            raise BadRequest("max_tokens: Field required")
        tools = _tools(body.get("tools"))
        choice, forced = _tool_choice(body.get("tool_choice"), tools)
        schema = _schema(body.get("output_config"))
        wire_messages = require_objects(body.get("messages"), name="messages")
        messages, thinks = _messages(wire_messages), _thinks(body)
        _check_thoughts(body, wire_messages)
        return SandboxRequest(
            model=named,
            messages=messages,
            instructions=text_of(body.get("system"), param="system"),
            segments=_segments(body, schema, wire_messages),
            tools=tools,
            schema=schema,
            max_tokens=positive_int(body["max_tokens"], name="max_tokens"),
            tool_choice=choice,
            forced_tool=forced,
            stream=body.get("stream") is True,
            stream_usage=True,
            thinks=thinks,
        )

    def usage(self, counted: Usage) -> Usage:
        """All of it: Anthropic tells every count."""
        return counted

    def reply(self, exchange: SandboxExchange) -> JSONObject:
        """A message."""
        answer = exchange.answer
        content: list[JSONObject] = [_thought(exchange)] if exchange.question.thinks else []
        content += [{"type": "text", "text": answer.text, "citations": None}] if answer.text else []
        content += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": json_object(call.arguments)}
            for call in answer.calls
        ]
        return {
            **_head(exchange),
            "content": content,
            "stop_reason": _STOP[answer.stop],
            "stop_details": _stop_details(answer.stop),
            "usage": _usage_body(exchange.usage, exchange.service_tier),
        }

    def stream(self, exchange: SandboxExchange) -> list[StreamPart]:
        """The events of a streamed message."""
        answer = exchange.answer
        opening = {**_head(exchange), "content": [], "stop_reason": None, "stop_details": None}
        opening["usage"] = _usage_body(exchange.usage, exchange.service_tier) | {"output_tokens": 1}
        parts = [_event("message_start", {"message": opening}), _event("ping", {})]
        blocks: list[tuple[JSONObject, str, str, str]] = []
        if exchange.question.thinks:
            parts += _thought_events(_thought(exchange))
        if answer.text:
            blocks.append(({"type": "text", "text": ""}, "text_delta", "text", answer.text))
        for call in answer.calls:
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            blocks.append((block, "input_json_delta", "partial_json", call.arguments))
        for index, (block, kind, word, text) in enumerate(blocks, 1 if exchange.question.thinks else 0):
            parts.append(_event("content_block_start", {"index": index, "content_block": block}))
            parts += [
                _event("content_block_delta", {"index": index, "delta": {"type": kind, word: piece}}, tokens)
                for piece, tokens in chunks(text, _TOKENS_PER_EVENT)
            ]
            parts.append(_event("content_block_stop", {"index": index}))
        delta = {"stop_reason": _STOP[answer.stop], "stop_sequence": None, "stop_details": _stop_details(answer.stop)}
        parts.append(
            _event("message_delta", {"delta": delta, "usage": _usage_body(exchange.usage, exchange.service_tier)})
        )
        parts.append(_event("message_stop", {}))
        return parts

    def refuse(self, complaint: Complaint, facts: Facts) -> SandboxRefusal:
        """An error object; a spend limit comes without ``retry-after``, as it does from Anthropic."""
        status, kind, message = _ERRORS.get(complaint, (400, "invalid_request_error", ""))
        text = message.format(tokens=facts.tokens, window=facts.window) or facts.message
        error: JSONObject = {"type": kind, "message": text}
        if complaint == "quota":
            error["details"] = {"error_code": "enforced_spend_limit_reached"}
        headers = {}
        if complaint in {"429", "529"} and facts.retry_after is not None:
            headers["retry-after"] = str(math.ceil(facts.retry_after))
        if complaint == "429":
            headers["anthropic-ratelimit-requests-remaining"] = "0"
        return SandboxRefusal(status, {"type": "error", "error": error, "request_id": facts.request_id}, headers)

    def garbage(self) -> bytes:
        """An event whose data is not JSON."""
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":\n\n'


def _check_version(body: JSONObject, headers: Mapping[str, str]) -> None:
    version = headers.get("anthropic-version")
    if version is None:
        raise BadRequest("anthropic-version: header is required")
    if version not in _VERSIONS:
        raise BadRequest(f'anthropic-version: "{version}" is not a valid version')
    if version != "2023-06-01":
        for name in _GONE_IN_2026:
            if name in body:
                raise BadRequest(f"{name}: Extra inputs are not permitted")


def _thinks(body: JSONObject) -> bool:
    thinking = body.get("thinking")
    if thinking is None:
        return False
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("adaptive", "enabled", "disabled", "between_tools"):
        raise BadRequest("thinking: Input tag does not match any of the expected tags")
    if kind in ("adaptive", "enabled") and "temperature" in body:
        raise BadRequest("`temperature` may only be set to 1 when thinking is enabled.")
    if kind == "enabled":
        budget = positive_int(thinking.get("budget_tokens"), name="thinking.enabled.budget_tokens")
        if budget < _LEAST_BUDGET:
            raise BadRequest("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= positive_int(body["max_tokens"], name="max_tokens"):
            raise BadRequest("`max_tokens` must be greater than `thinking.budget_tokens`.")
    return kind in ("adaptive", "enabled")


def _check_thoughts(body: JSONObject, messages: Sequence[JSONObject]) -> None:
    """Thoughts come back unchanged; with a budget they have to, before the calls of a tool turn."""
    for message in messages:
        blocks = message["content"] if isinstance(message.get("content"), list) else []
        for block in blocks:
            if block.get("type") == "thinking" and not is_genuine(block.get("thinking"), block.get("signature")):
                raise BadRequest(
                    "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."
                )
    last: list[Any] = next((message["content"] for message in reversed(messages) if message["role"] == "assistant"), [])
    kinds = [block.get("type") for block in last if isinstance(block, dict)]
    enabled = isinstance(body.get("thinking"), dict) and body["thinking"].get("type") == "enabled"
    if enabled and "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking"):
        raise BadRequest(f"Expected `thinking` or `redacted_thinking`, but found `{kinds[0]}`.")


def _thought(exchange: SandboxExchange) -> JSONObject:
    text = thought(exchange.request_id)
    return {"type": "thinking", "thinking": text, "signature": signature(text)}


def _thought_events(block: JSONObject) -> list[StreamPart]:
    start = {**block, "thinking": "", "signature": ""}
    said = {"type": "thinking_delta", "thinking": block["thinking"]}
    sealed = {"type": "signature_delta", "signature": block["signature"]}
    return [
        _event("content_block_start", {"index": 0, "content_block": start}),
        *(_event("content_block_delta", {"index": 0, "delta": delta}) for delta in (said, sealed)),
        _event("content_block_stop", {"index": 0}),
    ]


def _head(exchange: SandboxExchange) -> JSONObject:
    return {
        "id": f"msg_sandbox_{exchange.request_id[4:]}",
        "type": "message",
        "role": "assistant",
        "model": exchange.question.model,
        "stop_sequence": None,
    }


def _stop_details(stop: StopReason) -> JSONObject | None:
    if stop != "refusal":
        return None
    return {"type": "refusal", "category": None, "explanation": "Refused by an injected fault."}


def _usage_body(usage: Usage, service_tier: str) -> JSONObject:
    read = usage.cache_read_tokens or 0
    short = usage.cache_write_tokens or 0
    long = usage.cache_write_1h_tokens or 0
    return {
        "input_tokens": (usage.input_tokens or 0) - read - short - long,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens or 0},
        "service_tier": service_tier or "standard",
    }


def _event(kind: str, body: JSONObject, tokens: int = 0) -> StreamPart:
    return StreamPart(b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **body}) + b"\n\n", tokens)


def _tools(wire: Any) -> list[Tool]:
    tools = []
    for index, item in enumerate(require_objects(wire or [], name="tools")):
        name = require_text(item.get("name"), name=f"tools.{index}.custom.name")
        schema = require_schema(item.get("input_schema"), name=f"tools.{index}.custom.input_schema")
        tools.append(Tool(name, str(item.get("description") or ""), schema))
    return tools


def _tool_choice(wire: Any, tools: Sequence[Tool]) -> tuple[str, str | None]:
    if wire is None:
        return "auto", None
    kind = wire.get("type") if isinstance(wire, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        raise BadRequest("tool_choice: Input should be 'auto', 'any', 'tool' or 'none'")
    if not tools:
        raise BadRequest("tool_choice: may only be specified while providing tools")
    if kind == "tool" and wire.get("name") not in [tool.name for tool in tools]:
        raise BadRequest(f"Tool '{wire.get('name')}' not found in provided tools")
    return kind, wire.get("name")


def _schema(output_config: Any) -> Schema | None:
    wire = output_config.get("format") if isinstance(output_config, dict) else None
    if wire is None:
        return None
    if not isinstance(wire, dict) or wire.get("type") != "json_schema":
        raise BadRequest("output_config.format.type: Input should be 'json_schema'")
    return Schema("answer", require_schema(wire.get("schema"), name="output_config.format.schema"))


def _messages(wire: Sequence[JSONObject]) -> list[Message]:
    if not wire:
        raise BadRequest("messages: at least one message is required")
    messages: list[Message] = []
    for index, item in enumerate(wire):
        role, content = item.get("role"), item.get("content")
        where = f"messages.{index}"
        if role not in ("user", "assistant"):
            raise BadRequest(f'{where}.role: Input should be "user" or "assistant"')
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        blocks = require_objects(content, name=f"{where}.content")
        if any(block.get("type") == "text" and not block.get("text") for block in blocks) or not blocks:
            raise BadRequest("messages: text content blocks must be non-empty")
        messages += _assistant(blocks, where) if role == "assistant" else _user(blocks, where)
    require_pairs(messages)
    return messages


def _assistant(blocks: Sequence[JSONObject], where: str) -> list[Message]:
    calls = []
    for block in blocks:
        if block.get("type") == "tool_use":
            if not isinstance(block.get("input"), dict):
                raise BadRequest(f"{where}.content: tool_use.input: Input should be an object")
            calls.append(
                ToolCallPart(
                    require_text(block.get("id"), name=f"{where}.content: tool_use.id"),
                    require_text(block.get("name"), name=f"{where}.content: tool_use.name"),
                    block["input"],
                )
            )
    return [Message.of("assistant", text_of(list(blocks), param=where), *calls)]


def _user(blocks: Sequence[JSONObject], where: str) -> list[Message]:
    kinds = [block.get("type") == "tool_result" for block in blocks]
    if kinds != sorted(kinds, reverse=True):
        raise BadRequest(f"{where}: `tool_result` blocks must come first in the content of a message")
    messages = [
        Message.of(
            "tool",
            ToolResultPart(
                require_text(block.get("tool_use_id"), name=f"{where}.content: tool_result.tool_use_id"),
                text_of(block.get("content"), param=where),
                is_error=block.get("is_error") is True,
            ),
        )
        for block in blocks
        if block.get("type") == "tool_result"
    ]
    rest = [block for block in blocks if block.get("type") != "tool_result"]
    return [*messages, Message.of("user", text_of(rest, param=where))] if rest else messages


def _segments(body: JSONObject, schema: Schema | None, messages: Sequence[JSONObject]) -> list[PromptSegment]:
    """What is counted, in the order the cache reads it: tools, system, messages."""
    segments = [_segment(tool) for tool in body.get("tools") or []]
    if schema is not None:
        segments.append(PromptSegment(orjson.dumps(schema.definition).decode()))
    system = body.get("system") or []
    for content in [system, *(message["content"] for message in messages)]:
        if isinstance(content, str):
            segments.append(PromptSegment(content))
        else:
            segments += [_segment(block) for block in require_objects(content, name="system")]
    if "cache_control" in body and segments:
        segments[-1] = PromptSegment(segments[-1].text, _lifetime(body))
    marks = sum(segment.cache is not None for segment in segments)
    if marks > _MOST_MARKS:
        raise BadRequest(f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}.")
    return segments


def _segment(block: JSONObject) -> PromptSegment:
    if isinstance(block.get("text"), str):
        return PromptSegment(block["text"], _lifetime(block))
    if block.get("type") == "tool_result":
        return PromptSegment(text_of(block.get("content"), param="messages"), _lifetime(block))
    bare = {key: value for key, value in block.items() if key not in {"cache_control", "source"}}
    return PromptSegment(orjson.dumps(bare).decode(), _lifetime(block))


def _lifetime(block: JSONObject) -> Lifetime | None:
    mark = block.get("cache_control")
    if mark is None:
        return None
    if not isinstance(mark, dict) or mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"):
        raise BadRequest("cache_control: Input should be {'type': 'ephemeral', 'ttl': '5m' or '1h'}")
    return "1h" if mark.get("ttl") == "1h" else "5m"
