"""All that is known of one provider, in one value: its :class:`ProviderSpec`.

Every module that treats providers differently (settings, credentials, prices, telemetry, failures, media, the sandbox,
`farebox models`) reads it from the registry; none has a table of providers of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from pricing import frozen_record
from pricing.rates import ServiceTier
from tasks.providers.base import Adapter
from tasks.providers.batch_rules import BatchRules
from tasks.providers.failure_rules import FailureRules
from tasks.providers.media import MediaRules
from tasks.providers.options import CHAT_OPTIONS, Option
from tasks.providers.prompt_caches import CachedModels, CacheRules, rules_among

CredentialKind: TypeAlias = Literal["key", "own_address", "aws", "optional"]
"""One API key, also for an address of one's own; a Bedrock API key or AWS keys; a key only where the server was given
one."""

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


@frozen_record(frozen=True, slots=True, kw_only=True)
class CredentialRule:
    """How a provider's requests are authorised.

    Args:
        kind: what authorises a request.
        variable: the environment variable of the key; empty where the provider has no usual one.

    Raises:
        ValueError: a provider that needs a key has no variable, or the variable is not the name of one.
    """

    kind: CredentialKind
    variable: str

    def __post_init__(self) -> None:
        if not self.variable and self.kind != "optional":
            raise ValueError("a provider that needs a key names its environment variable")
        if self.variable and not _VARIABLE.fullmatch(self.variable):
            raise ValueError(f"{self.variable!r} is not the name of an environment variable")


@frozen_record(frozen=True, slots=True, kw_only=True)
class ProviderFeatures:
    """The features of a provider, whichever model answers.

    Args:
        schemas: whether it holds answers to a JSON schema; elsewhere the prompt asks for one.
        tools: whether it takes tools.
        reasoning: whether it serves models that reason before they answer.
        media: which images and documents it takes.
        service_tiers: by service tier that a request can ask for, the value of its request field; empty without one.
        batches: what its batch API takes; ``None`` without one that a run can use.
        truncates_silently: whether a prompt above the window may be cut instead of refused.
        options: what a request may ask for beside its messages; by default what all speakers of OpenAI's dialect take.
        cached: the models whose prompts it caches at a price of their own, by patterns of their ids.
    """

    schemas: bool
    tools: bool
    reasoning: bool
    media: MediaRules
    service_tiers: Mapping[ServiceTier, str]
    batches: BatchRules | None
    truncates_silently: bool
    options: frozenset[Option] = CHAT_OPTIONS
    cached: CachedModels = ()

    def caching(self, model: str) -> CacheRules | None:
        """The caching rules of a model; None where prompts are not cached."""
        return rules_among(self.cached, model)


@frozen_record(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """One provider. Every field is required: what is left out is an error when its module is imported.

    Args:
        name: as farebox.toml names it; also the name of its module in ``tasks/providers/catalog``.
        dialect: makes its adapter from this spec: an adapter's class, or ``functools.partial`` of one.
        base_url: where it is reached unless a target says otherwise, ``{region}`` included where it has regions; empty
            for servers without a usual address.
        credentials: where its key usually is.
        failures: what its error replies mean.
        price_list: its id in the list prices of genai-prices; ``None`` where no list has its prices, which then come
            from ``[[rates]]``.
        otel_name: the value of ``gen_ai.provider.name``.
        key_kind: the kind under which the secrets guard finds its keys; ``None`` where they have no form of their
            own.
        features: what it can do.

    Raises:
        ValueError: a field has a value that cannot be right.

    Example:
        >>> from tasks.providers.registry import spec_of
        >>> spec_of("groq").credentials.variable
        'GROQ_API_KEY'
    """

    name: str
    dialect: Callable[[ProviderSpec], Adapter]
    base_url: str
    credentials: CredentialRule
    failures: FailureRules
    price_list: str | None
    otel_name: str
    key_kind: str | None
    features: ProviderFeatures

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not the name of a provider: lower-case letters, digits and _")
        for field in ("price_list", "otel_name", "key_kind"):
            if getattr(self, field) == "":
                raise ValueError(f"{field} of the provider {self.name} is empty")
        if not self.base_url and self.credentials.kind not in {"optional", "own_address"}:
            raise ValueError(f"the provider {self.name} has no address")
        if self.base_url and not _is_address(self.base_url):
            raise ValueError(f"base_url of the provider {self.name} is not an http or https address")

    @property
    def has_regions(self) -> bool:
        """Whether the address depends on a region."""
        return "{region}" in self.base_url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url.format(region="region"))
    except (ValueError, KeyError, IndexError):
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
