"""A text as the finders of personal data read it: what of it they can do without is found once for all of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property

_STRETCH = re.compile(r"\d(?:[ ./()-]{0,3}\d)+")
"""Digits with no more between two of them than any number of a person, account or telephone has."""
_DIGIT = re.compile(r"\d")
_LEAD, _TRAIL = 4, 32
"""Characters around its digits that may belong to a number, or decide whether it is one: ``(+``, an extension."""
_SHORT = 4


class Plain:
    """One text.

    Args:
        text: with one kind of dash, space, digit and at-sign.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._windows: dict[int, list[tuple[int, int]]] = {}

    @cached_property
    def folded(self) -> str:
        """In small letters, for a look whether a word may be there; its places are not those of the text."""
        return self.text.casefold()

    @cached_property
    def has_digit(self) -> bool:
        """Whether there is any digit, of whatever script."""
        return _DIGIT.search(self.text) is not None

    @cached_property
    def _stretches(self) -> list[tuple[int, int, int]]:
        """Start, end and digits of each."""
        if not self.has_digit:
            return []
        return [(*match.span(), len(_DIGIT.findall(match[0]))) for match in _STRETCH.finditer(self.text)]

    def numbers(self, pattern: re.Pattern[str], least: int) -> Iterator[re.Match[str]]:
        """What ``finditer`` finds, of a pattern that has ``least`` digits in one stretch: looked for only there."""
        if least not in self._windows:
            self._windows[least] = list(self._around(least))
        for start, end in self._windows[least]:
            yield from pattern.finditer(self.text, start, end)

    def _around(self, least: int) -> Iterator[tuple[int, int]]:
        """Where a number of so many digits may stand, apart from each other."""
        window = None
        for start, end, digits in self._stretches:
            if digits < least:
                continue
            if window is None:
                window = (max(0, start - _LEAD), end + _TRAIL)
            elif start - _LEAD <= window[1]:
                window = (window[0], end + _TRAIL)
            else:
                yield window
                window = (start - _LEAD, end + _TRAIL)
        if window is not None:
            yield window


class Words:
    """Where words of a kind stand in a text: they tell what a number behind them is. Looked up when first asked.

    Args:
        words: in small letters; one of up to four letters must stand alone, a longer one may be part of a word.
        text: in any case.
        reach: characters that may lie between a word and the number.
    """

    def __init__(self, words: Iterable[str], text: str, reach: int = 35) -> None:
        self._words = words
        self._text = text
        self._reach = reach

    def before(self, place: int) -> bool:
        """Whether one ends at most ``reach`` characters before ``place``."""
        index = bisect_right(self._ends, place)
        return index > 0 and place - self._ends[index - 1] <= self._reach

    @cached_property
    def _ends(self) -> list[int]:
        lowered = self._text.lower()
        if len(lowered) != len(self._text):  # a few letters grow when they get small
            lowered = "".join(letter.lower()[0] for letter in self._text)
        return sorted(end for word in self._words for end in _ends(word, lowered))


def _ends(word: str, text: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if len(word) > _SHORT or not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum()):
            yield end
        at = text.find(word, end)
