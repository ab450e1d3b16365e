# ruff: noqa: E501, SIM905 - lists of words
"""Whether a request is what an automation is for: naive Bayes over examples, and a cheap model where that is unsure.

Similarity to examples inside the scope alone turns away a third of what belongs there; examples of what does *not*
belong make the difference (measured on 150 intents, ``docs/guardrails.md``). So there are built-in ones of small talk,
general knowledge and errands, and a team adds its own.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field

from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block
from guardrails.model_calls import Ask, ExpectedModelCalls
from pricing.tokens import estimate_tokens

NEGATIVES = tuple(Path(__file__).with_name("scope_negatives.txt").read_text("utf-8").splitlines())
"""What most automations are not for: small talk, general knowledge, errands. Written for this project."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_READ = 4_000
"""Characters of the last text that are read: what somebody wants is said early."""
_GREY = 0.25
"""The share of requests that is assumed to be unsure until runs have told."""
_INSTRUCTIONS, _YES_OR_NO = 250, 10
"""Tokens of its template and schema, and of an answer to it."""
UNSURE, SURE = 0.15, 0.6
"""Likelihoods between which it is unsure."""
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class NaiveBayes:
    """Inside or outside, by the words and pairs of words of a text.

    Words that every request has ("how do i") count little, and a word that no example has speaks against: a request of
    an intent that nobody thought of is told by what it does not share with the examples.

    Args:
        inside: examples of what belongs.
        outside: examples of what does not.

    Raises:
        ValueError: there are none of one kind.
    """

    def __init__(self, inside: Sequence[str], outside: Sequence[str]) -> None:
        if not inside or not outside:
            raise ValueError("it needs examples of what is in scope")
        sides = [Counter[str](), Counter[str]()]
        for side, texts in zip(sides, (outside, inside), strict=True):
            for text in texts:
                side.update(set(_features(text)))
        totals = [len(texts) for texts in (outside, inside)]
        self._weights = {
            feature: (_COMMON_WEIGHT if _is_common(feature) else 1.0)
            * (
                math.log((sides[1][feature] + _SMOOTHING) / (totals[1] + 2 * _SMOOTHING))
                - math.log((sides[0][feature] + _SMOOTHING) / (totals[0] + 2 * _SMOOTHING))
            )
            for feature in sides[0].keys() | sides[1].keys()
        }

    def inside(self, text: str) -> float:
        """How likely the text is inside, from 0 to 1; 0.5 for one without a word that tells anything."""
        features = set(_features(text))
        score = sum(self._weights.get(feature, 0.0) for feature in features)
        strange = sum(
            feature not in self._weights for feature in features if feature.isalnum() and feature not in _COMMON
        )
        score -= _STRANGE_WEIGHT * min(strange, _MOST_STRANGE)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))


_SMOOTHING, _COMMON_WEIGHT, _STRANGE_WEIGHT, _MOST_STRANGE = 0.2, 0.25, 1.0, 6
"""Chosen on held-out requests (``benchmarks.held_out_intents``); a long request has unknown words whatever it is about."""
_COMMON = frozenset(
    """
    a an the i you he she it we they me my your his her its our their is are was were be been am do doe did does have has had can could
    will would should may might to of in on at for from with by and or but not no if so as that this these those thi there here what
    wha how when where who why which please need want like tell show get give make let now just some any about into up out off
    """.split()
)
"""Words, as they are after their endings are cut, that requests of every kind have."""


def _is_common(feature: str) -> bool:
    return all(word in _COMMON for word in feature.split())


def _features(text: str) -> Iterator[str]:
    words = [_stem(word) for word in _WORD.findall(text[:_READ].lower())]
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
    telling = [word for word in words if word not in _COMMON]
    yield from (f"{first}+{second}" for first, second in pairwise(telling))
    yield from (f"#{word[:_BEGINNING]}" for word in telling if len(word) > _BEGINNING)


_BEGINNING = 5


def _stem(word: str) -> str:
    for ending in ("ing", "edly", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) > 2:  # noqa: PLR2004 - what is left must tell a word
            return word.removesuffix(ending)
    return word


class Topic(BaseModel):
    """What a model says of a request."""

    in_scope: bool


@dataclass(frozen=True, slots=True)
class ScopeGuard:
    """Blocks what an automation is not for.

    Args:
        ask: asks a model.
        inside: examples of what it is for, 20 per intent or so.
        outside: examples of what it is not for, besides the built-in ones.
        topics: what it is for, in a few words; for the message, and for the model that is asked.
        block_below: likelihood of being inside below which a request is blocked.
        sure_above: from which on it passes; what lies between is the grey zone.
        unsure: what becomes of the grey zone: ``allow``, or ``ask`` a light model.
    """

    ask: Ask = field(repr=False)
    inside: tuple[str, ...] = field(repr=False)
    outside: tuple[str, ...] = field(default=(), repr=False)
    topics: str = ""
    block_below: Share = UNSURE
    sure_above: Share = SURE
    unsure: Literal["allow", "ask"] = "allow"
    model: NaiveBayes = field(init=False, repr=False)

    name: ClassVar[str] = "scope"
    version: ClassVar[str] = "2"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 40

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", NaiveBayes(self.inside, (*NEGATIVES, *self.outside)))

    def asks(self) -> ExpectedModelCalls:
        """A question for each request in the grey zone, if that is to be asked about."""
        told = estimate_tokens("\n".join([self.topics, *self.inside[:20]]))
        return ExpectedModelCalls(_GREY if self.unsure == "ask" else 0.0, _INSTRUCTIONS + told, _READ // 4, _YES_OR_NO)

    async def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``scope``, or allow; judged is what the user asks last, not what tools gave back since."""
        text = exchange.texts[exchange.request]
        likely = self.model.inside(text)
        if likely >= self.sure_above:
            return allow()
        if likely < self.block_below:
            return self._outside(0)
        if self.unsure == "allow":
            return allow(unsure=round(likely, 2))
        values = {"topics": self.topics, "examples": self.inside[:20], "text": text[:_READ]}
        told = await self.ask(exchange, "guard_scope.j2", values, Topic)
        return allow(cost_nano=told.cost_nano) if told.value.in_scope else self._outside(told.cost_nano)

    def _outside(self, cost: int) -> Verdict:
        if self.topics:
            return block(Reason.SCOPE, cost_nano=cost, topics=self.topics[:200])
        return block(Reason.SCOPE, cost_nano=cost)
