"""Labels of numbers are looked for only where numbers stand, and none that could name one is missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.pii.guard import find
from guardrails.pii.text import Labels, NumberWords, PlainText, Words

_FILLER = "Nothing of interest is said in this sentence, nor in the next one. "
_LABELS = Labels(("ssn", "steuer", "id", "born"))


@pytest.mark.parametrize("before", ["", _FILLER * 20])
@pytest.mark.parametrize("behind", ["", _FILLER * 20])
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("passport number L898902C3", "passport"),
        ("born on 3 May 1980", "birthdate"),
        ("\nname,ssn,city\n" + "Ann,,Rome\n" * 60 + "Bob,078051120,Rome\n", "ssn"),
        (
            "\nINSERT INTO crm.people (name, ssn) VALUES ('Ann', ''), "
            + "('Cy', ''), " * 40
            + "('Bob', '078051120')\n",
            "ssn",
        ),
    ],
)
def test_a_label_is_found_wherever_it_stands(text: str, kind: str, before: str, behind: str) -> None:
    assert kind in {entity.kind for entity in find(f"{before}{text} {behind}")}


@given(
    st.lists(st.sampled_from(["ssn ", "Steuer-", "my id: ", "born", "7", "12 ", _FILLER, "\n", "a,b;"]), max_size=40)
)
def test_what_stands_near_a_number_is_what_a_look_at_all_of_the_text_finds(pieces: list[str]) -> None:
    plain = PlainText("".join(pieces))
    everywhere, near = Words(_LABELS, plain), NumberWords(_LABELS, plain)
    for place, sign in enumerate(plain.text):
        if sign.isdigit():
            assert near.before(place) == everywhere.before(place)
            assert near.behind(place) == everywhere.behind(place)
