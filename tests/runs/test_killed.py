"""A process killed in the middle of its runs: the books still agree once its lease is over."""

import threading
import time
from pathlib import Path

import pytest

from pricing.db import schema
from tasks.sandbox import Latency, Sandbox
from tests.support.aftermath import examine
from tests.support.books import assert_ledger_equals_journal, assert_replica_equals_ledger, rows
from tests.support.kills import kill_one_by_one
from tests.support.postgres import Postgres
from tests.support.project import make_project
from tests.support.runs import digest_run, riding
from tests.support.waiting import PATIENCE, until

LEASE = 1.0
LATENCY = 0.3


class Until(Latency):
    """Answers come once something has happened, and not before."""

    def __init__(self, happened: threading.Event) -> None:
        super().__init__(0, 0)
        object.__setattr__(self, "happened", happened)

    happened: threading.Event

    def of(self, tokens: int) -> float:
        assert self.happened.wait(PATIENCE)
        return 0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_kill_9_in_the_middle_of_runs(tmp_path: Path, kind: str, request: pytest.FixtureRequest):
    ledger_url = ""
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        ledger_url = postgres.ledger()
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(LATENCY, 0)) as slow:
        project = make_project(tmp_path / "project", slow.url, lease_seconds=LEASE, documents=2, ledger_url=ledger_url)
        kills = 3 if kind == "sqlite" else 2
        kill_one_by_one(project, ["digest:500"] * kills, 0, 0.3, LATENCY, slow.journal)
        with project.runtime_here() as runtime:
            time.sleep(LEASE + 0.2)
            found = examine(runtime, slow.journal)
            assert found.lost_runs
            assert found.lost_attempts, "no kill fell into an exchange"
            assert found.billed_and_lost
            digest_run(runtime, str(project.documents), 2)
            assert examine(runtime, slow.journal).runs == found.runs + 1


def test_a_run_that_only_slept_is_corrected_when_it_comes_back(tmp_path: Path):
    """Its hold was reaped under it: what it had sent is counted at its worst, and at its cost once that is known."""
    from flows.daily_digest import Summary, classify, daily_digest

    reaped = threading.Event()
    with Sandbox(tmp_path / "journal.jsonl", latency=Until(reaped)) as slow:
        project = make_project(tmp_path / "project", slow.url, lease_seconds=LEASE, documents=1)
        with project.runtime_here() as runtime:

            def reap() -> None:
                until("attempt under way", lambda: rows(runtime.ledger, schema.inflight))
                until("end of the lease", lambda: runtime.ledger.reap() or not rows(runtime.ledger, schema.holds))
                reaped.set()

            reaper = threading.Thread(target=reap)
            with riding(runtime, daily_digest, {"source": str(project.documents), "limit": 1}) as ride:
                ride._renewing.cancel()  # as if the machine had slept
                reaper.start()
                assert classify.fn(Summary(headline="The disk was full", summary="On Monday the ledger stopped.")).topic
            reaper.join()
            [settlement] = rows(runtime.ledger, schema.settlements)
            assert settlement["outcome"] == "lost"
            [attempt] = assert_ledger_equals_journal(runtime, slow.journal)
            assert (attempt["outcome"], attempt["priced"]) == ("lost", "worst_case")
            [adjustment] = rows(runtime.ledger, schema.adjustments)
            cost = attempt["cost_nano"] + adjustment["cost_delta_nano"]
            assert 0 < cost < attempt["cost_nano"]
            assert {(row["held_nano"], row["spent_nano"]) for row in rows(runtime.ledger, schema.budgets)} == {
                (0, cost)
            }
            runtime.replica.sync()
            assert_replica_equals_ledger(runtime)
