"""What is known of persons, found wherever it stands: names have no form that a pattern could find.

A name of several words is also found by each of its words, where that begins with a capital letter: "Dear Ada," tells
as much as "Ada Lovelace" does.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from guardrails.pii_patterns import Entity

Known: TypeAlias = Mapping[str, str] | Iterable[str | tuple[str, str]]
"""Kind → value, pairs of both, or values alone. Kinds are letters; anything else in them is dropped."""

_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|['’.-]){0,60}(?:\s[^\W\d_](?:[^\W\d_]|['’.-]){0,60}){1,3}")
_SHORTEST_PART, _LONGEST_KIND = 3, 20
_MOST = 5_000


class KnownValues:
    """Values to be found in texts, in any case and spacing, as words of their own.

    Args:
        values: see :data:`Known`; those of one character are left out, and what exceeds 5,000.
    """

    def __init__(self, values: Known) -> None:
        self._by_word: dict[str, list[tuple[int, re.Pattern[str], str]]] = defaultdict(list)
        seen: set[str] = set()
        for kind, value in _parts(list(_pairs(values))[:_MOST]):
            if value not in seen:
                seen.add(value)
                self._add(kind, value)
        for found in self._by_word.values():  # the longest first: "Ada Lovelace" before "Ada"
            found.sort(key=lambda entry: -len(entry[1].pattern))
        self.kinds = {kind for found in self._by_word.values() for _, _, kind in found}

    def find(self, text: str) -> list[Entity]:
        """Where they stand, in order; one look per word of the text, however many values there are."""
        if not self._by_word:
            return []
        found: list[Entity] = []
        for word in _WORD.finditer(text):
            for lead, pattern, kind in self._by_word.get(word[0].lower(), ()):
                match = pattern.match(text, word.start() - lead) if word.start() >= lead else None
                if match:
                    found.append(Entity(*match.span(), kind))
                    break
        return found

    def _add(self, kind: str, value: str) -> None:
        anchor = _WORD.search(value)
        if anchor is None:
            return
        part = kind.endswith("*")
        body = r"\s{1,8}".join(map(re.escape, value.split()))
        case = "" if part else "(?i)"
        before = r"(?<!\w)" if value[0].isalnum() else ""
        after = r"(?!\w)" if value[-1].isalnum() else ""
        entry = (anchor.start(), re.compile(f"{case}{before}{body}{after}"), kind.rstrip("*"))
        self._by_word[anchor[0].lower()].append(entry)


def _pairs(values: Known) -> Iterator[tuple[str, str]]:
    pairs = values.items() if isinstance(values, Mapping) else values
    for pair in pairs:
        kind, value = ("known", pair) if isinstance(pair, str) else pair
        value = " ".join(value.split())
        if len(value) > 1:
            yield re.sub(r"[^A-Za-z]", "", kind)[:_LONGEST_KIND].lower() or "known", value


def _parts(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The values, then the words of names among them; the kind of such a word ends in a star."""
    yield from pairs
    for kind, value in pairs:
        if _NAME.fullmatch(value):
            for part in value.split():
                if len(part) >= _SHORTEST_PART and part[0].isupper():
                    yield f"{kind}*", part
