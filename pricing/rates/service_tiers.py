"""Service tiers: what a provider sells the same model as, faster or with patience, and what a tier costs where the
price list does not say.

The list's own prices go first. What is here are multiples of the standard price that a provider documents, or that
follow from the prices of a second list; a tier that neither has, has no price. Cached tokens whose price at a discount
is not known cost what they cost at the standard tier, or what other input costs if that is less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

ServiceTier: TypeAlias = Literal["standard", "priority", "flex", "batch"]
"""``priority`` is faster and more expensive, ``flex`` cheaper and slower, ``batch`` a provider's batch API."""
SERVICE_TIERS: Final[tuple[ServiceTier, ...]] = get_args(ServiceTier)
STANDARD: Final[ServiceTier] = "standard"

LIST_CONTEXT: Final[Mapping[str, Mapping[str, str]]] = {
    "priority": {"service_tier": "priority"},
    "flex": {"service_tier": "flex"},
    "batch": {"processing": "batch"},
}
"""What asks the price list for a service tier: the ``when`` of its ``price_variants``."""

_VERSION = re.compile(r"-v\d+(?::\d+)?$|:0$")


class Multiple(NamedTuple):
    """Multiples of the standard price by kind of token, with their source; ``None`` where there is none."""

    input: Fraction
    output: Fraction
    cache_read: Fraction | None
    cache_write: Fraction | None
    source: str


_ANTHROPIC: Final = "Anthropic's documentation of batches: half of every price, cache prices included"
_GROQ: Final = (
    "Groq's documentation of flex (the same price) and of batches (half, no further discount for cached tokens)"
)
_XAI: Final = "LiteLLM 1.110.2: batches at four fifths"
_LITELLM: Final = "LiteLLM 1.110.2: prices of this model by service tier"


def _read(line: str, source: str) -> dict[str, Multiple]:
    """Multiples by tier of a line like ``flex 1/2, priority 7/4 c7/4``: input, output if it is another one, then
    ``c`` and what a cached read costs, ``w`` and what a write does.
    """
    found = {}
    for part in line.split(", "):
        tier, first, *more = part.split()
        given = {one[0]: Fraction(one[1:]) for one in more if one[0] in "cw"}
        sent = Fraction(first)
        written = next((Fraction(one) for one in more if one[0] not in "cw"), sent)
        found[tier] = Multiple(sent, written, given.get("c"), given.get("w"), source)
    return found


def _table(lines: Mapping[str, str], source: str) -> dict[str, dict[str, Multiple]]:
    """By model, of lines of multiples with the models that each holds for."""
    return {model: _read(line, source) for line, models in lines.items() for model in models.split()}


_ALL_HALF: Final = "1/2 c1/2 w1/2"
_PRIORITY: Final = "priority 7/4 c7/4 w7/4"
_BEDROCK: Final = {
    "batch 1/2": (
        "anthropic.claude-haiku-4-5-20251001 anthropic.claude-opus-5 anthropic.claude-sonnet-4-5-20250929 "
        "amazon.nova-lite amazon.nova-micro us.amazon.nova-lite us.amazon.nova-micro meta.llama3-1-70b-instruct "
        "meta.llama3-1-8b-instruct meta.llama3-3-70b-instruct meta.llama4-maverick-17b-instruct "
        "meta.llama4-scout-17b-instruct mistral.mistral-small-2402 us.meta.llama3-1-70b-instruct "
        "us.meta.llama3-1-8b-instruct us.meta.llama3-3-70b-instruct us.meta.llama4-maverick-17b-instruct "
        "us.meta.llama4-scout-17b-instruct"
    ),
    f"flex {_ALL_HALF}, {_PRIORITY}": (
        "global.moonshotai.kimi-k3 global.moonshotai.kimi-k3.1 in.moonshotai.kimi-k3 in.moonshotai.kimi-k3.1 "
        "moonshotai.kimi-k3 moonshotai.kimi-k3.1 us.moonshotai.kimi-k3 us.moonshotai.kimi-k3.1 global.xai.grok-4.6 "
        "global.xai.grok-4.7 us.xai.grok-4.6 us.xai.grok-4.7"
    ),
    f"flex {_ALL_HALF}, {_PRIORITY}, batch {_ALL_HALF}": "global.zai.glm-5.3 us.zai.glm-5.3",
    "flex 1/2 c1/2": "apac.amazon.nova-pro eu.amazon.nova-pro eu.deepseek.v3.2",
    f"flex 1/2 c1/2, {_PRIORITY}, batch 1/2": (
        "amazon.nova-pro us.amazon.nova-pro jp.amazon.nova-2-lite us.amazon.nova-2-lite"
    ),
    f"flex 1/2, {_PRIORITY}, batch 1/2": (
        "deepseek.v3.2 us.deepseek.v3.2 google.gemma-3-4b-it minimax.minimax-m2.1 minimax.minimax-m2.5 "
        "mistral.devstral-2-123b mistral.ministral-3-14b-instruct mistral.voxtral-mini-3b-2507 moonshotai.kimi-k2.5 "
        "nvidia.nemotron-nano-12b nvidia.nemotron-super-3-120b openai.gpt-oss-120b-1 openai.gpt-oss-20b-1 "
        "qwen.qwen3-32b qwen.qwen3-coder-next writer.palmyra-vision-7b zai.glm-4.7 zai.glm-4.7-flash"
    ),
    f"{_PRIORITY}, batch 1/2": (
        "amazon.nova-2-lite amazon.nova-premier global.amazon.nova-2-lite amazon.nova-2-pro-preview-20251202 "
        "us.amazon.nova-2-pro-preview-20251202 qwen.qwen3-coder-30b-a3b zai.glm-5"
    ),
    "flex 1/2, batch 1/2": "qwen.qwen3-235b-a22b-2507",
    "flex 1/2, priority 11/6 7/4, batch 1/2": "nvidia.nemotron-nano-3-30b",
    "flex 1/2, priority 17/10, batch 1/2": "mistral.ministral-3-3b-instruct",
    "flex 1/2, priority 17/10 26/15, batch 1/2": "mistral.voxtral-small-24b-2507",
    "flex 1/2, priority 26/15 7/4, batch 1/2": "minimax.minimax-m2",
    "flex 1/2, priority 44/25 263/150, batch 1/2": (
        "mistral.magistral-small-2509 mistral.mistral-large-3-675b-instruct"
    ),
    "flex 1/2 12/23, priority 11/6 40/23, batch 1/2 12/23": "nvidia.nemotron-nano-9b",
    "flex 12/23 1/2, priority 40/23 67/38, batch 12/23 1/2": "google.gemma-3-27b-it",
    "flex 5/9 15/29, priority 16/9 51/29, batch 5/9 15/29": "google.gemma-3-12b-it",
    "flex 3/7 1/2, priority 12/7 7/4, batch 3/7 1/2": "openai.gpt-oss-safeguard-20b",
    "flex 7/15 1/2, priority 26/15 7/4, batch 7/15 1/2": "openai.gpt-oss-safeguard-120b",
    "flex 7/15 1/2, priority 26/15 7/4": "qwen.qwen3-next-80b-a3b",
    "flex 7/15, priority 26/15, batch 7/15": "mistral.ministral-3-8b-instruct",
    "priority 7/4 219/125, batch 1/2": "moonshot.kimi-k2-thinking",
    "priority 93/53 233/133, batch 26/53 1/2": "qwen.qwen3-vl-235b-a22b",
}
_CLAUDE_GEOGRAPHIES: Final = frozenset({"apac", "au", "eu", "global", "jp", "us"})
"""Geographies whose Claude profiles have the batch prices of the id without a geography."""

_GEMINI: Final = {
    "flex 1/2, priority 9/5 c9/5, batch 1/2": (
        "gemini-2.5-flash gemini-2.5-flash-lite gemini-2.5-pro gemini-3-flash-preview gemini-3.1-pro-preview"
    ),
    "flex 1/2 c1/2, priority 9/5 c9/5, batch 1/2 c1/2": (
        "gemini-3.1-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-4-argon"
    ),
    "flex 1/2 c8/15, priority 9/5 c9/5, batch 1/2 c1/2": "gemini-3.5-flash",
    "flex 1/2 c2/3, priority 9/5 c5/3, batch 1/2 c1/2": "gemini-3.5-flash-lite",
}


@cache
def _by_model() -> Mapping[str, Mapping[str, Mapping[str, Multiple]]]:
    """By price list and model."""
    return {
        "aws": _table(_BEDROCK, _LITELLM),
        "google": _table(_GEMINI, _LITELLM),
        "x-ai": _table({"batch 4/5 c4/5 w4/5": "grok-4.20 grok-4.3 grok-4.7"}, _XAI),
    }


@cache
def _by_provider() -> Mapping[str, Mapping[str, Multiple]]:
    """By price list: what holds for every model."""
    return {
        "anthropic": _read(f"batch {_ALL_HALF}", _ANTHROPIC),
        "groq": _read(f"flex 1, batch {_ALL_HALF}", _GROQ),
    }


def documented_multiple(price_list: str, asked: str, listed: str, service_tier: str) -> Multiple | None:
    """What a service tier costs as a multiple of the standard price, where that is documented.

    Args:
        price_list: the provider's id in the price list.
        asked: the model as a request names it, in lower case.
        listed: the model's id in the price list.
        service_tier: any but ``standard``.

    >>> documented_multiple("aws", "eu.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "flex").input
    Fraction(1, 2)
    >>> documented_multiple("aws", "eu.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "priority") is None
    True
    """
    if (whole := _by_provider().get(price_list, {}).get(service_tier)) is not None:
        return whole
    models = _by_model().get(price_list, {})
    name = _VERSION.sub("", asked)
    if price_list == "aws":
        geography, _, rest = name.partition(".")
        name = rest if geography in _CLAUDE_GEOGRAPHIES and rest.startswith("anthropic.") else name
        return models.get(name, {}).get(service_tier)
    return (models.get(name) or models.get(listed, {})).get(service_tier)
