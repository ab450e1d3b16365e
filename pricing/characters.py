"""Which characters a person can see: names of owners and budgets consist of these, and reports show no others."""

from __future__ import annotations

import re
import unicodedata

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point: joiners, fillers, variation selectors, tags; drawn as nothing."""
_BLANK = "\u2800\ufff9-\ufffc\U00013441\U00013442\U00016fe4\U0001d159"
"""Letters and symbols whose shape is empty: the blank Braille pattern, blank hieroglyphs, anchors of annotations."""
_INVISIBLE = re.compile(f"[{_IGNORABLE}{_BLANK}]")
_MARKS = {"Mn", "Mc", "Me"}


def invisible(text: str) -> bool:
    r"""Whether the text holds a character that is drawn as nothing: it would look like the text without it.

    >>> invisible("ac\u3164me"), invisible("日本 ação 🎉")
    (True, False)
    """
    return _INVISIBLE.search(text) is not None


def readable(text: str) -> bool:
    r"""Whether a name looks like no other name because of characters or spaces that nobody sees.

    Refused are control characters, line ends, every space but the ordinary one, that one at an end or twice in a row,
    marks that set the direction of writing, unassigned characters, characters that are drawn as nothing, and a
    combining mark without a letter before it.

    >>> readable("Müller & Söhne"), readable("acme "), readable("ac\u200bme")
    (True, False, False)
    """
    return (
        bool(text)
        and text.isprintable()
        and text == text.strip()
        and "  " not in text
        and not invisible(text)
        and unicodedata.category(text[0]) not in _MARKS
    )
