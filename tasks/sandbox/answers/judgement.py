"""Judging an answer by rule: the figures and names it states must be in the facts that it may rely on.

That is all the sandbox can do for a judge: it reads no sense. A negation, a wrong relation between right names or a
tone pass it; a correct sum that no fact states does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from tasks.providers.messages import JSONObject
from tasks.sandbox.answers.schema import Unfillable, resolve

_ASKED: Final = re.compile(
    r"\ACriteria:\n(?P<criteria>.*?)\n\s*(?:Facts that the answer may rely on:\n(?P<facts>.*?)\n\s*)?"
    r"<answer>(?P<answer>.*)</answer>",
    re.DOTALL,
)
_CRITERION: Final = re.compile(r"^- (?P<name>[^:\n]{1,80}): (?P<text>.*)$", re.MULTILINE)
_ABOUT_FACTS: Final = re.compile(r"\bfacts?\b|ground|source|invent", re.IGNORECASE)
_FIGURE: Final = re.compile(r"\d+(?:[.,:]\d+){0,4}")
_NAME: Final = re.compile(r"(?<![.!?:] )(?<!\A)(?<!\n)\b[A-Z][A-Za-z]{2,40}\b")
_SHOWN: Final = 5


def judgement(definition: JSONObject, said: str) -> JSONObject | None:
    """The judgement that a question asks for, by criterion; None if it asks for none."""
    asked = _ASKED.match(said.strip())
    if asked is None or not _is_judgement(definition):
        return None
    foreign = list(dict.fromkeys(_foreign(asked["answer"], asked["facts"]))) if asked["facts"] else []
    criteria = [_judged(found["name"], found["text"], foreign) for found in _CRITERION.finditer(asked["criteria"])]
    failed = any(criterion["outcome"] == "fail" for criterion in criteria)
    return {"criteria": criteria, "outcome": "fail" if failed else "pass"}


def _is_judgement(definition: JSONObject) -> bool:
    try:
        fields = {name: resolve(field, definition) for name, field in definition.get("properties", {}).items()}
    except Unfillable:
        return False
    return set(fields) == {"criteria", "outcome"} and set(fields["outcome"].get("enum", ())) == {"pass", "fail"}


def _foreign(answer: str, facts: str) -> Iterator[str]:
    figures, words = set(_FIGURE.findall(facts)), set(re.findall(r"[a-z]+", facts.casefold()))
    yield from (figure for figure in _FIGURE.findall(answer) if figure not in figures)
    yield from (name for name in _NAME.findall(answer) if name.casefold() not in words)


def _judged(name: str, text: str, foreign: Sequence[str]) -> JSONObject:
    if not _ABOUT_FACTS.search(f"{name} {text}"):
        return {"evidence": "the sandbox compares with facts only", "criterion": name, "outcome": "unknown"}
    if not foreign:
        return {"evidence": "no figure or name that the facts do not have", "criterion": name, "outcome": "pass"}
    evidence = f"it says {', '.join(foreign[:_SHOWN])}, which the facts do not"
    return {"evidence": evidence, "criterion": name, "outcome": "fail"}
