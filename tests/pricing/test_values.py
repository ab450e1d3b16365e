"""Every string of a nested value is read, and replaced where it stands."""

import enum
import json
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pricing.content import DEEPEST, InvalidArguments, Spelled, TextPart, ToolCallPart
from pricing.values import UnreadableValue, leaves, with_leaves


class Color(enum.Enum):
    RED = "red"


class Level(enum.StrEnum):
    HIGH = "high"


@dataclass
class Person:
    name: str
    mail: str


class Order(BaseModel, extra="allow"):
    number: int
    by: Person


class Pair(NamedTuple):
    left: str
    right: int


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
nested = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(nested)
def test_a_value_with_its_own_strings_is_that_object(value: Any):
    assert with_leaves(value, iter([leaf.text for leaf in leaves(value)])) is value


@given(nested)
def test_other_strings_take_the_place_of_all(value: Any):
    read = leaves(value)
    new = [f"<{number}>" for number in range(len(read))]
    changed = with_leaves(value, iter(new))
    assert [leaf.text for leaf in leaves(changed)] == new


@pytest.mark.parametrize(("value", "found"), [
    ({"mail": ["a@b.example", 7]}, [("mail", ""), ("a@b.example", "mail"), ("7", "mail")]),
    (Person("Ada", "a@b"), [("Ada", "name"), ("a@b", "mail")]),
    (Order.model_validate({"number": 3, "by": Person("A", "b"), "note": "x"}),
     [("3", "number"), ("A", "name"), ("b", "mail"), ("x", "note")]),
    ([Color.RED, Level.HIGH, date(2026, 1, 2), None, True], [("red", ""), ("high", ""), ("2026-01-02", "")]),
    (Pair("l", 1), [("l", ""), ("1", "")]),
    ({4: frozenset({"x"})}, [("4", ""), ("x", "4")]),
    (TextPart.of(["Name: ", Spelled("O'Brien", repr), "."]), [("Name: ", ""), ("O'Brien", "Name"), (".", "")]),
    (InvalidArguments("{broken"), [("{broken", "")]),
])  # fmt: skip
def test_kinds_of_values(value: Any, found: list[tuple[str, str]]):
    assert [tuple(leaf) for leaf in leaves(value)] == found
    changed = with_leaves(value, iter([f"{text}!" for text, _ in found]))
    assert [leaf.text for leaf in leaves(changed)] == [f"{text}!" for text, _ in found]


def test_a_changed_number_is_a_text_and_others_stay():
    assert with_leaves({"card": 4111111111111111, "n": 2}, iter(["card", "[CARD_1_x]", "n", "2"])) == {
        "card": "[CARD_1_x]",
        "n": 2,
    }


def test_two_keys_that_are_masked_alike_both_stay():
    masked = with_leaves({"a": 1, "b": 2}, iter(["[SECRET]", "1", "[SECRET]", "2"]))
    assert masked == {"[SECRET]": 1, "[SECRET] (2)": 2}


def test_an_object_is_copied_and_never_changed():
    person = Person("Ada", "a@b")
    assert with_leaves(person, iter(["X", "a@b"])) == Person("X", "a@b")
    assert person.name == "Ada"


@pytest.mark.parametrize("value", [b"x", {"a": [bytearray(b"x")]}, {b"k": 1}, Person(b"x", "")])  # type: ignore[arg-type]
def test_bytes_are_refused(value: Any):
    with pytest.raises(UnreadableValue, match="bytes"):
        leaves(value)


def test_what_is_nested_too_deep_is_refused():
    value: Any = "x"
    for _ in range(DEEPEST + 1):
        value = [value]
    with pytest.raises(UnreadableValue, match="deeper"):
        leaves(value)
    assert isinstance(ToolCallPart.parse("c", "n", json.dumps({"a": value})).arguments, InvalidArguments)


@pytest.mark.parametrize(("text", "sent"), [
    ("", {}), ("  ", {}), ('{"a": 1}', {"a": 1}), ("[]", {"invalid_arguments": "[]"}),
    ("{broken", {"invalid_arguments": "{broken"}), ('"x"', {"invalid_arguments": '"x"'}),
    ("[" * 100_000, {"invalid_arguments": "[" * 100_000}),
])  # fmt: skip
def test_arguments_are_an_object_or_are_wrapped(text: str, sent: dict[str, Any]):
    assert ToolCallPart.parse("c", "n", text).sent == sent


def test_a_text_is_spelled_anew_from_changed_values():
    part = TextPart.of(["It is ", Spelled({"who": 'O"Brien\n'}, json.dumps)])
    assert part.text == 'It is {"who": "O\\"Brien\\n"}'
    assert with_leaves(part, iter(["It is ", "who", "[NAME_1_x]"])).text == 'It is {"who": "[NAME_1_x]"}'
