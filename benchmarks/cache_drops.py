"""Are drops of prompt caches found, and only those? ``python -m benchmarks.cache_drops``.

Simulated operations, looked at after each of their runs as the report does. ``false alarms`` are counted in worlds in which
nothing ever changes, per 1,000 runs: shares that hardly vary, that vary much, of small runs whose first request is
always cold, of runs that pause overnight and at weekends, of shares that wander. ``delay`` is how many runs a drop takes
to be reported, in worlds where it happens after 10, 30 or 100 runs, by how far the share falls.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from statistics import median

from benchmarks import harness
from pricing.analysis.cache_drops import drop_at_end
from pricing.ledger.cache_use import NEWEST_RUNS

World = Callable[[random.Random], Iterator[float]]


def steady(rng: random.Random) -> Iterator[float]:
    """A fan-out of forty: nearly all of the input is read."""
    while True:
        yield 0.93 + rng.gauss(0, 0.01)


def varying(rng: random.Random) -> Iterator[float]:
    """Anything between nothing and all, as often as the other."""
    while True:
        yield rng.betavariate(0.7, 0.7)


def small(rng: random.Random) -> Iterator[float]:
    """One to five requests in a run, the first one mostly cold."""
    while True:
        requests = rng.randint(1, 5)
        warm = requests if rng.random() < 0.3 else requests - 1
        yield 0.8 * warm / requests


def rare(rng: random.Random) -> Iterator[float]:
    """Mostly nothing, now and then all."""
    while True:
        yield 0.9 if rng.random() < 0.15 else 0.0


def office(rng: random.Random) -> Iterator[float]:
    """Every hour of a working day, three times on a day of the weekend: the first of a day, and all of these, are cold."""
    day = 0
    while True:
        for run in range(3 if day % 7 >= 5 else 9):
            yield 0.05 + rng.random() * 0.05 if run == 0 or day % 7 >= 5 else 0.85 + rng.random() * 0.1
        day += 1


def wandering(rng: random.Random) -> Iterator[float]:
    """Each share is near the one before."""
    share = 0.7
    while True:
        share = min(1.0, max(0.0, 0.7 + 0.8 * (share - 0.7) + rng.gauss(0, 0.05)))
        yield share


WORLDS: tuple[World, ...] = (steady, varying, small, rare, office, wandering)


def alarms(world: World, runs: int, rng: random.Random) -> int:
    """How often a drop is first reported in a world without any."""
    shares, told, found = list[float](), False, 0
    for share, _ in zip(world(rng), range(runs), strict=False):
        shares = [*shares[-NEWEST_RUNS + 1 :], share]
        now = drop_at_end(shares) is not None
        found += now and not told
        told = now
    return found


def delay(world: World, before: int, left: float, rng: random.Random) -> int | None:
    """Runs until a drop is reported, after which a share of ``left`` of what was read is; None if not within thirty."""
    source = world(rng)
    shares = [next(source) for _ in range(before)]
    for run in range(1, 31):
        shares = [*shares[-NEWEST_RUNS + 1 :], left * next(source)]
        if drop_at_end(shares) is not None:
            return run
    return None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000, help="of each world, for false alarms")
    parser.add_argument("--drops", type=int, default=200, help="of each kind, for delays")
    parser.add_argument("--seed", type=int, default=20261129)
    options = parser.parse_args()
    rows = []
    for world in WORLDS:
        found = alarms(world, options.runs, random.Random(options.seed))
        rows.append([world.__name__, f"{options.runs:,}", str(found), f"{1_000 * found / options.runs:.2f}"])
    harness.table("False alarms", ["world", "runs", "told", "per 1,000 runs"], rows)
    rows = []
    for world in (steady, small, office, wandering):
        for before in (10, 30, 100):
            for left in (0.0, 0.3, 0.6):
                rng = random.Random(options.seed)
                delays = [delay(world, before, left, rng) for _ in range(options.drops)]
                told = [one for one in delays if one is not None]
                within = sum(one <= 10 for one in told) / len(delays)
                typical = f"{median(told):.0f}" if told else "–"
                rows.append([world.__name__, str(before), f"{left:.0%}", typical, f"{within:.0%}"])
    heads = ["world", "runs before", "of the share left", "told after (median)", "within ten runs"]
    harness.table("Delays", heads, rows)


if __name__ == "__main__":
    main()
