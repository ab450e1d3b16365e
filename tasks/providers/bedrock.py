"""Amazon Bedrock's Converse API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pricing import (
    NOT_A_COUNT,
    DocumentPart,
    ImagePart,
    Part,
    ProviderStatePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from tasks.providers import claude, media
from tasks.providers.base import Draft, EventReader, broken, opened
from tasks.providers.conversations import NO_OUTPUT, own_state, turns, with_wire_ids
from tasks.providers.framing import AwsFrames
from tasks.providers.json_fields import arguments, count, dump, encode, items, obj, objects, text
from tasks.providers.messages import (
    HttpRequest,
    JSONObject,
    Message,
    ModelReply,
    ModelRequest,
    Schema,
    StopReason,
    Tool,
    media_of,
)
from tasks.providers.schemas import can_be_strict, strict_schema, told
from tasks.providers.sigv4 import signed_headers
from tasks.providers.spec import ProviderSpec
from tasks.routing.target import Target

_STOPS: Final[Mapping[str, StopReason]] = {
    **claude.STOPS,
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "malformed_model_output": "malformed",
    "malformed_tool_use": "malformed",
}
_CACHE_POINT: Final = {"cachePoint": {"type": "default"}}
_CACHES_SYSTEM: Final = re.compile(r"anthropic\.claude|amazon\.nova")
_CACHES_TOOLS: Final = re.compile(r"anthropic\.claude")
_NO_SCHEMAS: Final = re.compile(rf"amazon\.|meta\.|cohere\.|ai21\.|{claude.NO_SCHEMAS.pattern}")
_DOCUMENT: Final = "The document:"
"""A document is refused without a text beside it."""
_REGION: Final = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


@dataclass(frozen=True, slots=True)
class BedrockAdapter:
    """Converse and ConverseStream, signed with AWS keys or sent with a Bedrock API key."""

    spec: ProviderSpec

    def encode(
        self, target: Target, request: ModelRequest, *, stream: bool = False, attempt_id: str | None = None
    ) -> HttpRequest:
        """``POST {base_url}/model/{model}/converse``, the model's ``:`` and ``/`` percent-encoded."""
        media.require(self.spec.features.media, request)
        names = media.numbered(part for message in request.messages for part in media_of(message.parts))
        body: JSONObject = {
            "messages": [
                {"role": side, "content": [block for message in joined for block in _blocks(message, target, names)]}
                for side, joined in turns(with_wire_ids(request.messages))
            ],
            "inferenceConfig": {"maxTokens": request.max_tokens},
        }
        system = request.system.text
        if request.schema is not None:
            if can_be_strict(request.schema.definition, recursion=False) and not _NO_SCHEMAS.search(target.model):
                body["outputConfig"] = {"textFormat": _text_format(request.schema)}
            else:
                system = f"{system}\n\n{told(request.schema)}".strip()
        if system:
            caches = request.cache and _CACHES_SYSTEM.search(target.model)
            body["system"] = [{"text": system}, *([_CACHE_POINT] if caches else [])]
        if request.tools:
            caches = request.cache and _CACHES_TOOLS.search(target.model)
            body["toolConfig"] = {"tools": [*map(_tool, request.tools), *([_CACHE_POINT] if caches else [])]}
        if request.temperature is not None and target.sends_temperature and not target.reasoning:
            body["inferenceConfig"]["temperature"] = request.temperature
        operation = "converse-stream" if stream else "converse"
        url = f"{target.base_url.rstrip('/')}/model/{quote(target.model, safe='')}/{operation}"
        return _authorised(target, url, encode(body), attempt_id)

    def decode(
        self,
        target: Target,  # noqa: ARG002 - the protocol's
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> ModelReply:
        """The blocks of a message: text and tool calls; reasoning is left out."""
        reply = opened(self.spec.failures, status, headers, body)
        draft = Draft(usage=usage(reply.get("usage")))
        content = obj(obj(reply.get("output")).get("message")).get("content")
        if not isinstance(content, list):
            raise broken(headers, draft.usage)
        for index, block in enumerate(objects(content)):
            draft.text += text(block.get("text"))
            if "toolUse" in block:
                use, call = obj(block["toolUse"]), draft.call(index)
                call.id, call.name = text(use.get("toolUseId")), text(use.get("name"))
                call.arguments = arguments(use.get("input"))
        draft.stop = _STOPS.get(text(reply.get("stopReason")))
        return draft.reply(headers)

    def stream(self, target: Target, headers: Mapping[str, str]) -> EventReader:  # noqa: ARG002 - the protocol's
        """A reader of ``messageStart`` … ``metadata``."""
        return EventReader(self.spec.failures, headers, AwsFrames(), _absorb)


def usage(counts: object) -> Usage:
    """``usage`` in OpenTelemetry's meaning: Converse's ``inputTokens`` leaves out all that touched the cache."""
    given = obj(counts)
    details = [
        (detail.get("ttl") == "1h", count(detail.get("inputTokens")) or 0)
        for detail in objects(items(given.get("cacheDetails")))
    ]
    minutes, hour = (_summed([tokens for long, tokens in details if long == wanted]) for wanted in (False, True))
    return claude.from_parts(
        fresh=count(given.get("inputTokens")),
        read=count(given.get("cacheReadInputTokens")),
        written=claude.all_written(count(given.get("cacheWriteInputTokens")), minutes, hour),
        written_1h=hour,
        output=count(given.get("outputTokens")),
    )


def _summed(counts: list[int]) -> int | None:
    return None if not counts else NOT_A_COUNT if NOT_A_COUNT in counts else sum(counts)


def _text_format(schema: Schema) -> JSONObject:
    definition = {"name": schema.name, "schema": dump(strict_schema(schema.definition))}
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


def _blocks(message: Message, target: Target, names: Mapping[int, int]) -> list[JSONObject]:
    blocks = [block for part in message.parts for block in _part(part, target, names)]
    if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
        blocks.insert(0, {"text": _DOCUMENT})
    return blocks


def _part(part: Part, target: Target, names: Mapping[int, int]) -> list[JSONObject]:
    """A part as blocks: one, or none where there is nothing that this target may be sent."""
    match part:
        case TextPart(text=words):
            return [{"text": words}] if words.strip() else []
        case ToolCallPart():
            return [{"toolUse": {"toolUseId": part.id, "name": part.name, "input": part.sent}}]
        case ToolResultPart():
            result = {
                "toolUseId": part.call_id,
                "content": [
                    {"text": part.text if part.text.strip() else NO_OUTPUT},
                    *(media.bedrock_block(inner, names.get(id(inner), 1)) for inner in part.media),
                ],
                "status": "error" if part.is_error else "success",
            }
            return [{"toolResult": result}]
        case ImagePart() | DocumentPart():
            return [media.bedrock_block(part, names.get(id(part), 1))]
        case ProviderStatePart():
            return [state] if isinstance(state := own_state(part, target), dict) else []


def _tool(tool: Tool) -> JSONObject:
    described = {"description": tool.description} if tool.description.strip() else {}
    return {"toolSpec": {"name": tool.name, **described, "inputSchema": {"json": tool.parameters}}}


def _authorised(target: Target, url: str, body: bytes, attempt_id: str | None) -> HttpRequest:
    """A Bedrock API key outranks AWS keys, as in AWS's own SDKs. The attempt id stays unsigned."""
    headers = {"Content-Type": "application/json"}
    if target.credential.key:
        headers["Authorization"] = f"Bearer {target.credential.key}"
    elif target.credential.access_key_id and target.credential.secret_access_key:
        headers = signed_headers(url, headers, body, target.credential, region=_region(target), service="bedrock")
    if attempt_id:
        headers["X-Client-Request-Id"] = attempt_id
    return HttpRequest(url, headers, body)


def _region(target: Target) -> str:
    named = _REGION.search(target.base_url)
    return target.region or (named[1] if named else "us-east-1")


def _absorb(draft: Draft, name: str, event: JSONObject) -> str:
    index = str(event.get("contentBlockIndex"))
    match name:
        case "contentBlockStart" if use := obj(obj(event.get("start")).get("toolUse")):
            call = draft.call(index)
            call.id, call.name = draft.keep(text(use.get("toolUseId"))), draft.keep(text(use.get("name")))
        case "contentBlockDelta":
            delta = obj(event.get("delta"))
            if "toolUse" in delta:
                draft.call(index).arguments += draft.keep(arguments(obj(delta["toolUse"]).get("input")))
            words = text(delta.get("text"))
            draft.text += draft.keep(words)
            return words
        case "messageStop":
            draft.stop = _STOPS.get(text(event.get("stopReason")), "end")
        case "metadata":
            draft.usage = usage(event.get("usage"))
    return ""
