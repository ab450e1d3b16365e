"""Patterns that most processes do not need, such as those of errors: they are compiled when they are first used."""

from __future__ import annotations

import re
from collections.abc import Iterator


class LazyPattern:
    """A regular expression that is compiled when it is first used.

    Args:
        pattern: its text.
        flags: of :mod:`re`.
    """

    __slots__ = ("_compiled", "_flags", "_text")

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._text = pattern
        self._flags = flags
        self._compiled: re.Pattern[str] | None = None

    def search(self, text: str) -> re.Match[str] | None:
        """The first match anywhere in a text."""
        return self._pattern().search(text)

    def match(self, text: str) -> re.Match[str] | None:
        """A match at the beginning of a text."""
        return self._pattern().match(text)

    def findall(self, text: str) -> list[str]:
        """All matches in a text, of a pattern without groups."""
        return self._pattern().findall(text)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """All matches in a text, one by one."""
        return self._pattern().finditer(text)

    def _pattern(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return self._compiled
