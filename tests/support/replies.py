"""Providers' replies as bytes on the wire, whole or streamed, good or broken: what a loopback server plays back."""

import json
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from tasks.sandbox.dialects.eventstream import event as aws_event

Then = Literal["close", "hang"]
STREAMED = {"stream", "cut", "cut after usage", "cut at once", "endless", "error in stream"}
"""The kinds of replies that only a streamed request gets."""

_ERRORS: dict[str, tuple[int, dict[str, str], Any]] = {
    "500": (500, {}, {"error": {"message": "The server had an error", "type": "server_error", "code": None}}),
    "503 bedrock": (
        503,
        {"x-amzn-ErrorType": "ServiceUnavailableException:http://internal.amazon.com/coral/"},
        {"message": "Bedrock is unable to process your request."},
    ),
    "529": (529, {}, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "429": (
        429,
        {"retry-after": "1"},
        {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}},
    ),
    "401": (401, {}, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
    "400": (400, {}, {"error": {"message": "Bad schema", "type": "invalid_request_error", "code": None}}),
    "json_validate_failed": (
        400,
        {},
        {
            "error": {
                "message": "Failed to generate JSON. Please adjust your prompt.",
                "type": "invalid_request_error",
                "code": "json_validate_failed",
                "failed_generation": '{"title": ',
            }
        },
    ),
    "408 bedrock": (
        408,
        {"x-amzn-ErrorType": "ModelTimeoutException"},
        {"message": "The model took too long to process the request."},
    ),
}


class Recorded(NamedTuple):
    """Parts of one HTTP reply, each sent by itself, and what the server does after the last."""

    parts: tuple[bytes, ...]
    then: Then = "close"


def recorded(
    provider: str, kind: str, usage: dict[str, Any] | None, *, text: str = "It is done.", stop: str = ""
) -> Recorded:
    """One reply of a provider. Without ``usage`` it counts nothing."""
    dialect = "openai" if provider in {"groq", "openai_compatible"} else provider
    if kind in _ERRORS:
        status, headers, body = _ERRORS[kind]
        return Recorded((_http(json.dumps(body).encode(), status, headers),))
    if kind == "silence":
        return Recorded((), "hang")
    if kind == "hang up":
        return Recorded(())
    if kind == "page":
        return Recorded((_http(b"<html><body>It works!</body></html>", content_type="text/html"),))
    if kind in STREAMED:
        return _streamed(provider, dialect, kind, usage, text, stop)
    body = json.dumps(_WHOLE[dialect](usage, text, stop)).encode()
    return Recorded((_http(body[: len(body) // 2] if kind == "half" else body),))


def said(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Recorded:
    """One reply with a body of the test's own: JSON, or bytes as they are."""
    return Recorded((_http(body if isinstance(body, bytes) else json.dumps(body).encode(), status, headers),))


def _http(body: bytes, status: int = 200, headers: dict[str, str] | None = None, content_type: str = "") -> bytes:
    given = {"Content-Type": content_type or "application/json", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} Said\r\n{head}Connection: close\r\n\r\n".encode() + body


def _openai(usage: dict[str, Any] | None, text: str, stop: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": stop or "stop"}
    reply = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return reply if usage is None else reply | {"usage": usage}


def _anthropic(usage: dict[str, Any] | None, text: str, stop: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}] if text else []
    reply: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
    reply |= {"stop_reason": stop or "end_turn", "stop_sequence": None}
    return reply if usage is None else reply | {"usage": usage}


def _bedrock(usage: dict[str, Any] | None, text: str, stop: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"text": text}] if text else []}
    reply = {"output": {"message": message}, "stopReason": stop or "end_turn", "metrics": {"latencyMs": 1}}
    return reply if usage is None else reply | {"usage": usage}


_WHOLE = {"openai": _openai, "anthropic": _anthropic, "bedrock": _bedrock}


def _streamed(provider: str, dialect: str, kind: str, usage: dict[str, Any] | None, text: str, stop: str) -> Recorded:
    words = [f"{word} " for word in text.split()]
    begin, counted, end = {"openai": _openai_events, "anthropic": _anthropic_events, "bedrock": _bedrock_events}[
        dialect
    ](provider, usage, words, stop)
    kind_of_stream = "application/vnd.amazon.eventstream" if dialect == "bedrock" else "text/event-stream"
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind_of_stream}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    last = {
        "stream": [*begin, *counted, *end, b""],
        "cut": begin,
        "cut at once": begin[:1],
        "cut after usage": [*begin, *counted],
        "endless": begin,
        "error in stream": [*begin, _sse("error", {"type": "error", "error": {"type": "overloaded_error"}}), b""],
    }[kind]
    return Recorded((head.encode(), *map(_chunk, last)), "hang" if kind == "endless" else "close")


Events = tuple[list[bytes], list[bytes], list[bytes]]
"""What comes before the final counts, the final counts themselves, and what ends the stream."""


def _openai_events(provider: str, usage: dict[str, Any] | None, words: Iterable[str], stop: str) -> Events:
    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
        return b"data: " + json.dumps(body | more).encode() + b"\n\n"

    begin = [chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])]
    begin += [chunk([{"index": 0, "delta": {"content": word}, "finish_reason": None}]) for word in words]
    final = [{"index": 0, "delta": {}, "finish_reason": stop or "stop"}]
    if usage is None:
        return begin, [], [chunk(final), b"data: [DONE]\n\n"]
    if provider == "groq":
        return begin, [chunk(final, x_groq={"id": "req_1", "usage": usage})], [b"data: [DONE]\n\n"]
    return begin, [chunk(final), chunk([], usage=usage)], [b"data: [DONE]\n\n"]


def _anthropic_events(_: str, usage: dict[str, Any] | None, words: Iterable[str], stop: str) -> Events:
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    delta: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": stop or "end_turn"}}
    if usage is not None:
        message["usage"] = usage | {"output_tokens": 1}
        delta["usage"] = {"output_tokens": usage["output_tokens"]}
    begin = [
        _sse("message_start", {"type": "message_start", "message": message}),
        _sse("ping", {"type": "ping"}),
        _sse("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        *(
            _sse("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
            for word in words
        ),
        _sse("content_block_stop", {"type": "content_block_stop", "index": 0}),
    ]  # fmt: skip
    return begin, [_sse("message_delta", delta)], [_sse("message_stop", {"type": "message_stop"})]


def _bedrock_events(_: str, usage: dict[str, Any] | None, words: Iterable[str], stop: str) -> Events:
    begin = [aws_event("messageStart", {"role": "assistant"})]
    begin += [aws_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in words]
    begin += [aws_event("contentBlockStop", {"contentBlockIndex": 0})]
    metadata = {"metrics": {"latencyMs": 1}} | ({} if usage is None else {"usage": usage})
    return begin, [aws_event("messageStop", {"stopReason": stop or "end_turn"}), aws_event("metadata", metadata)], []


def _sse(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; an empty one ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
