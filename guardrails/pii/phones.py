# ruff: noqa: E501 - a pattern is easier to check unbroken
"""Phone numbers, international and national, without taking years, orders and prices for some.

A number is proposed by its shape and confirmed by the numbering plans of ``phonenumbers``, by a shape that nothing
else has, or by a word such as *phone* before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails.pii.patterns import Entity
from guardrails.pii.text import Labels, NumberWords, PlainText, Words

_EXTENSION = r"(?:[ ,;(/]{0,2}(?:(?i:extension|ext\.?|extn\.?|poste|durchwahl|dw|anexo|ramal|interno|int\.|dahili|доб\.?|x)|#)[ .:=]{0,2}\d{1,6}(?!\d)\)?)"
_SEP = r"[ ./()-]{0,3}"
_BEGIN = r"(?<![\w+])(?<!\d[.,/:-])(?<!\w-)"
_END = rf"(?:{_EXTENSION}(?![^\W_])|(?![\w]|[-:]\d|\.\d))"

_PLUS = re.compile(rf"(?<![^\W_])(?<!\+)\(?\+(?:[ ](?=\d{{1,3}}[ (-]))?\(?[1-9](?:{_SEP}\d){{6,16}}(?!\d){_EXTENSION}?")
_ZEROS = re.compile(rf"{_BEGIN}\(?(?:00|011|0011)[ -]?[1-9](?:{_SEP}\d){{6,14}}{_END}")
_GROUPS = re.compile(r"^\(?00\d{1,3}\)?[ .()-]{1,3}\d{1,4}(?:[ .()-]{1,3}\d{2,8}){1,4}")
_NANP = re.compile(
    rf"{_BEGIN}(?:(?:001|1)[ .-]?)?(?:\(\d{{3}}\)[ .-]{{0,2}}|\d{{3}}(?P<sep>[ ./-]))\d{{3}}(?P<last>[ .-])\d{{4}}{_END}"
)
_PARENTHESES = re.compile(rf"{_BEGIN}\(\d{{2,5}}\)[ /-]{{0,2}}\d{{2,5}}(?:[ .-]?\d{{2,5}}){{1,3}}{_END}")
_TRUNK = re.compile(rf"{_BEGIN}(?<![/#])\(?0(?!0)\d(?:{_SEP}\d){{6,10}}{_END}")
_INDIAN = re.compile(rf"{_BEGIN}[6-9]\d{{4}}[ -]\d{{5}}{_END}")
_TWO_GROUPS = re.compile(r"\(?0\d{1,4}[ /-]\d{6,8}")
_TURKISH = re.compile(rf"{_BEGIN}0[ ]?\(\d{{3}}\)[ ]?\d{{3}}[ ]?\d{{2}}[ ]?\d{{2}}{_END}")
_PAIRS = re.compile(rf"{_BEGIN}[6-9]\d{{2}}(?:[ ]\d{{2}}){{3}}{_END}")
_BRAZILIAN = re.compile(rf"{_BEGIN}[1-9]\d[ ]9[ ]?\d{{4}}[- ]?\d{{4}}{_END}")
_CHINESE = re.compile(rf"{_BEGIN}1[3-9]\d(?P<sep>[ -]?)\d{{4}}(?P=sep)\d{{4}}{_END}")
_FORMS = (
    *(
        (_NANP, ""),
        (_PARENTHESES, "("),
        (_TRUNK, "0"),
        (_INDIAN, ""),
        (_BRAZILIAN, "9"),
        (_TURKISH, "("),
        (_PAIRS, " "),
    ),
    (_CHINESE, "1"),
)
"""What a number without a label looks like, and a sign that it has."""
_NAMED = re.compile(rf"{_BEGIN}\(?\d(?:{_SEP}\d){{6,14}}{_END}")
_SHORT = re.compile(rf"{_BEGIN}\d{{3}}[ .-]\d{{4}}{_END}")

_NOUNS = (
    *("phone", "mobile", "mob", "cell", "tel", "fax", "whatsapp", "whats app", "sms", "hotline", "helpline", "telefon"),
    *(
        "telephone",
        "téléphone",
        "portable",
        "handy",
        "mobil",
        "rufnummer",
        "móvil",
        "movil",
        "celular",
        "teléfono",
        "telefono",
    ),
    *(
        "cellulare",
        "puhelin",
        "landline",
        "telefax",
        "faks",
        "pager",
        "gsm",
        "natel",
        "mobiel",
        "telefoon",
        "tlf",
        "telf",
        "tél",
    ),
    *(
        "fone",
        "telemóvel",
        "komórk",
        "cep",
        "sđt",
        "điện thoại",
        "viber",
        "signal",
        "telegram",
        "my number",
        "his number",
    ),
    *(
        "her number",
        "your number",
        "their number",
        "contact number",
        "contact no",
        "meine nummer",
        "mon numéro",
        "mi número",
    ),
    *(
        "meu número",
        "mio numero",
        "mijn nummer",
        "τηλέφωνο",
        "κινητό",
        "телефон",
        "тел",
        "моб",
        "номер",
        "факс",
        "電話",
        "电话",
        "전화",
    ),
    *(
        "手机",
        "手機",
        "携帯",
        "ケータイ",
        "휴대폰",
        "핸드폰",
        "연락처",
        "联系方式",
        "传真",
        "هاتف",
        "جوال",
        "موبايل",
        "تلفون",
        "رقم الهاتف",
        "للتواصل",
        "cel",
        "callback",
        "call back",
        "kom",
        "hp:",
        "no hp",
        "handphone",
        "tfno",
        "tlm",
        "tlf.",
        "tlfn",
        "numer tel",
        "nº tel",
        "call me",
        "text me",
        "telefoni",
        "telefonszám",
        "mobilnr",
        "mobile no",
        "desk",
        "office:",
        "home:",
        "work:",
        "contato",
        "contacto",
        "liga no",
        "ligar para",
        "संपर्क",
        "मोबाइल नंबर",
        "numer kontaktowy",
        "連絡先",
        "お電話",
        "연락 주세요",
    ),
    *("whats", "wpp", "zap", "τηλ", "κιν", "puh", "mobilnummer", "номер телефона", "ph"),
    *("טלפון", "נייד", "फोन", "मोबाइल", "दूरभाष", "โทร", "toll-free", "toll free", "voicemail", "msisdn"),
)
_WORDS = (
    *_NOUNS,
    *(
        "call",
        "calling",
        "called",
        "text",
        "texted",
        "dial",
        "ring",
        "reach",
        "contact",
        "anrufen",
        "erreich",
        "melden",
    ),
    *(
        "appel",
        "joindre",
        "joignable",
        "contacter",
        "llama",
        "llame",
        "llamar",
        "contacta",
        "ligue",
        "ligar",
        "chiama",
        "contatt",
        "bellen",
    ),
    *("bel", "zadzwo", "kontakt", "звон", "позвон", "ring me", "打给", "拨打", "联系", "連絡", "اتصل", "להתקשר"),
)

_NOUN_LABELS, _LABELS = Labels(_NOUNS), Labels(_WORDS)
_EXTENSION_BEHIND = re.compile(r"[ (,]{0,2}(?:内線|內線|分機|分机|转|轉|내선|تحويلة|داخلي)[ :.]{0,2}\d{1,6}\)?(?!\d)")
_UNIT_BEHIND = re.compile(
    r"(?i)[ ]?(?:bytes?|[kmgt]i?b|bits?|eur|usd|gbp|chf|euros?|dollars?|[€$£¥%]|ms|ns|µs|seconds?|px|k?wh|kw|volts?|hpa|rows?|records?|users?|items?|times|"
    r"units|pcs|stück|tokens?|miles|k?m|kg|points?|downloads|views|people|inhabitants|einwohner|lines?|requests?|entries|元|円|원)(?![^\W_])"
)
_NOT_PHONE = re.compile(
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d{2}|(?:19|20)\d{2}[./-]?\d{1,2}[./-]?\d{1,2})(?![\d]|[./-]\d)|"
    r"\(?(?:19|20)\d{2}\)?[ ]?[-/][ ]?(?:19|20)\d{2}(?!\d)|\d{3}-\d{2}-\d{4}(?!\d)"
)
_ISO_DATE = re.compile(r"(?<!\d)(?:19|20)\d{2}-\d{2}-\d{2}(?!\d)")
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:[ ]000){1,}|\d{1,3}(?:[ ]\d{3}){1,3}[ ]000")
_ROUND = re.compile(r"[1-9]\d{0,7}0{6,}|[01]+|(\d)\1{6,}")
_DECIMAL = re.compile(r"\+\d{1,3}\.\d{1,6}|\+\d{4,}\.\d+")
_HAN = re.compile("[\u4e00-\u9fff]")
_ZIP, _STATE_BEFORE = re.compile(r"\d{5}-\d{4}"), re.compile(r"\b[A-Z]{2},?\s{1,8}$")
_LEAST_ABROAD = 10
"""Digits of a number with a code for calls abroad that is taken for one without a label."""
_AROUND = 24
_FOLLOWS = re.compile(r"[ ,;/|&\"']{1,4}(?:(?:and|or|und|oder|y|o|et|ou|e|en|of)[ ])?")
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


def phones(plain: PlainText) -> Iterator[Entity]:
    """Phone numbers, with their extensions."""
    for entity in _numbers(plain):
        behind = _EXTENSION_BEHIND.match(plain.source, entity.end)
        yield Entity(entity.start, behind.end(), "phone") if behind else entity


def _numbers(plain: PlainText) -> Iterator[Entity]:
    words = NumberWords(_LABELS, plain)
    yield from _international(plain, words)
    checked: dict[str, bool] = {}
    for pattern, sign in _FORMS:
        for match in plain.numbers_at_words(pattern, _LEAST, sign):
            if not _excluded(plain, match, words) and _is_formed(pattern, match, plain, checked):
                yield Entity(*match.span(), "phone")
    nouns, end = NumberWords(_NOUN_LABELS, plain), -1
    for pattern in (_NAMED, _SHORT):
        for match in plain.numbers_at_words(pattern, _LEAST):
            follows = (
                match.start() - end >= 0 and _FOLLOWS.fullmatch(plain.text, end, match.start()) if end >= 0 else None
            )
            named = follows or words.before(match.start()) or nouns.behind(match.end())
            if named and not _excluded(plain, match, words):
                end = match.end()
                yield Entity(*match.span(), "phone")


def _is_formed(pattern: re.Pattern[str], match: re.Match[str], plain: PlainText, checked: dict[str, bool]) -> bool:
    """Whether a number without a label is one of a telephone by its form alone."""
    if pattern is _TRUNK:
        return bool(_TWO_GROUPS.fullmatch(match[0])) or _is_national(_digits(match[0]), checked)
    if pattern is _PARENTHESES:
        return _plausible(match[0])
    if pattern is _NANP:
        return _is_nanp(match)
    if pattern is _BRAZILIAN:
        return _in_plan(_digits(match[0]), 55)
    if pattern is _CHINESE:  # eleven digits are a telephone where Chinese is written
        around = plain.source[max(0, match.start() - _AROUND) : match.end() + _AROUND]
        return bool(_HAN.search(around))
    return True


def _international(plain: PlainText, words: Words) -> Iterator[Entity]:
    text = plain.text
    for match in plain.numbers(_PLUS, _LEAST, "+") if "+" in text else ():
        end = 0 if _DECIMAL.fullmatch(match[0]) else _possible_end(match[0])
        written = words.before(match.start()) or re.search(r"\d[ ()-]{1,3}\d", match[0])
        if not end and written and 8 <= len(_digits(match[0])) <= 15 and not _ISO_DATE.search(match[0]):  # noqa: PLR2004
            end = len(match[0])
        if end:
            yield Entity(match.start(), match.start() + end, "phone")
    for match in plain.numbers_at_words(_ZEROS, _LEAST, "0") if "00" in text or "011" in text else ():
        if not _excluded(plain, match, words) and (
            words.before(match.start())
            or _GROUPS.search(match[0])
            or (
                len(_digits(match[0])) >= _LEAST_ABROAD and _is_valid("+" + re.sub(r"^0*1{0,2}", "", _digits(match[0])))
            )
        ):
            yield Entity(*match.span(), "phone")


def _possible_end(found: str) -> int:
    """Where an international number ends: a number of its own may follow it, so whole groups are given up."""
    if re.search(r"[^\W\d_]|#", found):
        return len(found)
    groups = list(re.finditer(r"\d+", found))
    for last in range(len(groups), 0, -1):
        number = "+" + "".join(group[0] for group in groups[:last])
        if len(number) > 7 and _is_possible(number):  # noqa: PLR2004
            return groups[last - 1].end()
    return 0


def _digits(text: str) -> str:
    return re.sub(r"\D", "", re.split(r"[A-Za-zа-я#]", text, maxsplit=1)[0])


def _excluded(plain: PlainText, match: re.Match[str], words: Words) -> bool:
    """Whether it is a date, a range of years, an amount, a round number, of the form of an SSN, or named otherwise."""
    found = match[0]
    if (
        found.startswith("000")
        or _NOT_PHONE.match(found)
        or _ISO_DATE.search(found)
        or _THOUSANDS.fullmatch(found)
        or _ROUND.fullmatch(found)
    ):
        return True
    if words.directly_before(match.start()):
        return False
    source = plain.source
    if _ZIP.fullmatch(found) and _STATE_BEFORE.search(source, max(0, match.start() - 12), match.start()):
        return True
    return bool(plain.is_named_otherwise(match.start()) or _UNIT_BEHIND.match(source, match.end()))


def _plausible(found: str) -> bool:
    digits, area = _digits(found), found[1 : found.index(")")]
    return 8 <= len(digits) <= 13 and not re.fullmatch(r"(?:19|20)\d\d", area)  # noqa: PLR2004


def _is_nanp(match: re.Match[str]) -> bool:
    """Three, three and four digits: with brackets or dashes it is one, else it must be in the plan."""
    alike = match["sep"] == match["last"] in ("-", ".")
    return (
        (alike and (match["sep"] == "-" or _digits(match[0])[-10] in "23456789"))
        or match["sep"] is None
        or _in_plan(_digits(match[0])[-10:], 1)
    )


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
