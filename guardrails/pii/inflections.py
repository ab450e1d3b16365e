"""Names as languages bend them: Slavic, Finnish and Hungarian write the case at the end of a name.

A name is cut to the stem that its forms share; a word of a text that begins with a capital is one of them if what is
left behind the stem is an ending of such names. Nothing shorter than three letters is a stem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CYRILLIC = re.compile("[а-яё]+")
_LEAST_STEM = 3

_OF_A = frozenset(["y", "e", "o", "a", "u", "ou", "ie", "ia", "i", "om", "ach", "ami", "e"])
_OF_I = frozenset(["im", "iego", "iemu", "ich", "imi", "eho", "emu", "ym", "ego", "ych", "iej", "ou"])
_OF_NEN = frozenset(["en", "elle", "ella", "elta", "esta", "eksi", "ta", "ia", "ien"])
_OF_CONSONANT = frozenset(
    [
        "em",
        "owi",
        "iem",
        "ovi",
        "om",
        "ami",
        "ach",
        "nak",
        "nek",
        "val",
        "vel",
        "nal",
        "nel",
        "hoz",
        "hez",
        "ban",
        "ben",
        "rol",
        "tol",
        "ert",
        "kent",
        "ssa",
        "lla",
        "lle",
        "sta",
        "lta",
        "ksi",
    ]
)
_OF_CYRILLIC = frozenset(  # as it is compared: "й" is "и"
    [
        "а",
        "я",
        "у",
        "ю",
        "е",
        "и",
        "ы",
        "ои",
        "ою",
        "еи",
        "ею",
        "ом",
        "ем",
        "ым",
        "им",
        "ого",
        "его",
        "ому",
        "ему",
        "ых",
        "их",
        "ами",
        "ями",
        "ах",
        "ях",
        "ам",
        "ям",
        "ов",
        "ев",
        "ич",
        "овои",
        "овою",
        "овым",
        "ове",
    ]
)


_FINNISH = re.compile(r"nen\b|aa|ää|ii|uu|yy|kk|pp|tt|[aäeouyö]i|uo|yö|äi|(?:[klnrst]i|ju|vu)\b", re.IGNORECASE)
_SLAVIC = re.compile(r"[čšžřěůýňťďłśźżćąęń]|(?:sk[iy]|ck[iy]|ek|ák|ík|ov|ev|ić|wicz|czyk)\b", re.IGNORECASE)
_TURKISH = re.compile("[ığşİçü]", re.IGNORECASE)
_BALTIC = re.compile(
    r"(?:[aiu]s|is|ys|s|š)\b.*(?:[aiu]tis|[aiu]us|as|is|ņš|ns|[lņ]š|ks|ts)\b|ienė\b|ytė\b|aitė\b", re.IGNORECASE
)
_OF_FINNISH = frozenset(
    ["n", "a", "ta", "ssa", "sta", "lla", "lta", "lle", "na", "ksi", "tta", "t", "an", "en", "in", "on", "un", "ien"]
)
_OF_SLAVIC = frozenset(["a", "u", "e", "em", "om", "ovi", "owi", "iem", "y", "ou", "ami", "ach"])
_OF_TURKISH = frozenset(
    [
        "in",
        "un",
        "nin",
        "nun",
        "e",
        "a",
        "i",
        "u",
        "ye",
        "ya",
        "yi",
        "de",
        "da",
        "te",
        "ta",
        "den",
        "dan",
        "ten",
        "tan",
        "le",
        "la",
        "yle",
        "yla",
    ]
)
_OF_BALTIC = frozenset(
    ["o", "ui", "a", "u", "e", "io", "iui", "i", "iu", "am", "ai", "as", "es", "ei", "eś", "us", "im"]
)
_OF_GREEK = frozenset(["ου", "ο", "ε", "η", "α"])
_WEAKER = (
    ("kk", "k"),
    ("pp", "p"),
    ("tt", "t"),
    ("nt", "nn"),
    ("lt", "ll"),
    ("rt", "rr"),
    ("mp", "mm"),
    ("nk", "ng"),
    ("t", "d"),
    ("p", "v"),
    ("k", ""),
)
"""How Finnish softens the last consonants of a stem where an ending closes the syllable."""


def stems(word: str, name: str = "") -> list[tuple[str, frozenset[str]]]:
    """The stems of a name, each with the endings that it may have; none of a name whose forms we do not know.

    Args:
        word: in small letters without accents.
        name: the whole name as it is written: it shows which languages bend it.
    """
    found = [stem for stem in (_stem(word),) if stem]
    if re.fullmatch("[α-ω]+", word) and word[-1] in "ςσ":
        found.append((word[:-2], _OF_GREEK))
    if word.isascii() and word.isalpha():
        if _FINNISH.search(name):
            found += ((stem, _OF_FINNISH) for stem in _finnish(word))
        if _SLAVIC.search(name) and word[-1] not in "aeiouy":
            found += ((stem, _OF_SLAVIC) for stem in {word, re.sub("e(?=[kclr]$)", "", word)})
        if _TURKISH.search(name):
            found.append((word, _OF_TURKISH))
        if _BALTIC.search(name) and word[-1] == "s":
            found.append((re.sub("(?:[aiuy]?s)$", "", word), _OF_BALTIC))
    return [(stem, endings) for stem, endings in found if len(stem) >= _LEAST_STEM]


def _finnish(word: str) -> Iterator[str]:
    """What the endings of Finnish follow on: the vowel stays or is softened, and so are the consonants before it."""
    if word[-1] not in "aeiouy":
        yield f"{word}i"
        return
    root, vowel = word[:-1], word[-1]
    weaker = next((root[: -len(strong)] + weak for strong, weak in _WEAKER if root.endswith(strong)), root)
    for stem in {root, weaker, root if root[-2:] in {"sk", "st"} else weaker}:
        yield f"{stem}{vowel}"
        if vowel == "i":
            yield f"{stem}e"


def _stem(word: str) -> tuple[str, frozenset[str]] | None:
    """The stem that Slavic and Hungarian forms share, with their endings."""
    if _CYRILLIC.fullmatch(word):
        stem = re.sub("(?:[ыио]и|[аяоеиь])$", "", word) or word
        return stem, _OF_CYRILLIC
    if not word.isascii() or not word.isalpha():
        return None
    stem, endings = word, _OF_CONSONANT
    if word.endswith("nen"):
        stem, endings = f"{word[:-3]}s", _OF_NEN
    elif word[-1] == "a":
        stem, endings = word[:-1], _OF_A
    elif word[-1] in "iy":
        stem, endings = word[:-1], _OF_I
    elif word[-1] in "eou":
        return None
    return stem, endings


LONGEST_ENDING = 5
"""Letters of the longest ending."""
