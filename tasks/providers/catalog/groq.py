"""Groq: open models, OpenAI's dialect."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from tasks.providers.batch_rules import BatchRules
from tasks.providers.failure_rules import OPENAI
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.prompt_caches import CACHED_GROQ
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="groq",
    dialect=partial(
        OpenAIAdapter,
        flavour=Flavour(
            max_tokens="max_completion_tokens",
            schema_models=re.compile(r"openai/gpt-oss|moonshotai/kimi|meta-llama/llama-4"),
            strict_models=re.compile(r"openai/gpt-oss"),
            schema_alone=True,
            hidden={"reasoning_format": "hidden"},
        ),
    ),
    base_url="https://api.groq.com/openai/v1",
    credentials=CredentialRule(kind="key", variable="GROQ_API_KEY"),
    failures=replace(OPENAI, statuses={498: "overloaded"}),
    price_list="groq",
    otel_name="groq",
    key_kind="groq",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(
            takes=frozenset({"image data", "image URL"}),
            largest={"image": 3_000_000},  # 4 MB as base64
            most={"image": 5},
            pixels=33_177_600,
            whole=4_000_000,
        ),
        service_tiers={"standard": "on_demand", "flex": "flex", "priority": "performance"},
        batches=BatchRules(api="openai", paths=("/chat/completions",), lines=50_000, whole=100_000_000),
        truncates_silently=False,
        cached=CACHED_GROQ,
    ),
)
