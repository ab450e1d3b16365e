# ruff: noqa: E501 - lists of endings
"""Names as languages bend them: Slavic, Finnish and Hungarian write the case at the end of a name.

A name is cut to the stem that its forms share; a word of a text that begins with a capital is one of them if what is
left behind the stem is an ending of such names. Nothing shorter than three letters is a stem.
"""

from __future__ import annotations

import re

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
_OF_CYRILLIC = frozenset(
    "а я у ю е и ы ой ою ей ею ом ем ым им ого его ому ему ых их ами ями ах ях ам ям ов ев ою ич овой овою овым ове".replace(
        "й", "и"
    ).split()  # as it is compared
)


def stems(word: str) -> tuple[str, frozenset[str]] | None:
    """The stem of a name and the endings that it may have; None of a name whose forms we do not know.

    Args:
        word: in small letters without accents.
    """
    if _CYRILLIC.fullmatch(word):
        stem = re.sub("(?:[ыио]и|[аяоеиь])$", "", word) or word
        return (stem, _OF_CYRILLIC) if len(stem) >= _LEAST_STEM else None
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
    return (stem, endings) if len(stem) >= _LEAST_STEM else None


LONGEST_ENDING = 5
"""Letters of the longest ending."""
