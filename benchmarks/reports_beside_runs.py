"""Runs alone, and the same runs while reports are made without a pause: ``python -m benchmarks reports_beside_runs``.

Runs hold, ask, settle and bring the replica up to date, as those of a worker do; the server answers at once, so that a
turn is nothing but our own work. In every other round another process makes reports of the same replica, which has a
past of ``--turns`` turns, one after the other on all cores: the overview, a run's and a breakdown. Who only computes
beside them shows in ``beside a busy core``: there, another process of one thread counts, and reads nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import sqlalchemy as sa

from benchmarks import harness, synthetic_history
from benchmarks.load import a_run
from farebox.runtime import Runtime
from pricing.db.database import Store
from pricing.errors import FareboxError
from pricing.replica.replica import Replica
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext

ROUNDS = 4
TURNS = 10
"""Per run, one after the other."""
COUNTING = "counting"


class Beside:
    """A process that works between two signals and reports its counts."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def signal(self) -> None:
        """Start or stop its work."""
        if self._process.stdin is not None:
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def counts(self) -> tuple[int, int]:
        """The number of completed and failed repetitions until it was stopped."""
        made, failed = json.loads(self._process.stdout.readline() if self._process.stdout else "[0, 1]")
        return made, failed


@contextmanager
def beside(*arguments: str) -> Iterator[Beside]:
    """This module in a process of its own, ready to work."""
    command = [sys.executable, "-m", "benchmarks.reports_beside_runs", "--work", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=harness.ROOT)
    worker = Beside(process)
    try:
        harness.expect(worker.counts() == (0, 0))
        yield worker
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(60)


def work(what: str, ledger_url: str) -> None:
    """The other process: reports, or counting, from one line on standard input to the next."""
    tasks = [lambda: sum(range(1_000_000))] if what == COUNTING else reports(Path(what), ledger_url)
    for task in tasks:
        task()
    print("[0, 0]", flush=True)
    while sys.stdin.readline():
        stopped, counts = threading.Event(), [0, 0]

        def loop(stopped: threading.Event = stopped, counts: list[int] = counts) -> None:
            for task in itertools.cycle(tasks):
                try:
                    task()
                    counts[0] += 1
                except FareboxError as error:
                    print(error, file=sys.stderr)
                    counts[1] += 1
                if stopped.is_set():
                    return

        thread = threading.Thread(target=loop)
        thread.start()
        sys.stdin.readline()
        stopped.set()
        thread.join()
        print(json.dumps(counts), flush=True)


def reports(path: Path, ledger_url: str) -> list[Callable[[], object]]:
    """Of all that is in a replica, as the commands ask for them."""
    from pricing import reports as face

    replica = Replica(path, Store(ledger_url))
    return [
        lambda: face.overview(replica),
        lambda: face.run_report(replica, "last"),
        lambda: face.breakdown(replica, ("automation", "operation")),
    ]


def with_a_past(runtime: Runtime, turns: int) -> None:
    """Fill the replica; rows that the ledger gets from now on are numbered after those of the past."""
    store = runtime.ledger.store
    synthetic_history.fill(runtime.replica, store, turns)
    with runtime.replica.read() as duck, store.write() as ledger:
        for table in synthetic_history.tables():
            [(newest,)] = duck.execute(f"SELECT coalesce(max(seq), 0) FROM facts.{table}").fetchall()
            ledger.execute(sa.text("INSERT INTO sqlite_sequence VALUES (:name, :seq)"), {"name": table, "seq": newest})


def a_round(runtime: Runtime, seconds: float, turns_ms: list[float], ends_ms: list[float]) -> int:
    """Runs until the time is over; how many."""
    ask, runs, started = Ask(lambda: runtime.engine), 0, time.perf_counter()

    async def some(run_id: str) -> None:
        with inside(Step(harness.STEP, max_turns=TURNS), run=RunContext(run_id)):
            for _ in range(TURNS):
                began = time.perf_counter()
                harness.expect(await ask._ask(harness.TEMPLATE, str, {"document": harness.DOCUMENT}))
                turns_ms.append((time.perf_counter() - began) * 1000)

    while time.perf_counter() - started < seconds:
        run = a_run(runtime.rates.version)
        harness.expect(runtime.ledger.admit(run, []) == [])
        runtime.engine.loop.run(some(run.run_id))
        runtime.ledger.settle(run.run_id, "completed")
        ends_ms.append(harness.milliseconds(runtime.replica.sync))
        runs += 1
    return runs


def measure(stack: ExitStack, turns: int, seconds: float) -> int:
    """Print the table; the number of reports that failed."""
    folder = stack.enter_context(harness.workplace())
    server = stack.enter_context(harness.serving("benchmarks.loopback"))
    runtime = stack.enter_context(harness.project(folder, base_url=f"{server.url}/v1"))
    made = harness.milliseconds(lambda: with_a_past(runtime, turns)) / 1000
    print(f"a past of {turns:,} turns was made in {made:.0f} s", flush=True)
    a_round(runtime, 2, [], [])
    ledger_url = f"sqlite:///{runtime.home / 'ledger.db'}"
    ways: dict[str, Beside | None] = {
        "alone": None,
        "beside a busy core": stack.enter_context(beside(COUNTING, "")),
        "beside reports": stack.enter_context(beside(str(runtime.replica.path), ledger_url)),
    }
    turns_ms: dict[str, list[float]] = {way: [] for way in ways}
    ends_ms: dict[str, list[float]] = {way: [] for way in ways}
    counts: dict[str, list[int]] = {way: [0, 0, 0] for way in ways}
    for _ in range(ROUNDS):
        for way, other in ways.items():
            if other is not None:
                other.signal()
            counts[way][0] += a_round(runtime, seconds, turns_ms[way], ends_ms[way])
            if other is not None:
                other.signal()
                for place, count in enumerate(other.counts(), 1):
                    counts[way][place] += count
    rows = [_row(way, counts[way], turns_ms, ends_ms) for way in ways]
    reported, failed = counts["beside reports"][1:]
    harness.table(
        f"turns of runs, {ROUNDS} rounds of {seconds:g} s each way, a past of {turns:,} turns",
        ("", "runs", "turn p50 / p99 ms", "÷ alone", "sync p50 / p99 ms", "÷ alone"),
        rows,
        [f"Meanwhile {reported} reports were made, {failed} failed."],
    )
    return failed + (reported == 0)


def _row(way: str, counts: list[int], turns_ms: dict[str, list[float]], ends_ms: dict[str, list[float]]) -> list[str]:
    cells = [way, str(counts[0])]
    for samples in (turns_ms, ends_ms):
        (p50, p99), (base50, base99) = (_p50_p99(samples[name]) for name in (way, "alone"))
        cells += [f"{p50:.1f} / {p99:.1f}", f"{p50 / base50:.2f} / {p99 / base99:.2f}"]
    return cells


def _p50_p99(samples: list[float]) -> tuple[float, float]:
    return median(samples), quantiles(samples, n=100)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=200_000, help="of the past that reports are about")
    parser.add_argument("--seconds", type=float, default=2.5, help="of each round")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    harness.quiet_environment()
    if options.work:
        work(*options.work)
        return
    with ExitStack() as stack:
        failed = measure(stack, options.turns, options.seconds)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
