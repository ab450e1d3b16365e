"""kill -9 at random points of runs, and the books compared. ``python -m benchmarks kills [--kills 200] [--store sqlite]``.

Ten processes at a time run the daily digest against one ledger and sync its replica, and each is killed at a moment of
its own: while it holds, sends, waits, records, settles or syncs. Three in ten are started again at once, under the same
run ids and within the lease of what they held. Most of them run below Prefect, where the way to the
ledger is the same; one in ten runs whole flows on a Prefect server. Then, once their leases are over, the ledger is
compared with the sandbox's billing journal and with itself, and the replica with one that is rebuilt.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

from benchmarks import harness
from tasks.sandbox import Latency, Sandbox
from tests.support.aftermath import Aftermath, examine
from tests.support.kills import kill_one_by_one
from tests.support.project import make_project

WAVE = 10
LEASE = 8.0
"""Seconds: a process that is started again at once is there before the lease of what it held is over."""
AGAIN = 6
"""Runs of a process that is started again, and ends by itself then."""
WITHIN = 0.25
"""Seconds between two kills at most: about two turns."""
LATENCY = 0.08
HEADS = (
    "ledger",
    "kills",
    "runs",
    "killed runs",
    "taken over",
    "attempts",
    "in flight",
    "of them billed",
    "lost",
    "charged twice",
    "held after",
    "replica rows",
    "rebuilt equal",
    "seconds",
)


def wave(folder: Path, ledger_url: str, kills: int, seed: int) -> Aftermath:
    """Kill this many processes on one new ledger."""
    with Sandbox(folder / "journal.jsonl", latency=Latency(LATENCY, 0)) as sandbox:
        project = make_project(folder / "project", sandbox.url, lease_seconds=LEASE, documents=2, ledger_url=ledger_url)
        jobs = ["digest:500"] * kills
        jobs[1:4] = [f"again:{AGAIN}"] * len(jobs[1:4])
        if "PREFECT_API_URL" in os.environ:
            jobs[0] = "flow:500"
        kill_one_by_one(project, jobs, seed, WITHIN, LATENCY, sandbox.journal)
        with project.runtime_here() as runtime:
            time.sleep(LEASE)
            return examine(runtime, sandbox.journal)


def served_by_prefect(stack: ExitStack, folder: Path) -> None:
    """Run whole flows on a separate server."""
    from prefect.settings import PREFECT_API_URL

    from tests.support.prefect_runs import prefect_server

    stack.enter_context(prefect_server(folder))
    os.environ["PREFECT_API_URL"] = str(PREFECT_API_URL.value())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="for each kind of ledger (200)")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only this kind of ledger")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments of the kills")
    parser.add_argument("--no-flows", action="store_true", help="without Prefect")
    options = parser.parse_args()
    harness.quiet_environment()
    rows = []
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        if not options.no_flows:
            served_by_prefect(stack, folder / "prefect")
        for name, url in harness.ledgers(stack).items():
            if options.store not in {None, name.lower()}:
                continue
            began, found = time.perf_counter(), list[Aftermath]()
            for number, left in enumerate(range(options.kills, 0, -WAVE)):
                place = folder / f"{name}-{number}"
                place.mkdir()
                found.append(wave(place, url(), min(WAVE, left), options.seed + number))
            sums = {field.name: sum(getattr(one, field.name) for one in found) for field in fields(Aftermath)}
            figures = ("runs", "lost_runs", "taken_over", "attempts", "lost_attempts", "billed_and_lost")
            cells = [f"{sums[figure]:,}" for figure in figures]
            seconds = f"{time.perf_counter() - began:.0f}"
            rows.append((name, f"{options.kills}", *cells, "0", "0", "0", f"{sums['rows']:,}", "yes", seconds))
    harness.table(
        "Killed with SIGKILL in the middle of runs",
        HEADS,
        rows,
        [
            f"seed {options.seed}; what was in flight is in the ledger at its worst case",
            "whatever is not as it is to be ends the benchmark, and says what differs",
        ],
    )


if __name__ == "__main__":
    main()
