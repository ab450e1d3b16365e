"""Looking only where a number may stand finds what looking everywhere finds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.pii import national_ids, patterns, phones
from guardrails.pii.text import PlainText

PIECES = [
    *(
        "+44 20 7946 0958",
        "(555) 123-4567",
        "555-1234",
        "4111 1111 1111 1111",
        "123-45-6789",
        "943 476 5919",
        "10.1.4.7",
    ),
    *("0761/123456", " ext. 12", "#77", "x9", "00 44 20 7946 0958", "98765 43210", "612 34 56 78", "2026-11-25", "1.5"),
    *("१२३४५६७८९०", "a", "é", ":", "-", "(", ")", "+", " ", "\n", "0", "7", ".", "/", ",", "_"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
PHONES = ("_PLUS", "_ZEROS", "_NANP", "_PARENTHESES", "_TRUNK", "_INDIAN", "_PAIRS", "_CHINESE", "_NAMED", "_SHORT")
PATTERNS = [
    *((getattr(phones, name), phones._LEAST) for name in PHONES),
    *((patterns._CARD, 12), (national_ids._RUN, 9), (national_ids._LETTERED, 4), (patterns._IPV4, 4)),
]


@pytest.mark.parametrize(("pattern", "least"), PATTERNS)
@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_numbers_are_found_wherever_they_stand(pattern, least, text):
    plain = PlainText(text)
    found = [match.span() for match in plain.numbers(pattern, least)]
    assert found == [match.span() for match in pattern.finditer(plain.source)]
