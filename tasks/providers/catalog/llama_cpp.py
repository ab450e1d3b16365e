"""llama.cpp's llama-server: models on your own machine."""

from __future__ import annotations

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="llama_cpp",
    dialect=OpenAIAdapter,
    base_url="http://localhost:8080/v1",
    credentials=CredentialRule(kind="optional", variable="LLAMA_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list=None,
    otel_name="llama_cpp",
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
