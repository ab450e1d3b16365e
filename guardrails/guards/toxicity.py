# ruff: noqa: E501 - a pattern is easier to check unbroken
"""Words that an answer should not use. A list finds swearing, not ill will: for that there is the judge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Literal

from pydantic import BaseModel

from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, block, retry
from guardrails.model_calls import ExpectedModelCalls, ModelCaller
from guardrails.text_matching import Phrases, visible

_WORDS = [
    "arsehole",
    "arseholes",
    "asshole",
    "assholes",
    "bastards",
    "bitch",
    "bitches",
    "bitchy",
    "bollocks",
    "bullshit",
    "cocksucker",
    "cocksuckers",
    "cockhead",
    "crap",
    "crappy",
    "cunt",
    "cunts",
    "dickhead",
    "dickheads",
    "dumbass",
    "fag",
    "fags",
    "faggot",
    "faggots",
    "biatch",
    "fck",
    "fcked",
    "fcking",
    "fuk",
    "fuking",
    "fvck",
    "phuck",
    "fuck",
    "fucker",
    "fuckers",
    "fucked",
    "fucking",
    "fucks",
    "motherfucker",
    "motherfuckers",
    "motherfucking",
    "goddamn",
    "jackass",
    "kike",
    "kikes",
    "nigger",
    "niggers",
    "nigga",
    "niggas",
    "shit",
    "shitty",
    "shithead",
    "shits",
    "slut",
    "sluts",
    "slutty",
    "trannies",
    "tranny",
    "twat",
    "twats",
    "wanker",
    "wankers",
    "whore",
    "whores",
]
_PHRASES = ("piss off", "pissed off", "dumb ass", "mother fucker", "mother fucking")
_AMBIGUOUS = {
    "prick": r"\b(?:you|an?|such|what|that|this|little|stupid|fucking|arrogant|complete|total)[ ]{1,3}(?:\w{1,15}[ ]{1,3})?pricks?\b(?![ ]{1,3}(?:of|your|the|my|his|her|their|its|it|in|on|test|with|up|at))",
    "bastard": r"\bbastard\b(?![ ]{1,3}(?:sword|file|amber|title|wing|saffron|toadflax))",
    "pussy": r"\bpuss(?:y|ies)\b(?![ -]{0,2}(?:cat|willow|foot))",
    "retard": r"\b(?:you|an?|such|what|that|this|fucking|stupid|these|those)[ ]{1,3}retards?\b(?![ ]{1,3}(?:the|growth|effect|of))",
    "retarded": r"\bretarded\b(?![ ]{1,3}(?:growth|development|fall|ignition|time|potentials?|timing|bone|motion))",
    "spic": r"\bspics?\b(?![ ]{1,3}(?:and|&|n)[ ]{1,3}span)",
}
"""Words that mean something else as well: where they are meant so."""
_INSTRUCTIONS, _YES_OR_NO, _ALL = 250, 10, 100_000
"""Tokens of its template and schema, of an answer to it, and the most that it reads."""
_COMPILED = {word: re.compile(pattern, re.IGNORECASE) for word, pattern in _AMBIGUOUS.items()}
_MOST_NAMED, _LONGEST = 5, 200


_STARRED = re.compile(r"(?<![\w*])[A-Za-z][A-Za-z]{0,12}[*#]{1,3}[A-Za-z*#]{0,12}(?![\w*])")
_DRAWN_OUT = re.compile(r"(?<!\w)[A-Za-z]{2,24}(?!\w)")
_THRICE = re.compile(r"([A-Za-z])\1{2,}")
_LEAST_STARRED, _MOST_STARRED = 4, 1_000
"""Letters of a word some of which may be starred out: of shorter ones too little is left; such words that are read."""


class Tone(BaseModel):
    """What a model says of an answer."""

    appropriate: bool


@dataclass(frozen=True, slots=True)
class InappropriateGuard:
    """Sends swearing back, and if asked to has a model look at the rest.

    Args:
        ask: asks a model.
        more: further words, found whole and in any case.
        allowed: listed words that are fine here.
        judge: ask a model whether an answer without such words is fit to be shown; each answer then costs a turn.
        on_find: ``retry`` asks once for another answer, ``block`` withholds it.
    """

    ask: ModelCaller = field(repr=False)
    more: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    judge: bool = False
    on_find: Literal["retry", "block"] = "retry"
    listed: Phrases = field(init=False, repr=False)
    plain: Mapping[str, None] = field(init=False, repr=False)
    """Those of letters alone, in alphabetical order: which one is named must not depend on the process."""

    name: ClassVar[str] = "inappropriate"
    version: ClassVar[str] = "3"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 35

    def __post_init__(self) -> None:
        fine = {word.lower() for word in self.allowed}
        words = [word for word in dict.fromkeys((*_WORDS, *_PHRASES, *self.more)) if word.lower() not in fine]
        object.__setattr__(self, "listed", Phrases((word, word) for word in words))
        object.__setattr__(self, "plain", dict.fromkeys(sorted(word.lower() for word in words if word.isalpha())))

    def asks(self) -> ExpectedModelCalls:
        """One question for each answer, if a model is to look at them."""
        return ExpectedModelCalls(1.0 if self.judge else 0.0, _INSTRUCTIONS, _ALL, _YES_OR_NO)

    async def check(self, exchange: GuardInput) -> Verdict:
        """Retry or block with ``safety``, else allow."""
        found = [(part, *place) for part, text in enumerate(exchange.texts) for place in self._found(text)]
        answer = retry if self.on_find == "retry" else block
        if found:
            spans = tuple(Span(part, start, end, "word") for part, start, end, _ in found)
            words = ", ".join(sorted({word for *_, word in found})[:_MOST_NAMED])
            return answer(Reason.SAFETY, spans=spans, kinds=f"swearing: {words}"[:_LONGEST], count=len(spans))
        if not self.judge:
            return allow()
        tone = await self.ask(exchange, "guard_inappropriate.j2", {"answer": exchange.as_text}, Tone)
        if tone.value.appropriate:
            return allow(cost_nano=tone.cost_nano)
        return answer(Reason.SAFETY, cost_nano=tone.cost_nano, kinds="tone")

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where listed words stand, and which: the list's spelling, not the text's."""
        yield from self.listed.find(text)
        shown, places = visible(text)
        for start, end, word in (*self._starred(shown), *self._drawn_out(shown)):
            yield places[start], places[end - 1] + 1, word
        fine = {word.lower() for word in self.allowed}
        for word, pattern in _COMPILED.items():
            if word not in fine:
                for match in pattern.finditer(shown):
                    yield places[match.start()], places[match.end() - 1] + 1, word

    def _starred(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Words with signs for some of their letters."""
        for match in islice(_STARRED.finditer(text), _MOST_STARRED) if "*" in text or "#" in text else ():
            written = match[0].lower()
            for word in self.plain:
                if len(word) == len(written) >= _LEAST_STARRED and all(
                    sign in ("*", "#", letter) for sign, letter in zip(written, word, strict=True)
                ):
                    yield match.start(), match.end(), word
                    break

    def _drawn_out(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Words with a letter three times or more in a row."""
        for match in _DRAWN_OUT.finditer(text) if _THRICE.search(text) else ():
            short = _THRICE.sub(r"\1", match[0]).lower()
            if short != match[0].lower() and short in self.plain:
                yield match.start(), match.end(), short
