import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.errors import ConfigError, UnknownPrice
from pricing.money import parse_money
from pricing.rates.card import RateCard
from pricing.rates.own_rates import OwnRate
from pricing.rates.rate import Band, Rate
from pricing.usage import Usage

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CARD = RateCard.load()

PRICED = [
    ("claude-sonnet-4-5", "anthropic"),
    ("claude-haiku-5-5", "anthropic"),
    ("claude-opus-5-5", "anthropic"),
    ("openai/gpt-oss-120b", "groq"),
    ("llama-3.3-70b-versatile", "groq"),
    ("gpt-4o-mini", "openai"),
    ("gpt-6-luna", "openai"),
    (f"us.{HAIKU}", "bedrock"),
    ("amazon.nova-lite-v1:0", "bedrock"),
    ("gemini-3.8-flash", "gemini"),
]
THEIRS = {"bedrock": "aws", "gemini": "google"}


@pytest.mark.parametrize(
    ("model", "provider", "price"),
    [
        ("claude-sonnet-4-5", "anthropic", "0.0135 USD"),
        ("claude-haiku-4-5", "anthropic", "0.0045 USD"),
        ("openai/gpt-oss-120b", "groq", "0.0006 USD"),
    ],
)
def test_the_table_of_the_brief(model, provider, price):
    assert CARD.price(model, provider, Usage(2000, 500)) == parse_money(price)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("claude-sonnet-4-5-typo", "anthropic"),
        ("claude-sonnet-4-55", "anthropic"),
        ("claude-sonnet-4-5-20251399", "anthropic"),
        ("my-claude-haiku-4-5", "anthropic"),
        ("claude-haiku-4-5-20251001-v1:0", "anthropic"),
        ("gpt-5-nano-typo", "openai"),
        ("gpt-oss-120b", "groq"),
        ("us.anthropic.claude-haiku-4-5-20251001-v2:0", "bedrock"),
        ("my.anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock"),
        ("us-gov.anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock"),
        ("xus.anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock"),
        (f"us.{HAIKU}:tuned", "bedrock"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4", "bedrock"),
        (f"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/{HAIKU}", "bedrock"),
        ("llama3.1:8b", "openai_compatible"),
        ("gpt-4o-mini", "openai_compatible"),
        ("gpt-4o-mini", "no such provider"),
        ("text-embedding-3-small", "openai"),
        ("", "openai"),
    ],
)
def test_what_is_not_known_exactly_has_no_price(model, provider):
    with pytest.raises(UnknownPrice) as caught:
        CARD.price(model, provider, Usage(10, 10))
    fields = caught.value.fields
    assert (fields["model"], fields["provider"]) == (model, provider)
    assert "[[rates]]" in caught.value.next_step
    assert pickle.loads(pickle.dumps(caught.value)).fields == fields  # noqa: S301


def test_the_nearest_ids_are_offered():
    with pytest.raises(UnknownPrice, match="Did you mean 'openai/gpt-oss-120b'") as caught:
        CARD.price("gpt-oss-120b", "groq", Usage(1, 1))
    nearest = caught.value.fields["nearest"]
    assert isinstance(nearest, list)
    assert nearest[0] == "openai/gpt-oss-120b"


@pytest.mark.parametrize(
    ("model", "provider", "same_as"),
    [
        ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
        ("claude-sonnet-4-20250514", "anthropic", "claude-sonnet-4-0"),
        ("claude-3-5-haiku-latest", "anthropic", "claude-3-5-haiku-20241022"),
        ("Claude-Haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("gpt-4o-mini-2024-07-18", "openai", "gpt-4o-mini"),
        ("gpt-4o-2024-11-20", "openai", "gpt-4o"),
        (HAIKU, "bedrock", f"us.{HAIKU}"),
        (f"eu.{HAIKU}", "bedrock", f"us.{HAIKU}"),
        (f"jp.{HAIKU}", "bedrock", f"us.{HAIKU}"),
        (f"apac.{HAIKU}", "bedrock", f"us.{HAIKU}"),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{HAIKU}", "bedrock", f"us.{HAIKU}"),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.{HAIKU}", "bedrock", f"global.{HAIKU}"),
        (f"arn:aws:bedrock:eu-west-1::foundation-model/{HAIKU}", "bedrock", HAIKU),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", "bedrock", "global.anthropic.claude-opus-4-5-v1:0"),
    ],
)
def test_pinned_ids_profiles_and_arns_are_the_model_they_contain(model, provider, same_as):
    usage = Usage(12_345, 678, cache_read_tokens=1000, cache_write_tokens=100)
    assert CARD.price(model, provider, usage, NOW) == CARD.price(same_as, provider, usage, NOW)


def test_a_region_of_bedrock_costs_a_tenth_more_than_global():
    usage = Usage(1_000_000, 100_000)
    base = CARD.price(f"global.{HAIKU}", "bedrock", usage)
    assert base == CARD.price("claude-haiku-4-5", "anthropic", usage) == parse_money("1.50")
    for region in ("us", "eu", "jp", "apac"):
        assert CARD.price(f"{region}.{HAIKU}", "bedrock", usage) * 10 == base * 11


@pytest.mark.parametrize("provider", ["openai", "groq", "anthropic", "bedrock", "gemini"])
def test_every_model_that_we_name_has_a_price(provider):
    models = CARD.known_models(provider)
    assert len(models) > 20
    assert models == sorted(set(models))
    for model in models:
        assert CARD.price(model, provider, Usage(1000, 100), NOW) >= 0


tokens = st.integers(0, 1_200_000)


@st.composite
def usages(draw):
    read, write, hour, plain = draw(tokens), draw(tokens), draw(tokens), draw(tokens)
    kinds = draw(st.sampled_from([(0, 0, 0), (read, 0, 0), (0, write, 0), (read, write, 0), (read, write, hour)]))
    return Usage(plain + sum(kinds), draw(tokens), *kinds)


@settings(max_examples=150, deadline=None)
@given(usages(), st.sampled_from(PRICED), st.dates(date(2026, 1, 1), date(2027, 6, 1)))
def test_our_integers_are_the_lists_decimals_rounded_up(usage, target, day):
    """Against genai-prices itself; it bills a one-hour write without a rate of its own as a five-minute one."""
    from genai_prices import Usage as TheirUsage
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    model, provider = target
    at = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    theirs = DataSnapshot(providers=providers, from_auto_update=False).calc(
        TheirUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens + usage.cache_write_1h_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
        ),
        model,
        THEIRS.get(provider, provider),
        None,
        at,
    )
    assert CARD.price(model, provider, usage, at) == ceil(Fraction(theirs.total_price) * 10**9)


@settings(max_examples=100, deadline=None)
@given(usages(), st.sampled_from(PRICED), st.integers(0, 5000), st.integers(0, 5000))
def test_more_tokens_never_cost_less(usage, target, more_in, more_out):
    model, provider = target
    more = Usage(
        usage.input_tokens + more_in,
        usage.output_tokens + more_out,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
    )
    assert 0 <= CARD.price(model, provider, usage, NOW) <= CARD.price(model, provider, more, NOW)


@settings(max_examples=100, deadline=None)
@given(usages(), usages(), st.sampled_from(["openai/gpt-oss-120b", "llama-3.3-70b-versatile"]))
def test_without_cliffs_prices_add_up_to_the_rounding(a, b, model):
    together = CARD.price(model, "groq", a + b)
    apart = CARD.price(model, "groq", a) + CARD.price(model, "groq", b)
    assert 0 <= apart - together <= 1


@given(tokens, tokens, st.integers(0, 100), st.sampled_from(PRICED))
@settings(max_examples=60, deadline=None)
def test_a_cached_token_is_never_dearer_nor_counted_twice(input_tokens, output_tokens, percent, target):
    model, provider = target
    cached = input_tokens * percent // 100
    plain = CARD.price(model, provider, Usage(input_tokens, output_tokens), NOW)
    assert CARD.price(model, provider, Usage(input_tokens, output_tokens, cache_read_tokens=cached), NOW) <= plain


@given(usages(), st.sampled_from(PRICED), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_nothing_costs_more_than_its_worst_case(usage, target, room):
    model, provider = target
    five_minutes = Usage(
        usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.input_tokens - usage.cache_read_tokens
    )
    worst = CARD.worst(model, provider, usage.input_tokens + room, usage.output_tokens, NOW)
    plain = Usage(usage.input_tokens, usage.output_tokens)
    assert max(CARD.price(model, provider, u, NOW) for u in (plain, five_minutes)) <= worst


def test_past_a_cliff_all_tokens_reprice():
    at_edge = CARD.price("claude-haiku-5-5", "anthropic", Usage(100_000, 1000), NOW)
    past_it = CARD.price("claude-haiku-5-5", "anthropic", Usage(100_001, 1000), NOW)
    assert past_it > 4.9 * at_edge
    cached = Usage(100_001, 0, cache_read_tokens=100_000)
    assert CARD.price("claude-haiku-5-5", "anthropic", cached, NOW) > 4.9 * CARD.price(
        "claude-haiku-5-5", "anthropic", Usage(100_000, 0, cache_read_tokens=100_000), NOW
    )


def test_the_worst_case_sees_a_cliff_that_is_cheaper_beyond():
    falling = Rate((Band(10, 1, 12, 20, 50), Band(2, 1, 2, 4, 10)), (1000,))
    assert falling.worst(2_000_000, 1_000_000) == (2_000_000 * 12 + 1_000_000 * 50) // 1_000_000


def test_prices_have_dates_and_a_time_without_a_zone_is_utc():
    usage, last_day = Usage(1_000_000, 0), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    before = CARD.price("gemini-3.8-flash", "gemini", usage, last_day)
    after = CARD.price("gemini-3.8-flash", "gemini", usage, last_day + timedelta(seconds=1))
    assert after == 2 * before
    tokyo = timezone(timedelta(hours=9))
    assert CARD.price("gemini-3.8-flash", "gemini", usage, datetime(2027, 1, 1, 8, tzinfo=tokyo)) == before
    assert CARD.price("gemini-3.8-flash", "gemini", usage, datetime(2027, 1, 1)) == after  # noqa: DTZ001


@pytest.mark.parametrize("usage", [Usage(), Usage(10), Usage(output_tokens=10), Usage(-1, 5), Usage(5, 5, -1)])
def test_counts_that_are_missing_or_senseless_are_never_priced_at_nothing(usage):
    with pytest.raises(UnknownPrice, match="not known"):
        CARD.price("claude-haiku-4-5", "anthropic", usage)


def test_more_cached_than_input_is_charged_as_reported():
    reported = CARD.price("claude-haiku-4-5", "anthropic", Usage(10, 0, cache_read_tokens=1000))
    assert reported == CARD.price("claude-haiku-4-5", "anthropic", Usage(1000, 0, cache_read_tokens=1000))


def own(**changes: Any) -> OwnRate:
    return OwnRate(
        **{
            "provider": "openai_compatible",
            "model": "llama3.1:8b",
            "input_per_mtok": Decimal("0.05"),
            "output_per_mtok": Decimal("0.08"),
            **changes,
        }
    )


def test_an_own_rate_prices_what_no_list_knows():
    card = RateCard.load([own()])
    assert card.price("llama3.1:8b", "openai_compatible", Usage(2000, 500)) == 140_000
    assert card.known_models("openai_compatible") == ["llama3.1:8b"]
    assert card.window("llama3.1:8b", "openai_compatible") is None


def test_an_own_rate_beats_the_list_from_its_day_on():
    card = RateCard.load(
        [
            own(
                provider="groq",
                model="openai/gpt-oss-120b",
                input_per_mtok=Decimal("0.10"),
                valid_from=date(2026, 6, 1),
            ),
            own(
                provider="groq",
                model="openai/gpt-oss-120b",
                input_per_mtok=Decimal("0.12"),
                valid_from=date(2027, 1, 1),
            ),
        ]
    )

    def at(*day: int) -> int:
        return card.price("openai/gpt-oss-120b", "groq", Usage(1_000_000, 0), datetime(*day, tzinfo=UTC))  # type: ignore[arg-type,misc]

    assert at(2026, 5, 31) == parse_money("0.15")
    assert at(2026, 6, 1) == parse_money("0.10")
    assert at(2027, 1, 1) == parse_money("0.12")


def test_an_own_rate_not_yet_valid_of_an_unlisted_model_is_unknown():
    card = RateCard.load([own(valid_from=date(2027, 1, 1))])
    with pytest.raises(UnknownPrice):
        card.price("llama3.1:8b", "openai_compatible", Usage(1, 1), NOW)


def test_cache_rates_left_out_are_never_less_than_stated_ones():
    card = RateCard.load([own(cache_write_per_mtok=Decimal("0.0625"))])

    def price(**cached: int) -> int:
        return card.price("llama3.1:8b", "openai_compatible", Usage(1_000_000, 0, **cached))

    assert price(cache_read_tokens=1_000_000) == price() == parse_money("0.05")
    assert price(cache_write_tokens=1_000_000) == price(cache_write_1h_tokens=1_000_000) == parse_money("0.0625")


@pytest.mark.parametrize("wrong", ["-0.1", "NaN", "Infinity", "1e9", "0.0000000001"])
def test_an_own_rate_that_is_none_says_where_it_is_wrong(wrong):
    with pytest.raises(ConfigError, match=r"llama3\.1:8b.*output_per_mtok"):
        own(output_per_mtok=Decimal(wrong))


def test_a_fraction_of_a_nano_dollar_is_rounded_up_once_on_the_total():
    card = RateCard.load([own(input_per_mtok=Decimal("0.0001"), output_per_mtok=Decimal("0.0001"))])
    assert card.price("llama3.1:8b", "openai_compatible", Usage(1, 1)) == 1
    assert card.price("llama3.1:8b", "openai_compatible", Usage(5, 6)) == 2


def test_the_version_tells_lists_and_own_rates_apart():
    plain = RateCard.load().version
    one, other = own(), own(model="qwen3:4b")
    assert plain == "genai-prices 0.2.3"
    assert RateCard.load([one, other]).version == RateCard.load([other, one]).version
    assert RateCard.load([one]).version.startswith(f"{plain}+own.")
    assert RateCard.load([own(input_per_mtok=Decimal("0.050"))]).version == RateCard.load([one]).version
    assert len({plain, RateCard.load([one]).version, RateCard.load([own(valid_from=date(2027, 1, 1))]).version}) == 3


def test_windows():
    assert CARD.window("claude-haiku-4-5-20251001", "anthropic") == 200_000
    assert CARD.window("openai/gpt-oss-120b", "groq") == 131_072
    assert CARD.window("claude-haiku-4-5-typo", "anthropic") is None


def test_somebody_elses_snapshot_does_not_change_our_prices():
    from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot

    set_custom_snapshot(DataSnapshot(providers=[], from_auto_update=True))
    try:
        assert RateCard.load().price("claude-haiku-4-5", "anthropic", Usage(2000, 500)) == 4_500_000
    finally:
        set_custom_snapshot(None)
