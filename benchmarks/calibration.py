"""Are locks right? Candidates of known truth, calibrated again and again by the code that calibrates real ones.

Every world has a best model and five cheaper candidates. A case has a difficulty that all share; a candidate wins and
loses cases against the best at its own rates, so its true difference is known. Prices do not follow quality: in half of
the worlds the cheapest is better than one in the middle. A lock is *bad* if what it chose truly loses more than the
margin. ``at the margin`` is the hardest world there is: every candidate loses exactly the margin and a hair.

``fixed`` asks every candidate about the same number of cases and locks once, at its end, by the usual bound for one look
(normal, Bonferroni over the candidates; it has the advantage of looking only once). Shown is the smallest number of
cases at which no more than 5 % of its locks are bad and its saving is that of the sequential design, to a point: a
design of equal error. ``mean`` and ``z = 1`` lock by a mean and by one standard error at that number. The oracle knows
the truth.

    .venv/bin/python -m benchmarks.calibration                # under a minute on one core
    .venv/bin/python -m benchmarks.calibration --worlds 200 --seed 7
    .venv/bin/python -m benchmarks.calibration --by-size --worlds 100   # by margin and number of cases
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from statistics import NormalDist, fmean

from farebox.calibration.decision import AcceptanceCriteria, CalibrationDecision, CaseOutcome, next_size

BEST = "best"
NAMES = ("a", "b", "c", "d", "e")
MOST = 1500  # cases in a file
NANO = 1_000_000


@dataclass
class World:
    """What is true of five candidates: how often each wins and loses a case against the best, and what it costs."""

    wins: dict[str, float]
    losses: dict[str, float]
    costs: dict[str, float]
    base: float  # the best's own mean score

    def lost(self, name: str) -> float:
        return 0.0 if name == BEST else self.losses[name] - self.wins[name]

    def oracle(self, margin: float) -> float:
        return min([1.0, *(self.costs[n] for n in NAMES if self.lost(n) < margin)])


def mixed(rng: random.Random, _: float) -> World:
    """A realistic world: some candidates are as good, some a little worse, some much; price order is not quality order."""
    costs = sorted(rng.uniform(0.03, 0.7) for _ in NAMES)
    losses, wins = {}, {}
    for name in NAMES:
        lost = rng.choice((0.0, 0.0, 0.01, 0.05, 0.12, 0.3))
        swap = rng.uniform(0.01, 0.06)
        wins[name], losses[name] = swap, swap + lost
    return World(wins, losses, dict(zip(NAMES, costs, strict=True)), 0.8)


def at_the_margin(rng: random.Random, margin: float) -> World:
    """A world in which no candidate may be locked, and every one nearly could be."""
    costs = dict(zip(NAMES, sorted(rng.uniform(0.03, 0.7) for _ in NAMES), strict=True))
    swap = {name: rng.choice((0.0, 0.01, 0.05)) for name in NAMES}
    return World(swap, {name: swap[name] + margin + 1e-9 for name in NAMES}, costs, 0.8)


def all_as_good(rng: random.Random, _: float) -> World:
    """A world in which every candidate may be locked; the measure is how soon that is known."""
    costs = dict(zip(NAMES, sorted(rng.uniform(0.03, 0.7) for _ in NAMES), strict=True))
    swap = {name: rng.uniform(0.005, 0.03) for name in NAMES}
    return World(swap, swap, costs, 0.8)


Drawn = dict[str, list[CaseOutcome]]


def draw(world: World, rng: random.Random) -> Drawn:
    """Every model's outcome on every case of a file."""
    drawn: Drawn = {name: [] for name in (BEST, *NAMES)}
    outcomes = {
        name: {score: CaseOutcome(score, round(NANO * world.costs.get(name, 1.0)), 1.0) for score in (0.0, 1.0)}
        for name in drawn
    }
    for _ in range(MOST):
        luck = rng.random()  # what is hard for one is hard for the others
        right = luck < world.base
        drawn[BEST].append(outcomes[BEST][float(right)])
        for name in NAMES:
            if right:
                said = rng.random() >= world.losses[name] / world.base
            else:
                said = rng.random() < world.wins[name] / (1 - world.base)
            drawn[name].append(outcomes[name][float(said)])
    return drawn


@dataclass
class Tally:
    """The results of a rule over many worlds; costs are shares of the best target's."""

    bad: int = 0
    cost: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    def note(self, world: World, choice: str, calls: int, margin: float) -> None:
        self.bad += world.lost(choice) > margin
        self.cost.append(world.costs.get(choice, 1.0))
        self.oracle.append(world.oracle(margin))
        self.calls.append(calls)

    @property
    def saved(self) -> float:
        return 1 - fmean(self.cost)

    def row(self, name: str) -> str:
        worlds = len(self.cost)
        most = 1 - fmean(self.oracle)
        share = f"{self.saved / most:.0%}" if most else "–"
        return f"  {name:<22}{self.bad / worlds:>8.1%}{self.saved:>9.1%}{share:>11}{fmean(self.calls):>9,.0f}"


def once(drawn: Drawn, terms: AcceptanceCriteria, cases: int) -> tuple[str, int]:
    """As ``farebox calibrate --outcomes`` decides: all cases are known from the beginning."""
    decision = CalibrationDecision(BEST, [(name,) for name in NAMES], terms, cases, once=True)
    seen = {name: {str(case): drawn[name][case] for case in range(cases)} for name in drawn}
    decision.look(seen, last=True)
    return choice(decision, drawn), cases * (len(NAMES) + 1)


def choice(decision: CalibrationDecision, drawn: Drawn) -> str:
    """The cheapest accepted target, as a lock has it; each costs the same in every case."""
    enough = [route[0] for route, verdict in decision.verdicts.items() if verdict == "enough"]
    return min(enough, key=lambda name: drawn[name][0].cost_nano, default=BEST)


def sequential(drawn: Drawn, terms: AcceptanceCriteria, cases: int = MOST) -> tuple[str, int]:
    """By the code that calibrates: the choice, and the calls it took."""
    decision = CalibrationDecision(BEST, [(name,) for name in NAMES], terms, cases)
    seen: dict[str, dict[str, CaseOutcome]] = {name: {} for name in drawn}
    done = 0
    while decision.open and done < cases:
        upto = min(cases, done + next_size(done))
        for name in decision.asked:
            seen[name].update({str(case): drawn[name][case] for case in range(done, upto)})
        done = upto
        decision.look(seen, last=done >= cases)
    return choice(decision, drawn), sum(map(len, seen.values()))


Rule = Callable[[Counter[float], float], bool]


def by_errors(z: float) -> Rule:
    def rule(differences: Counter[float], margin: float) -> bool:
        n = differences.total()
        mean = sum(value * count for value, count in differences.items()) / n
        spread = sqrt(sum(count * (value - mean) ** 2 for value, count in differences.items()) / n)
        return mean - z * spread / sqrt(n) > -margin

    return rule


def fixed(drawn: Drawn, terms: AcceptanceCriteria, cases: int, rule: Rule) -> tuple[str, int]:
    """Every candidate on so many cases, the cheapest that passes."""
    passed = [
        name
        for name in NAMES
        if rule(
            Counter(a.score - b.score for a, b in zip(drawn[name][:cases], drawn[BEST][:cases], strict=True)),
            terms.margin,
        )
    ]
    cheapest = min(passed, key=lambda name: drawn[name][0].cost_nano, default=BEST)
    return cheapest, cases * (len(NAMES) + 1)


def print_rates(name: str, worlds: list[tuple[World, Drawn]], terms: AcceptanceCriteria) -> None:
    tallies = {rule: Tally() for rule in ("sequential", "mean", "z = 1")}
    for world, drawn in worlds:
        tallies["sequential"].note(world, *sequential(drawn, terms), terms.margin)
    print(f"{name}, margin {terms.margin:g}, {len(worlds)} worlds")
    print(tallies["sequential"].row("sequential"), flush=True)
    usual = by_errors(NormalDist().inv_cdf(1 - terms.alpha / len(NAMES)))
    for cases in (100, 150, 200, 300, 400, 600, 800, 1100, MOST):
        tally = Tally()
        for world, drawn in worlds:
            tally.note(world, *fixed(drawn, terms, cases, usual), terms.margin)
        as_good = tally.bad <= terms.alpha * len(worlds) and tally.saved >= tallies["sequential"].saved - 0.01
        if as_good or cases == MOST:
            print(tally.row(f"fixed, {cases} cases"))
            break
    for rule, z in (("mean", 0.0), ("z = 1", 1.0)):
        for world, drawn in worlds:
            tallies[rule].note(world, *fixed(drawn, terms, cases, by_errors(z)), terms.margin)
        print(tallies[rule].row(f"{rule}, {cases} cases"))
    if fmean(tally.oracle) < 1:  # where nothing can be saved, a design that never looks is the cheapest
        sequential_calls, fixed_calls = (fmean(one.calls) for one in (tallies["sequential"], tally))
        print(f"  the sequential design took {sequential_calls / fixed_calls:.0%} of the fixed one's calls", flush=True)


def five_points_better(rng: random.Random, _: float) -> World:
    """The cheapest is truly better by five points; the others lose ten."""
    costs = dict(zip(NAMES, sorted(rng.uniform(0.03, 0.7) for _ in NAMES), strict=True))
    swap = {name: rng.uniform(0.02, 0.06) for name in NAMES}
    wins = {name: swap[name] + (0.05 if name == NAMES[0] else 0.0) for name in NAMES}
    return World(wins, {name: swap[name] + (0.0 if name == NAMES[0] else 0.1) for name in NAMES}, costs, 0.8)


def print_by_size(worlds: int, seed: int) -> None:
    """Print the share of the optimal saving by margin and number of cases, for two designs of the project and the usual
    test.
    """
    print(f"{'':<24}{'bad':>8}{'saved':>9}{'of oracle':>11}{'calls':>9}")
    for make in (mixed, five_points_better, at_the_margin):
        for margin in (0.03, 0.05, 0.1):
            terms, rng = AcceptanceCriteria(margin), random.Random(seed)
            drawn = []
            for _ in range(worlds):
                world = make(rng, margin)
                drawn.append((world, draw(world, rng)))
            usual = by_errors(NormalDist().inv_cdf(1 - terms.alpha / len(NAMES)))
            for cases in (100, 200, 400, 800):
                print(f"{make.__name__.replace('_', ' ')}, margin {margin:g}, {cases} cases")
                tallies = {rule: Tally() for rule in ("sequential", "one look, exact", "one look, normal")}
                for world, outcomes in drawn:
                    tallies["sequential"].note(world, *sequential(outcomes, terms, cases), margin)
                    tallies["one look, exact"].note(world, *once(outcomes, terms, cases), margin)
                    tallies["one look, normal"].note(world, *fixed(outcomes, terms, cases, usual), margin)
                for rule, tally in tallies.items():
                    print(tally.row(rule), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--by-size", action="store_true", help="the share saved by margin and number of cases")
    options = parser.parse_args()
    if options.by_size:
        print_by_size(options.worlds, options.seed)
        return
    began = time.perf_counter()
    print(f"{'':<24}{'bad':>8}{'saved':>9}{'of oracle':>11}{'calls':>9}")
    for number, (make, margin) in enumerate(
        ((mixed, 0.03), (mixed, 0.1), (at_the_margin, 0.03), (at_the_margin, 0.1), (all_as_good, 0.03))
    ):
        rng = random.Random(options.seed + number)
        worlds = []
        for _ in range(options.worlds):
            world = make(rng, margin)
            worlds.append((world, draw(world, rng)))
        print_rates(make.__name__.replace("_", " "), worlds, AcceptanceCriteria(margin))
    print(f"\n{time.perf_counter() - began:.0f} s. bad: locks that truly lose more than the margin (95 % confidence).")


if __name__ == "__main__":
    main()
