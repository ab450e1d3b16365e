"""OpenAI's Responses API, stateless: nothing is stored there, and reasoning comes encrypted and goes back unchanged.

Which requests go here is data (``reasoning.ReasoningRules.responses``): models that have no other API, and tools with
reasoning, which chat completions refuse.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

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
from tasks.providers import media
from tasks.providers.base import Draft, Event, EventReader, ReplyError, broken, opened
from tasks.providers.conversations import own_state, state_family, with_wire_ids
from tasks.providers.failure_rules import FailureRules
from tasks.providers.failures import classify_reply
from tasks.providers.json_fields import count, dump, encode, obj, objects, parse, text
from tasks.providers.messages import JSONObject, Message, ModelReply, ModelRequest, StopReason, Tool
from tasks.providers.options import OptionRefused
from tasks.providers.prompt_caches import BREAKPOINT, breakpoint_options
from tasks.providers.reasoning_fields import asked_level, output_limit, rules_for, sampling_fields
from tasks.providers.schemas import can_be_strict, strict_schema
from tasks.routing.target import Target

PATH: Final = "/responses"
_LEAST_OUTPUT: Final = 16
"""Tokens: fewer are refused."""
_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_INCOMPLETE: Final[Mapping[str, StopReason]] = {"content_filter": "content_filter"}
"""Why a reply is incomplete, where it is not for its length."""
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})
_ITEM: Final = "item"


def body_of(target: Target, request: ModelRequest, *, stream: bool = False, marks: bool = False) -> JSONObject:
    """The body of ``POST {base_url}/responses``; with ``marks`` it says where what is cached ends.

    Raises:
        OptionRefused: the request asks for what this API does not have.
    """
    if request.options.stop or request.options.seed is not None:
        raise OptionRefused("is asked by the Responses API, which takes no stop and no seed")
    system, end = request.system.text, request.shared_end if marks else None
    sent = with_wire_ids(request.messages, target)
    body: JSONObject = {
        "model": target.model,
        "input": [
            *([_developer(system)] if system and marks else []),
            *(item for message in sent for item in _items(message, target, end)),
        ],
        "max_output_tokens": max(_LEAST_OUTPUT, output_limit(target, request)),
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if marks:
        body |= breakpoint_options(request)
    elif system:
        body["instructions"] = system
    if request.tools:
        body["tools"] = [_tool(tool, request.without) for tool in request.tools]
        body |= _choice(request)
    if request.schema is not None:
        definition, strict = request.schema.definition, can_be_strict(request.schema.definition)
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": _NAME.sub("_", request.schema.name)[:64],
                "schema": strict_schema(definition) if strict else definition,
                "strict": strict,
            }
        }
    asked = asked_level(target, request.reasoning)
    if asked and "reasoning" not in request.without and (word := rules_for(target).word(asked)):
        body["reasoning"] = {"effort": word}
    body |= sampling_fields(target, request)
    return body | ({"stream": True} if stream else {})


def _tool(tool: Tool, without: Collection[str]) -> JSONObject:
    strict = tool.strict and "strict" not in without and can_be_strict(tool.parameters)
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": strict_schema(tool.parameters) if strict else tool.parameters,
        "strict": strict,  # a missing one is read as true
    }


def _choice(request: ModelRequest) -> JSONObject:
    asked, body = request.options, JSONObject()
    if asked.tool_choice != "auto":
        named = {"type": "function", "name": asked.tool_choice}
        body["tool_choice"] = asked.tool_choice if asked.tool_choice in {"none", "required"} else named
    if asked.parallel_tool_calls is not None and "parallel_tool_calls" not in request.without:
        body["parallel_tool_calls"] = asked.parallel_tool_calls
    return body


def is_reply(reply: object) -> bool:
    """Whether a JSON body is a response of this API."""
    return obj(reply).get("object") == "response"


def decode(rules: FailureRules, target: Target, status: int, headers: Mapping[str, str], body: bytes) -> ModelReply:
    """The items of a response: text, refusal, tool calls, and reasoning as it is to be sent back.

    Raises:
        ReplyError: it failed, though its status is 200, or is not a response.
    """
    whole = obj(parse(body))
    if whole.get("status") == "failed":
        raise ReplyError(classify_reply(rules, status, headers, encode(_error(whole))), usage(whole.get("usage")))
    reply = opened(rules, status, headers, body)
    draft = Draft(family=state_family(target))
    if not isinstance(reply.get("output"), list) or reply.get("status") not in {"completed", "incomplete"}:
        raise broken(headers, usage(reply.get("usage")))
    for index, item in enumerate(objects(reply["output"])):
        _done(draft, index, item)
    _end(draft, reply)
    return draft.reply(headers)


def absorb(draft: Draft, event: JSONObject) -> str:
    """One event of a stream; returns the text that it brings."""
    kind, index = text(event.get("type")), event.get("output_index")
    match kind:
        case "response.output_item.added":
            item = obj(event.get("item"))
            if item.get("type") == "message":
                draft.open_states[_ITEM, index] = draft.state(_message_state(item))
        case "response.output_text.delta":
            draft.open_states.setdefault(("said", index), {})
            words = text(event.get("delta"))
            draft.text += draft.keep(words)
            return words
        case "response.refusal.delta":
            draft.open_states.setdefault(("said", index), {})
            draft.refusal += draft.keep(text(event.get("delta")))
        case "response.output_item.done":
            return _done(draft, index, obj(event.get("item")))
        case _ if kind in _ENDS:
            _end(draft, obj(event.get("response")))
            draft.done = True
    return ""


class EitherReader(EventReader):
    """Reads streams of both APIs: which one was asked is seen from the events."""

    def _read(self, event: Event) -> str:
        """Failures have events of their own here, which are read as the errors that they hold."""
        if b'"error"' in event.data or b"response.failed" in event.data:
            payload = obj(parse(event.data))
            if payload.get("type") == "response.failed":
                failed = obj(payload.get("response"))
                self._draft.usage = usage(failed.get("usage"))
                event = event._replace(data=encode(_error(failed)))
            elif payload.get("type") == "error" and not payload.get("error"):
                event = event._replace(data=encode({"error": {**payload, "type": text(payload.get("code"))}}))
        return super()._read(event)


def usage(counts: object) -> Usage:
    """``usage`` in OpenTelemetry's meaning: input includes cached tokens, output includes reasoning."""
    given = obj(counts)
    details = obj(given.get("input_tokens_details"))
    return Usage(
        input_tokens=count(given.get("input_tokens")),
        output_tokens=count(given.get("output_tokens")),
        cache_read_tokens=count(details.get("cached_tokens")),
        cache_write_tokens=count(details.get("cache_write_tokens")),
        reasoning_tokens=count(obj(given.get("output_tokens_details")).get("reasoning_tokens")),
    )


def _end(draft: Draft, reply: JSONObject) -> None:
    draft.model, draft.id = text(reply.get("model")) or None, text(reply.get("id")) or None
    draft.usage = usage(reply.get("usage"))
    draft.service_tier = text(reply.get("service_tier")) or None
    if reply.get("status") == "incomplete":
        reason = text(obj(reply.get("incomplete_details")).get("reason"))
        draft.stop = _INCOMPLETE.get(reason, "length")
    else:
        draft.stop = "end"


def _done(draft: Draft, index: object, item: JSONObject) -> str:
    """One item of output, whole; of a message, the text that no event before has brought."""
    match item.get("type"):
        case "reasoning":
            draft.state(item)
        case "message":
            state = _message_state(item)
            if (held := draft.open_states.get((_ITEM, index))) is not None:
                held.update(state)
            else:
                draft.state(state)
            return "" if ("said", index) in draft.open_states else _said(draft, objects(item.get("content")))
        case "function_call":
            draft.state({name: item[name] for name in ("type", "id", "call_id") if name in item})
            call = draft.call(index, text(item.get("call_id")))
            call.name = draft.keep(text(item.get("name")))
            call.arguments = draft.keep(text(item.get("arguments")))
    return ""


def _said(draft: Draft, parts: Sequence[JSONObject]) -> str:
    words = draft.keep("".join(text(part.get("text")) for part in parts if part.get("type") == "output_text"))
    draft.text += words
    draft.refusal += draft.keep("".join(text(part.get("refusal")) for part in parts))
    return words


def _message_state(item: JSONObject) -> JSONObject:
    return {name: item[name] for name in ("type", "id", "phase") if item.get(name) is not None}


def _error(failed: JSONObject) -> JSONObject:
    """The error of a failed response, in the form of an error reply."""
    error = obj(failed.get("error"))
    return {"error": {"type": text(error.get("code")) or "server_error", **error}}


def _developer(system: str) -> JSONObject:
    """The system text as an item: ``instructions`` cannot say that what is cached ends behind them."""
    return {"role": "developer", "content": [{"type": "input_text", "text": system, **BREAKPOINT}]}


def _items(message: Message, target: Target, end: Part | None) -> Iterator[JSONObject]:
    """A message as items of input; what the model itself made goes back as it came, ids included."""
    if message.role == "tool":
        for result in message.results:
            yield {"type": "function_call_output", "call_id": result.call_id, "output": _output(result)}
        return
    if message.role == "user":
        content = [
            {**block, **BREAKPOINT} if part is end else block for part in message.parts for block in _block(part)
        ]
        if content:
            yield {"role": "user", "content": content}
        return
    own: JSONObject = {}
    for part in message.parts:
        match part:
            case ProviderStatePart():
                state = obj(own_state(part, target))
                if state.get("type") == "reasoning":
                    yield state
                else:
                    own = state
            case TextPart(text=words) if words.strip():
                yield _assistant(words, own)
                own = {}
            case ToolCallPart():
                yield {**own, **_call(part)} if own.get("call_id") == part.id else _call(part)
                own = {}


def _assistant(words: str, own: JSONObject) -> JSONObject:
    if "id" not in own:
        return {"role": "assistant", "content": words}
    said = {"type": "output_text", "text": words, "annotations": []}
    return {**own, "type": "message", "role": "assistant", "status": "completed", "content": [said]}


def _call(call: ToolCallPart) -> JSONObject:
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": dump(call.sent)}


def _output(result: ToolResultPart) -> str | list[JSONObject]:
    if not result.media:
        return result.text
    words = [{"type": "input_text", "text": result.text}] if result.text.strip() else []
    return [*words, *map(_media_block, result.media)]


def _block(part: Part) -> list[JSONObject]:
    match part:
        case TextPart(text=words):
            return [{"type": "input_text", "text": words}] if words.strip() else []
        case ImagePart() | DocumentPart():
            return [_media_block(part)]
    return []


def _media_block(part: ImagePart | DocumentPart) -> JSONObject:
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": media.data_url(part), "detail": "high"}
    return {"type": "input_file", "filename": "document.pdf", "file_data": media.data_url(part)}
