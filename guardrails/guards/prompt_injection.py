"""Prompt injection: texts that try to take over the model, by what they say and by how they are built.

A text is read as it looks (``guardrails.text_matching``), so that letters of other alphabets or between them hide
nothing, and scored by a linear model over the meanings of its words and signs of its structure. From 0 on it is an
attack. What a tool gave back is data, and orders to a model in data are never meant well: there less is enough.
Measured in ``docs/guardrails.md``. What keeps a system safe is few permissions and delimited data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, block
from guardrails.guards.injection_bound import bound
from guardrails.guards.injection_model import NOTHING, Judged, judge
from guardrails.guards.injection_signs import other_readings, signs
from guardrails.text_matching import LOOKALIKES, visible

_MIXED = re.compile("[a-z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][a-z]", re.IGNORECASE)
_OF_DATA = 0.5
"""How much less is enough in what a tool gave back, or a document says."""
_DATA = frozenset({"tool_result", "document"})
_LEAST_SHARE, _MOST_NAMED = 0.15, 3
"""Share of the score that a kind has to have to be named, and how many are."""
_TOLD: Mapping[str, frozenset[str]] = {
    "orders to ignore instructions": frozenset({"drop", "prior"}),
    "asks for the instructions": frozenset({"reveal", "hidden", "=canary_game"}),
    "asks for a password": frozenset({"=password"}),
    "a role": frozenset({"act", "be", "=dialogue"}),
    "asks to drop all limits": frozenset({"limits", "refuse", "ill", "power", "follow", "must", "=no_limits"}),
    "new instructions": frozenset({"newtask", "instead", "end", "now", "=divider", "=urgent"}),
    "a fixed answer": frozenset({"say", "taunt", "=quoted_answer"}),
    "marks of a conversation": frozenset({"=chat_marks", "=role_line", "=role_mark"}),
    "orders to a model inside data": frozenset({"ai", "reads", "send", "data", "quiet", "=image_leak", "=hidden_text"}),
    "hidden orders": frozenset({"=split", "=decode", "=encoded"}),
    "a pretext": frozenset({"trust", "hyp"}),
}
"""What the verdict says, and the features that say so, alone or as the first of a pair."""
_OTHERS = "orders to the model"


@dataclass(frozen=True, slots=True)
class InjectionGuard:
    """Finds texts that try to take over the model, among all but the system's, which is our own."""

    name: ClassVar[str] = "injection"
    version: ClassVar[str] = "3"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 20

    def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``safety``, else allow."""
        origins = exchange.origins or ("system",)
        spans: list[Span] = []
        for part, text in enumerate(exchange.texts):
            origin = origins[part] if part < len(origins) else "user"
            if origin != "system":
                spans += _found(part, text, -_OF_DATA if origin in _DATA else 0.0)
        if not spans:
            return allow()
        kinds = ", ".join(sorted({span.kind for span in spans}))
        return block(Reason.SAFETY, spans=tuple(spans), kinds=f"prompt injection: {kinds}"[:200])


def _found(part: int, text: str, threshold: float) -> list[Span]:
    """Where the attack stands, once for each kind of it."""
    looked = _remembered if len(text) <= _LONGEST_KEPT else _look
    judged = looked(text)
    if judged.score < threshold or judged.end <= judged.start:
        return []
    return [Span(part, judged.start, judged.end, kind) for kind in _kinds(judged)]


_LONGEST_KEPT = 8_000
"""Characters of a text whose score is remembered: a conversation comes again with every turn."""


def as_shown(text: str) -> tuple[str, Sequence[int]]:
    """A text as it reads, and where each of its characters stood."""
    shown, places = visible(text)
    if not shown.isascii() and _MIXED.search(shown):  # letters of two alphabets in one word are meant to look like one
        shown = shown.translate(LOOKALIKES)
    return shown, places


def _look(text: str) -> Judged:
    """What a text scores in the reading that scores most; places are those of the text."""
    shown, places = as_shown(text)
    most = bound(shown)
    built = list(signs(shown, shown.lower(), most.hinted))
    best = judge(shown, built) if most.may_count(built) else NOTHING
    for hidden, start, end in other_readings(shown, most.letters):
        told = judge(hidden)
        if told.score > max(best.score, 0.0):
            best = Judged(told.score, start, end, {**told.weights, "=encoded": told.score})
    if best.end <= best.start:
        return best
    return Judged(best.score, places[best.start], places[best.end - 1] + 1, best.weights)


_remembered = lru_cache(maxsize=256)(_look)


def _kinds(judged: Judged) -> list[str]:
    """What makes up the score, the most first."""
    shares = {
        kind: sum(weight for feature, weight in judged.weights.items() if weight > 0 and _first(feature) in named)
        for kind, named in _TOLD.items()
    }
    least = _LEAST_SHARE * sum(shares.values())
    kinds = sorted((kind for kind, share in shares.items() if share > least), key=lambda kind: -shares[kind])
    return kinds[:_MOST_NAMED] or [_OTHERS]


def _first(feature: str) -> str:
    return re.split("[>+]", feature.lstrip("^"))[0]
