"""OpenRouter: models of many providers behind one key."""

from __future__ import annotations

from functools import partial

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.options import ALL_OPTIONS
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="openrouter",
    dialect=partial(OpenAIAdapter, flavour=Flavour(states_cost=True)),
    base_url="https://openrouter.ai/api/v1",
    credentials=CredentialRule(kind="key", variable="OPENROUTER_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list="openrouter",
    otel_name="openrouter",
    key_kind="openai",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(takes=frozenset({"image data", "image URL", "document data"})),
        service_tiers={},
        batches=None,
        truncates_silently=False,
        options=ALL_OPTIONS,
    ),
)
