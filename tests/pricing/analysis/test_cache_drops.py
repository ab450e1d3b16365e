"""Drops of prompt caches: found soon, reported rarely if nothing changed, and each with its cause."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.analysis.cache_drops import CacheDrop, drop_at_end, drop_length, find_drop, runs_dropped
from pricing.ledger.cache_use import CachedRequest, RunCacheUse

SECOND, RUNS, DROPPED = 1_000_000, 40, 10
PLACES = {"place": 3, "tools": 4, "schema": 5, "system": 6, "messages": 7}


@pytest.mark.parametrize(("before", "within"), [(10, 8), (20, 5), (30, 4), (100, 3)])
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
        [*[0.9] * 4, *[0.0] * 10],
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
    assert 3 <= length <= len(shares) - 5
    assert sorted(shares[-length:])[length // 2] < middle


def test_shares_that_vary_and_never_change_are_told_of_rarely():
    dice = random.Random(3)
    told = 0
    for _ in range(40):
        shares = [dice.betavariate(0.7, 0.7) for _ in range(100)]
        told += sum(drop_at_end(shares[:end]) is not None for end in range(15, 101, 5))
    assert told <= 2, "of 720 looks"


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


def run_use(run: int, read: int, at: float, *, requests: int = 3, first: int | None = None) -> RunCacheUse:
    """A run of so many requests of 2,100 tokens: what all of them read, and what the first did."""
    mine = read // requests if first is None else first
    began = round(at * SECOND)
    return RunCacheUse(f"run-{run}", "read", 2_100 * requests, read, 2_100, mine, began, began + 7 * SECOND)


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
        uses.append(run_use(run, 0 if low else 5_900, now))
    asked: list[str] = []

    def requests(run_ids: list[str]) -> list[CachedRequest]:
        asked.extend(run_ids)
        return [one for one in sent if one.run_id in run_ids]

    drop = find_drop(uses, requests)  # type: ignore[arg-type]
    assert drop is not None
    assert len(set(asked)) <= 40
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
        uses.append(run_use(run, 0 if low else 5_900, now))
    drop = find_drop(uses, lambda ids: [one for one in sent if one.run_id in ids])
    assert drop is not None
    assert drop.cause == "expired"


def small_runs(runs: int, dice: random.Random, *, left: float = 1.0, start: int = 0) -> list[RunCacheUse]:
    """Of one to five requests, the first one mostly cold."""
    uses = []
    for run in range(start, start + runs):
        requests = dice.randint(1, 5)
        first = round(left * 1_700) if dice.random() < 0.3 else 0
        read = first + (requests - 1) * round(left * 1_700)
        uses.append(run_use(run, read, 60.0 * run, requests=requests, first=first))
    return uses


@pytest.mark.parametrize("left", [0.0, 0.3, 0.6])
def test_a_drop_shows_in_small_runs_of_different_sizes(left: float):
    """Their shares say little: what is read after the first request of each says it."""
    for seed in range(10):
        dice = random.Random(seed)
        before, low = small_runs(30, dice), small_runs(10, dice, left=left, start=30)
        assert runs_dropped(before) is None
        lengths = [runs_dropped([*before, *low[:runs]]) for runs in range(1, 11)]
        assert any(lengths), seed
        assert lengths[-1] in range(8, 13), "a run of one cold request does not show where it began"


def test_a_drop_shows_although_nights_and_weekends_are_cold():
    """Mornings are colder than the drop; they are compared with mornings."""

    def week(start: int, left: float) -> list[RunCacheUse]:
        uses = []
        for hour in range(9 * 5):
            day, run = divmod(hour, 9)
            at = start + day * 86_400 + run * 3_600.0
            uses.append(run_use(int(at), 100 if run == 0 else round(left * 1_900), at, requests=1))
        return uses

    before, low = week(0, 1.0), week(7 * 86_400, 0.5)
    assert runs_dropped(before) is None
    assert any(runs_dropped([*before, *low[:runs]]) for runs in range(1, 11))
    assert runs_dropped([*before, *week(7 * 86_400, 1.0)]) is None


def sent_in(sent: list[CachedRequest], run_ids: Sequence[str]) -> list[CachedRequest]:
    return [one for one in sent if one.run_id in run_ids]


def found_after(before: int, change: Change, *, most: int = 10) -> int | None:
    """How many runs it takes until a drop to nothing is reported that comes with a change of the requests."""
    sent: list[CachedRequest] = []
    uses = []
    for run in range(before + most):
        low = run >= before
        worlds = [change(World(), run, request) if low else World() for request in range(3)]
        sent += [world.requests(run, 60.0 * run)[request] for request, world in enumerate(worlds)]
        uses.append(run_use(run, 0 if low else 5_900, 60.0 * run))
        drop = find_drop(uses, partial(sent_in, sent))
        if drop is not None:
            assert drop.new
            return run - before + 1
    return None


def test_a_change_of_the_requests_lets_a_drop_be_found_sooner():
    edited = with_hash("system", lambda *_: "other")
    nothing: Change = lambda world, *_: world  # noqa: E731 - beside the other
    assert [found_after(10, edited), found_after(10, nothing)] == [4, 4]
    assert [found_after(30, edited), found_after(30, nothing)] == [3, 4]
    assert [found_after(6, edited), found_after(6, nothing)] == [5, None]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ([0.9, 0.88, 0.92, 0.9, 0.91, 0.89, 0.9], [0.2] * 4, 4),
        ([0.9, 0.88, 0.92, 0.9, 0.91, 0.89, 0.9], [0.2] * 3, None),
        ([0.9, 0.88, 0.92, 0.9, 0.91, 0.89], [0.2] * 4, None),
        ([0.9, 0.6, 0.92, 0.9, 0.91, 0.89, 0.9, 0.88], [0.2] * 4, None),
        ([0.9, 0.6, 0.92, 0.9, 0.91, 0.89, 0.9, 0.88], [0.7] * 4, None),
        ([0.9] * 7, [0.75] * 4, None),
    ],
)
def test_few_runs_are_compared_by_how_far_they_are_below(before: list[float], now: list[float], found: int | None):
    assert drop_length([*before, *now]) == found


def test_a_first_weekend_is_not_a_drop_and_rarer_runs_are():
    """Four hours apart in place of one: seven runs are a weekend, and more are another schedule."""
    shares, hour, now = [1_800, 1_850, 1_750] * 12, 3_600.0, 0.0
    uses = [run_use(run, read, run * hour, requests=1) for run, read in enumerate(shares)]
    for low in range(1, 9):
        now = (len(shares) + 4 * low) * hour
        uses.append(run_use(len(uses), 100, now, requests=1))
        assert (runs_dropped(uses) is not None) == (low == 8), low


def test_an_edited_text_that_is_read_as_before_is_no_drop():
    uses = [run_use(run, 5_900 if run % 3 else 5_700, 60.0 * run) for run in range(40)]
    edited = with_hash("system", lambda run, _: "other" if run >= 30 else "syste")
    sent = [
        edited(World(), run, request).requests(run, 60.0 * run)[request] for run in range(40) for request in range(3)
    ]
    assert all(
        find_drop(uses[:end], lambda ids: [one for one in sent if one.run_id in ids]) is None for end in range(41)
    )
