"""Any server that speaks OpenAI's Chat Completions."""

from __future__ import annotations

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="openai_compatible",
    dialect=OpenAIAdapter,
    base_url="",
    credentials=CredentialRule(kind="optional", variable=""),
    failures=OPENAI_COMPATIBLE,
    price_list=None,
    otel_name="openai_compatible",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(takes=frozenset({"image data", "image URL"})),
        service_tiers={},
        batches=None,
        truncates_silently=True,
    ),
)
