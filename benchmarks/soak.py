"""Runs without end: memory, descriptors and threads stay as they are. ``python -m benchmarks soak [--minutes 60]``.

One process runs digests and triages against the sandbox, with faults now and then, syncs its replica and makes
reports, and is measured once a minute (oftener in a short soak). What it is after the warm-up is compared with what it
is at the end; between the two it may grow by 5 % of its memory, and by no descriptor and no thread that a pool does not
keep.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks import harness
from tests.support.soak import GROWTH, Soak, growth

HEADS = ("minute", "runs", "RSS MB", "Python", "files", "threads", "in flight", "holds", "WAL MB")
SAMPLES = 30
WARM_UP = 0.2
"""Of the time: pools fill, caches come to their size, modules load."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (60)")
    seconds = parser.parse_args().minutes * 60
    harness.quiet_environment()
    samples = []
    with harness.workplace() as folder, Soak(folder) as soak:
        began, next_at = time.monotonic(), 0.0
        while (passed := time.monotonic() - began) < seconds:
            soak.run()
            if passed >= next_at:
                next_at = passed + min(60.0, seconds / SAMPLES)
                samples.append((passed, soak.measure()))
        samples.append((time.monotonic() - began, soak.measure()))
    grown = growth([sample for passed, sample in samples if passed >= WARM_UP * seconds])
    note = f"after a fifth of the time: at most {GROWTH:.0%} more memory, no file and no thread but those of pools"
    rows = [(f"{passed / 60:.1f}", *sample.cells()) for passed, sample in samples]
    harness.table(f"A soak of {seconds / 60:g} minutes", HEADS, rows, [note, *grown])
    sys.exit(1 if grown else 0)


if __name__ == "__main__":
    main()
