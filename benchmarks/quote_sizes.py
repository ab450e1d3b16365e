"""Are small and large runs covered alike? Runs of 1 to 100 items, quoted one after the other, beside simpler rules.

Each row is a rule, each column a quarter of the runs by size: the share that cost no more than quoted, and the mean
quote over the true p95 at that size. ``jump`` is the share of the 50 runs covered after costs rose 1.36 times.

    .venv/bin/python -m benchmarks.quote_sizes
    .venv/bin/python -m benchmarks.quote_sizes --series FILE   # {name: [{"cost": 0.1}, …]}: items are drawn from them
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from math import ceil, exp, log
from pathlib import Path
from statistics import fmean, pstdev
from typing import NamedTuple

from pricing.quotes.prediction import CONFORMAL_FROM, PastCost, quote_amount

Rule = Callable[[Sequence[PastCost], float, int], float]
MOST_ITEMS = 100


def _scores(past: Sequence[PastCost]) -> list[float]:
    return [cost / point for point, cost, _ in past]


def last_300(past: Sequence[PastCost], point: float, _: int) -> float:
    recent = sorted(_scores(past)[-300:])
    return point * recent[min(len(recent) - 1, int(0.95 * len(recent)))]


def maximum_of_20(past: Sequence[PastCost], point: float, _: int) -> float:
    return point * max(_scores(past)[-20:])


def mean_and_2_sd(past: Sequence[PastCost], point: float, _: int) -> float:
    scores = _scores(past)
    return point * (fmean(scores) + 2 * pstdev(scores))


def split_conformal(past: Sequence[PastCost], point: float, _: int) -> float:
    ascending = sorted(_scores(past))
    return point * ascending[min(len(ascending), ceil(0.95 * (len(ascending) + 1))) - 1]


RULES: dict[str, Rule] = {
    "Farebox": quote_amount,
    "last 300": last_300,
    "maximum of 20": maximum_of_20,
    "mean + 2 sd": mean_and_2_sd,
    "split conformal": split_conformal,
}


class Quarter(NamedTuple):
    """The results of one rule on a quarter of the runs, by size."""

    covered: float
    ratio: float


def items_of(source: Sequence[float], seed: int, runs: int, shared: float) -> list[PastCost]:
    """Runs of 1 to 100 items drawn from a series; ``shared`` is the spread of what all items of a run have in common."""
    rng, mean = random.Random(seed), fmean(source)
    found = []
    for _ in range(runs):
        items = round(exp(rng.uniform(0, log(MOST_ITEMS))))
        found.append((items * mean, rng.lognormvariate(0, shared) * sum(rng.choices(source, k=items)), items))
    return found


def true_p95(source: Sequence[float], items: int, shared: float, known: dict[int, float]) -> float:
    if items not in known:
        rng = random.Random(items)
        costs = sorted(rng.lognormvariate(0, shared) * sum(rng.choices(source, k=items)) for _ in range(600))
        known[items] = costs[int(0.95 * len(costs))]
    return known[items]


def quarters(rule: Rule, sources: Sequence[Sequence[float]], runs: int, shared: float) -> list[Quarter]:
    rows = []
    for seed, source in enumerate(sources):
        known: dict[int, float] = {}
        past = items_of(source, seed, runs, shared)
        for now in range(CONFORMAL_FROM, runs):
            point, cost, items = past[now]
            quote = rule(past[:now], point, items)
            rows.append((items, cost <= quote, quote / true_p95(source, items, shared, known)))
    rows.sort()
    parts = [rows[len(rows) * n // 4 : len(rows) * (n + 1) // 4] for n in range(4)]
    return [Quarter(fmean(covered for _, covered, _ in part), fmean(ratio for *_, ratio in part)) for part in parts]


def after_a_jump(rule: Rule, sources: Sequence[Sequence[float]]) -> float:
    covered = []
    for seed, source in enumerate(sources):
        rng = random.Random(seed)
        past = [(1.0, rng.choice(source) * (1.36 if run >= 300 else 1.0), 1) for run in range(350)]
        covered += [past[now][1] <= rule(past[:now], 1.0, 1) for now in range(300, 350)]
    return fmean(covered)


def simulated() -> dict[str, list[float]]:
    """Items of light, medium and heavy tails."""
    rng = random.Random(20261128)
    return {
        f"log-normal {sigma}": [rng.lognormvariate(-sigma * sigma / 2, sigma) for _ in range(500)]
        for sigma in (0.3, 0.8, 1.3)
    }


def table(sources: Sequence[Sequence[float]], runs: int) -> dict[str, list[Quarter]]:
    """Print the table; per rule the quarters of both kinds of runs."""
    found = {}
    for shared in (0.0, 0.3):
        print(f"\nitems independent{f', and a spread of {shared} shared by a run' if shared else ''}")
        print(f"{'rule':<18}{'smallest':>14}{'':>14}{'':>14}{'largest':>14}{'jump':>9}")
        for name, rule in RULES.items():
            found[f"{name}, shared {shared}"] = rows = quarters(rule, sources, runs, shared)
            cells = "".join(f"{f'{row.covered:.1%} {row.ratio:.2f}':>14}" for row in rows)
            print(f"{name:<18}{cells}{after_a_jump(rule, sources):>9.1%}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=Path, help="a JSON file of real series of run costs")
    parser.add_argument("--runs", type=int, default=400)
    options = parser.parse_args()
    series = simulated()
    if options.series is not None:
        read = json.loads(options.series.read_text("utf-8"))
        series = {name: [row["cost"] for row in rows if row.get("cost")] for name, rows in read.items()}
    sources = [costs for costs in series.values() if costs]
    print(
        f"{len(sources)} series of item costs, {options.runs} runs of each; covered, and mean quote over the true p95"
    )
    table(sources, options.runs)


if __name__ == "__main__":
    main()
