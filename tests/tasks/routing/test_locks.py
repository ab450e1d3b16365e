"""Locks: routing begins where calibration has shown it may, and says so."""

from dataclasses import replace

from tasks.providers.failure_kinds import failure
from tasks.routing.locks import RouteLock, RouteLocks, model_of
from tasks.routing.router import Router, after
from tests.support.routes import FAILING, HAIKU, OSS, SONNET, TARGETS, names, router

SINGLE = RouteLock("digest/sort", ("gpt-oss",), (model_of(OSS),), stand_in=False, why="within 0.03 of sonnet")
CASCADE = RouteLock(
    "digest/sort", ("gpt-oss", "sonnet"), (model_of(OSS), model_of(SONNET)), stand_in=False, escalated=12
)


def test_a_lock_goes_before_tier_and_evidence():
    route = router(gpt_oss=FAILING).route("premium", lock=SINGLE)
    assert names(route)[0] == "gpt-oss"
    assert route[0].reason == "locked, light: within 0.03 of sonnet"
    assert sorted(names(route)) == sorted(one.name for one in TARGETS)


def test_who_asks_for_the_best_and_who_runs_short_of_money_is_not_bound_by_it():
    assert names(Router(TARGETS).route("light", "best", lock=SINGLE))[0] == "sonnet"
    economic = Router(TARGETS).route("light", economic="asked for", lock=SINGLE)
    assert economic == Router(TARGETS).route("light", economic="asked for")


def test_a_cascade_asks_the_second_only_where_the_first_does_not_pass():
    route = Router(TARGETS).route("light", lock=CASCADE)
    assert [(c.target.name, c.percent, c.lock) for c in route[:3]] == [
        ("gpt-oss", 100, "verified"),
        ("sonnet", 12, "escalation"),
        ("haiku", None, None),
    ]
    assert names(after(failure("invalid_output"), OSS, route[1:]))[0] == "sonnet"


def test_a_cascade_may_escalate_within_a_tier():
    lock = replace(CASCADE, route=("gpt-oss", "haiku"), models=(model_of(OSS), model_of(HAIKU)))
    route = Router(TARGETS).route("light", lock=lock)
    assert names(after(failure("invalid_output"), OSS, route[1:])) == ["haiku", "sonnet"]


def test_a_lock_made_on_stand_ins_binds_no_real_target():
    made_on_sandbox = replace(SINGLE, stand_in=True)
    route = Router(TARGETS).route("light", lock=made_on_sandbox)
    assert names(route) == names(Router(TARGETS).route("light"))
    assert "its lock on gpt-oss is not obeyed: it rests on answers of the sandbox" in route[0].reason
    stand_ins = [replace(one, stand_in=True) for one in TARGETS]
    assert names(Router(stand_ins).route("light", lock=made_on_sandbox))[0] == "gpt-oss"


def test_a_lock_on_another_model_or_on_a_target_that_is_gone_is_not_obeyed():
    other = Router([HAIKU, SONNET, replace(OSS, model="openai/gpt-oss-20b")]).route("light", lock=SINGLE)
    assert names(other)[0] == "haiku"
    assert "gpt-oss was groq openai/gpt-oss-120b then" in other[0].reason
    gone = Router([HAIKU, SONNET]).route("light", lock=SINGLE)
    assert "gpt-oss does not answer" in gone[0].reason


def test_an_operation_has_its_own_lock_else_that_of_the_step_it_is_counted_in():
    covering = replace(SINGLE, covers=frozenset({"tool_selection"}))
    locks = RouteLocks({"digest/sort": covering})
    assert locks.of("digest", "sort") is covering
    assert locks.of("digest", "tool_selection") == covering
    assert locks.of("other", "sort") is None
