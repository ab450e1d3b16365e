"""Patterns of what goes wrong: compiled when they are first needed, since most processes need none of them."""

from __future__ import annotations

import re


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

    def _pattern(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return self._compiled
