"""The most that a text can score as a prompt injection, from its words alone and at a fraction of a look's cost.

A text that cannot reach what counts is not looked at any further. Weights of pairs are added without asking whether two
of them are the same, and no negative weight is, so that the bound is never below the score of a full evaluation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import TypeVar

from guardrails.guards.injection_model import (
    BEGINNING,
    END,
    ENDS,
    LEAST_SCORE,
    LENGTH_FEATURES,
    LONGEST_SENTENCE,
    NO_FEATURES,
    REACH,
    as_read,
    begun_phrases,
    cut,
    first_features,
    meanings_of,
    tokens_of,
    weighted_beside,
    weighted_pairs,
    weighted_word,
    weights,
)
from guardrails.guards.injection_signs import hinted_by

_MOST_KEPT = 16_384
_ROUNDED = 1e-6
"""Sums of the same weights differ by their order."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What matters of a word."""

    letter: bool
    phrase: bool
    hinted: int
    meanings: frozenset[str]
    weight: float
    first_weight: float
    spelt: frozenset[str]
    spelt_weight: float
    beside: Mapping[str, str]


_END = _Word(False, False, 0, NO_FEATURES, 0.0, 0.0, NO_FEATURES, 0.0, {})
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
    word = cut(token)
    spelt, beside = weighted_word(word), weighted_beside(word)
    number = token.isdecimal() and len(token) > 1  # which means and hints at nothing
    meanings, phrase = (NO_FEATURES, False) if number else meanings_of(token)
    hinted, letter = 0 if number else hinted_by(token), len(token) == 1
    if not (meanings or phrase or hinted or letter or spelt or beside):
        return None
    return _Word(
        letter=letter,
        phrase=phrase,
        hinted=hinted,
        meanings=meanings,
        weight=_positive(meanings),
        first_weight=_positive(first_features(meanings)),
        spelt=spelt,
        spelt_weight=_positive(spelt),
        beside=beside,
    )


def _positive(features: Iterable[str]) -> float:
    known = weights()
    return sum(weight for feature in features if (weight := known.get(feature, 0.0)) > 0)


@lru_cache(maxsize=65_536)
def _pair_weight(first: frozenset[str], second: frozenset[str], joints: str) -> float:
    return _positive(weighted_pairs(first, second, joints))


_Read = tuple[int, frozenset[str], float, float]
"""Place of a word, its meanings, and what they weigh at most, within a sentence and as its first."""
_Spelt = tuple[int, frozenset[str], float]
"""Place of a word, or of the second of two in a row, the features of its letters, and what they weigh at most."""
_Placed = TypeVar("_Placed", _Read, _Spelt)


@dataclass(slots=True)
class _Sentence:
    """A sentence, or a part of one that is too long: where it begins, its words that mean something, and what features
    its words have themselves.
    """

    begin: int
    read: Sequence[_Read]
    spelt: Sequence[_Spelt]

    def begins(self) -> bool:
        """Whether its first word with a meaning counts as one that begins a sentence."""
        return bool(self.read) and self.read[0][0] - self.begin <= BEGINNING

    def most(self) -> float:
        """What it weighs at most."""
        total = sum(weight for _, _, weight in self.spelt) + (self.read[0][3] if self.begins() else 0.0)
        for index, (at, meanings, weight, _) in enumerate(self.read):
            total += weight
            for after, others, _, _ in self.read[index + 1 : index + 1 + REACH]:
                if after - at > REACH:
                    break
                total += _pair_weight(meanings, others, ">+" if after == at + 1 else ">")
        return total

    def features(self) -> set[str]:
        """Its features that may weigh something."""
        found = set(chain.from_iterable(features for _, features, _ in self.spelt))
        if self.begins():
            found |= first_features(self.read[0][1])
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
        sentences: those in which something weighs something, each with what it weighs at most.
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
        before, last = 0.0, _NO_SENTENCE
        looked_last: tuple[set[str], float] | None = None
        for most, sentence in self.sentences:
            looked = None
            if before + most > least:
                if built:
                    return True
                features, weight = looked = _look(sentence)
                others, other = looked_last or _look(last)
                if max(weight, weight + other - _weigh(features & others)) > least:
                    return True
            before, last, looked_last = most, sentence, looked
        return False


_NO_SENTENCE = _Sentence(0, (), ())


def _look(sentence: _Sentence) -> tuple[set[str], float]:
    """The features of a sentence and what they weigh, without signs of structure and whatever the length."""
    found = sentence.features()
    return found, _weigh(found)


def _weigh(features: Iterable[str]) -> float:
    known = weights()
    return sum([known.get(feature, 0.0) for feature in features])


def bound(text: str) -> Bound:
    """What a text, as it reads, scores at most."""
    hinted = letters = begin = 0
    sentences: list[tuple[float, _Sentence]] = []
    read: list[_Read] = []
    spelt: list[_Spelt] = []
    pairs: list[_Spelt] = []
    known: dict[tuple[str, ...], Sequence[tuple[float, _Sentence]]] = {}
    tokens = [*tokens_of(as_read(text)), END]
    for at, word in [(at, word) for at, word in enumerate(map(_KNOWN.__getitem__, tokens)) if word is not None]:
        if word is _END:
            said = tuple(tokens[begin:at])
            if said not in known:  # a text may say the same a thousand times
                known[said] = list(_parts(read, spelt, pairs, begin, at))
            sentences += known[said]
            read, spelt, pairs, begin = [], [], [], at + 1
            continue
        hinted |= word.hinted
        letters += word.letter
        phrases = begun_phrases(tokens, at) if word.phrase else None
        if phrases:
            meanings = word.meanings | phrases
            read.append((at, meanings, _positive(meanings), _positive(first_features(meanings))))
        elif word.meanings:
            read.append((at, word.meanings, word.weight, word.first_weight))
        if word.spelt:
            spelt.append((at, word.spelt, word.spelt_weight))
        if word.beside and (feature := word.beside.get(cut(tokens[at + 1]))):
            pairs.append((at + 1, frozenset({feature}), _positive((feature,))))
    return Bound(sentences, hinted, letters)


def _parts(
    read: Sequence[_Read], spelt: Sequence[_Spelt], pairs: Sequence[_Spelt], begin: int, end: int
) -> Iterator[tuple[float, _Sentence]]:
    """A sentence from one place to another, or the parts of one that is too long, as the model takes them, if they
    weigh something.
    """
    if not read and not spelt and not pairs:
        return
    if end - begin < LONGEST_SENTENCE:
        whole = _Sentence(begin, read, [*spelt, *pairs])
        yield whole.most(), whole
        return
    for start in range(begin, end - REACH + 1, LONGEST_SENTENCE - REACH):
        stop = start + LONGEST_SENTENCE
        words = [*_within(spelt, start, stop), *_within(pairs, start + 1, stop)]
        part = _Sentence(start, _within(read, start, stop), words)
        yield part.most(), part


def _within(words: Sequence[_Placed], start: int, stop: int) -> Sequence[_Placed]:
    """Those of some words that stand between two places."""
    first = bisect_left(words, start, key=itemgetter(0))
    return words[first : bisect_left(words, stop, first, key=itemgetter(0))]
