"""Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pricing import (
    DocumentPart,
    ImagePart,
    Part,
    ProviderStatePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from tasks.providers import claude, media, options
from tasks.providers.base import Draft, EventReader, broken, opened
from tasks.providers.conversations import NO_OUTPUT, own_state, state_family, turns, with_wire_ids
from tasks.providers.framing import SseFrames
from tasks.providers.json_fields import arguments, count, obj, objects, text
from tasks.providers.messages import HttpRequest, JSONObject, Message, ModelReply, ModelRequest, Tool
from tasks.providers.reasoning_fields import (
    askable,
    claude_fields,
    output_limit,
    require_choice,
    sampling_fields,
    takes,
)
from tasks.providers.schemas import (
    SchemaForm,
    answer_tool,
    can_be_strict,
    schema_form,
    schema_instruction,
    strict_schema,
)
from tasks.providers.service_tiers import asked_word
from tasks.providers.spec import ProviderSpec
from tasks.providers.target_extras import request_to
from tasks.routing.target import Target

VERSION: Final = "2023-06-01"
"""Pinned: ``2026-10-21``, the SDK's default, refuses sampling parameters that older models still take."""
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})
CACHED: Final = {"type": "ephemeral"}
_COUNTS: Final = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "output_tokens_details",
    }
)
"""Of a usage object, what is read; events could add any other name for ever."""


@dataclass(frozen=True, slots=True)
class AnthropicAdapter:
    """Messages, version 2023-06-01."""

    spec: ProviderSpec

    def encode(
        self, target: Target, request: ModelRequest, *, stream: bool = False, attempt_id: str | None = None
    ) -> HttpRequest:
        """``POST {base_url}/v1/messages``."""
        media.require(self.spec.features.media, request, target.window)
        options.require(self.spec.features.options, request)
        require_choice(target, request)
        body: JSONObject = {
            "model": target.model,
            "max_tokens": output_limit(target, request),
            "messages": [
                {"role": side, "content": [block for message in joined for block in _blocks(message, target, request)]}
                for side, joined in turns(with_wire_ids(askable(target, request), target))
            ],
        }
        form = _form(target, request)
        system = request.system.text
        if request.schema is not None and form == "native":
            schema = strict_schema(request.schema.definition)
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        elif request.schema is not None and form == "prompt":
            system = f"{system}\n\n{schema_instruction(request.schema)}".strip()
        if system:
            body["system"] = _marked([{"type": "text", "text": system}], cache=request.marks_cache)
        body |= _tools(request, form)
        if request.options.stop:
            body["stop_sequences"] = list(request.options.stop)
        body |= sampling_fields(target, request)
        thinking = claude_fields(target, request)
        if effort := thinking.pop("effort", None):
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
        body |= thinking
        if word := asked_word(self.spec.features, request):
            body["service_tier"] = word
        if stream:
            body["stream"] = True
        return request_to(target, f"{target.base_url.rstrip('/')}/v1/messages", _headers(target, attempt_id), body)

    def decode(
        self,
        target: Target,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> ModelReply:
        """The blocks of a message: text, tool calls, and thoughts as they are to be sent back."""
        reply = opened(self.spec.failures, status, headers, body)
        draft = Draft(usage=usage(reply.get("usage")), model=text(reply.get("model")) or None)
        draft.id, draft.family = text(reply.get("id")) or None, state_family(target)
        draft.service_tier = text(obj(reply.get("usage")).get("service_tier")) or None
        if not isinstance(reply.get("content"), list):
            raise broken(headers, draft.usage)
        for index, block in enumerate(objects(reply["content"])):
            if text(block.get("type")) in _THOUGHTS:
                draft.state(block)
            elif block.get("type") == "text":
                draft.text += text(block.get("text"))
            elif block.get("type") == "tool_use":
                call = draft.call(index)
                call.id, call.name = text(block.get("id")), text(block.get("name"))
                call.arguments = arguments(block.get("input"))
        draft.stop = claude.STOPS.get(text(reply.get("stop_reason")))
        return draft.reply(headers)

    def stream(self, target: Target, headers: Mapping[str, str]) -> EventReader:
        """A reader of ``message_start`` … ``message_stop``."""
        return EventReader(self.spec.failures, headers, SseFrames(), _absorb, state_family(target))


def usage(counts: object) -> Usage:
    """``usage`` in OpenTelemetry's meaning: Anthropic's ``input_tokens`` leaves out all that touched the cache."""
    given = obj(counts)
    by_lifetime = obj(given.get("cache_creation"))
    hour = count(by_lifetime.get("ephemeral_1h_input_tokens"))
    minutes = count(by_lifetime.get("ephemeral_5m_input_tokens"))
    return claude.from_parts(
        fresh=count(given.get("input_tokens")),
        read=count(given.get("cache_read_input_tokens")),
        written=claude.all_written(count(given.get("cache_creation_input_tokens")), minutes, hour),
        written_1h=hour,
        output=count(given.get("output_tokens")),
        reasoning=count(obj(given.get("output_tokens_details")).get("thinking_tokens")),
    )


def _marked(blocks: list[JSONObject], *, cache: bool) -> list[JSONObject]:
    """Everything up to the mark is cached; tools come before the system in the cached prefix."""
    if cache and blocks:
        blocks[-1] = {**blocks[-1], "cache_control": CACHED}
    return blocks


def _blocks(message: Message, target: Target, request: ModelRequest) -> list[JSONObject]:
    blocks: list[JSONObject] = []
    for part in message.parts:
        ends = request.marks_cache and part is request.shared_end
        blocks += _marked(_part(part, target), cache=ends)
    return blocks


def _part(part: Part, target: Target) -> list[JSONObject]:
    """A part as blocks: one, or none where there is nothing that this target may be sent."""
    match part:
        case TextPart(text=words):
            return [{"type": "text", "text": words}] if words.strip() else []
        case ToolCallPart():
            return [{"type": "tool_use", "id": part.id, "name": part.name, "input": part.sent}]
        case ToolResultPart():
            return [_result(part)]
        case ImagePart() | DocumentPart():
            return [media.anthropic_block(part)]
        case ProviderStatePart():
            return [state] if isinstance(state := own_state(part, target), dict) else []


def _result(part: ToolResultPart) -> JSONObject:
    words = part.text if part.text.strip() else NO_OUTPUT
    content: Any = words
    if part.media:
        content = [{"type": "text", "text": words}, *map(media.anthropic_block, part.media)]
    result: JSONObject = {"type": "tool_result", "tool_use_id": part.call_id, "content": content}
    return {**result, "is_error": True} if part.is_error else result


def _tools(request: ModelRequest, form: SchemaForm) -> JSONObject:
    """The tools, and which of them are to be called."""
    tools = [_tool(tool, request.without) for tool in request.tools]
    if form == "tool" and request.schema is not None:
        tools.append(_tool(answer_tool(request.schema), request.without))
    if not tools:
        return {}
    body: JSONObject = {"tools": _marked(tools, cache=request.marks_cache)}
    choice = claude.tool_choice(request, form)
    return body if choice is None else body | {"tool_choice": choice}


def _tool(tool: Tool, without: Collection[str]) -> JSONObject:
    described: JSONObject = {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
    if tool.strict and "strict" not in without and can_be_strict(tool.parameters, recursion=False):
        described |= {"input_schema": strict_schema(tool.parameters), "strict": True}
    return described


def _form(target: Target, request: ModelRequest) -> SchemaForm:
    if request.schema is None:
        return "none"
    closed = can_be_strict(request.schema.definition, recursion=False)
    native = closed and not claude.NO_SCHEMAS.search(target.model)
    return schema_form(request, native=native, tool=native and takes(target, request, "forced_tool"))


def _headers(target: Target, attempt_id: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "anthropic-version": VERSION}
    if target.credential.key:
        headers["x-api-key"] = target.credential.key
    if attempt_id:
        headers["X-Client-Request-Id"] = attempt_id
    return headers


def _absorb(draft: Draft, _name: str, event: JSONObject) -> str:
    match event.get("type"):
        case "message_start":
            message = obj(event.get("message"))
            draft.model = text(message.get("model")) or None
            draft.id = text(message.get("id")) or None
            # Its output is the first token or two: no total, should the stream break off before the last event.
            _count(draft, obj(message.get("usage")) | {"output_tokens": None})
        case "content_block_start":
            block = obj(event.get("content_block"))
            if text(block.get("type")) in _THOUGHTS:
                draft.open_states[str(event.get("index"))] = draft.state(dict(block))
            if block.get("type") == "tool_use":
                call = draft.call(str(event.get("index")))
                call.id, call.name = draft.keep(text(block.get("id"))), draft.keep(text(block.get("name")))
                if block.get("input"):  # some gateways send all of it at once
                    call.arguments = draft.keep(arguments(block["input"]))
            return _say(draft, text(block.get("text")))
        case "content_block_delta":
            delta = obj(event.get("delta"))
            _think(draft, event.get("index"), delta)
            if delta.get("type") == "input_json_delta":
                draft.call(str(event.get("index"))).arguments += draft.keep(arguments(delta.get("partial_json")))
            return _say(draft, text(delta.get("text")))
        case "message_delta":
            _count(draft, event.get("usage"))
            draft.stop = claude.STOPS.get(text(obj(event.get("delta")).get("stop_reason")), "end")
        case "message_stop":
            draft.done = True
    return ""


def _think(draft: Draft, index: object, delta: JSONObject) -> None:
    """A piece of a thought or of its signature."""
    thought = draft.open_states.get(str(index), {})
    for name in ("thinking", "signature") if thought else ():
        thought[name] = text(thought.get(name)) + draft.keep(text(delta.get(name)))


def _say(draft: Draft, words: str) -> str:
    draft.text += draft.keep(words)
    return words


def _count(draft: Draft, counts: object) -> None:
    """Counts of later events are totals so far; what they leave out stands."""
    draft.counts |= {name: value for name, value in obj(counts).items() if value is not None and name in _COUNTS}
    draft.usage = usage(draft.counts)
    draft.service_tier = text(obj(counts).get("service_tier")) or draft.service_tier
