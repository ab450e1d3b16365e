"""Many processes on one ledger: ``python -m benchmarks load``.

Each process has runs one after the other against one sandbox, as workers on several machines would: it holds on one
shared budget, asks ten turns, five at once, and settles. From the start of the clock the first target fails, so that its
circuit opens; ``asked`` is how many turns went to it first. In the end nothing may be overspent or held, every attempt
must be billed once, and no turn may have gone to that target a second after its circuit opened. Times are those that a
run waits for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import httpx
import sqlalchemy as sa

from benchmarks import harness
from farebox.runtime import Runtime
from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import FareboxError
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Run
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext
from tasks.sandbox import read_journal

TURNS, AT_ONCE = 10, 5
HELD = 40_000_000
"""Nano-dollars of each run, more than ten turns cost."""
_SEEN_US = 1_000_000
"""A circuit that opens is to be seen by every process within this time."""


@dataclass(frozen=True)
class ProcessResult:
    """The result of one process, with milliseconds of each admission and settlement."""

    runs: int
    refused: int
    failed: int
    admitted_ms: list[float]
    settled_ms: list[float]
    seconds: float


def a_run(version: str) -> Run:
    return Run(
        run_id=str(uuid.uuid4()),
        automation="load",
        quality="fast",
        plan="[]",
        routes="{}",
        rate_version=version,
        method="prior",
        history=0,
        point_nano=HELD,
        p50_nano=HELD,
        p95_nano=HELD,
        ceiling_nano=HELD,
        held_nano=HELD,
        stand_in=True,
        started_at=now_us(),
    )


async def ten_turns(runtime: Runtime, run_id: str) -> int:
    """Ask ten turns; returns the number that failed."""
    ask, left, failed = Ask(lambda: runtime.engine), iter(range(TURNS)), 0

    async def some() -> None:
        nonlocal failed
        for _ in left:
            try:
                await ask._ask(harness.TEMPLATE, str, {"document": harness.DOCUMENT})
            except FareboxError:
                failed += 1

    with inside(Step(harness.STEP, max_turns=TURNS), run=RunContext(run_id)):
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(some())
    return failed


def work(folder: Path, ledger_url: str, sandbox_url: str, limit: int, seconds: float, result: Path) -> None:  # noqa: PLR0917
    """Run as one process until the time is over."""
    rules = [BudgetRule("org", "acme", "day", limit)]
    admitted, settled, runs, refused, failed = [], [], 0, 0, 0
    with harness.project(folder, sandbox_url=sandbox_url, ledger_url=ledger_url) as runtime:
        warm = a_run(runtime.rates.version)
        while runtime.ledger.admit(warm, rules, final=False):
            time.sleep(0.05)
        runtime.engine.loop.run(ten_turns(runtime, warm.run_id))
        runtime.ledger.settle(warm.run_id, "completed")
        result.with_suffix(".ready").touch()
        while not (folder / "go").exists():
            time.sleep(0.002)
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            run = a_run(runtime.rates.version)
            refusals: list[object] = []
            admitted.append(harness.milliseconds(lambda: refusals.extend(runtime.ledger.admit(run, rules))))  # noqa: B023
            if refusals:
                refused += 1
                time.sleep(0.05)
                continue
            failed += runtime.engine.loop.run(ten_turns(runtime, run.run_id))
            settled.append(harness.milliseconds(lambda: runtime.ledger.settle(run.run_id, "completed")))  # noqa: B023
            runs += 1
        took = time.perf_counter() - started
    result.write_text(json.dumps([runs, refused, failed, admitted, settled, took]))


def storm(folder: Path, kind: str, ledger_url: str, processes: int, seconds: float, limit: int) -> list[str]:  # noqa: PLR0917
    """One row of the table."""
    ledger_url = ledger_url or f"sqlite:///{folder / 'ledger.db'}"
    results = [folder / f"{number}.json" for number in range(processes)]
    with ExitStack() as stack:
        served = stack.enter_context(harness.sandbox(folder))
        store = Store(ledger_url)
        stack.callback(store.close)
        with store.read():
            pass
        children = []
        for result in results:
            task = json.dumps([str(folder), ledger_url, served.url, limit, seconds, str(result)])
            children.append(
                subprocess.Popen([sys.executable, "-m", "benchmarks.load", "--work", task], cwd=harness.ROOT)
            )
        while not all(result.with_suffix(".ready").exists() for result in results):
            time.sleep(0.01)
        rule = {"kind": "503", "target": "light"}
        httpx.post(f"{served.url}/_sandbox/faults", json=[rule]).raise_for_status()
        (folder / "go").touch()
        for child in children:
            harness.expect(child.wait() == 0)
        finished = [ProcessResult(*json.loads(result.read_text())) for result in results]
        tries, wrong = books(store, folder / "journal.jsonl", limit)
    runs, took = sum(one.runs for one in finished), max(one.seconds for one in finished)
    times = [sorted(time for one in finished for time in getattr(one, name)) for name in ("admitted_ms", "settled_ms")]
    cells = [f"{kind}, {processes} processes", f"{runs / took:.1f}", f"{runs * TURNS / took:.0f}"]
    cells += [f"{median(some):.1f} / {quantiles(some, n=100)[-1]:.0f}" for some in times]
    return [*cells, str(sum(one.refused for one in finished)), str(sum(one.failed for one in finished)), tries, wrong]


def books(store: Store, journal: Path, limit: int) -> tuple[str, str]:
    """How often the failing target was tried, and the differences between ledger and journal."""
    attempts, budgets, events = schema.attempts.c, schema.budgets.c, schema.circuit_events.c
    with store.read() as ledger:
        known = {
            row.attempt_id: row.cost_nano for row in ledger.execute(sa.select(attempts.attempt_id, attempts.cost_nano))
        }
        [budget] = ledger.execute(sa.select(budgets.spent_nano, budgets.held_nano).where(budgets.scope == "org")).all()
        opened = ledger.execute(sa.select(sa.func.min(events.happened_at)).where(events.target == "light")).scalar_one()
        tries = list(
            ledger.execute(
                sa.select(attempts.started_at).where(
                    attempts.target == "light", attempts.ordinal == 0, attempts.outcome != "ok"
                )
            ).scalars()
        )
    billed = [entry.client_request_id for entry in read_journal(journal) if entry.billed]
    faults = {
        "overspent": budget.spent_nano > limit,
        "still held": budget.held_nano != 0,
        "spent is not what attempts cost": budget.spent_nano != sum(known.values()),
        "asked a target whose circuit was open": any(at > opened + _SEEN_US for at in tries),
        "billed twice": len(billed) != len(set(billed)),
        "billed and not written": not set(billed) <= set(known),
    }
    return str(len(tries)), ", ".join(fault for fault, is_so in faults.items() if is_so) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--limit", type=int, default=100_000 * HELD, help="of the shared budget, in nano-dollars")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    harness.quiet_environment()
    if options.work:
        folder, ledger_url, sandbox_url, limit, seconds, result = json.loads(options.work)
        work(Path(folder), ledger_url, sandbox_url, limit, seconds, Path(result))
        return
    rows = []
    with ExitStack() as stack:
        for kind, ledger_url in harness.ledgers(stack).items():
            for processes in options.processes:
                with harness.workplace() as folder:
                    rows.append(storm(folder, kind, ledger_url(), processes, options.seconds, options.limit))
        with harness.workplace() as folder:
            rows.append(storm(folder, "SQLite, budget too small", "", 4, options.seconds / 2, 2 * HELD))
    heads = (
        "",
        "runs/s",
        "turns/s",
        "admit p50 / p99 ms",
        "settle p50 / p99 ms",
        "refused",
        "failed",
        "asked",
        "faults",
    )
    harness.table(f"processes on one ledger, {options.seconds:.0f} s each, one sandbox", heads, rows)
    if any(row[-1] != "none" for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
