"""What the guards find, miss and cost, on material made here: ``python -m benchmarks.guards``.

The labelled sets are generated from templates with a seed, so that no real key or person is in them; the tests use the
same sets, smaller. Text without secrets or personal data comes from the standard library and from generated logs.
"""

from __future__ import annotations

import base64
import random
import string
import sysconfig
import time
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
    """What the packages here say of themselves: licences, readme pages."""
    chosen, length = [], 0
    for path in sorted(Path(sysconfig.get_path("purelib")).glob("*.dist-info/METADATA")):
        text = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")[2]
        chosen.append(text)
        length += len(text)
        if length >= size:
            break
    return "\n".join(chosen)[:size]


def clean_logs(size: int, seed: int = 1) -> str:
    """Logs of a service: times, identifiers, hashes, sizes, versions, prices; nobody's data."""
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
    }  # fmt: skip
    rng = random.Random(7)
    texts = {name: (unit * (size // len(unit) + 1))[:size] for name, unit in units.items()}
    texts["a.…@"] = "a." * (size // 2 - 1) + "@x"
    texts["digits"] = pick(rng, "0123456789 -.()+", size)
    texts["soup"] = pick(rng, string.printable, size)
    texts["hexsoup"] = pick(rng, HEX + ":.", size)
    return texts


def slowest(work: Callable[[str], object], texts: dict[str, str]) -> tuple[float, str]:
    """Seconds of the slowest text, and its name."""
    worst = (0.0, "")
    for name, text in texts.items():
        started = time.perf_counter()
        work(text)
        worst = max(worst, (time.perf_counter() - started, name))
    return worst
