"""The guard of keys and passwords in answers.

Rules after the manner of gitleaks: a fixed prefix that its issuer gives every key, then so many characters of its
alphabet. What has no prefix is found by its assignment (``api_key = "…"``) and by the shape of its value; entropy is
not asked, as it takes every hash and identifier for a secret (19,000 false alarms per 100 KB, measured). Passwords in
prose stay weak, here as everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from guardrails.hints import has_any
from guardrails.labels import beside
from guardrails.verdicts import Direction, Exchange, Reason, Span, Verdict, allow, block, redact

MASK = "[SECRET]"

_PREFIXED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "aws_key",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        r"A(?:KIA|SIA|BIA|CCA)(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}(?![A-Za-z0-9])",
    ),
    ("bedrock", ("ABSK",), r"ABSK[A-Za-z0-9+/]{100,300}={0,2}"),
    ("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("github", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{36,255}"),
    ("gitlab", ("gl",), r"gl(?:pat|dt|rt|cbt|ptt|soat|ft|imt|agent|oas)-[A-Za-z0-9_.-]{20,300}"),
    ("slack", ("xox", "xapp-"), r"(?:xox[abeoprs](?:[.-][a-z]{3,4})?-|xapp-)[A-Za-z0-9-]{10,250}"),
    ("slack", ("hooks.slack.com/",), r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,120}"),
    ("discord", ("discord",), r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,80}"),
    ("stripe", ("_live_", "_test_", "whsec_"), r"(?:[srp]k_(?:live|test|prod)_|whsec_)[A-Za-z0-9]{16,250}"),
    ("anthropic", ("sk-ant-",), r"sk-ant-[A-Za-z0-9]{2,10}-[\w-]{20,200}"),
    ("openai", ("sk-",), r"sk-(?:(?:proj|svcacct|admin|or-v1|lf|None)-[\w-]{20,250}|[A-Za-z0-9]{32,64}(?![\w-]))"),
    ("groq", ("gsk_",), r"gsk_[A-Za-z0-9]{40,80}"),
    ("xai", ("xai-",), r"xai-[A-Za-z0-9]{60,100}"),
    ("perplexity", ("pplx-",), r"pplx-[A-Za-z0-9]{40,60}"),
    ("replicate", ("r8_",), r"r8_[A-Za-z0-9]{37,40}"),
    ("hugging_face", ("hf_", "api_org_"), r"(?:hf_|api_org_)[A-Za-z0-9]{34,40}(?![A-Za-z0-9_])"),
    ("google", ("AIza",), r"AIza[\w-]{35}(?![\w-])"),
    ("google", ("GOCSPX-",), r"GOCSPX-[\w-]{24,40}"),
    ("google", ("ya29.",), r"ya29\.[\w-]{20,400}"),
    ("azure", ("AccountKey=", "SharedAccessKey="), r"(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,90}={0,2}"),
    ("azure", ("8Q~", "7Q~"), r"[\w.~-]{3}[78]Q~[\w.~-]{31,34}"),
    ("npm", ("npm_",), r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ("pypi", ("pypi-",), r"pypi-[\w-]{50,300}"),
    ("rubygems", ("rubygems_",), r"rubygems_[a-f0-9]{48}"),
    ("docker", ("dckr_pat_",), r"dckr_pat_[\w-]{20,40}"),
    ("sendgrid", ("SG.",), r"SG\.[\w-]{16,32}\.[\w-]{30,64}"),
    ("mailgun", ("key-",), r"key-[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("mailchimp", ("-us",), r"[a-f0-9]{32}-us\d{1,2}(?!\w)"),
    ("twilio", ("SK", "AC"), r"(?:SK|AC)[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("square", ("sq0", "EAAA"), r"(?:sq0(?:atp|csp|idp)-[\w-]{22,60}|EAAA[\w-]{60}(?![\w-]))"),
    ("shopify", ("shp",), r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    ("digitalocean", ("_v1_",), r"do[opr]_v1_[a-f0-9]{64}"),
    ("databricks", ("dapi",), r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("linear", ("lin_",), r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
    ("notion", ("ntn_", "secret_"), r"(?:ntn_|secret_)[A-Za-z0-9]{43,50}(?![A-Za-z0-9])"),
    ("figma", ("figd_",), r"figd_[\w-]{40,60}"),
    ("postman", ("PMAK-",), r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("newrelic", ("NRAK-",), r"NRAK-[A-Z0-9]{27}"),
    ("grafana", ("gl",), r"gl(?:sa|c)_[A-Za-z0-9+/_]{32,300}={0,2}"),
    ("vault", ("hv",), r"hv[bsr]\.[\w-]{24,300}"),
    ("doppler", ("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    ("pulumi", ("pul-",), r"pul-[a-f0-9]{40}"),
    ("terraform", (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70}"),
    ("age", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    ("telegram", (":AA",), r"\d{8,10}:AA[\w-]{32,33}(?![\w-])"),
    ("jwt", ("eyJ",), r"(?<!-)eyJ[\w-]{10,2000}+\.eyJ[\w-]{10,8000}+\.[\w-]{10,1000}"),
)
"""Kind, the texts one of which must occur for the pattern to be tried, the pattern. Sources: the issuers' own pages."""

SHORTEST = 15
"""Characters without a blank, of the shortest key that any of the patterns finds."""
RULES = tuple((kind, hints, re.compile(rf"(?<![A-Za-z0-9_]){pattern}")) for kind, hints, pattern in _PREFIXED)

_PEM = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?)-----")
_PEM_BODY = re.compile(r"[A-Za-z0-9+/]{20}")
_PEM_REST = re.compile(r"[A-Za-z0-9+/=\s\\]{0,20000}+")
_PEM_LONGEST = 20_000

_URL_PASSWORD = re.compile(r"(?<=://)[\w.+%-]{0,64}:(?P<value>[^\s:/@'\"<>{}$]{3,128}+)@(?=[\w\[])")
_AUTHORIZATION = re.compile(r"(?i:\b(?:bearer|basic)[ \t]{1,3})(?P<value>[A-Za-z0-9+/_.~-]{20,4096}+={0,2})")
_ASSIGNED = re.compile(
    r"""(?ix) (?<!://) (?:
          (?P<password> pass(?:word|wd|phrase|code|(?![a-z])) | pwd)
        | secret | token | credentials?
        | (?:api|access|auth|account|private|signing|encryption|master|client|service|deploy|shared|storage|webhook|
             subscription|app|license)[\ _.-]?key )
      (?P<rest>[\w.-]{0,24}) ["'\]]{0,2} [ \t]{0,8} (?:=>|:=|==?|:) [ \t]{0,8}
      (?: (?P<quote>"{1,3}|'{1,3}|`) (?P<quoted>[^\s"'`]{6,256}+) (?P=quote)
        | (?P<bare>[^\s"'`,;<>(){}\[\]|&]{8,256}+) (?=[\s,;&"]|$) )"""
)
_ASSIGNED_HINTS = ("pass", "pwd", "secret", "token", "credential", "key")
"""No name of a secret is without one of these."""
_TOLD = re.compile(
    r"(?i:\bpass(?:word|phrase|code)[ \t]{1,3}(?:is|was|to)[: \t]{1,3})[\"'`*]{0,3}(?P<value>[^\s\"'`<>]{8,64})"
)
_OTHER_NAME = re.compile(
    r"(?i)(?:id|name|type|ur[il]|path|file|dir|hash|count|len|length|size|limit|ttl|expir\w*|at)s?$"
)
_PLACEHOLDER = re.compile(
    r"(?i)x{4}|\*{3}|\.{2}|…|^[$%@<]|[>$]$|[${%]\{|%\(|%s|example|sample|placeholder|change.?me|dummy|your|redacted|mask|"
    r"fixme|insert|replace|none|null|env\b|\(|::|\\[nrt]"
)
_WORDS = re.compile(r"(?i)secret|passw|token|foo|bar|test|1234|abcd")
_PATH = re.compile(
    r"(?:[A-Za-z_]{1,80}\d{0,3}[./:\\-]){1,20}(?:[A-Za-z_]{1,80}\d{0,3})?|"
    r"(?:[A-Za-z_]\w{0,24}\.){1,9}[A-Za-z_]\w{0,24}|[./~\\].{0,256}|\w{2,10}://.{0,256}"
)
_KEY_LENGTH, _PASSWORD_LENGTH, _LEAST_VARIED = 16, 8, 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret: characters ``start`` to ``end`` (exclusive) of the text."""

    start: int
    end: int
    kind: str


def find_secrets(text: str) -> list[Finding]:
    """The secrets in ``text``, in order and without overlaps; of two that overlap the one that starts first."""
    found = sorted((*_prefixed(text), *_private_keys(text), *_assigned(text)), key=lambda f: (f.start, -f.end))
    kept: list[Finding] = []
    for finding in found:
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
        elif finding.end > kept[-1].end:
            kept[-1] = Finding(kept[-1].start, finding.end, kept[-1].kind)
    return kept


def find_labelled_secrets(text: str, label: str) -> list[Finding]:
    """The secrets in a text that stands under a key: ``password`` tells of its value what ``password =`` would."""
    found = find_secrets(text)
    if found or not label or not has_any(label.casefold(), _ASSIGNED_HINTS):
        return found
    told = find_secrets(f"{label}: {text}")
    spans = beside(label, ((finding.start, finding.end) for finding in told))
    kinds = [finding.kind for finding in told if finding.end > len(label) + 2]
    return [Finding(*span, kind) for span, kind in zip(spans, kinds, strict=True)]


def _prefixed(text: str) -> Iterator[Finding]:
    if max(map(len, text.split()), default=0) < SHORTEST:
        return
    for kind, hints, pattern in RULES:
        if not has_any(text, hints):
            continue
        for match in pattern.finditer(text):
            if len(set(match[0])) > _LEAST_VARIED:  # documentation shows keys of xxxxx, issuers never do
                yield Finding(match.start(), match.end(), kind)


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
    """Values of names that say secret, passwords of URLs and of authorization headers; the name stays readable."""
    folded = text.casefold()
    for match in _ASSIGNED.finditer(text) if has_any(folded, _ASSIGNED_HINTS) else ():
        if _OTHER_NAME.search(match["rest"]):
            continue
        group = "quoted" if match["quoted"] else "bare"
        value = match[group]
        if _is_password(value) if match["password"] else _is_key(value):
            yield Finding(*match.span(group), "password" if match["password"] else "assigned")
    for match in _TOLD.finditer(text) if "pass" in folded else ():
        value = match["value"].rstrip(".,;:!?*)")
        if _is_password(value):
            yield Finding(match.start("value"), match.start("value") + len(value), "password")
    for match in _URL_PASSWORD.finditer(text) if "://" in text else ():
        value = match["value"]
        if not (value.isalpha() or _PLACEHOLDER.search(value) or _PATH.fullmatch(value)):
            yield Finding(*match.span("value"), "password")
    for match in _AUTHORIZATION.finditer(text) if "bearer" in folded or "basic" in folded else ():
        if _is_key(match["value"]):
            yield Finding(*match.span("value"), "authorization")


def _is_key(value: str) -> bool:
    """Whether a value has the shape of an issued key: long, letters and digits mixed, no word, path or placeholder."""
    digits = sum(map(str.isdigit, value))
    letters = sum(map(str.isalpha, value))
    return (
        len(value) >= _KEY_LENGTH
        and digits > 1
        and letters > 1
        and value.isascii()
        and len(set(value)) > _LEAST_VARIED
        and not _PLACEHOLDER.search(value)
        and not _WORDS.search(value)
        and not _PATH.fullmatch(value)
    )


def _is_password(value: str) -> bool:
    """Whether a value looks like a password that somebody made up: letters, and digits or other signs among them."""
    mixed = any(map(str.islower, value)) and any(map(str.isupper, value)) and not value.replace("_", "").isalnum()
    return (
        len(value) >= _PASSWORD_LENGTH
        and any(map(str.isalpha, value))
        and (any(map(str.isdigit, value)) or mixed)
        and not _PLACEHOLDER.search(value)
        and not _PATH.fullmatch(value)
    )


def _masked(text: str, found: list[Finding]) -> str:
    starts = [0, *(finding.end for finding in found)]
    ends = [*(finding.start for finding in found), len(text)]
    return MASK.join(text[start:end] for start, end in zip(starts, ends, strict=True))


@dataclass(frozen=True, slots=True)
class SecretsGuard:
    """Keeps keys, tokens and passwords out of answers.

    Args:
        on_find: ``redact`` puts ``[SECRET]`` in their place, ``block`` withholds the answer.
    """

    on_find: Literal["redact", "block"] = "redact"

    name: ClassVar[str] = "secrets"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 20

    def check(self, exchange: Exchange) -> Verdict:
        """Redact or block with ``leak``, else allow."""
        spans: list[Span] = []
        texts: list[str] = []
        for part, text in enumerate(exchange.texts):
            found = find_labelled_secrets(text, exchange.label(part))
            spans += (Span(part, finding.start, finding.end, finding.kind) for finding in found)
            texts.append(_masked(text, found))
        if not spans:
            return allow()
        if self.on_find == "redact":
            return redact(tuple(texts), Reason.LEAK, tuple(spans))
        kinds = ", ".join(sorted({span.kind for span in spans})[:5])
        return block(Reason.LEAK, spans=tuple(spans), count=len(spans), kinds=kinds)
