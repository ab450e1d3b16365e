"""``farebox quote NAME --sample 5``: items run for real, with consent, and the whole run's quote from them."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.quote_sample import size_parameter
from flows.daily_digest import daily_digest
from pricing.db import schema
from pricing.quotes import ResolvedPlan, quote_from_sample
from tests.support.books import rows
from tests.support.command import farebox
from tests.support.project import REPOSITORY, Project, make_project


def plan(items: int) -> ResolvedPlan:
    steps = [
        {"operation": "read", "calls": items, "input_tokens": 1, "output_tokens": 1, "max_calls": items, "max_input_tokens": 4},
        {"operation": "join", "calls": 1, "input_tokens": 1, "output_tokens": 1, "max_calls": 1, "max_input_tokens": 4},
        {"operation": "ocr", "calls": items, "max_calls": items, "cost_nano": 7},
    ]  # fmt: skip
    return ResolvedPlan.from_json(steps)


def test_what_grows_with_the_items_is_scaled_and_the_rest_is_not() -> None:
    found = quote_from_sample({"read": [100] * 5, "join": [40, 40], "ocr": [7] * 5}, plan(5), plan(50))
    assert found.p50.amount == 50 * 107 + 2 * 40  # two turns of one planned call: they retried, and will
    assert found.p95.amount == found.p50.amount
    assert found.turns == 12
    assert found.unseen == ()


def test_what_was_not_reached_is_said() -> None:
    assert quote_from_sample({"read": [100] * 5}, plan(5), plan(50)).unseen == ("join", "ocr")


def test_the_interval_holds_what_the_whole_run_costs() -> None:
    dice, covered = random.Random(3), 0
    for _ in range(40):
        seen = [round(1_000 * dice.lognormvariate(0, 0.4)) for _ in range(8)]
        rest = sum(1_000 * dice.lognormvariate(0, 0.4) for _ in range(80))
        found = quote_from_sample({"read": seen}, plan(8), plan(80))
        covered += found.p50.low * 0.95 <= rest <= found.p50.high * 1.05
        assert found.p50.low <= found.p50.amount <= found.p50.high
        assert found.p50.amount <= found.p95.amount
    assert covered >= 28  # eight items say little; the nominal level is 90 %


def test_the_size_is_the_parameter_that_the_plan_counts_by() -> None:
    assert size_parameter(daily_digest) == "limit"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project", "", documents=12)
    (made.root / "flows").symlink_to(REPOSITORY / "flows")
    return made


def test_nothing_is_run_without_consent(project: Project) -> None:
    said = farebox(project.root, "quote", "daily-digest", "--sample", "5", "--source", "documents")
    assert said.code != 0
    assert "nothing was spent" in said.all
    assert not spent(project)


def test_the_sample_is_run_and_becomes_history(project: Project) -> None:
    said = farebox(
        project.root, "quote", "daily-digest", "--sample", "5", "--yes", "--json", "--source", "documents", "--limit", "12"
    )  # fmt: skip
    assert said.code == 0, said.all
    told = json.loads(said.out)
    assert told["sample"]["items"] == 5
    assert told["sample"]["spent_nano"] == sum(row["cost_nano"] for row in spent(project))
    assert told["after"]["history"] == 1
    assert told["p50"]["low"] <= told["p50"]["amount"] <= told["p50"]["high"]
    assert told["p50"]["amount"] > 1.5 * told["sample"]["spent_nano"]
    assert told["unseen"] == []


def spent(project: Project) -> list[dict[str, Any]]:
    runtime = project.runtime()
    try:
        return list(rows(runtime.ledger, schema.attempts))
    finally:
        runtime.close()
