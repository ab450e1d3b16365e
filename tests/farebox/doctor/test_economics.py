"""The doctor of economics: every failure mode, in a ledger that has it and in one that has not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from farebox.doctor.economics import CHECKS, EconomicFinding, diagnose
from farebox.runtime import Runtime
from pricing.clock import from_us
from pricing.db import schema
from pricing.ledger.budgets import BudgetRule
from pricing.money import USD
from pricing.usage import Usage
from tests.support.project import TARGETS, make_project
from tests.support.report_books import CENT, DAY, SECOND, Books

NOWHERE = "http://127.0.0.1:9"
ONE_PROVIDER = TARGETS.split("[[targets]]")[1].join(["[[targets]]", ""])
SONNET: dict[str, Any] = {"target": "sonnet", "tier": "premium", "model": "claude-sonnet-4-5"}


def sell(books: Books, run_id: str, cost: int, rules: tuple[BudgetRule, ...] = (), **changed: Any) -> None:
    run = books.run(run_id, rules=rules, **changed)
    for operation in ("plan", "summarize", "reply"):
        how = SONNET if operation == "plan" or not rules else {}
        intent = books.intent(run, f"{run_id}-{operation}", operation=operation, worst=USD // 4, **how)
        books.end(intent, cost // 3, usage=Usage(9_000, 900) if operation == "plan" and rules else Usage(1_000, 200))
        books.turn(run, f"{run_id}-{operation}", 1, operation=operation)
    books.clock += SECOND
    books.ledger.settle(run_id, "completed")


def sick(runtime: Runtime) -> Books:
    books = Books(runtime.ledger.store)
    books.clock -= 100 * DAY
    sell(books, "long-ago", 9 * CENT, price_nano=20 * CENT)
    books.clock += 100 * DAY
    for number in range(20):
        cost = (3 + 3 * number) * CENT
        sell(books, f"tokens-{number}", cost, price_nano=cost, automation="by-tokens", org_id="acme")
    sell(books, "digest", 30 * CENT, price_nano=20 * CENT)
    sell(books, "no-price", 30 * CENT, automation="weekly")
    run = books.run("untold", price_nano=20 * CENT)
    books.end(books.intent(run, "u", worst=USD // 2, **SONNET), USD // 2, "timeout", status=None)
    books.decided(run, "block", "scope", guard="scope")
    books.ledger.settle("untold", "blocked")
    return books


def sound(runtime: Runtime) -> Books:
    books = Books(runtime.ledger.store)
    rule = BudgetRule("automation", "digest", "day", 100 * USD)
    for number in range(3):
        version = runtime.rates.version
        sell(books, f"r{number}", 9 * CENT, (rule,), price_nano=USD, org_id="acme", rate_version=version)
    books.decided(
        books.run("guarded", org_id="acme", rules=(rule,), rate_version=runtime.rates.version), "block", "scope"
    )
    books.ledger.settle("guarded", "blocked")
    with runtime.ledger.store.write() as connection:
        review = {"decision": 1, "verdict": "right", "origin": "test", "reviewed_at": books.clock}
        connection.execute(schema.guard_reviews.insert(), review)
    return books


def seen(root: Path, write: Any, targets: str) -> list[EconomicFinding]:
    runtime = make_project(root, NOWHERE, targets=targets).runtime()
    try:
        books = write(runtime)
        runtime.replica.sync()
        found = diagnose(runtime, now=from_us(books.clock) + timedelta(minutes=1))
        assert found is not None
        return found
    finally:
        runtime.close()


@pytest.mark.parametrize(
    "check",
    [
        "one model",
        "cross-provider fallback",
        "unpriced costs",
        "unpriced outcomes",
        "unattributed runs",
        "margin",
        "old price",
        "priced by tokens",
        "guards without review",
        "no limit",
        "premium for light work",
    ],
)
def test_each_failure_mode_is_found_where_it_is_and_only_there(tmp_path: Path, check: str):
    ill = [one for one in seen(tmp_path / "ill", sick, ONE_PROVIDER) if one.check == check]
    assert ill
    assert all(one.found and one.next_step and one.evidence for one in ill), ill
    well = [one for one in seen(tmp_path / "well", sound, TARGETS) if one.check == check]
    assert [(one.found, one.at_stake) for one in well] == [(False, 0)], well


def test_what_is_at_stake_is_exact(tmp_path: Path):
    """By hand: 20 outcomes for 3, 6 … 60 cents, sold for as much; 30 cents sold for 20; 30 without a price; and 50 cents
    that a time-out may have cost.
    """
    stakes: dict[str, list[int]] = {}
    for one in seen(tmp_path, sick, ONE_PROVIDER):
        stakes.setdefault(one.check, []).append(one.at_stake)
    sold, each = 630 * CENT, 630 * CENT // 3 + 2 * 10 * CENT  # each of three operations cost a third of a run
    light = 22 * (1_000 * USD // 10**6 + 200 * 5 * USD // 10**6)  # the same tokens at haiku, $1 and $5 per million
    assert stakes == {
        "one model": [3 * (each - light)],
        "premium for light work": [each - light] * 3,
        "cache drop": [0],
        "cross-provider fallback": [sold + 20 * CENT],
        "unpriced costs": [50 * CENT],
        "unpriced outcomes": [30 * CENT],
        "unattributed runs": [(30 + 30 + 50) * CENT],
        "cost change": [0],
        "margin": [sold * 10 // 4 - sold, 80 * CENT * 10 // 4 - 20 * CENT],  # up to 60 % of the price
        "old price": [sold, 20 * CENT],
        "priced by tokens": [sold],
        "guards without review": [20 * CENT],
        "no limit": [sold, 80 * CENT, 30 * CENT],
    }


def test_neither_calibrations_nor_what_is_not_sold_is_told_of(tmp_path: Path):
    """A calibration asks expensive models for light work, again and again; its price is nothing, and set for ever."""

    def calibrated(runtime: Runtime) -> Books:
        books = sound(runtime)
        rule = BudgetRule("automation", "calibrate", "day", 100 * USD)
        version = runtime.rates.version
        run = books.run("tried", automation="calibrate", rules=(rule,), price_nano=0, rate_version="old")
        for number in range(9):
            intent = books.intent(run, f"tried-{number}", operation=f"step-{number}", worst=10 * USD, **SONNET)
            books.end(intent, 9 * USD, usage=Usage(100, 10))
        books.ledger.settle("tried", "completed")
        books.run("given", automation="gift", rules=(rule,), price_nano=0, org_id="acme", rate_version=version)
        books.ledger.settle("given", "completed")
        return books

    found = [one for one in seen(tmp_path, calibrated, TARGETS) if one.found]
    assert [one.check for one in found] == ["unattributed runs"]


@pytest.mark.parametrize("operation, limited", [("plan", True), ("translate", False)])
def test_the_budget_of_an_operation_limits_the_runs_that_ask_for_it(tmp_path: Path, operation: str, limited: bool):
    def held(runtime: Runtime) -> Books:
        books = Books(runtime.ledger.store)
        sell(books, "r", 9 * CENT, (BudgetRule("operation", operation, "day", USD, needs=None),), price_nano=USD)
        return books

    [told] = [one for one in seen(tmp_path, held, TARGETS) if one.check == "no limit"]
    assert told.found is not limited


@pytest.mark.parametrize("margin, missing", [(0.0, 60 * CENT), (0.2, 80 * CENT), (0.75, 300 * CENT)])
def test_a_margin_is_missed_by_what_is_lacking_in_the_price(tmp_path: Path, margin: float, missing: int):
    runtime = make_project(tmp_path, NOWHERE).runtime()
    try:
        books = sick(runtime)
        runtime.replica.sync()
        found = diagnose(runtime, margin=margin, now=from_us(books.clock) + timedelta(minutes=1))
        assert found is not None
        [digest] = [one for one in found if one.check == "margin" and one.message.startswith("digest")]
    finally:
        runtime.close()
    assert digest.at_stake == missing
    assert "a gross margin of -300 %" in digest.message


def test_light_work_at_a_premium_model_costs_what_light_rates_would_not(tmp_path: Path):
    def dear(runtime: Runtime) -> Books:
        books = Books(runtime.ledger.store)
        run = books.run("r")
        for turn, cost in (("t1", 3 * CENT), ("t2", CENT // 10)):  # the second costs less than at haiku
            books.end(books.intent(run, turn, operation="choose", **SONNET), cost, usage=Usage(1_000, 300))
            books.turn(run, turn, 1, operation="choose")
        books.ledger.settle("r", "completed")
        return books

    [found] = [one for one in seen(tmp_path, dear, TARGETS) if one.check == "premium for light work"]
    assert found.at_stake == 3 * CENT + CENT // 10 - 2 * (1_000 * 1_000 + 300 * 5_000)
    assert "($0.031) for 1,000 tokens in and 300 out" in found.message


def test_nothing_is_judged_where_nothing_ran(tmp_path: Path):
    runtime = make_project(tmp_path, NOWHERE).runtime()
    try:
        assert diagnose(runtime) is None
        assert len(CHECKS) == 12
    finally:
        runtime.close()
