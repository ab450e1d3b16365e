"""kill -9 at every stage of a batch. ``python -m benchmarks batch_kills [--kills 100] [--store sqlite]``.

Runs with a due time send their turns in two waves. Their processes kill themselves at a stage: before or after a batch
is written down, created, recorded, looked at, each of its results taken, all of them taken, a turn recorded, the run
settled. Each run is killed twice on its way, at stages drawn at random until each has had its turn, and continued until it
completes. Then the sandbox's billing journal is compared with the ledger: no line is lost, none is paid twice, and all
of it is within the holds.
"""

from __future__ import annotations

import argparse
import random
import time
from contextlib import ExitStack

from benchmarks import harness
from tasks.sandbox import Latency, Sandbox
from tests.support.batched_kills import STAGES, TURNS, Driver, Stage, Tally, assert_paid_once
from tests.support.due_runs import BATCHED, QUICK, batch_rules
from tests.support.project import make_project

PER_RUN = 2
HEADS = (
    "ledger",
    "kills",
    "stages",
    "runs",
    "tries",
    "turns",
    "lines lost",
    "paid twice",
    "beyond the hold",
    "seconds",
)


def drawn(kills: int, seed: int) -> list[tuple[Stage, int]]:
    """So many kills: every stage as often as any other, each at a call of it that a run makes."""
    order = random.Random(seed)
    stages = [STAGES[number % len(STAGES)] for number in range(kills)]
    order.shuffle(stages)
    return [(stage, order.randint(1, stage.calls)) for stage in stages]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="for each kind of ledger (100)")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only this kind of ledger")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the stages")
    options = parser.parse_args()
    harness.quiet_environment()
    rows = []
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        for name, url in harness.ledgers(stack).items():
            if options.store not in {None, name.lower()}:
                continue
            began, tally = time.perf_counter(), Tally()
            place = folder / name
            place.mkdir()
            with Sandbox(place / "journal.jsonl", latency=Latency(0, 0)) as sandbox, Driver() as driver:
                project = make_project(place / "project", sandbox.url, ledger_url=url(), targets=BATCHED)
                batch_rules(sandbox, QUICK)
                kills = drawn(options.kills, options.seed)
                while kills:
                    now, kills = kills[:PER_RUN], kills[PER_RUN:]
                    driver.complete(project.root, f"run-{tally.runs}", now, tally)
                    # A stage that a continued run does not come to again is tried with the next run.
                    kills += drawn(max(0, options.kills - tally.kills - len(kills)), tally.tries)
                with project.runtime_here() as runtime:
                    assert_paid_once(runtime, sandbox.journal, tally)
            seconds = f"{time.perf_counter() - began:.0f}"
            figures = (tally.kills, len(tally.stages), tally.runs, tally.tries, tally.runs * TURNS)
            rows.append((name, *(f"{figure:,}" for figure in figures), "0", "0", "0", seconds))
    harness.table(
        "Killed with SIGKILL at every stage of a batch",
        HEADS,
        rows,
        [
            f"seed {options.seed}; each run is continued until it completes",
            "whatever is not as it is to be ends the benchmark, and says what differs",
        ],
    )


if __name__ == "__main__":
    main()
