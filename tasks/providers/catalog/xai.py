"""xAI: Grok."""

from __future__ import annotations

from functools import partial

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="xai",
    dialect=partial(OpenAIAdapter, flavour=Flavour(max_tokens="max_completion_tokens")),
    base_url="https://api.x.ai/v1",
    credentials=CredentialRule(kind="key", variable="XAI_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list="x-ai",
    otel_name="x_ai",
    key_kind="xai",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(
            takes=frozenset({"image data", "image URL"}),
            largest={"image": 15_000_000},  # 20 MB as base64
            image_types=frozenset({"image/jpeg", "image/png"}),
        ),
        service_tiers={},
        batches=None,
        truncates_silently=False,
    ),
)
