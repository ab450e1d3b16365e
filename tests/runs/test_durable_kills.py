"""kill -9 in the middle of runs, each continued until it completes: nothing that was answered is paid twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.sandbox import Latency, Sandbox
from tests.support.continued_runs import Driver, Tally, assert_paid_once
from tests.support.postgres import Postgres
from tests.support.project import make_project

LATENCY = 0.03
KILLS = 5


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    with Driver(seed=7) as driver:
        yield driver


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_runs_that_are_killed_and_continued_pay_once(
    tmp_path: Path, kind: str, driver: Driver, request: pytest.FixtureRequest
):
    """On Postgres every try is in another folder, as on another host."""
    ledger_url, hosts = "", 1
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        ledger_url, hosts = postgres.ledger(), 2
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(LATENCY, 0)) as slow:
        projects = [
            make_project(tmp_path / f"host-{n}", slow.url, ledger_url=ledger_url, lease_seconds=30)
            for n in range(hosts)
        ]
        roots, tally = [project.root for project in projects], Tally()
        while tally.kills < KILLS:  # a run may complete before all that were meant for it
            driver.complete(roots, f"run-{tally.runs}", min(3, KILLS - tally.kills), 0.2, tally)
        with projects[0].runtime_here() as runtime:
            found = assert_paid_once(runtime, roots, slow.journal, tally)
    assert found["ok"] == tally.runs * 12
