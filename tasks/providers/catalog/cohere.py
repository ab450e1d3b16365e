"""Cohere, by its OpenAI-compatible endpoint."""

from __future__ import annotations

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="cohere",
    dialect=OpenAIAdapter,
    base_url="https://api.cohere.ai/compatibility/v1",
    credentials=CredentialRule(kind="key", variable="COHERE_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list="cohere",
    otel_name="cohere",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(),
        service_tiers={},
        batches=None,
        truncates_silently=False,
    ),
)
