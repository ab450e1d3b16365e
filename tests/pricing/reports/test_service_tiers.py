"""Reports, exports and comparisons tell service tiers apart, and say nothing of them where there is only the usual one."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pricing.clock import from_us
from pricing.rates import RateCard
from pricing.reconciliation import reconcile
from pricing.replica.replica import Replica
from pricing.reports import FocusRates, breakdown, render_markdown, run_report, write_focus
from pricing.reports.selection import RunSelection
from pricing.reports.targets import target_health
from pricing.usage import Usage
from tests.support.report_books import CENT, NOON, Books

CARD = RateCard.load()
AT = from_us(NOON + 70 * 86_400_000_000)
"""In December 2026: the list has prices of all service tiers then."""
USED = Usage(10_000, 1_000, 4_000)
GPT: dict[str, Any] = {"provider": "openai", "model": "gpt-5", "target": "gpt"}


def price(tier: str) -> int:
    return CARD.price("gpt-5", "openai", USED, AT, tier)


@pytest.fixture
def tiers(light_books: Books, light_replica: Replica) -> Replica:
    """Two standard attempts, one at flex after one that had no capacity, and a line of a batch."""
    books = light_books
    books.clock = NOON + 70 * 86_400_000_000
    run = books.run("r-tiers")
    for turn, tier in enumerate(["standard", "standard", "flex", "batch"]):
        hop = 0
        if tier == "flex":
            full = books.intent(run, f"t{turn}", **GPT, service_tier_asked="flex")
            books.end(full, 0, "tier_capacity", service_tier="flex")
            hop = 1
        asked = None if tier == "standard" else tier
        intent = books.intent(run, f"t{turn}", **GPT, service_tier_asked=asked, hop=hop, ordinal=hop)
        books.end(
            intent, price(tier), usage=USED, service_tier=tier, service_tier_saved_nano=price("standard") - price(tier)
        )
        books.turn(run, f"t{turn}", hop + 1, target="gpt")
    books.ledger.settle("r-tiers", "completed")
    light_replica.sync()
    return light_replica


def test_a_run_report_names_the_tier_beside_the_model(tiers: Replica):
    report = run_report(tiers, "r-tiers")
    assert {(one.service_tier, one.attempts): one.cost_nano for one in report.models} == {
        ("standard", 2): 2 * price("standard"), ("flex", 2): price("flex"), ("batch", 1): price("batch"),
    }  # fmt: skip
    written = render_markdown(report)
    assert "gpt-5 at flex" in written
    assert "gpt-5 at batch" in written
    assert "gpt-5 at standard" not in written


def test_a_run_without_them_does_not_mention_them(light_books: Books, light_replica: Replica):
    run = light_books.run("r-plain")
    light_books.answered(run, "t1", CENT)
    light_books.ledger.settle("r-plain", "completed")
    light_replica.sync()
    assert " at standard" not in render_markdown(run_report(light_replica, "r-plain"))


def test_costs_by_service_tier(tiers: Replica):
    found = breakdown(tiers, ["service_tier"])
    assert {line.names[0]: (line.attempts, line.cost_nano) for line in found.lines} == {
        "standard": (2, 2 * price("standard")), "flex": (2, price("flex")), "batch": (1, price("batch")),
    }  # fmt: skip
    both = breakdown(tiers, ["model", "service_tier"], RunSelection())
    assert {line.names for line in both.lines} == {("gpt-5", tier) for tier in ("standard", "flex", "batch")}


def test_a_tier_without_capacity_is_no_failure_of_the_target(tiers: Replica):
    [health] = target_health(tiers)
    assert (health.attempts, health.failed, health.last_outcome) == (4, 0, "ok")


def test_focus_rows_have_the_tiers_own_unit_prices(tiers: Replica, tmp_path: Path):
    path = tmp_path / "focus.csv"
    write_focus(tiers, FocusRates(CARD, CARD, {}), path, RunSelection())
    with path.open() as file:
        rows = list(csv.DictReader(file))
    flex = [row for row in rows if row["x_ServiceTier"] == "flex"]
    assert {json.loads(row["SkuPriceDetails"])["x_TokenKind"] for row in flex} == {"input", "cache_read", "output"}
    assert {row["SkuPriceId"] for row in flex} == {
        f"openai/gpt-5/{kind}/flex" for kind in ("input", "cache_read", "output")
    }
    output = next(row for row in flex if row["SkuPriceId"].endswith("output/flex"))
    assert float(output["ListUnitPrice"]) == 5.0
    assert round(sum(float(row["BilledCost"]) for row in flex) * 1e9) == price("flex")
    plain = [row for row in rows if row["x_ServiceTier"] == "standard"]
    assert {row["SkuPriceId"] for row in plain} == {
        f"openai/gpt-5/{kind}" for kind in ("input", "cache_read", "output")
    }
    assert round(sum(float(row["BilledCost"]) for row in rows) * 1e9) == sum(
        map(price, ("standard", "standard", "flex", "batch"))
    )


def bill(folder: Path, lines: dict[str, tuple[str, int]]) -> Path:
    """OpenAI's costs of that day: by line item dollars."""
    start = int(datetime(AT.year, AT.month, AT.day, tzinfo=UTC).timestamp())
    results = [
        {"amount": {"value": nano / 1e9, "currency": "usd"}, "line_item": item, "project_id": "default", "object": kind}
        for item, (kind, nano) in lines.items()
    ]
    bucket = {"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": results}
    path = folder / "costs.json"
    path.write_text(json.dumps({"object": "page", "data": [bucket], "has_more": False, "next_page": None}))
    return path


def amounts(tier: str, mark: str, times: int = 1) -> dict[str, tuple[str, int]]:
    [(_, _, band), *_] = CARD.bands("gpt-5", "openai", AT, tier)
    kinds = {"input": 6_000 * band.input, "cached input": 4_000 * band.cache_read, "output": 1_000 * (band.output or 0)}
    kind = "organization.costs.result"
    return {f"gpt-5{mark}, {name}": (kind, times * nano // 1_000_000) for name, nano in kinds.items()}


def test_a_bill_that_names_the_same_tiers_agrees(tiers: Replica, tmp_path: Path):
    lines = amounts("standard", "", 2) | amounts("flex", " flex") | amounts("batch", " batch")
    found = reconcile(tiers, CARD, "openai", [bill(tmp_path, lines)], accounts={"default": "default"})
    assert {one.service_tier for one in found.differences} == {"standard", "flex", "batch"}
    assert (found.unexplained_nano, found.beyond) == (0, ())
    assert all(one.within_tolerance for one in found.differences)


def test_what_was_recorded_at_flex_and_billed_at_standard_is_a_difference(tiers: Replica, tmp_path: Path):
    lines = amounts("standard", "", 3) | amounts("batch", " batch")
    found = reconcile(tiers, CARD, "openai", [bill(tmp_path, lines)], accounts={"default": "default"})
    by_tier = {one.service_tier: one.difference_nano for one in found.differences}
    assert by_tier["flex"] == -price("flex")
    assert by_tier["standard"] == price("standard")


def review_of(replica: Replica, **more: Any) -> Any:
    from datetime import timedelta

    from pricing.analysis.price_review import Rates, review

    period = AT - timedelta(days=1), AT + timedelta(days=1)
    return review(replica, Rates(CARD, AT), Rates(CARD, AT, **more), period=period)


def test_a_price_review_reprices_each_at_its_tier(tiers: Replica):
    [line] = review_of(tiers).lines
    assert line.billed_nano == line.before_nano == line.after_nano
    haiku = ("anthropic", "claude-haiku-4-5")
    [moved] = review_of(tiers, moved={("openai", "gpt-5"): haiku}).lines
    # Haiku 4.5 has batches and no flex: what was at flex is standard there.
    expected = sum(
        CARD.price(haiku[1], haiku[0], USED, AT, tier) for tier in ("standard", "standard", "standard", "batch")
    )
    assert moved.after_nano == expected


def test_asking_the_same_target_at_standard_is_told_and_is_no_move(light_books: Books, light_replica: Replica):
    run = light_books.run("r-full")
    for name, target in (("t1", "gpt"), ("t2", "haiku")):
        full = light_books.intent(run, name, **GPT, service_tier_asked="flex")
        light_books.end(full, 0, "tier_capacity", service_tier="flex", status=429)
        moved = GPT | {"target": target, "hop": 1, "ordinal": 1, "reason": "tier_capacity at gpt"}
        light_books.end(light_books.intent(run, name, **moved), CENT)
        light_books.turn(run, name, 2, target=target)
    light_books.ledger.settle("r-full", "completed")
    light_replica.sync()
    assert {one.story for one in run_report(light_replica, "r-full").fallbacks} == {
        "summarize: gpt at flex 429 tier_capacity → gpt at standard ok",
        "summarize: gpt at flex 429 tier_capacity → haiku ok",
    }
    with light_replica.read() as connection:
        assert connection.execute("SELECT origin, target, turns FROM run_moves").fetchall() == [("gpt", "haiku", 1)]
        assert connection.execute("SELECT sum(fell_back) FROM run_turns").fetchall() == [(1,)]
