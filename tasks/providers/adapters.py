"""Which adapter speaks which provider's dialect."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.providers.base import Adapter
from tasks.providers.openai import FLAVOURS, OpenAIAdapter
from tasks.targets import ProviderName

_ADAPTERS: Mapping[str, Adapter] = {
    provider: OpenAIAdapter(provider, flavour) for provider, flavour in FLAVOURS.items()
}


def adapter_for(provider: ProviderName) -> Adapter:
    """The adapter of a provider; adapters have no state."""
    return _ADAPTERS[provider]
