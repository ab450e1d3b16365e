# ruff: noqa: E501 - a pattern is easier to check unbroken
"""The guard of keys and passwords, in answers and in prompts.

Rules after the manner of gitleaks: a fixed prefix that its issuer gives every key, then so many characters of its
alphabet. What has no prefix is found by its assignment (``api_key = "…"``) and by the shape of its value; entropy is
not asked, as it takes every hash and identifier for a secret (19,000 false alarms per 100 KB, measured). Passwords in
prose stay weak, here as everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal

from guardrails.anchored_patterns import Anchored, matches_behind
from guardrails.base import Direction, GuardInput, Reason, Span, Verdict, allow, block, redact
from guardrails.guards.secret_rules import SHORTEST, SecretRule, rules_for
from guardrails.labels import beside
from guardrails.text_matching import foreign, has_any, long_words, readings

MASK = "[SECRET]"

_PEM = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?)-----")
_PEM_BODY = re.compile(r"[A-Za-z0-9+/]{20}")
_PEM_REST = re.compile(r"[A-Za-z0-9+/=\s\\]{0,20000}+")
_PEM_LONGEST = 20_000

_URL_PASSWORD = re.compile(r"[\w.+%-]{0,64}:(?P<value>[^\s:/@'\"<>{}$]{3,128}+)@(?=[\w\[])")
_HEADER = re.compile(
    r"""(?ix) (?<![\w-]) (?: (?:proxy-)?authorization | (?:x-)?(?:[a-z]{1,20}-){0,3}(?:api-?)?(?:key|token) | api-?key ) ["']?
      [ \t]{0,4} : [ \t]{0,5} ["']? (?: (?P<basic>basic)[ \t]{1,3} | (?:bearer|(?:api-)?token|apikey|key|digest)[ \t]{1,3} )?
      (?P<value> [\w=~@.+/:%-]{8,4096}+ )"""
)
_FORGERY = re.compile(r"(?i)[cx]srf")
"""Names of tokens against forged requests, which every page holds."""
_BEARER = re.compile(r"(?i:\b(?P<basic>basic|bearer)[ \t]{1,3})(?P<value>[A-Za-z0-9+/_.~-]{16,4096}+={0,2})")
_CURL = re.compile(
    r"""(?x) (?<![\w-]) (?: -[a-zA-Z]{0,5}u | --(?:proxy-)?user ) (?: = | [ \t]{0,5} )
      (?: "(?P<double>[^"\n]{0,80}:[^"\n]{0,200})" | '(?P<single>[^'\n]{0,80}:[^'\n]{0,200})'
        | (?P<bare> (?:"[^"\n]{3,80}"|'[^'\n]{3,80}'|[\w$@.+-]{1,80}) : (?:"[^"\n]{3,200}"|'[^'\n]{3,200}'|[^\s"'<>\[\]|;&]{3,200}) ) )"""
)
_CURL_PLACEHOLDER = re.compile(
    r"(?i)change(?:it|me)?|pass(?:word|wd)?|pwd|pw|test|token|secret|user(?:name)?|[x*.y]+|\$\d|\$\w+|\[[^\]]*\]|<[^>]*>?|.*(?:\$\{|\$\(|\{\{|>).*"
)
_CURL_REACH = 2_000
_OPTION = re.compile(
    r"""(?x) (?: \bmachine[ ]\S{1,80}\s{1,4}login\s{1,4}\S{1,80}\s{1,4}password\s{1,4} | \bsshpass[ ]-p[ ]?
      | \bmysql(?:dump|admin)?[ ][^\n]{0,80}?[ ]-p(?=\S) | \b(?:docker|podman|helm|oc)[ ][^\n]{0,80}?[ ]-p[ ]
      | \bredis-cli[ ][^\n]{0,80}?[ ]-a[ ] | [ ]-pass(?:in|out)?[ ]pass: | \b(?:set|with)_?[Pp]ass(?:word|wd)?\((?=["']) )
      ["']?(?P<value>[^\s"'<>$(){}|;&]{6,128}+)"""
)
_OPTION_HINTS = (
    "machine ",
    "sshpass",
    "mysql",
    "docker",
    "podman",
    "helm",
    "oc ",
    "redis-cli",
    "pass:",
    "setpass",
    "set_pass",
    "withpass",
    "with_pass",
)
"""Passwords that commands and calls are given."""
_BUNDLER = re.compile(
    r"""\bBUNDLE_[A-Z0-9_]{3,80}__[A-Z]{2,10}["']?[ ]?[=:][ ]?["']?(?P<value>[\w.-]{3,80}:[^\s"'<>$(){}|;&]{3,128}+)"""
)
"""User and password of a gem server, in the settings that Bundler reads from the environment."""
_NAMES_OF_PASSWORDS = (
    r"pass(?:word|wd|phrase|code|wort)|(?<![a-z])pass(?![a-z])|pwd|kennwort|contraseñ?n?a|senha|mot[ _-]?de[ _-]?passe|wachtwoord|hasło|"
    r"passord|lösenord|salasana|adgangskode|heslo|jelszó|şifre|parola|пароль|密[码碼]|口令|パスワード|비밀번호|كلمة[ ]المرور|"
    r"كلمة[ ]السر|סיסמה|पासवर्ड"
)
_SAID = re.compile(
    r"(?:密[码碼]|口令|パスワード|비밀번호|암호|كلمة[ ](?:المرور|السر)|סיסמה|पासवर्ड|парол[ья])[ ]{0,2}(?:[:：=＝]|は|是|为|為|는|은|هي|है|-|—|=)"
    r"[ \t:：]{0,3}[「『“\"'`«]{0,2}(?P<value>[!-~]{8,64}+)"
)
"""A password in a sentence of a script without blanks, or behind a full-width colon."""
_PASSWORD = re.compile(
    rf"""(?ix) (?<!://) (?: {_NAMES_OF_PASSWORDS} ) (?P<rest>[\w.-]{{0,24}}) \\?["'\]]{{0,2}} [ \t]{{0,8}}
      (?: => | :{{1,3}}= | [?.+|]?={{1,2}} | : | , (?=[ ]?["']) ) [ \t]{{0,8}}
      (?: \\?(?P<quote>"{{1,3}}|'{{1,3}}|`) (?P<quoted>[^\s"'`]{{6,256}}+) (?P=quote)
        | \\?"(?P<escaped>[^\s"'`\\]{{6,256}}+)\\"
        | (?P<bare>[^\s"'`,;<>(){{}}\[\]|&]{{8,256}}+) (?=[\s,;&"<\\]|$) )"""
)
_XML_PASSWORD = re.compile(
    rf"(?i)<[\w.:-]{{0,30}}(?:{_NAMES_OF_PASSWORDS})[\w.-]{{0,24}}>\s{{0,20}}(?P<value>[^<>\s]{{6,256}}+)\s{{0,20}}</"
)
_PASSWORD_HINTS = (
    "pass",
    "pwd",
    "kennwort",
    "contrase",
    "senha",
    "wachtwoord",
    "senord",
    "salasana",
    "adgangskode",
    "heslo",
    "jelsz",
    "ifre",
    "parola",
)
_FOREIGN_PASSWORD_HINTS = (
    *("ł", "парол", "密码", "密碼", "口令", "パスワード", "비밀번호", "암호", "كلمة", "סיסמה", "पासवर्ड"),
)
"""Likewise among the letters that are not ASCII."""
_STATED = re.compile(
    r"(?i:\bpass(?:word|phrase|code|wort)[ \t]{1,3}(?:is|was|to|ist|lautet)[: \t]{1,3})[\"'`*]{0,3}(?P<value>[^\s\"'`<>]{8,64})"
)

_TO_PASSWORD, _TO_STATED, _TO_BEARER, _TO_OPTION = map(Anchored, (_PASSWORD, _STATED, _BEARER, _OPTION))
_HEADER_NEEDED = re.compile(r"(?:key|token|authorization)[\"']?[ \t]{0,4}:")

_TOKEN = re.compile(
    r"(?<=[\"'`])[A-Za-z0-9_+/=~-][A-Za-z0-9_+/=.~-]{9,512}+(?=[\"'`])|"
    r"(?<![A-Za-z0-9_/+~@.-])[A-Za-z0-9_+/~-][A-Za-z0-9_+/.~!@%^*-]{9,512}+={0,3}"
)
_SERVICES = (
    "adafruit|adobe|adyen|airtable|algolia|aliyun|alibaba|asana|atlassian|auth0|azure|beamer|bitbucket|bittrex|braintree|bugsnag|"
    "cloudflare|codecov|cohere|coinbase|confluence|confluent|contentful|datadog|deepgram|discord|django|droneci|drone|dropbox|"
    "etsy|facebook|fastly|finicity|finnhub|flickr|freemius|freshbooks|gitter|gocardless|heroku|hubspot|infura|intercom|jfrog|"
    "jira|kraken|kucoin|launchdarkly|linkedin|lob|looker|mailchimp|mailgun|mapbox|mattermost|messagebird|netlify|newrelic|"
    "new[_-]relic|nytimes|okta|openweather|pagerduty|plaid|pubnub|rapidapi|sendbird|sendgrid|sentry|shodan|sidekiq|"
    "snyk|sonar|squarespace|sumo|telegram|travis|trello|twilio|twitch|twitter|yandex|zendesk|artifactory"
)
_KEY_NAME = (
    r"secret|token|cred(?:ential)?s?(?![a-z])|bearer|apikey|(?:api|access|auth|account|private|signing|encrypt(?:ion)?|master|client|service|deploy|"
    r"shared|storage|webhook|subscription|app|application|license|consumer|session|ssh|rsa|hmac|jwt|admin|server|integration|write|"
    r"ingest|project|instrumentation|connection)[ _.-]?(?:key|secret|auth)|"
    r"(?<![a-z])auth(?![a-z])|pass(?:word|wd|phrase)|pwd|(?<![a-z])(?:_|-)?key(?![a-z])"
)
_NAMED_BEFORE = re.compile(
    rf"""(?ix) (?: {_KEY_NAME} | (?P<service>{_SERVICES}) )
      (?P<rest>[\w.-]{{0,30}}) [\\"'\]]{{0,3}} (?:[ ]string)? [ \t]{{0,8}}
      (?: => | :{{1,3}}= | [?.+|]{{0,2}}={{1,3}} | : | , (?=[ ]?[\\"']|$) | >\s{{0,20}} | [ ]is )
      [ \t]{{0,8}} (?:[|>][+-]?\s{{1,20}})? [\\]?["'`]{{0,3}} $"""
)
_TO_NAME = Anchored(_NAMED_BEFORE)
_KEY_WORD = re.compile(rf"(?i){_KEY_NAME}")
_KEY_HINTS = ("secret", "token", "cred", "bearer", "key", "auth", "pass", "pwd")
_SERVICE_HINTS = tuple(re.sub(r"\[_-\]", "", name) for name in _SERVICES.split("|"))
_NAME_HINTS = (*_KEY_HINTS, *_SERVICE_HINTS, "new_relic", "new-relic")
_LABEL_HINTS = (*_KEY_HINTS, *_PASSWORD_HINTS, "hasło", *_FOREIGN_PASSWORD_HINTS[1:], *_SERVICE_HINTS)
_OTHER_NAME = re.compile(
    r"(?i)(?:(?-i:(?<![A-Za-z])id|I[dD])|event|code|board|frame|mesh|pair|press(?:ed)?|(?<!t)ring|selector|signature|store|vault|word|alias|name|type|ur[il]|path|file|dir|hash|count|len|length|size|limit|ttl|expir\w*|at|version|class|field|column|"
    r"label|header|prefix|suffix|algorithm|alg|format|endpoint|host|email|user|usage|title|hint|valid(?:_for)?|lifetime|duration|timeout|age|min|max|domain|project|arn|region|role|policy|provider)s?$"
)
_OTHER_BEFORE = re.compile(
    r"(?i)(?:public|publishable|site|xsrf|primary|foreign|cache|partition|sort|row|idempotency|unique|object|index|lookup|map|dict|sha\d*|checksum|integrity|"
    r"digest|hash|commit|etag|nonce|csrf|next|page|cursor|continuation|keyboard|monkey|hockey|turkey|bucket|registry|cell)[ _.-]?$"
)
_PLACEHOLDER = re.compile(
    r"(?i)x{4}|\*{3}|\.{2}|…|^[$%<]\w*$|^\$\{|^<|[>$]$|\$\{[\w.:-]+\}|#\{|\{\{[^{}]*\}\}|%\(|%s|example|sample|placeholder|change.?me|dummy|(?<![a-z])your|redacted|mask|"
    r"fixme|insert|replace|(?<![a-z])none(?![a-z])|(?<![a-z])null(?![a-z])|env\b|\$\(|::|\\[nrt]|0{6}|1234567|abcdef(?!\d)"
)
_CALL = re.compile(r"\(|^\w+\[")
_WORDS = re.compile(r"(?i)secret|passw|token|foo|(?<![a-z])test(?![a-z])")
_PATH = re.compile(
    r"(?:[A-Za-z_]{1,80}\d{0,3}[./:\\-]){1,20}(?:[A-Za-z_]{1,80}\d{0,3})?|"
    r"(?:[A-Za-z_]\w{0,24}\.){1,9}[A-Za-z_]\w{0,24}|[.~\\].{0,256}|/(?:[\w.-]{1,40}/){1,9}[\w.-]{0,60}|\w{2,10}://.{0,256}"
)
_SLUG = re.compile(
    r"(?:[A-Za-z]{2,20}\d{0,3}|\d{1,8})(?:[-_./:](?:[A-Za-z]{1,20}\d{0,4}|\d{1,8})){2,12}(?:\.[A-Za-z]{2,5}\d?)?|"
    r"(?:[A-Za-z_]{2,20}/){1,6}\d{0,8}/?[\w-]{0,40}\.[a-z]{2,5}\d?"
)
"""Words and numbers between separators: a name that somebody gave."""
_SNAKE = re.compile(r"(?:[A-Za-z]{2,20}\d{0,2}[_-]){1,12}[A-Za-z]{2,20}\d{0,2}")
_REACH = 90
_ASSIGNED_WITHIN = 60
"""Characters within which :data:`_NAMED_BEFORE` has the sign of an assignment, and what may stand behind that."""
_ASSIGNS = re.compile(r"[=:,>sS\u017f][\\\"'`|>+\s-]*$")
_TWO_DIGITS = re.compile(r"[0-9][^0-9]*[0-9]")
_KEY_LENGTH, _SERVICE_KEY_LENGTH, _SHORT_SERVICE_KEY_LENGTH = 16, 20, 14
_PASSWORD_LENGTH, _LEAST_VARIED, _SHORT_VARIED = 6, 8, 7
_LEAST_ENTROPY = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret: characters ``start`` to ``end`` (exclusive) of the text."""

    start: int
    end: int
    kind: str


def find_secrets(text: str) -> list[Finding]:
    """The secrets in ``text``, in order and without overlaps; of two that overlap the one that starts first."""
    return list(_remembered(text) if len(text) <= _LONGEST_KEPT else _look(text))


_LONGEST_KEPT = 8_000
"""Characters of a text whose finds are remembered: instructions and conversations come again with every turn."""


@lru_cache(maxsize=256)
def _remembered(text: str) -> tuple[Finding, ...]:
    return tuple(_look(text))


def _look(text: str) -> list[Finding]:
    found = [
        Finding(places[finding.start], places[finding.end], finding.kind)
        for reading, places in readings(text)
        for finding in (*_prefixed(reading), *_private_keys(reading), *_assigned(reading))
    ]
    found.sort(key=lambda finding: (finding.start, -finding.end))
    kept: list[Finding] = []
    for finding in found:
        if _digest(text[finding.start : finding.end]) in _PUBLISHED:
            continue
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
        elif finding.end > kept[-1].end:
            kept[-1] = Finding(kept[-1].start, finding.end, kept[-1].kind)
    return kept


def find_labelled_secrets(text: str, label: str) -> list[Finding]:
    """The secrets in a text that stands under a key: ``password`` tells of its value what ``password =`` would."""
    found = find_secrets(text)
    if found or not label or not has_any(label.casefold(), _LABEL_HINTS):
        return found
    findings = find_secrets(f"{label}: {text}")
    spans = beside(label, ((finding.start, finding.end) for finding in findings))
    kinds = [finding.kind for finding in findings if finding.end > len(label) + 2]
    return [Finding(*span, kind) for span, kind in zip(spans, kinds, strict=True)]


def _prefixed(text: str) -> Iterator[Finding]:
    tried: list[tuple[int, int, int, SecretRule]] = []
    for start, word in long_words(text):
        if len(word) >= SHORTEST:
            tried += ((rule.place, start, start + len(word), rule) for rule in rules_for(word))
    for _, start, end, rule in sorted(set(tried), key=lambda one: one[:2]):
        for match in rule.pattern.finditer(text, start, end):
            if _is_issued(rule.kind, match[0]):
                yield Finding(match.start(), match.end(), rule.kind)


def _is_issued(kind: str, value: str) -> bool:
    """Whether an issuer may have given the key: its checksum holds, or it does not read like a placeholder."""
    if kind in {"github", "npm"} and _has_checksum(value):
        return True
    if kind == "jwt":
        return _is_jwt(value)
    if kind == "aws_key" and value.endswith("EXAMPLE"):
        return False
    varied = len(set(value)) > _LEAST_VARIED  # documentation shows keys of xxxxx, issuers never do
    return varied and not re.search(r"(?i)x{6}|\*{4}|example|your[_-]|placeholder|abcdefgh", value)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12]


_PUBLISHED = frozenset(
    [
        "f56e323494a6",
        "2037abcaffb2",
        "3f370c9dd822",
        "e4a5542bb7fd",
        "a19f89ab3555",
        "0b476bdf9acf",
        "eb540d2b6ee2",
        "37f8f09bdf12",
        "8731261cb72d",
        "49f777db995e",
        "27a9a42931df",
        "dc0fcf046c61",
        "4c98242dcadc",
        "ea9bb1082cf9",
        "3a8b61d0f636",
        "a6c814bc555a",
        "2f21fd9c8167",
    ]
)
"""Digests of keys that documentation and open source show to everybody: those of the Firebase samples and of Yarn's search."""


def _has_checksum(value: str) -> bool:
    """Whether the last six signs are the CRC-32 of those before, as GitHub and npm write it (base 62)."""
    body = value.rpartition("_")[2]
    number = 0
    for sign in body[-6:]:
        place = _BASE62.find(sign)
        if place < 0:
            return False
        number = number * 62 + place
    return len(body) == 36 and zlib.crc32(body[:-6].encode()) == number  # noqa: PLR2004 - thirty random signs before them


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _is_jwt(value: str) -> bool:
    """Whether its head is the JSON object that every JSON Web Token begins with."""
    head = value.partition(".")[0]
    if value.startswith("ZXlK"):
        head = _decoded(head).partition(b".")[0].decode("ascii", "replace")
    return b'"alg"' in _decoded(head) or b'"typ"' in _decoded(head)


def _decoded(text: str) -> bytes:
    """The decoded Base64 of either alphabet; empty if it is not valid."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""


def _private_keys(text: str) -> Iterator[Finding]:
    """Also one that was cut off: the answer may have ended within it."""
    done = 0
    for match in _PEM.finditer(text):
        if match.start() < done:
            continue
        end = text.find(f"-----END {match['what']}-----", match.end(), match.end() + _PEM_LONGEST)
        if end >= 0:
            done = end + len(f"-----END {match['what']}-----")
        elif rest := _PEM_REST.match(text, match.end()):
            done = rest.end()
        if _PEM_BODY.search(text, match.end(), done):
            yield Finding(match.start(), done, "private_key")


def _assigned(text: str) -> Iterator[Finding]:
    """Values of names that say secret, passwords of URLs and of commands, headers; the name stays readable."""
    folded = text.casefold()
    yield from _passwords(text, folded)
    yield from _keys(text)
    yield from _headers(text, folded)
    yield from _commands(text)
    for match in _TO_OPTION.finditer(text) if has_any(folded, _OPTION_HINTS) else ():
        value = match["value"].rstrip("\"')")
        if _is_password(value, quoted=True):
            yield Finding(match.start("value"), match.start("value") + len(value), "password")
    for match in _BUNDLER.finditer(text) if "BUNDLE_" in text else ():
        if not _PLACEHOLDER.search(match["value"]):
            yield Finding(*match.span("value"), "password")
    if "kind" in folded and "secret" in folded:
        yield from _manifests(text)
    for match in matches_behind(_URL_PASSWORD, text, "://"):
        value = match["value"]
        if not (_names_a_password(value) or _PLACEHOLDER.search(value) or _PATH.fullmatch(value)):
            yield Finding(*match.span("value"), "password")


def _passwords(text: str, folded: str) -> Iterator[Finding]:
    for match in _TO_PASSWORD.finditer(text) if _may_name_password(folded) else ():
        group = "quoted" if match["quoted"] else "escaped" if match["escaped"] else "bare"
        quoted = group != "bare"
        if not _OTHER_NAME.search(match["rest"]) and _is_password(match[group], quoted=quoted):
            yield Finding(*match.span(group), "password")
    for match in _SAID.finditer(text) if has_any(foreign(folded), _FOREIGN_PASSWORD_HINTS[1:]) else ():
        value = match["value"].rstrip("\"'`.,;!?)")
        if _is_password(value, quoted=False):
            yield Finding(match.start("value"), match.start("value") + len(value), "password")
    for match in _XML_PASSWORD.finditer(text) if "</" in text else ():
        if _is_password(match["value"], quoted=True):
            yield Finding(*match.span("value"), "password")
    for match in _TO_STATED.finditer(text) if "pass" in folded else ():
        value = match["value"].rstrip(".,;:!?*)")
        if _is_password(value, quoted=False):
            yield Finding(match.start("value"), match.start("value") + len(value), "password")


def _names_a_password(value: str) -> bool:
    """Whether letters alone are what documentation writes for a password: words, in one case or as in ``dbPassword``."""
    if not value.isalpha():
        return False
    random = len(value) >= _LEAST_LETTERS and any(map(str.islower, value)) and any(map(str.isupper, value))
    return not random or bool(_CAMEL.fullmatch(value) or _WORDS.search(value))


_CAMEL = re.compile(r"[A-Za-z]?[a-z]{2,128}(?:[A-Z]{1,4}[a-z]{2,128})*|[A-Z]{2,8}[a-z]{2,128}")
_LEAST_LETTERS = 10
"""Of a password of letters in both cases."""


def _may_name_password(folded: str) -> bool:
    return has_any(folded, _PASSWORD_HINTS) or has_any(foreign(folded), _FOREIGN_PASSWORD_HINTS)


def _keys(text: str) -> Iterator[Finding]:
    """Values of the shape of a key, behind a name that says it is one or names who issues such."""
    words = [word for word in long_words(text) if _TWO_DIGITS.search(word[1])]  # no key has a blank in it
    for match in [match for start, word in words for match in _TOKEN.finditer(text, start, start + len(word))]:
        value = match[0].rstrip(".,!%^*")
        if len(value) < _SHORT_SERVICE_KEY_LENGTH or not _may_be_named(text, match.start()):
            continue
        if not _is_key(value, least=_SHORT_SERVICE_KEY_LENGTH):
            continue
        named = _TO_NAME.search(text, max(0, match.start() - _REACH), match.start())
        if (
            named is None
            or _OTHER_NAME.search(named["rest"])
            or _OTHER_BEFORE.search(text[max(0, named.start() - 14) : named.start()])
        ):
            continue
        least = _KEY_LENGTH
        if named["service"]:
            least = _SHORT_SERVICE_KEY_LENGTH if _KEY_WORD.search(named["rest"]) else _SERVICE_KEY_LENGTH
        if len(value) >= least and (least < _SERVICE_KEY_LENGTH or not _SNAKE.fullmatch(value)):
            yield Finding(match.start(), match.start() + len(value), "assigned")


def _may_be_named(text: str, place: int) -> bool:
    """Whether something is assigned to a name directly before ``place``, and there is a word that such names have."""
    reached = max(0, place - _REACH)
    if not _ASSIGNS.search(text, max(0, place - _ASSIGNED_WITHIN), place):
        return False
    return has_any(text[reached:place].casefold(), _NAME_HINTS)


def _headers(text: str, folded: str) -> Iterator[Finding]:
    for match in _HEADER.finditer(text) if _HEADER_NEEDED.search(folded) else ():
        value = match["value"].rstrip(".:,")
        if _FORGERY.search(match[0], 0, match.start("value") - match.start()):
            continue
        right = _is_basic(value) if match["basic"] else _is_short_key(value)
        if right:
            yield Finding(match.start("value"), match.start("value") + len(value), "authorization")
    for match in _TO_BEARER.finditer(text) if "bearer" in folded or "basic" in folded else ():
        if _is_basic(match["value"]) if match["basic"].lower() == "basic" else _is_key(match["value"]):
            yield Finding(*match.span("value"), "authorization")


def _commands(text: str) -> Iterator[Finding]:
    """User and password of ``curl -u``."""
    at = text.find("curl")
    while at >= 0:
        end = text.find("curl", at + 4)
        stop = min(end if end >= 0 else len(text), at + _CURL_REACH)
        for match in _CURL.finditer(text, at + 4, stop):
            group = str(match.lastgroup)
            value = match[group]
            user, _, password = value.partition(":")
            bare = re.sub(r"[\"']", "", value)
            longest = max(len(user), len(password))
            name = bare.partition(":")[2] or bare.partition(":")[0]
            if longest > 3 and not _CURL_PLACEHOLDER.fullmatch(name) and not user.startswith(("-", "<")):  # noqa: PLR2004
                yield Finding(*match.span(group), "password")
        at = end


_KIND_SECRET = re.compile(r"(?im)^[ \t]{0,8}kind:[ \t]{0,8}[\"']?secret[\"']?[ \t]{0,8}$")
_DATA = re.compile(r"(?i)(?P<indent>[ \t]{0,8})(?:string)?data:[ \t]{0,8}\r?")
_ENTRY = re.compile(r"(?P<indent>[ \t]{1,16})[\w.-]{1,80}:[ \t]{0,8}(?P<rest>.*)")
_BASE64_LINE = re.compile(r"[ \t]{0,24}[\"']?(?P<value>[A-Za-z0-9+/]{10,20000}+={0,3})[\"']?[ \t\r]{0,8}")


def _manifests(text: str) -> Iterator[Finding]:
    """Values of Kubernetes secrets, which are Base64."""
    start = 0
    for document in text.split("\n---"):
        if _KIND_SECRET.search(document):
            for at, line in _data_lines(document):
                if value := _BASE64_LINE.fullmatch(line):
                    yield Finding(start + at + value.start("value"), start + at + value.end("value"), "manifest")
        start += len(document) + 4


def _data_lines(document: str) -> Iterator[tuple[int, str]]:
    """Where the values of its data section begin, and each up to the end of its line."""
    indent, at = -1, 0
    for line in document.split("\n"):
        if data := _DATA.fullmatch(line):
            indent = len(data["indent"])
        elif line.strip() and not line.lstrip().startswith("#") and len(line) - len(line.lstrip(" \t")) <= indent:
            indent = -1
        elif indent >= 0:
            entry = _ENTRY.fullmatch(line)
            yield (at + entry.start("rest"), entry["rest"]) if entry else (at, line)
        at += len(line) + 1


def _is_key(value: str, *, least: int = _KEY_LENGTH) -> bool:
    """Whether a value has the shape of an issued key: letters and digits mixed at random, no word, path or placeholder."""
    digits = sum(map(str.isdigit, value))
    letters = sum(map(str.isalpha, value))
    return (
        len(value) >= least
        and digits > 1
        and letters > 1
        and value.isascii()
        and len(set(value)) > _LEAST_VARIED
        and _entropy(value) >= _LEAST_ENTROPY
        and not _PLACEHOLDER.search(value)
        and not _WORDS.search(value)
        and not value.startswith("//")
        and not _PATH.fullmatch(value)
        and not _SLUG.fullmatch(value)
    )


def _is_short_key(value: str) -> bool:
    """Whether what stands in a header for keys is one: shorter ones than elsewhere count."""
    return _is_key(value) or (
        len(value) > _SHORT_VARIED
        and len(set(value)) > _SHORT_VARIED
        and sum(map(str.isdigit, value)) > 1
        and any(map(str.isalpha, value))
        and not (
            _PLACEHOLDER.search(value) or _WORDS.search(value) or _PATH.fullmatch(value) or _SNAKE.fullmatch(value)
        )
    )


def _is_basic(value: str) -> bool:
    """Whether it is Base64 of a user and a password."""
    return b":" in _decoded(value) and not _PLACEHOLDER.search(value)


def _entropy(value: str) -> float:
    """Bits for each sign, by how often each occurs."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values())


def _is_password(value: str, *, quoted: bool) -> bool:
    """Whether a value looks like a password that somebody made up: letters, and digits or other signs among them."""
    mixed = any(map(str.islower, value)) and any(map(str.isupper, value)) and not value.replace("_", "").isalnum()
    signs = quoted and not value.replace("_", "").replace("-", "").replace(".", "").isalnum()
    return (
        len(value) >= (_PASSWORD_LENGTH if quoted else _PASSWORD_LENGTH + 2)
        and any(map(str.isalpha, value))
        and (any(map(str.isdigit, value)) or mixed or signs)
        and len(set(value)) > 3  # noqa: PLR2004 - no password is "aaaaaa1"
        and not _PLACEHOLDER.search(value)
        and (quoted or not _CALL.search(value))
        and not _PATH.fullmatch(value)
    )


def _masked(text: str, found: list[Finding]) -> str:
    starts = [0, *(finding.end for finding in found)]
    ends = [*(finding.start for finding in found), len(text)]
    return MASK.join(text[start:end] for start, end in zip(starts, ends, strict=True))


@dataclass(frozen=True, slots=True)
class SecretsGuard:
    """Keeps keys, tokens and passwords out of answers, and out of prompts that leave the own network.

    Args:
        on_find: ``redact`` puts ``[SECRET]`` in their place, ``block`` withholds the answer or the prompt.
        prompts: look at prompts too.
        everywhere: also at prompts that only targets in the own network are asked.
        direction: which of them this one looks at; ``for_prompts`` makes the other.
    """

    on_find: Literal["redact", "block"] = "redact"
    prompts: bool = True
    everywhere: bool = False
    direction: Direction = field(default="output", init=False)

    name: ClassVar[str] = "secrets"
    version: ClassVar[str] = "3"
    rank: ClassVar[int] = 20

    def for_prompts(self) -> SecretsGuard | None:
        """The same guard for the other direction; None if prompts are not to be looked at."""
        if not self.prompts:
            return None
        guard = SecretsGuard(self.on_find, self.prompts, self.everywhere)
        object.__setattr__(guard, "direction", "input")
        return guard

    def check(self, exchange: GuardInput) -> Verdict:
        """Redact or block with ``leak``, else allow."""
        if exchange.direction == "input" and not (exchange.external or self.everywhere):
            return allow()
        spans: list[Span] = []
        texts: list[str] = []
        for part, text in enumerate(exchange.texts):
            found = find_labelled_secrets(text, exchange.label(part))
            spans += (Span(part, finding.start, finding.end, finding.kind) for finding in found)
            texts.append(_masked(text, found) if found else text)
        if not spans:
            return allow()
        if self.on_find == "redact":
            return redact(tuple(texts), Reason.LEAK, tuple(spans))
        kinds = ", ".join(sorted({span.kind for span in spans})[:5])
        return block(Reason.LEAK, spans=tuple(spans), count=len(spans), kinds=kinds)
