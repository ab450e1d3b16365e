"""DeepSeek, by its OpenAI-compatible API. It thinks unless switched off."""

from __future__ import annotations

import re
from functools import partial

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.prompt_caches import CACHED_DEEPSEEK
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

_NONE = re.compile(r"(?!)")
"""It takes "any JSON object" only."""

SPEC = ProviderSpec(
    name="deepseek",
    dialect=partial(OpenAIAdapter, flavour=Flavour(schema_models=_NONE)),
    base_url="https://api.deepseek.com",
    credentials=CredentialRule(kind="key", variable="DEEPSEEK_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list="deepseek",
    otel_name="deepseek",
    key_kind="openai",
    features=ProviderFeatures(
        schemas=False,
        tools=True,
        reasoning=True,
        media=MediaRules(),
        service_tiers={},
        batches=None,
        truncates_silently=False,
        cached=CACHED_DEEPSEEK,
    ),
)
