"""One budget, many processes: never overspent, and never refused while it covers the run. ``python -m benchmarks.budget_storm``.

32 processes hold, spend and settle runs on the same two budgets (of a day and of a month) as fast as they can, until
neither covers another run. In the end what is spent must be what the attempts cost, nothing may be held, and
what is left must be less than one more run would hold.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import sqlalchemy as sa

from benchmarks import harness
from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Completion, Intent, Run
from pricing.ledger.ledger import Ledger
from pricing.usage import Usage

PROCESSES = 32
HOLD, WORST = 1_000, 600
REFUSED = 3
"""Refusals in a row after which a process is done: others may release what they hold meanwhile."""


@dataclass(frozen=True)
class Outcome:
    """The result of a storm: milliseconds of each admission, and the sums of the ledger."""

    admitted: int
    refused: int
    seconds: float
    times: list[float]
    limit: int
    spent: int
    held: int
    cost: int
    unfounded: int


def a_run() -> Run:
    return Run(
        run_id=uuid.uuid4().hex,
        automation="storm",
        quality="fast",
        plan="[]",
        routes="{}",
        rate_version="1",
        method="prior",
        history=0,
        point_nano=HOLD,
        p50_nano=HOLD,
        p95_nano=HOLD,
        ceiling_nano=HOLD,
        held_nano=HOLD,
        stand_in=True,
        started_at=0,
    )


def an_intent(run: Run) -> Intent:
    return Intent(
        attempt_id=uuid.uuid4().hex,
        turn_id="t",
        run_id=run.run_id,
        operation="o",
        hop=0,
        ordinal=0,
        reason="",
        target="t",
        provider="p",
        account="a",
        model="m",
        tier="light",
        stand_in=True,
        worst_nano=WORST,
        rate_version="1",
        started_at=0,
    )


def work(url: str, limit: int, seed: int, go: Path, result: Path) -> None:
    """Run as one process until a run is refused for good. A refusal is unfounded if the named budget covered the run."""
    ledger, dice = Ledger(Store(url), lease_seconds=3600), random.Random(seed)
    rules = [BudgetRule("org", "acme", "day", limit), BudgetRule("org", "acme", "month", limit + HOLD)]
    ledger.budgets()
    while not go.exists():
        time.sleep(0.002)
    times, admitted, refused, unfounded, in_a_row = [], 0, 0, 0, 0
    while in_a_row < REFUSED:
        run = a_run()
        began = time.perf_counter()
        refusals = ledger.admit(run, rules)
        times.append((time.perf_counter() - began) * 1000)
        if refusals:
            refused, in_a_row = refused + 1, in_a_row + 1
            unfounded += any(refusal.budget.left >= refusal.asked for refusal in refusals)
            time.sleep(0.05)
            continue
        admitted, in_a_row = admitted + 1, 0
        intent = an_intent(run)
        harness.expect(ledger.begin(intent).result() == [])
        ledger.end(intent, Completion("ok", Usage(1, 1), dice.randrange(WORST), "usage", 1)).result()
        ledger.settle(run.run_id, "completed")
    result.write_text(f"{admitted} {refused} {unfounded}\n" + "\n".join(map(str, times)))
    ledger.close()


def storm(url: str, processes: int, runs: int) -> Outcome:
    """Run all processes on a budget that covers about this many runs."""
    limit = runs * WORST // 2
    ledger = Ledger(Store(url), lease_seconds=3600)
    ledger.budgets()
    ledger.close()
    with tempfile.TemporaryDirectory(prefix="farebox-storm-") as name:
        folder = Path(name)
        children = []
        for number in range(processes):
            if (pid := os.fork()) == 0:
                code = 1
                try:
                    work(url, limit, number, folder / "go", folder / str(number))
                    code = 0
                finally:
                    os._exit(code)
            children.append(pid)
        time.sleep(0.5)
        began = time.perf_counter()
        (folder / "go").touch()
        codes = [os.waitpid(pid, 0)[1] for pid in children]
        seconds = time.perf_counter() - began
        harness.expect(not any(codes))
        contents = [(folder / str(number)).read_text().split("\n") for number in range(processes)]
    heads = [[int(value) for value in lines[0].split()] for lines in contents]
    store = Store(url)
    with store.read() as connection:
        day = connection.execute(sa.select(schema.budgets).where(schema.budgets.c.span == "day")).one()
        cost = connection.execute(sa.select(sa.func.sum(schema.attempts.c.cost_nano))).scalar_one()
    store.close()
    return Outcome(
        admitted=sum(head[0] for head in heads),
        refused=sum(head[1] for head in heads),
        unfounded=sum(head[2] for head in heads),
        seconds=seconds,
        times=[float(value) for lines in contents for value in lines[1:]],
        limit=limit,
        spent=day.spent_nano,
        held=day.held_nano,
        cost=int(cost),
    )


def verdict(out: Outcome) -> str:
    sound = out.spent <= out.limit and out.held == 0 and out.spent == out.cost and not out.unfounded
    return "yes" if sound and out.limit - out.spent < HOLD else "NO"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--runs", type=int, default=2_000)
    options = parser.parse_args()
    harness.quiet_environment()
    rows = []
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        for name, url in harness.ledgers(stack).items():
            out = storm(url() or f"sqlite:///{folder / 'ledger.db'}", options.processes, options.runs)
            rows.append(
                (
                    name,
                    f"{out.admitted:,}",
                    f"{out.refused:,}",
                    f"{out.admitted / out.seconds:,.0f}",
                    f"{median(out.times):.1f}",
                    f"{quantiles(out.times, n=100)[-1]:.0f}",
                    f"{out.spent / out.limit:.2%}",
                    verdict(out),
                )
            )
    heads = ("ledger", "admitted", "refused", "runs/s", "p50 ms", "p99 ms", "spent", "sound")
    notes = ["A run is four transactions: admit, begin, end, settle; p50 and p99 are of admit."]
    harness.table(f"one budget, {options.processes} processes at once", heads, rows, notes)
    if any(row[-1] == "NO" for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
