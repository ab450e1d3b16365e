"""Texts to measure guards with: labelled secrets and personal data, clean text, and text meant to hurt.

The labelled sets are generated from templates with a seed, so that no real key or person is in them; the tests use the
same sets, smaller. Text without secrets or personal data comes from the standard library and from generated logs.
"""

from __future__ import annotations

import base64
import ipaddress
import random
import string
import sysconfig
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
B64 = ALNUM + "+/"
URLSAFE = ALNUM + "-_"


def pick(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _pem(rng: random.Random) -> str:
    kind = rng.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"])
    body = "\n".join(pick(rng, B64, 64) for _ in range(rng.randint(3, 20)))
    return f"-----BEGIN {kind}-----\n{body}\n{pick(rng, B64, 30)}==\n-----END {kind}-----"


def _jwt(rng: random.Random) -> str:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    body = part(f'{{"sub":"{rng.randint(1, 9**9)}","iat":{rng.randint(10**9, 2 * 10**9)}}}')
    head = part('{"alg":"HS256","typ":"JWT"}')
    return f"{head}.{body}.{pick(rng, URLSAFE, 43)}"


SECRETS: dict[str, Callable[[random.Random], str]] = {
    "aws_key": lambda r: r.choice(["AKIA", "ASIA"]) + pick(r, string.ascii_uppercase + "234567", 16),
    "github": lambda r: r.choice(["ghp_", "gho_", "ghs_"]) + pick(r, ALNUM, 36),
    "github_pat": lambda r: f"github_pat_{pick(r, ALNUM, 22)}_{pick(r, ALNUM, 59)}",
    "gitlab": lambda r: "glpat-" + pick(r, URLSAFE, 20),
    "slack": lambda r: f"xoxb-{pick(r, string.digits, 12)}-{pick(r, string.digits, 12)}-{pick(r, ALNUM, 24)}",
    "stripe": lambda r: r.choice(["sk_live_", "rk_live_", "sk_test_"]) + pick(r, ALNUM, r.choice([24, 99])),
    "openai": lambda r: r.choice(["sk-" + pick(r, ALNUM, 48), "sk-proj-" + pick(r, URLSAFE, 156)]),
    "anthropic": lambda r: "sk-ant-api03-" + pick(r, URLSAFE, 93) + "AA",
    "google": lambda r: "AIza" + pick(r, URLSAFE, 35),
    "groq": lambda r: "gsk_" + pick(r, ALNUM, 52),
    "hugging_face": lambda r: "hf_" + pick(r, string.ascii_letters, 34),
    "npm": lambda r: "npm_" + pick(r, ALNUM, 36),
    "pypi": lambda r: "pypi-AgEIcHlwaS5vcmc" + pick(r, URLSAFE, 140),
    "sendgrid": lambda r: f"SG.{pick(r, URLSAFE, 22)}.{pick(r, URLSAFE, 43)}",
    "twilio": lambda r: "SK" + pick(r, HEX, 32),
    "private_key": _pem,
    "jwt": _jwt,
    "url": lambda r: "postgresql://app:" + pick(r, ALNUM, 14) + "@db.internal:5432/app",
}
ASSIGNMENTS = (
    'aws_secret_access_key = "{}"', "API_KEY={}", '{{"api_key": "{}"}}', "client_secret: {}", 'const token = "{}";',
    "Authorization: Bearer {}", 'auth_token => "{}"', "export DEPLOY_KEY='{}'", 'webhook_secret := "{}"',
)  # fmt: skip
PASSWORDS = ('password = "{}"', "DB_PASSWORD={}", "Your password is {}.", 'passwd: "{}"', "log in with {}", "pwd {}")
SENTENCES = (
    "Use {} to sign in.", "The key is `{}`, keep it safe.", "curl -H 'X-Api-Key: {}' https://api.example.org",
    "KEY={}\n", '{{"value": "{}"}}', "I found {} in the logs; it should be rotated.",
)  # fmt: skip


def made_up_password(rng: random.Random) -> str:
    word = rng.choice(["summer", "dragon", "Monkey", "letmein", "Berlin", "orange", "qwerty"])
    return rng.choice(
        [
            f"{word}{rng.randint(10, 2030)}!",
            pick(rng, ALNUM + "!#%+", 12),
            f"{word}#{rng.randint(1, 99)}",
            f"{word}ship",
        ]
    )


def labelled_secrets(count: int, seed: int = 1) -> Iterator[tuple[str, str, str]]:
    """``(kind, text, secret)``: two in three with an issuer's prefix, the rest assignments and passwords."""
    rng = random.Random(seed)
    for number in range(count):
        if number % 3:
            kind = rng.choice(sorted(SECRETS))
            secret, frame = SECRETS[kind](rng), rng.choice(SENTENCES)
        elif number % 2:
            kind, secret, frame = "assigned", pick(rng, rng.choice([ALNUM, HEX, B64]), 40), rng.choice(ASSIGNMENTS)
        else:
            kind, secret, frame = "password", made_up_password(rng), rng.choice(PASSWORDS)
        yield kind, frame.format(secret), secret


def clean_code(size: int) -> str:
    """Sources of the standard library, which hold no secret."""
    chosen, length = [], 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        chosen.append(text)
        length += len(text)
        if length >= size:
            break
    return "\n".join(chosen)[:size]


def clean_prose(size: int) -> str:
    """Texts without secrets: licences and readme pages of installed packages."""
    chosen, length = [], 0
    for path in sorted(Path(sysconfig.get_path("purelib")).glob("*.dist-info/METADATA")):
        text = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")[2]
        chosen.append(text)
        length += len(text)
        if length >= size:
            break
    return "\n".join(chosen)[:size]


def clean_logs(size: int, seed: int = 1) -> str:
    """Logs of a service without personal data: times, identifiers, hashes, sizes, versions, prices."""
    rng = random.Random(seed)
    lines, length = [], 0
    while length < size:
        when = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:07.{rng.randint(0, 999):03}Z"
        what = rng.choice(
            [
                f"request_id={uuid.UUID(int=rng.getrandbits(128))} status=200 bytes={rng.randint(1, 10**7)} took={rng.random():.3f}s",
                f"commit {pick(rng, HEX, 40)} order #{rng.randint(10**6, 10**10)} total ${rng.randint(1, 9999)}.{rng.randint(10, 99)}",
                f'GET /v1/items/{rng.randint(1, 10**6)} etag="{pick(rng, HEX, 32)}" version {rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}',
                f"sha256:{pick(rng, HEX, 64)} layer {rng.randint(1, 30)} of 30, token_count={rng.randint(1, 9999)}",
                f"pod web-{pick(rng, HEX, 9)}-{pick(rng, HEX, 5)} restarted, secret mounted from secrets/web-{pick(rng, HEX, 5)}",
                f"next_page_token={pick(rng, string.ascii_lowercase, 20)} epoch {rng.randint(1_600_000_000, 1_900_000_000)}",
            ]
        )
        lines.append(f"{when} {rng.choice(['INFO', 'WARN', 'DEBUG'])} {what}")
        length += len(lines[-1]) + 1
    return "\n".join(lines)[:size]


def hostile(size: int = 100_000) -> dict[str, str]:
    """Texts that made other detectors run for seconds or minutes."""
    units = {
        "a.": "a.", "a@": "a@", "@": "@", "a": "a", "1": "1", "1 ": "1 ", "1-": "1-", "1.": "1.", ":": ":", "::": "::1 ",
        "hex:": "ab:", "(": "(", "+": "+", "+1": "+1 ", "space": " ", "newline": "\n", "token=": "token=", "eyJ.": "eyJ.",
        "-eyJ": "-eyJ", "pem": "-----BEGIN PRIVATE KEY-----", "akia": "AKIA", "sk-": "sk-", "password:": "password: ",
        "http": "http://", "www": "www.", "a.b@": "a.b@c.", "quote": '"', "quote@": '"a"@', "iban": "DE89 ", "xn--": "xn--a.",
        "DE": "DE89370400440532013", "4111": "4111 1111 ", "[EMAIL_1_": "[EMAIL_1_", "unicode": "ö.", "passport": "passport ",
        "ssn": "123-45-", "://": "://a:", "jwt": "eyJaaaaaaaaaa.", "tabs": "token\t\t\t\t\t\t\t\t", "tel": "(020) 7946-", "中": "中@",
        "phone": "+49 30 1234567 ", "ip": "1.1.1.1 ", "mail": "a@b.co ", "b64": "QUJDREVGR0hJSktM", "1/": "01/01/2020 ", "_": "_",
        "dob": "dob ", "born": "born 1", "address": "address ", "address 1": "address 1 a ", "plate": "plate A1 ", "ssn id": "ssn 1", "id card": "id card A1 ",
        "csv": "phone,ssn\n1,2\n", "quoted": 'dob,"', "hangul": "전화1", "arabic": "هاتف١", "fullwidth": "１２３-", "curl": "curl -u a:", "kind": "kind: secret\ndata:\n a: b\n",
        "key=": "api_key=a1b2c3d4e5f6g7h8i9 ", "<password>": "<password>", "ignore": "ignore all ", "your": "show me your ", "f u": "f u c k ", "1!": "1!|", "at dot": "a at b dot ",
    }  # fmt: skip
    rng = random.Random(7)
    texts = {name: (unit * (size // len(unit) + 1))[:size] for name, unit in units.items()}
    texts["a.…@"] = "a." * (size // 2 - 1) + "@x"
    texts["digits"] = pick(rng, "0123456789 -.()+", size)
    texts["soup"] = pick(rng, string.printable, size)
    texts["hexsoup"] = pick(rng, HEX + ":.", size)
    return texts


Labels = list[tuple[int, int, str]]
"""Start, end and kind of what a labelled text holds."""

NAMES = ["ada.lovelace", "jsmith", "maria_garcia", "o'brien", "lukasz", "x.y.z", "info+news", "li-wei", "björn", "sales2024", "Anna.Schmidt", "k"]  # fmt: skip
HOSTS = ["example.com", "mail.example.co.uk", "firma.de", "müller.example", "post.example.org", "xn--mller-kva.example", "sub.a-b.example.io"]  # fmt: skip
REGIONS = ["US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "SE", "NO", "DK", "PL", "PT", "IE", "CA", "AU", "NZ", "IN", "JP", "BR", "MX", "ZA"]  # fmt: skip


def _email(rng: random.Random) -> str:
    if rng.random() < 0.05:
        return '"first last"@' + rng.choice(HOSTS)
    return f"{rng.choice(NAMES)}{rng.choice(['', '', rng.randint(1, 99)])}@{rng.choice(HOSTS)}"


def _phone(rng: random.Random) -> str:
    import phonenumbers as p

    kind = rng.choice([p.PhoneNumberType.MOBILE, p.PhoneNumberType.FIXED_LINE])
    number = p.example_number_for_type(rng.choice(REGIONS), kind) or p.example_number("US") or p.PhoneNumber()
    form = rng.choice([p.PhoneNumberFormat.INTERNATIONAL, p.PhoneNumberFormat.E164, p.PhoneNumberFormat.NATIONAL])
    text = str(p.format_number(number, form))
    return text + rng.choice(["", "", "", f" x{rng.randint(1, 999)}", f" ext. {rng.randint(10, 99)}"])


def _card(rng: random.Random) -> str:
    from stdnum import luhn

    start, length = rng.choice(
        [("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("3528", 16)]
    )
    body = start + pick(rng, string.digits, length - len(start) - 1)
    number = body + str(luhn.calc_check_digit(body))
    sep = rng.choice(["", " ", "-"])
    groups = (
        [number[:4], number[4:10], number[10:]] if length == 15 else [number[at : at + 4] for at in range(0, 16, 4)]
    )
    return sep.join(groups)


def _iban(rng: random.Random) -> str:
    from stdnum.iso7064 import mod_97_10

    country, bank, length = rng.choice(
        [("DE", "", 22), ("FR", "", 27), ("GB", "NWBK", 22), ("NL", "ABNA", 18), ("ES", "", 24)]
    )
    account = bank + pick(rng, string.digits, length - 4 - len(bank))
    number = country + mod_97_10.calc_check_digits(account + country) + account
    return " ".join(number[at : at + 4] for at in range(0, length, 4)) if rng.random() < 0.5 else number


def _ip(rng: random.Random) -> str:
    if rng.random() < 0.6:
        return str(ipaddress.IPv4Address(rng.randint(0x0B000000, 0x7EFFFFFF)))
    address = ipaddress.IPv6Address(0x2001 << 112 | rng.getrandbits(rng.choice([30, 64, 112])))
    return rng.choice([address.compressed, address.exploded])


def _url(rng: random.Random) -> str:
    path = rng.choice(["", "/", "/users/42", "/a/b_c?user=ada&x=1", "/wiki/Ada_(name)", ":8443/x#top"])
    return rng.choice(["https://", "http://", "https://www.", "www."]) + rng.choice(HOSTS[:3]) + path


def _passport(rng: random.Random) -> str:
    return rng.choice(["", "C", "X", "AB"]) + pick(rng, "123456789", 1) + pick(rng, string.digits, 7)


PERSONAL: dict[str, tuple[Callable[[random.Random], str], tuple[str, ...]]] = {
    "email": (
        _email,
        ("Write to {}, please.", "<{}>", "Contact: {}.", "email={} ok", "**{}**", "mailto:{}", "Ann ({}) said"),
    ),
    "phone": (
        _phone,
        ("Call me at {}.", "Tel.: {}", "my mobile is {} today", "Phone {}, after six", "fax: {}\n", "ring {} or come"),
    ),
    "card": (_card, ("I paid with {}.", "card number {}", "Visa {} exp 12/29", "charge {} please", "cc: {}, thanks")),
    "iban": (_iban, ("Transfer to {}.", "IBAN: {}", "my account {} at the bank", "({})")),
    "ssn": (
        lambda r: (
            f"{r.randint(1, 665):03}{(s := r.choice(['-', '-', ' ']))}{r.randint(1, 99):02}{s}{r.randint(1, 9999):04}"
        ),
        ("SSN {}", "social security number: {}.", "his number is {}, I think", "applicant {} was approved"),
    ),
    "ip": (_ip, ("from {} today", "host {}.", "client={} denied", "[{}]", "Failed login of root, {}, twice")),
    "mac": (
        lambda r: r.choice([":", "-"]).join(pick(r, "0123456789abcdef", 2) for _ in range(6)),
        ("device {} joined", "MAC: {}.", "eth0 {} up", "({})"),
    ),
    "url": (_url, ("See {}.", "my page ({})", "profile: {} and more", "<{}>", "[me]({})")),
    "passport": (
        _passport,
        ("passport number {}.", "Passport: {}", "my passport is {}, valid", "Reisepass {} vorgelegt"),
    ),
}
FILLER = (
    "Thanks for the quick answer last week. ", "Order 4711-20391 from 2024-03-05 was $1,299.00. ", "I live near the park. ",
    "We talked about version 2.14.3 of it. ", "The contract (2017–2021) is over. ", "Bitte um Rückmeldung. ", "",
)  # fmt: skip


def labelled_personal(count: int, seed: int = 1) -> Iterator[tuple[str, Labels]]:
    """Letters of one to three pieces of personal data among other sentences, with where each stands."""
    rng = random.Random(seed)
    for _ in range(count):
        text, labels = rng.choice(FILLER), Labels()
        for _ in range(rng.randint(1, 3)):
            kind = rng.choice(sorted(PERSONAL))
            make, frames = PERSONAL[kind]
            value, frame = make(rng), rng.choice(frames)
            start = len(text) + frame.index("{}")
            labels.append((start, start + len(value), kind))
            text += frame.format(value) + rng.choice([" ", "\n"]) + rng.choice(FILLER)
        yield text, labels
