"""A text that an answer must hold counts in every spelling that a forbidden one counts in."""

import pytest

from guardrails.base import GuardInput, Source, readable
from guardrails.guards.policy import PolicyGuard

GUARD = PolicyGuard(required={"disclaimer": "This is no legal advice."})
SAID = [
    "Terms follow. This is no legal advice.",
    "THIS IS NO LEGAL ADVICE!",
    "**This is _no_ legal advice.**",
    "This is no\n\nlegal advice",
    "> This is no\n> legal advice.",
    "This\u00a0is no le\u00adgal advice",
    "Th\u200bis is no legal advice",
    "Ｔｈｉｓ ｉｓ ｎｏ ｌｅｇａｌ ａｄｖｉｃｅ．",
    "This is no legal\u2011advice",
    "Th\u0456s is no legal advice",
    '"This is no legal advice."',
]
NOT_SAID = [
    "This is legal advice.",
    "This is no legal adviceline.",
    "This is no cheap legal advice",
    "",
    "legal advice: this is no",
]


def action(text: object) -> str:
    source = Source("answer", text)
    texts = readable((source,)).texts
    return GUARD.check(GuardInput("output", "reply", "letters", "r", texts, sources=(source,))).action


@pytest.mark.parametrize("text", SAID)
def test_it_is_said(text: str) -> None:
    assert action(text) == "allow"


@pytest.mark.parametrize("text", NOT_SAID)
def test_it_is_missing(text: str) -> None:
    assert action(text) == "retry"


def test_it_may_stand_in_a_value_of_a_structured_answer() -> None:
    assert action({"body": "Hello", "footer": ["This is no **legal** advice"]}) == "allow"


def test_each_text_is_asked_for_by_itself() -> None:
    guard = PolicyGuard(required={"disclaimer": "No advice", "greeting": "Kind regards", "star": "★"})
    verdict = guard.check(GuardInput("output", "reply", "letters", "r", ("No advice. ★",)))
    assert (verdict.action, verdict.facts["rule"]) == ("retry", "greeting")
