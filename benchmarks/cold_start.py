"""What the first attempt of a new process takes more than later ones: ``python -m benchmarks.cold_start``.

Each round is a fresh process: a run is admitted, which loads the HTTP client and connects, and asks a sandbox in
another process. An attempt's time is what the ledger has of it, and what its target's ``read_timeout`` is held against.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from benchmarks import harness
from farebox.runs.admission import AdmittedRun
from pricing.db import schema
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext

ROUNDS = 9
CALLS = 40
_SETTLED = 10
"""Attempts after which a process counts as warm."""
LIMIT_MS = 20.0


def child(url: str, folder: Path) -> None:
    """Run as one process: print milliseconds of its attempts, and of its first turn, as JSON."""
    with harness.project(folder, base_url=f"{url}/t/light/v1") as runtime:
        run = runtime.ledger.run(harness.admitted(runtime))
        if run is None:
            raise RuntimeError("the run is not in its ledger")
        routes = {harness.STEP: [{"target": "light"}]}
        admitted = AdmittedRun(runtime, replace(run, routes=json.dumps(routes)), runtime.ledger.execution(run.run_id))
        ask, step = Ask(lambda: runtime.engine), Step(harness.STEP, max_turns=CALLS)
        started = time.perf_counter()
        with inside(step, run=RunContext(run.run_id)):
            ask(harness.TEMPLATE, document=harness.DOCUMENT)
            first = (time.perf_counter() - started) * 1000
            for _ in range(CALLS - 1):
                ask(harness.TEMPLATE, document=harness.DOCUMENT)
        admitted.leave()
        with runtime.ledger.store.read() as connection:
            taken = connection.execute(sa.select(schema.attempts.c.duration_us).order_by(schema.attempts.c.seq))
            print(json.dumps({"attempts": [us / 1000 for us in taken.scalars()], "turn": first}))


def main() -> None:
    harness.quiet_environment()
    if len(sys.argv) > 1:
        child(sys.argv[1], Path(sys.argv[2]))
        return
    first, warm, turns = [], [], []
    with harness.workplace() as folder, harness.sandbox(folder) as served:
        for _ in range(ROUNDS):
            command = [sys.executable, "-m", "benchmarks.cold_start", served.url, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=harness.ROOT)
            seen = json.loads(done.stdout)
            first.append(seen["attempts"][0])
            warm.append(median(seen["attempts"][_SETTLED:]))
            turns.append(seen["turn"])
    added = [cold - later for cold, later in zip(first, warm, strict=True)]
    rows = [
        ("first attempt", harness.spread(first)),
        ("later attempts", harness.spread(warm)),
        ("added to the first", harness.spread(added)),
        ("first turn, loading included", harness.spread(turns)),
    ]
    harness.table(f"cold_start: {ROUNDS} processes of {CALLS} attempts each, ms", ("", "p50 [quartiles]"), rows)
    if median(added) > LIMIT_MS:
        raise SystemExit(f"The first attempt takes {median(added):.1f} ms more than later ones; at most {LIMIT_MS:g}.")


if __name__ == "__main__":
    main()
