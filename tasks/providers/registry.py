"""The providers: one module each in ``tasks/providers/catalog``, found by its name and loaded when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from tasks.providers import catalog
from tasks.providers.base import Adapter
from tasks.providers.failure_kinds import Failure
from tasks.providers.failure_rules import OPENAI_COMPATIBLE
from tasks.providers.failures import classify_reply
from tasks.providers.known_names import check_provider, provider_names
from tasks.providers.spec import ProviderSpec


@cache
def spec_of(provider: str) -> ProviderSpec:
    """The specification of a provider.

    Raises:
        ConfigError: there is no provider of that name.
        TypeError: its module leaves something out, or defines no spec of that name.
    """
    check_provider(provider)
    spec = getattr(importlib.import_module(f"{catalog.__name__}.{provider}"), "SPEC", None)
    if not isinstance(spec, ProviderSpec) or spec.name != provider:
        raise TypeError(f"{catalog.__name__}.{provider} must define SPEC, a ProviderSpec whose name is {provider!r}")
    return spec


@cache
def adapter_for(provider: str) -> Adapter:
    """The adapter of a provider; adapters have no state.

    Raises:
        ConfigError: there is no provider of that name.
    """
    spec = spec_of(provider)
    return spec.dialect(spec)


def price_list_of(provider: str) -> str | None:
    """The id of a provider in the list prices; ``None`` where no list has its prices, or there is no such provider.

    Example:
        >>> price_list_of("azure_openai"), price_list_of("ollama")
        ('openai', None)
    """
    return spec_of(provider).price_list if provider in provider_names() else None


def classify(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The class of a failed reply; never raises, whatever the reply.

    Args:
        provider: a name from ``provider_names()``; a reply of any other server is read as OpenAI-compatible.
        status: HTTP status. Failures inside a 200 are found too; a 200 in which there is none is a broken one.
        headers: the reply's headers, in any letter case.
        body: the reply's bytes, as they came.

    Example:
        >>> classify("groq", 401, {}, b'{"error": {"code": "invalid_api_key"}}').kind
        'auth'
    """
    rules = spec_of(provider).failures if provider in provider_names() else OPENAI_COMPATIBLE
    return classify_reply(rules, status, headers, body)
