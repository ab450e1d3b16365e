"""Patterns of prompt injection: telemetry, not a wall.

Phrases that try to take over a model catch about a quarter of attacks (measured, ``docs/guardrails.md``); what keeps a
system safe is few permissions and delimited data. So this guard only watches unless it is told otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from guardrails.hints import has_any
from guardrails.verdicts import Direction, Exchange, Reason, Span, Verdict, allow, block

_PATTERNS = {
    "override": r"""\b(?:ignore|disregard|forget|override|bypass|do\ not\ follow)
        \ (?:(?:all|any|the|your|my|these|those|of|previous|prior|above|earlier|preceding|initial|original)\ ){1,5}
        (?:\w{1,20}\ ){0,2}(?:instruction|prompt|rule|direction|guideline|command|context|constraint)s?\b""",
    "reveal": r"""\b(?:reveal|show|print|repeat|output|display|tell|give|leak|what\ (?:is|are|were))\ (?:me\ )?
        (?:(?:all|the|your|of|exact|full|entire|hidden|initial|original|above|verbatim)\ ){1,5}
        (?:system\ ?prompt|instructions?|prompt|configuration|guidelines)\b""",
    "role": r"""\b(?:you\ are\ now|from\ now\ on,?\ you\ (?:are|will|must)|pretend\ (?:to\ be|you\ are)|
        act\ as\ (?:if\ you\ (?:are|were|have\ no)|an?\ (?:unrestricted|unfiltered|evil|jailbroken)))\b""",
    "mode": r"""\b(?:(?:DAN|developer|god|jailbreak(?:ed)?)\ mode|do\ anything\ now|
        without\ any\ (?:restriction|filter|limitation|censorship)s?)\b""",
    "markup": r"""<\|?(?:im_start|im_end|system|endoftext|assistant)\|?>|\[/?INST\]|<</?SYS>>|
        ^\#{2,4}[ ]?(?:system|instruction)s?[ ]?:?[ ]?$""",
}
"""In them a blank stands for up to four of any kind."""
_COMPILED = {
    kind: re.compile(pattern.replace(r"\ ", r"\s{1,4}"), re.IGNORECASE | re.MULTILINE | re.VERBOSE)
    for kind, pattern in _PATTERNS.items()
}
_HINTS = {
    "override": ("ignore", "disregard", "forget", "override", "bypass", "follow"),
    "reveal": ("prompt", "instruction", "configuration", "guidelines"),
    "role": ("now", "pretend", "act"),
    "mode": ("mode", "anything", "without"),
    "markup": ("<", "[", "##"),
}
"""Of each kind some text that no phrase of it is without: looking for it takes a fraction of looking for a phrase."""
_MOST_SPANS = 50


@dataclass(frozen=True, slots=True)
class InjectionGuard:
    """Finds phrases that try to take over the model, in all texts but the system's, which is our own."""

    name: ClassVar[str] = "injection"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 20

    def check(self, exchange: Exchange) -> Verdict:
        """Block with ``safety``, else allow."""
        origins = exchange.origins or ("system",)
        read = [part for part in range(len(exchange.texts)) if part >= len(origins) or origins[part] != "system"]
        spans = [span for part in read for span in _found(part, exchange.texts[part])][:_MOST_SPANS]
        if not spans:
            return allow()
        kinds = ", ".join(sorted({span.kind for span in spans}))
        return block(Reason.SAFETY, spans=tuple(spans), kinds=f"prompt injection: {kinds}")


def _found(part: int, text: str) -> Iterator[Span]:
    lowered = text.casefold()
    for kind, pattern in _COMPILED.items():
        if has_any(lowered, _HINTS[kind]):
            yield from (Span(part, match.start(), match.end(), kind) for match in pattern.finditer(text))
