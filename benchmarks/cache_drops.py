"""Are drops of prompt caches found, and only those? ``python -m benchmarks.cache_drops``.

Simulated operations, looked at after each of their runs as the report does. ``false alarms`` are reported in worlds in
which nothing ever changes, per 1,000 runs: shares that hardly vary, that vary much, of small runs whose first request is
mostly cold, of runs that pause overnight and at weekends, of shares that wander. ``delay`` is how many runs a drop takes
to be reported, in worlds where it happens after 10, 30 or 100 runs, by how far the share falls: where a part of the
requests changes with it, and where nothing shows.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import harness
from pricing.analysis.cache_drops import find_drop
from pricing.ledger.cache_use import NEWEST_RUNS, CachedRequest, RunCacheUse

TOKENS, MINUTE = 10_000, 60_000_000
EDITS = 40
YOUNG = 40
"""Runs of an operation that is looked at from its first run on."""
LONGEST = 30
"""Runs after a drop that are looked at."""


@dataclass(frozen=True)
class Run:
    """The share that each of its requests reads from a cache, and the minutes since the run before."""

    shares: tuple[float, ...]
    pause: float = 60.0

    def use(self, number: int, began: int, left: float = 1.0) -> RunCacheUse:
        """What the ledger has of it, where ``left`` of what would be read is."""
        reads = [round(TOKENS * left * min(1.0, max(0.0, share))) for share in self.shares]
        total, ended = TOKENS * len(reads), began + MINUTE
        return RunCacheUse(f"{number}", "simulated", total, sum(reads), TOKENS, reads[0], began, ended)


World = Callable[[random.Random], Iterator[Run]]


def steady(rng: random.Random) -> Iterator[Run]:
    """A fan-out of forty: nearly all of the input is read."""
    while True:
        yield Run((0.0, *(0.95 + rng.gauss(0, 0.01) for _ in range(39))))


def varying(rng: random.Random) -> Iterator[Run]:
    """Anything between nothing and all, as often as the other."""
    while True:
        yield Run((rng.betavariate(0.7, 0.7),))


def small(rng: random.Random) -> Iterator[Run]:
    """One to five requests in a run, the first one mostly cold."""
    while True:
        yield Run((0.8 if rng.random() < 0.3 else 0.0, *[0.8] * rng.randint(0, 4)))


def rare(rng: random.Random) -> Iterator[Run]:
    """Mostly nothing, now and then all."""
    while True:
        yield Run((0.9 if rng.random() < 0.15 else 0.0,))


def office(rng: random.Random) -> Iterator[Run]:
    """Every hour of a working day, three times on a day of the weekend: the first of a day, and all of these, are cold."""
    day = 0
    while True:
        free = day % 7 >= 5
        for run in range(3 if free else 9):
            cold = run == 0 or free
            pause = 16 if run == 0 else 4 if free else 1
            yield Run((0.05 + rng.random() * 0.05 if cold else 0.85 + rng.random() * 0.1,), 60.0 * pause)
        day += 1


def wandering(rng: random.Random) -> Iterator[Run]:
    """Each share is near the one before."""
    share = 0.7
    while True:
        share = min(1.0, max(0.0, 0.7 + 0.8 * (share - 0.7) + rng.gauss(0, 0.05)))
        yield Run((share,))


WORLDS: tuple[World, ...] = (steady, varying, small, rare, office, wandering)


class History:
    """The newest runs of an operation, and the drop that they show.

    Args:
        cause: whether a part of the requests changes with the first run of the drop.
        edits: after how many runs the text changes without any consequence; 0 for never.
    """

    def __init__(self, *, cause: bool = False, edits: int = 0) -> None:
        self._uses: list[RunCacheUse] = []
        self._cause = cause
        self._edits = edits
        self._dropped: set[str] = set()
        self._number = 0
        self._now = 0

    def add(self, run: Run, left: float | None = None) -> bool:
        """Whether a drop shows behind another run; of a drop, ``left`` is the share that is read yet."""
        self._number += 1
        self._now += round(run.pause * MINUTE)
        use = run.use(self._number, self._now, 1.0 if left is None else left)
        self._now = use.ended_at
        if left is not None:
            self._dropped.add(use.run_id)
        self._uses = [*self._uses[-NEWEST_RUNS + 1 :], use]
        return find_drop(self._uses, self._requests) is not None

    def _requests(self, run_ids: Sequence[str]) -> list[CachedRequest]:
        known = {use.run_id: use for use in self._uses}
        return [self._request(known[run_id]) for run_id in run_ids]

    def _request(self, use: RunCacheUse) -> CachedRequest:
        edition = int(use.run_id) // self._edits if self._edits else 0
        system = "later" if self._cause and use.run_id in self._dropped else f"s{edition}"
        parts = f"{TOKENS}.1024.300.place.-----.-----.{system}.-----"
        return CachedRequest(use.run_id, use.started_at, use.ended_at, "t", "", "m", TOKENS, use.read_tokens, parts)


def alarms(world: World, runs: int, rng: random.Random, edits: int = 0) -> int:
    """How often a drop begins to be reported in a world without any."""
    history, told, found = History(edits=edits), False, 0
    for run, _ in zip(world(rng), range(runs), strict=False):
        now = history.add(run)
        found += now and not told
        told = now
    return found


def young_alarms(world: World, runs: int, rng: random.Random) -> int:
    """The same, of operations that are looked at from their first run on, at any hour of the world's week."""
    found = 0
    for _ in range(runs // YOUNG):
        source = world(rng)
        for _ in range(rng.randrange(60)):
            next(source)
        found += alarms(lambda _, source=source: source, YOUNG, rng)  # type: ignore[misc]
    return found


def delay(world: World, before: int, left: float, rng: random.Random, *, cause: bool) -> int | None:
    """Runs until a drop is reported, after which a share of ``left`` of what was read is; None if not within thirty.

    It begins at any hour of the world's week. What is reported before it is an alarm, which is counted elsewhere.
    """
    source, history = world(rng), History(cause=cause)
    for _ in range(rng.randrange(60)):
        next(source)
    for _ in range(before):
        history.add(next(source))
    for run in range(1, LONGEST + 1):
        if history.add(next(source), left):
            return run
    return None


def typical(delays: Sequence[int | None]) -> tuple[str, str]:
    """The median of some delays, and the share of ten runs at most."""
    counts = [LONGEST + 1 if one is None else one for one in delays]
    middle = median(counts)
    shown = f"{middle:.0f}" if middle <= LONGEST else f"> {LONGEST}"
    return shown, f"{sum(one <= 10 for one in counts) / len(counts):.0%}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000, help="of each world, for false alarms")
    parser.add_argument("--drops", type=int, default=200, help="of each kind, for delays")
    parser.add_argument("--seed", type=int, default=20261129)
    options = parser.parse_args()
    rows = []
    for world in WORLDS:
        counts = [alarms(world, options.runs, random.Random(options.seed), edits) for edits in (0, EDITS)]
        counts.append(young_alarms(world, options.runs, random.Random(options.seed)))
        rates = [f"{1_000 * count / options.runs:.2f}" for count in counts]
        rows.append([world.__name__, f"{options.runs:,}", *rates])
    heads = [
        "world",
        "runs",
        "per 1,000 runs",
        f"where the text is edited every {EDITS} runs",
        f"of the first {YOUNG} runs",
    ]
    harness.table("False alarms", heads, rows)
    rows = []
    for world in (steady, small, office, wandering):
        for before in (10, 30, 100):
            for left in (0.0, 0.3, 0.6):
                found = list[str]()
                for cause in (True, False):
                    rng = random.Random(options.seed)
                    found += typical([delay(world, before, left, rng, cause=cause) for _ in range(options.drops)])
                rows.append([world.__name__, str(before), f"{left:.0%}", *found])
    heads = [
        "world",
        "runs before",
        "of the share left",
        "a part changed: median",
        "within ten",
        "nothing shows: median",
    ]
    harness.table("Runs until a drop is reported", [*heads, "within ten"], rows)


if __name__ == "__main__":
    main()
