"""What the finders of personal data look for before they look closely is in every text that they find something in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guardrails.pii.national_ids import _GENERIC, _VALUE, national_ids
from guardrails.pii.patterns import _SPELLED, _may_be_spelled
from guardrails.pii.text import PlainText

_VALUES = st.one_of(
    st.from_regex(_VALUE.pattern.replace("(?<![^\\W_])", "").replace("(?![^\\W_])", ""), fullmatch=True).filter(
        lambda value: len(value) < 60
    ),
    st.sampled_from(("A 1-B 2-C 3-D 4", "AB12CDEF34GH", "X1 ABCDEF2 ABCDEF3 ABCDEF4", "12", "1 2 3", "L898902C")),
)
_LABELS = st.sampled_from(("passport no: ", "national id ", "id: ", "SSN is ", "licence number ", "note "))


@given(st.lists(st.tuples(_LABELS, _VALUES), min_size=1, max_size=3))
def test_no_labelled_identifier_is_missed_for_want_of_digits(said: list[tuple[str, str]]) -> None:
    text = "; ".join(label + value for label, value in said)
    gated, open_ = PlainText(text), PlainText(text)
    open_.__dict__["has_four_digits"] = True
    assert list(national_ids(gated)) == list(national_ids(open_))


_SPELT = (
    "ada",
    " at ",
    "[at]",
    "( at )",
    "{arroba}",
    "<chiocciola>",
    " snabel-a ",
    "[ät]",
    "@ ",
    "%40",
    "=40",
    "&#64;",
)
_ENDS = ("example", " dot ", ".", "[.]", "(dot)", " punkt ", "_dot_", "com", "de", "_at_", " ", "\n", "(at", "골뱅이")


@given(st.lists(st.sampled_from((*_SPELT, *_ENDS)), min_size=2, max_size=12))
def test_no_spelled_address_is_missed_for_want_of_its_signs(pieces: list[str]) -> None:
    text = "".join(pieces)
    plain = PlainText(text)
    if _SPELLED.search(plain.text):
        assert _may_be_spelled(plain.folded)


@given(st.lists(st.sampled_from((*sorted(_GENERIC.words), "12", "4711", " ", ", ", "\n")), min_size=1, max_size=12))
def test_each_label_near_a_number_is_among_the_words_of_the_text(pieces: list[str]) -> None:
    plain = PlainText(" ".join(pieces))
    here = {word for word in _GENERIC.words if word in plain.by_numbers}
    assert here == _GENERIC.words & plain.words_by_numbers
