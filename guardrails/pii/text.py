# ruff: noqa: E501 - a pattern is easier to check unbroken
"""A text as the finders of personal data read it: one kind of digit, dash and blank, labels, and columns of tables."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TypeAlias

from guardrails.anchored_patterns import Anchored
from guardrails.text_matching import CharacterTable, foreign, replaced_letters, translated

_STRETCH = re.compile(r"\d(?:[\s./()_-]{0,3}\d)+")
"""Digits with no more between two of them than any number of a person, account or telephone has."""
_DIGIT = re.compile(r"\d")
_FOUR_DIGITS = re.compile(r"\d(?:\D{0,60}+\d){3}")
_LEAD, _TRAIL = 8, 32
"""Characters around its digits that may belong to a number, or decide whether it is one: ``(+``, an extension."""
WORD_START = re.compile(r"[\w(](?<![^\W_].)")
_NUMBER_START = re.compile(r"[\d(](?<![^\W_].)")
_SHORT = 4
_LABEL_LEAD, _LABEL_TRAIL, _LABEL_STEP = 250, 80, 40
"""Characters before and behind a digit within which a label of its number may stand."""
_MAY_HEAD = re.compile(r"^(?=[^\n]*[\t|;,])[^\n=:.!?]+$", re.MULTILINE)
"""Lines that may be the head of a table."""
Trigram: TypeAlias = tuple[str, str, str]
_TO_OTHER = 24

TOPS = (
    "com|org|net|edu|gov|info|biz|io|co|app|dev|ai|me|tv|xyz|online|site|shop|store|blog|cloud|tech|club|top|pro|eu|uk|de|"
    "fr|it|es|nl|be|ch|at|pl|pt|se|no|dk|fi|ie|cz|gr|ru|ua|tr|jp|cn|kr|in|au|nz|ca|us|br|mx|ar|za|il|sg|hk|tw|ly|gg"
)
TOP = re.compile(rf"(?i)\.(?=\w)(?:{TOPS})(?!\w)")
"""The top level of a host."""
_NUMBER_OF = r"(?:[ -]?(?:number|num|no|nr|id|code|nummer|numero|zeichen|key)\b|[ -]?(?:n[°º]|#)|番号|編号|编号|號碼|号码|号|번호|[ ]?رقم)"
_OTHER = (
    *(
        "order",
        "purchase",
        "invoice",
        "receipt",
        "ticket",
        "ref",
        "reference",
        "booking",
        "reservation",
        "account",
        "acct",
        "serial",
    ),
    *(
        "tracking",
        "parcel",
        "shipment",
        "case",
        "item",
        "product",
        "sku",
        "upc",
        "ean",
        "gtin",
        "isbn",
        "issn",
        "asin",
        "imei",
        "part",
    ),
    *(
        "version",
        "build",
        "commit",
        "epoch",
        "timestamp",
        "bytes",
        "size",
        "batch",
        "policy",
        "contract",
        "transaction",
        "txn",
        "flight",
    ),
    *(
        "train",
        "room",
        "model",
        "chapter",
        "section",
        "clause",
        "payment",
        "request",
        "session",
        "process",
        "pid",
        "id",
        "zip",
        "article",
    ),
    *(
        "doi",
        "pmid",
        "arxiv",
        "vat",
        "bestellung",
        "auftrag",
        "rechnung",
        "vorgang",
        "sendung",
        "vertrag",
        "buchung",
        "commande",
    ),
    *(
        "facture",
        "dossier",
        "colis",
        "contrat",
        "pedido",
        "factura",
        "fatura",
        "fattura",
        "ordine",
        "expediente",
        "contrato",
    ),
    *(
        "bestelling",
        "factuur",
        "zamówieni",
        "faktur",
        "ordre",
        "beställning",
        "ärende",
        "tilaus",
        "lasku",
        "viite",
        "sipariş",
        "comanda",
    ),
    *(
        "objednávk",
        "rendelés",
        "παραγγελία",
        "заказ",
        "замовлення",
        "счет",
        "счёт",
        "注文",
        "請求書",
        "伝票",
        "订单",
        "訂單",
        "routing",
        "losnummer",
        "lot",
        "charge",
        "ndc",
        "发票",
        "单号",
    ),
    *(
        "流水号",
        "주문",
        "송장",
        "청구서",
        "رقم الطلب",
        "الطلب",
        "الفاتورة",
        "طلبية",
        "ऑर्डर",
        "चालान",
        "đơn hàng",
        "หมายเลขคำสั่งซื้อ",
        "הזמנה",
    ),
)
"""Names of numbers that are nobody's: what they stand directly before is an order, an article, an amount."""
_NUMBERED = (
    *(
        "customer",
        "member",
        "client",
        "user",
        "patient",
        "employee",
        "staff",
        "student",
        "kunde",
        "cliente",
        "klient",
        "bestell",
        "kunden",
    ),
    *(
        "akten",
        "beleg",
        "liefer",
        "serien",
        "mitglied",
        "paket",
        "teile",
        "inventar",
        "personal",
        "matrikel",
        "artikel",
    ),
)
"""Likewise, where a word for "number" follows: a customer may also say one."""
_TO_NUMBER = re.compile(rf"[^\W\d]{{0,2}}{_NUMBER_OF}?[ .:=#\"']{{0,4}}")
_TO_ITS_NUMBER = re.compile(rf"[^\W\d]{{0,2}}{_NUMBER_OF}[ .:=#\"']{{0,4}}")
_SIGN_BEFORE = re.compile(r"(?i)[#$€£¥§]$|№ ?$|(?<![a-z])[=]$|\b(?:usd|eur|gbp|chf|rs\.?|inr) ?$")

_NUMBER_WORDS = (
    "numbers?|nos?|nr|num|nummer[a-zé]{0,2}|numer[a-z]{0,2}|numero|número|numéro|numar[a-zı]{0,4}|nro|code|codice|código|id|key|value|"
    "card|holder|field"
)
_COPULAS = "is|was|are|as|be|ist|war|lautet|sind|es|era|est|été|è|jest|to|na|nas|on|oli|är|var|er|são|é|foi|el|le|la|les|den|the|der|die|das|of|de|do|my"
LABEL_END = (
    r"[a-zß-öø-ÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıĵķĺļľŀłńņňŉŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷźżžά-ώа-ё]{0,14}+"
    r"(?:(?:[ _-][a-zß-öø-ÿ\u0101-\u017eа-яё]{1,15}){0,3}[ ]?[:=](?=[ \"'*]))?"
    rf"(?:[\s:=#\"'`>.,()\[\]|*_/–-]|\b(?i:{_NUMBER_WORDS})\b|\b(?:{_COPULAS})\b|[nN][°º.]|[º°№]|[\u0900-\u0963]{{1,12}}|"
    r"[号號码碼番のはがで是为為：「『]|번호|[는은이가를]){0,14}+"
)
"""What may lie between a label and the value that it stands for: the rest of the word, "number", "is", signs."""

_SIGNS = {
    **{chr(0xFF01 + offset): chr(0x21 + offset) for offset in range(94)},
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63", "-"),
    "\ufe6b": "@",
    **dict.fromkeys("\u2024\u00b7\u2022\u2027", "."),
    "\u2019": "'",
}
_LAST_OF_DIGITS, _ACCENTED = "\uffff", re.compile("[\u00c0-\u024f\u0370-\u03ff\u1e00-\u1fff]")


def _uniform(character: str) -> str:
    if (sign := _SIGNS.get(character)) is not None:
        return sign
    is_digit = character <= _LAST_OF_DIGITS and unicodedata.category(character) == "Nd"
    return str(unicodedata.digit(character)) if is_digit else character


def _unaccented(character: str) -> str:
    if not _ACCENTED.match(character):
        return character
    base = unicodedata.normalize("NFD", character)[0]
    return base if base.isalpha() and base.islower() == character.islower() else character


_UNIFORM, _UNACCENTED = CharacterTable(_uniform), CharacterTable(_unaccented)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_UNSPACED = re.compile(
    "[\u0590-\u08ff\u0900-\u109f\u0e00-\u0fff\u1100-\u11ff\u1780-\u17ff\u2e80-\u312f\u3131-\u318f\u31f0-\u9fff\ua000-\ua4cf"
    "\uac00-\ud7ff\uf900-\ufaff\ufb1d-\ufdff\ufe70-\ufefc\U00020000-\U0003ffff\uff61-\uffdc]"
)
"""Letters and punctuation of scripts that no address, number or code is written in: they end one like a blank does."""
_BOUNDARY = "\u3000"


class PlainText:
    """One text.

    Attributes:
        source: the text with one kind of dash, blank, digit and at-sign, without characters that nobody sees.
        folded: the source in small letters, for a look whether a word may be there; its places are not those of the text.
        has_digit: whether there is any digit, of whatever script.
        text: the same, with a blank in place of each letter of Arabic, Hebrew, Chinese, Japanese, Korean and the like.
        places: where each of its characters stood; None if nothing was left out.
    """

    def __init__(self, text: str) -> None:
        self.places: list[int] | None = None
        if text.isascii():
            self.source = self.text = text.replace("\t", " ") if "\t" in text else text
        else:
            self.source, self.places = _visible(translated(text.replace("\t", " "), _UNIFORM))
            self.text = replaced_letters(_UNSPACED, _BOUNDARY, self.source)
        self._original = text if self.places is None else self.source
        self.folded = self.source.casefold()
        digit = _DIGIT.search(self.text)
        self.has_digit = digit is not None
        self._first_digit = -1 if digit is None else digit.start()
        self._stretches: list[tuple[int, int, int]] = []
        """Start, end and digits of each."""
        self._most_digits = 0
        if digit is not None:
            self._note_stretches()
        self._windows: dict[int, list[tuple[int, int]]] = {}
        self._words_in: dict[tuple[int, re.Pattern[str]], list[tuple[int, int, list[int]]]] = {}
        self._named_otherwise: dict[int, bool] = {}

    def _note_stretches(self) -> None:
        for match in _STRETCH.finditer(self.text, self._first_digit):
            digits = len(match[0]) if match[0].isdecimal() else len(_DIGIT.findall(match[0]))
            self._stretches.append((*match.span(), digits))
            self._most_digits = max(self._most_digits, digits)

    @cached_property
    def labels(self) -> str:
        """In small letters, underscores as blanks, each character in its place: where labels are looked for."""
        lowered = self.source.lower()
        if len(lowered) != len(self.source):  # a few letters grow when they get small
            lowered = "".join(letter.lower()[0] for letter in self.source)
        return translated(lowered, _UNACCENTED).replace("_", " ")

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of all lists that stand in :attr:`labels`."""
        return _words_in(self.labels)

    @cached_property
    def by_numbers(self) -> str:
        """What of the labels may name a number: what stands around digits, and what may head a table."""
        if not self.has_digit:
            return ""
        labels, at = self.labels, self._first_digit
        parts: list[str] = []
        start = end = 0
        while (digit := _DIGIT.search(self.text, at)) is not None:
            place = digit.start()
            if place - _LABEL_LEAD > end:
                parts.append(labels[start:end])
                start = place - _LABEL_LEAD
            end, at = place + _LABEL_TRAIL, place + _LABEL_STEP  # what is skipped lies well within the trail
        parts.append(labels[start:end])
        if sum(map(len, parts)) >= len(labels):
            return labels
        if "\n" in labels:
            parts += (labels[slice(*line.span())] for line in _MAY_HEAD.finditer(self._original))
        if "insert" in labels:
            parts += (labels[slice(*insert.span())] for insert in _INSERT.finditer(self._original))
        return "\n".join(parts)

    @cached_property
    def words_by_numbers(self) -> frozenset[str]:
        """Likewise in :attr:`by_numbers`."""
        return _words_in(self.by_numbers)

    @cached_property
    def has_top(self) -> bool:
        """Whether something in the text ends like a host does."""
        return TOP.search(self.text) is not None

    @cached_property
    def has_four_digits(self) -> bool:
        """Whether somewhere four digits follow each other with at most 60 other characters between each two."""
        return self.has_digit and _FOUR_DIGITS.search(self.text, self._first_digit) is not None

    def is_named_otherwise(self, place: int) -> bool:
        """Whether the number at ``place`` is, by what stands before it, an order, an article, an amount."""
        known = self._named_otherwise.get(place)
        if known is None:
            known = (
                _SIGN_BEFORE.search(self.source, max(0, place - 5), place) is not None
                or self._leads(self._other_words, _TO_NUMBER, place)
                or self._leads(self._numbered_words, _TO_ITS_NUMBER, place)
            )
            self._named_otherwise[place] = known
        return known

    @cached_property
    def _other_words(self) -> NumberWords:
        return NumberWords(_OTHER_LABELS, self)

    @cached_property
    def _numbered_words(self) -> NumberWords:
        return NumberWords(_NUMBERED_LABELS, self)

    def _leads(self, words: Words, gap: re.Pattern[str], place: int) -> bool:
        """Whether nothing but what ``gap`` takes lies between one of the words and ``place``."""
        ends = words.ends
        for index in range(bisect_right(ends, place) - 1, -1, -1):
            if place - ends[index] > _TO_OTHER:
                return False
            if gap.fullmatch(self.labels, ends[index], place):
                return True
        return False

    def numbers(self, pattern: re.Pattern[str], least: int, sign: str = "") -> Iterable[re.Match[str]]:
        """What ``finditer`` finds, of a pattern that has ``least`` digits in one stretch, and in it ``sign``: looked for
        only there.
        """
        return () if least > self._most_digits else self._numbers(pattern, least, sign)

    def _numbers(self, pattern: re.Pattern[str], least: int, sign: str) -> Iterator[re.Match[str]]:
        if least not in self._windows:
            self._windows[least] = list(self._around(least))
        for start, end in self._windows[least]:
            if sign and self.text.find(sign, start, end) < 0:
                continue
            yield from pattern.finditer(self.text, start, end)

    def numbers_at_words(
        self, pattern: re.Pattern[str], least: int, sign: str = "", start: re.Pattern[str] = _NUMBER_START
    ) -> Iterable[re.Match[str]]:
        """The same, of a pattern that begins with a digit or a bracket where no letter or digit stands before, or with
        what ``start`` finds: tried only there. A pattern that begins with a look behind costs as much at each character
        as a whole attempt.
        """
        return () if least > self._most_digits else self._numbers_at_words(pattern, least, sign, start)

    def _numbers_at_words(
        self, pattern: re.Pattern[str], least: int, sign: str, start: re.Pattern[str]
    ) -> Iterator[re.Match[str]]:
        windows = self._words_in.get((least, start))
        if windows is None:
            if least not in self._windows:
                self._windows[least] = list(self._around(least))
            windows = self._words_in[least, start] = [
                (first, last, [word.start() for word in start.finditer(self.text, first, last)])
                for first, last in self._windows[least]
            ]
        for first, last, places in windows:
            if sign and self.text.find(sign, first, last) < 0:
                continue
            done = first
            for place in places:
                if place >= done and (match := pattern.match(self.text, place, last)):
                    yield match
                    done = match.end()

    def _around(self, least: int) -> Iterator[tuple[int, int]]:
        """Where a number of so many digits may stand, apart from each other."""
        window = None
        for start, end, digits in self._stretches:
            if digits < least:
                continue
            if window is None:
                window = (max(0, start - _LEAD), end + _TRAIL)
            elif start - _LEAD <= window[1]:
                window = (window[0], end + _TRAIL)
            else:
                yield window
                window = (start - _LEAD, end + _TRAIL)
        if window is not None:
            yield window

    @cached_property
    def cells(self) -> tuple[list[int], list[tuple[int, int, int, int]]]:
        """Cells of tables below their headers: their starts, and of each its span and that of its header."""
        found = sorted(_cells(self._original))
        return [cell[0] for cell in found], found

    def header(self, place: int) -> tuple[int, int] | None:
        """Where the header of the column stands that ``place`` is in; None outside of tables."""
        starts, cells = self.cells
        index = bisect_right(starts, place)
        if not index or cells[index - 1][1] < place:
            return None
        return cells[index - 1][2:]


def _visible(text: str) -> tuple[str, list[int] | None]:
    """Without characters that nobody sees, and where each character left stood; None if all did."""
    if not _INVISIBLE.search(foreign(text)):
        return text, None
    places = [at for at, character in enumerate(text) if not _INVISIBLE.match(character)]
    return "".join(text[at] for at in places), places


_DELIMITERS = ("\t", "|", ";", ",")
_HEADER_CELL = re.compile(r"[ \t]*\"?[^\W\d][^\n\"=:.!?]{0,30}\"?[ \t]*|[ \t]*")
_LONG_NUMBER = re.compile(r"\d{3}")
_RULE = re.compile(r"[ \t|:+-]+")
_MOST_COLUMNS = 200
_INSERT = re.compile(
    r"(?i)\binsert (?:ignore )?into [\w.`\"\[\]]{1,80} ?\((?P<columns>[^()\n]{1,2000})\) ?\n?(?:values|select)[ \n]{0,8}"
)
_TO_INSERT = Anchored(_INSERT)
_ROW = re.compile(r"[ ,\n\r]{0,8}\((?P<row>(?:[^()'\n]|'[^'\n]{0,500}'){1,200})\)")


def _cells(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Start and end of each cell of a table, and of the header above it."""
    header: list[tuple[int, int]] = []
    delimiter, at = "", 0
    yield from _inserted(text)
    for line in text.split("\n"):
        if delimiter and _RULE.fullmatch(line) and "-" in line:
            at += len(line) + 1
            continue
        spans = _split(line, delimiter, at) if delimiter else []
        if delimiter and len(spans) == len(header):
            yield from ((*cell, *above) for cell, above in zip(spans, header, strict=True))
        else:
            delimiter, header = _header(line, at)
        at += len(line) + 1


def _inserted(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Likewise of the rows that SQL inserts."""
    for insert in _TO_INSERT.finditer(text) if "(" in text else ():
        header = _split(insert["columns"], ",", insert.start("columns"))
        at = insert.end()
        while row := _ROW.match(text, at):
            cells = _split(row["row"].replace("'", '"'), ",", row.start("row"))
            if len(cells) == len(header):
                yield from ((*cell, *above) for cell, above in zip(cells, header, strict=True))
            at = row.end()


def _header(line: str, at: int) -> tuple[str, list[tuple[int, int]]]:
    """The delimiter and the cells of a line that reads like the head of a table, else nothing."""
    for delimiter in _DELIMITERS:
        if not 0 < line.count(delimiter) <= _MOST_COLUMNS or _LONG_NUMBER.search(line):
            continue
        cells = line.split(delimiter)
        prose = delimiter in ",;" and len(cells) == 2 and cells[1].startswith(" ")  # noqa: PLR2004 - "Hello, you"
        if not prose and all(map(_HEADER_CELL.fullmatch, cells)):
            return delimiter, _split(line, delimiter, at)
    return "", []


def _split(line: str, delimiter: str, at: int) -> list[tuple[int, int]]:
    """Where the cells of a line stand; a delimiter in quotes does not end one."""
    spans, start, quoted = [], at, False
    if '"' not in line:
        for cell in line.split(delimiter):
            spans.append((start, start + len(cell)))
            start += len(cell) + 1
        return spans
    for offset, sign in enumerate(line):
        if sign == '"':
            quoted = not quoted
        elif sign == delimiter and not quoted:
            spans.append((start, at + offset))
            start = at + offset + 1
    return [*spans, (start, at + len(line))]


_BY_TRIGRAM: dict[Trigram, dict[str, None]] = {}
"""The words of all lists by the rarest three letters of each without a blank: most texts have few of these."""
_BRIEF: dict[str, None] = {}
"""Words of all lists without three letters in a row, in ASCII."""
_BRIEF_FOREIGN: dict[str, list[str]] = {}
"""Other such words by their first letter."""


class Labels:
    """Words that tell what a value behind them is.

    Args:
        words: in small letters; one of up to four letters must stand alone, a longer one may be part of a word.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(translated(word, _UNACCENTED).replace("_", " ") for word in words)
        """Without accents."""
        for word in self.words:
            if trigrams := [trigram for trigram in _trigrams(word) if " " not in trigram]:
                rarest = min(trigrams, key=lambda trigram: sum(map(_FREQUENT.find, trigram)))
                _BY_TRIGRAM.setdefault(rarest, {})[word] = None
            elif word.isascii():
                _BRIEF[word] = None
            elif word not in _BRIEF_FOREIGN.setdefault(word[0], []):
                _BRIEF_FOREIGN[word[0]].append(word)
        _KNOWN.clear()


_Near: TypeAlias = tuple[frozenset[str], tuple[str, ...]]


class _KnownStretches(dict[str, _Near | None]):
    """By stretch without a blank the words of all lists that stand in it, and those with a blank that may; None if none
    does.
    """

    def __missing__(self, stretch: str) -> _Near | None:
        trigrams: Iterable[Trigram] = _trigrams(stretch)
        if len(stretch) > _LONGEST_KNOWN:
            trigrams = set(trigrams)
        by_trigram = _BY_TRIGRAM
        near = [word for trigram in trigrams if trigram in by_trigram for word in by_trigram[trigram]]
        found = None
        if near:
            here = frozenset([word for word in near if word in stretch])
            split = tuple(word for word in near if " " in word)
            found = (here, split) if here or split else None
        if len(stretch) <= _LONGEST_KNOWN and not _NOT_KEPT.search(stretch):
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[stretch] = found
        return found


_LONGEST_KNOWN, _MOST_KNOWN, _LONGEST_SPLIT = 24, 16_384, 8_000
_NOT_KEPT = re.compile(r"[\d@]")
"""What words are not remembered with: numbers and addresses of persons."""
_KNOWN = _KnownStretches()


def _words_in(text: str) -> frozenset[str]:
    """The words of all lists that stand in a text."""
    # most of the stretches of a long text come for the first time
    stretches = set(text.split()) if len(text) <= _LONGEST_SPLIT else (text,)
    near = list(filter(None, map(_KNOWN.__getitem__, stretches)))
    found = [word for word in _BRIEF if word in text]
    found += [word for _, split in near for word in split if word in text]
    if not text.isascii():
        first = _BRIEF_FOREIGN.keys() & set(foreign(text))
        found += [word for letter in first for word in _BRIEF_FOREIGN[letter] if word in text]
    return frozenset(found).union(*[here for here, _ in near])


_FREQUENT = "zqxjkvbpygfwmucldrhsnioate "
"""Letters from the rarest of English to the most frequent; any other sign counts as rarer."""


def _trigrams(text: str) -> Iterator[Trigram]:
    return zip(text, text[1:], text[2:], strict=False)


_OTHER_LABELS, _NUMBERED_LABELS = Labels(_OTHER), Labels(_NUMBERED)


class Words:
    """Where labels of a kind stand in a text. Looked up when first asked.

    Args:
        labels: of one kind.
        plain: the text.
        reach: characters that may lie between a label and the value.
    """

    def __init__(self, labels: Labels, plain: PlainText, reach: int = 35) -> None:
        self._labels = labels
        self._plain = plain
        self._reach = reach
        self._ends: list[int] | None = None
        self._starts: list[int] | None = None

    def before(self, place: int) -> bool:
        """Whether one ends at most ``reach`` characters before ``place``, or heads the column of a table it is in."""
        ends = self.ends
        if not ends:
            return False
        index = bisect_right(ends, place)
        return (index > 0 and place - ends[index - 1] <= self._reach) or self._heads(place)

    def directly_before(self, place: int) -> bool:
        """Whether nothing but signs and blanks lies between a label and ``place``."""
        index = bisect_right(self.ends, place)
        if index > 0 and place - self.ends[index - 1] <= self._reach:
            gap = self._plain.source[self.ends[index - 1] : place]
            return not any(map(str.isalnum, gap))
        return self._heads(place)

    def behind(self, place: int, reach: int = 14) -> bool:
        """Whether one begins at most ``reach`` characters behind ``place``, in the same sentence."""
        if not self.ends:
            return False
        if self._starts is None:
            self._starts = sorted(start for start, _ in self._found())
        index = bisect_left(self._starts, place)
        if index == len(self._starts) or self._starts[index] - place > reach:
            return False
        gap = self._plain.source[place : self._starts[index]]
        return not any(sign.isdigit() or sign in ".;!?\n|,:" for sign in gap)

    def places(self) -> Iterator[int]:
        """Where a labelled value may begin: behind each label, and in each cell of a column that one heads."""
        yield from self.ends
        if self.ends:
            for start, _, *above in self._plain.cells[1]:
                if self._within(above[0], above[1]):
                    yield start

    def _heads(self, place: int) -> bool:
        if not self.ends:
            return False
        above = self._plain.header(place)
        return above is not None and self._within(*above)

    def _within(self, start: int, end: int) -> bool:
        index = bisect_right(self.ends, end)
        return index > 0 and self.ends[index - 1] > start

    @property
    def ends(self) -> list[int]:
        """Where labels end, in order."""
        if self._ends is None:
            found = self._found() if self._present() else ()
            self._ends = sorted(end for _, end in found)
        return self._ends

    def _found(self) -> list[tuple[int, int]]:
        labels, source = self._plain.labels, self._plain.source
        return [span for word in self._present() for span in _spans(word, labels, source)]

    def _present(self) -> frozenset[str]:
        """Those that stand somewhere in the text."""
        return self._labels.words & self._plain.words


class NumberWords(Words):
    """Labels of values that have a digit, no more than 250 characters behind the label: most texts have few places
    where one may stand, so only those are looked at.
    """

    def _present(self) -> frozenset[str]:
        return self._labels.words & self._plain.words_by_numbers


def _spans(word: str, labels: str, source: str) -> Iterator[tuple[int, int]]:
    at = labels.find(word)
    while at >= 0:
        end = at + len(word)
        if len(word) > _SHORT or not word.isascii() or _stands_alone(source, at, end):
            yield at, end
        at = labels.find(word, end)


def _stands_alone(source: str, start: int, end: int) -> bool:
    """Whether no letter touches it, or only by a change of case (``userSsn``, ``SSNValue``)."""
    before, after = source[start - 1 : start], source[end : end + 1]
    left = not before.isalnum() or (before.islower() and source[start].isupper()) or not before.isascii()
    right = not after.isalnum() or (after.isupper() and source[start + 1 : end].islower()) or not after.isascii()
    return left and right
