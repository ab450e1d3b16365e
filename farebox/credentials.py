"""Keys: from the environment only, and nowhere else afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from farebox.settings import TargetSettings
from pricing.rates import RateCard
from tasks.targets import Credential, ProviderName, Target


class _Provider(NamedTuple):
    """Where a provider is, and which variable holds its key."""

    base_url: str
    key_env: str


PROVIDERS: Mapping[ProviderName, _Provider] = {
    "openai": _Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "groq": _Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "anthropic": _Provider("https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    "bedrock": _Provider("https://bedrock-runtime.{region}.amazonaws.com", "AWS_BEARER_TOKEN_BEDROCK"),
    "openai_compatible": _Provider("", ""),
}
_DEFAULT_REGION = "us-east-1"
_UNKNOWN_WINDOW = 8_192
"""Tokens: what a self-hosted model is taken to read when nothing is said (Ollama's own default is 4,096)."""


def build_target(settings: TargetSettings, rates: RateCard) -> Target:
    """The target as declared, with its key; without one it is a stand-in, answered by the sandbox."""
    provider = PROVIDERS[settings.provider]
    region = settings.region or (_DEFAULT_REGION if settings.provider == "bedrock" else "")
    credential = find_credential(settings)
    domain = "/".join(part for part in (settings.provider, region) if part)
    window = settings.window or rates.window(settings.model, settings.provider) or _UNKNOWN_WINDOW
    return Target(
        name=settings.name,
        provider=settings.provider,
        model=settings.model,
        tier=settings.tier,
        window=window,
        max_output=settings.max_output,
        base_url=settings.base_url or provider.base_url.format(region=region),
        failure_domain=settings.failure_domain or (settings.base_url or domain),
        account=settings.account,
        region=region,
        read_timeout=settings.read_timeout,
        tokens_per_minute=settings.tokens_per_minute,
        sends_temperature=settings.sends_temperature,
        reasoning=settings.reasoning,
        stand_in=credential is None,
        credential=credential or Credential(),
    )


def find_credential(settings: TargetSettings) -> Credential | None:
    """The key of a target; ``None`` when the environment has none. A self-hosted server may need none."""
    name = settings.key_env or PROVIDERS[settings.provider].key_env
    if name and (key := os.environ.get(name)):
        return Credential(key=key)
    if settings.provider == "bedrock" and "AWS_ACCESS_KEY_ID" in os.environ:
        return Credential(
            access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
            secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY"),
            session_token=os.environ.get("AWS_SESSION_TOKEN"),
        )
    return Credential() if settings.provider == "openai_compatible" and settings.base_url else None
