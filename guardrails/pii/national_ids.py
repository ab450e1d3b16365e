# ruff: noqa: E501 - a pattern is easier to check unbroken
"""Identifiers that states give to persons: by form and check digits of their country, or behind a label that names them.

A number whose check digit one in ten random numbers satisfies is an identifier only with a label nearby; a form that
nothing else has (``529.982.247-25``, ``RSSMRA85T10A562S``) is one by itself. Behind a label the check digits are not
asked for: people mistype, and a mistyped number still tells who somebody is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from typing import TypeAlias

from guardrails.pii.patterns import Entity
from guardrails.pii.text import LABEL_END, WORD_START, Labels, NumberWords, PlainText, Words

KIND = "nationalid"
Valid: TypeAlias = Callable[[str], bool]


@lru_cache(maxsize=64)
def _stdnum(module: str) -> Valid:
    """``is_valid`` of a module of python-stdnum, loaded when first asked for."""
    return import_module(f"stdnum.{module}").is_valid  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, eq=False)
class _Number:
    """An identifier of digits only.

    Args:
        digits: how many it has.
        module: of python-stdnum, that knows its check digits.
        words: labels for it.
        form: how it is written where it needs no label, given right check digits; empty if it always needs one.
        kind: of the entity.
    """

    digits: int
    module: str
    words: tuple[str, ...]
    form: str = ""
    kind: str = KIND


_SSN_WORDS = (
    *(
        "ssn",
        "social security",
        "socialsecurity",
        "social-security",
        "itin",
        "taxpayer",
        "tax id",
        "taxid",
        "social insurance",
    ),
    *(
        "sozialversicherung",
        "seguridad social",
        "sécurité sociale",
        "securite sociale",
        "previdenza sociale",
        "social no",
        "soc sec",
    ),
)
_NHS_WORDS = ("nhs", "national health")
_ID_WORDS = (
    *(
        "national id",
        "nationalid",
        "national-id",
        "id card",
        "idcard",
        "identity card",
        "identity number",
        "identity no",
    ),
    *("national identi", "identification number", "citizen id", "citizen card", "citizenship n", "personal number"),
    *(
        "personal id",
        "personal code",
        "person number",
        "personnummer",
        "pnr",
        "personalausweis",
        "ausweis",
        "id number",
        "id no",
    ),
    *(
        "identitynumber",
        "idnumber",
        "carte d'identité",
        "carte nationale",
        "documento de identidad",
        "documento",
        "cédula",
    ),
    *("cedula", "carta d'identità", "carta di identità", "codice fiscale", "identiteitskaart", "burgerservicenummer"),
    *("bsn", "dowód", "dowod", "pesel", "henkilötunnus", "fødselsnummer", "rodné číslo", "cnp", "oib", "egn", "jmbg"),
    *(
        "kimlik",
        "tckn",
        "t.c.",
        "cpf",
        "cnpj",
        "curp",
        "rfc",
        "rut",
        "cuit",
        "cuil",
        "aadhaar",
        "aadhar",
        "uidai",
        "adhaar",
    ),
    *(
        "nric",
        "fin",
        "ic no",
        "mykad",
        "my number",
        "mynumber",
        "rrn",
        "resident registration",
        "hetu",
        "ahv",
        "avs",
        "nino",
    ),
    *("national insurance", "insurance number", "ni number", "medicare", "tfn", "tax file", "sin", "matricule", "nir"),
    *(
        "número de identidad",
        "documento nacional",
        "bilhete de identidade",
        "cartão de cidadão",
        "title card",
        "emirates id",
    ),
    *(
        "паспорт",
        "снилс",
        "身份证",
        "身分證",
        "マイナンバー",
        "個人番号",
        "주민등록번호",
        "주민번호",
        "주민등록",
        "आधार",
        "पैन",
    ),
    *("رقم الهوية", "الهوية", "הזהות", "ת.ז", "บัตรประชาชน", "cccd", "cmnd", "nik", "ktp"),
)
_MORE_ID_WORDS = (
    *(
        "nif",
        "nie",
        "dni",
        "ppsn",
        "pps",
        "инн",
        "utr",
        "svnr",
        "versicherungsnummer",
        "pan card",
        "pan number",
        "pan no",
    ),
    *(
        "c.f.",
        "cod. fisc",
        "cod.fisc",
        "codicefiscale",
        "social n",
        "socialn",
        "steuer-id",
        "steueridentifikation",
        "steuernummer",
        "idnr",
    ),
    *(
        "numéro fiscal",
        "numero fiscal",
        "tax n",
        "taxn",
        "taxpayer",
        "p. iva",
        "hkid",
        "ahv-nr",
        "niss",
        "rijksregister",
        "cnic",
        "sozialvers",
    ),
    *(
        "henkilötun",
        "personbeteckning",
        "rodné č",
        "rodne c",
        "adószám",
        "személyi",
        "cod numeric",
        "αφμ",
        "αμκα",
        "єдрпоу",
        "рнокпп",
        "паспорт",
    ),
    *("personnr", "kennitala", "isikukood", "personas kods", "снилс", "иин", "рнокпп"),
)
_RARE_ID_WORDS = (
    *(
        "ni",
        "ni no",
        "rg",
        "nip",
        "dowodu",
        "voter",
        "epic no",
        "sécu",
        "secu",
        "seg. social",
        "n.i.f",
        "d.n.i",
        "n.i.e",
        "tarjeta de identidad",
        "patente",
        "cédula de ciudadanía",
        "cédula de identidad",
        "rfc",
    ),
    *(
        "外国人登録",
        "在留カード",
        "외국인등록",
        "居民",
        "统一编号",
        "身份證",
        "documento n",
        "nº documento",
        "identidade",
    ),
    *(
        "identity card",
        "id-kort",
        "legitimation",
        "id-nummer",
        "idnummer",
        "personalausweis",
        "ausweisnummer",
        "perso-nr",
        "identitätskarte",
    ),
)
_LICENCE_WORDS = (
    *(
        "driver's license",
        "drivers license",
        "driver license",
        "driver's licence",
        "driving licence",
        "driving license",
    ),
    *(
        "driver licence",
        "driverlicense",
        "driverslicense",
        "license number",
        "licence number",
        "license no",
        "licence no",
    ),
    *(
        "führerschein",
        "permis de conduire",
        "permiso de conducir",
        "licencia de conducir",
        "patente di guida",
        "rijbewijs",
    ),
    *(
        "carta de condução",
        "prawo jazdy",
        "prawa jazdy",
        "licencia",
        "driving permit",
        "drivers lic",
        "driver lic",
        "driver's lic",
        "permis n",
        "driverslic",
        "driving lic",
        "driverlicence",
        "dl number",
        "dl no",
        "dl#",
        "ehliyet",
        "sürücü belgesi",
        "řidičsk",
        "jogosítvány",
        "رخصة القيادة",
        "ड्राइविंग लाइसेंस",
        "運転免許証",
        "驾照",
        "רישיון נהיגה",
        "körkort",
        "kørekort",
        "ajokortti",
        "cnh",
        "водительск",
        "驾驶证",
    ),
    *("運転免許", "운전면허"),
)
_GENERIC = Labels((*_SSN_WORDS, *_ID_WORDS, *_MORE_ID_WORDS, *_RARE_ID_WORDS, *_LICENCE_WORDS))
_MEDICARE_WORDS = Labels(("medicare",))

_NUMBERS = (
    _Number(9, "us.ssn", _SSN_WORDS, r"\d{3}([- ])\d{2}\1\d{4}", "ssn"),
    _Number(9, "us.itin", _SSN_WORDS, r"9\d{2}([- ])\d{2}\1\d{4}", "ssn"),
    _Number(9, "ca.sin", ("sin", "social insurance", "assurance sociale", "nas")),
    _Number(9, "nl.bsn", ("bsn", "burgerservice", "sofi")),
    _Number(9, "au.tfn", ("tfn", "tax file")),
    _Number(9, "pt.nif", ("nif", "contribuinte")),
    _Number(9, "il.idnr", ("teudat", "israeli id", "זהות")),
    _Number(10, "gb.nhs", _NHS_WORDS, "", "nhs"),
    _Number(10, "se.personnummer", ("personnummer", "personal number", "pnr", "samordningsnummer"), r"\d{6}[-+]\d{4}"),
    _Number(10, "dk.cpr", ("cpr", "personnummer"), r"\d{6}-\d{4}"),
    _Number(10, "at.vnr", ("sozialversicherung", "svnr", "versicherungsnummer")),
    _Number(10, "bg.egn", ("egn", "егн")),
    _Number(10, "cz.rc", ("rodné", "rodne", "birth number"), r"\d{6}/\d{3,4}"),
    _Number(10, "is_.kennitala", ("kennitala",), r"\d{6}-\d{4}"),
    _Number(11, "de.idnr", ("steuer", "idnr", "tax", "tin", "identifikationsnummer"), r"\d{2}([ ])\d{3}\1\d{3}\1\d{3}"),
    _Number(11, "br.cpf", ("cpf", "contribuinte", "cadastro"), r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    _Number(11, "pl.pesel", ("pesel",), r"\d{11}"),
    _Number(11, "no.fodselsnummer", ("fødselsnummer", "fodselsnummer", "personnummer"), r"\d{6}[ ]\d{5}|\d{11}"),
    _Number(11, "tr.tckimlik", ("kimlik", "tckn", "t.c", "tc"), r"\d{11}"),
    _Number(11, "hr.oib", ("oib",)),
    _Number(
        11,
        "be.nn",
        ("rijksregister", "registre national", "national register", "nrn", "niss", "insz"),
        r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}",
    ),
    _Number(11, "gr.amka", ("amka", "αμκα"), r"\d{11}"),
    _Number(11, "ee.ik", ("isikukood", "personal code")),
    _Number(11, "lt.asmens", ("asmens",)),
    _Number(11, "lv.pvn", ("personas kods",), r"\d{6}-\d{5}"),
    _Number(11, "ar.cuit", ("cuit", "cuil"), r"\d{2}-\d{8}-\d"),
    _Number(12, "in_.aadhaar", ("aadhaar", "aadhar", "adhaar", "uidai", "आधार"), r"\d{4}([ -])\d{4}\1\d{4}"),
    _Number(
        12,
        "jp.in_",
        ("my number", "mynumber", "individual number", "マイナンバー", "個人番号"),
        r"\d{4}([ -])\d{4}\1\d{4}",
    ),
    _Number(12, "my.nric", ("nric", "mykad", "ic"), r"\d{6}-\d{2}-\d{4}"),
    _Number(12, "se.personnummer", ("personnummer", "personal number"), r"(?:19|20)\d{6}[-+]?\d{4}"),
    _Number(13, "kr.rrn", ("주민", "resident registration", "rrn"), r"\d{6}-\d{7}"),
    _Number(13, "za.idnr", ("id number", "identity", "south african id"), r"\d{6}[ ]\d{4}[ ]\d{3}"),
    _Number(13, "th.pin", ("บัตรประชาชน", "national id", "citizen"), r"\d-\d{4}-\d{5}-\d{2}-\d"),
    _Number(13, "ro.cnp", ("cnp", "numeric personal"), r"\d{13}"),
    _Number(13, "ch.ssn", ("ahv", "avs", "oasi", "sozialversicherung"), r"756([. ])\d{4}\1\d{4}\1\d{2}|756\d{10}"),
    _Number(14, "br.cnpj", ("cnpj",), r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}"),
    _Number(
        15,
        "fr.nir",
        ("nir", "sécurité sociale", "securite sociale", "insee"),
        r"[12]([ .]?)\d{2}\1(?:0[1-9]|1[0-2]|[2-9]\d)\1\d{2}\1\d{3}\1\d{3}[ .]?\d{2}",
    ),
    _Number(18, "cn.ric", ("身份证", "身分證", "resident identity", "id"), r"\d{6}(?:19|20)\d{9}"),
)
_BY_DIGITS = {count: tuple(n for n in _NUMBERS if n.digits == count) for count in {n.digits for n in _NUMBERS}}
_LABELS = {number: Labels(number.words) for number in _NUMBERS}
_LABELS_OF_ANY = Labels(word for number in _NUMBERS for word in number.words)
_FORMS = {number: re.compile(number.form) for number in _NUMBERS if number.form}
_MEDICARE = re.compile(r"[2-6]\d{3}[ ]?\d{5}[ ]?\d(?:[ /-]?\d)?")

_RUN = re.compile(r"(?<![^\W_])(?<!\d[.,:_/-])(?<![+])(?<!\w-)\d(?:[ ./-]?[\d]){8,17}(?![^\W_]|[-/]\w|\.\d)")
_LETTERED = re.compile(
    r"(?<![^\W_])(?<!\w-)(?<!\d[.,])(?:"
    r"(?P<nino>(?!BG|GB|NK|KN|TN|NT|ZZ)(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?(?i:[A-D]))"
    r"|(?P<dni>\d{8}[ -]?[A-HJ-NP-TV-Z]|\d{2}\.\d{3}\.\d{3}[ -]?[A-HJ-NP-TV-Z])"
    r"|(?P<nie>[XYZ][ -]?\d{7}[ -]?[A-Z])"
    r"|(?P<pan>[A-Z]{3}[ABCFGHLJPTK][A-Z]\d{4}[A-Z])"
    r"|(?P<hetu>\d{6}[-+A-FU-Y]\d{3}[0-9A-Y])"
    r"|(?P<curp>[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d)"
    r"|(?P<nir>[12][ ]?\d{2}[ ]?\d{2}[ ]?2[AB][ ]?\d{3}[ ]?\d{3}[ ]?\d{2})"
    r"|(?P<ric>\d{6}(?:19|20)\d{2}[01]\d[0-3]\d{4}[Xx])"
    r"|(?P<rut>\d{1,2}\.\d{3}\.\d{3}-[\dkK])"
    r"|(?P<pps>\d{7}[A-W][AHW]?)"
    r"|(?P<sg>[STFG]\d{7}[A-Z])"
    r"|(?P<hk>[A-Z]{1,2}\d{6}\([\dA]\))"
    r"|(?P<tw>[A-Z][12]\d{8})"
    r"|(?P<secu>[12][ ]\d{2}[ ](?:0[1-9]|1[0-2]|[2-9]\d)[ ]\d{2}[ ]\d{3}[ ]\d{3}(?:[ ]\d{2})?)"
    r"|(?P<cpf>\d{3}\.\d{3}\.\d{3}-\d{2}|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2})"
    r"|(?P<ahv>756\.\d{4}\.\d{4}\.\d{2})"
    r"|(?P<pnr>(?:1[89])?\d{6}\+\d{4})"
    r"|(?P<rrn>\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6})"  # since 2020 without a check digit
    r")(?![^\W_]|-\w)"
)
_CODICE = re.compile(
    r"(?i)(?<![^\W_])(?P<codice>[A-Z]{3}[ ]?[A-Z]{3}[ ]?\d{2}[A-EHLMPRST]\d{2}[ ]?[A-Z]\d{3}[A-Z])(?![^\W_])"
)
_LEAST_IN_LETTERED = 4
_LETTERED_START = re.compile(
    r"[A-Za-z\u0130\u0131\u017f\u212a\d](?<![^\W_].)(?=(?<=\d)(?:\d{5}|\d{0,2}\.\d{3})|(?<=[12])[ ]?\d\d[ ]?\d\d[ ]?\d|"
    r"(?<!\d)(?i:[a-z]){0,4}[ -]?\d\d)"
)
_IN_CODICE = re.compile(r"\d\d(?i:[A-EHLMPRST])\d\d[ ]?(?i:[A-Z])\d\d\d")
"""Where one of these begins, and what a codice fiscale is not without."""
_LETTERED_MODULES = {
    "dni": "es.dni", "nie": "es.nie", "codice": "it.codicefiscale", "hetu": "fi.hetu", "curp": "mx.curp",
    "pnr": "se.personnummer", "nir": "fr.nir", "ric": "cn.ric", "rut": "cl.rut", "pps": "ie.pps",
}  # fmt: skip
_BY_FORM = frozenset({"nino", "pan", "hk", "codice", "rrn", "secu", "cpf", "ahv"})
"""Forms that have no check digit to compute, and that little else has."""
_LABELLED_FORMS = frozenset({"sg", "tw", "pps"})
"""Forms that part numbers have too: only behind a label."""


def national_ids(plain: PlainText) -> Iterator[Entity]:
    """Identifiers of persons with their check digits, or behind a label."""
    if not plain.has_digit:
        return
    yield from _of_digits(plain)
    generic = NumberWords(_GENERIC, plain)
    lettered = plain.numbers_at_words(_LETTERED, _LEAST_IN_LETTERED, start=_LETTERED_START)
    codici = plain.numbers_at_words(_CODICE, 2, start=WORD_START) if _IN_CODICE.search(plain.text) else ()
    for match in (*lettered, *codici):
        name = str(match.lastgroup)
        module = _LETTERED_MODULES.get(name)
        right = name in _BY_FORM or (module is not None and name not in _LABELLED_FORMS and _valid(module, match[0]))
        if right or generic.before(match.start()):
            yield Entity(*match.span(), KIND)
    yield from _labelled(plain, generic)
    yield from _passports(plain)


def _valid(module: str, value: str) -> bool:
    return _stdnum(module)(re.sub(r"[ .]", "", value).upper() if module != "fi.hetu" else value)


def _of_digits(plain: PlainText) -> Iterator[Entity]:
    words: dict[_Number, Words] = {}
    of_any = NumberWords(_LABELS_OF_ANY, plain)
    medicare = NumberWords(_MEDICARE_WORDS, plain)
    for run in plain.numbers_at_words(_RUN, 9):
        labelled = words if of_any.before(run.start()) else None
        tried = (_identified(run, end, plain, labelled) for end in _ends(run[0]))
        found = next(filter(None, tried), None)
        if found is None and medicare.before(run.start()) and _MEDICARE.fullmatch(run[0]):
            found = Entity(*run.span(), KIND)
        if found:
            yield found


def _ends(run: str) -> Iterator[int]:
    """Where a number at its start may end, the longest first: other groups of digits may follow it."""
    groups = [group.end() for group in re.finditer(r"\d+", run)]
    return reversed(groups[-4:])


def _identified(run: re.Match[str], end: int, plain: PlainText, words: dict[_Number, Words] | None) -> Entity | None:
    written = run[0][:end]
    digits = re.sub(r"\D", "", written)
    for number in _BY_DIGITS.get(len(digits), ()):
        if words is not None and words.setdefault(number, NumberWords(_LABELS[number], plain)).before(run.start()):
            return Entity(run.start(), run.start() + end, number.kind)
        form = _FORMS.get(number)
        if form is None or not form.fullmatch(written) or len(set(digits)) <= 2:  # noqa: PLR2004
            continue
        if not (plain.is_named_otherwise(run.start()) or _is_series(written)) and _checked(number, written, digits):
            return Entity(run.start(), run.start() + end, number.kind)
    return None


def _is_series(written: str) -> bool:
    """Whether groups of digits are years, round numbers, or numbers each as far from the next or as many times as it."""
    groups = re.findall(r"\d+", written)
    if len(groups) < _LEAST_IN_SERIES:
        return False
    numbers = list(map(int, groups))
    steps = {after - before for before, after in pairwise(numbers)}
    multiples = all(before * numbers[1] == after * numbers[0] for before, after in pairwise(numbers))
    return len(steps) == 1 or multiples or all(map(_ROUND_OR_YEAR.fullmatch, groups))


_LEAST_IN_SERIES = 3
_ROUND_OR_YEAR = re.compile(r"(?:19|20)\d\d|\d*00")


def _checked(number: _Number, written: str, digits: str) -> bool:
    if number.module == "us.ssn":
        return bool(_SSN_FORM.fullmatch(digits))
    return _stdnum(number.module)(written if number.module.startswith(("se.", "lv.", "be.")) else digits)


_SSN_FORM = re.compile(r"(?!000|666)(?:[0-8]\d{2}(?!00)\d{2}|9\d{2}[5-9]\d)(?!0000)\d{4}")
_BETWEEN = re.compile(rf"[가-힣一-鿿ぁ-ん]{{0,4}}{LABEL_END}(?:[\u0621-\u064a\u05d0-\u05ea]{{1,8}}[ :]{{0,3}}){{0,3}}")
_VALUE = re.compile(
    r"(?<![^\W_])(?P<value>(?:[A-Z]{1,4}[ .-]?){0,2}\d[A-Z0-9]*(?:[ ./-]{1,2}(?:[A-Z]{1,3}[ ./-])?[A-Z0-9]{0,6}\d[A-Z0-9]{0,8}){0,5}(?:[ -]?[A-Z]{1,2}(?![A-Za-z]))?"
    r"|[A-Z]{1,9}\d[A-Z0-9]{2,16}|[a-z]{1,3}-?\d{5,12}-?[a-z]{0,2}|\d{5,12}-?[a-z]{1,2}|[a-z]{5}\d{4}[a-z])(?![^\W_])"
)
_DATE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}|(?:19|20)\d\d(?:[ -](?:19|20)\d\d)?|\d+\.\d+"
)
_LEAST_SIGNS, _LEAST_DIGITS, _MOST_SIGNS = 6, 4, 22


def _labelled(plain: PlainText, words: Words) -> Iterator[Entity]:
    """What stands directly behind a label and reads like an identifier, in whatever form its country has."""
    if not plain.has_four_digits:  # of an identifier they stand within 22 letters and digits, and 16 signs between
        return
    for place in words.places():
        between = _BETWEEN.match(plain.source, place)
        match = _VALUE.match(plain.text, between.end() if between else place)
        if match is None:
            continue
        signs = re.sub(r"[^A-Za-z0-9]", "", match["value"])
        enough = _LEAST_SIGNS <= len(signs) <= _MOST_SIGNS and sum(map(str.isdigit, signs)) >= _LEAST_DIGITS
        if enough and not _DATE.fullmatch(match["value"]) and plain.text[match.end() : match.end() + 1] != "@":
            yield Entity(*match.span("value"), KIND)


_PASSPORT_WORDS = (
    *(
        "passport",
        "passeport",
        "pasaporte",
        "passaporto",
        "paspoort",
        "reisepass",
        "passaporte",
        "paszport",
        "pasaport",
    ),
    *(
        "passnummer",
        "passnr",
        "pass-nr",
        "passi",
        "pasnummer",
        "pasnr",
        "passport",
        "cestovní pas",
        "útlevél",
        "pașaport",
        "διαβατήριο",
    ),
    *("паспорт", "护照", "護照", "パスポート", "旅券", "여권", "جواز", "דרכון", "पासपोर्ट"),
)
_PASSPORT_LABELS = Labels(_PASSPORT_WORDS)
_PASSPORT = re.compile(
    r"(?:[^\n\d]{0,40}?|[^\n\d]{0,40}\n[ -]{0,8})(?<![A-Za-z0-9-])(?P<value>[A-Za-z]{1,3}\d{5,9}[A-Za-z]?|(?!(?:NO|NR|IS|ID)\b)[A-Z]{1,3}[ -]\d{5,9}[A-Z]?|"
    r"\d{2}[A-Za-z]{2}\d{5}|\d{2}[ ]?\d{2}[ ]\d{6}|\d{3}[ -]\d{3}[ -]\d{3}|\d{7,10}|(?=(?:[A-Z]{0,5}\d){3})[A-Z0-9]{8,11})"
    r"(?![A-Za-z0-9-])"
)
_MRZ = re.compile(r"(?<![A-Z0-9<])P[A-Z<][A-Z]{3}[A-Z<]{39}(?:\s{1,2}[A-Z0-9<]{44})?(?![A-Z0-9<])")


def _passports(plain: PlainText) -> Iterator[Entity]:
    """Numbers of passports behind a word that says so, and the lines that machines read."""
    for place in NumberWords(_PASSPORT_LABELS, plain).places():
        if match := _PASSPORT.match(plain.text, place):
            yield Entity(*match.span("value"), "passport")
    for match in _MRZ.finditer(plain.source) if "<" in plain.source else ():
        yield Entity(*match.span(), "passport")
