"""Personal data with a form of its own: addresses of mail, web and network, cards, accounts, numbers of persons.

Every pattern is anchored at something rare and bounded in every repeat, so that no text costs more than its length;
what a pattern proposes a validator confirms (python-stdnum, ipaddress), or a word close before it. Most texts hold
nothing of most kinds, so each finder first looks for what its kind is never without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from guardrails.hints import has_any
from guardrails.pii_text import Plain, Words


@dataclass(frozen=True, slots=True)
class Entity:
    """Personal data of one kind: characters ``start`` to ``end`` (exclusive) of the original text."""

    start: int
    end: int
    kind: str


_FILE = re.compile(
    r"(?i)png|jpe?g|gif|svg|webp|ico|bmp|pdf|[jt]sx?|css|html?|json|xml|ya?ml|toml|txt|csv|zip|gz|exe|dll"
)
"""Endings that make ``logo@2x.png`` a file."""

_LOCAL_REVERSED = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}|\"[^\"\r\n]{1,62}\"")
_DOMAIN = re.compile(r"[^\W_][\w-]{0,62}+(?:\.[^\W_][\w-]{0,62}+){1,8}+|\[(?:IPv6:)?[0-9A-Fa-f.:]{3,45}\]|localhost\b")
_SPELLED = re.compile(
    r"(?i)\b[\w.+-]{1,64}[ ]?[\[({<][ ]?at[ ]?[\])}>][ ]?[a-z0-9-]{1,63}"
    r"(?:[ ]?(?:\.|[\[({<][ ]?dot[ ]?[\])}>])[ ]?[a-z0-9-]{1,63}){1,4}"
)


_SPELLED_AT = tuple(f"{bracket}{blank}at" for bracket in "[({<" for blank in ("", " "))


def emails(plain: Plain) -> Iterator[Entity]:
    """Around each ``@``: 64 characters of local part before it, a domain with a top level of letters behind it."""
    text = plain.text
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        local = _LOCAL_REVERSED.match(text[max(0, at - 64) : at][::-1]) if domain else None
        if domain and local and _is_mail_domain(domain[0]):
            start = at - local.end() + _not_local(text[at - local.end() : at])
            end = domain.end() - (len(domain[0]) - len(domain[0].rstrip("-_")))
            if start < at and text[start:end] != "git@github.com":
                yield Entity(start, end, "email")
        at = text.find("@", at + 1)
    for match in _SPELLED.finditer(text) if has_any(plain.folded, _SPELLED_AT) else ():
        yield Entity(*match.span(), "email")


def _is_mail_domain(domain: str) -> bool:
    if domain[0] == "[" or domain == "localhost":
        return True
    top = domain.rstrip("-_").rpartition(".")[2]
    return len(top) > 1 and not top.isdigit() and not _FILE.fullmatch(top) and not re.match(r"\d+\.\d", domain)


def _not_local(local: str) -> int:
    """How many characters before the local part are punctuation around the address, or the name of a field."""
    lead = 0 if local[0] == '"' else len(local) - len(local.lstrip(".!#$%&'*/=?^`{|}~-"))
    field = re.match(r"[A-Za-z_-]{1,20}=(?=.)", local[lead:])
    return lead + (field.end() if field else 0)


_TOPS = (
    "com|org|net|edu|gov|info|biz|io|co|app|dev|ai|me|tv|xyz|online|site|shop|store|blog|cloud|tech|club|top|pro|eu|uk|de|"
    "fr|it|es|nl|be|ch|at|pl|pt|se|no|dk|fi|ie|cz|gr|ru|ua|tr|jp|cn|kr|in|au|nz|ca|us|br|mx|ar|za|il|sg|hk|tw|ly|gg"
)
_SCHEME = re.compile(
    r"(?i)(?<![a-z0-9])(?:https?|ftps?|sftp|wss?|ssh|git|s3|ldap|hxxps?|file):/{2,3}[^\s<>\"`{}|\\^]{1,2048}+"
)
_WWW = re.compile(r"(?i)(?<![\w@./-])www\d?\.[a-z0-9-]{1,63}\.[^\s<>\"`{}|\\^]{2,2048}+")
_BARE = re.compile(
    rf"(?i)(?<![\w@./\\:-])(?:[a-z0-9][a-z0-9-]{{0,62}}+\.){{1,5}}"
    rf"(?:(?:{_TOPS})(?::\d{{1,5}})?[/?][^\s<>\"`{{}}|\\^]{{0,2048}}+|(?:com|org|net|edu|gov|info|biz)(?![\w(=\[@-]|\.\w))"
)
_TOP = re.compile(rf"(?i)\.(?:{_TOPS})(?!\w)")


def urls(plain: Plain) -> Iterator[Entity]:
    """With a scheme, with ``www.``, or a host of a known top level; the whole address with path and query."""
    text = plain.text
    patterns = ((_SCHEME, "://" in text), (_WWW, "www" in plain.folded), (_BARE, _TOP.search(text)))
    for pattern, may_be in patterns:
        if may_be:
            for match in pattern.finditer(text):
                yield Entity(match.start(), match.end() - _after_url(match[0]), "url")


def _after_url(url: str) -> int:
    """How many characters at the end belong to the sentence: stops, quotes, brackets that were not opened within."""
    end = len(url)
    while end and (url[end - 1] in ".,;:!?'*_~" or (url[end - 1] in ")]" and _unopened(url[:end]))):
        end -= 1
    return len(url) - end


def _unopened(url: str) -> bool:
    return url.count(url[-1]) > url.count("(" if url[-1] == ")" else "[")


_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)
_VERSION_BEFORE = re.compile(
    r"(?i)(?:\bv|version|\bver|release|sections?|chapter|§|build|[=~<>!]=|[a-z]/|\brev)[ .:=\"']{0,3}$"
)
_EVERYBODYS = ("127.", "0.", "255.")


def addresses(plain: Plain) -> Iterator[Entity]:
    """IPv4 and IPv6; not versions, not the loopback, no slices like ``a[::2]``."""
    text = plain.text
    if not plain.has_digit:
        return
    for match in plain.numbers(_IPV4, 4):
        parts = match[0].split(".")
        if all(int(part) < 256 for part in parts) and not match[0].startswith(_EVERYBODYS):  # noqa: PLR2004
            before = text[max(0, match.start() - 12) : match.start()]
            if not _VERSION_BEFORE.search(before):
                yield Entity(*match.span(), "ip")
    for match in _IPV6.finditer(text) if text.count(":") > 1 else ():
        if _is_ipv6(match[0]):
            yield Entity(*match.span(), "ip")


def _is_ipv6(text: str) -> bool:
    groups = [group for group in text.split(":") if group]
    try:
        address = IPv6Address(text)
        if "." in text:
            IPv4Address(groups[-1])
    except AddressValueError:
        return False
    full = len(groups) > 3 or (groups != [] and len(groups[0]) == 4 and text[0] != ":")  # noqa: PLR2004
    return (full or "." in text) and any(map(str.isdigit, text)) and not address.is_unspecified


_MAC = re.compile(
    r"(?<![\w:.-])(?:[0-9A-Fa-f]{2}(?P<sep>[:-])(?:[0-9A-Fa-f]{2}(?P=sep)){4}(?:[0-9A-Fa-f]{2}(?P=sep)[0-9A-Fa-f]{2}(?P=sep))?"
    r"[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:-]|\.\w)"
)
_MAC_HINT = re.compile(r":[0-9A-Fa-f]{2}:|-[0-9A-Fa-f]{2}-|\.[0-9A-Fa-f]{4}\.")
_MAC_PLAIN = re.compile(r"(?i)\bmac(?: ?address)?[ :=#is]{1,6}(?P<value>[0-9a-f]{12})(?!\w)")


def macs(plain: Plain) -> Iterator[Entity]:
    """Six or eight octets, Cisco's three groups, or twelve digits named as such."""
    text = plain.text
    for match in _MAC.finditer(text) if _MAC_HINT.search(text) else ():
        yield Entity(*match.span(), "mac")
    for match in _MAC_PLAIN.finditer(text) if "mac" in plain.folded else ():
        yield Entity(*match.span("value"), "mac")


_CARD = re.compile(r"(?<![\w.+-])(?=(?P<run>\d(?:[ .-]{0,2}\d){11,18}(?![\w]|-\w|\.\d)))\d+")
_CARD_WORDS = (
    *("card", "cards", "credit", "debit", "visa", "mastercard", "master card", "maestro", "amex", "american express"),
    *("diners", "discover", "jcb", "cc", "pan", "karte", "kreditkarte", "carte", "tarjeta"),
)
_CARD_START = re.compile(r"[3456]|2(?:2[2-9]|[3-6]|7[0-2]|131)|1800")
_GROUPED = re.compile(
    r"\d{4}([ .-])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ .-])\d{6}\2\d{4,5}|\d{13,19}|[56]\d{11}"
)
_ROUGHLY = re.compile(r"\d{3,}(?:[ .-]{1,2}\d{2,}){0,5}")


def cards(plain: Plain) -> Iterator[Entity]:
    """12 to 19 digits that start as a card's do and satisfy Luhn, or stand behind a word for cards."""
    words = Words(_CARD_WORDS, plain.text)
    for match in plain.numbers(_CARD, 12):
        end = _card_end(match["run"])
        if not end and _ROUGHLY.fullmatch(match["run"]):
            end = len(match["run"]) if words.before(match.start()) else 0
        if end:
            yield Entity(match.start(), match.start() + end, "card")


def _card_end(run: str) -> int:
    """Where the card number at the start of ``run`` ends, which other digits may follow; 0 if there is none."""
    from stdnum import luhn

    if not _CARD_START.match(run):
        return 0
    for group in reversed(list(re.finditer(r"\d+", run))):
        number = run[: group.end()]
        if _GROUPED.fullmatch(number):
            digits = re.sub(r"\D", "", number)
            if len(set(digits)) > 1 and luhn.is_valid(digits):
                return group.end()
    return 0


_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=(?P<run>[A-Za-z]{2}[ -]?\d{2}(?:[ -]?[A-Za-z0-9]){11,30}))[A-Za-z]{2}")
_IBAN_START = re.compile(r"[A-Za-z]{2}[ -]?\d{2}(?:[ -]?[A-Za-z0-9]){11}")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country: SWIFT's IBAN registry."""


def ibans(plain: Plain) -> Iterator[Entity]:
    """A country's letters and as many characters as it has; check digits hold, or the word IBAN stands before."""
    text = plain.text
    if not plain.has_digit or not _IBAN_START.search(text):
        return
    from stdnum.iso7064 import mod_97_10

    words = Words(("iban",), text)
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0].upper(), 0)
        places = [at for at in range(match.start(), match.end("run")) if text[at].isalnum()] if length else []
        if not length or len(places) < length:
            continue
        end = places[length - 1] + 1
        number = "".join(text[at] for at in places[:length]).upper()
        right = mod_97_10.is_valid(number[4:] + number[:4]) and not text[end : end + 1].isalnum()
        if right or words.before(match.start()):
            yield Entity(match.start(), end, "iban")


_SSN = re.compile(r"(?<![\w.-])\d{3}(?P<sep>[-. ])\d{2}(?P=sep)\d{4}(?![\w]|[-.]\w)")
_NINE = re.compile(r"(?<![\w.-])\d{3}[-. ]?\d{2}[-. ]?\d{4}(?![\w]|[-.]\w)")
_SSN_WORDS = ("ssn", "social security", "social-security", "itin", "taxpayer", "tax id")
_SSN_FORM = re.compile(r"(?!000|666)(?:[0-8]\d{2}(?!00)\d{2}|9\d{2}[5-9]\d)(?!0000)\d{4}")
_NHS = re.compile(r"(?<![\w.-])\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w]|[-.]\w)")
_NHS_WORDS = ("nhs", "national health")
_PASSPORT = re.compile(
    r"(?:(?i:passports?|passeport|pasaporte|passaporto|paspoort|reisepass(?:nummer)?|paszport\w{0,3}))[^\n]{0,40}?"
    r"(?<![A-Za-z0-9-])(?P<value>[A-Za-z]{1,3}\d{5,9}[A-Za-z]?|(?!(?:NO|NR|IS|ID)\b)[A-Z]{1,3}[ -]\d{5,9}[A-Z]?|"
    r"\d{2}[A-Za-z]{2}\d{5}|\d{7,10}|(?=(?:[A-Z]{0,5}\d){3})[A-Z0-9]{8,11})"
    r"(?![A-Za-z0-9-])"
)
_MRZ = re.compile(r"(?<![A-Z0-9<])P[A-Z<][A-Z]{3}[A-Z<]{39}(?:\s{1,2}[A-Z0-9<]{44})?(?![A-Z0-9<])")


def personal_numbers(plain: Plain) -> Iterator[Entity]:
    """US social security numbers by their form; NHS and passport numbers only behind a word that says so."""
    text = plain.text
    words = Words(_SSN_WORDS, text)
    for match in plain.numbers(_NINE, 9):
        digits = re.sub(r"\D", "", match[0])
        formed = _SSN.fullmatch(match[0]) and _SSN_FORM.fullmatch(digits) and "." not in match[0]
        if formed or words.before(match.start()):
            yield Entity(*match.span(), "ssn")
    words = Words(_NHS_WORDS, text)
    for match in plain.numbers(_NHS, 10):
        if words.before(match.start()):
            yield Entity(*match.span(), "nhs")
    for match in _PASSPORT.finditer(text) if plain.has_digit and "pas" in plain.folded else ():
        yield Entity(*match.span("value"), "passport")
    for match in _MRZ.finditer(text) if "P" in text else ():
        yield Entity(*match.span(), "passport")
