"""Bills of service tiers written out by hand: the provider's reply is decoded and priced, exact to the nano-dollar."""

import json
import tomllib
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from farebox.config.settings import RateSettings
from pricing.clock import now_us
from pricing.ledger.facts import Intent
from pricing.rates import RateCard
from tasks.providers import adapter_for
from tasks.providers.service_tiers import served_tier
from tasks.routing.target import Target
from tasks.turn.attempt_prices import AttemptPrices

TABLE = tomllib.loads((Path(__file__).parents[2] / "data" / "service_tier_bills.toml").read_text("utf-8"))
BILLS: list[dict[str, Any]] = TABLE["bills"]
CARD = RateCard.load([RateSettings.model_validate(rate).rate() for rate in TABLE["rates"]])


def by_hand(sum_of_products: str) -> int:
    lines = [line.split(" x ") for line in sum_of_products.split(" + ")]
    return ceil(sum((int(count) * Decimal(rate) * 1000 for count, rate in lines), Decimal(0)))


def wire(provider: str, word: str, usage: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """A reply's headers and body, with the tier where that provider puts it."""
    match provider:
        case "anthropic":
            return {}, {"content": [{"type": "text", "text": "Hi"}], "usage": usage | {"service_tier": word}}
        case "bedrock":
            message = {"role": "assistant", "content": [{"text": "Hi"}]}
            return {}, {"output": {"message": message}, "usage": usage, "serviceTier": {"type": word}}
        case "gemini":
            candidate = {"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
            return {"x-gemini-service-tier": word}, {"candidates": [candidate], "usageMetadata": usage}
        case _:
            choice = {"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
            return {}, {"choices": [choice], "usage": usage, "service_tier": word}


@pytest.mark.parametrize("bill", BILLS, ids=[bill["what"] for bill in BILLS])
def test_a_bill(bill: dict[str, Any]):
    total = int(Decimal(bill["total"]) * 10**9)
    assert total == Decimal(bill["total"]) * 10**9 == by_hand(bill["bill"]), "the table does not add up"
    provider, model = bill["at"].split()
    headers, body = wire(provider, bill["reply"], bill["usage"])
    place = Target("t", provider, model, "light", 1_000_000, 8_000, "http://127.0.0.1", "d")
    reply = adapter_for(provider).decode(place, 200, headers, json.dumps(body).encode())
    intent = Intent(
        *("a", "t", "r", "say", 0, 0, "primary", "t", provider, "default", model, "light"),
        stand_in=False,
        worst_nano=1,
        rate_version=CARD.version,
        started_at=now_us(),
        service_tier_asked=bill.get("asked"),
    )
    unpriced: list[str] = []
    prices = AttemptPrices(CARD, lambda _intent, tier: unpriced.append(tier))
    paid = prices.of(intent, reply.usage, served_tier(reply.service_tier), None, maybe_billed=True)
    assert (paid.cost_nano, paid.priced, paid.service_tier) == (total, "usage", bill["paid"])
    assert unpriced == []


def test_there_are_as_many_as_were_promised():
    assert len(BILLS) >= 20
