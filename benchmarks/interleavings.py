"""Random interleavings of what processes do to runs. ``python -m benchmarks interleavings [--count N] [--store sqlite]``.

Start, start again, kill, end of a lease, suspend, settle, reap, refuse, approve, in any order over several simulated
processes. Each must end with every hold settled once, budgets that carry exactly what attempts cost, nothing held, and
every run able to start. The first that does not ends the benchmark, and says its seed and its steps.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

from benchmarks import harness
from tests.support.interleavings import Interleavings

COUNTS = {"SQLite": 10_000, "Postgres": 1_000}
HEADS = ("ledger", "interleavings", "holds", "refused for being older", "corrected late", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, help=f"of interleavings ({COUNTS})")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only this kind of ledger")
    parser.add_argument("--seed", type=int, default=0, help="of the first one (0)")
    options = parser.parse_args()
    rows = []
    with ExitStack() as stack:
        for name, url in harness.ledgers(stack).items():
            if options.store not in {None, name.lower()}:
                continue
            count = options.count or COUNTS[name]
            place = url() or f"sqlite:///{stack.enter_context(harness.workplace()) / 'ledger.db'}"
            began, interleavings = time.perf_counter(), Interleavings(place)
            stack.callback(interleavings.close)
            for seed in range(options.seed, options.seed + count):
                interleavings.run(seed)
            cells = [f"{interleavings.counts[what]:,}" for what in ("held", "fenced", "adjusted")]
            rows.append((name, f"{count:,}", *cells, f"{time.perf_counter() - began:.0f}"))
    harness.table("Interleavings of executions", HEADS, rows, [f"seeds from {options.seed} on"])


if __name__ == "__main__":
    main()
