"""Google's Gemini by its native API, at Google AI and at Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

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
from tasks.providers import media, options
from tasks.providers.base import Draft, EventReader, broken, lower, opened
from tasks.providers.conversations import own_state, state_family, turns, with_wire_ids
from tasks.providers.failure_rules import GEMINI_OVERFLOW, FailureRules, codes, texts
from tasks.providers.framing import SseFrames
from tasks.providers.json_fields import arguments, count, obj, objects, text
from tasks.providers.messages import HttpRequest, JSONObject, Message, ModelReply, ModelRequest, StopReason, Tool
from tasks.providers.options import ALL_OPTIONS, NO_OPTIONS, Option
from tasks.providers.reasoning_fields import gemini_fields, output_limit, sampling_fields
from tasks.providers.schemas import ANSWER_TOOL, SchemaForm, answer_tool, schema_form, schema_instruction
from tasks.providers.service_tiers import asked_word
from tasks.providers.spec import ProviderSpec
from tasks.providers.target_extras import request_to
from tasks.routing.target import Target

_STOPS: Final[Mapping[str, StopReason]] = {
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MODEL_ARMOR",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            "MALFORMED_FUNCTION_CALL",
            "MALFORMED_RESPONSE",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "LANGUAGE",
            "NO_IMAGE",
        ),
        "malformed",
    ),
}
"""All others mean an end; calls of tools end with ``STOP``, too."""
_GENERATION: Final = re.compile(r"gemini-(\d+)")
_SIGNED: Final = 3
"""The generation from which on a call that is sent back has to carry a signature, and tools go with a schema."""
_NEWEST: Final = 99
_SIGNATURE: Final = "thoughtSignature"
_UNSIGNED: Final = "skip_thought_signature_validator"
"""In place of a signature, for a call that this model did not make."""
_API_KEY: Final = re.compile(r"AIza|AQ\.")
_TIER: Final = "x-gemini-service-tier"

OPTIONS: Final[frozenset[Option]] = ALL_OPTIONS - {"parallel_tool_calls", "strict"}
FAILURES = FailureRules(
    codes=codes(
        quota_exhausted="QuotaPerDay quota_exceeded BILLING_DISABLED",
        auth="API_KEY_INVALID API_KEY_EXPIRED API_KEY_SERVICE_BLOCKED API_KEY_IP_ADDRESS_BLOCKED "
        "API_KEY_HTTP_REFERRER_BLOCKED CONSUMER_SUSPENDED CONSUMER_INVALID SERVICE_DISABLED ACCESS_TOKEN_EXPIRED "
        "CREDENTIALS_MISSING IAM_PERMISSION_DENIED",
    ),
    texts=(
        *texts("auth", {400, 403}, r"API key (?:not valid|expired|not found)", r"User location is not supported"),
        *texts("request_too_large", {400}, r"Request payload size exceeds the limit"),
        *texts(
            "context_overflow",
            {400},
            *GEMINI_OVERFLOW,
        ),
    ),
    families=codes(
        rate_limit="RESOURCE_EXHAUSTED rate_limit_exceeded",
        overloaded="UNAVAILABLE",
        server_error="INTERNAL UNKNOWN ABORTED DATA_LOSS",
        timeout="DEADLINE_EXCEEDED",
        auth="UNAUTHENTICATED PERMISSION_DENIED",
        not_found="NOT_FOUND",
        invalid_request="INVALID_ARGUMENT OUT_OF_RANGE",
    ),
)


@dataclass(frozen=True, slots=True)
class GeminiAdapter:
    """``generateContent`` and ``streamGenerateContent``."""

    spec: ProviderSpec

    def encode(
        self, target: Target, request: ModelRequest, *, stream: bool = False, attempt_id: str | None = None
    ) -> HttpRequest:
        """``POST {base_url}/models/{model}:generateContent``."""
        media.require(self.spec.features.media, request, target.window)
        options.require(self.spec.features.options, request)
        form = _form(target, request)
        system = request.system.text
        if request.schema is not None and form == "prompt":
            system = f"{system}\n\n{schema_instruction(request.schema)}".strip()
        body: JSONObject = {
            "contents": list(_contents(with_wire_ids(request.messages, target), target)),
            "generationConfig": _generation_config(target, request, form),
        }
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        if request.tools or form == "tool":
            body |= _tool_fields(request, form)
        if word := asked_word(self.spec.features, request):
            body["service_tier"] = word
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        model = quote(target.model.removeprefix("models/"), safe="")
        url = f"{target.base_url.rstrip('/')}/models/{model}:{verb}"
        return request_to(target, url, _headers(target, attempt_id), body)

    def decode(
        self,
        target: Target,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> ModelReply:
        """The parts of the first candidate: text, tool calls, and the signatures to send back with them."""
        reply = opened(self.spec.failures, status, headers, body)
        draft = Draft(service_tier=lower(headers).get(_TIER), family=state_family(target))
        _absorb(draft, "", reply)
        if draft.stop is None and not objects(reply.get("candidates")):
            raise broken(headers, draft.usage)
        return draft.reply(headers)

    def stream(self, target: Target, headers: Mapping[str, str]) -> EventReader:
        """A reader of replies that each hold a piece."""
        reader = EventReader(self.spec.failures, headers, SseFrames(), _absorb, state_family(target))
        reader.served_by(lower(headers).get(_TIER))
        return reader


def usage(counts: object) -> Usage:
    """``usageMetadata`` in OpenTelemetry's meaning: thoughts are counted beside the candidates, caches in the prompt.

    Counts of 0 are left out of the JSON; as long as the total is there, what is missing is 0 and not unknown.
    """
    given = obj(counts)
    total = 0 if given.get("totalTokenCount") is not None else None
    prompt, tools, answer, thoughts = (
        count(given.get(name))
        for name in ("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    )
    return Usage(
        input_tokens=_sum(prompt, tools),
        output_tokens=_sum(total if answer is None else answer, thoughts),
        cache_read_tokens=count(given.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    """The sum of both counts; -1, an invalid count, if one of them is not valid."""
    if first is None or second is None:
        return first
    return min(first, second) if min(first, second) < 0 else first + second


def _generation(target: Target) -> int:
    """The number of a Gemini's generation; names without one, such as ``gemini-flash-latest``, mean the newest."""
    found = _GENERATION.search(target.model)
    if found:
        return int(found[1])
    return _NEWEST if "gemini-" in target.model else 0


def _form(target: Target, request: ModelRequest) -> SchemaForm:
    native = "gemini" in target.model and (not request.tools or _generation(target) >= _SIGNED)
    return schema_form(request, native=native, tool="gemini" in target.model)


def _generation_config(target: Target, request: ModelRequest, form: SchemaForm) -> JSONObject:
    config: JSONObject = {"maxOutputTokens": output_limit(target, request)}
    if request.schema is not None and form == "native":
        config |= {"responseMimeType": "application/json", "responseJsonSchema": request.schema.definition}
    if thinking := gemini_fields(target, request):
        config["thinkingConfig"] = thinking
    for name, value in sampling_fields(target, request).items():
        config["topP" if name == "top_p" else name] = value
    asked = request.options
    if asked.stop:
        config["stopSequences"] = list(asked.stop)
    if asked.seed is not None and "seed" not in request.without:
        config["seed"] = asked.seed
    return config


def _tool_fields(request: ModelRequest, form: SchemaForm) -> JSONObject:
    """The tools, and which of them are to be called."""
    tools, choice = [*request.tools], request.options.tool_choice
    config: JSONObject = {}
    if form == "tool" and request.schema is not None:
        tools.append(answer_tool(request.schema))
        config = {"mode": "ANY"} | ({} if request.tools else {"allowedFunctionNames": [ANSWER_TOOL]})
    elif request.options is not NO_OPTIONS and choice != "auto":
        named = {"mode": "ANY", "allowedFunctionNames": [choice]}
        config = {"none": {"mode": "NONE"}, "required": {"mode": "ANY"}}.get(choice, named)
    body: JSONObject = {"tools": [{"functionDeclarations": [_tool(tool) for tool in tools]}]}
    return body | ({"toolConfig": {"functionCallingConfig": config}} if config else {})


def _tool(tool: Tool) -> JSONObject:
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}


def _contents(messages: Sequence[Message], target: Target) -> Iterator[JSONObject]:
    called: dict[str, JSONObject] = {}
    for side, joined in turns(messages):
        parts = [part for message in joined for part in _parts(message, target, called)]
        first = next((part for part in parts if "functionCall" in part), None)
        if first is not None and _generation(target) >= _SIGNED:
            first.setdefault(_SIGNATURE, _UNSIGNED)
        if parts:
            yield {"role": "model" if side == "assistant" else "user", "parts": parts}


def _parts(message: Message, target: Target, called: dict[str, JSONObject]) -> Iterator[JSONObject]:
    """A message's parts; each signature stands on the part that it came with.

    ``called`` gets the name of each call by its id, and the id that Gemini gave it, which it wants back with the
    result. Where it gives none, the ids of the messages start again with each reply: a result belongs to the last.
    """
    states = [_state(part, target) for part in message.parts]
    marks = [state for state in states if "text" in state]
    held: JSONObject = {}
    for part, state in zip(message.parts, states, strict=True):
        match part:
            case ProviderStatePart():
                held = state
                if "part" in held:
                    yield dict(obj(held["part"]))
            case TextPart(text=said):
                yield from _signed_text(said, marks)
            case ToolCallPart():
                own = held if held.get("call") == part.name else {}  # calls between may have been taken out
                called[part.id] = {"name": part.name} | ({"id": own["id"]} if own.get("id") else {})
                call = {"functionCall": {**called[part.id], "args": part.sent}}
                yield call | ({_SIGNATURE: own[_SIGNATURE]} if _SIGNATURE in own else {})
                held = {}
            case ToolResultPart():
                response: JSONObject = {"error" if part.is_error else "result": part.text}
                yield {"functionResponse": {**called.get(part.call_id, {"name": "unknown"}), "response": response}}
                yield from map(_media, part.media)
            case ImagePart() | DocumentPart():
                yield _media(part)


def _state(part: Part, target: Target) -> JSONObject:
    return obj(own_state(part, target)) if isinstance(part, ProviderStatePart) else {}


def _signed_text(said: str, marks: Sequence[JSONObject]) -> Iterator[JSONObject]:
    """A text, split where signatures belong to parts of it."""
    place = 0
    for mark in marks:
        start, end = mark["text"]
        if said[place:start].strip():
            yield {"text": said[place:start]}
        if said[start:end]:
            yield {"text": said[start:end], _SIGNATURE: mark[_SIGNATURE]}
        place = end
    if said[place:].strip():
        yield {"text": said[place:]}


def _media(part: ImagePart | DocumentPart) -> JSONObject:
    return {"inlineData": {"mimeType": part.media_type, "data": media.b64(part)}}


def _headers(target: Target, attempt_id: str | None) -> dict[str, str]:
    """Vertex AI takes access tokens as well as keys; Google AI takes keys."""
    headers = {"Content-Type": "application/json"}
    key = target.credential.key
    if key:
        vertex = (urlsplit(target.base_url).hostname or "").endswith("aiplatform.googleapis.com")
        if vertex and not _API_KEY.match(key):
            headers["Authorization"] = f"Bearer {key}"
        else:
            headers["x-goog-api-key"] = key
    if attempt_id:
        headers["X-Client-Request-Id"] = attempt_id
    return headers


def _absorb(draft: Draft, _name: str, reply: JSONObject) -> str:
    """One piece of a stream; a whole reply is read as a stream of one."""
    draft.model = text(reply.get("modelVersion")) or draft.model
    draft.id = text(reply.get("responseId")) or draft.id
    if isinstance(reply.get("usageMetadata"), dict):
        draft.usage = usage(reply["usageMetadata"])
    if text(obj(reply.get("promptFeedback")).get("blockReason")):
        draft.stop = "content_filter"
    candidate = next(iter(objects(reply.get("candidates"))), {})
    said = ""
    for part in objects(obj(candidate.get("content")).get("parts")):
        said += _absorb_part(draft, part)
    if reason := text(candidate.get("finishReason")):
        draft.stop = _STOPS.get(reason, "end")
    return said


def _absorb_part(draft: Draft, part: JSONObject) -> str:
    """One part. Its signature is kept with what tells the part it belongs to; a part of neither kind, whole."""
    signature = text(part.get(_SIGNATURE))
    signed: JSONObject = {_SIGNATURE: signature} if signature else {}
    if isinstance(part.get("functionCall"), dict):
        asked = part["functionCall"]
        name, own_id = text(asked.get("name")), text(asked.get("id"))
        if signature or own_id:
            draft.state({"call": name, "id": own_id, **signed})
        call = draft.call(len(draft.calls), own_id)
        call.name, call.arguments = draft.keep(name), draft.keep(arguments(asked.get("args")))
        return ""
    said = "" if part.get("thought") is True else draft.keep(text(part.get("text")))
    if signature and said:
        draft.state({"text": [len(draft.text), len(draft.text) + len(said)], **signed})
    elif signature:
        draft.state({"part": part})
    draft.text += said
    return said
