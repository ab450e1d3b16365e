"""What a text says behind an encoding that models read: base64 and 32, bits, Morse, escapes, letters apart or turned
round; and what it shouts between words in small letters, which is meant to be read by itself.

Every pattern takes time that grows with the length of the text, and what is decoded is bounded.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote

from guardrails.guards.injection_model import UNSPACED
from guardrails.text_matching import foreign, has_any, long_words

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,2000}={0,2}(?![A-Za-z0-9+/])")
_HEX = re.compile(r"[2-7](?<![0-9A-Fa-f].)[0-9A-Fa-f][ ,]?(?:[2-7][0-9A-Fa-f][ ,]?){15,499}+")
_BASE32 = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{32,2000}={0,6}(?![A-Za-z0-9])")
_BINARY = re.compile(r"(?<![01])(?:[01]{8}[ ,]?){8,1000}+(?![01])")
_PERCENT = re.compile(r"(?:[A-Za-z0-9_.~-]{0,40}%[0-9A-Fa-f]{2}){3,200}+[A-Za-z0-9_.~-]{0,40}")
_SHOUTED = re.compile(r"(?<![A-Z'])[A-Z]{1,20}(?:[ ,:;'\"-]{1,3}[A-Z]{1,20}){3,80}+(?![a-z])")
_MOST_SHOUTED = 5
"""Places that are read by themselves."""
_MORSE = re.compile(r"(?<![.\-])(?:[.\-]{1,6}[ /]{1,3}){8,1000}+[.\-]{0,6}")
_MORSE_CODE = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
)
_MORSE_LETTERS = dict(zip(_MORSE_CODE.split(), "abcdefghijklmnopqrstuvwxyz", strict=True))
_ESCAPED = re.compile(r"(?:\\(?:u00|x)[0-9A-Fa-f]{2}[ ]?){8,2000}+")
_UNBROKEN = (_BASE64, _BASE32)
"""Encodings without a blank."""
_BACKWARDS = ("snoitcurtsni", "tpmorp metsys", "suoiverp", "erongi", "drawssap")
_ROTATED = ("vtaber", "vafgehpgvba", "flfgrz cebzcg", "qvfertneq", "cerivbhf")
"""Words of attacks backwards, and thirteen letters on."""
_TAGS = re.compile("[\U000e0020-\U000e007e]{8,4000}")
"""Letters that nobody sees and every model reads."""
_SPREAD = re.compile(r"(?<!\w)(?:[^\W_][ .*_-]{1,3}+){9,400}+(?:[^\W_](?!\w))?")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_DIGITS = "0134579@$!+\N{EURO SIGN}"
_DIGITS_IN_WORDS = re.compile(rf"[a-z][{_DIGITS}]{{1,2}}[a-z]", re.IGNORECASE)
_DIGIT_BEFORE = re.compile(rf"[{_DIGITS}](?i:[a-z])")
_READ_AS = str.maketrans(_DIGITS, "oieastgasite")
_LEAST_BASE64, _LEAST_HEX, _LEAST_LETTERS, _LEAST_BITS, _LEAST_SIGNS, _LEAST_BASE32, _LEAST_MORSE = (
    24,
    16,
    8,
    64,
    3,
    32,
    20,
)
"""Signs without a blank, digits from 2 to 7, words of one letter, bits, signs of escape, and of Morse that a text has
at least in which something is encoded; the first of nine letters may be taken for the end of the word before it.
"""
_LONGEST_READ, _LEAST_DIGITS, _MOST_DECODED = 1_000, 2, 20
"""Characters that are read with digits as letters; places that must have such digits; texts that are decoded."""


def other_readings(text: str, letters: int | None = None) -> Iterator[tuple[str, int, int]]:
    """What a text says behind an encoding, with letters apart, or with digits for letters; and where that stands.

    Args:
        text: as it reads.
        letters: how many words of a single letter or digit it has; None if that is not known.
    """
    words = [(start, start + len(word)) for start, word in long_words(text) if len(word) >= _LEAST_BASE64]
    longest = max((end - start for start, end in words), default=0)
    for pattern, decode, may_be in (
        (_BASE64, _from_base64, longest >= _LEAST_BASE64),
        (_HEX, _from_hex, sum(map(text.count, "234567")) >= _LEAST_HEX),
        (_BASE32, _from_base32, longest >= _LEAST_BASE32),
        (_BINARY, _from_binary, text.count("0") + text.count("1") >= _LEAST_BITS),
        (_PERCENT, unquote, text.count("%") >= _LEAST_SIGNS),
        (_ESCAPED, _from_escapes, text.count("\\") >= _LEAST_LETTERS),
        (_MORSE, _from_morse, text.count(".") + text.count("-") >= _LEAST_MORSE),
        (_SPREAD, _together, letters is None or letters >= _LEAST_LETTERS or _UNSPACED.search(foreign(text))),
    ):
        spans = words if pattern in _UNBROKEN else ((0, len(text)),)
        found = (match for span in spans for match in pattern.finditer(text, *span)) if may_be else ()
        for count, match in enumerate(found):
            if count >= _MOST_DECODED:
                break
            if decoded := decode(match[0]):
                yield decoded, match.start(), match.end()
    yield from _shouted(text)
    beginning = text[:_LONGEST_READ]
    lowered = beginning.lower()
    if has_any(lowered, _BACKWARDS):
        yield beginning[::-1], 0, len(beginning)
    if has_any(lowered, _ROTATED):
        yield codecs.encode(beginning, "rot13"), 0, len(beginning)
    if len(_DIGIT_BEFORE.findall(beginning)) >= _LEAST_DIGITS and (
        len(_DIGITS_IN_WORDS.findall(beginning)) >= _LEAST_DIGITS
    ):
        yield beginning.replace("11", "ll").translate(_READ_AS), 0, len(beginning)


def _shouted(text: str) -> Iterator[tuple[str, int, int]]:
    """What stands in capitals between words in small letters, and where."""
    for match in islice(_SHOUTED.finditer(text), _MOST_SHOUTED):
        yield match[0], match.start(), match.end()


def _from_morse(encoded: str) -> str:
    words = re.split(r" ?/ ?| {2,3}", encoded)
    return " ".join("".join(_MORSE_LETTERS.get(letter, "") for letter in word.split()) for word in words)


def _from_base64(encoded: str) -> str:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8")
    except (ValueError, UnicodeDecodeError):
        return ""


def _from_base32(encoded: str) -> str:
    try:
        return base64.b32decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 8)).decode("utf-8")
    except (ValueError, UnicodeDecodeError):
        return ""


def _from_binary(encoded: str) -> str:
    bits = re.sub("[ ,]", "", encoded)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).decode("utf-8", "ignore")


def _from_escapes(encoded: str) -> str:
    return "".join(chr(int(digits, 16)) for digits in re.findall(r"\\(?:u00|x)([0-9A-Fa-f]{2})", encoded))


def tagged(text: str) -> Iterator[tuple[str, int, int]]:
    """What invisible tag characters of a text say, and where they stand."""
    for match in _TAGS.finditer(text) if _TAGS.search(foreign(text)) else ():
        yield "".join(chr(ord(sign) - 0xE0000) for sign in match[0]), match.start(), match.end()


def _from_hex(encoded: str) -> str:
    try:
        return bytes.fromhex(re.sub(r"[ ,]", "", encoded)).decode("utf-8")
    except (ValueError, UnicodeDecodeError):
        return ""


def _together(spread: str) -> str:
    """Words of letters that stand apart: more than one sign between them ends a word."""
    return " ".join(re.sub(r"\W", "", word) for word in re.split(r"[ .*_-]{2,3}", spread))
