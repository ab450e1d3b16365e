"""Rollups are exact: whatever arrives, in whatever order and however often, they are what the facts add up to."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.db.database import Store
from pricing.replica.replica import Replica
from pricing.reports import overview
from pricing.reports.targets import target_health
from tests.support.rollups import Fact, filled, write

ROLLUPS = ("run_totals", "run_costs", "run_turns", "last_attempts")
NUMBERS = itertools.count()
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens")


class Copied(NamedTuple):
    store: Store
    replica: Replica


pytestmark = pytest.mark.xdist_group("rollups")  # the last test looks at what those before it wrote


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    folder = tmp_path_factory.mktemp("rollups")
    store = Store(f"sqlite:///{folder / 'ledger.db'}")
    yield Copied(store, Replica(folder / "replica.duckdb", store))
    store.close()


amounts = st.integers(0, 10**12)
counts = st.one_of(st.none(), st.integers(0, 10**6))


@st.composite
def attempt(draw: Any, run_id: str, turn_id: str, ordinal: int) -> list[Fact]:
    attempt_id = f"{turn_id}-{ordinal}"
    outcome = draw(st.sampled_from(["ok", "ok", "timeout", "lost", "cancelled"]))
    usage = {name: draw(counts) if outcome == "ok" else None for name in TOKENS}
    ids = {"attempt_id": attempt_id, "run_id": run_id}
    where = {"target": draw(st.sampled_from("ab")), "model": "m", "operation": draw(st.sampled_from(["plan", "chat"]))}
    money = {"cost_nano": draw(amounts), "saved_nano": draw(st.integers(-9, 9)), "worst_nano": 10**12}
    told = {"outcome": outcome, "priced": "usage" if outcome == "ok" else "worst_case"}
    rest = {"stand_in": draw(st.booleans()), "hop": ordinal, "ordinal": ordinal, "started_at": draw(st.integers(0, 50))}
    facts = [filled("attempts", turn_id=turn_id, **ids, **where, **money, **told, **rest, **usage)]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        delta = {"cost_delta_nano": draw(st.integers(-(10**12), 10**12)), **{name: draw(counts) for name in TOKENS}}
        facts.append(filled("adjustments", **ids, **delta))
    return facts


@st.composite
def history(draw: Any) -> list[list[Fact]]:
    """The facts of a few runs in any order, cut into what comes between two syncs."""
    facts = []
    for _ in range(draw(st.integers(1, 4))):
        run_id, began = f"run-{next(NUMBERS)}", draw(st.integers(1, 10**15))
        who = {"automation": draw(st.sampled_from("xy")), "org_id": draw(st.sampled_from([None, "acme"]))}
        if draw(st.integers(0, 9)):  # sometimes what a run did is known before the run itself
            facts.append(filled("runs", run_id=run_id, started_at=began, stand_in=False, tags="[]", **who))
        for turn in range(draw(st.integers(0, 3))):
            turn_id, tries = f"{run_id}-{turn}", draw(st.integers(0, 3))
            outcome = draw(st.sampled_from(["answered", "failed", "blocked"]))
            reason = draw(st.sampled_from([None, "scope"]))
            known = {"operation": "chat", "outcome": outcome, "reason": reason, "saved_nano": draw(st.integers(0, 9))}
            facts.append(filled("turns", run_id=run_id, turn_id=turn_id, attempts=tries, repaired=False, **known))
            for ordinal in range(tries):
                facts += draw(attempt(run_id, turn_id, ordinal))
        for ordinal in range(draw(st.integers(0, 2))):
            outcome = draw(st.sampled_from(["completed", "over_budget", "lost"]))
            money = {"held_nano": draw(st.sampled_from([0, 5])), "ended_at": draw(st.integers(1, 99))}
            facts.append(
                filled("settlements", run_id=run_id, ordinal=ordinal, outcome=outcome, stand_in=False, **money)
            )
    facts = draw(st.permutations(facts))
    cuts = sorted(draw(st.lists(st.integers(0, len(facts)), max_size=2)))
    return [facts[low:high] for low, high in itertools.pairwise([0, *cuts, len(facts)])]


def rollups(replica: Replica) -> dict[str, Counter[Any]]:
    with replica.read() as duck:
        return {name: Counter(duck.execute(f"FROM {name}").fetchall()) for name in ROLLUPS}


def rolled_up(replica: Replica) -> list[list[dict[str, Any]]]:
    """The rows of the rollups that have one for each run, or some."""
    with replica.read() as duck:
        tables = []
        for name in ROLLUPS[:3]:
            found = duck.execute(f"FROM {name}")
            names = [column[0] for column in found.description or ()]
            tables.append([dict(zip(names, row, strict=True)) for row in found.fetchall()])
        return tables


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=history())
def test_rollups_are_what_the_facts_add_up_to(copied: Copied, parts: list[list[Fact]]):
    store, replica = copied
    for part in parts:
        write(store, part)
        replica.sync()
    facts = [fact for part in parts for fact in part]
    by_run: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for table, row in facts:
        by_run[row["run_id"]][table].append(row)
    runs, costs, turns = rolled_up(replica)
    totals = {row["run_id"]: row for row in runs}
    for run_id, known in by_run.items():
        if not known["runs"]:
            assert run_id not in totals
            continue
        total = totals[run_id]
        cost = sum(row["cost_nano"] for row in known["attempts"])
        cost += sum(row["cost_delta_nano"] for row in known["adjustments"])
        last = known["settlements"][-1]["outcome"] if known["settlements"] else "running"
        assert (total["cost_nano"], total["outcome"]) == (cost, last)
        assert (total["attempts"], total["turns"]) == (len(known["attempts"]), len(known["turns"]))
        mine = [row for row in costs if row["run_id"] == run_id]
        assert sum(row["cost_nano"] for row in mine) == cost
        assert sum(row["attempts"] for row in mine) == len(known["attempts"])
        assert {row["org_id"] for row in mine} <= {known["runs"][0]["org_id"]}
        corrected = {row["attempt_id"]: row for row in known["attempts"]}
        for row in known["adjustments"]:
            corrected[row["attempt_id"]] = corrected[row["attempt_id"]] | {
                name: row[name] for name in TOKENS if row[name] is not None
            }
        for name in TOKENS:
            told = [row[name] for row in corrected.values() if row[name] is not None]
            assert sum(row[name] or 0 for row in mine) == sum(told)
        asked = Counter(row["outcome"] for row in known["turns"])
        assert (
            Counter({o: sum(r["turns"] for r in turns if (r["run_id"], r["outcome"]) == (run_id, o)) for o in asked})
            == asked
        )


def test_a_rebuild_rolls_up_the_same(copied: Copied):
    """After all those syncs, what was kept up bit by bit is what a rebuild makes."""
    before, overviews = rollups(copied.replica), overview(copied.replica)
    healths = target_health(copied.replica)
    copied.replica.rebuild()
    assert rollups(copied.replica) == before
    assert overview(copied.replica) == overviews
    assert target_health(copied.replica) == healths
    assert sum(before["run_totals"].values()) > 10
