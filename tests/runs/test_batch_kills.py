"""kill -9 at stages of a batch, each run continued until it completes: no line is lost, none is paid twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.sandbox import Latency, Sandbox
from tests.support.batched_kills import STAGES, Driver, Tally, assert_paid_once
from tests.support.due_runs import BATCHED, QUICK, batch_rules
from tests.support.postgres import Postgres
from tests.support.project import make_project

ONE_BY_ONE = {
    "sqlite": [
        "after-Batches.begin",
        "after-OpenAIBatchClient.submit",
        "after-Batches.take",
        "before-Batches.collected",
    ],
    "postgres": ["after-OpenAIBatchClient.submit", "before-Ledger.record_turn"],
}


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    with Driver() as driver:
        yield driver


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_batch_survives_kills(tmp_path: Path, kind: str, driver: Driver, request: pytest.FixtureRequest):
    ledger_url = ""
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        ledger_url = postgres.ledger()
    stages = [stage for stage in STAGES if stage.name in ONE_BY_ONE[kind]]
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as sandbox:
        project = make_project(tmp_path / "project", sandbox.url, ledger_url=ledger_url, targets=BATCHED)
        batch_rules(sandbox, QUICK)
        tally = Tally()
        driver.complete(project.root, f"run-{kind}", [(stage, 1) for stage in stages], tally)
        with project.runtime_here() as runtime:
            assert_paid_once(runtime, sandbox.journal, tally)
    assert tally.kills == len(stages)
