"""OpenAI's Chat Completions, read and written as a server does, in terms of our types."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from pricing import (
    DocumentPart,
    ImagePart,
    InvalidArguments,
    Part,
    ProviderStatePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UsageError,
    identity,
    json_text,
)
from tasks import GuestRequest, ProviderStates
from tasks.providers import Message, ModelReply, Reasoning, RequestOptions, Schema, Tool
from tasks.turn import Answer

JSONObject = dict[str, Any]

EFFORTS: Final[Mapping[str, Reasoning]] = {
    "none": "none",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
_READ: Final = frozenset(
    {
        "messages",
        "model",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "reasoning_effort",
    }
)
WITHOUT_EFFECT: Final = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    }
)
"""Ignored fields that do not change an answer."""
_NEUTRAL: Final[Mapping[str, tuple[object, ...]]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logprobs": (False,),
    "logit_bias": ({},),
    "modalities": (["text"],),
}


ANY_OBJECT: Final = Schema("answer", {"type": "object"})
"""What an answer of ``json_object`` follows."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A parsed request: what is asked, of which model, and the form of the answer."""

    asked: GuestRequest
    model: str
    stream: bool
    with_usage: bool
    sent: JSONObject = field(default_factory=dict, repr=False)
    """As it was sent: what an answer repeats of it."""


def read_request(body: bytes, states: ProviderStates) -> ChatRequest:
    """A request from its body.

    Raises:
        UsageError: it is not a valid request, or uses something that turns do not support.
    """
    try:
        given = json.loads(body)
        return _read(given, states)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise invalid_request("Chat Completions", error) from None


def invalid_request(api: str, error: Exception) -> UsageError:
    """The error for a request of OpenAI's ``api`` whose body could not be read because of ``error``."""
    message = f"The request is not a valid {api} request ({type(error).__name__} while reading it)."
    if isinstance(error, ValueError) and str(error).startswith(("image: ", "document: ")):
        message = f"The request has a part that cannot be sent: {error}."
    return UsageError(message, next_step="Follow OpenAI's API reference.")


def _read(given: JSONObject, states: ProviderStates) -> ChatRequest:
    for name, value in given.items():
        known = name in _READ or name in WITHOUT_EFFECT
        if not known and value is not None and value not in _NEUTRAL.get(name, ()):
            raise UsageError(
                f"Farebox does not support {name[:60]!r}.", next_step="Remove it from the request.", field=name[:60]
            )
    stop, tools = given.get("stop") or (), given.get("tools") or ()
    asked = GuestRequest(
        messages=_messages(given["messages"], states),
        system="\n\n".join(
            _text(one["content"]) for one in given["messages"] if one["role"] in {"system", "developer"}
        ),
        tools=[function_tool(tool, tool.get("function", {})) for tool in tools],
        schema=_schema(given.get("response_format") or {"type": "text"}),
        max_tokens=given.get("max_completion_tokens") or given.get("max_tokens"),
        temperature=given.get("temperature"),
        reasoning=EFFORTS[given["reasoning_effort"]] if given.get("reasoning_effort") else None,
        options=RequestOptions(
            tool_choice=tool_choice(given.get("tool_choice") or "auto", nested=True),
            parallel_tool_calls=given.get("parallel_tool_calls") if tools else None,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            top_p=given.get("top_p"),
            seed=given.get("seed"),
        ),
    )
    usage = bool((given.get("stream_options") or {}).get("include_usage"))
    return ChatRequest(asked, str(given["model"]), bool(given.get("stream")), usage)


def _messages(given: Sequence[JSONObject], states: ProviderStates) -> list[Message]:
    found: list[Message] = []
    for one in given:
        match one["role"]:
            case "system" | "developer":
                continue
            case "user":
                found.append(Message("user", _parts(one["content"])))
            case "assistant":
                said = [TextPart(text)] if (text := _text(one.get("content") or "")) else []
                calls = [
                    ToolCallPart.parse(call["id"], call["function"]["name"], call["function"]["arguments"])
                    for call in one.get("tool_calls") or ()
                ]
                thought = states.of(place_of(found, calls[0].id)) if calls and states else ()
                if thought or said or calls:
                    found.append(Message("assistant", (*thought, *said, *calls)))
            case "tool":
                result = ToolResultPart(one["tool_call_id"], result_value(_text(one["content"])))
                if found and found[-1].role == "tool":
                    found[-1] = Message("tool", (*found[-1].parts, result))
                else:
                    found.append(Message("tool", (result,)))
            case role:
                raise UsageError(f"Farebox does not support messages of {str(role)[:40]!r}.", next_step="Remove them.")
    return found


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["refusal" if part["type"] == "refusal" else "text"] for part in content)


def result_value(text: str) -> Any:
    """A tool's result: as a value where it is a JSON object or array, so that guards see its strings as they are."""
    if text[:1] not in {"{", "["}:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _parts(content: Any) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple(_part(part) for part in content)


def _part(part: JSONObject) -> Part:
    match part["type"]:
        case "text":
            return TextPart(part["text"])
        case "image_url":
            url: str = part["image_url"]["url"]
            if url.startswith("data:"):
                return ImagePart(*data_of(url))
            kind = url.split("?", maxsplit=1)[0].rsplit(".", 1)[-1].lower()
            return ImagePart({"jpg": "image/jpeg"}.get(kind, f"image/{kind}"), url=url)
        case "file" if "file_data" in part["file"]:
            return DocumentPart(*data_of(part["file"]["file_data"]))
    raise UsageError(
        f"Farebox does not support message parts of type {part['type'][:40]!r}.", next_step="Send text, images or PDFs."
    )


def data_of(url: str) -> tuple[str, bytes]:
    """The media type and the bytes of a data URL."""
    head, data = url.removeprefix("data:").split(",", 1)
    return head.split(";")[0], b64decode(data, validate=True)


def function_tool(tool: JSONObject, function: JSONObject) -> Tool:
    """The tool that ``function`` describes: a field of ``tool`` in one of OpenAI's APIs, ``tool`` itself in the other.

    Raises:
        UsageError: it is not a function tool.
    """
    if tool["type"] != "function":
        raise UsageError(f"Farebox does not support {tool['type'][:40]!r} tools.", next_step="Use function tools.")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    return Tool(function["name"], function.get("description") or "", parameters, bool(function.get("strict")))


def tool_choice(choice: Any, *, nested: bool) -> str:
    """A request's ``tool_choice``: ``auto``, ``none``, ``required``, or the name of a function, which one of OpenAI's
    APIs has ``nested`` in a field ``function``.

    Raises:
        UsageError: it is another value.
    """
    if isinstance(choice, str):
        return choice
    if choice["type"] != "function":
        raise UsageError(
            "Farebox does not support this tool_choice.", next_step="Use auto, none, required or a function."
        )
    return str((choice["function"] if nested else choice)["name"])


def _schema(wanted: JSONObject) -> Schema | None:
    if wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return ANY_OBJECT
    if wanted["type"] != "json_schema":
        raise UsageError(
            f"Farebox does not support the response_format {wanted['type'][:40]!r}.",
            next_step="Use json_schema or json_object.",
        )
    return Schema(wanted["json_schema"]["name"], wanted["json_schema"]["schema"])


def completion(answer: Answer[str], request: ChatRequest, states: ProviderStates) -> JSONObject:
    """The answer as a ``chat.completion``."""
    reply = answer.reply
    keep_states(request.asked, reply, states)
    message: JSONObject = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = _calls(reply)
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply), "logprobs": None}
    return {**_head(answer, request.model, "chat.completion"), "choices": [choice], "usage": _usage(reply)}


class Chunks:
    """The answer as ``chat.completion.chunk`` events of one stream."""

    def __init__(self, request: ChatRequest, states: ProviderStates) -> None:
        self._request, self._states, self._streamed = request, states, False
        self._head = {
            "id": _id(),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": request.model,
        }

    def of(self, piece: str | Answer[str]) -> Iterator[bytes]:
        """The events of a piece of text, or of the whole answer, with which the stream ends."""
        if isinstance(piece, str):
            yield self._event({"content": piece} if self._streamed else {"role": "assistant", "content": piece})
            self._streamed = True
            return
        reply = piece.reply
        keep_states(self._request.asked, reply, self._states)
        rest: JSONObject = {} if self._streamed else {"role": "assistant", "content": reply.text or None}
        if reply.tool_calls:
            rest["tool_calls"] = [{"index": place, **call} for place, call in enumerate(_calls(reply))]
        if rest:
            yield self._event(rest)
        yield self._event({}, _finish(reply))
        if self._request.with_usage:
            yield event_of({**self._head, "choices": [], "usage": _usage(reply)})
        yield b"data: [DONE]\n\n"

    def _event(self, delta: JSONObject, finish: str | None = None) -> bytes:
        return event_of({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def error_event(error: JSONObject) -> bytes:
    """An error in the middle of a stream."""
    return event_of(error)


def event_of(value: JSONObject) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(value)}\n\n".encode()


def _head(answer: Answer[str], model: str, kind: str) -> JSONObject:
    return {
        "id": answer.reply.response_id or _id(),
        "object": kind,
        "created": int(time.time()),
        "model": answer.reply.model or model,
    }


def _id() -> str:
    return f"chatcmpl-{uuid4().hex}"


def keep_states(asked: GuestRequest, reply: ModelReply, states: ProviderStates) -> None:
    """Store a model's reasoning before tool calls: OpenAI's messages have no place for it."""
    thought = [part for part in reply.parts if isinstance(part, ProviderStatePart)]
    if thought and reply.tool_calls:
        states.keep(place_of(asked.messages, reply.tool_calls[0].id), thought)


def place_of(before: Sequence[Message], call_id: str) -> str:
    """The position of a reply in its conversation: some servers number their calls, so ids alone are not unique."""
    said = [[message.role, [identity(part) for part in message.parts]] for message in before]
    kept = [[role, [one for one in parts if one is not None]] for role, parts in said]
    return hashlib.sha256(json_text([kept, call_id]).encode("utf-8", "surrogatepass")).hexdigest()


def _calls(reply: ModelReply) -> list[JSONObject]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_of(call)}}
        for call in reply.tool_calls
    ]


def arguments_of(call: ToolCallPart) -> str:
    """The arguments of a call as text."""
    return call.arguments.text if isinstance(call.arguments, InvalidArguments) else json_text(dict(call.arguments))


def _finish(reply: ModelReply) -> str:
    return "tool_calls" if reply.tool_calls else "stop"


def _usage(reply: ModelReply) -> JSONObject | None:
    counted = reply.usage
    if counted.input_tokens is None or counted.output_tokens is None:
        return None
    return {
        "prompt_tokens": counted.input_tokens,
        "completion_tokens": counted.output_tokens,
        "total_tokens": counted.input_tokens + counted.output_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
    }
