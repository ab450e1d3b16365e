"""Words that an answer should not use. A list finds swearing, not ill will: for that there is the judge."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import BaseModel

from guardrails.asking import Ask, Asks
from guardrails.verdicts import Direction, Exchange, Reason, Span, Verdict, allow, block, retry

_WORDS = (
    "arsehole|asshole|bastard|bitch(?:es|y)?|bollocks|bullshit|cock(?:sucker|head)|crap(?:py)?|cunt|dickhead|"
    "dumbass|fag(?:got)?s?|(?:mother)?fuck(?:er|ers|ed|ing|s)?|goddamn|jackass|kike|nigg(?:er|a)s?|"
    "piss(?:ed)?\\soff|prick|pussy|retard(?:ed)?|shit(?:ty|head|s)?|slut(?:ty)?|spic|tranny|twat|wanker|whore"
)
_INSTRUCTIONS, _YES_OR_NO, _ALL = 250, 10, 100_000
"""Tokens of its template and schema, of an answer to it, and the most that it reads."""
_LISTED = re.compile(rf"(?<!\w)(?:{_WORDS})(?!\w)", re.IGNORECASE)


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

    ask: Ask = field(repr=False)
    more: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    judge: bool = False
    on_find: Literal["retry", "block"] = "retry"

    name: ClassVar[str] = "inappropriate"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 35

    def asks(self) -> Asks:
        """One question for each answer, if a model is to look at them."""
        return Asks(1.0 if self.judge else 0.0, _INSTRUCTIONS, _ALL, _YES_OR_NO)

    async def check(self, exchange: Exchange) -> Verdict:
        """Retry or block with ``safety``, else allow."""
        spans = tuple(
            Span(part, match.start(), match.end(), "word")
            for part, text in enumerate(exchange.texts)
            for match in self._matches(text)
        )
        answer = retry if self.on_find == "retry" else block
        if spans:
            return answer(Reason.SAFETY, spans=spans, kinds="swearing", count=len(spans))
        if not self.judge:
            return allow()
        told = await self.ask(exchange, "guard_inappropriate.j2", {"answer": exchange.as_text}, Tone)
        if told.value.appropriate:
            return allow(cost_nano=told.cost_nano)
        return answer(Reason.SAFETY, cost_nano=told.cost_nano, kinds="tone")

    def _matches(self, text: str) -> list[re.Match[str]]:
        fine = {word.lower() for word in self.allowed}
        found = [match for match in _LISTED.finditer(text) if match[0].lower() not in fine]
        if self.more:
            words = "|".join(map(re.escape, self.more))
            found += re.finditer(rf"(?<!\w)(?:{words})(?!\w)", text, re.IGNORECASE)
        return found
