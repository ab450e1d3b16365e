"""How much a text means what attacks mean: a linear model over embeddings of its sentences, beside that of words.

It finds orders that use words that no list has, in the languages of ``guardrails.embeddings``. Its weights stand in
``injection_meaning.txt``, learnt from texts of our own with ``python -m benchmarks.train_injection_meaning``. A text is
judged by its most suspicious passage, so that a long one gathers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.embeddings import encoded

if TYPE_CHECKING:
    from guardrails.embeddings import Vectors

_WEIGHTS = Path(__file__).with_name("injection_meaning.txt")
LONGEST_PASSAGE = 240
"""Characters of a passage; a longer sentence is cut."""
_FIRST, _LAST = 40, 20
"""Passages of a long text that are read for meaning, at its beginning and its end; its words are read throughout."""
WORDS_SHARE, MOST_OF_WORDS = 0.5, 3.0
"""What a score of words counts beside that of meaning, and the most that it may be, either way."""
_SENTENCE = re.compile(r"[^.!?;\n。！？]*+(?:[.!?;\n。！？]++|$)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a text and what it scores: from 0 on it is an attack."""

    score: float
    start: int
    end: int


def passages(text: str) -> list[tuple[int, int]]:
    """Where the passages of a text begin and end: sentences in a row, as many as are not too long together."""
    found: list[tuple[int, int]] = []
    start = end = 0
    for first, last in _pieces(text):
        if last - start > LONGEST_PASSAGE and end > start:
            found.append((start, end))
            start = first
        end = last
    if end > start:
        found.append((start, end))
    return [(begin, stop) for begin, stop in found if not text[begin:stop].isspace()]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Sentences, and parts of those that are too long."""
    for sentence in _SENTENCE.finditer(text):
        for start in range(sentence.start(), sentence.end(), LONGEST_PASSAGE):
            yield start, min(start + LONGEST_PASSAGE, sentence.end())


def combined(meaning: float, words: float) -> float:
    """What a text scores by both."""
    return meaning + WORDS_SHARE * max(-MOST_OF_WORDS, min(MOST_OF_WORDS, words))


def judge_meaning(text: str) -> Passage | None:
    """The most suspicious passage of a text as it reads, by meaning alone; None for a text of blanks."""
    places = passages(text)
    if not places:
        return None
    if len(places) > _FIRST + _LAST:
        places = places[:_FIRST] + places[-_LAST:]
    weights, bias = _learnt()
    scores = encoded([text[start:end].strip() for start, end in places]) @ weights + bias
    most = int(scores.argmax())
    return Passage(float(scores[most]), *places[most])


@cache
def _learnt() -> tuple[Vectors, float]:
    import numpy as np

    rows = [float(row) for row in _WEIGHTS.read_text("utf-8").splitlines() if not row.startswith("#")]
    return np.array(rows[1:], dtype=np.float32), rows[0]
