"""What a string stands under helps to tell what it is: ``passport: L898902C`` where the value alone says nothing.

Guards look at the strings of a value one by one. A guard whose rules need a word nearby is given the key as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_-]+")
_LONGEST = 60


def label_words(label: str) -> str:
    """A key as the words that it is made of: ``passportNumber`` and ``passport_number`` are ``passport number``."""
    return _WORD_STARTS.sub(" ", label[:_LONGEST]).strip()


def beside(label: str, spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Places in a text, from places in ``label: text``; those in the label are left out."""
    offset = len(label) + 2
    return ((max(0, start - offset), end - offset) for start, end in spans if end > offset)
