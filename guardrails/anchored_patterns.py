"""Regular expressions that are tried only where the texts stand that their matches begin with.

``re`` tries a pattern that begins with a look-behind, with a boundary or without regard to case at every character.
Looking for the few texts that it can begin with, and trying it there, finds the same at a fraction of the cost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from re import _casefix as casefix  # type: ignore[attr-defined]
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, TypeAlias

from guardrails.text_matching import foreign

_MOST_BEGINNINGS, _LONGEST, _MOST_OF_SET = 160, 8, 24
"""Beginnings of one pattern, characters of one, and signs of a set that are written out."""
_LEAST_ALIKE = 2
_ODD = frozenset("\u0131\u017f\u0130")
"""Letters that are alike to an ASCII one without regard to case, and not in small letters."""
_CROWDED = 6
"""Characters for each place from which on a pattern is tried everywhere: ``re`` alone is quicker then."""
_NO_WIDTH = {codes.ASSERT, codes.ASSERT_NOT, codes.AT}
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
Finditer: TypeAlias = Callable[[str, str], Iterable[re.Match[str]]]
"""Finds a pattern in a text that is given as it is and in small letters."""
_Begun: TypeAlias = dict[str | None, bool]
"""What a match may begin with, None for a line; and whether that is all of what was read, so that more may be added."""


class Anchored:
    """A pattern with the texts that its matches begin with.

    Args:
        pattern: compiled; it matches no empty text.

    Raises:
        ValueError: it may begin with too many texts for a look for them to pay, or it may be empty.

    >>> orders = Anchored(re.compile("(?i)(?<![a-z])(?:say|print)[ ][a-z]+"))
    >>> [match[0] for match in orders.finditer("Say it, PRINT it, essay it")]
    ['Say it', 'PRINT it']
    """

    __slots__ = ("_at_line", "_beginnings", "_folds", "pattern")

    def __init__(self, pattern: re.Pattern[str]) -> None:
        parsed = parser.parse(pattern.pattern, pattern.flags)
        if not parsed.getwidth()[0]:
            raise ValueError(f"{pattern.pattern!r} matches an empty text")
        self._folds = _ignores_case(list(parsed), parsed.state.flags)
        beginnings = _begun(parsed, folds=self._folds)
        if "" in beginnings:
            raise ValueError(f"{pattern.pattern!r} may begin with anything")
        self.pattern = pattern
        self._at_line = None in beginnings
        self._beginnings = _fewer({text for text in beginnings if text is not None})

    def finditer(self, text: str, lowered: str = "") -> Iterable[re.Match[str]]:
        """What ``finditer`` of the pattern finds.

        Args:
            text: the text.
            lowered: the text in small letters where that is at hand.
        """
        places = self._places(text, lowered)
        if places is None or len(places) * _CROWDED > len(text):
            return self.pattern.finditer(text)
        return self._matches(text, places) if places else ()

    def search(self, text: str, start: int, end: int) -> re.Match[str] | None:
        """What ``search`` of the pattern finds from ``start`` to ``end``."""
        places = self._places(text[start:end])
        if places is None:
            return self.pattern.search(text, start, end)
        match_at = self.pattern.match
        for place in places:
            if match := match_at(text, start + place, end):
                return match
        return None

    def _places(self, text: str, lowered: str = "") -> list[int] | None:
        """Where a match may begin, in order; None where small letters do not tell."""
        searched = text
        if self._folds:
            searched = lowered or text.lower()
            if len(searched) != len(text) or not _ODD.isdisjoint(foreign(text)):
                return None
        find, places = searched.find, []
        for beginning in self._beginnings:
            at = find(beginning)
            while at >= 0:
                places.append(at)
                at = find(beginning, at + 1)
        if self._at_line:
            places.append(0)
            at = find("\n")
            while at >= 0:
                places.append(at + 1)
                at = find("\n", at + 1)
        places.sort()
        return places

    def _matches(self, text: str, places: Iterable[int]) -> Iterator[re.Match[str]]:
        done, match_at = 0, self.pattern.match
        for place in places:
            if place >= done and (match := match_at(text, place)):
                yield match
                done = match.end()


def _fewer(texts: set[str]) -> tuple[str, ...]:
    """Texts one of which each of these begins with; several that begin alike are looked for by what they share."""
    for length in range(_LONGEST - 1, 1, -1):
        alike = Counter(text[:length] for text in texts)
        texts = {text[:length] if alike[text[:length]] >= _LEAST_ALIKE else text for text in texts}
    return tuple(text for text in sorted(texts) if not any(text[:end] in texts for end in range(1, len(text))))


def matches_behind(pattern: re.Pattern[str], text: str, mark: str) -> Iterator[re.Match[str]]:
    """What a pattern finds directly behind a mark, apart from each other; it matches no empty text."""
    at, done = text.find(mark), 0
    while at >= 0:
        at += len(mark)
        if at >= done and (match := pattern.match(text, at)):
            yield match
            done = match.end()
        at = text.find(mark, at)


def _ignores_case(parsed: Any, flags: int) -> bool:
    """Whether a part of a pattern does."""
    if flags & re.IGNORECASE:
        return True
    if isinstance(parsed, parser.SubPattern):
        return any(_ignores_case(part, 0) for part in parsed)
    if isinstance(parsed, list | tuple):
        if len(parsed) == 2 and parsed[0] is codes.SUBPATTERN:  # noqa: PLR2004 - code and argument
            _, added, _, inner = parsed[1]
            return _ignores_case(inner, added)
        return any(_ignores_case(part, 0) for part in parsed)
    return False


def _begun(parsed: Any, *, folds: bool) -> _Begun:
    """What a sequence of parts may begin with."""
    begun: _Begun = {"": True}
    for code, argument in parsed:
        if not any(begun.values()):
            break
        if code is codes.AT and argument in {codes.AT_BEGINNING, codes.AT_BEGINNING_STRING} and "" in begun:
            del begun[""]
            begun[None] = False
        elif code not in _NO_WIDTH:
            begun = _followed(begun, _one(code, argument, folds=folds))
    return begun


def _followed(begun: _Begun, following: _Begun) -> _Begun:
    """What is begun with what may follow it, as far as that is not too much."""
    if begun == {"": True}:
        return following
    if len(begun) * len(following) > _MOST_BEGINNINGS:
        return dict.fromkeys(begun, False)
    longer: _Begun = {}
    for first, open_ in begun.items():
        if not open_ or first is None or len(first) >= _LONGEST:
            _add(longer, first, more=False)
            continue
        for second, goes_on in following.items():
            if second is None:  # a line may begin here: where nothing stands before it, or behind its end
                _add(longer, first or None, more=False)
            else:
                _add(longer, first + second, more=goes_on)
    return longer


def _add(begun: _Begun, text: str | None, *, more: bool) -> None:
    begun[text] = begun.get(text, more) and more


def _one(code: Any, argument: Any, *, folds: bool) -> _Begun:
    """What one part of a pattern may begin with."""
    if code is codes.LITERAL:
        return _signs([argument], folds=folds)
    if code is codes.IN:
        return _signs(_set(argument), folds=folds)
    if code in {codes.SUBPATTERN, codes.ATOMIC_GROUP}:
        return _begun(argument[3] if code is codes.SUBPATTERN else argument, folds=folds)
    begun: _Begun = {}
    if code is codes.BRANCH:
        for branch in argument[1]:
            for text, more in _begun(branch, folds=folds).items():
                _add(begun, text, more=more)
        return begun
    if code in _REPEATS:
        least, most, inner = argument
        begun = {text: more and most == 1 for text, more in _begun(inner, folds=folds).items()}
        if not least:
            begun[""] = "" not in begun or begun[""]
        return begun
    return {"": False}


def _signs(found: Iterable[int] | None, *, folds: bool) -> _Begun:
    """Single signs; none of those that are alike without regard to case but not in small letters."""
    if found is None:
        return {"": False}
    signs: _Begun = {}
    for code in found:
        sign = chr(code).lower() if folds else chr(code)
        if len(sign) != 1 or (folds and not sign.isascii() and ord(sign) in casefix._EXTRA_CASES):  # noqa: SLF001
            return {"": False}
        signs[sign] = True
    return signs


def _set(parts: list[tuple[Any, Any]]) -> list[int] | None:
    """The signs of a set; None of one that is too large or says what is not in it."""
    found: list[int] = []
    for code, argument in parts:
        if code is codes.LITERAL:
            found.append(argument)
        elif code is codes.RANGE and argument[1] - argument[0] < _MOST_OF_SET:
            found += range(argument[0], argument[1] + 1)
        else:
            return None
    return found if len(found) <= _MOST_OF_SET else None
