"""A process killed in the middle of its runs: the books still agree once its lease is over."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from pricing import schema
from tasks.sandbox import Latency, Sandbox
from tests.support.books import (
    assert_ledger_adds_up,
    assert_ledger_equals_journal,
    assert_replica_equals_ledger,
    copied_facts,
    rows,
)
from tests.support.postgres import Postgres
from tests.support.project import Project, make_project
from tests.support.riding import digest_run, riding
from tests.support.worker import Crew

LEASE = 1.0
LATENCY = 0.3


def kill_at_random(project: Project, kills: int, seed: int, journal: Path) -> None:
    """Start as many processes at once, and kill each at a moment of its own, when it has a run behind it.

    The last one dies just after the sandbox has begun to answer it.
    """
    moments = random.Random(seed)
    with Crew(project, *["digest:500"] * kills) as crew:
        pids = crew.pids()
        crew.wait_for_all("ready")
        crew.tell("go")
        crew.wait_for_all("completed")
        for pid in pids[:-1]:
            time.sleep(moments.uniform(0.0, 0.3))
            os.kill(pid, signal.SIGKILL)
        time.sleep(1.5 * LATENCY)  # what the others had sent is in the journal by now
        before, deadline = journal.stat().st_size, time.monotonic() + 30
        while journal.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(pids[-1], signal.SIGKILL)
        crew.finish(timeout=20)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_kill_9_in_the_middle_of_runs(tmp_path: Path, kind: str, request: pytest.FixtureRequest):
    ledger_url = ""
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        ledger_url = postgres.database()
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(LATENCY, 0)) as slow:
        project = make_project(tmp_path / "project", slow.url, lease_seconds=LEASE, documents=2, ledger_url=ledger_url)
        for seed, kills in enumerate([4, 4] if kind == "sqlite" else [3]):
            kill_at_random(project, kills, seed, slow.journal)
        with project.runtime_here() as runtime:
            time.sleep(LEASE + 0.2)
            runtime.ledger.reap()
            attempts = assert_ledger_equals_journal(runtime, slow.journal)
            assert_ledger_adds_up(runtime)
            outcomes = {row["outcome"] for row in rows(runtime.ledger, schema.settlements)}
            assert "lost" in outcomes
            lost = [attempt for attempt in attempts if attempt["outcome"] == "lost"]
            assert lost, "no kill fell into an exchange"
            assert {attempt["priced"] for attempt in lost} == {"worst_case"}
            assert any(attempt["entry"] and attempt["entry"].billed for attempt in lost)

            digest_run(runtime, str(project.documents), 2)
            runtime.replica.sync()
            assert_ledger_equals_journal(runtime, slow.journal)
            assert_ledger_adds_up(runtime)
            assert_replica_equals_ledger(runtime)
            before = copied_facts(runtime.replica)
            runtime.replica.rebuild()
            assert copied_facts(runtime.replica) == before


def test_a_run_that_only_slept_is_corrected_when_it_comes_back(tmp_path: Path):
    """Its hold was reaped under it: what it had sent is counted at its worst, and at its cost once that is known."""
    from flows.daily_digest import Summary, classify, daily_digest

    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(3 * LEASE, 0)) as slow:
        project = make_project(tmp_path / "project", slow.url, lease_seconds=LEASE, documents=1)
        with project.runtime_here() as runtime:
            reaper = threading.Timer(1.5 * LEASE, runtime.ledger.reap)
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
