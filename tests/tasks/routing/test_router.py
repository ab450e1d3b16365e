"""Who is asked first: the declared order, moved by evidence alone; and the economic route."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.errors import ConfigError, LedgerBusy
from pricing.ledger.target_stats import TargetStats
from tasks.routing.router import Router, Size, describe, economic_reason, warnings_of
from tasks.routing.slo import ENOUGH, TargetSLO
from tasks.routing.stats_cache import FRESH_SECONDS, HoldsInUse, Observations
from tests.support.routes import FAILING, HAIKU, OSS, SONNET, TARGETS, names, router, target
from tests.support.waiting import until

GOOD = TargetStats(n=100, success=0.99, p50=0.5, p95=1.0, waste=0.0)
SLOW = TargetStats(n=100, success=0.99, p50=1.5, p95=3.1, waste=0.0)
FEW = TargetStats(n=ENOUGH - 1, success=0.0, p50=None, p95=None, waste=None)

observed = st.none() | st.builds(
    TargetStats,
    n=st.floats(0.1, 200),
    success=st.floats(0, 1),
    p50=st.none() | st.floats(0, 60),
    p95=st.none() | st.floats(0, 60),
    waste=st.none() | st.floats(0, 50),
)
evidences = st.fixed_dictionaries({one.name: observed for one in TARGETS}).map(
    lambda found: {name: seen for name, seen in found.items() if seen}
)
tiers = st.sampled_from(["light", "premium", "legacy", "last_resort"])
qualities = st.sampled_from(["fast", "best"])
orders = st.permutations(TARGETS)


@given(orders, evidences, tiers, qualities, st.none() | st.just("money is short"))
def test_a_route_is_a_permutation_of_the_targets(targets, evidence, tier, quality, economic):
    route = Router(targets, evidence=lambda: evidence).route(tier, quality, economic=economic)
    assert sorted(names(route)) == sorted(one.name for one in targets)
    assert all(candidate.reason for candidate in route)


@given(orders, evidences, tiers, qualities)
def test_a_target_below_its_floor_is_never_first_while_one_meets_it(targets, evidence, tier, quality):
    made = Router(targets, evidence=lambda: evidence)
    first = made.route(tier, quality)[0].target.name
    standings = {one.target.name: one for one in made.standings(tier, quality)}
    if any(one.met for one in standings.values()):
        assert standings[first].missed is None


@given(orders, evidences, tiers, qualities)
def test_the_rest_keeps_the_declared_order(targets, evidence, tier, quality):
    first, *rest = names(Router(targets, evidence=lambda: evidence).route(tier, quality))
    assert rest == [one.name for one in targets if one.name != first]


@given(orders, evidences, tiers, qualities)
def test_with_too_few_observations_the_declared_order_stands(targets, evidence, tier, quality):
    few = {
        name: TargetStats(min(seen.n, ENOUGH - 1), seen.success, seen.p50, seen.p95, None)
        for name, seen in evidence.items()
    }
    assert names(Router(targets, evidence=lambda: few).route(tier, quality)) == names(
        Router(targets).route(tier, quality)
    )


def test_the_declared_primary_stands_without_evidence():
    route = Router(TARGETS).route("light")
    assert names(route) == ["haiku", "sonnet", "old", "gpt-oss", "mini"]
    assert [candidate.reason for candidate in route] == [
        "primary, light",
        "upgraded, same provider",
        "legacy, same provider",
        "cross-provider, light",
        "last resort",
    ]
    assert names(Router(TARGETS).route("light", "best"))[0] == "sonnet"


def test_a_lack_of_evidence_moves_nobody():
    assert names(router(haiku=GOOD).route("light"))[0] == "haiku"
    assert names(router(gpt_oss=GOOD).route("light"))[0] == "haiku"
    assert names(router(haiku=FEW, gpt_oss=GOOD).route("light"))[0] == "haiku"


def test_the_cheapest_of_the_tier_that_meets_the_floors_is_asked_first():
    route = router(haiku=GOOD, gpt_oss=GOOD, mini=GOOD).route("light")
    assert names(route) == ["gpt-oss", "haiku", "sonnet", "old", "mini"]
    assert "before haiku: $0.00027 a turn against $0.002, failures counted in" in route[0].reason
    assert route[1].reason == "declared first, light"


def test_failures_count_in_the_cost():
    dear = TargetStats(n=100, success=0.95, p50=0.5, p95=1.0, waste=9.0)
    assert names(router(haiku=GOOD, gpt_oss=dear).route("light"))[0] == "haiku"


@pytest.mark.parametrize("missing", [SLOW, FAILING])
def test_a_primary_that_misses_a_floor_gives_way(missing):
    assert names(router(haiku=missing, gpt_oss=GOOD, sonnet=GOOD).route("light"))[0] == "gpt-oss"
    higher = router(haiku=missing, sonnet=GOOD, mini=GOOD).route("light")
    assert names(higher)[0] == "sonnet"
    assert names(router(haiku=missing, mini=GOOD).route("light"))[0] == "mini"
    alone = router(haiku=missing).route("light")
    assert names(alone)[0] == "haiku"
    assert "though" in alone[0].reason
    assert ("3.1 s, over 2 s" if missing is SLOW else "62% answered, under 90%") in alone[0].reason
    assert higher[0].reason.startswith("premium, before haiku: ")


def test_floors_shift_with_tier_quality_and_step():
    assert TargetSLO.of("light", "fast") == TargetSLO(2.0, 0.90)
    assert TargetSLO.of("premium", "fast") == TargetSLO(30.0, 0.90)
    assert TargetSLO.of("premium", "best") == TargetSLO(30.0, 0.95)
    assert TargetSLO.of("light", "fast", 8.0) == TargetSLO(8.0, 0.90)
    slow = router(haiku=SLOW, gpt_oss=GOOD, mini=GOOD)
    assert names(slow.route("light"))[0] == "gpt-oss"
    assert names(router(haiku=SLOW, mini=GOOD).route("light", seconds=5))[0] == "haiku"


def test_the_economic_route_goes_from_the_cheapest_up_and_says_why():
    route = Router(TARGETS).route("premium", economic="budget 'digest per day' is 84% spent")
    assert names(route) == ["gpt-oss", "mini", "old", "haiku", "sonnet"]
    assert route[0].reason == "economic: $0.00027 a turn, the cheapest; budget 'digest per day' is 84% spent"
    assert economic_reason({"compose": describe(route)}) == "budget 'digest per day' is 84% spent"
    assert economic_reason({"compose": describe(Router(TARGETS).route("premium"))}) is None
    assert names(router(gpt_oss=FAILING).route("light", economic="x"))[-1] == "gpt-oss"


def test_the_size_of_a_turn_decides_what_is_cheapest():
    cheap_input = target("a", "light", "openai", "gpt-4.1-nano")
    cheap_output = target("b", "light", "groq", "openai/gpt-oss-20b")
    made = Router([cheap_input, cheap_output])
    costs = {size: [one.cost for one in made.standings("light", size=size)] for size in (Size(9, 1), Size(1, 900))}
    assert costs[Size(9, 1)] != costs[Size(1, 900)]


def test_why_is_told_with_the_first_candidate_only():
    route = Router(TARGETS).route("premium", why="complexity 0.62 ≥ 0.50 (steps asked for: 6 (+0.50))")
    assert route[0].reason == "primary, premium; complexity 0.62 ≥ 0.50 (steps asked for: 6 (+0.50))"
    assert "complexity" not in route[1].reason


def test_new_evidence_is_seen_at_the_next_turn():
    evidence: dict[str, TargetStats] = {}
    made = Router(TARGETS, evidence=lambda: evidence)
    assert names(made.route("light"))[0] == "haiku"
    evidence = {"haiku": GOOD, "gpt-oss": GOOD}
    assert names(made.route("light"))[0] == "gpt-oss"


def test_one_failure_domain_is_warned_of():
    [(told, advice)] = warnings_of(Router([HAIKU, SONNET]))
    assert "one failure domain (anthropic)" in told
    assert "another provider" in advice
    assert warnings_of(Router(TARGETS)) == []


def test_no_targets_and_doubled_names():
    with pytest.raises(ConfigError, match="no targets"):
        Router([])
    with pytest.raises(ConfigError, match="Two targets"):
        Router([HAIKU, HAIKU])


def test_observations_are_read_once_per_period_and_never_by_who_asks():
    now, reads = [0.0], []

    def load() -> dict[str, TargetStats]:
        reads.append(threading.current_thread())
        return {"haiku": GOOD}

    seen = Observations(load, dict[str, TargetStats](), clock=lambda: now[0])
    assert seen.fresh() == {"haiku": GOOD}
    assert reads == [threading.current_thread()]
    for _ in range(100):
        assert seen() is seen.fresh()
    assert len(reads) == 1
    now[0] = FRESH_SECONDS
    before = seen()
    until("second read", lambda: len(reads) >= 2)
    assert reads[1:] != [threading.current_thread()]
    assert before == {"haiku": GOOD}
    assert len(reads) == 2


def test_observations_that_cannot_be_read_leave_the_older_ones(caplog):
    now, broken = [0.0], [False]

    def load() -> dict[str, TargetStats]:
        if broken[0]:
            raise LedgerBusy("The ledger is busy.")
        return {"haiku": GOOD}

    seen = Observations(load, dict[str, TargetStats](), clock=lambda: now[0])
    seen.fresh()
    now[0], broken[0] = FRESH_SECONDS, True
    seen()
    until("warning", lambda: caplog.records)
    assert "The ledger is busy." in caplog.text
    assert seen() == {"haiku": GOOD}


def test_holds_in_use_forget_the_oldest_runs():
    holds = HoldsInUse()
    assert holds.share("a") == 0
    holds.note("a", 0.5)
    holds.note("a", 0.9)
    assert holds.share("a") == 0.9
    for number in range(1024):
        holds.note(str(number), 0.1)
    assert holds.share("a") == 0


def test_who_is_declared_first_stays_so_whatever_is_known_of_it():
    """What others are compared with must not move with what was observed."""
    assert router(sonnet=FAILING).primary("premium") is SONNET
    assert Router([OSS, HAIKU]).primary("premium") is OSS
