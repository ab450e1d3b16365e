"""Whatever the schema, what is filled in is valid; and where the text holds a fact, the fact is what is filled in."""

from __future__ import annotations

import datetime as dt
import json
from enum import Enum
from typing import Annotated, Any, Literal

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

from tasks.providers.messages import Schema
from tasks.providers.schemas import schema_instruction, strict_schema
from tasks.sandbox.answers.filler import Effort, Filler
from tasks.sandbox.answers.prose import fit
from tasks.sandbox.answers.schema import Unfillable
from tests.support.examples import examples

COMMITS = """10691ff Give every floor its face
aabbcc1 Fix crash when the ledger is locked by another process
1234567 Document the rate card
"""
TICKET = (
    "Ticket T-1042 from bob@example.com, 2026-11-20. I was charged $49.90 twice on my last invoice and I am very "
    "disappointed. Please refund the amount of 49.90 as soon as possible. See https://example.com/pay for details."
)

names = st.sampled_from(
    ["title", "summary", "count", "is_ok", "ticket_id", "email", "points", "x", "due_date", "Grüße"]
)


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.none() | st.integers(0, 60))
    high = draw(st.none() | st.integers(low or 0, (low or 0) + 60))
    schema: dict[str, Any] = {"type": "string", "description": draw(st.sampled_from(["", "why it matters"]))}
    return schema | {key: value for key, value in (("minLength", low), ("maxLength", high)) if value is not None}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    low = draw(st.integers(-50, 50))
    keys = draw(
        st.sampled_from(
            [(), ("minimum",), ("maximum",), ("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")]
        )
    )
    for key in keys:
        schema[key] = low if "inimum" in key else low + draw(st.integers(2, 40))
    if draw(st.booleans()) and "exclusiveMinimum" not in keys and len(keys) < 2:
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 5, 0.5]))
    return schema


enums = st.lists(st.sampled_from(["low", "high", "bug", "other", 3, None, True]), min_size=1, unique_by=str).map(
    lambda values: {"enum": values}
)
scalars = st.one_of(
    strings(), numbers(), enums, st.just({"type": "boolean"}), st.just({"type": "null"}), st.just({"const": 7})
)


@st.composite
def lists(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    low = draw(st.none() | st.integers(0, 7))
    high = draw(st.none() | st.integers(low or 0, (low or 0) + 5))
    schema: dict[str, Any] = {"type": "array", "items": draw(inner)}
    return schema | {key: value for key, value in (("minItems", low), ("maxItems", high)) if value is not None}


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(names, inner, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    extra = draw(st.sampled_from([False, True, {"type": "integer"}]))
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": extra}


schemas = st.recursive(
    scalars,
    lambda inner: st.one_of(
        lists(inner),
        objects(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        inner.map(lambda schema: {"anyOf": [schema, {"type": "null"}]}),
    ),
    max_leaves=8,
)
texts = st.sampled_from(
    [COMMITS, TICKET, "", "Hm", "\u0000 \ud7ff 日本語のテキスト。", "# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"]
) | st.text(max_size=200)


def fill(schema: dict[str, Any], text: str, *, sparse: bool = False, effort: Effort | None = None) -> Any:
    return Filler(schema, text, effort=effort or Effort(), sparse=sparse).fill()


@given(schemas, texts, st.booleans(), st.sampled_from([Effort(), Effort(1, 1, 48)]))
@settings(max_examples=examples(60), deadline=None)
def test_what_is_filled_in_is_valid(schema: dict[str, Any], text: str, sparse: bool, effort: Effort) -> None:
    value = fill(schema, text, sparse=sparse, effort=effort)
    Draft202012Validator(schema).validate(json.loads(json.dumps(value)))


@given(numbers() | strings(), st.integers(0, 6))
@settings(deadline=None)
def test_unique_items_are_unique_or_refused(item: dict[str, Any], least: int) -> None:
    schema = {"type": "array", "items": item, "uniqueItems": True, "minItems": least}
    try:
        value = fill(schema, TICKET)
    except Unfillable:
        return
    Draft202012Validator(schema).validate(value)


@given(st.text(max_size=80), st.integers(0, 90), st.integers(0, 60))
def test_lengths_are_kept(text: str, low: int, more: int) -> None:
    assert low <= len(fit(text, low, low + more)) <= low + more


class Kind(Enum):
    FIX = "fix"
    DOCS = "docs"
    OTHER = "other"


class Change(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str = Field(max_length=60)
    kind: Kind = Field(description="docs: document something; fix: a crash or bug")
    follow_up: Change | None = None


class Cat(BaseModel):
    type: Literal["cat"]
    purrs: bool


class Dog(BaseModel):
    type: Literal["dog"]
    barks: int = Field(gt=0)


class Report(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str = Field(min_length=3, max_length=80)
    summary: str
    changes: list[Change] = Field(min_length=1, max_length=4)
    topics: set[str] = Field(min_length=2)
    commit_count: int
    score: Annotated[float, Field(gt=0, lt=1)]
    released: dt.date | None
    at: dt.datetime
    pair: tuple[int, str]
    by_topic: dict[str, int]
    pet: Annotated[Cat | Dog, Field(discriminator="type")]
    tags: list[Literal["a", "b", "c"]] = Field(min_length=1)


def test_a_pydantic_model_of_every_kind_validates() -> None:
    report = Report.model_validate(fill(Report.model_json_schema(), COMMITS))
    assert report.commit_count == 3
    assert [change.kind for change in report.changes] == [Kind.OTHER, Kind.FIX, Kind.DOCS]
    assert "ledger is locked" in report.title
    assert "ledger is locked" not in report.summary  # it does not repeat its title
    assert report.released is None
    assert all(change.follow_up is None for change in report.changes)


def test_facts_are_found() -> None:
    class Ticket(BaseModel):
        ticket_id: str
        customer_email: str
        link: str
        date: dt.date
        amount: float
        category: Literal["billing", "bug", "other"]
        sentiment: Literal["positive", "neutral", "negative"]
        needs_refund: bool
        phone: str | None
        order_number: str | None

    ticket = Ticket.model_validate(fill(Ticket.model_json_schema(), TICKET))
    assert ticket.ticket_id == "T-1042"
    assert ticket.customer_email == "bob@example.com"
    assert ticket.link == "https://example.com/pay"
    assert ticket.date == dt.date(2026, 11, 20)
    assert ticket.amount == 49.9
    assert ticket.category == "billing"
    assert ticket.sentiment == "negative"
    assert ticket.needs_refund


def test_a_verdict_is_always_pass() -> None:
    schema = {"enum": ["fail", "pass", "unknown"]}
    assert fill(schema, "Fix the failing test. It may fail.") == "pass"


def test_optional_arguments_without_evidence_are_left_out() -> None:
    schema = {
        "type": "object",
        "properties": {
            "ticket_id": {"type": "string"},
            "email": {"type": "string"},
            "limit": {"type": "integer"},
            "due": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["ticket_id", "due"],
    }
    assert fill(schema, "Look at T-7.", sparse=True) == {"ticket_id": "T-7", "due": None}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "#/nowhere"},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "string", "minLength": 4, "maxLength": 3},
        {"type": "integer", "minimum": 4, "maximum": 3},
        {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]},
    ],
)
def test_what_nothing_can_follow_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(Unfillable):
        fill(schema, TICKET)


def test_recursion_ends_where_it_may() -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["name", "children"],
            }
        },
    }
    Draft202012Validator(schema).validate(fill(schema, "One thing. Another thing."))


def test_constraints_told_in_descriptions_are_heeded() -> None:
    definition = strict_schema(Report.model_json_schema())
    for name in ("pair", "by_topic"):
        definition["required"].remove(name)
        del definition["properties"][name]
    value = fill(definition, COMMITS)
    Report.model_validate(value | {"pair": (1, "a"), "by_topic": {}})


def test_a_schema_told_in_the_instructions_is_followed(client: httpx.Client) -> None:
    system = f"Be brief.\n\n{schema_instruction(Schema('change', Change.model_json_schema()))}"
    user = "<document>Fix a crash at start. Nothing else changed.</document>"
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    one = client.post("/openai/v1/chat/completions", json={"model": "m", "messages": messages}).json()
    assert Change.model_validate_json(one["choices"][0]["message"]["content"]).kind is Kind.FIX
    body = {"model": "m", "max_tokens": 300, "system": system, "messages": messages[1:]}
    two = client.post("/v1/messages", json=body).json()
    assert Change.model_validate_json(two["content"][0]["text"]).kind is Kind.FIX
    three = client.post(
        "/model/m/converse",
        json={"system": [{"text": system}], "messages": [{"role": "user", "content": [{"text": user}]}]},
    ).json()
    assert Change.model_validate_json(three["output"]["message"]["content"][0]["text"]).kind is Kind.FIX
