"""Facts a text holds for a field: an id, an address, a date, a number, a value after a label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tasks.providers.messages import JSONObject
from tasks.sandbox.answers.language import name_words, stem, stems

_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{2,63}){1,4}")
_URL: Final = re.compile(r"https?://[^\s<>\"')\]]{1,500}")
_DATE: Final = re.compile(r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b")
_ID: Final = re.compile(r"#?\b[A-Z]{1,8}-\d{1,12}\b|#\d{1,12}\b")
_PATH: Final = re.compile(r"\b[\w-]{1,64}(?:/[\w.-]{1,64}){0,12}\.[a-z]{1,5}\b")
_NUMBER: Final = re.compile(r"(?<![\w.-])-?\d{1,12}(?:,\d{3})*(?:\.\d{1,9})?(?![\w-])")
_NAME: Final = re.compile(r"\b[A-Z][a-zà-ÿ]{1,30}(?:[ ][A-Z][a-zà-ÿ]{1,30}){1,2}\b")
_PROPER: Final = r"[A-ZÀ-Þ][\w&'’-]{1,40}"

_ID_WORDS: Final = frozenset({"id", "ids", "key", "number", "no", "ref", "reference", "ticket", "sku", "uuid"})
_PATTERNS: Final[Sequence[tuple[frozenset[str], re.Pattern[str]]]] = (
    (frozenset({"email", "mail"}), _EMAIL),
    (frozenset({"url", "uri", "link", "href"}), _URL),
    (frozenset({"date", "day", "deadline", "due"}), _DATE),
    (_ID_WORDS, _ID),
    (frozenset({"path", "file", "filename"}), _PATH),
)
_FORMATS: Final = {"email": _EMAIL, "uri": _URL, "date": _DATE}


def is_fact(name: str, schema: JSONObject) -> bool:
    """Whether a field asks for a fact, which a text either contains or not, rather than for prose."""
    words = set(name_words(name))
    return "format" in schema or any(words & names for names, _ in _PATTERNS)


def find_text(name: str, schema: JSONObject, text: str) -> str | None:
    """What ``text`` says for a string field: the value after its label, else something of the form its name implies."""
    labelled = find_labelled(name, text)
    pattern = _FORMATS.get(str(schema.get("format")))
    if pattern is None:
        words = set(name_words(name))
        pattern = next((pattern for names, pattern in _PATTERNS if words & names), None)
    if pattern is None:
        return labelled or _named(name, text)
    if labelled is not None and (pattern is _ID or pattern.fullmatch(labelled)):
        return labelled
    if pattern is _ID and (near := _near_entity(name, text)):
        return near
    found = pattern.search(text)
    return found[0] if found else None


def find_labelled(name: str, text: str) -> str | None:
    """The value after the field's own name: ``order_id: 7``, ``"order_id": "7"``, ``Order ID = 7``."""
    label = r"[\s_-]?".join(re.escape(word) for word in name_words(name))
    if not label:
        return None
    found = re.search(rf'(?<!\w)"?{label}"?[ ]?[:=][ ]?"?([^"\n,;{{}}\[\]]{{1,200}})', text, re.IGNORECASE)
    return found[1].strip() or None if found else None


def find_number(name: str, text: str) -> float | None:
    """The number nearest to a word of the field's name; ``None`` when the text has no such word by a number."""
    labelled = find_labelled(name, text)
    if labelled is not None and (number := _NUMBER.match(labelled)):
        return _value(number[0])
    wanted = {stem(word) for word in name_words(name)} - {"count", "number", "total", "of", "max", "min", "n"}
    best: tuple[int, float] | None = None
    for found in _NUMBER.finditer(text[:20_000]):
        before = stems(text[max(0, found.start() - 40) : found.start()])
        after = stems(text[found.end() : found.end() + 24])
        near = [*reversed(before[-3:])], after[:2]
        for words in near:
            for distance, word in enumerate(words):
                if word in wanted and (best is None or distance < best[0]):
                    best = distance, _value(found[0])
    return None if best is None else best[1]


def _named(name: str, text: str) -> str | None:
    """A proper name: the one after the field's own word (*customer Ann Lee*), or for ``…_name`` the first there is."""
    words = name_words(name)
    if words and (found := re.search(rf"(?i:\b{re.escape(words[0])})[ ]({_PROPER}(?:[ ]{_PROPER}){{0,4}})", text)):
        return found[1].rstrip(".")
    person = _NAME.search(text) if words[-1:] == ["name"] else None
    return person[0] if person else None


def _near_entity(name: str, text: str) -> str | None:
    """The number after the thing an id names: *order 1042* for ``order_id``."""
    for word in name_words(name):
        if word in _ID_WORDS - {"ticket"}:
            continue
        found = re.search(
            rf"\b{re.escape(word)}s?\s(?:(?:id|no\.?|number)\s)?(#?[A-Z]{{0,8}}-?\d{{1,12}})\b", text, re.IGNORECASE
        )
        if found:
            return found[1]
    return None


def _value(number: str) -> float:
    return float(number.replace(",", ""))
