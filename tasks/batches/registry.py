"""The client of a provider's batch API, by the features of its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pricing import ConfigError
from tasks.batches.anthropic import AnthropicBatchClient
from tasks.batches.api import BatchClient
from tasks.batches.openai import OpenAIBatchClient
from tasks.providers.batch_rules import BatchApi, BatchRules
from tasks.providers.names import provider_names
from tasks.providers.registry import spec_of
from tasks.providers.spec import ProviderSpec
from tasks.providers.transport import Transport

_CLIENTS: Final[Mapping[BatchApi, Callable[[Transport, ProviderSpec, BatchRules], BatchClient]]] = {
    "openai": OpenAIBatchClient,
    "anthropic": AnthropicBatchClient,
}


def batch_client(provider: str, transport: Transport) -> BatchClient:
    """The client of a provider's batch API.

    Raises:
        ConfigError: there is no provider of that name, or it has no batch API that a run can use.
    """
    spec = spec_of(provider)
    rules = spec.features.batches
    if rules is None or rules.api not in _CLIENTS:
        able = [name for name in provider_names() if can_batch(name)]
        raise ConfigError(
            f"The provider {provider} has no batch API that a run can use.",
            next_step=f"Batches are possible with {', '.join(able)}.",
        )
    return _CLIENTS[rules.api](transport, spec, rules)


def can_batch(provider: str) -> bool:
    """Whether runs can use batches of a provider.

    Raises:
        ConfigError: there is no provider of that name.
    """
    rules = spec_of(provider).features.batches
    return rules is not None and rules.api in _CLIENTS
