"""Bedrock's profiles of every geography at their own prices, and the dates on which models end."""

import json
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pricing.errors import UnknownPrice
from pricing.rates import EndOfLife, RateCard, end_of_life
from pricing.rates.bedrock_profiles import PROFILE_PRICES, is_offered
from pricing.rates.retirements import WARNED_DAYS
from pricing.usage import Usage

CARD = RateCard.load()
ROWS: dict[str, list[Any]] = json.loads((Path(__file__).parents[2] / "data" / "litellm_prices.json").read_text())[
    "rows"
]
PROFILES = [name for name in ROWS if re.match(r"(apac|au|eu|jp)\.", name)]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_costs_what_its_own_row_says(profile: str):
    given, written, read, *_ = ROWS[profile]
    assert CARD.price(profile, "bedrock", Usage(100_000, 0)) == Decimal(given) * 10**14
    assert CARD.price(profile, "bedrock", Usage(0, 100_000)) == Decimal(written) * 10**14
    if read is not None:
        assert CARD.price(profile, "bedrock", Usage(100_000, 0, cache_read_tokens=100_000)) == Decimal(read) * 10**14


def test_an_arn_of_a_profile_costs_the_same():
    arn = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0"
    assert CARD.price(arn, "bedrock", Usage(1_000_000, 0)) == 1_050_000_000


@pytest.mark.parametrize("geography", ["apac", "au", "eu", "jp"])
def test_every_id_that_is_offered_exists(geography: str):
    offered = [name for name in CARD.known_models("bedrock", geography) if name.startswith(f"{geography}.")]
    assert len(offered) > 8
    assert not [name for name in offered if name not in ROWS]


@pytest.mark.parametrize(
    "typed",
    [
        "jp.anthropic.claude-opus-4-6-v9",
        "us.anthropic.claude-3-5-haiku-20241023-v1:0",
        "eu.anthropic.claude-sonnet-4-20250515-v1:0",
        "apac.amazon.nova-premiere-v1:0",
        "us.anthropic.claude-opus-4-20250515-v1:0",
    ],
)
def test_hints_offer_neither_what_is_gone_nor_what_is_not_there(typed: str):
    with pytest.raises(UnknownPrice) as told:
        CARD.price(typed, "bedrock", Usage(1, 1))
    nearest = told.value.fields["nearest"]
    assert isinstance(nearest, list)
    for name in nearest:
        ends = end_of_life("bedrock", name)
        assert ends is None or not ends.is_over(date(2026, 11, 28)), name
        assert is_offered(name), name


@pytest.mark.parametrize(
    ("provider", "model", "day"),
    [
        ("bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0", "2026-06-19"),
        ("bedrock", "anthropic.claude-sonnet-4-20250514-v1:0", "2026-10-14"),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-1-20250805-v1:0",
            "2027-01-08",
        ),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "2027-04-08"),
        ("bedrock", "mistral.mistral-7b-instruct-v0:2", "2027-03-30"),
        ("anthropic", "claude-opus-4-20250514", "2026-06-15"),
        ("openai", "gpt-4.1-mini", "2027-01-14"),
        ("openai", "gpt-4.1-mini-2025-04-14", "2027-01-14"),
        ("openai", "gpt-4o-2024-05-13", "2026-10-23"),
        ("openai", "gpt-5.2-chat-latest", "2026-08-10"),
        ("groq", "llama-3.3-70b-versatile", "2026-08-16"),
        ("deepseek", "deepseek-reasoner", "2026-07-24"),
    ],
)
def test_known_ends(provider: str, model: str, day: str):
    found = end_of_life(provider, model)
    assert found is not None
    assert found.on.isoformat() == day


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("bedrock", "global.anthropic.claude-haiku-5-5"),
        ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("openai", "gpt-6-luna"),
        ("openai", "gpt-4.1-mini-tuned"),
        ("openrouter", "openai/gpt-4.1-mini"),
        ("vllm", "gpt-4o"),
    ],
)
def test_no_known_end(provider: str, model: str):
    assert end_of_life(provider, model) is None


def test_the_dates_are_those_of_the_second_list():
    for name, row in ROWS.items():
        if row[4] is None or name == "eu.anthropic.claude-haiku-4-5-20251001-v1:0":  # which AWS's page does not confirm
            continue
        found = end_of_life("bedrock", name)
        assert found is not None, name
        assert found.on.isoformat() == row[4]


def test_what_is_told_before_and_after():
    ends, today = EndOfLife(date(2027, 1, 14)), date(2026, 11, 28)
    assert ends.sentence("mini", "gpt-4.1-mini", today) == "mini (gpt-4.1-mini) retires in 47 days, on 2027-01-14"
    assert ends.sentence("mini", "m", date(2027, 1, 13)) == "mini (m) retires in 1 day, on 2027-01-14"
    assert ends.sentence("mini", "m", date(2027, 1, 14)) == "mini (m) retired on 2027-01-14"
    rumour = EndOfLife(date(2026, 11, 30), certain=False)
    assert rumour.sentence("s", "m", date(2027, 1, 1)) == "s (m) was reported to retire on 2026-11-30"
    assert not rumour.is_over(date(2027, 1, 1))
    near = ends.on - timedelta(days=WARNED_DAYS)
    assert (ends.is_near(near), ends.is_near(near - timedelta(days=1))) == (True, False)


def test_every_price_of_a_profile_is_positive():
    assert all(price.input > 0 and price.output > 0 for price in PROFILE_PRICES.values())
