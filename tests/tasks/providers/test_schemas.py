from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, Field, HttpUrl

from tasks.providers.schemas import can_be_strict, schema_instruction, strict_schema
from tests.support.exchanges import Answer, Free, Point, schema


class Colour(StrEnum):
    red = "red"
    blue = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]


class Node(BaseModel):
    value: int
    children: list["Node"] = []


class Everything(BaseModel):
    colour: Colour = Field(default=Colour.red, description="which one")
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    tags: list[Annotated[str, Field(max_length=3)]] = Field(default=[], max_length=5)
    default: int | None = None
    title: str = "x"
    nested: Answer


class Pair(BaseModel):
    pair: tuple[int, str]


class Anything(BaseModel):
    value: Any


def strict(model: type[BaseModel]) -> dict[str, Any]:
    return strict_schema(model.model_json_schema())


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    if isinstance(node, list):
        for child in node:
            yield from walk(child)


@pytest.mark.parametrize("model", [Point, Answer, Everything, Node])
def test_every_object_is_closed_and_complete(model):
    result = strict(model)
    assert result["type"] == "object"
    for node in walk(result):
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
        if "$ref" in node:
            assert set(node) == {"$ref"}, "a reference stands alone"
        assert not {"oneOf", "allOf", "discriminator", "maxLength", "maxItems", "minimum"} & set(node)
    references = {node["$ref"].rsplit("/", 1)[-1] for node in walk(result) if "$ref" in node}
    assert references <= set(result.get("$defs", {}))


@pytest.mark.parametrize("model", [Point, Answer, Everything])
def test_it_asks_for_the_same_properties_as_the_sdk(model):
    def shape(node: Any) -> list[Any]:
        return sorted(tuple(sorted(found["properties"])) for found in walk(node) if found.get("type") == "object")

    assert shape(strict(model)) == shape(to_strict_json_schema(model))


def test_properties_named_like_keywords_survive_and_defaults_go():
    properties = strict(Everything)["properties"]
    assert {"default", "title"} <= set(properties)
    assert "default" not in properties["title"]
    assert properties["colour"] == {"enum": ["red", "blue"], "type": "string", "description": "which one"}
    assert "anyOf" in properties["pet"]


def test_constraints_are_told_instead():
    assert strict(Point)["properties"]["x"]["description"] == "from the left (minimum: 0)"
    assert strict(Everything)["properties"]["tags"]["items"]["description"] == "(maxLength: 3)"


def test_the_original_is_left_alone():
    original = Everything.model_json_schema()
    strict_schema(original)
    assert original == Everything.model_json_schema()


class Endless(BaseModel):
    next: "Endless" = Field(default=None, description="the one after")  # type: ignore[assignment]
    site: HttpUrl


def test_a_reference_inside_itself_stays_a_reference():
    result = strict(Endless)
    inner = result["$defs"]["Endless"]["properties"]
    assert {"$ref": "#/$defs/Endless"} in walk(inner)
    assert inner["site"]["description"].startswith('(format: "uri"')


@pytest.mark.parametrize("model", [Node, Endless])
def test_recursion_is_seen(model):
    assert can_be_strict(model.model_json_schema())
    assert not can_be_strict(model.model_json_schema(), recursion=False)
    assert can_be_strict(Everything.model_json_schema(), recursion=False)


@pytest.mark.parametrize("model", [Free, Pair, Anything])
def test_what_the_dialect_cannot_say(model):
    assert not can_be_strict(model.model_json_schema())


@pytest.mark.parametrize("model", [Point, Answer, Everything, Node])
def test_what_it_can(model):
    assert can_be_strict(model.model_json_schema())


def test_the_instruction_holds_the_schema():
    assert '"anything"' in schema_instruction(schema(Free))
