"""Cerebras: open models."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tasks.providers.failure_rules import OPENAI_COMPATIBLE, texts
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="cerebras",
    dialect=partial(OpenAIAdapter, flavour=Flavour(max_tokens="max_completion_tokens")),
    base_url="https://api.cerebras.ai/v1",
    credentials=CredentialRule(kind="key", variable="CEREBRAS_API_KEY"),
    failures=replace(
        OPENAI_COMPATIBLE,
        texts=(*OPENAI_COMPATIBLE.texts, *texts("context_overflow", {400}, r"\Z")),  # a 400 without a body
    ),
    price_list="cerebras",
    otel_name="cerebras",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(),
        service_tiers={},
        batches=None,
        truncates_silently=False,
    ),
)
