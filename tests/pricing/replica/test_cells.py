"""Cells are exact: a report that adds up days says what the facts say, whatever the period, the zone and the order."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from math import ceil
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pricing.clock import from_us, to_us
from pricing.db.database import Store
from pricing.replica import archive
from pricing.replica.archive import Archive
from pricing.replica.replica import Replica
from pricing.replica.rollups import DAY_US
from pricing.reports import breakdown, overview
from pricing.reports.guards import guard_report
from pricing.reports.overview.data import SpendSection
from pricing.reports.selection import RunSelection
from tests.support.rollups import Fact, filled, write

FIRST, DAYS, QUARTER = to_us(datetime(2026, 3, 7, tzinfo=UTC)), 4, 900_000_000
ZONES = [ZoneInfo(name) for name in ("UTC", "Asia/Kathmandu", "America/New_York")]
NUMBERS = itertools.count(1)
ENDED = st.sampled_from(["completed", "completed", "failed", "over_budget"])

pytestmark = pytest.mark.xdist_group("cells")  # the last test looks at what those before it wrote


class Copied(NamedTuple):
    store: Store
    replica: Replica
    archive: Archive
    facts: list[Fact]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    folder = tmp_path_factory.mktemp("cells")
    store = Store(f"sqlite:///{folder / 'ledger.db'}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archive, "HISTORY", 0)
        patched.setattr(archive, "RAN", 0)
        segments = Archive(folder / "archive", store, runs=3)
        yield Copied(store, Replica(folder / "replica.duckdb", store, segments.folder), segments, [])
    store.close()


moments = st.one_of(
    st.integers(0, DAYS * DAY_US),
    st.integers(0, DAYS * 96).map(lambda n: n * QUARTER),
    st.integers(0, DAYS).map(lambda n: n * DAY_US),
    st.integers(1, DAYS).map(lambda n: n * DAY_US - 1),
).map(lambda after: FIRST + after)


@st.composite
def a_run(draw: Any) -> list[Fact]:
    run_id, began = f"run-{next(NUMBERS):06}", draw(moments)
    stand_in = draw(st.sampled_from([False, False, True]))
    of_run = {
        "run_id": run_id,
        "automation": draw(st.sampled_from("xy")),
        "quality": draw(st.sampled_from(["fast", "best"])),
    }
    who = {"org_id": draw(st.sampled_from([None, "acme"])), "stand_in": stand_in, "tags": "[]", "p95_nano": 40}
    facts = [filled("runs", started_at=began, **of_run, **who)]
    for turn in range(draw(st.integers(0, 2))):
        turn_id, tries = f"{run_id}-{turn}", draw(st.integers(0, 2))
        told = {"outcome": draw(st.sampled_from(["answered", "blocked"])), "saved_nano": draw(st.integers(0, 9))}
        of_turn = {"run_id": run_id, "turn_id": turn_id, "operation": draw(st.sampled_from(["plan", "chat"]))}
        facts.append(filled("turns", attempts=tries, repaired=False, reason="scope", **of_turn, **told))
        for hop in range(tries):
            attempt = {"attempt_id": f"{turn_id}-{hop}", "hop": hop, "ordinal": hop, "reason": "timeout at a"}
            where = {"target": "ab"[hop], "model": draw(st.sampled_from("mn")), "provider": "p"}
            cost = {"cost_nano": draw(st.integers(0, 50)), "input_tokens": draw(st.sampled_from([None, 7]))}
            came = {"outcome": draw(st.sampled_from(["ok", "timeout"])), "stand_in": stand_in, "priced": "usage"}
            facts.append(filled("attempts", **attempt, **where, **cost, **came, **of_turn))
            if draw(st.integers(0, 3)) == 0:
                delta = {"cost_delta_nano": draw(st.integers(-50, 50))}
                facts.append(filled("adjustments", run_id=run_id, attempt_id=attempt["attempt_id"], **delta))
    if draw(st.integers(0, 5)):
        money = {"charged_nano": draw(st.sampled_from([None, 0, 90])), "held_nano": 5, "ended_at": began + 1}
        facts.append(filled("settlements", outcome=draw(ENDED), stand_in=stand_in, budgets="[]", **of_run, **money))
    for _ in range(draw(st.integers(0, 2))):
        seq = next(NUMBERS)
        said = {
            "action": draw(st.sampled_from(["allow", "block"])),
            "reason": "scope",
            "guard": "scope",
            "mode": "enforce",
        }
        took = {"decided_at": began + draw(st.sampled_from([0, DAY_US])), "latency_us": draw(st.integers(0, 5))}
        facts.append(filled("guard_decisions", seq=seq, run_id=run_id, **said, **took))
        if draw(st.booleans()):
            verdict = draw(st.sampled_from(["right", "wrong"]))
            facts.append(filled("guard_reviews", decision=seq, verdict=verdict, origin="review"))
    return facts


@st.composite
def history(draw: Any) -> tuple[list[Fact], list[Fact]]:
    """What is known at first of a few runs, and what comes later: corrections, ends, reviews, and a run or two."""
    late = {"adjustments", "settlements", "guard_reviews"}
    sooner: list[Fact] = []
    later: list[Fact] = []
    for facts in draw(st.lists(a_run(), min_size=1, max_size=5)):
        for fact in facts:
            (later if fact.table in late and draw(st.booleans()) else sooner).append(fact)
    return sooner, later + [fact for fact in draw(a_run()) if fact.table in {"runs", "settlements"}]


choices = st.builds(
    lambda low, high, **rest: RunSelection(low and from_us(low), high and from_us(high), **rest),
    st.one_of(st.none(), moments),
    st.one_of(st.none(), moments),
    automation=st.sampled_from([None, None, "x"]),
    org=st.sampled_from([None, None, "acme"]),
    zone=st.sampled_from(ZONES),
)


class Run(NamedTuple):
    """What the facts say of one run."""

    row: dict[str, Any]
    outcome: str
    charged: int
    attempts: list[dict[str, Any]]
    turns: list[dict[str, Any]]
    decisions: list[dict[str, Any]]

    @property
    def cost(self) -> int:
        return sum(one["cost_nano"] for one in self.attempts)


def runs_of(facts: list[Fact]) -> list[Run]:
    by_run: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    found: dict[int, str] = {
        fact.row["decision"]: fact.row["verdict"] for fact in facts if fact.table == "guard_reviews"
    }
    for table, row in facts:
        if table != "guard_reviews":
            by_run[row["run_id"]][table].append(row)
    runs = []
    for known in by_run.values():
        deltas: Counter[str] = Counter()
        for row in known["adjustments"]:
            deltas[row["attempt_id"]] += row["cost_delta_nano"]
        attempts = [row | {"cost_nano": row["cost_nano"] + deltas[row["attempt_id"]]} for row in known["attempts"]]
        decisions = [row | {"verdict": found.get(row["seq"])} for row in known["guard_decisions"]]
        [end] = known["settlements"] or [{"outcome": "running", "charged_nano": 0}]
        runs.append(
            Run(known["runs"][0], end["outcome"], end["charged_nano"] or 0, attempts, known["turns"], decisions)
        )
    return runs


def is_chosen(run: Run, choice: RunSelection) -> bool:
    since, until = (to_us(moment) if moment else None for moment in (choice.since, choice.until))
    began = run.row["started_at"]
    return (
        (since is None or began >= since)
        and (until is None or began < until)
        and choice.automation in (None, run.row["automation"])
        and choice.org in (None, run.row["org_id"])
    )


def day_of(run: Run, zone: ZoneInfo) -> date:
    return from_us(run.row["started_at"]).astimezone(zone).date()


def expected(runs: list[Run], zone: ZoneInfo) -> dict[str, Any] | None:
    """What the overview must tell of these runs, added up from their facts."""
    if not runs:
        return None
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    days: dict[date, Counter[str]] = defaultdict(Counter)
    operations: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    moves: Counter[Any] = Counter()
    guards: dict[str, Counter[str]] = defaultdict(Counter)
    for run in runs:
        sums = {"runs": 1, "spent": run.cost, "charged": run.charged}
        outcomes[run.outcome].update(sums)
        days[day_of(run, zone)].update(sums | {"-": 0})
        for one in run.attempts:
            days[day_of(run, zone)].update({one["operation"]: one["cost_nano"]})
            operations[one["operation"], one["model"]].update(
                attempts=1, failed=one["outcome"] != "ok", read=one.get("input_tokens") or 0, cost=one["cost_nano"]
            )
            if one["hop"]:
                moves["a", one["target"], one["outcome"] == "ok"] += 1
        for one in run.decisions:
            if one["action"] != "allow":
                guards[one["action"]].update(times=1, reviewed=bool(one["verdict"]), wrong=one["verdict"] == "wrong")
    ended = defaultdict(list)
    for run in runs:
        if run.outcome != "running":
            ended[run.row["automation"]].append(run.cost)
    return {
        "outcomes": dict(outcomes),
        "days": {day: +sums for day, sums in days.items()},
        "operations": dict(operations),
        "moves": moves,
        "guards": dict(guards),
        "turns": sum(len(run.turns) for run in runs),
        "attempts": sum(len(run.attempts) for run in runs),
        "asked": sum(turn["attempts"] > 0 for run in runs for turn in run.turns),
        "covered": sum(run.outcome == "completed" and run.cost <= run.row["p95_nano"] for run in runs),
        "p95": {name: sorted(costs)[ceil(0.95 * len(costs)) - 1] for name, costs in ended.items()},
    }


def told(section: SpendSection | None) -> dict[str, Any] | None:
    """What the overview tells, in the same shape."""
    if section is None:
        return None
    assert sum(line.spent_nano for line in section.outcomes) == section.spent_nano
    return {
        "outcomes": {
            line.outcome: Counter(runs=line.runs, spent=line.spent_nano, charged=line.charged_nano)
            for line in section.outcomes
        },
        "days": {
            line.day: +Counter(
                {"runs": line.runs, "spent": line.spent_nano, "charged": line.charged_nano, **line.operations}
            )
            for line in section.days
        },
        "operations": {
            (line.operation, line.model): Counter(
                attempts=line.attempts, failed=line.failed, read=line.tokens.input or 0, cost=line.cost_nano
            )
            for line in section.operations
        },
        "moves": Counter({(move.origin, move.target, move.answered): move.turns for move in section.moves}),
        "guards": {
            line.action: Counter(times=line.times, reviewed=line.reviewed, wrong=line.wrong) for line in section.guards
        },
        "turns": section.turns,
        "attempts": section.attempts,
        "asked": section.fallbacks.turns,
        "covered": section.coverage.within,
        "p95": {line.automation: line.p95_nano for line in section.automations if line.p95_nano is not None},
    }


def check(copied: Copied, choice: RunSelection) -> None:
    runs = runs_of(copied.facts)
    if choice.automation and not any(run.row["automation"] == choice.automation for run in runs):
        return
    mine = [run for run in runs if is_chosen(run, choice)]
    overviewed = overview(copied.replica, choice)
    for section, stand_in in ((overviewed.real, False), (overviewed.sandbox, True)):
        some = [run for run in mine if run.row["stand_in"] == stand_in]
        assert told(section) == expected(some, choice.zone)
    for by in ("operation", "day"):
        lines = breakdown(copied.replica, [by, "quality"], choice).lines
        assert sum(line.cost_nano for line in lines) == sum(run.cost for run in mine)
        if by == "operation":
            costs: Counter[Any] = Counter()
            for run in mine:
                for one in run.attempts:
                    costs[one["operation"], run.row["quality"]] += one["cost_nano"]
            assert +sum((Counter({line.names: line.cost_nano}) for line in lines), Counter()) == +costs
    check_guards(copied, to_us(choice.since) if choice.since else 0)


def check_guards(copied: Copied, since: int) -> None:
    report = guard_report(copied.replica, since)
    made = [one for run in runs_of(copied.facts) for one in run.decisions if one["decided_at"] >= since]
    latencies = sorted(one["latency_us"] for one in made)
    assert [
        (line.decisions, line.blocked, line.reviewed, line.wrong, line.p50_us, line.p95_us) for line in report.guards
    ] == (
        [
            (
                len(made),
                sum(one["action"] == "block" for one in made),
                sum(one["verdict"] is not None for one in made),
                sum(one["verdict"] == "wrong" for one in made),
                latencies[ceil(len(made) / 2) - 1],
                latencies[len(made) - len(made) * 5 // 100 - 1],
            )
        ]
        if made
        else []
    )


@settings(max_examples=8, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(parts=history(), archived=st.sampled_from([None, 0, 1, 2]), chosen=st.lists(choices, min_size=2, max_size=2))
def test_reports_say_what_the_facts_say(
    copied: Copied, parts: tuple[list[Fact], list[Fact]], archived: int | None, chosen: list[RunSelection]
):
    """Facts come late, corrections later still, and the archive takes some of them before or after."""
    for number, facts in enumerate(parts):
        write(copied.store, facts)
        copied.facts.extend(facts)
        if archived == number:
            copied.archive.move(FIRST + 2 * DAY_US)
        copied.replica.sync()
        if archived == 2:
            copied.archive.move(FIRST + 2 * DAY_US)
            copied.replica.sync()
        check(copied, chosen[number])


def test_days_are_closed_and_a_rebuild_has_the_same_cells(copied: Copied):
    """After all those syncs, what was kept up bit by bit is what a rebuild makes."""

    def cells() -> dict[str, Counter[Any]]:
        names = ("day_totals", "day_costs", "day_turns", "quarter_sums", "closed")
        with copied.replica.read() as duck:
            return {name: Counter(duck.execute(f"FROM {name}").fetchall()) for name in names}

    before = cells()
    assert len(before["day_totals"]) > 10
    assert copied.archive.segments()
    copied.replica.rebuild()
    assert cells() == before
    for zone in ZONES:
        check(copied, RunSelection(zone=zone))
