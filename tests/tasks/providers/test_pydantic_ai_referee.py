"""pydantic-ai's mapping as a referee: the same content through its models and through our adapters.

Both bodies have to be the same but for the differences listed here, each with its reason, so that a field or a shape
that we alone send is seen. Of its models those run whose SDKs the tests have: OpenAI's two APIs and Anthropic's. Its
models of Bedrock, Google, Groq and Mistral need SDKs that are not dependencies of ours; their shapes are held to
botocore's model and to the documented vectors in the other tests of this directory.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import messages as their
from pydantic_ai.exceptions import UserError
from pydantic_ai.settings import ModelSettings

from pricing.content import DocumentPart, ImagePart, TextPart, ToolCallPart, ToolResultPart
from tasks.providers import adapter_for
from tasks.providers.messages import Message, ModelReply, ModelRequest, Tool
from tasks.providers.options import OptionRefused, RequestOptions
from tasks.providers.reasoning_fields import choice_refusal
from tasks.routing.target import ProviderName, Target
from tests.support.exchanges import request, schema, target
from tests.support.media_tokens import PDF, png
from tests.support.referee import ABSENT, ANY, Difference, Known, Referee, differences, plain

pytestmark = pytest.mark.filterwarnings("ignore:Sampling parameters:UserWarning")
"""The referee warns of what it leaves out, as we leave it out too."""

MODELS = {"chat": "gpt-4.1", "responses": "gpt-5.4-pro", "anthropic": "claude-haiku-4-5"}
SPEAKERS: dict[str, ProviderName] = {"chat": "openai", "responses": "openai", "anthropic": "anthropic"}
LIMITS = {"chat": "max_completion_tokens", "responses": "max_output_tokens", "anthropic": "max_tokens"}

ITS_AUTO = "it writes the default out; without a tool_choice all three mean auto"
ITS_STREAM = "it writes the default out"
DETAIL = "high bounds what an image costs, auto does not on models that then take it whole"
OWN_NAME = "both have a neutral name of their own; the file's would reach the model"
ERROR = "the API has no mark for errors; it wraps the text, ours is worded as an error where it is made"
ALL_MAX = "its highest level is xhigh; ours is the highest that the model has"
KNOWN: dict[str, tuple[Known, ...]] = {
    "chat": (
        Known("stream", ABSENT, False, ITS_STREAM),
        Known("tool_choice", ABSENT, "auto", ITS_AUTO),
        Known(r"messages\[\]\.content\[\]\.image_url\.detail", "high", ABSENT, DETAIL),
        Known(r"messages\[\]\.content\[\]\.file\.filename", "document.pdf", "filename.pdf", OWN_NAME),
        Known(r"messages\[\]\.content", "no such city", '{"error":"no such city"}', ERROR),
        Known(r"messages\[\]\.content", "map", ANY, "it refers to the image by an id of its own in the result"),
        Known("reasoning_effort", "high", "xhigh", "gpt-5.1 has no xhigh (PROVIDERS_2 1.1); it sends what is asked"),
    ),
    "responses": (
        Known("stream", ABSENT, False, ITS_STREAM),
        Known("tool_choice", ABSENT, "auto", ITS_AUTO),
        Known("store", False, ABSENT, "nothing is stored at the provider; it leaves the default, which stores"),
        Known("reasoning", ABSENT, {"context": "all_turns"}, "we leave the model's own default"),
        Known(r"reasoning\.context", ABSENT, "all_turns", "we leave the model's own default"),
        Known(r"reasoning\.effort", "max", "xhigh", ALL_MAX),
        Known(r"input\[\]\.(content|output)\[\]\.detail", "high", "auto", DETAIL),
        Known(r"input\[\]\.content\[\]\.filename", "document.pdf", "filename.pdf", OWN_NAME),
        Known(r"input\[\]\.output", "no such city", '{"error":"no such city"}', ERROR),
    ),
    "anthropic": (
        Known("stream", ABSENT, False, ITS_STREAM),
        Known("tool_choice", ABSENT, {"type": "auto"}, ITS_AUTO),
        Known(r"messages\[\]\.content\[\]\.is_error", ABSENT, False, "it writes the default out"),
        Known(r"output_config\.effort", "max", "xhigh", ALL_MAX),
        Known(r"thinking\.budget_tokens", ANY, ANY, "each has budgets of its own by level"),
        Known("temperature", ABSENT, 0.5, "claude refuses one while it thinks (PROVIDERS_2 1.2); it sends what is set"),
        Known("system", "Be brief.", ANY, "it adds a note on messages of the application that it alone can send"),
    ),
}


class Stop(BaseModel):
    city: str
    days: int


class Journey(BaseModel):
    stops: list[Stop]
    title: str


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = CITY | {"additionalProperties": False}
NESTED = {
    "type": "object",
    "properties": {"where": CITY, "days": {"type": "array", "items": {"type": "integer"}}},
    "required": ["where", "days"],
}
WEATHER = Tool("weather", "Today's weather", CLOSED)
STRICT = Tool("weather", "Today's weather", NESTED, strict=True)
TIME = Tool("time", "The time there", CLOSED)
IMAGE, LINKED = ImagePart("image/png", png(3, 2)), ImagePart("image/png", url="https://example.com/a.png")
PAGE, PHOTO = DocumentPart("application/pdf", PDF), ImagePart("image/jpeg", b"\xff\xd8\xff\xe0photo")
ASK = Message.of("user", "Weather in Bern and Basel?")
CALLS = Message.of(
    "assistant",
    "I look.",
    ToolCallPart("call00001", "weather", {"city": "Bern", "näme": [1, None, True]}),
    ToolCallPart("call00002", "weather", {}),
)
RESULTS = Message.of(
    "tool", ToolResultPart("call00001", "sunny ☀"), ToolResultPart("call00002", "no such city", is_error=True)
)
ONE_CALL = Message.of("assistant", ToolCallPart("call00001", "weather", {"city": "Bern"}))
MAP = Message.of("tool", ToolResultPart("call00001", (TextPart("map"), IMAGE)))
MORE = (
    Message.of("assistant", "Fine."),
    Message.of("user", "And there?"),
    Message.of("assistant", ToolCallPart("call00003", "time", {"city": "Bern"})),
    Message.of("tool", ToolResultPart("call00003", "12:00")),
)
CONTENTS: dict[str, dict[str, Any]] = {
    "text": {},
    "turns": {"messages": (ASK, *MORE[:2])},
    "media": {"messages": (Message.of("user", "What is this?", IMAGE, LINKED, PHOTO, PAGE),)},
    "media first": {"messages": (Message.of("user", IMAGE, "and", PAGE, "?"),)},
    "tools": {"messages": (ASK, CALLS, RESULTS), "tools": (WEATHER,)},
    "several tool turns": {"messages": (ASK, CALLS, RESULTS, *MORE), "tools": (WEATHER, TIME)},
    "user after results": {"messages": (ASK, CALLS, RESULTS, Message.of("user", "Go on.")), "tools": (WEATHER,)},
    "an image in a result": {"messages": (ASK, ONE_CALL, MAP), "tools": (WEATHER,)},
    "strict": {"tools": (STRICT,)},
    "schema": {"schema": schema(Journey)},
    "schema and tools": {"schema": schema(Journey), "tools": (WEATHER,)},
}
OPTIONS: dict[str, tuple[RequestOptions, ModelSettings]] = {
    "none": (RequestOptions(tool_choice="none"), {"tool_choice": "none"}),
    "required": (RequestOptions(tool_choice="required"), {"tool_choice": "required"}),
    "named": (RequestOptions(tool_choice="weather"), {"tool_choice": ["weather"]}),
    "one call": (RequestOptions(parallel_tool_calls=False), {"parallel_tool_calls": False}),
    "one call that must be": (
        RequestOptions(tool_choice="required", parallel_tool_calls=False),
        {"tool_choice": "required", "parallel_tool_calls": False},
    ),
    "top_p": (RequestOptions(top_p=0.5), {"top_p": 0.5}),
    "stop": (RequestOptions(stop=("END", "\n\n")), {"stop_sequences": ["END", "\n\n"]}),
    "seed": (RequestOptions(seed=7), {"seed": 7}),
}
REFUSED = {("responses", "stop"), ("responses", "seed"), ("anthropic", "seed")}
"""What the API does not have: we leave such a target out of the route, the referee drops the setting."""
THINKERS = [
    ("chat", "gpt-5-mini"), ("chat", "gpt-5.1"), ("chat", "o3"), ("responses", "gpt-6.1-sol"),
    ("responses", "gpt-5.4-pro"), ("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-sonnet-4-6"),
    ("anthropic", "claude-opus-4-7"), ("anthropic", "claude-haiku-5-5"), ("anthropic", "claude-sonnet-5-5"),
    ("anthropic", "claude-opus-5-5"),
]  # fmt: skip
LEVELS: dict[str, Any] = {"none": False, "low": "low", "medium": "medium", "high": "high", "max": "xhigh"}

USAGE = {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49, "prompt_tokens_details": {"cached_tokens": 30},
         "completion_tokens_details": {"reasoning_tokens": 4}}  # fmt: skip
CALLED: dict[str, Any] = {
    "id": "call_a",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
}
AGAIN: dict[str, Any] = {
    "id": "call_b",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Bäle"}'},
}
THOUGHT = {"type": "thinking", "thinking": "Let me sée", "signature": "EqQB/+=="}
HIDDEN = {"type": "redacted_thinking", "data": "AbC+/=="}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA=="}
REPLIES: dict[str, dict[str, Any]] = {
    "chat": {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
        "choices": [{"index": 0, "finish_reason": "tool_calls",
                     "message": {"role": "assistant", "content": "Söon.", "tool_calls": [CALLED, AGAIN]}}],
    },
    "responses": {
        "id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "tools": [],
        "parallel_tool_calls": True, "tool_choice": "auto",
        "output": [
            SEALED,
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "Söon.", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "weather", "status": "completed",
             "arguments": '{"city":"Bern"}'},
            {"type": "function_call", "id": "fc_2", "call_id": "call_b", "name": "weather", "status": "completed",
             "arguments": '{"city": "Bäle"}'},
        ],
        "usage": {"input_tokens": 40, "output_tokens": 9, "total_tokens": 49,
                  "input_tokens_details": {"cached_tokens": 30}, "output_tokens_details": {"reasoning_tokens": 4}},
    },
    "anthropic": {
        "id": "a", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
        "content": [
            THOUGHT, HIDDEN, {"type": "text", "text": "Söon."},
            {"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {"city": "Bern"}},
            {"type": "tool_use", "id": "toolu_b", "name": "weather", "input": {"city": "Bäle"}},
        ],
        "usage": {"input_tokens": 8, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 2,
                  "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}},
    },
}  # fmt: skip


def place(dialect: str, model: str) -> Target:
    return target(SPEAKERS[dialect], model=model, max_output=100_000, window=30_000)


def content(**changes: Any) -> ModelRequest:
    bare = {"messages": (ASK,), "tools": (), "schema": None, "temperature": None, "cache": False}
    return request(**(bare | changes))


def both(
    dialect: str, model: str, asked: ModelRequest, settings: ModelSettings | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our body and the referee's."""
    at = place(dialect, model)
    ours = json.loads(adapter_for(SPEAKERS[dialect]).encode(at, asked).body)
    theirs, _ = Referee(dialect, model).ask(asked, REPLIES[dialect], settings or {}, ours[LIMITS[dialect]])
    return ours, theirs


def unknown(dialect: str, ours: Any, theirs: Any) -> list[Difference]:
    found = differences(plain(ours), plain(theirs))
    return [one for one in found if not any(known.covers(one) for known in KNOWN[dialect])]


def in_all_dialects(names: Any) -> list[tuple[str, str]]:
    return [(dialect, name) for dialect in MODELS for name in names]


@pytest.mark.parametrize(("dialect", "name"), in_all_dialects(CONTENTS))
def test_the_same_content_is_the_same_body(dialect: str, name: str):
    assert unknown(dialect, *both(dialect, MODELS[dialect], content(**CONTENTS[name]))) == []


@pytest.mark.parametrize(("dialect", "name"), [case for case in in_all_dialects(OPTIONS) if case not in REFUSED])
def test_the_same_options_are_the_same_fields(dialect: str, name: str):
    asked, settings = OPTIONS[name]
    assert (
        unknown(dialect, *both(dialect, MODELS[dialect], content(tools=(WEATHER, TIME), options=asked), settings)) == []
    )


@pytest.mark.parametrize(("dialect", "model"), THINKERS)
@pytest.mark.parametrize("level", LEVELS)
def test_the_same_reasoning_is_the_same_fields(dialect: str, model: str, level: Any):
    tools = (WEATHER,) if dialect == "responses" else ()
    asked = content(reasoning=level, temperature=0.5, max_tokens=3_000, tools=tools)
    assert unknown(dialect, *both(dialect, model, asked, {"thinking": LEVELS[level], "temperature": 0.5})) == []


@pytest.mark.parametrize("name", ["required", "named", "one call that must be", "none", "one call"])
@pytest.mark.parametrize("level", [None, "high"])
@pytest.mark.parametrize("model", [model for dialect, model in THINKERS if dialect == "anthropic"])
def test_the_same_models_can_be_made_to_call_a_tool(model: str, level: Any, name: str):
    """Those that cannot are left out of the route here, and are an error there."""
    asked, settings = OPTIONS[name]
    whole = content(tools=(WEATHER, TIME), options=asked, reasoning=level, max_tokens=3_000)
    thinking: ModelSettings = {**settings, "thinking": level} if level else settings
    if choice_refusal(place("anthropic", model), whole) is None:
        assert unknown("anthropic", *both("anthropic", model, whole, thinking)) == []
        return
    with pytest.raises(OptionRefused, match="takes no tool_choice that forces a call"):
        adapter_for("anthropic").encode(place("anthropic", model), whole)
    with pytest.raises(UserError, match=r"does(n't| not) support forcing tool use"):
        Referee("anthropic", model).ask(whole, REPLIES["anthropic"], thinking, 18_000)


def heard(dialect: str) -> tuple[ModelReply, their.ModelResponse]:
    """The same reply as both read it."""
    model = MODELS[dialect]
    body = json.dumps(REPLIES[dialect]).encode()
    ours = adapter_for(SPEAKERS[dialect]).decode(place(dialect, model), 200, {}, body)
    return ours, Referee(dialect, model).ask(content(tools=(WEATHER,)), REPLIES[dialect], {}, 500)[1]


@pytest.mark.parametrize("dialect", MODELS)
def test_the_same_reply_is_read_alike(dialect: str):
    ours, theirs = heard(dialect)
    assert ours.text == theirs.text == "Söon."
    calls = [(call.id, call.name, call.arguments) for call in ours.tool_calls]
    assert calls == [(call.tool_call_id, call.tool_name, call.args_as_dict()) for call in theirs.tool_calls]
    assert len(calls) == 2
    usage, counted = ours.usage, theirs.usage
    thought = counted.details.get("reasoning_tokens") or counted.details.get("thinking_tokens")
    assert (usage.input_tokens, usage.output_tokens) == (counted.input_tokens, counted.output_tokens) == (40, 9)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (counted.cache_read_tokens, thought) == (30, 4)
    assert (usage.cache_write_tokens or 0) == counted.cache_write_tokens


def events(dialect: str) -> bytes:
    """The reply of the dialect as a stream, its texts and arguments in pieces."""
    if dialect == "chat":
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        opened = [{**call, "index": place} for place, call in enumerate((CALLED, AGAIN))]
        first = [{**call, "function": {**call["function"], "arguments": ""}} for call in opened]
        deltas: list[Any] = [{"role": "assistant", "content": "Sö"}, {"content": "on."}, {"tool_calls": first}]
        for place, call in enumerate((CALLED, AGAIN)):
            words = call["function"]["arguments"]
            pieces = (words[:6], words[6:])
            deltas += [{"tool_calls": [{"index": place, "function": {"arguments": piece}}]} for piece in pieces]
        chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
        chunks.append({**head, "choices": [], "usage": USAGE})
        return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    made = _items if dialect == "responses" else _blocks
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()
        for number, event in enumerate(made(REPLIES[dialect]))
    )


def _items(reply: dict[str, Any]) -> Iterator[dict[str, Any]]:
    started = {**reply, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": started}
    for place, item in enumerate(reply["output"]):
        at = {"output_index": place, "item_id": item["id"]}
        empty: dict[str, Any] = (
            {"content": []} if item["type"] == "message" else {"arguments": ""} if "arguments" in item else {}
        )
        yield {"type": "response.output_item.added", "output_index": place, "item": {**item, **empty}}
        if item["type"] == "message":
            part = {"content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}
            yield {"type": "response.content_part.added", **at, **part}
            for piece in ("Sö", "on."):
                yield {
                    "type": "response.output_text.delta", **at, "content_index": 0, "delta": piece, "logprobs": []
                }  # fmt: skip
        for piece in (item["arguments"][:6], item["arguments"][6:]) if "arguments" in item else ():
            yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    yield {"type": "response.completed", "response": reply}


def _blocks(reply: dict[str, Any]) -> Iterator[dict[str, Any]]:
    usage = reply["usage"]
    started = {**reply, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": started}
    for place, block in enumerate(reply["content"]):
        deltas: list[dict[str, Any]] = []
        empty: dict[str, Any] = {}
        if block["type"] == "thinking":
            empty = {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in ("Let me ", "sée")]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif block["type"] == "text":
            empty, deltas = {"text": ""}, [{"type": "text_delta", "text": piece} for piece in ("Sö", "on.")]
        elif block["type"] == "tool_use":
            words = json.dumps(block["input"])
            empty = {"input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in (words[:6], words[6:])]
        yield {"type": "content_block_start", "index": place, "content_block": {**block, **empty}}
        yield from ({"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": place}
    yield {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}


@pytest.mark.parametrize("dialect", MODELS)
def test_the_same_stream_is_asked_for_and_read_alike(dialect: str):
    at, asked, raw = place(dialect, MODELS[dialect]), content(tools=(WEATHER,)), events(dialect)
    adapter = adapter_for(SPEAKERS[dialect])
    reader = adapter.stream(at, {})
    said = [words for start in range(0, len(raw), 7) for words in reader.feed(raw[start : start + 7])]
    ours, whole = reader.finish(), heard(dialect)[0]
    body, theirs = Referee(dialect, MODELS[dialect]).read(asked, raw)
    assert "".join(said) == ours.text == theirs.text == "Söon."
    calls = [(call.id, call.name, call.arguments) for call in ours.tool_calls]
    assert calls == [(call.tool_call_id, call.tool_name, call.args_as_dict()) for call in theirs.tool_calls]
    assert (ours.parts, ours.usage, ours.stop) == (whole.parts, whole.usage, whole.stop), "as the reply in one piece"
    counted = theirs.usage
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (counted.input_tokens, counted.output_tokens)
    sent = json.loads(adapter.encode(at, asked, stream=True).body)
    limit = LIMITS[dialect]
    assert unknown(dialect, sent | {limit: 0}, body | {limit: 0}) == []
    assert sent["stream"] is body["stream"] is True


def without_ids(dialect: str, body: dict[str, Any]) -> dict[str, Any]:
    """A body with calls numbered by their place: ours gives calls ids of its own, where no state is beside them."""
    text = json.dumps(body)
    for number, (name, ids) in enumerate(_pairs(dialect), 1):
        text = text.replace(f'"{name}"', f'"id {number}"').replace(f'"{ids}"', f'"id {number}"')
    found: dict[str, Any] = json.loads(text)
    return found


def _pairs(dialect: str) -> Iterator[tuple[str, str]]:
    start = "toolu_" if dialect == "anthropic" else "call_"
    yield from ((f"{start}a", "call00001"), (f"{start}b", "call00002"))


@pytest.mark.parametrize("dialect", MODELS)
def test_a_reply_goes_back_alike(dialect: str):
    ours, theirs = heard(dialect)
    first, second = (call.id for call in ours.tool_calls)
    results = Message.of("tool", ToolResultPart(first, "sunny"), ToolResultPart(second, "rain"))
    again = content(messages=(ASK, ours.message, results), tools=(WEATHER,))
    body = json.loads(adapter_for(SPEAKERS[dialect]).encode(place(dialect, MODELS[dialect]), again).body)
    returns = content(messages=(ASK, results), tools=(WEATHER,))
    most = body[LIMITS[dialect]]
    sent = Referee(dialect, MODELS[dialect]).answered(returns, REPLIES[dialect], most, theirs)
    assert unknown(dialect, without_ids(dialect, body), without_ids(dialect, sent)) == []


def test_every_known_difference_is_there():
    """One that no case shows any more has to go from the list."""
    seen: set[tuple[str, str]] = set()

    def note(dialect: str, ours: Any, theirs: Any) -> None:
        for found in differences(plain(ours), plain(theirs)):
            first = next((known for known in KNOWN[dialect] if known.covers(found)), None)
            seen.update([(dialect, repr(first))] if first else [])

    for dialect, model in MODELS.items():
        for changes in CONTENTS.values():
            note(dialect, *both(dialect, model, content(**changes)))
    for dialect, model in THINKERS:
        for level in ("none", "medium", "max"):
            tools = (WEATHER,) if dialect == "responses" else ()
            asked = content(reasoning=level, temperature=0.5, max_tokens=3_000, tools=tools)
            note(dialect, *both(dialect, model, asked, {"thinking": LEVELS[level], "temperature": 0.5}))
    listed = {(dialect, repr(known)) for dialect, all_known in KNOWN.items() for known in all_known}
    assert listed - seen == set()


def test_a_wrong_field_is_found():
    ours, theirs = both("anthropic", MODELS["anthropic"], content(tools=(WEATHER,)))
    ours["tools"][0]["schema"] = ours["tools"][0].pop("input_schema")
    assert [found.path for found in unknown("anthropic", ours, theirs)] == ["tools[].input_schema", "tools[].schema"]
