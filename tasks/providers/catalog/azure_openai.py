"""Azure OpenAI: models of OpenAI at a resource of your own."""

from __future__ import annotations

import re
from functools import partial

from tasks.providers.azure import AzureAdapter
from tasks.providers.base import Adapter
from tasks.providers.failure_rules import OPENAI
from tasks.providers.media import MediaRules
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.options import ALL_OPTIONS
from tasks.providers.prompt_caches import CACHED_AZURE
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

_SCHEMAS = re.compile(r"(?!gpt-3\.5|gpt-35|gpt-4(?:-|$)|o1-(?:mini|preview))")
_FLAVOUR = Flavour(max_tokens="max_completion_tokens", schema_models=_SCHEMAS)


def _adapter(spec: ProviderSpec) -> Adapter:
    return AzureAdapter(spec, partial(OpenAIAdapter, flavour=_FLAVOUR)(spec))


SPEC = ProviderSpec(
    name="azure_openai",
    dialect=_adapter,
    base_url="",
    credentials=CredentialRule(kind="own_address", variable="AZURE_OPENAI_API_KEY"),
    failures=OPENAI,
    price_list="openai",
    otel_name="azure.ai.openai",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(takes=frozenset({"image data", "image URL"})),
        service_tiers={},
        batches=None,
        truncates_silently=False,
        options=ALL_OPTIONS,
        cached=CACHED_AZURE,
    ),
)
