"""Amazon Bedrock's Converse API."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
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
from tasks.providers import claude, media, options
from tasks.providers.base import Draft, EventReader, broken, opened
from tasks.providers.conversations import NO_OUTPUT, own_state, state_family, turns, with_wire_ids
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
from tasks.providers.options import Option
from tasks.providers.reasoning_fields import (
    askable,
    converse_fields,
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
from tasks.providers.sigv4 import signed_headers
from tasks.providers.spec import ProviderSpec
from tasks.providers.target_extras import merged, posted
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
_CLAUDE: Final = re.compile(r"anthropic\.claude")
"""Also the models whose tools can be cached."""
_SCHEMAS: Final = re.compile(
    r"anthropic\.claude-(?:haiku-(?:4-5|[5-9])|(?:sonnet|opus)-(?:4-[5-9]|[5-9])|mythos-[5-9])"
    r"|mistral\.(?:magistral-small|ministral-3|mistral-large-3|voxtral)|qwen\.qwen3|google\.gemma-3-(?:12b|27b)"
    r"|minimax\.minimax-m2|nvidia\.nemotron-nano|zai\.glm|moonshot(?:ai)?\.kimi"
)
"""Models that take a JSON schema for their answers. Others answer 400, so that what is not listed is not tried."""
_SAMPLING: Final = {"temperature": "temperature", "top_p": "topP"}
_FORCED_TOOLS: Final = re.compile(r"anthropic\.claude-(?!v2|instant|2)|amazon\.nova|mistral\.mistral-large")
"""Models that can be made to call a tool."""
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
        media.require(self.spec.features.media, request, target.window)
        options.require(_options(self.spec.features.options, target), request)
        require_choice(target, request)
        names = media.numbered(part for message in request.messages for part in media_of(message.parts))
        caches = request.marks_cache and bool(_CACHES_SYSTEM.search(target.model))
        end = request.shared_end if caches else None
        body: JSONObject = {
            "messages": [
                {"role": side, "content": [b for message in joined for b in _blocks(message, target, names, end)]}
                for side, joined in turns(with_wire_ids(askable(target, request), target))
            ],
            "inferenceConfig": {"maxTokens": output_limit(target, request)},
        }
        system = request.system.text
        form = _form(target, request)
        if request.schema is not None and form == "native":
            body["outputConfig"] = {"textFormat": _text_format(request.schema)}
        elif request.schema is not None and form == "prompt":
            system = f"{system}\n\n{schema_instruction(request.schema)}".strip()
        if system:
            body["system"] = [{"text": system}, *([_CACHE_POINT] if caches else [])]
        if request.tools or form == "tool":
            body |= _tool_config(target, request, form)
        if request.options.stop:
            body["inferenceConfig"]["stopSequences"] = list(request.options.stop)
        sampled = sampling_fields(target, request)
        body["inferenceConfig"] |= {_SAMPLING[name]: value for name, value in sampled.items()}
        if fields := converse_fields(target, request):
            body["additionalModelRequestFields"] = {**body.get("additionalModelRequestFields", {}), **fields}
        if word := asked_word(self.spec.features, request):
            body["serviceTier"] = {"type": word}
        operation = "converse-stream" if stream else "converse"
        url = f"{target.base_url.rstrip('/')}/model/{quote(target.model, safe='')}/{operation}"
        whole = merged(body, target.extra_body) if target.extra_body else body
        return _authorised(target, url, encode(whole), attempt_id)

    def decode(
        self,
        target: Target,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> ModelReply:
        """The blocks of a message: text, tool calls, and reasoning as it is to be sent back."""
        reply = opened(self.spec.failures, status, headers, body)
        draft = Draft(usage=usage(reply.get("usage")), family=state_family(target))
        content = obj(obj(reply.get("output")).get("message")).get("content")
        if not isinstance(content, list):
            raise broken(headers, draft.usage)
        for index, block in enumerate(objects(content)):
            if "reasoningContent" in block:
                draft.state(block)
            draft.text += text(block.get("text"))
            if "toolUse" in block:
                use, call = obj(block["toolUse"]), draft.call(index)
                call.id, call.name = text(use.get("toolUseId")), text(use.get("name"))
                call.arguments = arguments(use.get("input"))
        draft.stop = _STOPS.get(text(reply.get("stopReason")))
        draft.service_tier = text(obj(reply.get("serviceTier")).get("type")) or None
        return draft.reply(headers)

    def stream(self, target: Target, headers: Mapping[str, str]) -> EventReader:
        """A reader of ``messageStart`` … ``metadata``."""
        return EventReader(self.spec.failures, headers, AwsFrames(), _absorb, state_family(target))


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


def _blocks(message: Message, target: Target, names: Mapping[int, int], end: Part | None) -> list[JSONObject]:
    """A message as blocks, with a cache point behind the part that is the ``end`` of what is shared."""
    blocks: list[JSONObject] = []
    for part in message.parts:
        blocks += _part(part, target, names)
        if part is end:
            blocks.append(_CACHE_POINT)
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


def _form(target: Target, request: ModelRequest) -> SchemaForm:
    if request.schema is None:
        return "none"
    native = can_be_strict(request.schema.definition, recursion=False) and bool(_SCHEMAS.search(target.model))
    forced = bool(_FORCED_TOOLS.search(target.model)) and takes(target, request, "forced_tool")
    return schema_form(request, native=native, tool=forced)


def _options(offered: frozenset[Option], target: Target) -> frozenset[Option]:
    """The supported options. Only Claude can forbid tool calls or limit them to one, by fields of Anthropic."""
    return offered if _CLAUDE.search(target.model) else offered - {"tool_choice none", "parallel_tool_calls", "strict"}


def _tool_config(target: Target, request: ModelRequest, form: SchemaForm) -> JSONObject:
    tools = [_tool(tool, request.without) for tool in request.tools]
    if form == "tool" and request.schema is not None:
        tools.append(_tool(answer_tool(request.schema), request.without))
    caches = request.marks_cache and _CLAUDE.search(target.model)
    config: JSONObject = {"tools": [*tools, *([_CACHE_POINT] if caches else [])]}
    body: JSONObject = {"toolConfig": config}
    choice = claude.tool_choice(request, form)
    if choice is None:
        return body
    if choice["type"] == "none" or "disable_parallel_tool_use" in choice:
        body["additionalModelRequestFields"] = {"tool_choice": choice}
    elif choice["type"] == "any":
        config["toolChoice"] = {"any": {}}
    elif choice["type"] == "tool":
        config["toolChoice"] = {"tool": {"name": choice["name"]}}
    return body


def _tool(tool: Tool, without: Collection[str]) -> JSONObject:
    described: JSONObject = {"description": tool.description} if tool.description.strip() else {}
    schema = tool.parameters
    if tool.strict and "strict" not in without and can_be_strict(schema, recursion=False):
        schema, described = strict_schema(schema), described | {"strict": True}
    return {"toolSpec": {"name": tool.name, **described, "inputSchema": {"json": schema}}}


def _authorised(target: Target, url: str, body: bytes, attempt_id: str | None) -> HttpRequest:
    """A Bedrock API key outranks AWS keys, as in AWS's own SDKs. The attempt id stays unsigned."""
    headers = {"Content-Type": "application/json"}
    if target.credential.key:
        headers["Authorization"] = f"Bearer {target.credential.key}"
    elif target.credential.access_key_id and target.credential.secret_access_key:
        headers = signed_headers(url, headers, body, target.credential, region=region_of(target), service="bedrock")
    if attempt_id:
        headers["X-Client-Request-Id"] = attempt_id
    return posted(target, url, headers, body)


def region_of(target: Target) -> str:
    """The AWS region of a target."""
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
            if "reasoningContent" in delta:
                _think(draft, index, obj(delta["reasoningContent"]))
            if "toolUse" in delta:
                draft.call(index).arguments += draft.keep(arguments(obj(delta["toolUse"]).get("input")))
            words = text(delta.get("text"))
            draft.text += draft.keep(words)
            return words
        case "messageStop":
            draft.stop = _STOPS.get(text(event.get("stopReason")), "end")
        case "metadata":
            draft.usage = usage(event.get("usage"))
            draft.service_tier = text(obj(event.get("serviceTier")).get("type")) or None
    return ""


def _think(draft: Draft, index: str, delta: JSONObject) -> None:
    """A piece of a thought: text, its signature, or bytes that only the model can read (base64, piece by piece)."""
    held = draft.open_states.get(index)
    if held is None:
        held = draft.open_states[index] = draft.state({"reasoningContent": {}})
    content = held["reasoningContent"]
    if redacted := draft.keep(text(delta.get("redactedContent"))):
        content["redactedContent"] = _joined(text(content.get("redactedContent")), redacted)
    for name in ("text", "signature"):
        if more := draft.keep(text(delta.get(name))):
            said = content.setdefault("reasoningText", {})
            said[name] = text(said.get(name)) + more


def _joined(first: str, second: str) -> str:
    """Two pieces of base64, joined."""
    if not first:
        return second
    return base64.b64encode(base64.b64decode(first) + base64.b64decode(second)).decode()
