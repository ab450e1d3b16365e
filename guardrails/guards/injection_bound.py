"""The most that a text can score as a prompt injection, from its words alone and at a fraction of a look's cost.

A text that cannot reach what counts is not looked at any further. Weights of pairs are added without asking whether two
of them are the same, and no negative weight is, so that the bound is never below the score of a full evaluation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from guardrails.guards.injection_model import (
    BEGINNING,
    ENDS,
    LEAST_SCORE,
    LENGTH_FEATURES,
    LONGEST_SENTENCE,
    REACH,
    begun_phrases,
    first_features,
    folded,
    meanings_of,
    tokens_of,
    weighted_pairs,
    weights,
)
from guardrails.guards.injection_signs import hinted_by

_MOST_KEPT = 16_384
_ROUNDED = 1e-6
"""Sums of the same weights differ by their order."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What matters of a word."""

    letter: bool = False
    phrase: bool = False
    hinted: int = 0
    meanings: frozenset[str] = frozenset()
    weight: float = 0.0
    first_weight: float = 0.0


_END = _Word()
"""Stands for the end of a sentence."""


class _KnownWords(dict[str, _Word | None]):
    """By token; None for a word that matters to nothing. A lookup of a word that was met before runs no Python."""

    def __missing__(self, token: str) -> _Word | None:
        if len(self) >= _MOST_KEPT:
            self.clear()
        word = self[token] = _word(token)
        return word


_KNOWN = _KnownWords()


def _word(token: str) -> _Word | None:
    if token[0] in ENDS:
        return _END
    if token.isdecimal() and len(token) > 1:  # no number means or hints at anything
        return None
    meanings, phrase = meanings_of(token)
    hinted, letter = hinted_by(token), len(token) == 1
    if not (meanings or phrase or hinted or letter):
        return None
    return _Word(
        letter=letter,
        phrase=phrase,
        hinted=hinted,
        meanings=meanings,
        weight=_positive(meanings),
        first_weight=_positive(first_features(meanings)),
    )


def _positive(features: Iterable[str]) -> float:
    known = weights()
    return sum(weight for feature in features if (weight := known.get(feature, 0.0)) > 0)


@lru_cache(maxsize=65_536)
def _pair_weight(first: frozenset[str], second: frozenset[str], joints: str) -> float:
    return _positive(weighted_pairs(first, second, joints))


_Read = tuple[int, frozenset[str], float, float]
"""Place of a word, its meanings, and what they weigh at most, within a sentence and as its first."""


@dataclass(slots=True)
class _Sentence:
    """A sentence, or a part of one that is too long: where it begins, and its words that mean something."""

    begin: int
    read: Sequence[_Read]

    def begins(self) -> bool:
        """Whether its first word with a meaning counts as one that begins a sentence."""
        return self.read[0][0] - self.begin <= BEGINNING

    def most(self) -> float:
        """What it weighs at most."""
        total = self.read[0][3] if self.begins() else 0.0
        if len(self.read) == 1:
            return total + self.read[0][2]
        for index, (at, meanings, weight, _) in enumerate(self.read):
            total += weight
            for after, others, _, _ in self.read[index + 1 : index + 1 + REACH]:
                if after - at > REACH:
                    break
                total += _pair_weight(meanings, others, ">+" if after == at + 1 else ">")
        return total

    def features(self) -> set[str]:
        """Its features that may weigh something."""
        found = set(first_features(self.read[0][1])) if self.begins() else set()
        for index, (at, meanings, _, _) in enumerate(self.read):
            found |= meanings
            for after, others, _, _ in self.read[index + 1 : index + 1 + REACH]:
                if after - at > REACH:
                    break
                found |= weighted_pairs(meanings, others, ">+" if after == at + 1 else ">")
        return found


@dataclass(frozen=True, slots=True)
class Bound:
    """What the words of a text tell of it.

    Args:
        sentences: those in which something means something, each with what it weighs at most.
        hinted: the signs of structure that words of the text hint at, as bits.
        letters: words of a single letter or digit.
    """

    sentences: Sequence[tuple[float, _Sentence]]
    hinted: int
    letters: int

    def may_count(self, signs: Iterable[tuple[str, int, int]], least_score: float = LEAST_SCORE) -> bool:
        """Whether a text with these signs of structure may score more than ``least_score``."""
        built = {f"={kind}" for kind, _, _ in signs}
        least = least_score - _ROUNDED - weights()["bias"] - _positive(built) - _positive(LENGTH_FEATURES)
        sentences = self.sentences
        if len(sentences) <= 1:
            return sum(most for most, _ in sentences) > least
        before, last = sentences[0]
        for most, sentence in sentences[1:]:
            if before + most > least and (built or _weigh(last, sentence) > least):
                return True
            before, last = most, sentence
        return False


def _weigh(first: _Sentence, second: _Sentence) -> float:
    """What two sentences in a row weigh without signs of structure and whatever their length."""
    known = weights()
    found = first.features() | second.features()
    return sum(known.get(feature, 0.0) for feature in found)


def bound(text: str) -> Bound:
    """What a text, as it reads, scores at most."""
    hinted = letters = begin = 0
    sentences: list[tuple[float, _Sentence]] = []
    read: list[_Read] = []
    tokens = tokens_of(folded(text))
    for at, word in [(at, word) for at, word in enumerate(map(_KNOWN.__getitem__, tokens)) if word is not None]:
        if word is _END:
            if read:
                sentences += _parts(read, begin, at)
                read = []
            begin = at + 1
            continue
        hinted |= word.hinted
        letters += word.letter
        phrases = begun_phrases(tokens, at) if word.phrase else None
        if phrases:
            meanings = word.meanings | phrases
            read.append((at, meanings, _positive(meanings), _positive(first_features(meanings))))
        elif word.meanings:
            read.append((at, word.meanings, word.weight, word.first_weight))
    sentences += _parts(read, begin, len(tokens))
    return Bound(sentences, hinted, letters)


def _parts(read: Sequence[_Read], begin: int, end: int) -> Iterator[tuple[float, _Sentence]]:
    """A sentence from one place to another, or the parts of one that is too long, if they mean something."""
    if not read:
        return
    if end - begin < LONGEST_SENTENCE:
        whole = _Sentence(begin, read)
        yield whole.most(), whole
        return
    for start in range(begin, end, LONGEST_SENTENCE - REACH):
        first = bisect_left(read, start, key=itemgetter(0))
        last = bisect_left(read, start + LONGEST_SENTENCE, first, key=itemgetter(0))
        if first < last:
            part = _Sentence(start, read[first:last])
            yield part.most(), part
