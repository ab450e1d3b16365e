# ruff: noqa: E501 - a pattern is easier to check unbroken
"""What is known of persons, found wherever it stands: names have no form that a pattern could find.

Values and texts are compared as they read: in any case, with or without accents, whatever apostrophe or hyphen joins
the words. A person's name is also found by each of its words ("Hello Ada," identifies a person as "Ada Lovelace" does);
the name of a company only as a whole. All values are in one tree by their words, so that a text costs its length,
however many values there are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

from guardrails.pii.inflections import LONGEST_ENDING, stems
from guardrails.pii.name_words import OF_NO_PERSON, ORDINARY, PARTICLES
from guardrails.pii.patterns import Entity
from guardrails.text_matching import readings

Known: TypeAlias = Mapping[str, str] | Iterable[str | tuple[str, str]]
"""Kind → value, pairs of both, or values alone. Kinds are letters; anything else in them is dropped."""

_MARKS = "\u00ad\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u0640\u064b-\u065f\u0670\u200b-\u200d\u2060\ufeff"
_WORD = re.compile(rf"[^\W_{_MARKS}](?:[^\W_]|[{_MARKS}])*")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]"
)
_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_SYLLABLE = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?")
_KOREAN_PARTICLES = frozenset("가이은는을를에의와과도로랑님씨아야만께한까라입군양네고며부처하였나요")
"""Syllables that particles, titles and forms of "to be" begin with."""
_KOREAN_NAME = re.compile("[\uac00-\ud7a3]{3}")
_CHINESE_NAME = re.compile("[\u4e00-\u9fff]{2,3}")
_CHINESE_TITLES = ("先生", "女士", "小姐", "太太", "老师", "老師", "医生", "醫生", "总", "總")
_WITH_GIVEN, _LEAST_HALF = 3, 3
"""Signs of a Chinese name with a given name of two, and letters of a half of a double name that is found alone."""
_BLANKS = re.compile(r"\s+")
_BETWEEN_UNSPACED = re.compile(r"[\s・·]{1,2}")
_LEAST_JOINED = 5
_LONGEST_KIND, _LONGEST_GAP, _MOST_WORDS, _LONGEST_UNSPACED = 20, 8, 24, 40
_MOST = 20_000
_MOST_NAME_WORDS = 6

_STROKES = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ħ": "h",
        "ŧ": "t",
        "ى": "ي",
        "ة": "ه",
        "ـ": "",
    }
)
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_UNDIGRAPH = re.compile(r"([aou])e")
_PREFIXES = ("وال", "بال", "فال", "كال", "لل", "ال", "و", "ف", "ب", "ل", "ك", "ו", "ה", "ב", "ל", "מ", "ש", "כ")
"""Particles that Arabic and Hebrew write as one word with what follows, the longest first."""
_PREFIXED = re.compile("[\u05d0-\u05ea\u0621-\u064a]")

_ORGANISATION = re.compile(
    r"compan|organi[sz]ation|employer|firm|business|vendor|supplier|brand|product|team|account(?!holder)|domain"
)
_ADDRESS = re.compile(r"address|street|strasse|adresse|anschrift|location")
_PERSON = re.compile(r"name|author|person|contact|patient|employee|recipient|sender|signatory|holder|owner|assignee")


_Words: TypeAlias = tuple[list[re.Match[str]], list[str]]
"""The words of a text, and each as it is compared."""


@dataclass(frozen=True, slots=True)
class _Value:
    """What ends at a node of the tree.

    Args:
        kind: of the entity.
        capital: it is a word of the language too, so it counts only with a capital letter.
        before: signs that belong to the value before its first word, and
        after: behind its last.
    """

    kind: str
    capital: bool
    before: str
    after: str


class KnownValues:
    """Values to be found in texts as words of their own.

    Args:
        values: see :data:`Known`; those of one character are left out, and what exceeds 20,000.
    """

    def __init__(self, values: Known) -> None:
        self._tree: dict[str, Any] = {}
        self._unspaced: dict[str, dict[int, dict[str, tuple[str, bool]]]] = {}
        self._gaps: set[str] = set()
        self._stems: dict[str, tuple[frozenset[str], str]] = {}
        self.kinds: set[str] = set()
        for kind, value in list(_pairs(values))[:_MOST]:
            self.kinds.add(kind)
            self._add(kind, value, capital=_is_ordinary(value))
            parts = list(_parts(kind, value))
            for part in parts:
                self._add(kind, part, capital=_is_ordinary(part) or len(part) <= 2, part=True)  # noqa: PLR2004
            if parts or (_PERSON.search(kind) and _WORD.fullmatch(value)):
                self._add_forms(kind, value, parts or [value])
                self._add_joined(kind, [value, *parts])

    def find(self, text: str) -> list[Entity]:
        """Where they stand, in order and apart from each other."""
        return self.find_among(text, _read(text))

    def find_among(self, text: str, read: _Words) -> list[Entity]:
        """The same, in a text whose words were read before."""
        found = list(self._find_words(text, *read)) if self._tree else []
        if self._unspaced and not text.isascii():
            found = sorted([*found, *self._find_unspaced(text)], key=lambda entity: (entity.start, -entity.end))
        return found

    def _add(self, kind: str, value: str, *, capital: bool, part: bool = False) -> None:
        if _UNSPACED.search(value):
            self._add_unspaced(kind, value, part=part)
            return
        words = list(_WORD.finditer(value))[:_MOST_WORDS]
        if not words:
            return
        last = words[-1].end()
        self._gaps |= {value[one.end() : other.start()] for one, other in pairwise(words)}
        ends = _Value(kind, capital, value[: words[0].start()], value[last:] if len(words) < _MOST_WORDS else "")
        for variant in _variants([word[0] for word in words]):
            node = self._tree
            for word in variant:
                node = node.setdefault(word, {})
            kept = node.get("")
            if kept is None or (kept.capital and not capital):
                node[""] = ends

    def _add_forms(self, kind: str, value: str, names: Iterable[str]) -> None:
        """The stems of a person's names: what declines them ends otherwise."""
        for name in names:
            if _UNSPACED.search(name) or name.casefold() in ORDINARY:
                continue
            for stem, endings in stems(_folded(name), value):
                known = self._stems.get(stem, (frozenset(), kind))
                self._stems[stem] = (known[0] | endings, known[1])

    def _add_joined(self, kind: str, names: Iterable[str]) -> None:
        """Names of several words as one, as in user names: ``adalovelace``, ``OBrien``."""
        for name in names:
            words = [_folded(word[0]) for word in _WORD.finditer(name)]
            if len(words) > 1 and sum(map(len, words)) >= _LEAST_JOINED and not _UNSPACED.search(name):
                self._tree.setdefault("".join(words), {}).setdefault(
                    "", _Value(kind, capital=False, before="", after="")
                )

    def _add_unspaced(self, kind: str, value: str, *, part: bool) -> None:
        compact = _BETWEEN_UNSPACED.sub("", unicodedata.normalize("NFC", value))[:_LONGEST_UNSPACED]
        if len(compact) > 1:
            by_length = self._unspaced.setdefault(compact[:2], {})
            by_length.setdefault(len(compact), {}).setdefault(compact, (kind, part))

    def _find_words(self, text: str, words: list[re.Match[str]], folded: list[str]) -> Iterator[Entity]:
        done, tree = 0, self._tree
        for first, opening in enumerate(folded):
            plain = opening.isascii()
            may_begin = opening in tree or opening.endswith("s")
            if plain and not may_begin and not (self._stems and text[words[first].start()].isupper()):
                continue
            word = words[first]
            if word.start() < done:
                continue
            found = self._longest(text, words, folded, first) if may_begin else None
            if found is None and not plain and _PREFIXED.match(word[0]):
                found = self._behind_particle(text, words, folded, first)
            if found is None and self._stems and word[0][0].isupper():
                found = self._bent(word, opening)
            if found:
                done = found.end
                yield found

    def _bent(self, word: re.Match[str], folded: str) -> Entity | None:
        """A name with the ending of a case."""
        for length in range(1, min(LONGEST_ENDING, len(folded) - 2) + 1):
            known = self._stems.get(folded[:-length])
            if known and folded[-length:] in known[0]:
                return Entity(*word.span(), known[1])
        return None

    def _longest(
        self, text: str, words: list[re.Match[str]], folded: list[str], first: int, skip: int = 0
    ) -> Entity | None:
        """The longest value that begins with the word, after ``skip`` letters of it."""
        node, at, found = self._tree, first, None
        opening = folded[first][skip:]
        while at < len(words):
            if at > first and not self._joined(text, words[at - 1].end(), words[at].start()):
                break
            word = opening if at == first else folded[at]
            below, cut = node.get(word), 0
            if below is None and word.endswith("s") and len(word) > 2:  # noqa: PLR2004 - Adas, of Ada
                below, cut = node.get(word[:-1]), 1
                below = below if below is not None and "" in below else None
            if below is None:
                break
            ends = below.get("")
            if ends is not None and (not ends.capital or _has_capital(words[first][0])):
                start = words[first].start() + (_letters(words[first][0], skip) if skip else 0)
                found = _entity(text, start, words[at].end() - cut, ends)
            if cut:
                break
            node, at = below, at + 1
        return found

    def _joined(self, text: str, start: int, end: int) -> bool:
        """Whether what lies between two words may lie between those of a value, or does in one that is known."""
        return _joins(text, start, end) or (
            end - start <= _LONGEST_GAP and _BLANKS.sub(" ", text[start:end]) in self._gaps
        )

    def _behind_particle(self, text: str, words: list[re.Match[str]], folded: list[str], first: int) -> Entity | None:
        for prefix in _PREFIXES:
            begins = folded[first].startswith(prefix) and len(folded[first]) > len(prefix) + 1
            if begins and (found := self._longest(text, words, folded, first, len(prefix))):
                return found
        return None

    def _find_unspaced(self, text: str) -> Iterator[Entity]:
        compact, places, ends = _compact(text)
        done = 0
        for at in range(len(compact) - 1):
            by_length = self._unspaced.get(compact[at : at + 2])
            if by_length is None or at < done:
                continue
            for length in sorted(by_length, reverse=True):
                known = by_length[length].get(compact[at : at + length])
                if known and _apart(compact, at, at + length, part=known[1]):
                    done = at + length
                    yield Entity(places[at], ends[done - 1], known[0])
                    break


def known_trees(values: Known) -> list[KnownValues]:
    """Values in blocks, each built once for as long as it comes again: of a run's values there are ever more, and those
    from before come first.
    """
    if not values:
        return []
    pairs = tuple(_pairs(values))
    trees: list[KnownValues] = []
    at = 0
    for size in _BLOCKS:
        while len(pairs) - at >= size:
            trees.append(_tree(pairs[at : at + size]))
            at += size
    return [*trees, _tree(pairs[at:])] if at < len(pairs) else trees


def find_known(trees: list[KnownValues], text: str) -> list[Entity]:
    """Where values of several trees stand; finds of different ones may overlap."""
    if not trees:
        return []
    return [
        Entity(places[entity.start], places[entity.end], entity.kind)
        for reading, places in readings(text)
        for entity in _find_in(trees, reading)
    ]


def _find_in(trees: list[KnownValues], text: str) -> list[Entity]:
    read = _read(text)
    return [entity for tree in trees for entity in tree.find_among(text, read)]


def _read(text: str) -> _Words:
    words = list(_WORD.finditer(text))
    return words, [_folded(word[0]) for word in words]


_BLOCKS = (4_096, 512, 64)
_tree = lru_cache(maxsize=256)(KnownValues)


@lru_cache(maxsize=20_000)
def _folded(word: str) -> str:
    """A word as it is compared: small letters without accents."""
    if word.isascii():
        return word.lower()
    bare = "".join(
        sign for sign in unicodedata.normalize("NFKD", word) if unicodedata.category(sign) not in {"Mn", "Cf"}
    )
    folded = unicodedata.normalize("NFKD", bare.casefold())
    return "".join(sign for sign in folded if not unicodedata.combining(sign)).translate(_STROKES)


def _variants(words: list[str]) -> list[list[str]]:
    """The words as they are compared, and with two letters for an umlaut or one for two."""
    plain = [_folded(word) for word in words]
    spelled = [_folded(unicodedata.normalize("NFC", word).lower().translate(_DIGRAPHS)) for word in words]
    short = [_UNDIGRAPH.sub(r"\1", word) if len(word) > 3 else word for word in plain]  # noqa: PLR2004 - "Sue" stays
    return [list(variant) for variant in dict.fromkeys(map(tuple, (plain, spelled, short)))]


def _is_ordinary(value: str) -> bool:
    """Whether it is one word, with a capital, that means something else without."""
    return value[0].isupper() and value.casefold() in ORDINARY


def _has_capital(word: str) -> bool:
    return word[0].isupper() or word[0].lower() == word[0].upper()


def _joins(text: str, start: int, end: int) -> bool:
    """Whether what lies between two words may lie between those of a value: few signs, none that ends a quotation."""
    length = end - start
    if length == 1:
        return text[start] not in '"<>{}[]=;|'
    return length <= _LONGEST_GAP and all(sign.isspace() or sign in ",.'’&-–(_)/+" for sign in text[start:end])


def _entity(text: str, start: int, end: int, ends: _Value) -> Entity:
    if ends.before and text.endswith(ends.before, 0, start):
        start -= len(ends.before)
    if ends.after and text.startswith(ends.after, end):
        end += len(ends.after)
    return Entity(start, end, ends.kind)


def _letters(word: str, count: int) -> int:
    """How many signs of a word its first letters take, marks included."""
    seen = 0
    for at, sign in enumerate(word):
        if unicodedata.category(sign) not in {"Mn", "Cf"} and sign != "ـ":
            if seen == count:
                return at
            seen += 1
    return len(word)


def _compact(text: str) -> tuple[str, list[int], list[int]]:
    """A text without blanks and dots between letters of scripts without blanks, its Hangul composed, and where each
    character left begins and ends.
    """
    left_out = {
        at
        for match in _BETWEEN_UNSPACED.finditer(text)
        if _UNSPACED.match(text[match.start() - 1 : match.start()]) and _UNSPACED.match(text, match.end())
        for at in range(*match.span())
    }
    syllables = {match.start(): match.end() for match in _SYLLABLE.finditer(text)}
    signs: list[str] = []
    places: list[int] = []
    ends: list[int] = []
    at = 0
    while at < len(text):
        end = syllables.get(at, at + 1)
        if at not in left_out:
            signs.append(text[at] if end == at + 1 else unicodedata.normalize("NFC", text[at:end]))
            places.append(at)
            ends.append(end)
        at = end
    return "".join(signs), places, ends


def _apart(text: str, start: int, end: int, *, part: bool) -> bool:
    """Whether a find is a word: kana of one word go on, and so do the syllables before a Korean given name."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if (_KATAKANA.match(text[start]) and _KATAKANA.match(before)) or (
        _KATAKANA.match(text[end - 1]) and _KATAKANA.match(after)
    ):
        return False
    if not (part and _HANGUL.match(text[start])):
        return True
    return not _HANGUL.match(before) and (not _HANGUL.match(after) or after in _KOREAN_PARTICLES)


def _pairs(values: Known) -> Iterator[tuple[str, str]]:
    pairs = values.items() if isinstance(values, Mapping) else values
    for pair in pairs:
        kind, value = ("known", pair) if isinstance(pair, str) else pair
        value = unicodedata.normalize("NFC", " ".join(value.split()))
        if len(value) > 1:
            yield re.sub(r"[^A-Za-z]", "", kind)[:_LONGEST_KIND].lower() or "known", value


def _parts(kind: str, value: str) -> Iterator[str]:
    """What of a value tells as much as the whole: the words of a person's name, the line of an address with its number."""
    if _ADDRESS.search(kind):
        yield from (line.strip() for line in re.split(r"[,;\n]", value) if _is_line(line))
        return
    words = [word for word in re.split(r"[\s・·]+", value) if any(map(str.isalpha, word))]
    if not words or not _is_person(kind, value, words):
        return
    if _KOREAN_NAME.fullmatch(value):
        yield value[1:]
    if _CHINESE_NAME.fullmatch(value):
        yield from (
            *((value[1:],) if len(value) == _WITH_GIVEN else ()),
            *(value[0] + title for title in _CHINESE_TITLES),
        )
    for word in words:
        bare = word.strip(".,()\"'")
        if len(words) > 1 and len(bare) > 1 and bare.casefold() not in PARTICLES and not word.endswith("."):
            yield bare
        halves = re.split("[-‐‑]", bare)
        if len(halves) > 1:
            yield from (half for half in halves if len(half) >= _LEAST_HALF and half[0].isupper())


def _is_line(line: str) -> bool:
    return any(map(str.isdigit, line)) and sum(map(str.isalpha, line)) > 3 and " " in line.strip()  # noqa: PLR2004


def _is_person(kind: str, value: str, words: list[str]) -> bool:
    """Whether the value reads like the name of a person, unless its kind says otherwise."""
    if _ORGANISATION.search(kind) or len(words) > _MOST_NAME_WORDS or any(map(str.isdigit, value)) or "@" in value:
        return False
    bare = [word.strip(".,()\"'").casefold() for word in words]
    if any(word in OF_NO_PERSON and word not in PARTICLES for word in bare) or bare[0] in {
        "the",
        "le",
        "la",
        "el",
        "die",
        "das",
        "der",
    }:
        return False
    named = [word for word in words if word.casefold().strip(".") not in PARTICLES]
    return bool(_PERSON.search(kind)) or all(_has_capital(word) for word in named)
