"""Providers of a test's own: modules in a folder that the registry finds beside those that ship."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.providers import catalog, registry

ACME = """
from tasks.providers.failure_rules import FailureRules, codes, texts
from tasks.providers.media import MediaRules
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

SPEC = ProviderSpec(
    name="{name}",
    dialect=OpenAIAdapter,
    base_url="{url}",
    credentials=CredentialRule(kind="key", variable="ACME_API_KEY"),
    failures=FailureRules(
        codes=codes(quota_exhausted="out_of_coins"), texts=texts("context_overflow", {{400}}, "Too long for Acme")
    ),
    price_list="groq",
    otel_name="acme_ai",
    key_kind=None,
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=False,
        media=MediaRules(),
        service_tiers={{"flex": "slow"}},
        batches=None,
        truncates_silently=False,
    ),
)
"""
"""The whole of a provider: one module."""


@contextmanager
def provider_added(folder: Path, name: str, text: str) -> Iterator[None]:
    """A provider that is in the catalog for as long as the block lasts."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, "utf-8")
    places = catalog.__path__
    catalog.__path__ = [*places, str(folder)]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        catalog.__path__ = places
        registry.spec_of.cache_clear()
        registry.adapter_for.cache_clear()
        sys.modules.pop(f"{catalog.__name__}.{name}", None)
