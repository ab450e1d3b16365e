"""Google AI: Gemini by its native API, with a key."""

from __future__ import annotations

from tasks.providers.failure_rules import GEMINI_OVERFLOW, FailureRules, codes, texts
from tasks.providers.gemini import GeminiAdapter
from tasks.providers.media import MediaRules
from tasks.providers.options import ALL_OPTIONS
from tasks.providers.spec import CredentialRule, Features, ProviderSpec

FAILURES = FailureRules(
    codes=codes(
        quota_exhausted="QuotaPerDay quota_exceeded BILLING_DISABLED",
        auth="API_KEY_INVALID API_KEY_EXPIRED API_KEY_SERVICE_BLOCKED API_KEY_IP_ADDRESS_BLOCKED "
        "API_KEY_HTTP_REFERRER_BLOCKED CONSUMER_SUSPENDED CONSUMER_INVALID SERVICE_DISABLED ACCESS_TOKEN_EXPIRED "
        "CREDENTIALS_MISSING IAM_PERMISSION_DENIED",
    ),
    texts=(
        *texts("auth", {400, 403}, r"API key (?:not valid|expired|not found)", r"User location is not supported"),
        *texts("request_too_large", {400}, r"Request payload size exceeds the limit"),
        *texts(
            "context_overflow",
            {400},
            *GEMINI_OVERFLOW,
        ),
    ),
    families=codes(
        rate_limit="RESOURCE_EXHAUSTED rate_limit_exceeded",
        overloaded="UNAVAILABLE",
        server_error="INTERNAL UNKNOWN ABORTED DATA_LOSS",
        timeout="DEADLINE_EXCEEDED",
        auth="UNAUTHENTICATED PERMISSION_DENIED",
        not_found="NOT_FOUND",
        invalid_request="INVALID_ARGUMENT OUT_OF_RANGE",
    ),
)

MEDIA = MediaRules(
    takes=frozenset({"image data", "document data"}), largest={"image": 14_000_000, "document": 14_000_000}
)
"""A request may have 20 MB, as base64."""
OPTIONS = ALL_OPTIONS - {"parallel_tool_calls", "strict"}

SPEC = ProviderSpec(
    name="gemini",
    dialect=GeminiAdapter,
    base_url="https://generativelanguage.googleapis.com/v1beta",
    credentials=CredentialRule(kind="key", variable="GEMINI_API_KEY"),
    failures=FAILURES,
    price_list="google",
    otel_name="gcp.gemini",
    key_kind="google",
    features=Features(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MEDIA,
        service_tiers=("standard", "flex", "priority"),
        batches=True,
        truncates_silently=False,
        options=OPTIONS,
    ),
)
