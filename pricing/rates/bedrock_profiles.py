"""Bedrock's inference profiles: which exist in which geography, and what those cost that the price list prices wrongly.

The list has one "regional" price for every geography but ``global``, and for some models only the price of the
United States. Profiles whose price differs are here with their own. Source: LiteLLM's price list, 1.110.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple


class ProfilePrice(NamedTuple):
    """US dollars per million tokens; caches that are not offered cost what input costs."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None


def _price(*amounts: str) -> ProfilePrice:
    return ProfilePrice(*map(Decimal, amounts))


_NOVA_2_LITE_EAST: Final = _price("0.396", "3.311", "0.099")
_OPUS: Final = _price("5.5", "27.5", "0.55", "6.875", "11")
_FABLE: Final = _price("11", "55", "1.1", "13.75", "22")
PROFILE_SOURCE: Final = "LiteLLM 1.110.2: prices of Bedrock's inference profiles"
PROFILE_PRICES: Final[Mapping[str, ProfilePrice]] = {
    "apac.amazon.nova-2-lite-v1:0": _NOVA_2_LITE_EAST,
    "apac.amazon.nova-lite-v1:0": _price("0.063", "0.252", "0.01575"),
    "apac.amazon.nova-micro-v1:0": _price("0.037", "0.148", "0.00925"),
    "apac.amazon.nova-pro-v1:0": _price("0.84", "3.36", "0.21"),
    "apac.anthropic.claude-fable-5": _FABLE,
    "apac.anthropic.claude-opus-4-8": _OPUS,
    "apac.anthropic.claude-opus-5": _OPUS,
    "apac.anthropic.claude-opus-5-5": _price("4.4", "22", "0.22", "5.5", "8.8"),
    "eu.amazon.nova-2-lite-v1:0": _price("0.429", "3.597", "0.10725"),
    "eu.amazon.nova-lite-v1:0": _price("0.078", "0.312", "0.0195"),
    "eu.amazon.nova-micro-v1:0": _price("0.046", "0.184", "0.0115"),
    "eu.amazon.nova-pro-v1:0": _price("1.05", "4.2", "0.2625"),
    "eu.anthropic.claude-fable-5-1": _price("11", "55", "0.275", "13.75", "22"),
    "eu.deepseek.v3.2": _price("0.74", "2.22"),
    "eu.meta.llama3-2-1b-instruct-v1:0": _price("0.13", "0.13"),
    "eu.meta.llama3-2-3b-instruct-v1:0": _price("0.19", "0.19"),
    "jp.amazon.nova-2-lite-v1:0": _NOVA_2_LITE_EAST,
}
"""By the id that a request names. They go before the list."""

_EVERYWHERE: Final = (
    "anthropic.claude-haiku-4-5-20251001-v1:0 anthropic.claude-haiku-5-5 anthropic.claude-opus-4-7 "
    "anthropic.claude-opus-4-8 anthropic.claude-opus-5 anthropic.claude-opus-5-5 anthropic.claude-sonnet-4-6 "
    "anthropic.claude-sonnet-5 anthropic.claude-sonnet-5-5"
)
_SONNET_4_5: Final = "anthropic.claude-sonnet-4-5-20250929-v1:0"
_NOVA: Final = "amazon.nova-2-lite-v1:0 amazon.nova-lite-v1:0 amazon.nova-micro-v1:0 amazon.nova-pro-v1:0"
_OFFERED: Final[Mapping[str, frozenset[str]]] = {
    geography: frozenset(names.split())
    for geography, names in {
        "apac": f"{_EVERYWHERE} {_NOVA} anthropic.claude-fable-5",
        "au": f"{_EVERYWHERE} {_SONNET_4_5} anthropic.claude-fable-5 anthropic.claude-opus-4-6-v1",
        "eu": f"{_EVERYWHERE} {_SONNET_4_5} {_NOVA} anthropic.claude-fable-5 anthropic.claude-fable-5-1 "
        "anthropic.claude-opus-4-1-20250805-v1:0 anthropic.claude-opus-4-5-20251101-v1:0 anthropic.claude-opus-4-6-v1",
        "jp": f"{_EVERYWHERE} {_SONNET_4_5} amazon.nova-2-lite-v1:0",
    }.items()
}
"""Names behind the geography, of the geographies that have a part of the models only."""


def is_offered(profile: str) -> bool:
    """Whether Bedrock has a profile of this id, as far as is known: the United States and ``global`` have what the
    price list names.

    >>> is_offered("eu.anthropic.claude-opus-4-6-v1"), is_offered("jp.anthropic.claude-opus-4-6-v1")
    (True, False)
    """
    geography, _, name = profile.partition(".")
    return geography not in _OFFERED or name in _OFFERED[geography]


def profiles_of(geography: str) -> list[str]:
    """Ids of a geography's profiles that have a price of their own here."""
    return [profile for profile in PROFILE_PRICES if profile.partition(".")[0] == geography]
