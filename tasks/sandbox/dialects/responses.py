"""OpenAI's Responses API, stateless, with reasoning that has to come back unchanged and in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import orjson

from pricing import ToolCallPart, ToolResultPart, Usage
from tasks.providers.messages import JSONObject, Message, Schema, Tool
from tasks.sandbox.dialects.openai import check_strict, openai_refusal
from tasks.sandbox.dialects.openai_cache import marked_segments
from tasks.sandbox.protocol import (
    BadRequest,
    Complaint,
    Facts,
    PromptSegment,
    Provider,
    SandboxExchange,
    SandboxRefusal,
    SandboxRequest,
    StreamPart,
    positive_int,
    require_objects,
    require_pairs,
    require_schema,
    require_text,
    text_of,
)
from tasks.sandbox.thoughts import is_sealed, sealed
from tasks.sandbox.tokens import chunks

_TOKENS_PER_EVENT: Final = 4
_LEAST_OUTPUT: Final = 16
_EFFORTS: Final = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_UNKNOWN: Final = frozenset({"messages", "max_tokens", "max_completion_tokens", "reasoning_effort", "response_format"})
"""Names of chat completions that this API refuses."""
_ROLES: Final = frozenset({"user", "system", "developer", "assistant"})


class ResponsesDialect:
    """Reads and writes Responses."""

    provider: Provider = "openai"
    id_header = "x-request-id"
    stream_type = "text/event-stream; charset=utf-8"

    def new_id(self) -> str:
        """A request id in OpenAI's form."""
        return f"req_{uuid4().hex}"

    def read(self, body: JSONObject, model: str, headers: Mapping[str, str]) -> SandboxRequest:  # noqa: ARG002 — the protocol's
        """The request, or what OpenAI would say is wrong with it."""
        named = require_text(body.get("model"), name="model")
        for name in sorted(_UNKNOWN & body.keys()):
            raise BadRequest(f"Unsupported parameter: '{name}'.", param=name, code="unsupported_parameter")
        if body.get("store") is not False:
            raise BadRequest("The sandbox stores nothing: send 'store': false.", param="store")
        items = require_objects(body.get("input"), name="input")
        effort = _effort(body)
        tools, schema = _tools(body.get("tools")), _schema(body.get("text"))
        limit = body.get("max_output_tokens")
        if limit is not None and positive_int(limit, name="max_output_tokens") < _LEAST_OUTPUT:
            raise BadRequest("Invalid 'max_output_tokens': integer below minimum value 16.", param="max_output_tokens")
        instructions = text_of(body.get("instructions"), param="instructions")
        static = [PromptSegment(orjson.dumps(tool).decode()) for tool in body.get("tools") or []]
        if schema is not None:
            static.append(PromptSegment(orjson.dumps(schema.definition).decode()))
        return SandboxRequest(
            model=named,
            messages=_messages(items),
            instructions=instructions,
            segments=[
                *static,
                PromptSegment(instructions),
                *marked_segments("openai", named, body, [*map(_counted, items)]),
            ],
            tools=tools,
            schema=schema,
            max_tokens=limit,
            stream=body.get("stream") is True,
            stream_usage=True,
            thinks=effort != "none",
        )

    def usage(self, counted: Usage) -> Usage:
        """Cache writes are always reported, also by models for which they cost nothing extra."""
        return replace(counted, cache_write_tokens=counted.cache_write_tokens or 0, cache_write_1h_tokens=None)

    def reply(self, exchange: SandboxExchange) -> JSONObject:
        """A response, whole."""
        return _head(exchange) | _ending(exchange) | {"output": _output(exchange)}

    def stream(self, exchange: SandboxExchange) -> list[StreamPart]:
        """Its events; the last holds the response, and there is no ``[DONE]``."""
        parts = [_event("response.created", {"response": _head(exchange) | {"status": "in_progress", "output": []}})]
        for index, item in enumerate(_output(exchange)):
            at = {"output_index": index, "item_id": item["id"]}
            parts.append(_event("response.output_item.added", {"output_index": index, "item": _opening(item)}))
            kind, field, words = _streamed(item)
            parts += [_event(kind, at | {field: piece}, tokens) for piece, tokens in chunks(words, _TOKENS_PER_EVENT)]
            parts.append(_event("response.output_item.done", {"output_index": index, "item": item}))
        whole = self.reply(exchange)
        parts.append(_event(f"response.{whole['status']}", {"response": whole}))
        return parts

    def refuse(self, complaint: Complaint, facts: Facts) -> SandboxRefusal:
        """An error object, as chat completions have it."""
        return openai_refusal(complaint, facts)

    def garbage(self) -> bytes:
        """An event that is not JSON."""
        return b'event: response.output_text.delta\ndata: {"type":"response.\n\n'


def _effort(body: JSONObject) -> str:
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort", "medium") if isinstance(reasoning, dict) else "medium"
    if effort not in _EFFORTS:
        raise BadRequest(f"Invalid value: {effort!r}.", param="reasoning.effort", code="invalid_value")
    if effort != "none" and "temperature" in body:
        message = "Unsupported parameter: 'temperature' is not supported with this model."
        raise BadRequest(message, param="temperature", code="unsupported_parameter")
    return str(effort)


def _tools(wire: Any) -> list[Tool]:
    tools = []
    for index, item in enumerate(require_objects(wire or [], name="tools")):
        if item.get("type") != "function" or "strict" not in item:
            raise BadRequest(f"Missing required parameter: 'tools[{index}].strict'.", param=f"tools[{index}]")
        parameters = require_schema(item.get("parameters"), name=f"tools[{index}].parameters")
        name = require_text(item.get("name"), name=f"tools[{index}].name")
        tools.append(Tool(name, str(item.get("description") or ""), parameters))
    return tools


def _schema(wire: Any) -> Schema | None:
    spec = wire.get("format") if isinstance(wire, dict) else None
    if not isinstance(spec, dict) or spec.get("type") == "text":
        return None
    name = require_text(spec.get("name"), name="text.format.name")
    definition = require_schema(spec.get("schema"), name="text.format.schema")
    if spec.get("strict") is True:
        check_strict(name, definition)
    return Schema(name, definition)


def _messages(items: Sequence[JSONObject]) -> list[Message]:
    """The conversation; calls that follow one another are one message, as their results are."""
    messages: list[Message] = []
    for index, item in enumerate(items):
        match item.get("type", "message"):
            case "reasoning":
                _check_reasoning(items, index)
            case "message":
                role = item.get("role")
                if role not in _ROLES:
                    raise BadRequest(f"Invalid value: {role!r}.", param=f"input[{index}].role", code="invalid_value")
                text = text_of(item.get("content"), param=f"input[{index}].content")
                messages.append(Message.of("assistant" if role == "assistant" else "user", text))
            case "function_call":
                _check_call(items, index)
                call = ToolCallPart.parse(
                    require_text(item.get("call_id"), name=f"input[{index}].call_id"),
                    require_text(item.get("name"), name=f"input[{index}].name"),
                    require_text(item.get("arguments"), name=f"input[{index}].arguments"),
                )
                _join(messages, "assistant", call)
            case "function_call_output":
                call_id = require_text(item.get("call_id"), name=f"input[{index}].call_id")
                text = text_of(item.get("output"), param=f"input[{index}].output")
                _join(messages, "tool", ToolResultPart(call_id, text))
            case kind:
                raise BadRequest(f"Invalid value: {kind!r}.", param=f"input[{index}].type", code="invalid_value")
    require_pairs(messages)
    return messages


def _join(messages: list[Message], role: Any, part: ToolCallPart | ToolResultPart) -> None:
    if messages and messages[-1].role == role:
        messages[-1] = replace(messages[-1], parts=(*messages[-1].parts, part))
    else:
        messages.append(Message(role, (part,)))


def _check_reasoning(items: Sequence[JSONObject], index: int) -> None:
    item, following = items[index], items[index + 1].get("type", "message") if index + 1 < len(items) else None
    if not is_sealed(item.get("encrypted_content")):
        message = "The encrypted content could not be verified. Reason: Encrypted content could not be decrypted."
        raise BadRequest(message, code="invalid_encrypted_content")
    if following not in {"function_call", "message"}:
        message = f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."
        raise BadRequest(message, param="input")


def _check_call(items: Sequence[JSONObject], index: int) -> None:
    """A call with the id of its item was made with reasoning, which then has to stand before it."""
    item = items[index]
    before = [one.get("type") for one in items[:index]]
    thinks = str(item.get("id") or "").startswith("fc_thought_")
    if thinks and "reasoning" not in before[_last_result(before) :]:
        message = f"Item '{item['id']}' of type 'function_call' was provided without its required 'reasoning' item"
        raise BadRequest(f"{message}: 'rs_{str(item['id']).removeprefix('fc_thought_')}'.", param="input")


def _last_result(kinds: Sequence[Any]) -> int:
    return max((place for place, kind in enumerate(kinds) if kind == "function_call_output"), default=0)


def _counted(item: JSONObject) -> tuple[Any, str]:
    """What of an item is input: its content, and a call of a tool."""
    if item.get("type") == "reasoning":
        return None, ""
    if item.get("type") == "function_call":
        return None, f"{item.get('name')} {item.get('arguments')}"
    content = item.get("content", item.get("output"))
    text_of(content, param="input")
    return content, ""


def _head(exchange: SandboxExchange) -> JSONObject:
    return {
        "id": f"resp_sandbox_{exchange.request_id[4:]}",
        "object": "response",
        "created_at": exchange.created,
        "model": exchange.question.model,
        "error": None,
        "incomplete_details": None,
        "store": False,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
    }


def _ending(exchange: SandboxExchange) -> JSONObject:
    usage = exchange.usage
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(exchange.answer.stop)
    return {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "service_tier": exchange.service_tier or "default",
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cache_read_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
        },
    }


def _output(exchange: SandboxExchange) -> list[JSONObject]:
    answer, key = exchange.answer, exchange.request_id[4:]
    items: list[JSONObject] = []
    if exchange.question.thinks:
        seal = sealed(exchange.request_id)
        items.append({"id": f"rs_{key}", "type": "reasoning", "summary": [], "encrypted_content": seal})
    if answer.text:
        said: JSONObject = {"type": "output_text", "text": answer.text, "annotations": []}
        if answer.stop == "refusal":
            said = {"type": "refusal", "refusal": answer.text}
        phase = "commentary" if answer.calls else "final_answer"
        items.append(
            {"id": f"msg_{key}", "type": "message", "role": "assistant", "status": "completed", "phase": phase}
            | {"content": [said]}
        )
    prefix = "fc_thought_" if exchange.question.thinks else "fc_"
    items += [
        {
            "id": f"{prefix}{key}{number or ''}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }
        for number, call in enumerate(answer.calls)
    ]
    return items


def _opening(item: JSONObject) -> JSONObject:
    """An item as it is announced: without what is still to come."""
    return item | {name: value for name, value in (("content", []), ("arguments", "")) if name in item}


def _streamed(item: JSONObject) -> tuple[str, str, str]:
    """The event that brings an item's words, the field they are in, and the words."""
    if item["type"] == "function_call":
        return "response.function_call_arguments.delta", "delta", item["arguments"]
    if item["type"] == "reasoning":
        return "response.reasoning_summary_text.delta", "delta", ""
    [said] = item["content"]
    if said["type"] == "refusal":
        return "response.refusal.delta", "delta", said["refusal"]
    return "response.output_text.delta", "delta", said["text"]


def _event(kind: str, body: JSONObject, tokens: int = 0) -> StreamPart:
    return StreamPart(b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **body}) + b"\n\n", tokens)
