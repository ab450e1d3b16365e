"""Gemini's generateContent and streamGenerateContent, with thought signatures that have to come back unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import orjson

from pricing import ToolCallPart, ToolResultPart, Usage
from tasks.providers.messages import JSONObject, Message, Schema, StopReason, Tool
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
    json_object,
    positive_int,
    require_objects,
    require_schema,
    require_text,
)
from tasks.sandbox.thoughts import is_sealed, sealed
from tasks.sandbox.tokens import chunks

_FINISH: Final[Mapping[StopReason, str]] = {
    "end": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "SAFETY",
    "content_filter": "SAFETY",
    "malformed": "MALFORMED_FUNCTION_CALL",
}
_ERRORS: Final[Mapping[Complaint, tuple[int, str, str]]] = {
    "429": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota of requests per minute."),
    "500": (500, "INTERNAL", "An internal error has occurred. Please retry."),
    "503": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "capacity": (503, "UNAVAILABLE", "The model has no capacity at this service tier."),
    "529": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "quota": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing."),
    "auth": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "overflow": (
        400,
        "INVALID_ARGUMENT",
        "The input token count ({tokens}) exceeds the maximum number of tokens allowed ({window}).",
    ),
    "invalid_output": (500, "INTERNAL", "An internal error has occurred. Please retry."),
    "not_found": (404, "NOT_FOUND", "The requested URL was not found on this server."),
    "too_large": (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
}
"""Status, code, message; ``invalid`` brings its own words."""
_TOKENS_PER_EVENT: Final = 4
_SIGNED: Final = re.compile(r"gemini-(?:[3-9]|\d\d)")
"""Models whose calls carry a signature, and are refused without one."""
_UNSIGNED: Final = "skip_thought_signature_validator"
_LEVELS: Final = frozenset({"minimal", "low", "medium", "high"})
_MODES: Final[Mapping[str, str]] = {"AUTO": "auto", "NONE": "none", "ANY": "any", "VALIDATED": "auto"}


class GeminiDialect:
    """Reads and writes generateContent."""

    provider: Provider = "gemini"
    id_header = "x-request-id"
    stream_type = "text/event-stream"

    def new_id(self) -> str:
        """A request id; Google has none of a form of its own."""
        return uuid4().hex

    def read(self, body: JSONObject, model: str, headers: Mapping[str, str]) -> SandboxRequest:  # noqa: ARG002 — the protocol's
        """The request, or what Google would say is wrong with it."""
        contents = require_objects(body.get("contents"), name="contents")
        config = _object(body.get("generationConfig"), "generation_config")
        declared = [
            one
            for tool in require_objects(body.get("tools") or [], name="tools")
            for one in require_objects(tool.get("functionDeclarations") or [], name="function_declarations")
        ]
        tools = [_tool(one) for one in declared]
        choice, forced = _choice(body.get("toolConfig"), tools)
        schema = _schema(config)
        if schema is not None and config.get("responseMimeType") != "application/json":
            raise BadRequest("response_json_schema needs the response_mime_type 'application/json'.")
        instructions = _text(_object(body.get("systemInstruction"), "system_instruction"))
        _check_signatures(contents, model)
        limit = config.get("maxOutputTokens")
        static = [orjson.dumps(one).decode() for one in declared]
        static += [] if schema is None else [orjson.dumps(schema.definition).decode()]
        static += [instructions] if instructions else []
        return SandboxRequest(
            model=model,
            messages=_messages(contents),
            instructions=instructions,
            segments=[PromptSegment(text) for text in (*static, *map(_counted, contents))],
            tools=tools,
            schema=schema,
            json_object=schema is None and config.get("responseMimeType") == "application/json",
            max_tokens=None if limit is None else positive_int(limit, name="max_output_tokens"),
            tool_choice=choice,
            forced_tool=forced,
            stream_usage=True,
            thinks=_thinks(config, model),
        )

    def usage(self, counted: Usage) -> Usage:
        """Without cache writes, which cost nothing extra here and are not reported."""
        return replace(counted, cache_write_tokens=None, cache_write_1h_tokens=None)

    def reply(self, exchange: SandboxExchange) -> JSONObject:
        """A reply of generateContent."""
        answer = exchange.answer
        parts: list[JSONObject] = [{"text": answer.text, **_signature(exchange)}] if answer.text else []
        return self._body(exchange, [*parts, *_calls(exchange)], last=True)

    def stream(self, exchange: SandboxExchange) -> list[StreamPart]:
        """The replies of streamGenerateContent, each with a piece."""
        answer = exchange.answer
        parts = [
            StreamPart(_event(self._body(exchange, [{"text": text}], last=False)), tokens)
            for text, tokens in chunks(answer.text, _TOKENS_PER_EVENT)
        ]
        signature = _signature(exchange)
        signed: list[JSONObject] = [{"text": "", **signature}] if signature else []
        return [*parts, StreamPart(_event(self._body(exchange, [*signed, *_calls(exchange)], last=True)))]

    def refuse(self, complaint: Complaint, facts: Facts) -> SandboxRefusal:
        """An error; waits are asked for in ``RetryInfo``, since there is no header."""
        status, code, message = _ERRORS.get(complaint, (400, "INVALID_ARGUMENT", ""))
        details: list[JSONObject] = []
        if complaint == "auth":
            details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"})
        if complaint == "quota":
            violations = [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]
            details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations})
        if complaint in {"429", "503", "529"} and facts.retry_after is not None:
            wait = f"{facts.retry_after:g}s"
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait})
        text = message.format(tokens=facts.tokens, window=facts.window) or facts.message
        error: JSONObject = {"code": status, "message": text, "status": code}
        return SandboxRefusal(status, {"error": error | ({"details": details} if details else {})})

    def garbage(self) -> bytes:
        """An event that is not JSON."""
        return b'data: {"candidates": [\r\n\r\n'

    def _body(self, exchange: SandboxExchange, parts: Sequence[JSONObject], *, last: bool) -> JSONObject:
        candidate: JSONObject = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
        if last:
            candidate["finishReason"] = _FINISH[exchange.answer.stop]
        usage = exchange.usage
        counts: JSONObject = {"promptTokenCount": usage.input_tokens, "totalTokenCount": usage.input_tokens}
        if usage.cache_read_tokens:
            counts["cachedContentTokenCount"] = usage.cache_read_tokens
        if last:
            counts["candidatesTokenCount"] = (usage.output_tokens or 0) - (usage.reasoning_tokens or 0)
            if usage.reasoning_tokens:
                counts["thoughtsTokenCount"] = usage.reasoning_tokens
            counts["totalTokenCount"] = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        return {
            "candidates": [candidate],
            "usageMetadata": counts,
            "modelVersion": exchange.question.model,
            "responseId": exchange.request_id,
        }


def _event(body: JSONObject) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\r\n\r\n"


def _calls(exchange: SandboxExchange) -> list[JSONObject]:
    if exchange.answer.stop == "malformed":
        return []
    calls: list[JSONObject] = [
        {"functionCall": {"id": call.id, "name": call.name, "args": json_object(call.arguments)}}
        for call in exchange.answer.calls
    ]
    if calls and _is_signed(exchange):  # of calls at once, the first alone
        calls[0]["thoughtSignature"] = sealed(exchange.request_id)
    return calls


def _is_signed(exchange: SandboxExchange) -> bool:
    return exchange.question.thinks or _SIGNED.search(exchange.question.model) is not None


def _signature(exchange: SandboxExchange) -> JSONObject:
    """On a text that stands alone; beside calls it is the first call's."""
    signed = _is_signed(exchange) and not exchange.answer.calls
    return {"thoughtSignature": sealed(exchange.request_id)} if signed else {}


def _thinks(config: JSONObject, model: str) -> bool:
    """Whether a request asks for thoughts; each generation has a way of its own."""
    wire = _object(config.get("thinkingConfig"), "generation_config.thinking_config")
    level, budget = wire.get("thinkingLevel"), wire.get("thinkingBudget")
    if level is not None and (level not in _LEVELS or not _SIGNED.search(model)):
        raise BadRequest("Thinking level is not supported for this model.")
    if budget is not None and (not isinstance(budget, int) or (budget == 0 and "2.5-pro" in model)):
        raise BadRequest(f"Budget {budget} is invalid. This model only works in thinking mode.")
    return bool(level or budget)


def _check_signatures(contents: Sequence[JSONObject], model: str) -> None:
    """Signatures come back unchanged; since the user last spoke, the first call of each step has one."""
    asked = [place for place, content in enumerate(contents) if content.get("role") != "model" and _text(content)]
    for place, content in enumerate(contents):
        parts = require_objects(content.get("parts"), name=f"contents[{place}].parts")
        for part in parts:
            seal = part.get("thoughtSignature")
            if seal is not None and seal != _UNSIGNED and not is_sealed(seal):
                raise BadRequest("Corrupted thought signature.")
        first = next((part for part in parts if "functionCall" in part), None)
        current = place > max(asked, default=-1) and _SIGNED.search(model)
        if current and first is not None and not first.get("thoughtSignature"):
            raise BadRequest(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                f"work correctly. Additional data, function call in position {place}."
            )


def _object(wire: Any, name: str) -> JSONObject:
    if wire is None:
        return {}
    if not isinstance(wire, dict):
        raise BadRequest(f"Invalid value at '{name}'")
    return wire


def _tool(wire: JSONObject) -> Tool:
    name = require_text(wire.get("name"), name="function_declarations.name")
    schema = wire.get("parametersJsonSchema") or {"type": "object", "properties": {}}
    return Tool(name, str(wire.get("description") or ""), require_schema(schema, name=f"{name}.parameters_json_schema"))


def _choice(wire: Any, tools: Sequence[Tool]) -> tuple[str, str | None]:
    config = _object(_object(wire, "tool_config").get("functionCallingConfig"), "function_calling_config")
    allowed = config.get("allowedFunctionNames") or []
    if any(name not in {tool.name for tool in tools} for name in allowed):
        raise BadRequest("allowed_function_names names a function that is not declared.")
    choice = _MODES.get(str(config.get("mode") or "AUTO"))
    if choice is None:
        raise BadRequest("Invalid value at 'tool_config.function_calling_config.mode'")
    return ("tool", str(allowed[0])) if choice == "any" and len(allowed) == 1 else (choice, None)


def _schema(config: JSONObject) -> Schema | None:
    given = config.get("responseJsonSchema")
    return None if given is None else Schema("answer", require_schema(given, name="response_json_schema"))


def _text(content: JSONObject) -> str:
    parts = require_objects(content.get("parts") or [], name="parts")
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _counted(content: JSONObject) -> str:
    parts = require_objects(content.get("parts") or [], name="parts")
    return "\n".join(
        part["text"] if isinstance(part.get("text"), str) else orjson.dumps(part).decode()
        for part in parts
        if "inlineData" not in part
    )


def _messages(contents: Sequence[JSONObject]) -> list[Message]:
    """Calls have no ids here: a result belongs to the next call of its name."""
    messages: list[Message] = []
    waiting: list[tuple[str, str]] = []
    for number, content in enumerate(contents):
        role = content.get("role", "user")
        parts = require_objects(content.get("parts"), name=f"contents[{number}].parts")
        if role not in {"user", "model"} or not parts:
            raise BadRequest("Please use a valid role: user, model; and at least one part.")
        if role == "model":
            calls = [part["functionCall"] for part in parts if isinstance(part.get("functionCall"), dict)]
            waiting = [(f"call_{number}_{place}", str(call.get("name"))) for place, call in enumerate(calls)]
            made = [
                ToolCallPart(call_id, name, call.get("args") or {})
                for (call_id, name), call in zip(waiting, calls, strict=True)
            ]
            messages.append(Message.of("assistant", _text(content), *made))
            continue
        for part in parts:
            if isinstance(answered := part.get("functionResponse"), dict):
                found = next((one for one in waiting if one[1] == answered.get("name")), None)
                if found is None:
                    raise BadRequest("A function response has to come right after the function call that it answers.")
                waiting.remove(found)
                response = _object(answered.get("response"), "function_response.response")
                value = response.get("result", response.get("error", response))
                text = value if isinstance(value, str) else orjson.dumps(value).decode()
                messages.append(Message.of("tool", ToolResultPart(found[0], text, is_error="error" in response)))
        if waiting:
            raise BadRequest("The number of function response parts has to equal that of function call parts.")
        if text := _text(content):
            messages.append(Message.of("user", text))
    return messages
