"""Targets from farebox.toml, completed with the defaults of their provider and model."""

from __future__ import annotations

from collections.abc import Sequence

from farebox.config.aws import find_region
from farebox.config.extras import resolved_headers
from farebox.config.keys import Key, Missing
from farebox.config.settings import TargetSettings
from pricing import ConfigError
from pricing.rates import RateCard
from tasks.providers import check_ca_file, spec_of
from tasks.routing import Credential, Target

_DEFAULT_REGION = "us-east-1"
_UNKNOWN_WINDOW = 8_192
"""The assumed context window of a self-hosted model, in tokens (Ollama's own default is 4,096)."""


def usable_targets(targets: Sequence[Target]) -> list[Target]:
    """The targets that may answer: those with a key; if none has one, all of them, by the sandbox.

    The two are never mixed: sandbox output never replaces paid answers.
    """
    return [target for target in targets if not target.stand_in] or list(targets)


def build_target(settings: TargetSettings, rates: RateCard, key: Key | Missing, *, stand_in: bool = True) -> Target:
    """The target; without a key it is answered by the sandbox, if ``stand_in`` allows that.

    A key in another service is not loaded here but with the first request.

    Raises:
        ConfigError: it has no key and the sandbox may not answer for it, or its certificates or headers are not valid.
    """
    if isinstance(key, Missing) and not stand_in:
        raise ConfigError(
            f"The target {settings.name!r} has no key, and the sandbox may not answer for it; tried: "
            + "; ".join(key.tried) + ".",
            next_step="Put its key in one of these places, or let the sandbox answer for it (sandbox.stand_in = true).",
            target=settings.name,
            tried=list(key.tried),
        )  # fmt: skip
    provider = spec_of(settings.provider)
    if provider.credentials.kind == "own_address" and not settings.base_url:
        raise ConfigError(
            f"The target {settings.name!r} has no base_url, and {settings.provider} has no address of its own.",
            next_step="Add base_url to it: the address of your resource. docs/providers.md has an example.",
            target=settings.name,
        )
    _check_service_tier(settings)
    region = settings.region or ((find_region() or _DEFAULT_REGION) if provider.has_regions else "")
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
        service_tier=settings.service_tier,
        stand_in=isinstance(key, Missing),
        ca_file=_ca_file(settings),
        batch_s3=settings.batch_s3,
        batch_role=settings.batch_role,
        extra_headers=resolved_headers(settings.extra_headers, settings.name) if settings.extra_headers else {},
        extra_body=settings.extra_body,
        credential=key.load() if isinstance(key, Key) and not key.late else Credential(),
    )


def _check_service_tier(settings: TargetSettings) -> None:
    offered = spec_of(settings.provider).features.service_tiers
    if settings.service_tier is None or settings.service_tier in offered:
        return
    others = f"It has: {', '.join(offered)}. " if offered else ""
    raise ConfigError(
        f"The target {settings.name!r} asks for the service tier {settings.service_tier!r}, which {settings.provider} "
        "does not have.",
        next_step=f"{others}Take service_tier out of the target, or use another provider for it.",
        target=settings.name,
    )


def _ca_file(settings: TargetSettings) -> str:
    if settings.ca_file is None:
        return ""
    return check_ca_file(settings.ca_file.expanduser(), f"ca_file of the target {settings.name!r}")
