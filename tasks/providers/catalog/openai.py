"""OpenAI, by Chat Completions, or by Responses where a model needs it."""

from __future__ import annotations

import re
from functools import partial

from tasks.providers.batch_rules import BatchRules
from tasks.providers.failure_rules import OPENAI
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.options import ALL_OPTIONS
from tasks.providers.prompt_caches import CACHED_OPENAI
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

_SCHEMAS = re.compile(r"(?!gpt-3\.5|gpt-4(?:-|$)|o1-(?:mini|preview))")

SPEC = ProviderSpec(
    name="openai",
    dialect=partial(
        OpenAIAdapter,
        flavour=Flavour(max_tokens="max_completion_tokens", cache_key=True, schema_models=_SCHEMAS, responses=True),
    ),
    base_url="https://api.openai.com/v1",
    credentials=CredentialRule(kind="key", variable="OPENAI_API_KEY"),
    failures=OPENAI,
    price_list="openai",
    otel_name="openai",
    key_kind="openai",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(takes=frozenset({"image data", "image URL", "document data"})),
        service_tiers={"standard": "default", "flex": "flex", "priority": "priority"},
        batches=BatchRules(
            api="openai",
            paths=("/chat/completions", "/responses"),
            lines=50_000,
            whole=200_000_000,
            kept_days=30,
        ),
        truncates_silently=False,
        options=ALL_OPTIONS,
        cached=CACHED_OPENAI,
    ),
)
