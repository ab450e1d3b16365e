"""Do quotes cover what they say they cover? Simulated runs, quoted one after the other from their own history.

An automation of four steps, the difficulty shared between them (CV 0.67, p95/p50 = 2.7), priced at the real rate card.
Every run is quoted by ``make_quote`` before its cost is drawn, and scored after it. 100 runs say nothing about a p95,
so every scenario has thousands; an honest quote lands within 93–97 %.

``young`` are the first 58 runs of many automations (their plan right, half and twice the truth), ``200 after a jump``
the runs right after costs rose 1.6 ×, where a window of 300 alone is known to cover only 91 %.

    .venv/bin/python -m benchmarks.quote_coverage            # half a minute on one core
    .venv/bin/python -m benchmarks.quote_coverage --runs 500 --seed 7
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median, pstdev

from benchmarks.coverage_chart import Covered, svg
from benchmarks.quote_sizes import quarters, simulated
from pricing.quotes.plan import Plan, PlanStep
from pricing.quotes.prediction import PastCost, quote_amount
from pricing.quotes.quote import OperationTargets, make_quote, reprice
from pricing.rates.card import RateCard
from pricing.usage import Usage

CHEAP = ("groq", "openai/gpt-oss-120b")
EXPENSIVE = ("anthropic", "claude-haiku-4-5")
STEPS = {"plan": (900, 250), "search": (2200, 120), "summarize": (3800, 420), "report": (2600, 700)}
SHARED, OWN = 0.56, 0.42  # spread of the log cost: of the run's difficulty, of each step
PLAN = Plan(tuple(PlanStep(name, 1, tokens_in, tokens_out) for name, (tokens_in, tokens_out) in STEPS.items()))
TARGETS = {name: OperationTargets(CHEAP, (CHEAP, EXPENSIVE), max_output=4096, max_attempts=3) for name in STEPS}
RESOLVED = PLAN.resolve({})


@dataclass
class World:
    """The distribution of runs at one moment of a scenario."""

    scale: float = 1.0  # of every token count
    inputs: float = 1.0  # of the input tokens only
    storm: float = 0.0  # chance that a step falls back to the expensive target
    loops: float = 0.0  # chance that a run goes round in circles


def draw(rng: random.Random, card: RateCard, world: World) -> int:
    difficulty = rng.lognormvariate(0, SHARED) * world.scale
    if rng.random() < world.loops:
        difficulty *= rng.uniform(2, 5)
    tokens = []
    for tokens_in, tokens_out in STEPS.values():
        step = difficulty * rng.lognormvariate(0, OWN)
        where = EXPENSIVE if rng.random() < world.storm else CHEAP
        usage = Usage(max(1, round(tokens_in * step * world.inputs)), max(1, round(tokens_out * step)))
        tokens.append((where, usage))
    return reprice(tokens, card)


def stable(_: int, __: int) -> World:
    return World()


def plan_too_low(_: int, __: int) -> World:
    return World(scale=2)


def plan_too_high(_: int, __: int) -> World:
    return World(scale=0.5)


def skewed(_: int, __: int) -> World:
    return World(loops=0.08)


def drifting(run: int, runs: int) -> World:
    return World(scale=1.6 if run >= runs // 2 else 1.0)


def fallback_storm(run: int, _: int) -> World:
    return World(storm=0.5 if run % 250 >= 220 else 0.01)


def growing_context(run: int, runs: int) -> World:
    return World(inputs=1 + 2 * run / runs)


@dataclass
class Tally:
    costs: list[int] = field(default_factory=list)
    p50: list[int] = field(default_factory=list)
    p95: list[int] = field(default_factory=list)
    true: list[float] = field(default_factory=list)
    ages: list[int] = field(default_factory=list)

    def between(self, first: int, last: int) -> Tally:
        """The runs of these ages only."""
        kept = [i for i, age in enumerate(self.ages) if first <= age < last]
        tally = Tally(true=[self.true[i] for i in kept])
        for mine, theirs in ((self.costs, tally.costs), (self.p50, tally.p50), (self.p95, tally.p95)):
            theirs.extend(mine[i] for i in kept)
        tally.ages.extend(self.ages[i] for i in kept)
        return tally

    def shares(self) -> tuple[float, float]:
        """The shares of runs that cost no more than their p95 and their p50."""
        p95, p50 = (
            fmean(cost <= quote for cost, quote in zip(self.costs, quotes, strict=True))
            for quotes in (self.p95, self.p50)
        )
        return p95, p50

    def covered(self, name: str) -> Covered:
        return Covered(name, *self.shares())

    def row(self, name: str, *, judged: bool = True) -> str:
        p95, p50 = self.shares()
        grown = [i for i, age in enumerate(self.ages) if age >= 20]
        ratio = fmean(self.p95[i] for i in grown) / fmean(self.true[i] for i in grown)
        passed = 0.93 <= p95 <= 0.97 and 0.45 <= p50 <= 0.55 and ratio <= 1.2
        verdict = ("yes" if passed else "NO") if judged else ""
        return f"{name:<18}{len(self.costs):>6}{p95:>10.1%}{p50:>10.1%}{ratio:>13.2f}   {verdict}"


def simulate(scenario: Callable[[int, int], World], runs: int, automations: int, seed: int, card: RateCard) -> Tally:
    rng, tally = random.Random(seed), Tally()
    true: dict[tuple[float, ...], float] = {}
    for _ in range(automations):
        past: list[PastCost] = []
        for run in range(runs):
            world = scenario(run, runs)
            quote = make_quote(RESOLVED, TARGETS, card, past)
            cost = draw(rng, card, world)
            tally.costs.append(cost)
            tally.p50.append(quote.p50)
            tally.p95.append(quote.p95)
            tally.ages.append(run)
            tally.true.append(true_p95(scenario, run, runs, card, true))
            past.append((quote.point, cost, len(STEPS)))
    return tally


def true_p95(
    scenario: Callable[[int, int], World], run: int, runs: int, card: RateCard, known: dict[tuple[float, ...], float]
) -> float:
    """Of the runs around this one (storms and calm together: no quote can know which it will meet)."""
    block = 250
    key = (run // block,)
    if key not in known:
        rng = random.Random(f"{scenario.__name__} {key}")
        around = range(key[0] * block, min(runs, (key[0] + 1) * block))
        costs = sorted(draw(rng, card, scenario(rng.choice(around), runs)) for _ in range(4000))
        known[key] = costs[int(0.95 * len(costs))]
    return known[key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--drawing", type=Path, default=Path("quote_coverage.svg"), help="where the picture goes")
    options = parser.parse_args()
    card, began = RateCard.load(), time.perf_counter()
    rng = random.Random(options.seed)
    costs = sorted(draw(rng, card, World()) for _ in range(20_000))
    print(
        f"runs: CV {pstdev(costs) / fmean(costs):.2f}, p95/p50 {costs[int(0.95 * len(costs))] / median(costs):.2f}, "
        f"rates {card.version}\n"
    )
    print(f"{'scenario':<18}{'runs':>6}{'p95 cov.':>10}{'p50 cov.':>10}{'p95/true':>13}   within")
    many = max(1, options.runs // 40)
    young = simulate(stable, 58, many, options.seed, card)
    print(young.row("young"), flush=True)
    drawn = [young.covered("young")]
    for scenario in (stable, skewed, drifting, fallback_storm, growing_context):
        tally, name = simulate(scenario, options.runs, 1, options.seed, card), scenario.__name__.replace("_", " ")
        print(tally.row(name), flush=True)
        drawn.append(tally.covered(name))
    sized = quarters(quote_amount, list(simulated().values()), 400, shared=0.3)
    for name, quarter in zip(("smallest quarter", "second", "third", "largest quarter"), sized, strict=True):
        print(f"{name:<18}{'':>6}{quarter.covered:>10.1%}{'':>10}{quarter.ratio:>13.2f}", flush=True)
        drawn.append(Covered(name, quarter.covered, None))
    options.drawing.write_text(svg(drawn), "utf-8")
    print("\nat their worst:")
    print(simulate(plan_too_low, 58, many, options.seed, card).row("young, plan ½", judged=False), flush=True)
    print(simulate(plan_too_high, 58, many, options.seed, card).row("young, plan ×2", judged=False), flush=True)
    jumps = simulate(drifting, 1000, max(1, options.runs // 200), options.seed, card)
    print(jumps.between(500, 700).row("200 after a jump", judged=False))
    print(f"\ndrawn in {options.drawing}")
    print(f"\n{time.perf_counter() - began:.0f} s. p95/true: mean quoted p95 over the true one, from 20 runs on.")


if __name__ == "__main__":
    main()
