import pytest

from guardrails.base import GuardInput
from guardrails.guards.policy import PolicyGuard
from guardrails.text_matching import Phrases

PHRASES = Phrases([("promise", "we guarantee"), ("word", "shit"), ("sign", "100 % safe"), ("zh", "保证")])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("We  guarantee it", "promise"),
        ("we\u200b guar\u00adantee", "promise"),
        ("**we** guar*an*tee", "promise"),
        ("ｗｅ ｇｕａｒａｎｔｅｅ", "promise"),
        ("wе guаrаntее", "promise"),
        ("w3 gu4r4nt33", "promise"),
        ("we-guarantee", "promise"),
        ("w e   g u a r a n t e e", "promise"),
        ("wé guaranteé", "promise"),
        ("oh sh1t", "word"),
        ("$h!t", "word"),
        ("s.h.i.t", "word"),
        ("s-h-i-t happens", "word"),
        ("sh*it", "word"),
        ("it is 100% safe", "sign"),
        ("我们保证退款", "zh"),
    ],
)
def test_a_phrase_is_found_however_it_is_written(text, name):
    assert {found for *_, found in PHRASES.find(text)} == {name}


@pytest.mark.parametrize(
    "text",
    [
        "push it",
        "the band's hit",
        "shirt, shifts, Shitake",
        "owe guarantees",
        "we guaranteed",
        "Scunthorpe wes hit it",
        "she hit",
    ],
)
def test_other_words_are_not(text):
    assert PHRASES.find(text) == []


def test_contractions_are_words_of_their_own():
    assert Phrases([("w", "well"), ("h", "hell")]).find("we'll see, he’ll come") == []


def test_places_are_those_of_the_text():
    text = "Yes, wе\u200b guarаntee."
    assert [text[start:end] for start, end, _ in PHRASES.find(text)] == ["wе\u200b guarаntee"]


def test_canaries_and_patterns_are_read_likewise():
    guard = PolicyGuard(canaries=("zebra-quartz-19",), patterns={"date": r"by \d{1,2} may"})

    def kinds(text: str) -> list[str]:
        return [span.kind for span in guard.check(GuardInput("output", "c", "a", "r", (text,))).spans]

    for text in ("z e b r a quartz 19", "ZEBRA\u200bQUARTZ_19", "zеbra **quartz** 19", "xzebraquartz19x"):
        assert kinds(text) == ["canary"]
    assert kinds("by １２ m\u00aday") == ["date"]
    assert kinds("a zebra and quartz") == []
