"""Targets: provider × account/region × model, with a tier, a window and a failure domain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, TypeAlias

from pricing import frozen_record
from pricing.rates import ServiceTier
from tasks.providers.reasoning import Reasoning

ProviderName: TypeAlias = str
"""A name in the registry of providers (``tasks.providers.known_names``)."""
Tier: TypeAlias = Literal["light", "premium", "legacy", "last_resort"]
StepTier: TypeAlias = Tier | Literal["auto"]
"""What a step may ask for: a tier, or to let each turn's complexity decide between light and premium."""


@frozen_record(frozen=True, slots=True)
class Credential:
    """What authorises a call: a bearer or API key, or AWS keys. Never printed."""

    key: str | None = field(default=None, repr=False)
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


_FAMILY = re.compile(r"[a-z]+(?=[-\d])")


@frozen_record(frozen=True, slots=True)
class Target:
    """One place a question can be sent to.

    ``window`` and ``max_output`` are tokens; ``read_timeout`` is seconds without a byte; ``tokens_per_minute`` is the
    account's quota where it is known. ``reasoning`` holds for steps that say nothing of it. A ``stand_in`` target is
    answered by the sandbox provider, at ``base_url``, in the named provider's dialect and at its prices.
    ``service_tier`` is asked for where a step names none; ``None`` leaves that to the provider.
    ``extra_headers`` and ``extra_body`` are added to each request; ``ca_file`` names the certificates that its server
    is checked against. ``batch_s3`` (``s3://bucket/prefix``) and ``batch_role`` (an ARN) are what batches at Bedrock
    need.
    """

    name: str
    provider: ProviderName
    model: str
    tier: Tier
    window: int
    max_output: int
    base_url: str
    failure_domain: str
    account: str = "default"
    region: str = ""
    read_timeout: float = 60.0
    tokens_per_minute: int | None = None
    sends_temperature: bool = True
    reasoning: Reasoning | None = None
    service_tier: ServiceTier | None = None
    stand_in: bool = False
    ca_file: str = ""
    batch_s3: str = ""
    batch_role: str = ""
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    credential: Credential = field(default_factory=Credential, repr=False)

    @property
    def family(self) -> str:
        """The family of its model, whichever provider serves it: ``claude``, ``gpt``, ``llama``."""
        return family_of(self.model)


def family_of(model: str) -> str:
    """The model family in a model id: its first word before a dash or a number, without the vendor."""
    found = _FAMILY.search(model.lower().rpartition("/")[2])
    return found[0] if found else model.lower()
