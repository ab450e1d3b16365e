"""Text matching at bounded cost: literal hints before patterns, and checked regular expressions of users."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from itertools import accumulate, pairwise
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any


def has_any(text: str, hints: Iterable[str]) -> bool:
    """Whether one of the hints stands in the text. A plain loop: a generator costs more than most looks."""
    for hint in hints:  # noqa: SIM110
        if hint in text:
            return True
    return False


_LONGEST_KEPT = 8_000
_LEAST_LONG = 14


def long_words(text: str) -> Sequence[tuple[int, str]]:
    """Stretches of at least 14 characters without a blank, and where each begins.

    Several guards ask it of the same text.
    """
    return _remembered(text) if len(text) <= _LONGEST_KEPT else _long_words(text)


def _long_words(text: str) -> Sequence[tuple[int, str]]:
    found, at = [], 0
    for word in [word for word in text.split() if len(word) >= _LEAST_LONG]:
        at = text.index(word, at)
        found.append((at, word))
        at += len(word)
    return found


_remembered = lru_cache(maxsize=16)(_long_words)


_MOST_REPEATS = 200
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}


def bounded(pattern: str) -> re.Pattern[str]:
    """The compiled pattern, any case.

    Raises:
        ValueError: it is not a valid regular expression; a repeat has no bound, or one above 200; or repeats are
            nested, so that some text would take exponentially long.
    """
    try:
        _check(parser.parse(pattern), inside=False)
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a valid regular expression: {error}") from None


def _check(parsed: Any, *, inside: bool) -> None:
    for code, argument in parsed:
        repeats = code in _REPEATS
        if repeats:
            least, most, _ = argument
            if most > _MOST_REPEATS:
                raise ValueError(
                    f"a repeat has no bound or one above {_MOST_REPEATS}; write {{0,60}} for *, {{1,60}} for +"
                )
            if inside and most > max(least, 1):
                raise ValueError("a repeat stands in another one; say the inner one without a range")
        for part in _inner(argument):
            _check(part, inside=inside or (repeats and argument[1] > 1))


def _inner(argument: Any) -> list[Any]:
    """The patterns in an argument of a parsed pattern."""
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, list | tuple):
        return [inner for part in argument for inner in _inner(part)]
    return []


_LETTERS = dict(zip("аеорсухкмнвтіјѕԁһԛԝɡӏ", "aeopcyxkmhbtijsdhqwgl", strict=True)) | dict(  # Cyrillic and Greek
    zip("αβεηικνορτυχωϲ", "abenikvoptuxwc", strict=True)
)
LOOKALIKES = str.maketrans(
    _LETTERS
    | {
        letter.upper(): latin.upper()
        for letter, latin in _LETTERS.items()
        if letter.upper() != letter and len(letter.upper()) == 1
    }
)
"""Letters that look like Latin ones, in both cases."""
_ALIKE = str.maketrans(
    _LETTERS | dict(zip("0134578@$", "oleastbas", strict=True)) | dict.fromkeys("ıɩ", "i")  # digits and signs
)
_EITHER = "1!|"
"""Signs that stand for an i as well as for an l."""
_LONGEST_GAP, _LEAST_APART, _MOST_FOUND = 8, 4, 200
_UNSPACED_FROM = "\u2e80"
_APOSTROPHES = "'’ʼ`´"


def canonical(text: str) -> list[tuple[str, int]]:
    """The letters of a text as they read, each with its place."""
    return [(letter, at) for at, character in enumerate(text) for letter in _read(character)]


@lru_cache(maxsize=4_096)
def _read(character: str) -> str:
    """The letters that one character reads as."""
    if character.isascii():
        plain = character.lower()
    else:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", character)).casefold()
    return "".join(filter(str.isalnum, plain.translate(_ALIKE)))


_FEW = 12
"""Characters of a text for each that is not ASCII, from which on those are few."""
_FOREIGN = re.compile("[^\\x00-\\x7f]+")


def translated(text: str, table: Mapping[int, str]) -> str:
    """What ``str.translate`` gives, with a table that changes no ASCII character: sooner, of a text with few others."""
    if text.isascii():
        return text
    if len(foreign(text)) * _FEW > len(text):
        return text.translate(table)
    return _FOREIGN.sub(lambda run: run[0].translate(table), text)


def replaced_letters(pattern: re.Pattern[str], by: str, text: str) -> str:
    """What ``sub`` of a pattern gives that finds no ASCII character: of a text with few others much sooner."""
    others = foreign(text)
    if not pattern.search(others):
        return text
    if len(others) * _FEW > len(text):
        return pattern.sub(by, text)
    return _FOREIGN.sub(lambda run: pattern.sub(by, run[0]), text)


def foreign(text: str) -> str:
    """The characters of a text that are not ASCII. Several guards ask it of the same text."""
    if text.isascii():
        return ""
    return _foreign_remembered(text) if len(text) <= _LONGEST_KEPT else _foreign(text)


def _foreign(text: str) -> str:
    return "".join(_FOREIGN.findall(text))


_foreign_remembered = lru_cache(maxsize=16)(_foreign)


_MOST_KEPT = 16_384


class CharacterTable(dict[int, str]):
    """A table for ``str.translate`` that is filled as characters are met.

    Args:
        reads_as: what one character is replaced by, one character as well.
    """

    def __init__(self, reads_as: Callable[[str], str]) -> None:
        super().__init__()
        self._reads_as = reads_as

    def __missing__(self, code: int) -> str:
        if len(self) >= _MOST_KEPT:
            self.clear()
        read = self[code] = self._reads_as(chr(code))
        return read


def _shown(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 else character


_SHOWN = CharacterTable(_shown)
"""How a character reads: in compatibility form if that is one character, else as it is."""


@lru_cache(maxsize=4_096)
def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def visible(text: str) -> tuple[str, Sequence[int]]:
    """A text in compatibility form without signs that nobody sees, and where each of its characters stood."""
    if text.isascii():
        return text, range(len(text))
    unseen = "".join(filter(_is_unseen, set(foreign(text))))
    if not unseen:
        return translated(text, _SHOWN), range(len(text))
    places = [at for at, character in enumerate(text) if character not in unseen]
    return translated(text.translate(dict.fromkeys(map(ord, unseen))), _SHOWN), places


_ESCAPE = re.compile(r"""\\(?:u(?P<code>[0-9A-Fa-f]{4})|x(?P<byte>[0-9A-Fa-f]{2})|(?P<sign>[nrtbf"'/]))""")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
_SURROGATES = range(0xD800, 0xE000)


def unescaped(text: str) -> tuple[str, Sequence[int]] | None:
    """A text with the signs that its escapes stand for, as JSON and source code have them; None if it has none.

    With it comes where each of its characters stood, and last the length of the text: what stands between ``start`` and
    ``end`` of it is between ``places[start]`` and ``places[end]`` of the text.
    """
    if "\\" not in text:
        return None
    parts: list[str] = []
    places: list[int] = []
    done = 0
    for match in _ESCAPE.finditer(text):
        parts += (text[done : match.start()], _meant(match))
        places += range(done, match.start() + 1)
        done = match.end()
    if not parts:
        return None
    return "".join((*parts, text[done:])), [*places, *range(done, len(text) + 1)]


def readings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """A text as it is and, if it has escapes, with what they stand for; places are as :func:`unescaped` has them."""
    yield text, range(len(text) + 1)
    if (meant := unescaped(text)) is not None:
        yield meant


def _meant(escape: re.Match[str]) -> str:
    """The sign that an escape stands for."""
    if escape["sign"]:
        return _ESCAPED.get(escape["sign"], escape["sign"])
    code = int(escape["code"] or escape["byte"], 16)
    return "\ufffd" if code in _SURROGATES else chr(code)


@dataclass(frozen=True, slots=True)
class _Phrase:
    name: str
    letters: str
    words: tuple[int, ...]
    """Letters of each of its words."""


class Phrases:
    """Finds phrases as whole words, however they are written.

    Args:
        phrases: each with the name that it is found under.
        anywhere: also within words and with gaps of any kind: for texts that nothing else contains.
    """

    def __init__(self, phrases: Iterable[tuple[str, str]], *, anywhere: bool = False) -> None:
        self._anywhere = anywhere
        self._phrases: list[_Phrase] = []
        self._literal: list[tuple[str, str]] = []
        for name, phrase in phrases:
            words = tuple(len(letters) for word in phrase.split() if (letters := canonical(word)))
            if words:
                self._phrases.append(_Phrase(name, "".join(letter for letter, _ in canonical(phrase)), words))
            elif phrase.strip():  # of signs alone
                self._literal.append((name, phrase.strip()))

    def find(self, text: str) -> list[tuple[int, int, str]]:
        """Start, end and name of each find, in order."""
        if not (self._phrases or self._literal):
            return []
        found = [
            (places[start], places[end], name)
            for reading, places in readings(text)
            for start, end, name in self._read(reading)
        ]
        if "<" in text or "&" in text or "](" in text:
            plain, places = _without_markup(text)
            found += [(places[start], places[end - 1] + 1, name) for start, end, name in self._read(plain)]
        return sorted(set(found))[:_MOST_FOUND]

    def _read(self, text: str) -> list[tuple[int, int, str]]:
        letters = canonical(text)
        found = [(at, at + len(sign), name) for name, sign in self._literal if (at := text.find(sign)) >= 0] + list(
            self._found(text, letters)
        )
        if any(sign in text for sign in _EITHER):
            found += self._found(text, _other_reading(text, letters))
        return found

    def names_in(self, text: str) -> set[str]:
        """The names of the phrases that stand in the text at least once."""
        found = {name for name, sign in self._literal if sign in text}
        if self._phrases:
            letters = canonical(text)
            readings = [letters, _other_reading(text, letters)] if any(sign in text for sign in _EITHER) else [letters]
            for reading in readings:
                found |= {name for _, _, name in self._found(text, reading)}
        return found

    def _found(self, text: str, letters: list[tuple[str, int]]) -> Iterator[tuple[int, int, str]]:
        read = "".join(letter for letter, _ in letters)
        for phrase in self._phrases:
            at, count = read.find(phrase.letters), 0
            while at >= 0 and count < _MOST_FOUND:
                places = [place for _, place in letters[at : at + len(phrase.letters)]]
                if self._is_phrase(text, phrase, places):
                    yield places[0], places[-1] + 1, phrase.name
                    count += 1
                at = read.find(phrase.letters, at + 1)

    def _is_phrase(self, text: str, phrase: _Phrase, places: list[int]) -> bool:
        """Whether it stands by itself, and its letters are as close together as those of words are."""
        if any(after - before > _LONGEST_GAP + 1 for before, after in pairwise(places)):
            return False
        if self._anywhere:
            return True
        start, end = places[0], places[-1] + 1
        if _touches(text[start - 1 : start], text[start]) or _touches(text[end : end + 1], text[end - 1]):
            return False
        if len(places) >= _LEAST_APART and all(after > before + 1 for before, after in pairwise(places)):
            return True
        starts = [0, *accumulate(phrase.words)]
        return all(_is_word(text, places[first:last]) for first, last in pairwise(starts)) and not any(
            _CLAUSE_END.fullmatch(text, places[first - 1] + 1, places[first]) for first in starts[1:-1]
        )


_CLAUSE_END = re.compile(r"[.,!?;:]\s{1,8}")
"""What stands between the words of two clauses: they do not form a phrase."""
_MARKUP = re.compile(
    r"</?[A-Za-z][^<>]{0,200}>|&(?:nbsp|shy|zwnj|zwj|ensp|emsp|thinsp|#\d{2,6}|#x[0-9A-Fa-f]{2,6});|\]\([^()\s]{0,300}\)"
)


def _without_markup(text: str) -> tuple[str, list[int]]:
    """A text without tags, invisible entities and addresses of links, and where each of its characters stood."""
    shown: list[str] = []
    places: list[int] = []
    done = 0
    for match in _MARKUP.finditer(text):
        shown.append(text[done : match.start()])
        places += range(done, match.start())
        if match[0][0] == "&":
            letter = unescape(match[0])
            shown.append(letter)
            places += [match.start()] * len(letter)
        done = match.end()
    shown.append(text[done:])
    places += range(done, len(text))
    return "".join(shown), places


def _touches(beside: str, edge: str) -> bool:
    return beside.isalnum() and beside < _UNSPACED_FROM and edge < _UNSPACED_FROM


def _is_word(text: str, places: list[int]) -> bool:
    """Whether letters read as one word: together, or joined by other signs than blanks."""
    gaps = [text[before + 1 : after] for before, after in pairwise(places) if after > before]
    return not any(sign.isspace() or sign in _APOSTROPHES or sign in ",;:!?()/" for gap in gaps for sign in gap)


def _other_reading(text: str, letters: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The letters with an i where a sign stands for an i or an l."""
    places = dict.fromkeys(at for at, sign in enumerate(text) if sign in _EITHER)
    merged = [(letter, at) for letter, at in letters if at not in places]
    return sorted([*merged, *(("i", at) for at in places)], key=lambda letter: letter[1])
