"""How OpenAI and Groq say no: status, code, type and headers as their SDKs and documents have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from tasks.sandbox.question import Complaint, Facts, Refusal
from tasks.wire import JSONObject

_INVALID: Final = "invalid_request_error"

_OPENAI: Final[Mapping[Complaint, tuple[int, str, str | None, str]]] = {
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for {model} on requests per min (RPM)."),
    "500": (500, "server_error", None, "The server had an error while processing your request"),
    "503": (503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded. Try again later."),
    "529": (503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded. Try again later."),
    "quota": (
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "auth": (401, _INVALID, "invalid_api_key", "Incorrect API key provided."),
    "overflow": (
        400,
        _INVALID,
        "context_length_exceeded",
        (
            "This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} "
            "tokens. Please reduce the length of the messages."
        ),
    ),
    "invalid_output": (500, "server_error", None, "The server had an error while processing your request"),
    "not_found": (404, _INVALID, "unknown_url", "Unknown request URL."),
    "too_large": (413, _INVALID, None, "The request body is too large."),
}
"""Status, type, code, message; ``invalid`` brings its own words."""

_GROQ: Final[Mapping[Complaint, tuple[int, str, str | None, str]]] = {
    **_OPENAI,
    "429": (
        429,
        "tokens",
        "rate_limit_exceeded",
        (
            "Rate limit reached for model `{model}` in organization `org` service tier `on_demand` on tokens per "
            "minute (TPM): Limit 15000, Used 14999, Requested {tokens}."
        ),
    ),
    "500": (500, "internal_server_error", None, "Internal Server Error"),
    "503": (503, "internal_server_error", None, "Service Unavailable"),
    "529": (498, "capacity_exceeded", "capacity_exceeded", "Flex tier capacity exceeded"),
    "quota": (400, _INVALID, "blocked_api_access", "API access is blocked: the organization's spend limit is reached."),
    "auth": (401, _INVALID, "invalid_api_key", "Invalid API Key"),
    "overflow": (
        400,
        _INVALID,
        "context_length_exceeded",
        "Please reduce the length of the messages or completion.",
    ),
    "invalid_output": (
        400,
        _INVALID,
        "json_validate_failed",
        "Failed to validate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
    ),
}


def openai_refusal(complaint: Complaint, facts: Facts) -> Refusal:
    """OpenAI's reply to a complaint."""
    headers = _retry_after(facts) if complaint in {"429", "503", "529"} else {}
    if complaint == "429":
        headers |= {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": _go_duration(facts)}
    if complaint == "429" and facts.retry_after is not None:
        headers["retry-after-ms"] = f"{facts.retry_after * 1000:.0f}"
    return _refusal(_OPENAI, complaint, facts, headers)


def groq_refusal(complaint: Complaint, facts: Facts) -> Refusal:
    """Groq's reply to a complaint; what a model garbled comes back as ``failed_generation``."""
    headers = _retry_after(facts) if complaint == "429" else {}
    refusal = _refusal(_GROQ, complaint, facts, headers)
    if complaint == "invalid_output":
        refusal.body["error"] |= {"code": facts.code or "json_validate_failed", "failed_generation": facts.generated}
    return refusal


def _refusal(
    table: Mapping[Complaint, tuple[int, str, str | None, str]],
    complaint: Complaint,
    facts: Facts,
    headers: Mapping[str, str],
) -> Refusal:
    status, kind, code, message = table.get(complaint, (400, _INVALID, facts.code, facts.message))
    if complaint in table:
        message = message.format(model=facts.model, tokens=facts.tokens, window=facts.window)
    param = "messages" if complaint == "overflow" else facts.param
    error: JSONObject = {"message": message, "type": kind, "param": param, "code": code}
    return Refusal(status, {"error": error}, headers)


def _retry_after(facts: Facts) -> dict[str, str]:
    return {} if facts.retry_after is None else {"retry-after": str(math.ceil(facts.retry_after))}


def _go_duration(facts: Facts) -> str:
    return f"{(facts.retry_after or 1.0) * 1000:.0f}ms"
