"""Choosing among given values by what a text says: enumerations, yes or no, one branch of several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from tasks.sandbox.answers.digest import TextDigest
from tasks.sandbox.answers.language import name_words, stem, stems

_KIN: Final = {
    "urgent": "urgent asap immediately critical outage down emergency",
    "critical": "critical outage down breach loss emergency",
    "high": "urgent important serious severe soon deadline blocked cannot broken third breaking",
    "low": "minor typo cosmetic whenever someday nice gladly",
    "positive": "thanks great love happy excellent pleased wonderful",
    "negative": "angry refund broken terrible disappointed failed complaint unacceptable",
    "bug": "error crash broken exception fails regression wrong fix nothing vanish 500 console early",
    "fix": "crash bug repair correct wrong broken",
    "outage": "down 503 unavailable unreachable white everything everybody load",
    "access": "login log password sign locked phone authenticator codes",
    "billing": "invoice charge charged refund payment card price seats subscription",
    "account": "login password sign access locked profile",
    "feature": "add support wish introduce new mode theme option let allow",
    "operations": "deploy schedule release upgrade migrate configuration alarm disk",
    "decision": "decide chose adopt instead",
    "documentation": "docs readme guide explain describe",
    "technical": "error crash install api timeout exception",
    "security": "vulnerability leak cve password attack exploit",
    "shipping": "delivery parcel package courier arrived tracking",
}
"""Words that speak for a value without naming it."""
_KIN_STEMS: Final = {value: frozenset(stems(kin)) for value, kin in _KIN.items()}
_UNDECIDED: Final = ("other", "general", "neutral", "medium", "normal", "none", "pass")
_APPROVALS: Final = frozenset(
    stem(word) for word in ("pass", "passed", "ok", "okay", "valid", "compliant", "acceptable", "safe", "grounded")
)
_HELPERS: Final = frozenset(
    {"is", "has", "have", "should", "needs", "need", "was", "are", "can", "requires", "contains"}
)


def choose(values: Sequence[Any], description: str, digest: TextDigest) -> Any:
    """The value whose words, kin or description meet the text most; undecided, the most neutral one.

    A verdict is *pass*: what judges by facts is in ``judging``, and an answer that quotes *fail* does not fail.
    """
    if "pass" in values:
        return "pass"
    scores = [_overlap(value, values, description, digest) for value in values]
    if max(scores) > 0:
        return values[scores.index(max(scores))]
    neutral = [value for word in _UNDECIDED for value in values if str(value).lower() == word]
    return neutral[0] if neutral else values[0]


def rank(values: Sequence[Any], description: str, digest: TextDigest) -> list[Any]:
    """All values, ordered by how well they match the text."""
    return sorted(values, key=lambda value: -_overlap(value, values, description, digest))


def holds(name: str, digest: TextDigest) -> bool:
    """Whether the text mentions all of what a yes-or-no field is named after; approvals are given."""
    words = [stem(word) for word in name_words(name) if word not in _HELPERS]
    if any(word in _APPROVALS for word in words):
        return True
    return bool(words) and all(word in digest.words or bool(_kin(word) & digest.words) for word in words)


def _overlap(value: Any, values: Sequence[Any], description: str, digest: TextDigest) -> int:
    if not isinstance(value, str):
        return int(str(value).lower() in digest.words)
    words = frozenset(stem(word) for word in name_words(value))
    described = frozenset(stems(_described(value, values, description))) - words
    return (
        3 * len(words & digest.words)
        + 2 * sum(len(_kin(word) & digest.words) for word in name_words(value))
        + len(described & digest.words)
    )


def _kin(word: str) -> frozenset[str]:
    return _KIN_STEMS.get(word, frozenset())


def _described(value: str, values: Sequence[Any], description: str) -> str:
    """The part of a description about one value, up to the next value it names."""
    start = description.find(value)
    if start < 0:
        return ""
    rest = description[start + len(value) :]
    ends = [rest.find(str(other)) for other in values if other != value and str(other)]
    stop = min([end for end in ends if end >= 0], default=len(rest))
    return re.split(r"[;.\n]", rest[:stop], maxsplit=1)[0]
