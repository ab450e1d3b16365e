"""A linear model of prompt injection: which meanings and words stand close to each other, and what each weighs.

Words of many languages are read as meanings (``injection_words.txt``): *ignore*, *vergiss* and 忘记 are all ``drop``.
A feature is a meaning, an ordered pair of meanings within seven words, a word itself, how a longer word begins, two
words in a row, or a sign of structure; its weight stands in ``injection_weights.txt``, made by
``python -m benchmarks.train_injections``. What a text scores is the best of one sentence or two in a row, so that a
long text gathers nothing. All of it takes time that grows with the length of the text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

from guardrails.guards.injection_negation import without_negated_verbs
from guardrails.text_matching import CharacterTable, translated

_HERE = Path(__file__)
UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
"""Scripts without blanks between words: Thai, Japanese, Chinese."""
REACH, LONGEST_SENTENCE, _LONGEST_WORD = 7, 30, 24
"""Words that a pair may be apart; words of a sentence and letters of a word that count."""
_LENGTHS = (80, 120, 160, 240, 320)
"""Characters of sentences judged together from which on they have a feature of their length."""
LENGTH_FEATURES = tuple(f"#{most}" for most in _LENGTHS)
_LONG = "#160"
BEGINNING = 1
"""Place of the last word that counts as the first of a sentence: an order begins with its verb, or with *please*."""
END = ".!?;。！？؟।|"
_STEM, _MOST_WORDS = 5, 16_384
"""Letters of the beginning of a word that is longer; words whose features are remembered."""
ENDS = f"{END}\n"
_ACCENTED = re.compile("[\u00c0-\u024f\u1e00-\u1eff\u0370-\u03ff\u0401\u0451]")
_OTHERS = dict(zip("øØłŁđĐıßæÆ’ʼ", "oOlLdDisaA''", strict=True))


def _folded(character: str) -> str:
    plain = _OTHERS.get(character)
    return plain or (unicodedata.normalize("NFD", character)[0] if _ACCENTED.match(character) else character)


_FOLDED = CharacterTable(_folded)
"""Letters without their accents, one for one: places stay."""


_NEW_LINE = r"\n(?=[ \t\r]{0,8}(?:[^\w\s]|\d|\n))"
_ASCII_END = re.compile(rf"[.!?;|]|{_NEW_LINE}")
_ANY_END = re.compile(rf"[{re.escape(END)}]|{_NEW_LINE}")
_ASCII_TOKEN = re.compile(rf"[a-z0-9]+(?:'[a-z0-9]+)*|{_ASCII_END.pattern}")
_SPACED_TOKEN = re.compile(rf"[^\W_]+(?:'[^\W_]+)*|{_ANY_END.pattern}")
_ANY_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Judged:
    """What the two most suspicious sentences score.

    Args:
        score: from 0 on it is an attack, more likely so the higher it is.
        start: where they begin, in characters.
        end: where they end, exclusive.
        weights: their features, each with its weight.
    """

    score: float
    start: int
    end: int
    weights: Mapping[str, float]


NOTHING = Judged(-math.inf, 0, 0, {})
"""Of a text that is far from an attack."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The lexicon: meanings by whole word, by beginning, by phrase, and by piece of an unspaced script."""

    whole: Mapping[str, frozenset[str]]
    begun: Mapping[str, frozenset[str]]
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]
    unspaced: re.Pattern[str]
    longest_phrase: int

    def token(self, text: str) -> re.Pattern[str]:
        """What a word, or the end of a sentence, looks like in a folded text: the cheapest pattern that does."""
        if text.isascii():
            return _ASCII_TOKEN
        return self.unspaced if _ANY_UNSPACED.search(text) else _SPACED_TOKEN


@cache
def _words() -> _Words:
    whole: dict[str, set[str]] = {}
    begun: dict[str, set[str]] = {}
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    pieces: set[str] = set()
    for line in _HERE.with_name("injection_words.txt").read_text("utf-8").splitlines():
        meaning, colon, listed = line.partition(": ")
        for entry in listed.split() if colon and not line.startswith("#") else ():
            word = folded(entry.rstrip("*").replace("_", " ").replace("-", " "))
            parts = tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*", word)) if not _is_unspaced(word) else (word,)
            if len(parts) > 1:
                phrases.setdefault(parts[0], []).append((parts[1:], meaning))
            elif _is_unspaced(word):
                pieces.add(word)
                whole.setdefault(word, set()).add(meaning)
            elif parts:
                (begun if entry.endswith("*") else whole).setdefault(word.strip(), set()).add(meaning)
    alternatives = "|".join(sorted(map(re.escape, pieces), key=len, reverse=True))
    letter = rf"[^\W_{UNSPACED}]"
    token = re.compile(rf"{letter}+(?:'{letter}+)*|(?=[{UNSPACED}])(?:{alternatives}|.)|{_ANY_END.pattern}")
    longest = 1 + max(len(rest) for known in phrases.values() for rest, _ in known)
    return _Words(_frozen(whole), _frozen(begun), {word: tuple(rest) for word, rest in phrases.items()}, token, longest)


def _frozen(sets: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {word: frozenset(meanings) for word, meanings in sets.items()}


def _is_unspaced(word: str) -> bool:
    return any(
        "\u0e00" <= letter <= "\u0e7f" or "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff"
        for letter in word
    )


def folded(text: str) -> str:
    """A text in lower case, Latin and Greek letters without accents, every character at its place."""
    if text.isascii():
        return text.lower()
    plain = translated(text, _FOLDED)
    lowered = plain.lower()
    return lowered if len(lowered) == len(plain) else "".join(letter.lower()[:1] for letter in plain)


def as_read(text: str) -> str:
    """A text as it is read, folded, every character at its place: verbs that it says not to do mean nothing."""
    return without_negated_verbs(folded(text))


@lru_cache(maxsize=16_384)
def _meanings(word: str) -> frozenset[str]:
    """What a folded word means, by the whole of it and by its longest known beginning."""
    words = _words()
    found = words.whole.get(word, NO_FEATURES)
    for length in range(len(word), 1, -1):
        if (begun := words.begun.get(word[:length])) is not None:
            return found | begun
    return found


def meanings_of(token: str) -> tuple[frozenset[str], bool]:
    """What a word of a folded text means, and whether a phrase may begin with it."""
    word = token[:_LONGEST_WORD]
    return _meanings(word), word in _words().phrases


def tokens_of(folded: str) -> list[str]:
    """The words of a folded text and the ends of its sentences, which begin with one of :data:`ENDS`."""
    found: list[str] = _words().token(folded).findall(folded)
    return found


NO_FEATURES: frozenset[str] = frozenset()
_Token = tuple[str, int, int]
"""A word, its start and end."""
_Sentence = tuple[int, int, frozenset[str]]
"""Start, end and features."""
_Pair = Callable[[frozenset[str], frozenset[str], str], frozenset[str]]
"""The features of two places with meanings, the second after the first: ``>``, or ``>+`` if it is
right beside it."""
_Spelt = Callable[[Sequence[str]], frozenset[str]]
"""The features of words themselves, which are all of a sentence."""


def _sentences(text: str, signs: Iterable[tuple[str, int, int]], pair: _Pair, spelt: _Spelt) -> list[_Sentence]:
    """The sentences of a text; a sign of structure belongs to one of them."""
    sentences: list[_Sentence] = []
    tokens: list[_Token] = []
    plain = as_read(text)
    for match in _words().token(plain).finditer(plain):
        token = match[0]
        if token in END or token[0] == "\n":
            if tokens:
                sentences += _sentence(tokens, pair, spelt)
                tokens = []
            continue
        tokens.append((token[:_LONGEST_WORD], *match.span()))
        if len(tokens) == LONGEST_SENTENCE:
            sentences += _sentence(tokens, pair, spelt)
            tokens = tokens[-REACH:]
    sentences += _sentence(tokens, pair, spelt)
    for kind, start, end in signs:
        place = max(0, bisect_right(sentences, start, key=_start) - 1)
        if sentences and sentences[place][0] <= start:
            first, last, seen = sentences[place]
            sentences[place] = (first, max(last, end), seen | {f"={kind}"})
        else:
            sentences.insert(0, (start, end, frozenset((f"={kind}",))))
    return sentences


def _start(sentence: _Sentence) -> int:
    return sentence[0]


def _sentence(tokens: Sequence[_Token], pair: _Pair, spelt: _Spelt) -> list[_Sentence]:
    if not tokens:
        return []
    phrases = _words().phrases
    read = [
        (at, meanings)
        for at, (word, _, _) in enumerate(tokens)
        if (meanings := _meanings(word) | _phrases(tokens, at) if word in phrases else _meanings(word))
    ]
    features = set(spelt([word for word, _, _ in tokens]))
    if read and read[0][0] <= BEGINNING:
        features |= first_features(read[0][1])
    for index, (at, meanings) in enumerate(read):
        features |= meanings
        for after, others in read[index + 1 : index + 1 + REACH]:
            if after - at > REACH:
                break
            features |= pair(meanings, others, ">+" if after == at + 1 else ">")
    return [(tokens[0][1], tokens[-1][2], frozenset(features))]


def _phrases(tokens: Sequence[_Token], at: int) -> frozenset[str]:
    return begun_phrases([token[0] for token in tokens[at : at + _words().longest_phrase]], 0)


def begun_phrases(words: Sequence[str], at: int) -> frozenset[str]:
    """What the phrases mean that begin with the word at a place."""
    if at + 1 >= len(words):
        return NO_FEATURES
    likely = _phrases_begun(words[at], words[at + 1])
    if not likely:
        return NO_FEATURES
    return frozenset(
        meaning
        for rest, meaning in likely
        if all(at + place < len(words) and words[at + place].startswith(word) for place, word in enumerate(rest, 1))
    )


@lru_cache(maxsize=16_384)
def _phrases_begun(first: str, second: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The phrases that two words in a row may begin: what follows the first word, and the meaning."""
    return tuple(phrase for phrase in _words().phrases[first] if second.startswith(phrase[0][0]))


@lru_cache(maxsize=65_536)
def _pair_features(first: frozenset[str], second: frozenset[str], joints: str) -> frozenset[str]:
    return frozenset(f"{one}{joint}{other}" for one in first for other in second for joint in joints)


@lru_cache(maxsize=65_536)
def weighted_pairs(first: frozenset[str], second: frozenset[str], joints: str) -> frozenset[str]:
    """The features of two places with meanings, the second after the first, that weigh something."""
    return _pair_features(first, second, joints) & weights().keys()


@lru_cache(maxsize=4_096)
def first_features(meanings: frozenset[str]) -> frozenset[str]:
    """The features of a word that begins a sentence."""
    return frozenset(f"^{meaning}" for meaning in meanings)


def _word_features(word: str) -> tuple[str, ...]:
    """The features of a word: itself, and how it begins if it is longer."""
    return (f"'{word}", f"'{word[:_STEM]}~") if len(word) > _STEM else (f"'{word}",)


def _spelt(words: Sequence[str]) -> frozenset[str]:
    """The features of the words of a sentence and of each two in a row, whatever they weigh."""
    return frozenset(feature for word in words for feature in _word_features(word)) | {
        f"'{first}_{second}" for first, second in pairwise(words)
    }


class _WeightedWords(dict[str, frozenset[str]]):
    """By word, its features that weigh something. A lookup of a word that was met before runs no Python."""

    def __missing__(self, word: str) -> frozenset[str]:
        if len(self) >= _MOST_WORDS:
            self.clear()
        found = self[word] = frozenset(_word_features(word)) & weights().keys()
        return found


_WEIGHTED_WORDS = _WeightedWords()


@cache
def _neighbours() -> Mapping[str, Mapping[str, str]]:
    """By a word and the next one, the feature of both, of all that weigh something."""
    found: dict[str, dict[str, str]] = {}
    for name in weights():
        if name.startswith("'") and "_" in name:
            first, _, second = name[1:].partition("_")
            found.setdefault(first, {})[second] = name
    return found


def weighted_word(word: str) -> frozenset[str]:
    """The features of how a word is spelt that weigh something. ``word`` is no longer than :func:`cut` leaves it."""
    return _WEIGHTED_WORDS[word]


def weighted_beside(word: str) -> Mapping[str, str]:
    """By the word after this one, the feature of both, if it weighs something."""
    return _neighbours().get(word, {})


def weighted_words(words: Sequence[str]) -> frozenset[str]:
    """The features of the words of a sentence, and of each two in a row, that weigh something.

    Args:
        words: all words of a folded sentence, none longer than :func:`cut` leaves it.
    """
    beside = {feature for first, second in pairwise(words) if (feature := weighted_beside(first).get(second))}
    return NO_FEATURES.union(beside, *map(_WEIGHTED_WORDS.__getitem__, words))


def cut(word: str) -> str:
    """A word, without what is not read of a very long one."""
    return word[:_LONGEST_WORD]


def features(text: str, signs: Iterable[tuple[str, int, int]] = ()) -> list[frozenset[str]]:
    """The features of each sentence and of each two in a row, for training."""
    sentences = _sentences(text, signs, _pair_features, _spelt)
    return [_together(sentences[start:end]) for start, end in _windows(len(sentences))]


def _windows(sentences: int) -> Iterator[tuple[int, int]]:
    """First and last of the sentences that are judged together: each alone, and each with the next one."""
    for at in range(sentences):
        yield at, at + 1
        if at + 1 < sentences:
            yield at, at + 2


def _together(window: Sequence[_Sentence]) -> frozenset[str]:
    """The features of sentences in a row, and how long they are: long ones have more features by chance."""
    length = sum(end - start for start, end, _ in window)
    return NO_FEATURES.union(*(seen for *_, seen in window), (f"#{most}" for most in _LENGTHS if length >= most))


@cache
def _rows() -> tuple[tuple[str, ...], ...]:
    text = _HERE.with_name("injection_weights.txt").read_text("utf-8")
    return tuple(tuple(row.split()) for row in text.splitlines() if row and not row.startswith("# "))


@cache
def weights() -> Mapping[str, float]:
    """The weight of each feature, and under ``bias`` what every text begins with."""
    return {row[0]: float(row[1]) for row in _rows()}


@cache
def _core() -> frozenset[str]:
    """Features one of which long sentences must have, marked ``core``: the others gather there by chance."""
    return frozenset(row[0] for row in _rows() if row[2:] == ("core",))


LEAST_SCORE = -2.0
"""Texts with a lower score count as harmless."""


def judge(text: str, signs: Iterable[tuple[str, int, int]] = ()) -> Judged:
    """What a text scores; one that is far from an attack scores ``-inf``.

    Args:
        text: as it reads, without invisible signs.
        signs: signs of structure: kind, start and end.
    """
    known = weights()
    bias = known["bias"]
    best = NOTHING
    most_of_length = sum(max(0.0, known.get(feature, 0.0)) for feature in LENGTH_FEATURES)
    sentences = _sentences(text, signs, weighted_pairs, weighted_words)
    most = [math.fsum(weight for feature in seen if (weight := known.get(feature, 0.0)) > 0) for *_, seen in sentences]
    for start, end in _windows(len(sentences)):
        if bias + sum(most[start:end]) + most_of_length <= max(best.score, LEAST_SCORE):
            continue
        window = sentences[start:end]
        found = {feature: known[feature] for feature in _together(window) if feature in known}
        score = bias + math.fsum(found.values())  # whose sum is the same in any order
        if _LONG in found and not found.keys() & _core():
            continue
        if score > max(best.score, LEAST_SCORE):
            best = Judged(score, window[0][0], window[-1][1], found)
    return best
