# ruff: noqa: E501 - a pattern is easier to check unbroken
"""What a label makes personal: dates of birth, postal addresses, licence plates.

A date or a street tells of nobody by itself. Behind a label ("born on", ``"address":``, the head of a column) it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails.pii.patterns import Entity
from guardrails.pii.text import LABEL_END, Labels, NumberWords, PlainText
from guardrails.text_matching import has_any

_BIRTH_WORDS = (
    *(
        "date of birth",
        "dateofbirth",
        "birth date",
        "birthdate",
        "birthday",
        "birth day",
        "dob",
        "d.o.b",
        "born",
        "bday",
        "bod",
    ),
    *(
        "geburtsdatum",
        "geburtstag",
        "geboren",
        "geb.",
        "né le",
        "née le",
        "date de naissance",
        "naissance",
        "fecha de nacimiento",
    ),
    *(
        "nacimiento",
        "nacido",
        "nacida",
        "nació",
        "data di nascita",
        "nato il",
        "nata il",
        "data de nascimento",
        "nascimento",
    ),
    *(
        "nascido",
        "nascida",
        "nasci em",
        "data nascita",
        "data nasc",
        "data ur",
        "생일",
        "생년",
        "출생일",
        "出生年月",
        "誕生",
        "geb.:",
        "geburts",
        "gebjahr",
        "születési",
        "nato a",
        "nata a",
        "né à",
        "née à",
        "nacido en",
        "nacida en",
        "nascido em",
        "nascida em",
        "urodziłem",
        "urodziłam",
        "geb.datum",
        "geb. datum",
        "geb.dat",
        "synt.",
        "sinh ngày",
        "sinh năm",
        "γέννησ",
        "γεννήθηκ",
        "birth:",
        "date of birth",
        "dateofbirth",
        "d o b",
        "cumpleaños",
        "compleanno",
        "anniversaire",
        "verjaardag",
        "syntymäpäiv",
        "aniversário",
        "fødselsdag",
        "urodziny",
        "день рождения",
        "род.",
        "nasceu",
        "nací",
        "sono nato",
        "sono nata",
        "ur.",
        "lahir",
        "γεννή",
        "születés",
        "született",
        "narodil",
        "narozen",
        "născut",
        "naștere",
        "народився",
        "dogum tarih",
        "doğdu",
        "doğum",
        "syntym",
        "syntyn",
        "fødsels",
        "födelse",
        "födelsedag",
        "วันเกิด",
        "נולד",
        "مواليد",
        "ولد",
        "जन्मतिथि",
        "誕生日",
        "geboortedatum",
        "geboren op",
        "data urodzenia",
        "urodzon",
        "födelsedatum",
        "född",
        "fødselsdato",
    ),
    *(
        "født",
        "syntymäaika",
        "syntynyt",
        "datum narození",
        "narozen",
        "doğum tarihi",
        "дата рождения",
        "родил",
        "生年月日",
    ),
    *(
        "出生日期",
        "出生",
        "生日",
        "생년월일",
        "출생",
        "urodz",
        "تاريخ الميلاد",
        "תאריך לידה",
        "जन्म",
        "ngày sinh",
        "tanggal lahir",
    ),
)
_BIRTH_LABELS = Labels(_BIRTH_WORDS)
_MONTH = (
    r"(?:jan|feb|fév|fev|m[aä]r|abr|apr|avr|ma[iyjg]|jui?n|giu|jul|jui|lug|aug|ag[oo]|aoû|sep|set|o[ck]t|ott|out|nov|de[czs]|dic|déc|"
    r"ene|gen|sty|lut|kwi|cze|lip|sie|wrz|paź|lis|gru|янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек)[a-zäéûçźńа-я]{0,8}\.?"
)
_DATE = re.compile(
    rf"(?i)(?:\d{{4}}[ ]?[./-][ ]?\d{{1,2}}[ ]?[./-][ ]?\d{{1,2}}(?:T\d\d:\d\d(?::\d\d)?Z?)?|\d{{1,2}}[ ]?[./-][ ]?\d{{1,2}}[ ]?[./-][ ]?(?:\d{{4}}|\d{{2}})|"
    rf"\d{{1,2}}(?:st|nd|rd|th|er|º|\.)?[ -]?(?:of |de |di )?{_MONTH}[ ,-]{{0,2}}(?:de |del |of )?\d{{2,4}}|"
    rf"{_MONTH}[ /-]?\d{{1,2}}(?:st|nd|rd|th)?,?[ /-]{{0,2}}\d{{2,4}}|(?:19|20)\d{{6}}|"
    r"\d{1,2}\.?[ /-]?(?:of |de |di )?[^\d\s,.;:!?/()-]{3,18}\.?[ ,/-]{0,2}(?:de |del |of )?(?:19|20)\d{2}|"
    r"[^\d\s,.;:!?/()-]{3,14}[ /-]\d{1,2}(?:st|nd|rd|th)?,?[ /-]{1,2}(?:19|20)\d{2}|"
    r"[MTSHR]\d{1,2}[./年]\d{1,2}[./月]\d{1,2}日?|"
    rf"(?:明治|大正|昭和|平成|令和)(?:\d{{1,2}}|元)年\d{{1,2}}月\d{{1,2}}日|"
    rf"\d{{4}}[ ]?[年년][ ]?\d{{1,2}}[ ]?[月월](?:[ ]?\d{{1,2}}[ ]?[日일])?)(?!\d)"
)
_DIGIT_SOON = re.compile(r"\d")
_DATE_BEGINS = re.compile(r"\d|[明大昭平令]|(?<![^\W_])[^\W\d_]")
_MOST_TO_DATE = 28

_ADDRESS_WORDS = (
    *(
        "address",
        "addr",
        "lives at",
        "live at",
        "living at",
        "resides at",
        "residing at",
        "ship to",
        "deliver to",
        "delivered to",
    ),
    *(
        "residence",
        "residente en",
        "domicilio",
        "dirección",
        "direccion",
        "adresse",
        "anschrift",
        "wohnhaft",
        "wohnt in",
    ),
    *(
        "indirizzo",
        "residente in",
        "endereço",
        "endereco",
        "morada",
        "adres",
        "adress",
        "osoite",
        "lakcím",
        "demeurant",
    ),
    *(
        "habite au",
        "vive en",
        "адрес",
        "проживает",
        "住所",
        "地址",
        "住址",
        "주소",
        "العنوان",
        "כתובת",
        "पता",
        "alamat",
        "địa chỉ",
    ),
    *(
        "moro na",
        "moro no",
        "moro em",
        "mora na",
        "mora no",
        "resido",
        "residente",
        "vivo en",
        "vivo in",
        "abito in",
        "abita in",
    ),
    *(
        "j'habite",
        "habite",
        "domicilié",
        "réside",
        "wohne in",
        "wohne an",
        "wohne am",
        "wohnt am",
        "woon op",
        "woon aan",
        "woont op",
    ),
    *(
        "woon in",
        "woont in",
        "woonachtig",
        "mieszkam",
        "mieszka przy",
        "zamieszkał",
        "zameldowan",
        "bor på",
        "bosatt",
        "bor i",
    ),
    *(
        "asun",
        "asuu",
        "bydliště",
        "bydlím",
        "lakik",
        "locuiesc",
        "domiciliu",
        "διεύθυνση",
        "μένω",
        "живу",
        "проживаю",
        "проживающ",
    ),
    *(
        "адреса",
        "住んで",
        "住在",
        "居住",
        "거주",
        "أسكن",
        "أعيش",
        "يسكن",
        "ที่อยู่",
        "गृह पता",
        "निवास",
    ),
)
_NO_POSTAL = re.compile(
    r"(?i)(?:ip|mac|e-?mail|mail|web|url|memory|wallet|bitcoin|btc|eth|contract|network|hardware|http|base|bus|hex|return)[ _-]?$"
)
_MORE_ADDRESS_WORDS = (
    *(
        "osoit",
        "bopæl",
        "الإقامة",
        "السكن",
        "residing",
        "mailing",
        "residenz",
        "zamieszk",
        "bostad",
        "عنوان",
        "où j'habite",
        "domicile",
        "wohnadresse",
        "wohnort",
        "lieferung an",
        "livrer à",
        "enviar a",
    ),
)
_FIELD_WORDS = (
    "street",
    "straße",
    "strasse",
    "postcode",
    "rue",
    "calle",
    "via",
    "rua",
    "straat",
    "ulica",
    "gatuadress",
)
"""Parts of an address: labels only as the names of fields."""
_ADDRESS_LABELS, _FIELD_LABELS = Labels((*_ADDRESS_WORDS, *_MORE_ADDRESS_WORDS)), Labels(_FIELD_WORDS)
_TO_FIELD = re.compile(r"(?i)(?:[ _]?(?:line[ ]?\d?|\d|name|address))?[\"']? ?[:=>][\s\"'>]{0,4}")
_TO_ADDRESS = re.compile(
    r"[a-zäöüåßñğışç]{0,4}(?i:[ _](?:line[ ]?\d?|\d|is|to|at|as|now|has|been|changed|updated|with|on|om|osoitteessa|pod|adresem|"
    r"przy|an|in|am|auf|was|of \w{1,20}|full|name|ist|est|es|è|au|à|el|la|le)\b){0,4}[\s:=>\"'*|-]{1,8}|[：はは是:]{1,2}[ ]?|(?=\S)"
)
_ADDRESS = re.compile(
    r"(?i)(?:[a-zäöüåßñğışç]{0,4}(?![A-Z]))(?:[ _](?:line[ ]?\d?|\d|is|to|at|as|now|has|been|changed|updated|with|on|om|osoitteessa|pod|adresem|przy|"
    r"an|in|am|auf|was|of \w{1,20}|full|name|ist|est|es|è)\b)*[\s:=>\"'*|-]{1,8}|[：はは是:]{1,2}[ ]?|(?=\S)"
)
_ADDRESS = re.compile(r"[^\n\"<>|{}\t]{6,140}")
_SENTENCE_END = re.compile(
    r"(?<=[\w)]{4})[.!?](?=\s+[A-ZÀ-Þ]|\s*$)|(?<=\d)[.!?](?=\s+[A-ZÀ-Þ]|\s*$)|[;；。!?]|\.\s*$|\s+(?:and|but|because|since|which|who|where|when|please|so|und|et|y)\s+(?=[a-z])|,\s+(?!(?:rue|avenue|av|boulevard|bd|chemin|place|allée|impasse|quai|route|passage|cours|via|viale|calle|rua|ulica|ul|ulice|utca|str|strada)\b)(?=[a-z]{2,}\s+[a-z]{2,}\s)"
)
_POSTAL = re.compile(r"(?=.*\d)(?=.*[^\W\d_]{2})")
_OTHER_BEHIND = re.compile(
    r"[ ,]+(?:(?:tel|kom|mob|cell|phone|fax|e-?mail|mail)\b|(?:depuis|since|seit|desde|dal|sinds|od|sedan)\s)"
)
_WEB_BEHIND = re.compile(r"(?:^|[ ,、，،]+)(?:[^\s,、，،]{0,80}@|\w{2,8}://)")
"""What ends an address within its line: a telephone, a time; mail, a URL."""
_NOT_POSTAL = re.compile(
    r"@|://|\b0x[0-9a-f]|^[\d.:/]+$|^[0-9a-fA-F:.]+$|[{};=]|\w\(|\b\w+_t\b|::|^\W*(?:is|are|was|the|a|an|to|not|of|and|or|in|for|this|that)\b"
)
_DIGITS_SOON, _DIGITS_SOON_UNSPACED = 60, 40

_CERTAIN_PLATE_WORDS = (
    "license plate",
    "licence plate",
    "number plate",
    "numberplate",
    "licenseplate",
    "licenceplate",
    "plate number",
)
"""Labels that a value of digits alone is a plate behind."""
_PLATE_WORDS = (
    *_CERTAIN_PLATE_WORDS,
    "plate no",
    *(
        "vehicle registration",
        "registration number",
        "registration plate",
        "vehicle plate",
        "car plate",
        "reg. no",
        "reg no",
        "regno",
    ),
    *(
        "registration no",
        "vehicle reg",
        "car reg",
        "van reg",
        "reg plate",
        "vehiclereg",
        "vrm",
        " plate",
        "plates",
        "kennzeichen",
    ),
    *("nummernschild", "immatricul", "plaque", "matrícula", "matricula", "placa", "targa", "kenteken", "rejestracyjn"),
    *(
        "registreringsn",
        "regnr",
        "reg.nr",
        "nummerplade",
        "rekisterinumero",
        "rekisteritunnu",
        "nr rej",
        "nummerskylt",
        "numéro de plaque",
        "placas",
        "kentekenplaat",
        "plaka",
        "spz",
        "registrační značk",
    ),
    *(
        "rendszám",
        "πινακίδα",
        "αριθμός κυκλοφορίας",
        "номерной знак",
        "госномер",
        "гос. номер",
        "гос номер",
        "номерний знак",
    ),
    *(
        "车牌",
        "車牌",
        "ナンバープレート",
        "ナンバー",
        "車両番号",
        "登録番号",
        "차량번호",
        "차량 번호",
        "번호판",
        "차 번호",
        "لوحة",
        "لوحات",
    ),
    *("नंबर प्लेट", "गाड़ी नंबर", "गाड़ी का नंबर", "वाहन", "ทะเบียนรถ", "biển số", "nopol", "לוחית", "מספר רכב"),
)
_PLATE_LABELS, _CERTAIN_PLATE_LABELS = Labels(_PLATE_WORDS), Labels(_CERTAIN_PLATE_WORDS)
_PLATE_UNIT = r"(?:[A-ZÄÖÜА-Я]{1,4}|\d{1,4})"
_PLATE_VALUE = (
    r"(?:[一-鿿]{2,4}[ ]?\d{2,3}[ ]?[ぁ-んA-Z][ ]?(?:\d{1,2}-\d{2}|[.・]{0,3}\d{1,4})|[一-鿿][A-Z][ .-]?[A-Z0-9]{4,6}|"
    r"(?:[가-힣]{2}[ ]?)?\d{2,3}[ ]?[가-힣][ ]?\d{4}|(?:[\u0621-\u064a][ ]?){1,4}\d{1,4}|\d{1,4}[ ]?(?:[\u0621-\u064a][ ]?){1,3}(?![\u0621-\u064a])|"
    r"\d?[ ]?[ก-ฮ]{1,3}[ -]?\d{1,4}|"
    rf"(?<![A-Za-z0-9]){_PLATE_UNIT}(?:[ .-]{{0,2}}{_PLATE_UNIT}){{1,5}}(?![^\W_]))"
)
_PLATE = re.compile(
    rf"{LABEL_END}(?:[a-zà-žа-я]{{1,12}}\.?[ ]|[\u0621-\u064a]{{3,9}}[ ]){{0,2}}(?:(?i:car|vehicle|plate|my|her|his|number)\b[ ]){{0,2}}(?P<value>{_PLATE_VALUE})"
)
_PLATE_THEN = re.compile(rf"(?P<value>{_PLATE_VALUE})[ ](?:numaralı )?plaka")
_PLATE_BEHIND, _MOST_BEFORE = re.compile("plaka"), 28
_PLATE_SIGNS, _LEAST_OF_DIGITS = range(4, 13), 5


_BORN_BEHIND = ("生", "г.р", "г. р", "рожд", "생", "geboren", "dogum", "dogdu", "syntyn", "szulet", "narozen", "urodz")
_BORN, _MOST_BEFORE_BORN = re.compile("|".join(map(re.escape, _BORN_BEHIND))), 48
_BORN_THEN = re.compile(
    r"[ ]?(?:に)?(?:生|г\.?[ ]?р|г(?:ода|\.)?[ ]рожд|생|태생|(?:in \w{2,20} )?geboren|(?:do[gğ]um|do[gğ]du)|tarihinde do[gğ]|syntyn|szület|narozen)"
)


def births(plain: PlainText) -> Iterator[Entity]:
    """Dates of birth behind a label, or before one in languages that put it there."""
    if not plain.has_digit:
        return
    if has_any(plain.labels, _BORN_BEHIND):
        done = 0
        for word in _BORN.finditer(plain.labels):
            begin, done = max(done, word.start() - _MOST_BEFORE_BORN), word.start()
            for date in _DATE.finditer(plain.source, begin, done):
                if _BORN_THEN.match(plain.source, date.end()):
                    yield Entity(*date.span(), "birthdate")
    for place in NumberWords(_BIRTH_LABELS, plain).places():
        if _DIGIT_SOON.search(plain.source, place, place + 2 * _MOST_TO_DATE) and (born := _date_behind(plain, place)):
            yield born


def _date_behind(plain: PlainText, place: int) -> Entity | None:
    """The date that follows on the label that ends at ``place``, no number before it."""
    for begins in _DATE_BEGINS.finditer(plain.source, place, place + _MOST_TO_DATE):
        if born := _DATE.match(plain.source, begins.start()):
            return Entity(*born.span(), "birthdate")
        if begins[0].isdigit():
            return None
    return None


def postal_addresses(plain: PlainText) -> Iterator[Entity]:
    """Addresses behind a label, up to the end of the line, the field or the sentence."""
    if not plain.has_digit:
        return
    done = 0
    for place in sorted(set(_to_addresses(plain))):
        match = _ADDRESS.match(plain.source, place) if place >= done else None
        if match is None or not _DIGIT_SOON.search(match[0]):
            continue
        written = match[0]
        for end in (_SENTENCE_END, _OTHER_BEHIND, *((_WEB_BEHIND,) if "@" in written or "://" in written else ())):
            if cut := end.search(written):
                written = written[: cut.start()]
        written = written.rstrip(" ,.]'*" if "(" in written else " ,.)]'*")
        if _is_postal(written):
            done = match.start() + len(written)
            yield Entity(match.start(), done, "address")


def _to_addresses(plain: PlainText) -> Iterator[int]:
    """Where an address may begin, behind its label."""
    for place in NumberWords(_ADDRESS_LABELS, plain).places():
        if not _NO_POSTAL.search(_before_label(plain.source, place)):
            lead = _TO_ADDRESS.match(plain.source, place)
            yield lead.end() if lead else place
    for place in NumberWords(_FIELD_LABELS, plain).places():
        if lead := _TO_FIELD.match(plain.source, place):
            yield lead.end()
        elif plain.header(place):
            yield place


def _before_label(source: str, place: int) -> str:
    """What stands before the label that ends at ``place``."""
    label = re.search(r"[^\W_]+$", source[max(0, place - 24) : place])
    start = place - len(label[0]) if label else place
    return source[max(0, start - 12) : start]


def _is_postal(written: str) -> bool:
    unspaced = not written.isascii() and " " not in written
    soon = written[: _DIGITS_SOON_UNSPACED if unspaced else _DIGITS_SOON]
    capital = any(letter.isupper() or letter.lower() == letter.upper() for letter in written if letter.isalpha())
    return bool(capital and _POSTAL.match(soon) and not _NOT_POSTAL.search(written))


def plates(plain: PlainText) -> Iterator[Entity]:
    """Licence plates behind a label."""
    if not plain.has_digit:
        return
    labelled = [_PLATE.match(plain.source, place) for place in NumberWords(_PLATE_LABELS, plain).places()]
    certain = set(NumberWords(_CERTAIN_PLATE_LABELS, plain).places())
    before = (
        _PLATE_THEN.search(plain.source, max(0, word.start() - _MOST_BEFORE), word.end())
        for word in (_PLATE_BEHIND.finditer(plain.labels) if "plaka" in plain.labels else ())
    )
    for match in filter(None, (*labelled, *before)):
        signs = re.sub(r"[^\w]", "", match["value"])
        mixed = any(map(str.isalpha, signs)) and any(map(str.isdigit, signs))
        digits = signs.isdecimal() and len(signs) >= _LEAST_OF_DIGITS and match.start() in certain
        if (mixed or digits) and len(signs) in _PLATE_SIGNS:
            yield Entity(match.start("value"), match.end("value"), "plate")
