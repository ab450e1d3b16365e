"""What automations return is printed as text, a table or JSON, never as a Python repr."""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from farebox.cli.output import Terminal
from farebox.cli.results import plain, result_lines


class Tone(Enum):
    WARM = "warm"


class Inner(BaseModel):
    amount: Decimal
    on: date | None = None


class Outer(BaseModel):
    title: str
    inner: Inner
    tags: list[str] = []
    more: dict[str, Inner] = {}
    tone: Tone = Tone.WARM


@dataclass
class Point:
    x: int
    at: datetime


class Opaque:
    pass


INNER = Inner(amount=Decimal("1.50"), on=date(2026, 1, 2))
OUTER = Outer(title="A title", inner=INNER, tags=["a", "b"], more={"k": INNER})
VALUES: list[tuple[object, list[str]]] = [
    ("text", ["text"]),
    (None, ["no result"]),
    (True, ["true"]),
    (12, ["12"]),
    (Decimal("1.50"), ["1.50"]),
    (date(2026, 1, 2), ["2026-01-02"]),
    (Tone.WARM, ["warm"]),
    ([], ["[]"]),
    (["one", "two"], ["• one", "• two"]),
    ({"a": Decimal(1), "b": [Tone.WARM]}, ['"a": "1"', '"warm"']),
    ((1, 2), ["1", "2"]),
    ({"x"}, ["x"]),
    (OUTER, ["A title", '{"amount": "1.50", "on": "2026-01-02"}', "tone: warm"]),
    ([INNER, INNER], ["amount", "1.50", "2026-01-02"]),
    ([OUTER], ['"title": "A title"', '"amount": "1.50"']),
    ([Point(1, datetime(2026, 1, 2, tzinfo=UTC))], ["x", "at", "2026-01-02T00:00:00Z"]),
    ([{"a": 1, "b": None}, {"a": 2, "b": "z"}], ["a", "b", "z"]),
    ([{"a": 1}, {"b": 2}], ['"b": 2']),
    ([UUID(int=7), Path("x/y")], ["00000000-0000-0000-0000-000000000007", "x/y"]),
    (Opaque(), ["Opaque: not JSON"]),
    (float("nan"), ["NaN"]),
    (b"\xff\x00", ["_wA="]),
]


def printed(value: object) -> str:
    out = io.StringIO()
    Terminal(file=out, width=100, highlight=False, markup=False).print(result_lines(value))
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "parts"), VALUES, ids=[type(value).__name__ + str(index) for index, (value, _) in enumerate(VALUES)]
)
def test_each_is_shown_as_people_read_it(value: object, parts: Iterable[str]):
    text = printed(value)
    for part in parts:
        assert part in text, text
    for trace in ("Decimal(", "datetime.", "<", "Inner(", "Tone.", "None", "{'", "['", "object at", "UUID("):
        assert trace not in text, text
    json.dumps(plain(value), allow_nan=False)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.decimals()
    | st.dates()
    | st.binary()
    | st.just(Tone.WARM),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(ANY)
def test_whatever_is_returned_is_valid_json_and_is_shown(value: object):
    json.dumps(plain(value), allow_nan=False)
    printed(value)
