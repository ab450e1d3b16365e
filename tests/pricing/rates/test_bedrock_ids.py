"""Ids of Bedrock: as they are called, in every geography, and as hints offer them."""

import re

import pytest

from pricing.errors import UnknownPrice
from pricing.rates import RateCard
from pricing.rates.model_ids import callable_id
from pricing.usage import Usage

CARD = RateCard.load()
TOKENS = Usage(input_tokens=100_000, output_tokens=10_000)
CALLED = (
    ("claude-opus-4-6-v1", 750_000_000),
    ("claude-opus-4-7", 750_000_000),
    ("claude-opus-5", 750_000_000),
    ("claude-opus-4-5-20251101-v1:0", 750_000_000),
    ("claude-sonnet-4-6", 450_000_000),
    ("claude-haiku-4-5-20251001-v1:0", 150_000_000),
)
"""Ids as Bedrock takes them, and what the tokens above cost on the global profile: published rates by hand."""
LABELS = re.compile(r"anthropic\.claude-[a-z]+-\d(-\d)?-v1:0")
"""What price lists call models whose ids are others."""


@pytest.mark.parametrize(("name", "cost"), CALLED)
@pytest.mark.parametrize("geography", ["global", "us", "eu", "au", "jp"])
def test_an_id_is_priced_in_every_geography(name: str, cost: int, geography: str) -> None:
    expected = cost if geography == "global" else cost * 11 // 10
    assert CARD.price(f"{geography}.anthropic.{name}", "bedrock", TOKENS) == expected


@pytest.mark.parametrize("wrong", ["v2", "v1:1", "v12", "v1:00"])
def test_another_version_is_another_model(wrong: str) -> None:
    with pytest.raises(UnknownPrice):
        CARD.price(f"us.anthropic.claude-opus-4-6-{wrong}", "bedrock", TOKENS)


@pytest.mark.parametrize("geography", ["us", "eu", "jp", "au"])
def test_no_known_id_is_a_label_of_the_list(geography: str) -> None:
    known = CARD.known_models("bedrock", geography)
    assert (f"{geography}.anthropic.claude-opus-4-6-v1" in known) is (geography != "jp"), "Japan has no such profile"
    assert f"{geography}.anthropic.claude-sonnet-4-6" in known
    assert not [name for name in known if LABELS.search(name) or name.startswith("regional.")]
    for name in known:
        assert CARD.price(name, "bedrock", Usage(1000, 0)) >= 0


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("eu.anthropic.claude-opus-4-6-v3", "eu.anthropic.claude-opus-4-6-v1"),
        ("au.anthropic.claude-sonnet-4-6-v7:0", "au.anthropic.claude-sonnet-4-6"),
        ("global.anthropic.claude-opus-4-6-v1:9", "global.anthropic.claude-opus-4-6-v1"),
        ("us.anthropic.claude-opus-4-5-20251102-v2:0", "us.anthropic.claude-opus-4-5-20251101-v1:0"),
        ("jp.anthropic.claude-haiku-4-5-20251001-v2:0", "jp.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ],
)
def test_hints_offer_ids_that_can_be_called(asked: str, offered: str) -> None:
    with pytest.raises(UnknownPrice) as told:
        CARD.price(asked, "bedrock", TOKENS)
    nearest = told.value.fields["nearest"]
    assert isinstance(nearest, list)
    assert nearest[0] == offered
    assert not [name for name in nearest if LABELS.search(name)]


def test_ids_that_are_no_labels_stay() -> None:
    for name in ("amazon.nova-pro-v1:0", "us.anthropic.claude-3-haiku-20240307-v1:0", "openai.gpt-oss-20b-1:0"):
        assert callable_id(name) == name
