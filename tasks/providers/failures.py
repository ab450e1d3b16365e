"""Classifies a provider's reply or a transport exception as one kind of failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pricing import record
from tasks.providers.failure_kinds import TLS_CERTIFICATE, TLS_HANDSHAKE, Failure, FailureKind, Phase, failure
from tasks.providers.failure_rules import LEAD_IN, LIMITED, STATUS_OF_CODE, STATUSES, STOPS, FailureRules, Text
from tasks.providers.json_fields import items, obj, objects, parse, text
from tasks.providers.messages import JSONObject
from tasks.providers.refused_features import refused_by

_NUMBER = re.compile(r"\d{1,15}(?:\.\d{0,9})?", re.ASCII)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds to wait at least; ``None`` if no header says so in a form that makes sense.

    ``headers`` has lower-case names. ``retry-after-ms`` (OpenAI) is finer than ``retry-after`` (seconds or an HTTP
    date, RFC 9110 §10.2.3), which is commoner than ``x-amz-retry-after`` (milliseconds, AWS SDKs).
    """
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1), ("x-amz-retry-after", 1000)):
        value = headers.get(name, "").strip()
        if _NUMBER.fullmatch(value):
            return float(value) / scale
        if name == "retry-after" and (seconds := _until(value, now)) is not None:
            return seconds
    return None


def duration(value: object) -> float | None:
    """Seconds of a protobuf duration such as ``"14.5s"`` (Gemini's ``RetryInfo.retryDelay``)."""
    if isinstance(value, str) and value.endswith("s") and _NUMBER.fullmatch(value[:-1]):
        return float(value[:-1])
    return None


def _until(date: str, now: datetime | None) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


_NAMED: tuple[tuple[str, FailureKind, Phase], ...] = (
    # ours, of a body that is too large or cannot be decoded; then aiohttp's, below httpx's: the most telling first
    ("BodyRefused", "server_error", "read"),
    ("InvalidURL", "not_found", "connect"),
    ("NonHttpUrlClientError", "not_found", "connect"),
    ("ClientHttpProxyError", "connection", "connect"),  # the proxy said no
    ("ConnectionTimeoutError", "timeout", "connect"),
    ("ServerTimeoutError", "timeout", "read"),
    ("ClientConnectorError", "connection", "connect"),
    ("ClientConnectionResetError", "connection", "write"),
    ("ClientConnectionError", "connection", "read"),
    ("ClientPayloadError", "connection", "read"),
    ("ClientResponseError", "connection", "read"),
    # httpx's
    ("PoolTimeout", "timeout", "pool"),
    ("ConnectTimeout", "timeout", "connect"),
    ("WriteTimeout", "timeout", "write"),
    ("TimeoutException", "timeout", "read"),
    ("UnsupportedProtocol", "not_found", "connect"),
    ("ProxyError", "connection", "connect"),
    ("ConnectError", "connection", "connect"),
    ("WriteError", "connection", "write"),
    ("TransportError", "connection", "read"),
    ("DecodingError", "connection", "read"),
    ("StreamError", "connection", "read"),
    # Python's own: a deadline around the exchange, a socket below it
    ("TimeoutError", "timeout", "read"),
    ("ConnectionRefusedError", "connection", "connect"),
    ("gaierror", "connection", "connect"),
    ("ConnectionError", "connection", "read"),
)


_TLS: Mapping[str, str] = {
    "SSLCertVerificationError": TLS_CERTIFICATE,
    "ClientConnectorCertificateError": TLS_CERTIFICATE,
    "ClientConnectorSSLError": TLS_HANDSHAKE,
}
"""What trying again does not help: somebody has to change a setting, or a certificate."""


def classify_exception(exc: BaseException) -> Failure:
    """The class of a failed exchange, by the phase of the transport that failed.

    In the phases ``pool`` and ``connect`` nothing was sent; after them the provider may bill for a reply that never
    came. An exception that is not the transport's is a bug and is raised again.

    Example:
        >>> failure = classify_exception(TimeoutError())
        >>> failure.kind, failure.retry_same_target, failure.maybe_billed
        ('timeout', True, True)
    """
    names = {cls.__name__ for link in _chain(exc) for cls in type(link).__mro__}
    for name, code in _TLS.items():
        if name in names:
            return replace(failure("connection", phase="connect", code=code), retry_same_target=False)
    for name, kind, phase in _NAMED:
        if name in names:
            return failure(kind, phase=phase, maybe_billed=phase in {"write", "read"})
    raise exc


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__


_CODE = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid")
_MESSAGE_LENGTH = 8192
"""Characters of a message that are looked at: gateways put whole JSON errors into theirs."""
_NOT_IMPLEMENTED = 501
_WORDLESS = frozenset({b"", b"{}", b"null", b'""'})
_BAD_REQUEST = frozenset({200, 400, 404, 422, 501})
"""Statuses of replies that may name a feature which the model does not have; 200 with an error inside."""
_BILLED = frozenset[FailureKind]({"timeout", "invalid_output", "refusal", "truncated"})


@record(frozen=True, slots=True)
class _Signs:
    """What a reply says of its failure: codes from the surest to the vaguest, and the provider's message."""

    codes: tuple[str, ...]
    message: str
    status: int
    wait: float | None
    refuses: tuple[str, ...] = ()


def classify_reply(rules: FailureRules, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The class of a failed reply; never raises, whatever the reply.

    Args:
        rules: what the provider's error replies mean.
        status: HTTP status. Failures inside a 200 are found too; a 200 in which there is none is a broken one.
        headers: the reply's headers, in any letter case.
        body: the reply's bytes, as they came.
    """
    lower = {str(name).lower(): str(value) for name, value in headers.items()}
    parsed = parse(body)
    reply = obj(parsed) or next(iter(objects(parsed)), {})
    signs = _signs(status, lower, reply)
    wordless = body.strip() in _WORDLESS
    kind, certain = _kind(rules, signs)
    found = failure(
        kind,
        status=status,
        code=next((code for code in signs.codes if _CODE.fullmatch(code)), None),
        maybe_billed=kind in _BILLED or _succeeded(status),
        request_id=request_id(lower) or _identifier(reply.get("request_id")),
    )
    wait = retry_after(lower)
    return replace(
        found,
        refuses=signs.refuses if kind == "invalid_request" else (),
        fallback=found.fallback or _one_target_only(signs.status, kind, wordless=wordless),
        retry_after=signs.wait if wait is None else wait,
        retry_same_target=_retry_same_target(lower, found.retry_same_target, certain=certain),
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the provider's support finds the exchange; ``headers`` has lower-case names."""
    return next((found for name in _REQUEST_ID_HEADERS if (found := _identifier(headers.get(name)))), None)


def _identifier(value: object) -> str | None:
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else None


def _retry_same_target(headers: Mapping[str, str], usual: bool, *, certain: bool) -> bool:  # noqa: FBT001
    """``x-should-retry`` outranks what a status usually means; its yes does not outrank a code that rules it out."""
    header = headers.get("x-should-retry", "").strip().lower()
    if header == "false":
        return False
    return usual or (header == "true" and not certain)


def _kind(rules: FailureRules, signs: _Signs) -> tuple[FailureKind, bool]:
    """The class, and whether a code or text decided it rather than the status alone."""
    known = [key for code in signs.codes for key in (f"{signs.status}:{code.lower()}", code.lower())]
    sure = (
        _class_by_message(rules.sure, signs)
        or next((rules.codes[code] for code in known if code in rules.codes), None)
        or _class_by_message(rules.texts, signs)
        or ("invalid_request" if signs.status == _NOT_IMPLEMENTED else None)
    )
    if sure is not None:
        return sure, True
    for code in known:
        if code in rules.families:
            return rules.families[code], False
        if code in STOPS and _succeeded(signs.status):
            return STOPS[code], True
    return _kind_of_status(rules, signs.status), False


def _class_by_message(rules: tuple[Text, ...], signs: _Signs) -> FailureKind | None:
    """The failure class of the first rule that matches the message, or ``None``."""
    for rule in rules:
        overflow = rule.kind == "context_overflow"
        if signs.status not in rule.statuses or (overflow and LIMITED.search(signs.message)):
            continue
        if _exceeds(rule.pattern.match(signs.message)):
            return rule.kind
    return None


def _one_target_only(status: int, kind: FailureKind, *, wordless: bool) -> bool:
    """Whether another target may accept the request as it is: this one lacks a feature, or a gateway in front of it
    refused without a reason.
    """
    return status == _NOT_IMPLEMENTED or (kind == "request_too_large" and wordless)


def _succeeded(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004


def _kind_of_status(rules: FailureRules, status: int) -> FailureKind:
    usual = rules.statuses.get(status) or STATUSES.get(status)
    if usual is not None:
        return usual
    return {3: "not_found", 4: "invalid_request"}.get(status // 100, "server_error")  # type: ignore[return-value]


def _exceeds(match: re.Match[str] | None) -> bool:
    if match is None:
        return False
    asked, limit = (match.groupdict().get(name) for name in ("asked", "limit"))
    return asked is None or limit is None or int(asked.replace(",", "")) > int(limit.replace(",", ""))


def _signs(status: int, headers: Mapping[str, str], reply: JSONObject) -> _Signs:
    """Where the providers put their codes and their message.

    ``{"error": {…}}`` (all but AWS), ``{"error": "text"}`` (Ollama), a flat object (AWS, older vLLM), and an error
    that a gateway left as JSON text inside its own message. A 200 without any of them tells why the model stopped.
    """
    error = obj(reply.get("error"))
    aws = headers.get("x-amzn-errortype")
    if not error and (aws or not _succeeded(status) or reply.get("object") == "error"):
        error = reply
    message = _without_lead_in(text(error.get("message")) or text(error.get("Message")) or text(reply.get("error")))
    fields = [aws, *_codes(error), *([] if error else _stops(reply))]
    if message.startswith("{"):
        inner = obj(parse(message.encode("utf-8", "replace")))
        nested = obj(inner.get("error")) or inner
        message = text(nested.get("message"))
        fields += _codes(nested)
    codes = tuple(code for field in fields if (code := _bare(field)))
    return _Signs(
        codes=codes,
        message=message,
        refuses=refused_by(error, reply, message) if status in _BAD_REQUEST else (),
        status=_meant_status(status, error, codes) if _succeeded(status) else status,
        wait=next((wait for wait in map(_delay, objects(error.get("details"))) if wait is not None), None),
    )


def _delay(detail: JSONObject) -> float | None:
    return duration(detail.get("retryDelay"))


def _without_lead_in(message: str) -> str:
    message = message[:_MESSAGE_LENGTH].lstrip()
    while (lead := LEAD_IN.match(message)) is not None:
        message = message[lead.end() :]
    return message


def _codes(error: JSONObject) -> Iterator[object]:
    details = error.get("details")
    yield obj(details).get("error_code")
    yield obj(error.get("innererror")).get("code")
    for detail in objects(details):
        if any("PerDay" in text(violation.get("quotaId")) for violation in objects(detail.get("violations"))):
            yield "QuotaPerDay"
        yield detail.get("reason")
    yield from (error.get(name) for name in ("code", "Code", "__type", "type", "status"))


def _bare(code: object) -> str:
    """``aws.coral#Name:http://…`` without its namespaces; numbers and anything else are not codes."""
    return text(code).split(":")[0].rsplit("#", 1)[-1].strip()


def _meant_status(status: int, error: JSONObject, codes: tuple[str, ...]) -> int:
    """The status of an error that came inside a 200: its own number, or the one its code usually has."""
    for field in (error.get("code"), error.get("status")):
        if isinstance(field, int) and 400 <= field < 600:  # noqa: PLR2004
            return field
    return next((STATUS_OF_CODE[code.lower()] for code in codes if code.lower() in STATUS_OF_CODE), status)


def _stops(reply: JSONObject) -> Iterator[str]:
    """Yield every field in which a dialect says why a model stopped."""
    if text(obj(reply.get("promptFeedback")).get("blockReason")):
        yield "prompt_blocked"
    yield text(obj(reply.get("incomplete_details")).get("reason"))
    yield text(reply.get("stop_reason"))
    yield text(reply.get("stopReason"))
    choices: list[Any] = [*items(reply.get("choices")), *items(reply.get("candidates"))]
    for choice in objects(choices):
        if text(obj(choice.get("message")).get("refusal")):
            yield "refusal"
        yield text(choice.get("finish_reason"))
        yield text(choice.get("finishReason"))
