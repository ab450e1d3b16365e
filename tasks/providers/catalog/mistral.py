"""Mistral: models by their maker."""

from __future__ import annotations

from dataclasses import replace

from tasks.providers.failure_rules import OPENAI_COMPATIBLE, codes
from tasks.providers.media import MediaRules
from tasks.providers.mistral import MistralAdapter
from tasks.providers.options import ALL_OPTIONS
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="mistral",
    dialect=MistralAdapter,
    base_url="https://api.mistral.ai/v1",
    credentials=CredentialRule(kind="key", variable="MISTRAL_API_KEY"),
    failures=replace(
        OPENAI_COMPATIBLE,
        codes={
            **OPENAI_COMPATIBLE.codes,
            **codes(
                rate_limit="rate_limited",
                overloaded="service_tier_capacity_exceeded",
                not_found="invalid_model",
                auth="unauthorized",
            ),
        },
    ),
    price_list="mistral",
    otel_name="mistral_ai",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(takes=frozenset({"image data", "image URL"})),
        service_tiers={"standard": "standard_only"},
        batches=None,
        truncates_silently=False,
        options=ALL_OPTIONS,
    ),
)
