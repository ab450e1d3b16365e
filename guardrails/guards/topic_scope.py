# ruff: noqa: E501, SIM905 - lists of words
"""Whether a request is what an automation is for: by its words and the examples nearest to it, and a cheap model where
that is unsure.

Similarity to examples inside the scope alone turns away a third of what belongs there; examples of what does *not*
belong make the difference (measured on 150 intents, ``docs/guardrails.md``). So there are built-in ones of small talk,
general knowledge and errands, and a team adds its own.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import nlargest
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field

from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block
from guardrails.embeddings import require_embeddings
from guardrails.guards.scope_embeddings import MeaningModel
from guardrails.model_calls import ExpectedModelCalls, ModelCaller
from pricing.tokens import estimate_tokens

NEGATIVES = tuple(Path(__file__).with_name("scope_negatives.txt").read_text("utf-8").splitlines())
"""What most automations are not for: small talk, general knowledge, errands. Written for this project."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_READ = 4_000
"""Characters of the last text that are read: what somebody wants is said early."""
_GREY = 0.25
"""The share of requests that is assumed to be unsure until runs have shown it."""
_INSTRUCTIONS, _YES_OR_NO = 250, 10
"""Tokens of its template and schema, and of an answer to it."""
UNSURE, SURE = 0.15, 0.6
"""Likelihoods between which it is unsure."""
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class ScopeModel:
    """Inside or outside, by naive Bayes over the words and pairs of words of a text, and by the examples nearest to it.

    Words that every request has ("how do i") count little, and a word that no example has speaks against: a request
    of an unforeseen intent is recognised by what it does not share with the examples.

    Args:
        inside: examples of what belongs, at least one.
        outside: examples of what does not, at least one.
        embeddings: also compare what requests mean, which needs the extra ``embeddings``.
    """

    def __init__(self, inside: Sequence[str], outside: Sequence[str], *, embeddings: bool = False) -> None:
        self._meanings = MeaningModel(inside, outside) if embeddings else None
        self._sides = (Counter[str](), Counter[str]())
        for side, texts in zip(self._sides, (outside, inside), strict=True):
            for text in texts:
                side.update(set(_features(text)))
        self._totals = (len(outside), len(inside))
        self._nearest = _NearestExamples(inside, outside)
        self._weights = {feature: self._weight(feature, 0) for feature in self._sides[0].keys() | self._sides[1].keys()}
        self._shift = self._calibrated(inside)

    def _weight(self, feature: str, left_out: int) -> float:
        """How much a feature speaks for the inside, ``left_out`` examples that have it not counted."""
        outside, inside = self._sides[0][feature], self._sides[1][feature] - left_out
        odds = math.log((inside + _SMOOTHING) / (self._totals[1] - left_out + 2 * _SMOOTHING)) - math.log(
            (outside + _SMOOTHING) / (self._totals[0] + 2 * _SMOOTHING)
        )
        return odds * (_COMMON_WEIGHT if _is_common(feature) else 1.0)

    def _calibrated(self, inside: Sequence[str]) -> float:
        """What scores are shifted by, so that few examples would be blocked if they had not been examples.

        A score says different things of ten examples and of a thousand, of narrow scopes and of wide ones.
        """
        if len(inside) < _LEAST_CALIBRATED:
            return 0.0
        step = max(1, len(inside) // _MOST_CALIBRATED)
        scores = sorted(self._score(inside[at], at) for at in range(0, len(inside), step))
        place = (_WRONG_BY_MEANING if self._meanings else _WRONG) * (len(scores) - 1)
        below, above = scores[int(place)], scores[min(int(place) + 1, len(scores) - 1)]
        lowest = below + (place - int(place)) * (above - below)
        shift = math.log(UNSURE / (1 - UNSURE)) - lowest
        return shift if self._meanings else max(-_MOST_RAISED, shift)

    def _score(self, text: str, example: int | None = None) -> float:
        """Log odds of being inside; an example is judged as if it were none."""
        words = self._score_of_words(text, example)
        if self._meanings is None:
            return words
        meaning = (
            self._meanings.score(text[:_READ_MEANING]) if example is None else self._meanings.score_of_example(example)
        )
        return _MEANING_WEIGHT * meaning + _WORDS_BESIDE_MEANING * words

    def _score_of_words(self, text: str, example: int | None) -> float:
        features = set(_features(text))
        if example is None:
            score = sum(self._weights.get(feature, 0.0) for feature in features)
        else:
            score = sum(
                self._weight(feature, 1)
                for feature in features
                if self._sides[1][feature] > 1 or self._sides[0][feature]
            )
        least = 0 if example is None else 1
        strange = sum(
            self._sides[0][feature] + self._sides[1][feature] <= least
            for feature in features
            if feature.isalnum() and feature not in _COMMON
        )
        score -= _STRANGE_WEIGHT * min(strange, _MOST_STRANGE)
        return score + _NEAREST_WEIGHT * self._nearest.difference(text, example)

    def inside(self, text: str) -> float:
        """How likely the text is inside, from 0 to 1."""
        score = self._score(text) + self._shift
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))


_LEAST_CALIBRATED, _MOST_CALIBRATED, _WRONG, _MOST_RAISED = 20, 300, 0.022, 1.0
"""Examples from which on scores are calibrated, how many are judged for that, the share of them that may be blocked,
and how much stricter than without it may become.
"""
_WRONG_BY_MEANING = 0.015
"""Likewise with embeddings, which leave a larger margin."""
_MEANING_WEIGHT, _WORDS_BESIDE_MEANING, _READ_MEANING = 6.0, 0.12, 1_000
"""The weights of the score of meaning and of the score of words beside it, and the characters that are read for
meaning.
"""
_SMOOTHING, _COMMON_WEIGHT, _STRANGE_WEIGHT, _MOST_STRANGE, _NEAREST_WEIGHT = 0.2, 0.25, 1.0, 6, 8.0
"""Chosen on held-out requests (``benchmarks.held_out_intents``); a long request has unknown words whatever it is about.
"""


class _NearestExamples:
    """How much nearer a text is to examples inside than to those outside, by cosine of words and pieces of words."""

    def __init__(self, inside: Sequence[str], outside: Sequence[str]) -> None:
        counts = [Counter(_pieces(text)) for text in (*inside, *outside)]
        self._inside, total = len(inside), len(counts)
        seen = Counter(piece for counted in counts for piece in counted)
        self._rarity = {piece: math.log(total / count) + _LEAST_RARITY for piece, count in seen.items()}
        self._unseen = math.log(total) + 1
        self._holders: dict[str, list[tuple[int, float]]] = {}
        for place, counted in enumerate(counts):
            for piece, weight in self._weighted(counted).items():
                self._holders.setdefault(piece, []).append((place, weight))

    def _weighted(self, counted: Counter[str]) -> dict[str, float]:
        """Counts times rarities, at length one."""
        weights = {piece: count * self._rarity.get(piece, self._unseen) for piece, count in counted.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {piece: weight / length for piece, weight in weights.items()}

    def difference(self, text: str, example: int | None = None) -> float:
        """From -1, like examples outside, to 1, like examples inside; 0 for a text that is like none but itself."""
        cosines: dict[int, float] = {}
        for piece, weight in self._weighted(Counter(_pieces(text))).items():
            for place, held in self._holders.get(piece, ()):
                cosines[place] = cosines.get(place, 0.0) + weight * held
        sides = (list[float](), list[float]())
        for place, cosine in cosines.items():
            if place != example:
                sides[place < self._inside].append(cosine)
        outside, inside = (sum(nlargest(_NEAREST, side)) / _NEAREST for side in sides)
        return inside - outside


_NEAREST, _LEAST_RARITY, _PIECE = 3, 0.3, 4
"""Examples that are compared with; what a piece in every example counts; letters of a piece of a word."""


def _pieces(text: str) -> Iterator[str]:
    telling = [word for word in map(_stem, _WORD.findall(text[:_READ].lower())) if word not in _COMMON]
    yield from telling
    for word in telling:
        yield from (f"#{word[at : at + _PIECE]}" for at in range(max(1, len(word) - _PIECE + 1)))


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


_learnt = lru_cache(maxsize=64)(ScopeModel)


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
        embeddings: compare meanings too, in the languages of ``guardrails.embeddings``; needs that extra.

    Raises:
        ValueError: there is no example, or the extra is missing.
    """

    ask: ModelCaller = field(repr=False)
    inside: tuple[str, ...] = field(repr=False)
    outside: tuple[str, ...] = field(default=(), repr=False)
    topics: str = ""
    block_below: Share = UNSURE
    sure_above: Share = SURE
    unsure: Literal["allow", "ask"] = "allow"
    embeddings: bool = False

    name: ClassVar[str] = "scope"
    version: ClassVar[str] = "4"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 40

    def __post_init__(self) -> None:
        if not self.inside:
            raise ValueError("it needs examples of what is in scope")
        if self.embeddings:
            require_embeddings()

    @property
    def model(self) -> ScopeModel:
        """What it has learnt from the examples, when it is first needed."""
        return _learnt(self.inside, (*NEGATIVES, *self.outside), embeddings=self.embeddings)

    def asks(self) -> ExpectedModelCalls:
        """A question for each request in the grey zone, if that is to be asked about."""
        told = estimate_tokens("\n".join([self.topics, *self.inside[:20]]))
        return ExpectedModelCalls(_GREY if self.unsure == "ask" else 0.0, _INSTRUCTIONS + told, _READ // 4, _YES_OR_NO)

    async def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``scope``, or allow; judged is what the user asks last, not what tools gave back since."""
        text = exchange.texts[exchange.request]
        likely = await asyncio.to_thread(self._likely, text) if self.embeddings else self._likely(text)
        if likely >= self.sure_above:
            return allow()
        if likely < self.block_below:
            return self._outside(0)
        if self.unsure == "allow":
            return allow(unsure=round(likely, 2))
        values = {"topics": self.topics, "examples": self.inside[:20], "text": text[:_READ]}
        told = await self.ask(exchange, "guard_scope.j2", values, Topic)
        return allow(cost_nano=told.cost_nano) if told.value.in_scope else self._outside(told.cost_nano)

    def _likely(self, text: str) -> float:
        return self.model.inside(text)

    def _outside(self, cost: int) -> Verdict:
        if self.topics:
            return block(Reason.SCOPE, cost_nano=cost, topics=self.topics[:200])
        return block(Reason.SCOPE, cost_nano=cost)
