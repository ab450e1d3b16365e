"""OpenAI's Chat Completions, which Groq and self-hosted servers speak too."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from pricing import DocumentPart, ImagePart, Nano, Part, ProviderStatePart, TextPart, ToolCallPart, Usage
from tasks.providers import chat_state, media, options, responses
from tasks.providers.base import OK, Draft, EventReader, ReplyError, broken, lower, opened
from tasks.providers.conversations import own_state, state_family, with_wire_ids
from tasks.providers.failure_kinds import failure
from tasks.providers.failures import request_id
from tasks.providers.framing import SseFrames
from tasks.providers.json_fields import arguments, count, dump, encode, obj, objects, parse, stated_cost, text, words
from tasks.providers.messages import HttpRequest, JSONObject, Message, ModelReply, ModelRequest, StopReason, Tool
from tasks.providers.options import NO_OPTIONS
from tasks.providers.prompt_caches import BREAKPOINT, breakpoint_options, breakpoints
from tasks.providers.reasoning_fields import by_responses, chat_fields, level_of, output_limit, sampling_fields
from tasks.providers.schemas import can_be_strict, schema_instruction, strict_schema
from tasks.providers.service_tiers import asked_word
from tasks.providers.spec import ProviderSpec
from tasks.providers.target_extras import request_to
from tasks.providers.token_counts import whole_output
from tasks.routing.target import Target

_STOPS: Mapping[str, StopReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "content_filter",
    "error": "malformed",
}
"""All other finish reasons (``stop``, ``tool_calls``, ``function_call``, servers' own) mean an end, with or without
tool calls: which of the two is seen from the message, as servers disagree about the name."""

Enforcement: TypeAlias = Literal["strict", "guided", "object", "prompt"]
"""How a model is held to a schema: exactly, as well as the server can, to any JSON object, or by asking."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """The differences between providers of the dialect."""

    max_tokens: str = "max_tokens"
    """The name of the field that limits the answer."""
    cache_key: bool = False
    """Whether requests with the same prefix can be steered to the same cache."""
    schema_models: re.Pattern[str] = re.compile(r"")
    """Models that accept a JSON schema; the others accept only "any JSON object"."""
    strict_models: re.Pattern[str] = re.compile(r"")
    """Models that are held to a schema exactly."""
    schema_alone: bool = False
    """Whether a schema excludes tools and streaming."""
    responses: bool = False
    """Whether the server also has the Responses API, which some of its models need."""
    hidden: JSONObject | None = None
    """What keeps a reasoning model's thoughts out of its answer."""
    stream_options: bool = True
    """Whether usage in a stream has to be asked for."""
    states_cost: bool = False
    """Whether ``usage.cost`` is what a request cost, in dollars."""


@dataclass(frozen=True, slots=True)
class OpenAIAdapter:
    """Chat Completions of one provider."""

    spec: ProviderSpec
    flavour: Flavour = Flavour()

    def encode(
        self, target: Target, request: ModelRequest, *, stream: bool = False, attempt_id: str | None = None
    ) -> HttpRequest:
        """``POST {base_url}/chat/completions``, or ``/responses`` where the model is to be asked there."""
        media.require(self.spec.features.media, request, target.window)
        options.require(self.spec.features.options, request)
        if self.flavour.responses and by_responses(target, request):
            marks = breakpoints(self.spec.features.caching(target.model), request)
            path, body = responses.PATH, responses.body_of(target, request, stream=stream, marks=marks)
        else:
            path, body = "/chat/completions", self._chat(target, request, stream=stream)
        if word := asked_word(self.spec.features, request):
            body["service_tier"] = word
        if request.cache and self.flavour.cache_key and "prompt_cache_key" not in request.without:
            body["prompt_cache_key"] = _cache_key(request)
        return request_to(target, f"{target.base_url.rstrip('/')}{path}", _headers(target, attempt_id), body)

    def _chat(self, target: Target, request: ModelRequest, *, stream: bool) -> JSONObject:
        held = _enforcement(self.flavour, target, request, stream=stream)
        system = request.system.text
        if request.schema is not None and held in {"object", "prompt"}:
            system = f"{system}\n\n{schema_instruction(request.schema)}".strip()
        marks = breakpoints(self.spec.features.caching(target.model), request)
        end = request.shared_end if marks else None
        sent = with_wire_ids(request.messages, target)
        body: JSONObject = {
            "model": target.model,
            "messages": [
                *([{"role": "system", "content": _system(system, marked=marks)}] if system else []),
                *_messages(sent, target, thinks=level_of(target, request) != "none", end=end),
            ],
            _max_tokens(self.flavour, request): output_limit(target, request),
        }
        if request.tools:
            body["tools"] = [_tool(tool, request.without) for tool in request.tools]
        if request.options is not NO_OPTIONS:
            body |= _options(request)
        if marks:
            body |= breakpoint_options(request)
        body |= _response_format(request, held)
        body |= sampling_fields(target, request)
        body |= chat_fields(target, request)
        if self.flavour.hidden and not self.flavour.strict_models.match(target.model):
            body |= self.flavour.hidden if level_of(target, request) != "none" else {}
        if stream:
            body["stream"] = True
            if self.flavour.stream_options and "stream_options" not in request.without:
                body["stream_options"] = {"include_usage": True}
        return body

    def decode(
        self,
        target: Target,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> ModelReply:
        """The one choice of a chat completion, or the items of a response."""
        if self.flavour.responses and status == OK and b'"response"' in body and responses.is_reply(parse(body)):
            return responses.decode(self.spec.failures, target, status, headers, body)
        reply = opened(self.spec.failures, status, headers, body)
        draft = Draft(family=state_family(target))
        choices = objects(reply.get("choices"))
        if not choices or not isinstance(choices[0].get("message"), dict):
            raise broken(headers, usage(reply.get("usage")))
        choices[0]["delta"] = choices[0]["message"]
        self._absorb(draft, "", reply)
        return self._checked(draft.reply(headers), headers)

    def stream(self, target: Target, headers: Mapping[str, str]) -> EventReader:
        """A reader of ``chat.completion.chunk`` events, or of those of a response."""
        reader = responses.EitherReader if self.flavour.responses else EventReader
        return reader(self.spec.failures, headers, SseFrames(), self._absorb, state_family(target))

    @property
    def _absorb(self) -> Callable[[Draft, str, JSONObject], str]:
        return _absorb_with_cost if self.flavour.states_cost else _absorb

    def _checked(self, reply: ModelReply, headers: Mapping[str, str]) -> ModelReply:
        """Ollama cuts a prompt to its window, leaves no space for an answer, and reports success (ollama#4967)."""
        wordless = not reply.text and (reply.usage.output_tokens or 0) <= 1
        if self.spec.features.truncates_silently and reply.stop == "length" and wordless:
            fault = failure("context_overflow", status=OK, maybe_billed=True, request_id=request_id(lower(headers)))
            raise ReplyError(fault, reply.usage)
        return reply


def usage(counts: object) -> Usage:
    """``usage`` in OpenTelemetry's meaning: input includes cached tokens, output includes reasoning tokens, wherever
    the server counts them. DeepSeek and Moonshot have names of their own for what was read from a cache.
    """
    given = obj(counts)
    prompt = obj(given.get("prompt_tokens_details"))
    read, reasoning = count(given.get("prompt_tokens")), _reasoning_tokens(given)
    written = count(given.get("completion_tokens"))
    places = (prompt.get("cached_tokens"), given.get("prompt_cache_hit_tokens"), given.get("cached_tokens"))
    return Usage(
        input_tokens=read,
        output_tokens=whole_output(read, written, reasoning, count(given.get("total_tokens"))),
        cache_read_tokens=count(next((cached for cached in places if cached is not None), None)),
        cache_write_tokens=count(prompt.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
    )


def _reasoning_tokens(given: JSONObject) -> int | None:
    inside = count(obj(given.get("completion_tokens_details")).get("reasoning_tokens"))
    return count(given.get("reasoning_tokens")) if inside is None else inside


def _enforcement(flavour: Flavour, target: Target, request: ModelRequest, *, stream: bool) -> Enforcement | None:
    if request.schema is None:
        return None
    if flavour.schema_alone and (request.tools or stream):
        return "prompt"
    if "json_schema" in request.without or not flavour.schema_models.match(target.model):
        return "prompt" if "json_object" in request.without else "object"
    strict = (
        "strict" not in request.without
        and flavour.strict_models.match(target.model)
        and can_be_strict(request.schema.definition)
    )
    return "strict" if strict else "guided"


def _response_format(request: ModelRequest, held: Enforcement | None) -> JSONObject:
    if held == "object":
        return {"response_format": {"type": "json_object"}}
    if request.schema is None or held not in {"strict", "guided"}:
        return {}
    definition = request.schema.definition
    schema = {
        "name": request.schema.name,
        "schema": strict_schema(definition) if held == "strict" else definition,
        "strict": held == "strict",
    }
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _system(text: str, *, marked: bool) -> str | list[JSONObject]:
    return [{"type": "text", "text": text, **BREAKPOINT}] if marked else text


def _messages(
    messages: Sequence[Message], target: Target, *, thinks: bool, end: Part | None = None
) -> Iterator[JSONObject]:
    """Results of tools are texts here: an image or document in one follows them all, as the user's."""
    shown: list[JSONObject] = []
    for message in messages:
        if message.role != "tool" and shown:
            yield {"role": "user", "content": shown}
            shown = []
        if message.role == "tool":
            for result in message.results:
                yield {"role": "tool", "tool_call_id": result.call_id, "content": result.text}
                shown += map(media.openai_block, result.media)
        else:
            yield chat_state.without_state(target, _message(message, target, end), thinks=thinks)
    if shown:
        yield {"role": "user", "content": shown}


def _message(message: Message, target: Target, end: Part | None) -> JSONObject:
    encoded: JSONObject = {"role": message.role, "content": _content(message, end)}
    calls = message.tool_calls
    if calls:
        encoded["content"] = message.text or None
        encoded["tool_calls"] = [{"id": call.id, "type": "function", "function": _function(call)} for call in calls]
    for part in message.parts:
        if isinstance(part, ProviderStatePart) and isinstance(state := own_state(part, target), dict):
            encoded = chat_state.returned(state, encoded)
    return encoded


def _content(message: Message, end: Part | None) -> str | list[JSONObject]:
    marked = message.role == "user" and any(part is end for part in message.parts)
    if not marked and not any(isinstance(part, ImagePart | DocumentPart) for part in message.parts):
        return message.text
    blocks: list[JSONObject] = []
    for part in message.parts:
        if isinstance(part, ImagePart | DocumentPart):
            blocks.append(media.openai_block(part))
        elif isinstance(part, TextPart) and part.text.strip():
            blocks.append({"type": "text", "text": part.text})
        if marked and part is end and blocks:
            blocks[-1] = {**blocks[-1], **BREAKPOINT}
    return blocks


def _function(call: ToolCallPart) -> JSONObject:
    return {"name": call.name, "arguments": dump(call.sent)}


def _tool(tool: Tool, without: Collection[str] = ()) -> JSONObject:
    function: JSONObject = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if tool.strict and "strict" not in without and can_be_strict(tool.parameters):
        function |= {"parameters": strict_schema(tool.parameters), "strict": True}
    return {"type": "function", "function": function}


def _max_tokens(flavour: Flavour, request: ModelRequest) -> str:
    """The name of the field; its other name where the model refused that one."""
    if "max_tokens" not in request.without:
        return flavour.max_tokens
    return "max_tokens" if flavour.max_tokens == "max_completion_tokens" else "max_completion_tokens"


def _options(request: ModelRequest) -> JSONObject:
    asked, body = request.options, JSONObject()
    if asked.tool_choice != "auto":
        named = {"type": "function", "function": {"name": asked.tool_choice}}
        body["tool_choice"] = asked.tool_choice if asked.tool_choice in {"none", "required"} else named
    if asked.parallel_tool_calls is not None and request.tools and "parallel_tool_calls" not in request.without:
        body["parallel_tool_calls"] = asked.parallel_tool_calls
    if asked.stop:
        body["stop"] = list(asked.stop)
    if asked.seed is not None and "seed" not in request.without:
        body["seed"] = asked.seed
    return body


def _cache_key(request: ModelRequest) -> str:
    """A key that is equal for requests with the same beginning, and reveals nothing of their content."""
    if not request.tools:
        return _key_of_system(request.system.text)
    return _key_of([request.system.text, [_tool(tool) for tool in request.tools]])


@lru_cache(maxsize=64)
def _key_of_system(system: str) -> str:
    return _key_of([system, []])


def _key_of(prefix: list[Any]) -> str:
    return f"farebox-{hashlib.sha256(encode(prefix)).hexdigest()[:32]}"


def _headers(target: Target, attempt_id: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if target.credential.key:
        headers["Authorization"] = f"Bearer {target.credential.key}"
    if attempt_id:
        headers["X-Client-Request-Id"] = attempt_id
    return headers


def _cost(counts: JSONObject) -> Nano | None:
    """The cost that a reply states, in nano-dollars. With a key of your own for the model behind it, that provider
    bills separately.
    """
    cost = stated_cost(counts.get("cost"))
    upstream = stated_cost(obj(counts.get("cost_details")).get("upstream_inference_cost"))
    return cost + upstream if cost is not None and upstream and counts.get("is_byok") is True else cost


def _absorb_with_cost(draft: Draft, name: str, chunk: JSONObject) -> str:
    """``_absorb`` for a server whose ``cost`` is known to be in dollars."""
    said = _absorb(draft, name, chunk)
    if isinstance(counts := _counts(chunk), dict):
        draft.cost_nano = _cost(counts)
    return said


def _counts(chunk: JSONObject) -> object:
    return chunk.get("usage") or obj(chunk.get("x_groq")).get("usage")


def _absorb(draft: Draft, _name: str, chunk: JSONObject) -> str:
    """One chunk; a whole completion is read as a stream of one."""
    if text(chunk.get("type")).startswith("response."):
        return responses.absorb(draft, chunk)
    draft.model = text(chunk.get("model")) or draft.model
    draft.id = text(chunk.get("id")) or draft.id
    if isinstance(counts := _counts(chunk), dict):
        draft.usage = usage(counts)
    draft.service_tier = text(chunk.get("service_tier")) or draft.service_tier
    choice = next(iter(objects(chunk.get("choices"))), {})
    delta = obj(choice.get("delta"))
    for position, piece in enumerate(objects(delta.get("tool_calls"))):
        index = piece.get("index")
        call = draft.call(index if isinstance(index, int) else position, text(piece.get("id")))
        chat_state.note_call(draft, position if not isinstance(index, int) else index, piece)
        function = obj(piece.get("function"))
        call.name = call.name or draft.keep(text(function.get("name")))
        call.arguments += draft.keep(arguments(function.get("arguments")))
    chat_state.note(draft, delta)
    content = delta.get("content")
    refused = [text(block.get("refusal")) for block in objects(content)]
    draft.refusal += draft.keep("".join([text(delta.get("refusal")), *refused]))
    if reason := text(choice.get("finish_reason")):
        draft.stop = _STOPS.get(reason, "end")
    said = words(content)
    draft.text += draft.keep(said)
    return said
