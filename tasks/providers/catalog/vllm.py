"""vLLM: a server of your own."""

from __future__ import annotations

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="vllm",
    dialect=OpenAIAdapter,
    base_url="http://localhost:8000/v1",
    credentials=CredentialRule(kind="optional", variable="VLLM_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list=None,
    otel_name="vllm",
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
