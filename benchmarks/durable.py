"""Durable runs: kills, cost a turn, size and cleanup. ``python -m benchmarks durable [--kills 20] [--turns 1000]``.

*Kills*: processes die by ``kill -9`` at random moments of runs with mapped steps, identical questions, agents and tools.
Each run is continued (started again at once, tried again in its process, suspended and resumed; on Postgres in another
folder each time, as on another host) until it completes. Then every turn was answered once, every tool was called once,
and ledger and billing journal agree; requests that were in flight at a kill are counted beside them.

*Cost*: turns of a run with a journal and of one without, interleaved; and what a replayed turn takes.
*Size*: of the journal of one run with so many turns, and what deleting it takes.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks import harness
from farebox.runtime import Runtime
from pricing.clock import now_us
from pricing.ledger.facts import Run
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext
from tasks.sandbox import Latency, Sandbox
from tests.support.continued_runs import Driver, Tally, assert_paid_once
from tests.support.project import make_project

LATENCY = 0.03
WITHIN = 0.6
"""Seconds of a try within which it is killed: a whole one takes about as long."""
KILLS_A_RUN = 4
PLENTY = 10**15
HEADS = ("ledger", "kills", "runs", "tries", "turns paid", "in flight at a kill", "tools interrupted", "seconds")
COSTS = ("ledger", "turn without, p50 ms", "with a journal, p50 ms", "more, p50 ms", "replayed, p50 ms")
SIZES = ("ledger", "turns", "journal", "a turn", "deleted in")


def killed(folder: Path, driver: Driver, ledger_url: str, kills: int) -> list[str]:
    """Kill this many processes on one ledger; returns a row of the table."""
    began, tally = time.perf_counter(), Tally()
    folder.mkdir()
    hosts = 2 if ledger_url else 1
    with Sandbox(folder / "journal.jsonl", latency=Latency(LATENCY, 0)) as sandbox:
        projects = [make_project(folder / f"host-{n}", sandbox.url, ledger_url=ledger_url) for n in range(hosts)]
        roots = [project.root for project in projects]
        while tally.kills < kills:
            wanted = min(KILLS_A_RUN, kills - tally.kills)
            driver.complete(roots, f"run-{tally.runs}", wanted, WITHIN, tally)
        with projects[0].runtime_here() as runtime:
            found = assert_paid_once(runtime, roots, sandbox.journal, tally)
    counts = (tally.kills, tally.runs, tally.tries, found["ok"], found["lost"], tally.interrupted)
    return [*(f"{count:,}" for count in counts), f"{time.perf_counter() - began:.0f}"]


def costs(folder: Path, ledger_url: str, turns: int) -> tuple[list[str], list[str]]:
    """The duration of turns with and without a journal, and the journal's size, as rows of both tables."""
    folder.mkdir()
    with Sandbox(folder / "journal.jsonl", latency=Latency(0, 0)) as sandbox:
        project = make_project(folder / "project", sandbox.url, ledger_url=ledger_url)
        with project.runtime_here() as runtime:
            plain, kept = list[float](), list[float]()
            with _run(runtime, "plain", durable=False), _run(runtime, "kept", durable=True):
                _asked(runtime, "plain", 1, [f"warm {number}" for number in range(50)])
                for number in range(turns):  # interleaved, in turns: both have the machine's best and worst moments
                    for name in ("plain", "kept") if number % 2 else ("kept", "plain"):
                        taken = _asked(
                            runtime, name, 1, [f"{name} {number}"]
                        )  # the sandbox remembers what it was asked
                        (plain if name == "plain" else kept).extend(taken)
                size = runtime.journal.size("kept")
                replayed = _asked(runtime, "kept", 2, [f"kept {number}" for number in range(turns)])
            began = time.perf_counter()
            runtime.journal.delete("kept")
            gone = time.perf_counter() - began
    middle = [median(samples) * 1000 for samples in (plain, kept, replayed)]
    cost = [*(f"{ms:.2f}" for ms in (middle[0], middle[1], middle[1] - middle[0], middle[2]))]
    sizes = [f"{turns:,}", f"{size / 1000:,.0f} kB", f"{size // turns:,} B", f"{gone * 1000:.0f} ms"]
    return cost, sizes


@contextmanager
def _run(runtime: Runtime, run_id: str, *, durable: bool) -> Iterator[None]:
    run = Run(
        run_id=run_id,
        automation="bench",
        quality="fast",
        plan="[]",
        routes="{}",
        rate_version=runtime.rates.version,
        method="prior",
        history=0,
        stand_in=True,
        started_at=now_us(),
        durable=durable,
        point_nano=PLENTY,
        p50_nano=PLENTY,
        p95_nano=PLENTY,
        ceiling_nano=PLENTY,
        held_nano=PLENTY,
    )
    runtime.ledger.admit(run, [])
    try:
        yield
    finally:
        runtime.ledger.settle(run_id, "failed")


def _asked(runtime: Runtime, run_id: str, execution: int, names: list[str]) -> list[float]:
    """The duration of each turn in seconds, one after the other."""

    async def all_of_them() -> list[float]:
        taken, ask = [], Ask(lambda: runtime.engine)
        for name in names:
            began = time.perf_counter()
            with inside(Step("say", max_tokens=200), run=RunContext(run_id, execution=execution)):
                await ask._ask("say.j2", str, {"text": f"{name}: {harness.DOCUMENT}"})
            taken.append(time.perf_counter() - began)
            await asyncio.sleep(0)
        return taken

    return runtime.engine.loop.run(all_of_them())


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks durable")
    parser.add_argument("--kills", type=int, default=20, help="on each ledger")
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    harness.quiet_environment()
    print(harness.machine())
    kills, cost, size = list[list[str]](), list[list[str]](), list[list[str]]()
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        ledgers = harness.ledgers(stack)
        if options.kills:
            with Driver(options.seed) as driver:
                for name, url in ledgers.items():
                    kills.append([name, *killed(folder / f"{name}-kills", driver, url(), options.kills)])
            note = f"seed {options.seed}; what is paid twice or missing ends the benchmark, and is named"
            harness.table("Killed with SIGKILL and continued until complete", HEADS, kills, [note])
        for name, url in ledgers.items():
            cells, sizes = costs(folder / f"{name}-costs", url(), options.turns)
            cost.append([name, *cells])
            size.append([name, *sizes])
    harness.table("What a journal adds to a turn", COSTS, cost, ["one turn at a time, interleaved, sandbox included"])
    harness.table("What is kept", SIZES, size)


if __name__ == "__main__":
    main()
