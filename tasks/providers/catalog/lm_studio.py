"""LM Studio: models on your own machine. It may drop the middle of a prompt that is longer than its window."""

from __future__ import annotations

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="lm_studio",
    dialect=OpenAIAdapter,
    base_url="http://localhost:1234/v1",
    credentials=CredentialRule(kind="optional", variable=""),
    failures=OPENAI_COMPATIBLE,
    price_list=None,
    otel_name="lm_studio",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(takes=frozenset({"image data"})),
        service_tiers={},
        batches=None,
        truncates_silently=True,
    ),
)
