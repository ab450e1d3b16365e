"""The decision which service tier a turn asks for, by when its run is due."""

from decimal import Decimal
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.errors import UnknownPrice
from pricing.rates import OwnRate, RateCard, ServiceTier
from pricing.usage import Usage
from tasks.routing import BatchHistory, BatchTime, ServiceTiers, TierOffer, choose_service_tier
from tasks.routing.batch_history import UNKNOWN_BATCH_TIME
from tasks.routing.service_tiers import FLEX_SECONDS, RESERVE
from tests.support.routes import target

HOUR = 3_600_000_000
ALL: dict[ServiceTier, int] = {"standard": 100, "flex": 50, "batch": 50}
QUICK = BatchTime(600, 1800, 40)


def chosen(offer: TierOffer, hours: float | None, **more: Any) -> str:
    due_at = None if hours is None else round(hours * HOUR)
    choice = choose_service_tier(offer, due_at=due_at, now=0, **more)
    return choice.service_tier


@pytest.mark.parametrize(
    ("offer", "hours", "expected"),
    [
        (TierOffer(ALL, QUICK), None, "standard"),
        (TierOffer(ALL, QUICK), -1, "standard"),
        (TierOffer(ALL, QUICK), 0.49, "standard"),
        (TierOffer(ALL, QUICK), 0.5, "flex"),
        (TierOffer(ALL, QUICK), 0.74, "flex"),
        (TierOffer(ALL, QUICK), 0.75, "batch"),
        (TierOffer(ALL, UNKNOWN_BATCH_TIME), 4.2, "flex"),
        (TierOffer(ALL, UNKNOWN_BATCH_TIME), 4.25, "batch"),
        (TierOffer(ALL), 24, "flex"),  # its turns cannot be part of a batch
        (TierOffer({"standard": 100, "batch": 50}, QUICK), 0.6, "standard"),
        (TierOffer({"standard": 100, "batch": 50}, QUICK), 24, "batch"),
        (TierOffer({"standard": 100, "flex": 100, "batch": 50}, QUICK), 0.6, "standard"),  # as Groq's flex
        (TierOffer({"standard": 100, "flex": 40, "batch": 50}, QUICK), 24, "flex"),
        (TierOffer({"standard": 100, "flex": 120, "batch": 100}, QUICK), 24, "standard"),
        (TierOffer({"standard": 100}, QUICK), 24, "standard"),
        (TierOffer({"standard": 0, "flex": 0, "batch": 0}, QUICK), 24, "standard"),
    ],
)
def test_the_cheapest_that_answers_in_time(offer: TierOffer, hours: float | None, expected: str):
    assert chosen(offer, hours) == expected


@pytest.mark.parametrize("named", ["standard", "priority", "flex", "batch"])
@pytest.mark.parametrize("hours", [None, 0.1, 24])
def test_what_the_step_or_target_names_counts(named: str, hours: float | None):
    assert chosen(TierOffer(ALL, QUICK), hours, named=named) == named


def test_a_larger_reserve_is_kept_for_more_turns():
    assert chosen(TierOffer(ALL, QUICK), 1, reserve=1800) == "batch"
    assert chosen(TierOffer(ALL, QUICK), 1, reserve=2_000) == "flex"
    choice = choose_service_tier(TierOffer(ALL, QUICK), due_at=HOUR, now=0, reserve=1200)
    assert choice.live_at == HOUR - 1_200_000_000


PRICES = st.dictionaries(st.sampled_from(["standard", "flex", "batch"]), st.integers(0, 1000)).map(
    lambda prices: {"standard": 100} | prices
)
TIMES = st.builds(BatchTime, st.floats(1, 1e5), st.floats(1, 1e5), st.integers(0, 100))


@given(prices=PRICES, batch=st.none() | TIMES, left=st.integers(-(10**11), 10**12), more=st.integers(0, 10**12))
def test_no_choice_costs_more_than_standard_or_is_late(
    prices: dict[ServiceTier, int], batch: BatchTime | None, left: int, more: int
):
    offer = TierOffer(prices, batch)
    choice = choose_service_tier(offer, due_at=left, now=0)
    needs = {"standard": -inf, "flex": FLEX_SECONDS + RESERVE, "batch": (batch.p95 if batch else inf) + RESERVE}
    assert needs[choice.service_tier] <= left / 1e6
    assert prices[choice.service_tier] <= prices["standard"]
    assert choice.why
    if choice.service_tier == "standard":
        assert choice.live_at is None
    else:
        assert prices[choice.service_tier] < prices["standard"]
        assert choice.live_at is not None
        assert 0 <= choice.live_at < left
    later = choose_service_tier(offer, due_at=left + more, now=0)
    assert prices[later.service_tier] <= prices[choice.service_tier]


CARD = RateCard.load()
CARD_OF_ONES_OWN = [OwnRate("vllm", "mine", Decimal(1), Decimal(2))]
USED = Usage(10_000, 1_000)


def test_targets_offer_what_their_provider_sells_at_a_known_price():
    history = BatchHistory((600.0,) * 30 + (1_800.0,) * 10)
    tiers = ServiceTiers(CARD, lambda: {"openai": history})
    mini = target("mini", "light", "openai", "gpt-5.4-mini")
    offer = tiers.offer(mini, USED, batched=True)
    standard = CARD.price("gpt-5.4-mini", "openai", USED)
    assert set(offer.prices) == {"standard", "flex", "batch"}
    assert offer.prices["standard"] == standard
    assert offer.prices["batch"] * 2 == offer.prices["flex"] * 2 == standard
    assert offer.batch == QUICK
    apart = tiers.offer(mini, USED, batched=False)
    assert (set(apart.prices), apart.batch) == ({"standard", "flex"}, None)
    claude = tiers.offer(target("haiku", "light", "anthropic", "claude-haiku-4-5"), USED, batched=True)
    assert (set(claude.prices), claude.batch) == ({"standard", "batch"}, UNKNOWN_BATCH_TIME)
    local = RateCard.load(CARD_OF_ONES_OWN)
    server = target("own", "light", "vllm", "mine")
    assert set(ServiceTiers(local).offer(server, USED, batched=True).prices) == {"standard"}
    with pytest.raises(UnknownPrice):
        tiers.offer(target("new", "light", "openai", "gpt-99"), USED, batched=True)


def test_a_choice_without_a_due_time_needs_no_price():
    unpriced = target("new", "light", "openai", "gpt-99")
    choice = ServiceTiers(CARD).choose(unpriced, USED, due_at=None, now=0, batched=True)
    assert choice.service_tier == "standard"
