"""Anthropic: Claude by its maker's Messages API."""

from __future__ import annotations

from tasks.providers.anthropic import AnthropicAdapter
from tasks.providers.batch_rules import BatchRules
from tasks.providers.failure_rules import ANTHROPIC_OVERFLOW, FailureRules, codes, texts
from tasks.providers.media import EdgeLimit, MediaRules, Narrow
from tasks.providers.options import ALL_OPTIONS
from tasks.providers.prompt_caches import CACHED_CLAUDE
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

FAILURES = FailureRules(
    codes=codes(
        rate_limit="ramp_limit_exceeded",
        request_too_large="request_too_large request_body_too_large_after_decoding",
        quota_exhausted="enforced_spend_limit_reached contract_spend_limit_reached "
        "linked_organization_spend_limit_reached linked_organization_billing_unavailable billing_error",
        auth="organization_on_hold authentication_error permission_error",
        not_found="not_found_error",
    ),
    texts=(
        *texts(
            "quota_exhausted",
            {400, 403, 429},
            r"You have reached your specified (?:workspace )?API usage limits",
            r"Your credit balance is too low",
        ),
        *texts("auth", {400, 403}, r"This organization has been disabled"),
        *texts("content_policy", {400}, r"Output blocked by content filtering policy"),
        *texts("context_overflow", {400, 413}, *ANTHROPIC_OVERFLOW),
    ),
    families=codes(
        rate_limit="rate_limit_error",
        overloaded="overloaded_error",
        server_error="api_error conflict_error",
        timeout="timeout_error",
    ),
)

SPEC = ProviderSpec(
    name="anthropic",
    dialect=AnthropicAdapter,
    base_url="https://api.anthropic.com",
    credentials=CredentialRule(kind="key", variable="ANTHROPIC_API_KEY"),
    failures=FAILURES,
    price_list="anthropic",
    otel_name="anthropic",
    key_kind="anthropic",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(
            takes=frozenset({"image data", "image URL", "document data", "document URL"}),
            largest={"image": 7_500_000},  # 10 MB as base64
            most={"image": 600},
            edge=8_000,
            pages=600,
            whole=32_000_000,
            many_images=EdgeLimit(images=20, edge=2_000),
            narrow=Narrow(below=1_000_000, most={"image": 100}, pages=100),
        ),
        service_tiers={"standard": "standard_only", "priority": "auto"},
        batches=BatchRules(api="anthropic", paths=("/v1/messages",), lines=100_000, whole=256_000_000, kept_days=29),
        truncates_silently=False,
        options=ALL_OPTIONS - {"seed"},
        cached=CACHED_CLAUDE,
    ),
)
