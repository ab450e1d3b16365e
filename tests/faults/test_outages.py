"""While one healthy failure domain remains every turn is answered, whatever the others do; and the books agree."""

import itertools
import json

import pytest

from pricing.db import schema
from pricing.errors import NoTarget
from tests.faults.conftest import FAULTS, NO_SERVER, READ_TIMEOUT, Place, broken_target, target
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.turns import admitted, ask, unanswered

WAYS = [*FAULTS, *NO_SERVER]


def rules(*broken: tuple[str, str]) -> list[dict[str, object]]:
    return [FAULTS[fault] | {"target": name} for name, fault in broken if fault in FAULTS]


def test_thirty_turns_with_an_unavailable_primary(place: Place):
    place.inject({"kind": "503", "target": "primary"})
    with place.runtime([target("primary", "bedrock"), target("other", "groq"), target("third", "openai")]) as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, 30)
        assert unanswered(outcomes) == []
        assert place.requests()["primary"] <= 5
        assert place.requests()["other"] == 30
        attempts = assert_ledger_equals_journal(runtime, place.sandbox.journal)
        assert_ledger_adds_up(runtime)
        # The first turn tells that it failed over, the others why the first target was not asked.
        turns = rows(runtime.ledger, schema.turns)
        assert all(turn["outcome"] == "answered" and turn["target"] == "other" for turn in turns)
        [skipped] = {place["skipped"] for place in json.loads(turns[-1]["route"]) if "skipped" in place}
        assert skipped.startswith("circuit open until 20")
        assert skipped.endswith(" UTC, overloaded")
        assert attempts[-1]["reason"] == f"primary: {skipped}"
        [opened] = rows(runtime.ledger, schema.circuit_events)
        assert (opened["target"], opened["event"], opened["level"]) == ("primary", "opened", 0)
        [circuit] = rows(runtime.ledger, schema.circuits)
        assert 540 <= (circuit["open_until"] - opened["happened_at"]) / 1e6 <= 600


@pytest.mark.parametrize("fault", WAYS)
def test_one_target_fails(place: Place, fault: str):
    place.inject(*rules(("primary", fault)))
    with place.runtime([broken_target("primary", "bedrock", fault), target("healthy", "groq")]) as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, 12, at_once=4)
        assert unanswered(outcomes) == []
        attempts = assert_ledger_equals_journal(runtime, place.sandbox.journal)
        assert_ledger_adds_up(runtime)
        assert 1 <= sum(attempt["target"] == "primary" for attempt in attempts) <= 8
        assert [circuit["target"] for circuit in rows(runtime.ledger, schema.circuits)] == ["primary"]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(WAYS, 2)))
def test_two_failure_domains_fail_at_once(place: Place, first: str, second: str):
    place.inject(*rules(("first", first), ("second", second)))
    targets = [
        broken_target("first", "bedrock", first),
        broken_target("second", "anthropic", second),
        target("healthy", "groq"),
    ]
    with place.runtime(targets) as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, 8, at_once=4)
        assert unanswered(outcomes) == []
        assert_ledger_equals_journal(runtime, place.sandbox.journal)
        assert_ledger_adds_up(runtime)
        assert {circuit["target"] for circuit in rows(runtime.ledger, schema.circuits)} == {"first", "second"}


def test_a_whole_provider_is_down(place: Place):
    place.inject({"kind": "529", "provider": "bedrock"})
    targets = [
        target("east", "bedrock"),
        target("west", "bedrock", region="us-west-2"),
        target("europe", "bedrock", region="eu-west-1", tier="premium"),
        target("healthy", "openai", tier="last_resort"),
    ]
    with place.runtime(targets) as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, 20, at_once=2)
        assert unanswered(outcomes) == []
        assert place.requests()["healthy"] == 20
        assert sum(place.requests()[name] for name in ("east", "west", "europe")) <= 2 * 3 * 2
        assert_ledger_equals_journal(runtime, place.sandbox.journal)
        assert_ledger_adds_up(runtime)


def test_a_region_is_down_and_a_target_of_it_that_was_never_asked_is_left_alone(place: Place):
    """Two of its targets tripped: the whole failure domain counts as open."""
    east = [target(name, "bedrock", tier=tier) for name, tier in (("a", "light"), ("b", "premium"), ("c", "legacy"))]
    place.inject(*({"kind": "503", "target": name} for name in "abc"), {"kind": "503", "target": "west", "first": 4})
    with place.runtime([*east, target("west", "bedrock", region="us-west-2", tier="last_resort")]) as runtime:
        with admitted(runtime) as run:
            first = ask(runtime, run, 2)  # west fails too: a and b are asked, and c after b in the same turn at most
            asked = place.requests()["c"]
            assert {"a", "b"} <= {circuit["target"] for circuit in rows(runtime.ledger, schema.circuits)}
            place.inject(*({"kind": "503", "target": name} for name in "ab"))  # c would answer, but who knows
            later = ask(runtime, run, 10)
        assert len(unanswered(first)) == 2
        assert unanswered(later) == []
        assert place.requests()["c"] == asked
        assert_ledger_equals_journal(runtime, place.sandbox.journal)


def test_a_retry_after_beyond_the_deadline_falls_back_at_once_and_is_the_quarantines_minimum(place: Place):
    place.inject({"kind": "429", "target": "primary", "retry_after": 3600})
    with place.runtime([target("primary", "bedrock"), target("other", "groq")]) as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, 3)
        assert unanswered(outcomes) == []
        assert place.requests() == {"primary": 1, "other": 3}
        [circuit], [opened] = rows(runtime.ledger, schema.circuits), rows(runtime.ledger, schema.circuit_events)
        assert (circuit["open_until"] - opened["happened_at"]) / 1e6 == pytest.approx(3600, abs=1)


@pytest.mark.parametrize(("kind", "reason"), [("quota", "quota_exhausted"), ("auth", "auth")])
def test_a_refused_account_is_quarantined_long_and_its_other_targets_are_not_asked(
    place: Place, kind: str, reason: str
):
    place.inject({"kind": kind, "provider": "openai"})
    targets = [target("a", "openai"), target("b", "openai", tier="premium"), target("other", "groq")]
    with place.runtime(targets, breaker="long_seconds = 7200") as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, 5)
        assert unanswered(outcomes) == []
        assert place.requests() == {"a": 1, "other": 5}
        circuit = rows(runtime.ledger, schema.circuits)[0]
        opened = rows(runtime.ledger, schema.circuit_events)[0]
        assert circuit["reason"] == reason
        assert 6480 <= (circuit["open_until"] - opened["happened_at"]) / 1e6 <= 7200


def test_an_overflow_reaches_no_smaller_window(place: Place):
    place.inject({"kind": "overflow", "target": "middle"})
    targets = [
        target("middle", "bedrock", more="window = 100000\n"),
        target("small", "groq", more="window = 50000\n"),
        target("equal", "openai", more="window = 100000\n"),
        target("large", "anthropic", more="window = 200000\n"),
    ]
    with place.runtime(targets) as runtime:
        with admitted(runtime) as run:
            outcomes = ask(runtime, run, 5)
        assert unanswered(outcomes) == []
        assert place.requests() == {"middle": 5, "large": 5}
        assert rows(runtime.ledger, schema.circuits) == []  # the target did nothing wrong


def test_every_target_is_down_and_every_turn_still_tries_one_of_each_failure_domain(place: Place):
    place.inject({"kind": "503"})
    targets = [target("a", "bedrock"), target("b", "bedrock", tier="premium"), target("c", "groq")]
    with place.runtime(targets) as runtime:
        with admitted(runtime) as run:
            ask(runtime, run, 1)
            before = place.requests()
            outcomes = ask(runtime, run, 4)
            assert all(isinstance(outcome, NoTarget) for outcome in outcomes)
            assert (place.requests() - before).total() == 4 * 2
            levels = {circuit["level"] for circuit in rows(runtime.ledger, schema.circuits)}
            assert levels == {0}  # nobody's quarantine was over: nothing new was learnt
            place.inject()
            assert unanswered(ask(runtime, run, 5)) == []
        # What answered although it was in quarantine is back in service.
        assert len(rows(runtime.ledger, schema.circuits)) < 3
        assert_ledger_equals_journal(runtime, place.sandbox.journal)
        assert_ledger_adds_up(runtime)


def test_a_brown_out_costs_one_read_timeout_and_no_retry(place: Place):
    place.inject(FAULTS["brown-out"] | {"target": "primary"})
    slow = target("primary", "bedrock", read_timeout=READ_TIMEOUT)
    with place.runtime([slow, target("other", "groq")], retries=3) as runtime:
        with admitted(runtime) as run:
            assert unanswered(ask(runtime, run, 6)) == []
        assert place.requests() == {"primary": 1, "other": 6}
        outcomes = [attempt["outcome"] for attempt in rows(runtime.ledger, schema.attempts)]
        assert outcomes.count("timeout") == 1


def test_retries_leave_an_attempt_for_every_other_failure_domain(place: Place):
    place.inject({"kind": "503", "target": "a"}, {"kind": "503", "target": "b"})
    targets = [target("a", "bedrock"), target("b", "anthropic"), target("c", "groq")]
    with place.runtime(targets, retries=5, max_attempts=4) as runtime, admitted(runtime) as run:
        assert unanswered(ask(runtime, run, 1)) == []
        assert place.requests() == {"a": 2, "b": 1, "c": 1}
