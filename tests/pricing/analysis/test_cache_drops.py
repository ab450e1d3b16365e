"""Drops of prompt caches: found soon, reported rarely if nothing changed, and each with its cause."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.analysis.cache_drops import CacheDrop, drop_at_end, drop_length, find_drop
from pricing.ledger.cache_use import CachedRequest, RunCacheUse

SECOND, RUNS, DROPPED = 1_000_000, 40, 10
PLACES = {"place": 3, "tools": 4, "schema": 5, "system": 6, "messages": 7}


@pytest.mark.parametrize(("before", "within"), [(10, 10), (20, 8), (30, 6), (100, 4)])
@pytest.mark.parametrize("left", [0.0, 0.3, 0.7])
def test_a_drop_is_found_within_ten_runs(before: int, within: int, left: float):
    dice = random.Random(7)
    shares = [0.9 + dice.gauss(0, 0.02) for _ in range(before)]
    found = next(run for run in range(1, 20) if drop_length([*shares, *[0.9 * left] * run]) is not None)
    assert found <= within
    assert drop_length([*shares, *[0.9 * left] * found]) == found


def test_a_drop_is_told_until_it_ends_and_from_its_first_run():
    before, low = [0.9, 0.88, 0.92] * 12, [0.1, 0.0, 0.12]
    for runs in (6, 15, 30):
        assert drop_length([*before, *(low * 10)[:runs]]) == runs
    assert drop_length([*before, *low * 5, 0.9]) is None
    assert drop_length([*before, *low * 5, 0.9, *low * 5]) is None, "as low as it has been before"


def test_one_good_run_among_ten_does_not_hide_a_drop():
    assert drop_length([*[0.9] * 40, *[0.0] * 3, 0.9, *[0.0] * 6]) is not None


@pytest.mark.parametrize(
    "shares",
    [
        [],
        [0.9] * 5,
        [0.0] * 60,
        [0.9] * 60,
        [0.9, 0.0] * 40,
        [*[0.9] * 50, 0.0, 0.0],
        [*[0.9] * 9, *[0.0] * 10],
        [*[0.9] * 40, *[0.85] * 10],
        [*[0.05] * 40, *[0.0] * 10],
        ([0.05] + [0.9] * 8) * 5 + [0.05] * 6 + ([0.05] + [0.9] * 8) * 5 + [0.05] * 6,
    ],
    ids=[
        "no run", "few runs", "never", "always", "every other run", "two runs", "too few before", "a little",
        "hardly ever", "at weekends",
    ],
)  # fmt: skip
def test_what_is_no_drop_is_not_told(shares: list[float]):
    assert drop_length(shares) is None


@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9]) | st.floats(0, 1), max_size=60), st.randoms())
def test_the_order_of_the_runs_before_does_not_matter_to_what_is_told(shares: list[float], dice: random.Random):
    found = drop_at_end(shares)
    if found is None:
        return
    length, middle = found
    assert 4 <= length <= len(shares) - 10
    assert sorted(shares[-length:])[length // 2] < middle


def test_shares_that_vary_and_never_change_are_told_of_rarely():
    dice = random.Random(3)
    told = 0
    for _ in range(40):
        shares = [dice.betavariate(0.7, 0.7) for _ in range(100)]
        told += sum(drop_at_end(shares[:end]) is not None for end in range(15, 101, 5))
    assert told <= 1, "of 720 looks"


@dataclass
class World:
    """Runs of three requests each, a minute apart: in the newest of them something is otherwise."""

    hashes: tuple[str, ...] = ("plaza", "tools", "schem", "syste", "-----")
    tokens: int = 2_000
    minimum: int = 1_024
    minutes: float = 1.0
    model: str = "claude-haiku-5-5"
    target: str = "haiku"
    caches: bool = True

    def requests(self, run: int, at: float) -> list[CachedRequest]:
        label = ".".join([str(self.tokens), str(self.minimum), "300", *self.hashes]) if self.caches else None
        begins = [round((at + second) * SECOND) for second in (0, 3, 6)]
        where = self.target, "default", self.model
        return [CachedRequest(f"run-{run}", t, t + SECOND, *where, 2_100, 0, label) for t in begins]


Change = Callable[[World, int, int], World]


def with_hash(part: str, value: Callable[[int, int], str]) -> Change:
    def change(world: World, run: int, request: int) -> World:
        hashes = list(world.hashes)
        hashes[PLACES[part] - 3] = value(run, request)
        return replace(world, hashes=tuple(hashes))

    return change


def found_in(change: Change) -> CacheDrop:
    sent: list[CachedRequest] = []
    uses, now = [], 0.0
    for run in range(RUNS):
        low = run >= RUNS - DROPPED
        worlds = [change(World(), run, request) if low else World() for request in range(3)]
        now += 60 * worlds[0].minutes
        sent += [world.requests(run, now)[request] for request, world in enumerate(worlds)]
        uses.append(RunCacheUse(f"run-{run}", "read", 6_300, 0 if low else 5_900))
    asked: list[str] = []

    def requests(run_ids: list[str]) -> list[CachedRequest]:
        asked.extend(run_ids)
        return [one for one in sent if one.run_id in run_ids]

    drop = find_drop(uses, requests)  # type: ignore[arg-type]
    assert drop is not None
    assert len(asked) <= 40
    assert (drop.operation, drop.since_run, drop.runs, drop.now) == ("read", f"run-{RUNS - DROPPED}", DROPPED, 0.0)
    return drop


@pytest.mark.parametrize(
    ("change", "cause", "says"),
    [
        (with_hash("system", lambda run, request: f"s{run}{request}"), "system", "from request to request"),
        (with_hash("system", lambda run, _: f"s{run}"), "system", "from run to run"),
        (with_hash("system", lambda *_: "other"), "system", "another than before"),
        (with_hash("tools", lambda run, request: f"t{run}{request}"), "tools", "list of tools"),
        (with_hash("tools", lambda *_: "other"), "tools", "list of tools"),
        (with_hash("schema", lambda *_: "other"), "schema", "schema"),
        (with_hash("place", lambda *_: "other"), "place", "region"),
        (lambda w, *_: replace(w, model="gpt-4", target="old", caches=False), "model", "gpt-4 (old), which caches nothing"),
        (lambda w, *_: replace(w, model="claude-opus-5", hashes=("p2", *w.hashes[1:])), "model", "claude-opus-5"),
        (lambda w, *_: replace(w, tokens=900, hashes=(*w.hashes[:3], "short", "-----")), "minimum", "from 1,024 on"),
        (lambda w, *_: replace(w, minutes=45.0), "expired", "45 minutes"),
        (lambda w, *_: w, "unknown", "the same as before"),
        (lambda w, *_: replace(w, caches=False), "unknown", "in a batch"),
    ],
)  # fmt: skip
def test_each_cause(change: Change, cause: str, says: str):
    drop = found_in(change)
    assert drop.cause == cause
    assert says in drop.explanation


def test_the_first_block_that_differs_is_the_cause():
    """What changes behind another change cannot be read from a cache either way."""

    def both(world: World, run: int, request: int) -> World:
        tools = with_hash("tools", lambda r, q: f"t{r}{q}")(world, run, request)
        return with_hash("system", lambda r, q: f"s{r}{q}")(tools, run, request)

    assert found_in(both).cause == "tools"


def test_what_varied_before_is_not_the_cause():
    """A value in the messages that has always changed, and runs that have become rarer."""
    sent: list[CachedRequest] = []
    uses, now = [], 0.0
    for run in range(RUNS):
        low = run >= RUNS - DROPPED
        now += 3_600 if low else 60
        for request in range(3):
            world = with_hash("messages", lambda r, q: f"m{r}{q}")(World(), run, request)
            sent.append(world.requests(run, now)[request])
        uses.append(RunCacheUse(f"run-{run}", "read", 6_300, 0 if low else 5_900))
    drop = find_drop(uses, lambda ids: [one for one in sent if one.run_id in ids])
    assert drop is not None
    assert drop.cause == "expired"
