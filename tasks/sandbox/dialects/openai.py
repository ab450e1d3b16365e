"""OpenAI's Chat Completions and Groq's variant of it, with their error replies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import orjson

from pricing import ToolCallPart, ToolResultPart, Usage
from tasks.providers.messages import JSONObject, Message, Schema, StopReason, Tool
from tasks.sandbox.dialects.openai_cache import marked_segments
from tasks.sandbox.protocol import (
    BadRequest,
    Complaint,
    Facts,
    GeneratedCall,
    PromptSegment,
    Provider,
    SandboxAnswer,
    SandboxExchange,
    SandboxRefusal,
    SandboxRequest,
    StreamPart,
    positive_int,
    require_objects,
    require_schema,
    require_text,
    text_of,
)
from tasks.sandbox.thoughts import is_sealed, sealed
from tasks.sandbox.tokens import chunks

_INVALID: Final = "invalid_request_error"

_OPENAI: Final[Mapping[Complaint, tuple[int, str, str | None, str]]] = {
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for {model} on requests per min (RPM)."),
    "500": (500, "server_error", None, "The server had an error while processing your request"),
    "503": (503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded. Try again later."),
    "529": (503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded. Try again later."),
    "quota": (
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "auth": (401, _INVALID, "invalid_api_key", "Incorrect API key provided."),
    "overflow": (
        400,
        _INVALID,
        "context_length_exceeded",
        (
            "This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} "
            "tokens. Please reduce the length of the messages."
        ),
    ),
    "capacity": (429, "resource_unavailable", "resource_unavailable", "Resource unavailable. Please try again later."),
    "invalid_output": (500, "server_error", None, "The server had an error while processing your request"),
    "not_found": (404, _INVALID, "unknown_url", "Unknown request URL."),
    "missing": (404, _INVALID, None, "No such object."),
    "too_large": (413, _INVALID, None, "The request body is too large."),
}
"""Status, type, code, message; ``invalid`` brings its own words."""

_GROQ: Final[Mapping[Complaint, tuple[int, str, str | None, str]]] = {
    **_OPENAI,
    "429": (
        429,
        "tokens",
        "rate_limit_exceeded",
        (
            "Rate limit reached for model `{model}` in organization `org` service tier `on_demand` on tokens per "
            "minute (TPM): Limit 15000, Used 14999, Requested {tokens}."
        ),
    ),
    "500": (500, "internal_server_error", None, "Internal Server Error"),
    "503": (503, "internal_server_error", None, "Service Unavailable"),
    "capacity": (498, "capacity_exceeded", "capacity_exceeded", "Flex tier capacity exceeded"),
    "529": (498, "capacity_exceeded", "capacity_exceeded", "Flex tier capacity exceeded"),
    "quota": (400, _INVALID, "blocked_api_access", "API access is blocked: the organization's spend limit is reached."),
    "auth": (401, _INVALID, "invalid_api_key", "Invalid API Key"),
    "overflow": (
        400,
        _INVALID,
        "context_length_exceeded",
        "Please reduce the length of the messages or completion.",
    ),
    "invalid_output": (
        400,
        _INVALID,
        "json_validate_failed",
        "Failed to validate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
    ),
}


def openai_refusal(complaint: Complaint, facts: Facts) -> SandboxRefusal:
    """OpenAI's reply to a complaint."""
    headers = _retry_after(facts) if complaint in {"429", "503", "529"} else {}
    if complaint == "429":
        headers |= {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": _go_duration(facts)}
    if complaint == "429" and facts.retry_after is not None:
        headers["retry-after-ms"] = f"{facts.retry_after * 1000:.0f}"
    return _refusal(_OPENAI, complaint, facts, headers)


def groq_refusal(complaint: Complaint, facts: Facts) -> SandboxRefusal:
    """Groq's reply to a complaint; what a model garbled comes back as ``failed_generation``."""
    headers = _retry_after(facts) if complaint == "429" else {}
    refusal = _refusal(_GROQ, complaint, facts, headers)
    if complaint == "invalid_output":
        refusal.body["error"] |= {"code": facts.code or "json_validate_failed", "failed_generation": facts.generated}
    return refusal


def _refusal(
    table: Mapping[Complaint, tuple[int, str, str | None, str]],
    complaint: Complaint,
    facts: Facts,
    headers: Mapping[str, str],
) -> SandboxRefusal:
    status, kind, code, message = table.get(complaint, (400, _INVALID, facts.code, facts.message))
    if complaint in table:
        message = message.format(model=facts.model, tokens=facts.tokens, window=facts.window)
    param = "messages" if complaint == "overflow" else facts.param
    error: JSONObject = {"message": message, "type": kind, "param": param, "code": code}
    return SandboxRefusal(status, {"error": error}, headers)


def _retry_after(facts: Facts) -> dict[str, str]:
    return {} if facts.retry_after is None else {"retry-after": str(math.ceil(facts.retry_after))}


def _go_duration(facts: Facts) -> str:
    return f"{(facts.retry_after or 1.0) * 1000:.0f}ms"


_FINISH: Final[Mapping[StopReason, str]] = {
    "end": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "refusal": "stop",
    "content_filter": "content_filter",
    "malformed": "stop",
}
_TOKENS_PER_EVENT: Final = 4
FINGERPRINT: Final = "fp_farebox_sandbox"


class OpenAIDialect:
    """Reads and writes Chat Completions.

    Args:
        provider: ``openai``, or ``groq`` for its error codes, its timings in the usage and its lack of refusals.
    """

    id_header = "x-request-id"
    stream_type = "text/event-stream; charset=utf-8"

    def __init__(self, provider: Provider) -> None:
        self.provider: Provider = provider

    def new_id(self) -> str:
        """A request id in OpenAI's form."""
        return f"req_{uuid4().hex}"

    def read(self, body: JSONObject, model: str, headers: Mapping[str, str]) -> SandboxRequest:  # noqa: ARG002 — the protocol's
        """The request, or what OpenAI would say is wrong with it."""
        named = body.get("model")
        if not isinstance(named, str) or not named:
            raise BadRequest("you must provide a model parameter")
        wire_messages = require_objects(body.get("messages"), name="messages")
        if not wire_messages:
            raise BadRequest(
                "Invalid 'messages': empty array. Expected an array with minimum length 1.", param="messages"
            )
        tools = _tools(body.get("tools"))
        choice, forced = _tool_choice(body.get("tool_choice"), tools)
        schema, json_object = self._format(body.get("response_format"))
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        options = body.get("stream_options")
        static = [PromptSegment(orjson.dumps(tool).decode()) for tool in body.get("tools") or []]
        if schema is not None:
            static.append(PromptSegment(orjson.dumps(schema.definition).decode()))
        return SandboxRequest(
            model=named,
            messages=_messages(wire_messages),
            instructions="\n".join(
                text_of(message.get("content"), param="messages")
                for message in wire_messages
                if message.get("role") in ("system", "developer")
            ),
            segments=[*static, *marked_segments(self.provider, named, body, [*map(_counted, wire_messages)])],
            tools=tools,
            schema=schema,
            json_object=json_object,
            max_tokens=None if limit is None else positive_int(limit, name="max_completion_tokens"),
            tool_choice=choice,
            forced_tool=forced,
            stream=body.get("stream") is True,
            stream_usage=isinstance(options, dict) and options.get("include_usage") is True,
            thinks=_thinks(body, named, wire_messages),
        )

    def _format(self, wire: Any) -> tuple[Schema | None, bool]:
        if wire is None or (isinstance(wire, dict) and wire.get("type") == "text"):
            return None, False
        if isinstance(wire, dict) and wire.get("type") == "json_object":
            return None, True
        spec = wire.get("json_schema") if isinstance(wire, dict) else None
        if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
            raise BadRequest("Missing required parameter: 'response_format.json_schema.name'.", param="response_format")
        definition = require_schema(spec.get("schema"), name="response_format.json_schema.schema")
        if spec.get("strict") is True:
            check_strict(spec["name"], definition)
        return Schema(spec["name"], definition), False

    def usage(self, counted: Usage) -> Usage:
        """Cache writes are reported by models for which they cost something."""
        return replace(counted, cache_write_tokens=counted.cache_write_tokens or None, cache_write_1h_tokens=None)

    def reply(self, exchange: SandboxExchange) -> JSONObject:
        """A chat completion."""
        answer = exchange.answer
        refused = answer.stop == "refusal" and self.provider == "openai"
        message: JSONObject = {"role": "assistant", "content": None if refused else answer.text}
        if self.provider == "openai":
            message["refusal"] = answer.text if refused else None
        if exchange.question.thinks:
            message["reasoning_content"] = sealed(exchange.request_id)
        if answer.calls:
            message["content"] = answer.text or None
            message["tool_calls"] = [_call(call) for call in answer.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
        return {**self._head(exchange, "chat.completion"), "choices": [choice], "usage": self._usage_body(exchange)}

    def stream(self, exchange: SandboxExchange) -> list[StreamPart]:
        """The chunks of a streamed completion; usage comes last, if asked for."""
        head = self._head(exchange, "chat.completion.chunk")
        if exchange.question.stream_usage:
            head["usage"] = None

        def event(delta: JSONObject, finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return _event({**head, "choices": [choice]})

        answer = exchange.answer
        word = "refusal" if answer.stop == "refusal" and self.provider == "openai" else "content"
        parts = [StreamPart(event({"role": "assistant", "content": "" if not answer.calls else None}))]
        if exchange.question.thinks:
            pieces = chunks(sealed(exchange.request_id), _TOKENS_PER_EVENT)
            parts += [StreamPart(event({"reasoning_content": piece})) for piece, _ in pieces]
        parts += [StreamPart(event({word: text}), tokens) for text, tokens in chunks(answer.text, _TOKENS_PER_EVENT)]
        for index, call in enumerate(answer.calls):
            opening = {"index": index, **_call(call)}
            opening["function"] = {"name": call.name, "arguments": ""}
            parts.append(StreamPart(event({"tool_calls": [opening]})))
            parts += [
                StreamPart(event({"tool_calls": [{"index": index, "function": {"arguments": text}}]}), tokens)
                for text, tokens in chunks(call.arguments, _TOKENS_PER_EVENT)
            ]
        parts.append(StreamPart(event({}, _finish(answer))))
        if exchange.question.stream_usage:
            parts.append(StreamPart(_event({**head, "choices": [], "usage": self._usage_body(exchange)})))
        parts.append(StreamPart(b"data: [DONE]\n\n"))
        return parts

    def refuse(self, complaint: Complaint, facts: Facts) -> SandboxRefusal:
        """An error object."""
        return (groq_refusal if self.provider == "groq" else openai_refusal)(complaint, facts)

    def garbage(self) -> bytes:
        """A chunk that is not JSON."""
        return b'data: {"id":"chatcmpl-\n\n'

    def _head(self, exchange: SandboxExchange, kind: str) -> JSONObject:
        return {
            "id": f"chatcmpl-sandbox-{exchange.request_id[4:]}",
            "object": kind,
            "created": exchange.created,
            "model": exchange.question.model,
            "system_fingerprint": FINGERPRINT,
            **({"service_tier": exchange.service_tier} if exchange.service_tier else {}),
        }

    def _usage_body(self, exchange: SandboxExchange) -> JSONObject:
        usage = exchange.usage
        written = {} if usage.cache_write_tokens is None else {"cache_write_tokens": usage.cache_write_tokens}
        body: JSONObject = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
            "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, **written},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }
        if self.provider == "groq":
            seconds = exchange.latency_ms / 1000
            body |= {"queue_time": 0.0, "prompt_time": 0.0, "completion_time": seconds, "total_time": seconds}
        return body


def _thinks(body: JSONObject, model: str, messages: Sequence[JSONObject]) -> bool:
    """DeepSeek alone shows thoughts here, and wants those of a tool turn back."""
    switch = body.get("thinking")
    if "deepseek" not in model or (isinstance(switch, dict) and switch.get("type") == "disabled"):
        return False
    for message in messages:
        state = message.get("reasoning_content")
        if message.get("tool_calls") and state != "" and not is_sealed(state):
            complaint = "The `reasoning_content` in the thinking mode must be passed back to the API."
            raise BadRequest(complaint)
    return True


def _finish(answer: SandboxAnswer) -> str:
    return "tool_calls" if answer.calls and answer.stop == "malformed" else _FINISH[answer.stop]


def _event(body: JSONObject) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _call(call: GeneratedCall) -> JSONObject:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _counted(message: JSONObject) -> tuple[Any, str]:
    """What of a message is input: its content, and its calls of tools."""
    text_of(message.get("content"), param="messages")
    calls = message.get("tool_calls")
    return message.get("content"), orjson.dumps(calls).decode() if calls else ""


def _messages(wire: Sequence[JSONObject]) -> list[Message]:
    messages: list[Message] = []
    asked: set[str] = set()
    for index, item in enumerate(wire):
        param = f"messages.[{index}]"
        role = item.get("role")
        text = text_of(item.get("content"), param=f"{param}.content")
        if role in ("system", "developer"):
            continue
        if role == "user":
            messages.append(Message.of("user", text))
        elif role == "assistant":
            calls = _calls(item.get("tool_calls"), param)
            asked.update(call.id for call in calls)
            messages.append(Message.of("assistant", text, *calls))
        elif role == "tool":
            answered = require_text(item.get("tool_call_id"), name=f"{param}.tool_call_id")
            if answered not in asked:
                raise BadRequest(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"{param}.role",
                )
            messages.append(Message.of("tool", ToolResultPart(answered, text)))
        else:
            raise BadRequest(
                f"Invalid value: {role!r} is not a supported role.", param=f"{param}.role", code="invalid_value"
            )
    return messages


def _calls(wire: Any, param: str) -> tuple[ToolCallPart, ...]:
    calls = []
    for call in require_objects(wire or [], name=f"{param}.tool_calls"):
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
            raise BadRequest(f"Missing required parameter: '{param}.tool_calls'.", param=f"{param}.tool_calls")
        name = require_text(function.get("name"), name=f"{param}.tool_calls.function.name")
        call_id = require_text(call.get("id"), name=f"{param}.tool_calls.id")
        calls.append(ToolCallPart.parse(call_id, name, function["arguments"]))
    return tuple(calls)


def _tools(wire: Any) -> list[Tool]:
    tools = []
    for index, item in enumerate(require_objects(wire or [], name="tools")):
        function = item.get("function")
        param = f"tools[{index}].function"
        if item.get("type") != "function" or not isinstance(function, dict):
            raise BadRequest(f"Missing required parameter: '{param}'.", param=param)
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        schema = require_schema(parameters, name=f"{param}.parameters")
        name = require_text(function.get("name"), name=f"{param}.name")
        tools.append(Tool(name, str(function.get("description") or ""), schema))
    return tools


def _tool_choice(wire: Any, tools: Sequence[Tool]) -> tuple[str, str | None]:
    if wire is None or wire in ("auto", "none"):
        return wire or "auto", None
    if not tools:
        raise BadRequest("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if wire == "required":
        return "any", None
    function = wire.get("function") if isinstance(wire, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if name not in [tool.name for tool in tools]:
        raise BadRequest(f"Tool choice {name!r} not found in 'tools' parameter.", param="tool_choice")
    return "tool", name


def check_strict(name: str, schema: Any, context: tuple[str, ...] = ()) -> None:
    """Strict schemas name every property as required and admit no other, at every depth."""
    if isinstance(schema, list):
        for item in schema:
            check_strict(name, item, context)
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    prefix = f"Invalid schema for response_format '{name}': In context={context},"
    if schema.get("type") == "object" or isinstance(properties, dict):
        if schema.get("additionalProperties") is not False:
            raise BadRequest(
                f"{prefix} 'additionalProperties' is required to be supplied and to be false.", param="response_format"
            )
        missing = set(properties or {}) - set(schema.get("required") or [])
        if missing:
            raise BadRequest(
                f"{prefix} 'required' is required to be supplied and to be an array including every key in properties. "
                f"Missing '{min(missing)}'.",
                param="response_format",
            )
    for key in ("properties", "$defs", "definitions"):
        for part, inner in (schema.get(key) or {}).items():
            check_strict(name, inner, (*context, key, part))
    for key in ("items", "anyOf", "allOf", "oneOf"):
        check_strict(name, schema.get(key), (*context, key))
