"""Words and sentences: as much of a language as extractive work needs. English first, harmless elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")
_STOP_TEXT: Final = """
    a about above after again all also am an and any are as at be because been before being below between both but
    by can could did do does doing down during each either few for from further get got had has have having he her
    here hers him his how i if in into is it its itself just let may me might more most must my no nor not now of
    off on once only or other our out over own per please same shall she should so some such than that the their
    them then there these they this those through to too under until up upon us use used using very via was we were
    what when where which while who whom why will with within without would yet you your
"""
_STOP: Final = frozenset(_STOP_TEXT.split())
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:[A-Z]|e\.g|i\.e|mr|mrs|ms|dr|prof|vs|etc|no|st|inc|ltd|approx))\.$", re.IGNORECASE
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+(?=[\"'“(\[]?[A-Z0-9À-Þ])")
_CLAUSE_END: Final = re.compile(r"[,;:]\s|\s[(–—]|\s-\s")
_BULLET: Final = re.compile(r"^\s{0,12}(?:[-*+•]|\d{1,3}[.)])\s+")
_LEAD: Final = re.compile(r"^\[[^\[\]]{0,60}\]\s+")
_COMMIT: Final = re.compile(r"^(?:[0-9a-f]{7,40})\s+(?:\([^)]{1,80}\)\s+)?")
_LINK: Final = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,500}\)")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_EMPHASIS: Final = re.compile(r"\*\*|__|`|~~")
_RULE: Final = re.compile(r"^[\s=\-_*~|:+]+$")
_SUFFIXES: Final = ("ations", "ation", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s")
_LAST_LETTERS: Final = frozenset(suffix[-1] for suffix in _SUFFIXES)
_SHORTEST_STEM: Final = 3


@lru_cache(maxsize=4_096)
def stem(word: str) -> str:
    """``word`` in lower case without its ending, so that *failing* and *failed* meet in *fail*."""
    lowered = word.lower()
    if lowered[-1:] not in _LAST_LETTERS:
        return lowered
    for suffix in _SUFFIXES:
        if lowered.endswith(suffix) and len(lowered) - len(suffix) >= _SHORTEST_STEM:
            return lowered[: -len(suffix)]
    return lowered


def stems(text: str) -> list[str]:
    """The stems of the words of ``text`` that carry meaning, in order."""
    return [stem(word) for word in _WORD.findall(text) if word.lower() not in _STOP]


def name_words(name: str) -> list[str]:
    """The words of an identifier: ``ticketId`` and ``ticket_id`` both are *ticket*, *id*."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.split(r"[\W_]+", spaced) if word]


def plain_runs(text: str) -> list[list[str]]:
    """Runs of neighbouring words that carry meaning, as they are written; what lies between breaks a run."""
    runs: list[list[str]] = [[]]
    end = 0
    for match in _WORD.finditer(text):
        if text[end : match.start()].strip(" \t-") or match[0].lower() in _STOP:
            runs.append([])
        if match[0].lower() not in _STOP:
            runs[-1].append(match[0])
        end = match.end()
    return [run for run in runs if run]


def cut(text: str, length: int) -> str:
    """``text`` of at most ``length`` characters, ended between words where one ends near enough."""
    if len(text) <= length:
        return text
    head = text[: max(0, length - 1)]
    space = head.rfind(" ")
    return (head[:space] if space > length // 2 else head).rstrip(" ,;:-") + "…" if length else ""


def first_clauses(text: str, length: int) -> str:
    """As many whole clauses of ``text`` as fit in ``length`` characters; cut between words where none has.

    >>> first_clauses("Left out by number, pixels and pages of media", 20)
    'Left out by number'
    """
    if len(text) <= length:
        return text
    ends = [end.start() for end in _CLAUSE_END.finditer(text[: length + 1]) if end.start() >= length // 3]
    return text[: ends[-1]] if ends else cut(text, length)


def clauses(text: str) -> Iterator[tuple[str, str]]:
    """The statements of ``text`` in order, freed of markup, each with its kind: heading, item or sentence.

    Copes with markdown, change logs, lists of commits and tables; code between fences is left out.
    """
    held: list[str] = []
    kind = "sentence"
    fenced = False
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("```", "~~~")):
            fenced = not fenced
        if fenced or line.startswith(("```", "~~~")):
            continue
        bullet, commit = _BULLET.match(raw), _COMMIT.match(line)
        heading = line.startswith("#") and line.lstrip("#")[:1] == " "
        if not line or _RULE.match(line) or bullet or commit or heading or line.startswith("|"):
            yield from _statements(kind, held)
            held, kind = [], "sentence"
        if heading:
            yield "heading", _clean(line.lstrip("# "))
        elif bullet:
            held, kind = [_LEAD.sub("", raw[bullet.end() :].strip())], "item"
        elif commit:
            yield "item", _clean(line[commit.end() :])
        elif line.startswith("|") and not _RULE.match(line):
            yield "item", _clean(", ".join(cell.strip() for cell in line.strip("|").split("|")))
        elif line and not _RULE.match(line):
            held.append(line)
    yield from _statements(kind, held)


def _statements(kind: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    held = ""
    for part in _SENTENCE_END.split(_clean(" ".join(lines))):
        held = f"{held} {part}".strip()
        if held and not _ABBREVIATION.search(held[-8:]):
            yield kind, held
            held = ""
    if held:
        yield kind, held


def _clean(line: str) -> str:
    return " ".join(_EMPHASIS.sub("", _TAG.sub(" ", _LINK.sub(r"\1", line))).split())
