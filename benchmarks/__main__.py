"""``python -m benchmarks [name …]``: all of them, or those named, one after the other, each in a fresh process.

What else is given goes to a single one: ``python -m benchmarks kills --store sqlite``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from benchmarks.harness import ROOT

NAMES = (
    "imports",
    "cold_start",
    "call_overhead",
    "guest_overhead",
    "throughput",
    "peers",
    "task_overhead",
    "gate",
    "replica",
    "reports_at_scale",
    "reports_beside_runs",
    "load",
    "topology",
    "guards",
    "judge",
    "hostile",
    "faults",
    "routing_overhead",
    "quote_coverage",
    "shared_prefix",
    "cache_drops",
    "budget_storm",
    "price_review",
    "reconcile",
    "calibration",
    "kills",
    "durable",
    "batches",
    "batch_kills",
    "interleavings",
    "soak",
    "outages",
)


def main() -> int:
    """Run the benchmarks; returns the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Farebox's benchmarks.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(NAMES)}; all if none is given")
    options, others = parser.parse_known_args()
    chosen = options.names or list(NAMES)
    if unknown := [name for name in chosen if name not in NAMES]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    if others and len(chosen) != 1:
        parser.error(f"{others[0]} is for a single benchmark")
    failed = 0
    for name in chosen:
        print(f"\n=== {name}", flush=True)
        started = time.perf_counter()
        command = [sys.executable, "-m", f"benchmarks.{name}", *others]
        failed += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
