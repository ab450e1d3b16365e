"""Together AI: open models."""

from __future__ import annotations

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="together",
    dialect=OpenAIAdapter,
    base_url="https://api.together.xyz/v1",
    credentials=CredentialRule(kind="key", variable="TOGETHER_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list="together",
    otel_name="together_ai",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(takes=frozenset({"image data", "image URL"})),
        service_tiers={},
        batches=None,
        truncates_silently=False,
    ),
)
