"""Prices by service tier: from the list, from documented multiples, or of one's own; unknown is an error."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.errors import ConfigError, UnknownPrice
from pricing.rates import SERVICE_TIERS, OwnBand, OwnRate, RateCard
from pricing.usage import Usage

CARD = RateCard.load()
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MILLION = 1_000_000
TOKENS = Usage(200_000, 20_000, cache_read_tokens=100_000)


def dollars(text: str) -> int:
    return int(Decimal(text) * 10**9)


@pytest.mark.parametrize(
    ("model", "provider", "tier", "price"),
    [
        # input 100,000, cached 100,000, output 20,000: USD per million tokens from the providers' price pages.
        ("gpt-5", "openai", "standard", "0.3375"),  # 1.25, 0.125, 10
        ("gpt-5", "openai", "flex", "0.16875"),
        ("gpt-5", "openai", "batch", "0.16875"),
        ("gpt-5", "openai", "priority", "0.675"),
        ("gpt-5-mini", "openai", "priority", "0.1215"),  # 0.25, 0.025, 2, times 1.8
        ("gpt-4.1", "openai", "batch", "0.23"),  # 1, 4; cached reads keep their 0.50
        ("gpt-4.1", "openai", "priority", "0.7175"),  # 3.50, 0.875, 14
        ("o4-mini", "openai", "flex", "0.1128"),  # 0.55, 0.138, 2.20
        ("claude-sonnet-4-6", "anthropic", "batch", "0.315"),  # 1.50, 0.15, 7.50
        ("claude-opus-4-1", "anthropic", "batch", "1.575"),  # documented: half of 15, 1.50, 75
        ("openai/gpt-oss-120b", "groq", "flex", "0.0345"),  # the standard price: 0.15, 0.075, 0.60
        ("openai/gpt-oss-120b", "groq", "batch", "0.021"),  # 0.075, cached 0.075, 0.30: no further discount
        ("us.amazon.nova-pro-v1:0", "bedrock", "flex", "0.082"),  # half of 0.80, 0.20, 3.20
        ("us.amazon.nova-pro-v1:0", "bedrock", "priority", "0.287"),
        ("us.amazon.nova-pro-v1:0", "bedrock", "batch", "0.092"),  # 0.40, cached 0.20, 1.60
        ("eu.amazon.nova-pro-v1:0", "bedrock", "flex", "0.107625"),  # half of the profile's 1.05, 0.2625, 4.20
        ("mistral.ministral-3-8b-instruct", "bedrock", "flex", "0.0154"),  # 0.07, 0.07: no half of 0.15
        ("gemini-2.5-flash", "gemini", "flex", "0.043"),  # 0.15, cached 0.03 (no discount), 1.25
        ("gemini-2.5-flash", "gemini", "priority", "0.1494"),  # times 1.8: 0.54, 0.054, 4.50
        ("gemini-3.5-flash-lite", "gemini", "flex", "0.042"),  # 0.15, 0.02, 1.25
        ("gemini-3.5-flash-lite", "gemini", "priority", "0.149"),  # 0.54, 0.05, 4.50
    ],
)
def test_a_service_tier_has_its_own_price(model: str, provider: str, tier: str, price: str):
    assert CARD.price(model, provider, TOKENS, NOW, tier) == dollars(price)


@pytest.mark.parametrize("tier", ["flex", "batch"])
def test_a_cliff_holds_at_a_service_tier_too(tier: str):
    """gpt-5.4 above 272,000: input 2.50, output 11.25, half of the long prices, for all tokens."""
    at, past = (CARD.price("gpt-5.4", "openai", Usage(n, 1000), NOW, tier) for n in (272_000, 272_001))
    assert at == dollars("0.3475")  # 0.272 x 1.25 + 0.001 x 7.50
    assert past == dollars("0.6912525")  # 0.272001 x 2.50 + 0.001 x 11.25


@pytest.mark.parametrize(
    ("model", "provider", "tier"),
    [
        ("gpt-4.1", "openai", "flex"),
        ("o1", "openai", "priority"),
        ("claude-sonnet-4-6", "anthropic", "flex"),
        ("claude-sonnet-4-6", "anthropic", "priority"),
        ("eu.anthropic.claude-sonnet-4-6", "bedrock", "batch"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock", "flex"),
        ("openai/gpt-oss-120b", "groq", "priority"),
        ("gemini-1.5-pro", "gemini", "flex"),
        ("gpt-5", "openai", "scale"),
        ("gpt-5", "openai", "ultrafast"),
    ],
)
def test_an_unknown_price_of_a_service_tier_is_an_error_that_says_what_to_do(model: str, provider: str, tier: str):
    for ask in (CARD.price, lambda *a: CARD.worst(a[0], a[1], 1, 1, NOW, service_tier=tier)):
        with pytest.raises(UnknownPrice) as caught:
            ask(model, provider, Usage(1, 1), NOW, tier)
        assert f"service tier {tier!r}" in caught.value.message
        assert f'service_tier = "{tier}"' in (caught.value.next_step or "")
        assert "Did you mean" not in (caught.value.next_step or "")


def test_a_model_that_nobody_knows_is_unknown_as_ever():
    with pytest.raises(UnknownPrice, match="No price is known for 'gpt-5-typo' on openai"):
        CARD.price("gpt-5-typo", "openai", Usage(1, 1), NOW, "flex")


def test_each_price_names_its_source():
    assert CARD.source("gpt-5", "openai", NOW, "flex").startswith("genai-prices ")
    assert "LiteLLM" in CARD.source("us.amazon.nova-pro-v1:0", "bedrock", NOW, "flex")
    assert "Groq" in CARD.source("llama-3.3-70b-versatile", "groq", NOW, "flex")
    assert CARD.service_tiers("gpt-5", "openai", NOW) == list(SERVICE_TIERS)
    assert CARD.service_tiers("claude-sonnet-4-6", "anthropic", NOW) == ["standard", "batch"]


def own(tier: str = "standard", price: int = 1, **more: object) -> OwnRate:
    return OwnRate("openai", "gpt-5", Decimal(price), Decimal(4 * price), service_tier=tier, **more)  # type: ignore[arg-type]


def test_an_own_rate_of_a_service_tier_goes_before_the_list():
    card = RateCard.load([own("flex", 2)])
    assert card.price("gpt-5", "openai", Usage(MILLION, 0), NOW, "flex") == dollars("2")
    assert card.price("gpt-5", "openai", Usage(MILLION, 0), NOW) == dollars("1.25")
    assert card.source("gpt-5", "openai", NOW, "flex") == "own rate"


def test_who_has_an_own_standard_price_does_not_pay_the_lists_at_another_service_tier():
    card = RateCard.load([own()])
    with pytest.raises(UnknownPrice):
        card.price("gpt-5", "openai", Usage(1, 1), NOW, "flex")
    later = RateCard.load([own(valid_from=date(2026, 12, 1))])
    assert later.price("gpt-5", "openai", Usage(MILLION, 0), NOW, "flex") == dollars("0.625")


def test_a_tier_of_a_contract_can_be_given_a_price_under_the_providers_word():
    card = RateCard.load([own("scale", 3)])
    assert card.price("gpt-5", "openai", Usage(MILLION, 0), NOW, "scale") == dollars("3")


def test_past_an_own_threshold_all_tokens_cost_the_other_price():
    cliffs = (
        OwnBand(100, Decimal(2), Decimal(6), cache_read_per_mtok=Decimal(1)),
        OwnBand(200, Decimal(3), Decimal(9)),
    )
    card = RateCard.load([own("flex", 1, above=cliffs)])

    def price(*counts: int) -> int:
        return card.price("gpt-5", "openai", Usage(*counts), NOW, "flex")

    assert price(100, 10) == 100 * 1000 + 10 * 4000
    assert price(101, 10) == 101 * 2000 + 10 * 6000
    assert price(200, 10, 150) == 50 * 2000 + 150 * 1000 + 10 * 6000
    assert price(201, 10, 150) == 201 * 3000 + 10 * 9000  # no cache rate stated: the input rate
    assert card.worst("gpt-5", "openai", 201, 10, NOW, service_tier="flex") == 201 * 3000 + 10 * 9000


@pytest.mark.parametrize("starts", [(0,), (-1,), (200, 100), (100, 100)])
def test_thresholds_are_in_order(starts: tuple[int, ...]):
    with pytest.raises(ConfigError, match="ascending"):
        own(above=tuple(OwnBand(start, Decimal(1), Decimal(1)) for start in starts))


def test_a_band_above_has_sound_prices():
    with pytest.raises(ConfigError, match="output_per_mtok = -1"):
        own(above=(OwnBand(1, Decimal(1), Decimal(-1)),))


def test_the_version_changes_with_tier_and_bands():
    band = OwnBand(1, Decimal(1), Decimal(1))
    versions = [RateCard.load([rate]).version for rate in (own(), own("flex"), own(above=(band,)))]
    assert len(set(versions)) == 3
    same = OwnBand(1, Decimal("1.00"), Decimal("1.0"))
    assert RateCard.load([own(above=(same,))]).version == versions[2]


@given(
    st.sampled_from(
        [
            ("gpt-5.4", "openai"),
            ("claude-haiku-5-5", "anthropic"),
            ("us.amazon.nova-pro-v1:0", "bedrock"),
            ("gemini-2.5-pro", "gemini"),
        ]
    ),
    st.integers(0, 400_000),
    st.integers(0, 50_000),
    st.floats(0, 1),
)
@settings(max_examples=40)
def test_discounts_never_cost_more_and_the_worst_case_covers(
    where: tuple[str, str], sent: int, written: int, part: float
):
    model, provider = where
    usage = Usage(sent, written, cache_read_tokens=int(sent * part))
    standard = CARD.price(model, provider, usage, NOW)
    for tier in CARD.service_tiers(model, provider, NOW):
        price = CARD.price(model, provider, usage, NOW, tier)
        assert price <= CARD.worst(model, provider, sent, written, NOW, service_tier=tier)
        if tier == "priority":
            assert price >= standard
        elif tier != "standard":
            assert Fraction(standard, 2) <= price + 1
            assert price <= standard


def test_a_multiple_is_rounded_up_to_a_whole_nano_dollar_per_million():
    """eu nova-lite has no flex; ministral's 7/15 of 0.15 is 0.07 exactly, of a fraction it is rounded up."""
    rate = CARD._rate("mistral.ministral-3-8b-instruct", "bedrock", NOW, "priority")
    assert rate.bands[0].input == ceil(Fraction(26, 15) * 150_000_000)
