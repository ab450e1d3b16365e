"""Which adapter speaks which provider's dialect."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.providers.anthropic import AnthropicAdapter
from tasks.providers.base import Adapter
from tasks.providers.bedrock import BedrockAdapter
from tasks.providers.openai import FLAVOURS, OpenAIAdapter
from tasks.routing.target import ProviderName

_ADAPTERS: Mapping[ProviderName, Adapter] = {
    "anthropic": AnthropicAdapter(),
    "bedrock": BedrockAdapter(),
    **{provider: OpenAIAdapter(flavour) for provider, flavour in FLAVOURS.items()},
}


def adapter_for(provider: ProviderName) -> Adapter:
    """The adapter of a provider; adapters have no state."""
    return _ADAPTERS[provider]
