"""Personal data in many scripts and formats, with valid check digits, by templates and a seed; and texts that hold none."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator

from benchmarks.guard_texts import Labels, _card, _email, _iban, _phone, pick

DIGITS = string.digits


def _valid(module: str, make: Callable[[random.Random], str]) -> Callable[[random.Random], str]:
    """Numbers that python-stdnum's module takes: drawn until one is right."""

    def draw(rng: random.Random) -> str:
        from importlib import import_module

        is_valid = import_module(f"stdnum.{module}").is_valid
        while True:
            number = make(rng)
            if is_valid(number):
                return number

    return draw


def _date_digits(rng: random.Random) -> str:
    return f"{rng.randint(40, 99)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"


def _grouped(number: str, *sizes: int, sep: str = " ") -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return sep.join(parts)


_cpf = _valid("br.cpf", lambda r: pick(r, DIGITS, 11))
_idnr = _valid("de.idnr", lambda r: str(r.randint(1, 9)) + pick(r, DIGITS, 10))
_aadhaar = _valid("in_.aadhaar", lambda r: str(r.randint(2, 9)) + pick(r, DIGITS, 11))
IDS: dict[str, Callable[[random.Random], str]] = {
    "National insurance {}": lambda r: f"{r.choice(['AB', 'CE', 'JK'])}{pick(r, DIGITS, 6)}{r.choice('ABCD')}",
    "Steuer-ID: {}": lambda r: _grouped(_idnr(r), 2, 3, 3, 3),
    "DNI {}": lambda r: (n := pick(r, DIGITS, 8)) + "TRWAGMYFPDXBNJZSQVHLCKE"[int(n) % 23],
    "CPF {}": lambda r: (n := _cpf(r)) and f"{n[:3]}.{n[3:6]}.{n[6:9]}-{n[9:]}",
    "Aadhaar {}": lambda r: _grouped(_aadhaar(r), 4, 4, 4),
    "PAN {}": lambda r: f"{pick(r, string.ascii_uppercase, 3)}P{pick(r, string.ascii_uppercase, 1)}{pick(r, DIGITS, 4)}{pick(r, string.ascii_uppercase, 1)}",
    "PESEL {}": _valid("pl.pesel", lambda r: _date_digits(r) + pick(r, DIGITS, 5)),
    "BSN: {}": _valid("nl.bsn", lambda r: pick(r, DIGITS, 9)),
    "SIN {}": lambda r: _grouped(_valid("ca.sin", lambda s: pick(s, "1234567", 1) + pick(s, DIGITS, 8))(r), 3, 3, 3),
    "TFN {}": _valid("au.tfn", lambda r: pick(r, DIGITS, 9)),
    "personnummer {}": _valid("se.personnummer", lambda s: f"{_date_digits(s)}-{pick(s, DIGITS, 4)}"),
    "マイナンバー：{}です": _valid("jp.in_", lambda r: pick(r, DIGITS, 12)),
    "주민등록번호 {}": lambda r: f"{_date_digits(r)}-{r.choice('12')}{pick(r, DIGITS, 6)}",
    "AHV {}": _valid("ch.ssn", lambda r: (n := pick(r, DIGITS, 10)) and f"756.{n[:4]}.{n[4:8]}.{n[8:]}"),
    '{{"national_id": "{}"}}': lambda r: pick(r, string.ascii_uppercase, 2) + pick(r, DIGITS, 5) + pick(r, string.ascii_uppercase, 2),
    "name,id_card\nAda,{}": lambda r: pick(r, DIGITS, 8) + pick(r, string.ascii_uppercase, 1),
}  # fmt: skip
FRAMES: dict[str, tuple[Callable[[random.Random], str], tuple[str, ...]]] = {
    "phone": (
        _phone,
        ("电话{}。", "電話番号は{}です", "연락처: {}입니다", "هاتف {}", "тел. {}", '{{"phone": "{}"}}', "name,mobile\nAda,{}", "Llámame al {}", "{} is my cell", "<tel>{}</tel>", "phone_number={}"),
    ),
    "email": (
        lambda r: _email(r).replace('"first last"', "first.last"),
        ("我的邮箱是{}。请回复", "メール：{}です", "بريدي {} شكرا", "saved as {}.txt", "почта {},", "name;email\nAda;{}", "{{'mail': '{}'}}", "\t{}\t", "<a href='mailto:{}'>"),
    ),
    "card": (_card, ("卡号{}。", "カード番号は{}です", "cc,exp\n{},12/29", '"card": "{}"', "Karte {} gesperrt", "بطاقة {}")),
    "iban": (_iban, ("账号{}请", "IBAN:{}", "Konto {} bitte", "iban;bic\n{};X", "حساب {}")),
    "ip": (lambda r: ".".join(str(r.randint(33, 254)) for _ in range(4)), ("服务器{}", "العنوان {}", "src={} dst=x", '"ip":"{}"', "[{}]:22")),
    "birthdate": (
        lambda r: r.choice([f"{r.randint(1940, 2010)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}", f"{r.randint(1, 28)}.{r.randint(1, 12)}.{r.randint(1940, 2010)}", f"{r.choice(['March', 'July', 'May'])} {r.randint(1, 28)}, {r.randint(1940, 2010)}"]),
        ("DOB: {}", "born on {}", "geboren am {}", "date de naissance : {}", "fecha de nacimiento: {}", "生年月日：{}", 'name,birth_date\nAda,"{}"', '"dateOfBirth": "{}"'),
    ),
    "address": (
        lambda r: f"{r.randint(1, 300)} {r.choice(['Baker', 'Oak', 'High', 'Station'])} {r.choice(['Street', 'Road', 'Lane'])}, {r.choice(['London', 'Leeds', 'York'])} {pick(r, 'ABEMSW', 1)}{r.randint(1, 20)} {r.randint(1, 9)}{pick(r, 'ABDEFG', 2)}",
        ("Address: {}\n", '"shipping_address": "{}"', "She lives at {}.", "Anschrift: {}\n", "dirección: {}\n"),
    ),
    "plate": (lambda r: f"{pick(r, 'ABCDEFGH', 2)}{r.randint(10, 99)} {pick(r, 'ABCDEFGH', 3)}", ("licence plate {}", "Kennzeichen: {}", '"license_plate": "{}"', "number plate {} seen")),
    "passport": (lambda r: pick(r, "CFGHJK", 1) + pick(r, DIGITS, 8), ("passport {}", "护照号{}。", '"passportNumber": "{}"', "n° de passeport : {}")),
}  # fmt: skip
NOT_PERSONAL = (
    "It cost 1.000.000.000 EUR in 2024.", "numpy 1.26.4.1 on Kernel 5.15.0.91", "See section 3.2.1.4 and 4.1.2.1.", "ASP.NET, System.Net and user.info",
    'import "github.com/pkg/errors"', "5000000000 rows of 0101010101", "UPC 012345678905 and EAN 4006381333931", "Bestellnummer 4155550132",
    "Auftragsnummer: 0301234567, Rechnungs-Nr. 0612345678", "commande n° 0612345678", "order #4155550132 of 2024-03-05", "v10.0.0.1 and Chrome/120.0.0.0",
    "epoch 1699999999, took 0.123456789 s", "sha 9fceb02d0ae598e95dc970b74767f19372d61af8", "from 2017–2021, pages 100-2000", "id=4155550132 bytes=1234567890",
)  # fmt: skip


def world(count: int, seed: int = 1) -> Iterator[tuple[str, Labels]]:
    """Short texts with one labelled piece each."""
    rng = random.Random(seed)
    kinds = [*sorted(FRAMES), "nationalid", "nationalid"]
    for _ in range(count):
        kind = rng.choice(kinds)
        if kind == "nationalid":
            frame = rng.choice(sorted(IDS))
            value = IDS[frame](rng)
        else:
            make, frames = FRAMES[kind]
            value, frame = make(rng), rng.choice(frames)
        start = frame.replace("{{", "{").replace("}}", "}").index("{}")
        yield frame.format(value), [(start, start + len(value), kind)]


def nobodys(size: int, seed: int = 1) -> str:
    """Lines that read like personal data and hold none."""
    rng = random.Random(seed)
    lines, length = [], 0
    while length < size:
        lines.append(rng.choice(NOT_PERSONAL))
        length += len(lines[-1]) + 1
    return "\n".join(lines)[:size]
