"""Names that an answer should not say: competitors and their products, however they are written.

A text is compared as it reads, not as it is stored: compatibility forms and look-alike letters become plain ones,
signs that nobody sees go, separators inside a name are forgiven, and so is one slip of the pen in a longer name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, block, redact, retry
from guardrails.text_matching import canonical, readings

MASK = "[…]"
_LEAST_FUZZY = 6
"""Letters from which on a name may have one wrong, missing, added or swapped: shorter ones would become other words."""
_LONGEST_GAP, _MOST_WORDS, _LONGEST_NAME = 3, 40, 80
_LEAST_NEAR = 60
"""Characters around a common word in which a word of its context has to stand."""


@dataclass(frozen=True, slots=True)
class BrandGuard:
    """Keeps names out of answers.

    Args:
        names: like ``"Globex"``; found in any case and spelling.
        common: names that are words of the language too, each with words of which one stands close by when the brand
            is meant: ``{"Apple": ["iphone", "mac"]}``. They are found with a capital letter only.
        on_find: ``retry`` asks the model once to do without, ``redact`` puts ``[…]`` there, ``block`` withholds.

    Raises:
        ValueError: there is no name, or one without a letter.
    """

    names: tuple[str, ...] = ()
    common: dict[str, tuple[str, ...]] = field(default_factory=dict)
    on_find: Literal["retry", "redact", "block"] = "retry"
    plain: dict[str, frozenset[str]] = field(init=False, repr=False)
    """The names by their first letter, as they read."""

    name: ClassVar[str] = "brand"
    version: ClassVar[str] = "2"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 30

    def __post_init__(self) -> None:
        plain = {"".join(letter for letter, _ in canonical(name)) for name in self.names}
        if not (plain or self.common) or "" in plain:
            raise ValueError("it needs names, each with letters")
        by_first = {first: frozenset(n for n in plain if n[0] == first) for first in {name[0] for name in plain}}
        object.__setattr__(self, "plain", by_first)

    def check(self, exchange: GuardInput) -> Verdict:
        """Retry, redact or block with ``brand``, else allow."""
        found = [sorted(self._places(text)) for text in exchange.texts]
        spans = tuple(Span(part, start, end, "brand") for part, places in enumerate(found) for start, end in places)
        if not spans:
            return allow()
        if self.on_find == "redact":
            texts = tuple(_masked(text, places) for text, places in zip(exchange.texts, found, strict=True))
            return redact(texts, Reason.BRAND, spans)
        answer = retry if self.on_find == "retry" else block
        return answer(Reason.BRAND, spans=spans, count=len(spans))

    def _places(self, text: str) -> set[tuple[int, int]]:
        return {
            (places[start], places[end])
            for reading, places in readings(text)
            for start, end in (*self._fuzzy(reading), *self._common(reading))
        }

    def _fuzzy(self, text: str) -> Iterator[tuple[int, int]]:
        """Where a name stands: runs of words that together read like one, give or take a letter."""
        words = list(_words(text))
        judged: dict[str, tuple[bool, bool]] = {}
        for first, (opening, start, _) in enumerate(words):
            if opening[0] not in self.plain:
                continue
            joined, before, found = "", start, 0
            for at in range(first, min(first + _MOST_WORDS, len(words))):
                letters, begin, end = words[at]
                if begin - before > _LONGEST_GAP:
                    break
                joined, before = joined + letters[:_LONGEST_NAME], end
                if joined not in judged:
                    judged[joined] = self._judge(joined)
                is_name, may_become_one = judged[joined]
                found = end if is_name else found
                if not may_become_one or joined in self.plain[opening[0]]:
                    break
            if found:
                yield start, found

    def _judge(self, letters: str) -> tuple[bool, bool]:
        """Whether letters are a name, and whether more of them may be one."""
        names = [name for name in self.plain[letters[0]] if _may_become(name, letters)]
        return any(name == letters or _one_slip(name, letters) for name in names), bool(names)

    def _common(self, text: str) -> Iterator[tuple[int, int]]:
        for name, context in self.common.items():
            for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                around = text[max(0, match.start() - _LEAST_NEAR) : match.end() + _LEAST_NEAR].lower()
                if any(re.search(rf"(?<!\w){re.escape(word.lower())}", around) for word in context):
                    yield match.span()


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Runs of letters: how they read, and where they stand. Signs that nobody sees do not end a word."""
    run: list[tuple[str, int]] = []
    for letter, at in canonical(text):
        if run and at > run[-1][1] + 1 and not _invisible(text, run[-1][1] + 1, at):
            yield "".join(letter for letter, _ in run), run[0][1], run[-1][1] + 1
            run = []
        run.append((letter, at))
    if run:
        yield "".join(letter for letter, _ in run), run[0][1], run[-1][1] + 1


def _invisible(text: str, start: int, end: int) -> bool:
    return end - start < 10 and all(unicodedata.category(sign) in {"Cf", "Mn"} for sign in text[start:end])  # noqa: PLR2004


def _one_slip(name: str, letters: str) -> bool:
    """Whether one letter was changed, added, left out or swapped with the next; the first one stands."""
    if min(len(name), len(letters)) < _LEAST_FUZZY:
        return False
    rest, other = _apart(name, letters)
    return other in {rest[1::-1] + rest[2:], rest[1:]} or other[1:] in {rest, rest[1:]}


def _may_become(name: str, letters: str) -> bool:
    """Whether the name may begin so, give or take one letter."""
    rest, other = _apart(name, letters)
    swapped = rest[1::-1] + rest[2:]
    return rest[1:].startswith((other[1:], other)) or rest.startswith(other[1:]) or swapped.startswith(other)


def _apart(name: str, letters: str) -> tuple[str, str]:
    """Both from where they differ."""
    at = next(
        (at for at, (a, b) in enumerate(zip(name, letters, strict=False)) if a != b), min(len(name), len(letters))
    )
    return name[at:], letters[at:]


def _masked(text: str, places: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    done = 0
    for start, end in places:
        if start >= done:
            parts += (text[done:start], MASK)
            done = end
    return "".join((*parts, text[done:]))
