"""OpenAI's Responses, read and written as a server does. Nothing is stored: each request contains the whole
conversation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from farebox.integrations.chat_completions import (
    ANY_OBJECT,
    EFFORTS,
    WITHOUT_EFFECT,
    ChatRequest,
    JSONObject,
    arguments_of,
    data_of,
    function_tool,
    invalid_request,
    keep_states,
    place_of,
    result_value,
    tool_choice,
)
from pricing import DocumentPart, ImagePart, Part, TextPart, ToolCallPart, ToolResultPart, UsageError
from tasks import GuestRequest, ProviderStates
from tasks.providers import Message, ModelReply, RequestOptions, Schema
from tasks.turn import Answer

_READ: Final = frozenset(
    {
        *("input", "model", "instructions", "stream", "tools", "tool_choice", "parallel_tool_calls", "text"),
        *("max_output_tokens", "temperature", "top_p", "reasoning"),
    }
)
_NO_EFFECT: Final = WITHOUT_EFFECT | {"include", "stream_options"}
_NEUTRAL: Final[Mapping[str, tuple[object, ...]]] = {
    "background": (False,),
    "truncation": ("disabled",),
    "top_logprobs": (0,),
}
_STORED: Final = frozenset({"previous_response_id", "conversation", "prompt"})


def read_response_request(body: bytes, states: ProviderStates) -> ChatRequest:
    """A request from its body.

    Raises:
        UsageError: it is not a valid request, or uses something that turns do not support.
    """
    try:
        return _read(json.loads(body), states)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise invalid_request("Responses", error) from None


def _read(given: JSONObject, states: ProviderStates) -> ChatRequest:
    for name, value in given.items():
        if value is None or name in _READ or name in _NO_EFFECT or value in _NEUTRAL.get(name, ()):
            continue
        if name in _STORED:
            raise UsageError(
                f"Farebox stores no responses, so {name} cannot be used.",
                next_step="Send the whole conversation in input, the items of earlier outputs included.",
                field=name,
            )
        raise UsageError(
            f"Farebox does not support {name[:60]!r}.", next_step="Remove it from the request.", field=name[:60]
        )
    tools, format_ = given.get("tools") or (), (given.get("text") or {}).get("format") or {"type": "text"}
    effort = (given.get("reasoning") or {}).get("effort")
    items = given["input"]
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    spoken = [one["content"] for one in items if one.get("role") in {"system", "developer"}]
    asked = GuestRequest(
        messages=_messages(items, states),
        system="\n\n".join(text for text in (given.get("instructions") or "", *map(_text, spoken)) if text),
        tools=[function_tool(tool, tool) for tool in tools],
        schema=_schema(format_),
        max_tokens=given.get("max_output_tokens"),
        temperature=given.get("temperature"),
        reasoning=EFFORTS[effort] if effort else None,
        options=RequestOptions(
            tool_choice=tool_choice(given.get("tool_choice") or "auto", nested=False),
            parallel_tool_calls=given.get("parallel_tool_calls") if tools else None,
            top_p=given.get("top_p"),
        ),
    )
    return ChatRequest(asked, str(given["model"]), bool(given.get("stream")), with_usage=True, sent=given)


def _messages(items: Sequence[JSONObject], states: ProviderStates) -> list[Message]:
    """The conversation: consecutive assistant texts and calls are one message, and so are results."""
    found: list[Message] = []
    for item in items:
        match item.get("type", "message"):
            case "message" if item["role"] in {"system", "developer"}:
                continue
            case "message" if item["role"] == "user":
                found.append(Message("user", _parts(item["content"])))
            case "message" if item["role"] == "assistant":
                if text := _text(item["content"]):
                    _join(found, "assistant", [TextPart(text)])
            case "function_call":
                call = ToolCallPart.parse(item["call_id"], item["name"], item["arguments"])
                opening = not found or found[-1].role != "assistant" or not found[-1].tool_calls
                before = found[:-1] if found and found[-1].role == "assistant" else found
                thought = states.of(place_of(before, call.id)) if opening and states else ()
                _join(found, "assistant", [call])
                if thought:
                    found[-1] = Message("assistant", (*thought, *found[-1].parts))
            case "function_call_output":
                _join(found, "tool", [ToolResultPart(item["call_id"], _result(item["output"]))])
            case "reasoning":
                continue  # reasoning stays here, under the position of its calls
            case kind:
                raise UsageError(
                    f"Farebox does not support items of type {str(kind)[:40]!r}.",
                    next_step="Send messages, function calls and their outputs.",
                )
    return found


def _join(found: list[Message], role: Any, parts: Sequence[Part]) -> None:
    if found and found[-1].role == role:
        found[-1] = Message(role, (*found[-1].parts, *parts))
    else:
        found.append(Message(role, tuple(parts)))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["refusal" if part["type"] == "refusal" else "text"] for part in content)


def _result(output: Any) -> Any:
    if isinstance(output, str):
        return result_value(output)
    parts = _parts(output)
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], TextPart) else parts


def _parts(content: Any) -> tuple[Part, ...]:
    return (TextPart(content),) if isinstance(content, str) else tuple(map(_part, content))


def _part(part: JSONObject) -> Part:
    match part["type"]:
        case "input_text" | "output_text" | "text":
            return TextPart(part["text"])
        case "input_image" if part.get("image_url"):
            url: str = part["image_url"]
            if url.startswith("data:"):
                return ImagePart(*data_of(url))
            kind = url.split("?", maxsplit=1)[0].rsplit(".", 1)[-1].lower()
            return ImagePart({"jpg": "image/jpeg"}.get(kind, f"image/{kind}"), url=url)
        case "input_file" if part.get("file_data"):
            return DocumentPart(*data_of(part["file_data"]))
        case "input_file" if part.get("file_url"):
            return DocumentPart("application/pdf", url=part["file_url"])
    raise UsageError(
        f"Farebox does not support message parts of type {part['type'][:40]!r}.", next_step="Send text, images or PDFs."
    )


def _schema(wanted: JSONObject) -> Schema | None:
    match wanted["type"]:
        case "text":
            return None
        case "json_object":
            return ANY_OBJECT
        case "json_schema":
            return Schema(wanted["name"], wanted["schema"])
    raise UsageError(
        f"Farebox does not support the text.format {wanted['type'][:40]!r}.",
        next_step="Use json_schema or json_object.",
    )


def response(answer: Answer[str], request: ChatRequest, states: ProviderStates) -> JSONObject:
    """The answer as a ``response``."""
    keep_states(request.asked, answer.reply, states)
    return _head(request, answer) | {"output": _output(answer.reply)}


class ResponseEvents:
    """The answer as the events of one stream, each with its number."""

    def __init__(self, request: ChatRequest, states: ProviderStates) -> None:
        self._request, self._states = request, states
        self._head = _head(request)
        self._number = -1
        self._item = {"id": _id("msg"), "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        self._text: list[str] = []

    def of(self, piece: str | Answer[str]) -> Iterator[bytes]:
        """The events of a piece of text, or of the whole answer, with which the stream ends."""
        if self._number < 0:
            yield self._event("response.created", {"response": self._head})
            yield self._event("response.in_progress", {"response": self._head})
        if isinstance(piece, str):
            yield from self._said(piece)
            return
        reply = piece.reply
        keep_states(self._request.asked, reply, self._states)
        if reply.text and not self._text:
            yield from self._said(reply.text)
        output = []
        if self._text:
            output.append(_message("".join(self._text), str(self._item["id"])))
            yield from self._spoken(output[0])
        for call in _calls(reply):
            yield from self._called(call, len(output))
            output.append(call)
        ended = _head(self._request, piece) | {"id": self._head["id"], "created_at": self._head["created_at"]}
        yield self._event("response.completed", {"response": ended | {"output": output}})

    def _said(self, text: str) -> Iterator[bytes]:
        at = {"item_id": self._item["id"], "output_index": 0, "content_index": 0}
        if not self._text:
            yield self._event("response.output_item.added", {"output_index": 0, "item": self._item})
            yield self._event("response.content_part.added", at | {"part": _spoken("")})
        self._text.append(text)
        yield self._event("response.output_text.delta", at | {"delta": text, "logprobs": []})

    def _spoken(self, item: JSONObject) -> Iterator[bytes]:
        at, [part] = {"item_id": item["id"], "output_index": 0, "content_index": 0}, item["content"]
        yield self._event("response.output_text.done", at | {"text": part["text"], "logprobs": []})
        yield self._event("response.content_part.done", at | {"part": part})
        yield self._event("response.output_item.done", {"output_index": 0, "item": item})

    def _called(self, call: JSONObject, index: int) -> Iterator[bytes]:
        at = {"item_id": call["id"], "output_index": index}
        begun = call | {"arguments": "", "status": "in_progress"}
        yield self._event("response.output_item.added", {"output_index": index, "item": begun})
        yield self._event("response.function_call_arguments.delta", at | {"delta": call["arguments"]})
        done = {"name": call["name"], "arguments": call["arguments"]}
        yield self._event("response.function_call_arguments.done", at | done)
        yield self._event("response.output_item.done", {"output_index": index, "item": call})

    def _event(self, kind: str, data: JSONObject) -> bytes:
        self._number += 1
        event = {"type": kind, "sequence_number": self._number, **data}
        return f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode()


def _head(request: ChatRequest, answer: Answer[str] | None = None) -> JSONObject:
    """A response without its output; complete once there is an answer."""
    sent = request.sent
    return {
        "id": _id("resp") if answer is None or not answer.reply.response_id else answer.reply.response_id,
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress" if answer is None else "completed",
        "model": request.model if answer is None else answer.reply.model or request.model,
        "error": None,
        "incomplete_details": None,
        "instructions": sent.get("instructions"),
        "metadata": sent.get("metadata") or {},
        "output": [],
        "parallel_tool_calls": sent.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "store": False,
        "temperature": sent.get("temperature"),
        "text": sent.get("text") or {"format": {"type": "text"}},
        "tool_choice": sent.get("tool_choice") or "auto",
        "tools": sent.get("tools") or [],
        "top_p": sent.get("top_p"),
        "truncation": "disabled",
        "usage": None if answer is None else _usage(answer.reply),
    }


def _output(reply: ModelReply) -> list[JSONObject]:
    said = [_message(reply.text, _id("msg"))] if reply.text else []
    return [*said, *_calls(reply)]


def _message(text: str, item_id: str) -> JSONObject:
    spoken = [_spoken(text)]
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": spoken}


def _spoken(text: str) -> JSONObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _calls(reply: ModelReply) -> list[JSONObject]:
    return [
        {
            "id": _id("fc"),
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments_of(call),
            "status": "completed",
        }
        for call in reply.tool_calls
    ]


def _id(kind: str) -> str:
    return f"{kind}_{uuid4().hex}"


def _usage(reply: ModelReply) -> JSONObject | None:
    counted = reply.usage
    if counted.input_tokens is None or counted.output_tokens is None:
        return None
    return {
        "input_tokens": counted.input_tokens,
        "input_tokens_details": {"cached_tokens": counted.cache_read_tokens or 0},
        "output_tokens": counted.output_tokens,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning_tokens or 0},
        "total_tokens": counted.input_tokens + counted.output_tokens,
    }
