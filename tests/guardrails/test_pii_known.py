import time
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from guardrails.pii import mask_all
from guardrails.pii_known import KnownValues
from tasks.known import knowing, known, personal_values


def found(text: str, *values: tuple[str, str]) -> list[str]:
    return [text[entity.start : entity.end] for entity in KnownValues(values).find(text)]


def test_names_are_found_whole_in_parts_and_in_any_case():
    name = ("customer", "Will  Young-Park Ortega")
    assert found("WILL\nYOUNG-PARK ORTEGA wrote", name) == ["WILL\nYOUNG-PARK ORTEGA"]
    assert found("Dear Will, you will be young again. Ortega!", name) == ["Will", "Ortega"]
    assert found("Willow and Ortegas", name) == []


def test_several_values_of_one_kind_have_tokens_of_their_own():
    masked = mask_all(("Ada met Bob",), [("name", "Ada"), ("name", "Bob")])
    assert masked.texts[0].count("[NAME_") == 2
    assert masked.restore(masked.texts[0]) == "Ada met Bob"


@given(st.lists(st.text(min_size=2, max_size=30), max_size=20), st.text(max_size=200))
def test_any_value_found_restores(values, text):
    masked = mask_all((text + " ".join(values),), values)
    assert masked.restore(masked.texts[0]) == text + " ".join(values)


def test_five_thousand_values_cost_little():
    values = [("name", f"Person{n} Family{n}") for n in range(5_000)]
    known_values = KnownValues(values)
    text = "Person4999 Family4999 wrote to nobody in particular. " * 2_000
    started = time.thread_time()
    assert len(known_values.find(text)) == 2_000
    assert time.thread_time() - started < 0.5


def test_what_stands_under_personal_names_is_known_however_deep():
    @dataclass
    class Ticket:
        customer: str
        body: str

    values = {
        "ticket": Ticket("Northwind", "long text"),
        "people": [{"e_mail": "x@y.zz", "age": "61"}],
        "names": ["Ada"],
    }
    assert set(personal_values(values)) == {("customer", "Northwind"), ("e_mail", "x@y.zz"), ("name", "Ada")}


def test_a_circle_ends_and_blocks_nest():
    circle: dict[str, object] = {"name": "Ada"}
    circle["self"] = circle
    with knowing(circle), knowing({"customer": "Bob"}):
        assert set(known()) == {("name", "Ada"), ("customer", "Bob")}
    assert known() == ()
