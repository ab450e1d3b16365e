"""SGLang: a server of your own."""

from __future__ import annotations

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="sglang",
    dialect=OpenAIAdapter,
    base_url="http://localhost:30000/v1",
    credentials=CredentialRule(kind="optional", variable=""),
    failures=OPENAI_COMPATIBLE,
    price_list=None,
    otel_name="sglang",
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
