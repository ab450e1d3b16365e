"""Strings that a schema admits: facts found in the text, else sentences taken from it."""

from __future__ import annotations

import re
from typing import Final

from tasks.providers.messages import JSONObject
from tasks.sandbox.answers.digest import TextDigest, as_title, joined
from tasks.sandbox.answers.evidence import find_text
from tasks.sandbox.answers.language import cut, name_words
from tasks.sandbox.answers.schema import Unfillable

_FORMATS: Final = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "nobody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
"""Values of the right form that say nothing, for facts the text does not hold."""

_TITLES: Final = frozenset({"title", "headline", "subject", "heading", "name", "label", "topic"})
_LONG: Final = frozenset(
    {"summary", "body", "message", "reply", "text", "answer", "content", "overview", "report", "draft"}
)
_QUERIES: Final = frozenset({"query", "search", "keyword", "keywords", "term", "tag"})
_GUESSES: Final = ("a", "A", "0", "1", "aa", "AA", "00", "000", "0000", "A1", "A-1", "a-1", "0.0", "00:00", "#000000")
_PHRASES: Final = 3
_FILL: Final = "(no more to say) "


def write(
    name: str, schema: JSONObject, digest: TextDigest, text: str, *, sentences: int, characters: int, used: list[str]
) -> str:
    """A string for the field ``name``; sentences in ``used`` are avoided, and those taken are added to it.

    Raises:
        Unfillable: the lengths admit no string.
    """
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if high is not None and high < low:
        raise Unfillable("lengths without strings")
    found = find_text(name, schema, text)
    if "pattern" in schema:
        return _matching(schema["pattern"], found, text, low, high)
    if schema.get("format") in _FORMATS:
        return found or _FORMATS[schema["format"]]
    value = found or _prose(name, schema, digest, sentences=sentences, characters=characters, used=used)
    return fit(value, low, high)


def fit(value: str, low: int, high: int | None) -> str:
    """``value`` made at least ``low`` and at most ``high`` characters long."""
    if high is not None and len(value) > high:
        value = cut(value, high)
    if len(value) < low:
        filler = (value.rstrip("…") + " " if value else "") * 2 + _FILL
        value = (
            (value + " " + filler * (low // len(filler) + 1))[:low]
            if value
            else (filler * (low // len(filler) + 1))[:low]
        )
        value = value[:-1] + "." if value.endswith(" ") else value
    return value


def _prose(
    name: str, schema: JSONObject, digest: TextDigest, *, sentences: int, characters: int, used: list[str]
) -> str:
    words = set(name_words(name))
    if words & _TITLES:
        used.append(digest.lead)
        length = min(characters, schema.get("maxLength", characters))
        return as_title(digest.title(), length) or "untitled"
    if words & _QUERIES:
        return " ".join(digest.phrases(_PHRASES)) or "nothing"
    if words & _LONG:
        best = digest.best(sentences, without=used)
        picked = [one for one in best if one not in used] or best
    else:
        hint = f"{' '.join(words)} {schema.get('description', '')}"
        picked = digest.best(1, hint, without=used)
    used += picked
    return joined(picked, characters) or "nothing to quote"


def _matching(pattern: str, found: str | None, text: str, low: int, high: int | None) -> str:
    """A string with a match of ``pattern``: what was found, a match in the text, or one of a few guesses.

    A pattern that none of these meet is left unmet: making strings for any pattern is not the sandbox's business.
    """
    try:
        compiled = re.compile(pattern)
    except re.error:
        return fit(found or "", low, high)
    words = [found] if found else []
    words += [word.strip(".,;:!?()[]\"'") for word in text[:20_000].split()]
    for word in [*words, *_GUESSES]:
        if compiled.search(word) and len(word) >= low and (high is None or len(word) <= high):
            return word
    return fit(found or _GUESSES[0], low, high)
