# ruff: noqa: E501, SIM905 - lists of words
"""How much the words of a request are those of examples of what belongs, compared with examples of what does not.

Naive Bayes over words and pairs of words, and the nearest examples by words and pieces of words. An example can be
scored as if it were none, so that a threshold can be chosen without another set.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import nlargest
from itertools import pairwise

READ = 4_000
"""Characters of a text that are read: what somebody wants is said early."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


class WordsModel:
    """Scores requests by their words: log odds of being inside.

    Words that every request has ("how do i") count little, and a word that no example has speaks against: a request
    of an unforeseen intent is recognised by what it does not share with the examples.

    Args:
        inside: examples of what belongs, at least one.
        outside: examples of what does not.
    """

    def __init__(self, inside: Sequence[str], outside: Sequence[str]) -> None:
        self._sides = (Counter[str](), Counter[str]())
        for side, texts in zip(self._sides, (outside, inside), strict=True):
            for text in texts:
                side.update(set(_features(text)))
        self._totals = (len(outside), len(inside))
        self._nearest = _NearestExamples(inside, outside)
        self._weights = {feature: self._weight(feature, 0) for feature in self._sides[0].keys() | self._sides[1].keys()}

    def _weight(self, feature: str, left_out: int) -> float:
        """How much a feature speaks for the inside, ``left_out`` examples that have it not counted."""
        outside, inside = self._sides[0][feature], self._sides[1][feature] - left_out
        odds = math.log((inside + _SMOOTHING) / (self._totals[1] - left_out + 2 * _SMOOTHING)) - math.log(
            (outside + _SMOOTHING) / (self._totals[0] + 2 * _SMOOTHING)
        )
        return odds * (_COMMON_WEIGHT if _is_common(feature) else 1.0)

    def score(self, text: str, example: int | None = None) -> float:
        """Of a request; or of an example inside, by its place, had it not been one."""
        features = set(_features(text))
        if example is None:
            score = math.fsum(self._weights.get(feature, 0.0) for feature in features)
        else:
            score = math.fsum(
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


_SMOOTHING, _COMMON_WEIGHT, _STRANGE_WEIGHT, _MOST_STRANGE, _NEAREST_WEIGHT = 0.2, 0.25, 1.0, 6, 8.0
"""Chosen on held-out requests (``benchmarks.held_out_intents``); a long request has unknown words whatever it is about.
"""


def apart(inside: Sequence[str], background: Sequence[str]) -> list[str]:
    """Texts that are not as near to examples inside as most of these are to each other, and so may count as outside."""
    nearest = _NearestExamples(inside, background)
    step = max(1, len(inside) // _MOST_COMPARED)
    usual = sorted(nearest.closest(inside[place], place) for place in range(0, len(inside), step))
    least = usual[int(_NEAR * len(usual))]
    return [text for text in background if nearest.closest(text) < least] if least > 0 else list(background)


_NEAR, _MOST_COMPARED = 0.25, 300
"""The share of examples inside that are further from all others than what is left out, and how many are looked at."""


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

    def _cosines(self, text: str, example: int | None = None) -> tuple[list[float], list[float]]:
        """With the examples outside and inside that it shares a piece with, but itself."""
        cosines: dict[int, float] = {}
        for piece, weight in self._weighted(Counter(_pieces(text))).items():
            for place, held in self._holders.get(piece, ()):
                cosines[place] = cosines.get(place, 0.0) + weight * held
        sides = (list[float](), list[float]())
        for place, cosine in cosines.items():
            if place != example:
                sides[place < self._inside].append(cosine)
        return sides

    def closest(self, text: str, example: int | None = None) -> float:
        """The largest cosine with an example inside, from 0 to 1; not with itself, where it is one."""
        return max(self._cosines(text, example)[1], default=0.0)

    def _weighted(self, counted: Counter[str]) -> dict[str, float]:
        """Counts times rarities, at length one."""
        weights = {piece: count * self._rarity.get(piece, self._unseen) for piece, count in counted.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {piece: weight / length for piece, weight in weights.items()}

    def difference(self, text: str, example: int | None = None) -> float:
        """From -1, like examples outside, to 1, like examples inside; 0 for a text that is like none but itself."""
        sides = self._cosines(text, example)
        outside, inside = (sum(nlargest(_NEAREST, side)) / _NEAREST for side in sides)
        return inside - outside


_NEAREST, _LEAST_RARITY, _PIECE = 3, 0.3, 4
"""Examples that are compared with; what a piece in every example counts; letters of a piece of a word."""


def _pieces(text: str) -> Iterator[str]:
    content_words = [word for word in map(_stem, _WORD.findall(text[:READ].lower())) if word not in _COMMON]
    yield from content_words
    for word in content_words:
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
    words = [_stem(word) for word in _WORD.findall(text[:READ].lower())]
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
    content_words = [word for word in words if word not in _COMMON]
    yield from (f"{first}+{second}" for first, second in pairwise(content_words))
    yield from (f"#{word[:_BEGINNING]}" for word in content_words if len(word) > _BEGINNING)


_BEGINNING = 5


def _stem(word: str) -> str:
    for ending in ("ing", "edly", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) > 2:  # noqa: PLR2004 - what is left must tell a word
            return word.removesuffix(ending)
    return word
