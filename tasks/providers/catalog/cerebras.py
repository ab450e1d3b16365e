"""Cerebras: open models."""

from __future__ import annotations

from functools import partial

from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.spec import CredentialRule, Features, ProviderSpec

SPEC = ProviderSpec(
    name="cerebras",
    dialect=partial(OpenAIAdapter, flavour=Flavour(max_tokens="max_completion_tokens")),
    base_url="https://api.cerebras.ai/v1",
    credentials=CredentialRule(kind="key", variable="CEREBRAS_API_KEY"),
    failures=OPENAI_COMPATIBLE,
    price_list="cerebras",
    otel_name="cerebras",
    key_kind=None,
    features=Features(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(),
        service_tiers=(),
        batches=False,
        truncates_silently=False,
    ),
)
