"""Phone numbers, international and national, without taking years, orders and prices for some.

A number is proposed by its shape and confirmed by the numbering plans of ``phonenumbers``, by a shape that nothing
else has, or by a word such as *phone* before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails.pii_patterns import Entity
from guardrails.pii_text import Plain, Words

_EXTENSION = r"(?:[ ,;]{0,2}(?:\bx|\bext\.?|\bextension|#)[ .:]{0,2}\d{1,6}(?!\d))?"
_SEP = r"[ ./()-]{0,3}"
_END = r"(?![\w]|[-:]\d|\.\d)"

_PLUS = re.compile(rf"(?<![\w+])\(?\+(?:[ ](?=\d{{1,3}}[ (-]))?\(?[1-9](?:{_SEP}\d){{6,16}}(?!\d){_EXTENSION}")
_ZEROS = re.compile(rf"(?<![\w.,/-])00[ ]?[1-9](?:{_SEP}\d){{6,14}}{_END}{_EXTENSION}")
_NANP = re.compile(
    rf"(?<![\w.+/-])(?:(?:001|1)[ .-]?)?(?:\(\d{{3}}\)[ .-]{{0,2}}|\d{{3}}(?P<sep>[ ./-]))"
    rf"\d{{3}}(?P<last>[ .-])\d{{4}}{_END}{_EXTENSION}"
)
_PARENTHESES = re.compile(rf"(?<![\w.+-])\(\d{{2,5}}\)[ /-]{{0,2}}\d{{2,5}}(?:[ -]?\d{{2,5}}){{1,3}}{_END}{_EXTENSION}")
_TRUNK = re.compile(rf"(?<![\w.,+/#:-])\(?0\d(?:{_SEP}\d){{6,10}}{_END}{_EXTENSION}")
_INDIAN = re.compile(rf"(?<![\w.,+-])[6-9]\d{{4}}[ -]\d{{5}}{_END}")
_PAIRS = re.compile(rf"(?<![\w.,+-])[6-9]\d{{2}}(?:[ ]\d{{2}}){{3}}{_END}")
_NAMED = re.compile(rf"(?<![\w.+-])\(?\d(?:{_SEP}\d){{6,14}}{_END}{_EXTENSION}")
_SHORT = re.compile(rf"(?<![\w.+-])\d{{3}}[ .-]\d{{4}}{_END}")

_WORDS = (
    *(
        "phone",
        "mobile",
        "mob",
        "cell",
        "tel",
        "fax",
        "call",
        "calling",
        "called",
        "whatsapp",
        "whats app",
        "sms",
        "text",
    ),
    *(
        "texted",
        "dial",
        "ring",
        "reach",
        "contact",
        "hotline",
        "helpline",
        "telefon",
        "telephone",
        "téléphone",
        "portable",
    ),
    *("handy", "mobil", "rufnummer", "móvil", "movil", "celular", "teléfono", "telefono", "cellulare", "puhelin"),
    *("電話", "电话", "전화"),
)

_OTHER = re.compile(
    r"(?i)(?:order|invoice|ticket|ref|reference|account|serial|tracking|case|item|sku|isbn|part|version|build|commit|epoch|"
    r"timestamp|bytes|size|batch|policy|customer|pid|\bid|zip|article|doi)"
    r"(?:[ _-]?(?:number|num|no|nr|id|code)\b)?[ .:=#]{0,4}$|[#$€£¥§=]$"
)
_NOT_PHONE = re.compile(
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d{2}|(?:19|20)\d{2}[./-]?\d{1,2}[./-]?\d{1,2})(?!\d)|"
    r"\(?(?:19|20)\d{2}\)?[ ]?[-/][ ]?(?:19|20)\d{2}(?!\d)|\d{3}-\d{2}-\d{4}(?!\d)"
)
_ISO_DATE = re.compile(r"(?<!\d)(?:19|20)\d{2}-\d{2}-\d{2}(?!\d)")
_DECIMAL = re.compile(r"\+\d{1,3}\.\d{1,6}|\+\d{4,}\.\d+")
_TRUNK_PLANS = (
    44,
    49,
    33,
    61,
    39,
    31,
    32,
    41,
    43,
    46,
    353,
    27,
    64,
    81,
    82,
    86,
    91,
    90,
    972,
    36,
    40,
    358,
    30,
    55,
    62,
    60,
    66,
)
"""Country codes whose national numbers are written with a leading 0 (Italy keeps it), the most spoken of first."""

_MOST_CHECKS = 1200
"""Distinct national numbers of one text that are looked up; what comes after them is masked unchecked."""


_LEAST = 7
"""Digits of the shortest number that is looked for."""


def phones(plain: Plain) -> Iterator[Entity]:
    """Phone numbers, with their extensions."""
    text = plain.text
    words = Words(_WORDS, text)
    yield from _international(plain, words)
    checked: dict[str, bool] = {}
    for pattern in (_NANP, _PARENTHESES, _TRUNK, _INDIAN, _PAIRS):
        for match in plain.numbers(pattern, _LEAST):
            if _excluded(text, match):
                continue
            if pattern is _TRUNK and not _is_national(_digits(match[0]), checked):
                continue
            if pattern is _PARENTHESES and not _plausible(match[0]):
                continue
            if pattern is _NANP and not _is_nanp(match):
                continue
            yield Entity(*match.span(), "phone")
    for pattern in (_NAMED, _SHORT):
        for match in plain.numbers(pattern, _LEAST):
            if words.before(match.start()) and not _excluded(text, match):
                yield Entity(*match.span(), "phone")


def _international(plain: Plain, words: Words) -> Iterator[Entity]:
    text = plain.text
    for match in plain.numbers(_PLUS, _LEAST) if "+" in text else ():
        end = 0 if _DECIMAL.fullmatch(match[0]) else _possible_end(match[0])
        if end:
            yield Entity(match.start(), match.start() + end, "phone")
    for match in plain.numbers(_ZEROS, _LEAST) if "00" in text else ():
        if not _excluded(text, match) and (words.before(match.start()) or _is_valid("+" + _digits(match[0])[2:])):
            yield Entity(*match.span(), "phone")


def _possible_end(found: str) -> int:
    """Where an international number ends: a number of its own may follow it, so whole groups are given up."""
    if re.search(r"[A-Za-z#]", found):
        return len(found)
    groups = list(re.finditer(r"\d+", found))
    for last in range(len(groups), 0, -1):
        number = "+" + "".join(group[0] for group in groups[:last])
        if len(number) > 7 and _is_possible(number):  # noqa: PLR2004
            return groups[last - 1].end()
    return 0


def _digits(text: str) -> str:
    return re.sub(r"\D", "", re.split(r"[A-Za-z#]", text, maxsplit=1)[0])


def _excluded(text: str, match: re.Match[str]) -> bool:
    """Whether it is a date, a range of years, of the form of an SSN, or named as something else."""
    date = _NOT_PHONE.match(match[0]) or _ISO_DATE.search(match[0])
    return bool(date or _OTHER.search(text[max(0, match.start() - 24) : match.start()]))


def _plausible(found: str) -> bool:
    digits, area = _digits(found), found[1 : found.index(")")]
    return 8 <= len(digits) <= 13 and not re.fullmatch(r"(?:19|20)\d\d", area)  # noqa: PLR2004


def _is_nanp(match: re.Match[str]) -> bool:
    """Three, three and four digits: with brackets or dashes it is one, else it must be in the plan."""
    dashes = match["sep"] == match["last"] == "-"
    return dashes or match["sep"] is None or _in_plan(_digits(match[0])[-10:], 1)


def _is_national(digits: str, checked: dict[str, bool]) -> bool:
    if digits not in checked:
        checked[digits] = len(checked) >= _MOST_CHECKS or any(_in_plan(digits, code) for code in _TRUNK_PLANS)
    return checked[digits]


def _in_plan(digits: str, code: int) -> bool:
    from phonenumbers import PhoneNumber, is_valid_number

    keeps_zero = code == 39  # noqa: PLR2004  Italy
    return bool(
        is_valid_number(
            PhoneNumber(country_code=code, national_number=int(digits), italian_leading_zero=keeps_zero or None)
        )
    )


def _is_valid(number: str) -> bool:
    from phonenumbers import NumberParseException, is_valid_number, parse

    try:
        return bool(is_valid_number(parse(number)))
    except NumberParseException:
        return False


def _is_possible(number: str) -> bool:
    from phonenumbers import NumberParseException, is_possible_number, parse

    try:
        return bool(is_possible_number(parse(number)))
    except NumberParseException:
        return False
