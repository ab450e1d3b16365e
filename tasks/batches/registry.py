"""The client of a provider's batch API, by the features of its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pricing import ConfigError
from tasks.batches.anthropic import AnthropicBatchClient
from tasks.batches.api import BatchClient
from tasks.batches.bedrock import BedrockBatchClient
from tasks.batches.bedrock import refusal as bedrock_refusal
from tasks.batches.openai import OpenAIBatchClient
from tasks.providers.batch_rules import BatchApi, BatchRules
from tasks.providers.known_names import provider_names
from tasks.providers.registry import spec_of
from tasks.providers.spec import ProviderSpec
from tasks.providers.transport import Transport
from tasks.routing.target import Target

_CLIENTS: Final[Mapping[BatchApi, Callable[[Transport, ProviderSpec, BatchRules], BatchClient]]] = {
    "openai": OpenAIBatchClient,
    "anthropic": AnthropicBatchClient,
    "bedrock": BedrockBatchClient,
}


def batch_client(provider: str, transport: Transport) -> BatchClient:
    """The client of a provider's batch API.

    Raises:
        ConfigError: there is no provider of that name, or it has no batch API that a run can use.
    """
    spec = spec_of(provider)
    if (rules := spec.features.batches) is None:
        able = [name for name in provider_names() if spec_of(name).features.batches is not None]
        raise ConfigError(
            f"The provider {provider} has no batch API that a run can use.",
            next_step=f"Batches are possible with {', '.join(able)}.",
        )
    return _CLIENTS[rules.api](transport, spec, rules)


def batch_refusal(target: Target) -> str | None:
    """Why runs cannot use batches of a target; ``None`` if they can.

    Raises:
        ConfigError: its provider does not exist.
    """
    rules = spec_of(target.provider).features.batches
    if rules is None:
        return f"{target.provider} has no batch API that a run can use"
    return None if rules.api != "bedrock" or target.stand_in else bedrock_refusal(target)
