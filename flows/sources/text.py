"""Text from outside made fit to print, to send and to count: decoded, cleaned, cut.

What a stranger wrote may hold terminal escapes, characters that turn a line around or hide words from a reader's eye,
halves of characters, or no text at all. Everything that leaves :mod:`flows.sources` has passed through here.
"""

from __future__ import annotations

import codecs
import re

MAX_CHARACTERS = 6_000
"""Longest text of one document; about 1,500 tokens of English."""

MAX_LINE = 160
"""Longest title or origin, in characters."""

MOST_UNREADABLE = 0.3
"""Share of unreadable characters from which bytes count as binary; a short Latin-1 line stays below it."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS and the like: window titles, links
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"  # direction overrides, invisible marks
    "\U000e0000-\U000e007f]"  # tag characters: text that only a model reads
)
HALVES = re.compile("[\ud800-\udfff]")
"""Halves of characters: what undecodable bytes become in file names."""
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(data: bytes, *, whole: bool = True) -> str | None:
    """The text in ``data``, or ``None`` where it is binary.

    UTF-8 unless a byte order mark says UTF-16 or UTF-32. Bytes that fit no character become U+FFFD; past
    :data:`MOST_UNREADABLE` of them, or with a NUL byte, the whole is binary. ``whole`` is false for the head of a
    longer file, whose last character may be cut in two.
    """
    mark, encoding = next(((mark, name) for mark, name in _BOMS if data.startswith(mark)), (b"", "utf-8"))
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data[len(mark) :], whole)
    if "\x00" in text or len(_CONTROL.findall(text)) > len(text) * MOST_UNREADABLE:
        return None
    return text


def clean_text(text: str) -> str:
    """``text`` without terminal escapes and unseen characters, its line ends alike, no two blank lines running."""
    text = _BREAKS.sub("\n", _ESCAPES.sub("", text))
    text = HALVES.sub("\ufffd", _UNSEEN.sub("", text))
    return _BLANK_LINES.sub("\n\n", text).strip()


def clean_line(text: str, limit: int = MAX_LINE) -> str:
    """``text`` as one printable line of at most ``limit`` characters."""
    line = " ".join(clean_text(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def cut(text: str, limit: int = MAX_CHARACTERS) -> str:
    """At most ``limit`` characters of ``text``, ended at a paragraph, else a line, else a word; ``…`` marks the cut."""
    if len(text) <= limit:
        return text
    head = text[: limit - 2]
    for mark in ("\n\n", "\n", " "):
        end = head.rfind(mark)
        if end >= limit // 2:
            return head[:end].rstrip() + "\n…"
    return head + "\n…"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 file``, ``3 files``, ``2 entries``: a number with its noun."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
