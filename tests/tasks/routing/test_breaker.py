"""The breaker's policy and the order it leaves a turn; the fallback matrix it works on."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pricing.db.database import Store
from pricing.ledger.circuits import Circuits
from tasks.providers.failure_kinds import ALLOWED, FailureKind, failure
from tasks.routing.breaker import BY_HAND, Breaker, BreakerEvent, CircuitOpen, CircuitPermit, Quarantine
from tasks.routing.router import Candidate, after
from tasks.routing.target import Target, Tier
from tasks.turn.fallback import CandidateQueue

SECOND = 1_000_000


def make(name: str, domain: str, tier: Tier = "light", **more: Any) -> Target:
    usual: dict[str, Any] = {"window": 100_000, "account": domain, "max_output": 8000, "base_url": ""}
    return Target(name, "openai", "gpt-4.1-mini", tier, failure_domain=domain, **(usual | more))


A1, A2, A3 = make("a1", "a"), make("a2", "a", "premium"), make("a3", "a", "legacy")
B1, B2 = make("b1", "b", "legacy"), make("b2", "b", "light")
C1 = make("c1", "c", "last_resort")
EVERY = [A1, A2, A3, B1, B2, C1]


def route(*targets: Target) -> tuple[Candidate, ...]:
    return tuple(Candidate(target, "") for target in targets)


def names(candidates: Any) -> list[str]:
    return [candidate.target.name for candidate in candidates]


class World:
    """A breaker with a clock that stands still, and what it reported."""

    def __init__(self, store: Store) -> None:
        self.now = 1_000 * SECOND
        self.events: list[BreakerEvent] = []
        self.circuits = Circuits(store, clock=lambda: self.now)
        self.breaker = self.another()

    def another(self) -> Breaker:
        """As of another process."""
        return Breaker(self.circuits, EVERY, Quarantine(600, 86_400, 3_600), notify=self.events.append)

    async def trip(self, *targets: Target, kind: FailureKind = "overloaded") -> None:
        for target in targets:
            await self.breaker.failed(target, failure(kind), probe=False)

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    def itinerary(self, *targets: Target) -> CandidateQueue:
        self.skipped: dict[str, str] = {}
        return CandidateQueue(
            self.breaker, route(*targets), lambda target, why: self.skipped.update({target.name: why})
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield World(store)
    store.close()


@pytest.mark.parametrize("kind", list(ALLOWED))
async def test_what_trips(world: World, kind: FailureKind):
    await world.trip(A1, kind=kind)
    tripped = {"rate_limit", "overloaded", "server_error", "timeout", "connection"}
    alarmed = {"quota_exhausted", "auth", "not_found"}
    assert (A1.name in world.circuits.snapshot()) == (kind in tripped | alarmed)
    assert [event.kind for event in world.events] == (
        ["opened", "alarm"] if kind in alarmed else ["opened"] if kind in tripped else []
    )
    if kind in tripped | alarmed:
        seconds = (world.circuits.snapshot()[A1.name].open_until - world.now) / SECOND
        longest = 3600 if kind in alarmed else 600
        assert longest * 0.9 <= seconds <= longest


def test_a_quarantine_doubles_up_to_its_cap():
    quarantine = Quarantine(600, 86_400, 3_600)
    for level in range(100):
        for grave, first in ((False, 600), (True, 3_600)):
            whole = min(86_400, first * 2**level)
            assert whole * 0.9 <= quarantine.seconds(level, grave=grave) <= whole


async def test_two_open_targets_take_their_failure_domain_out(world: World):
    await world.trip(A1)
    assert isinstance(await world.breaker.enter(A3, 10), CircuitPermit)
    await world.trip(A2)
    shut = await world.breaker.enter(A3, 10)
    assert isinstance(shut, CircuitOpen)
    assert shut.why.startswith("failure domain a open until 1970-01-01 00:2")
    assert isinstance(await world.breaker.enter(B1, 10), CircuitPermit)


async def test_a_wrong_key_is_no_outage_of_its_domain(world: World):
    await world.trip(A1, kind="auth")
    await world.trip(A2)
    assert isinstance(await world.breaker.enter(A3, 10), CircuitPermit)


async def test_one_probe_answered_lets_its_whole_domain_be_tried(world: World):
    await world.trip(A1)
    world.wait(300)
    await world.trip(A2)
    world.wait(300)
    assert await world.breaker.enter(A1, 10) == CircuitPermit(probe=True)
    assert isinstance(await world.breaker.enter(A1, 10), CircuitOpen), "the others go on without it"
    assert isinstance(await world.another().enter(A1, 10), CircuitPermit), "a process that never looked asks"
    await world.breaker.succeeded(A1)
    assert await world.breaker.enter(A1, 10) == CircuitPermit(probe=False)
    assert await world.breaker.enter(A2, 10) == CircuitPermit(probe=True), "due at once, not in five minutes"
    assert isinstance(await world.breaker.enter(A3, 10), CircuitPermit)
    assert [event.kind for event in world.events] == ["opened", "opened", "closed"]


async def test_fifty_at_once_and_five_processes_make_one_probe(world: World):
    await world.trip(A1)
    world.wait(600)
    breakers = [world.another() for _ in range(5)]
    for breaker in breakers:
        await breaker.look()
    found = await asyncio.gather(*(breaker.enter(A1, 60) for breaker in breakers for _ in range(10)))
    assert found.count(CircuitPermit(probe=True)) == 1
    world.wait(61)  # it never came back
    for breaker in breakers:
        await breaker.look()
    found = await asyncio.gather(*(breaker.enter(A1, 60) for breaker in breakers for _ in range(10)))
    assert found.count(CircuitPermit(probe=True)) == 1


async def test_a_probe_that_fails_reopens_for_longer_and_any_other_answer_closes(world: World):
    await world.trip(A1)
    world.wait(600)
    await world.breaker.enter(A1, 10)
    await world.breaker.failed(A1, failure("timeout"), probe=True)
    assert world.circuits.snapshot()["a1"].level == 1
    world.wait(1200)
    await world.breaker.enter(A1, 10)
    await world.breaker.failed(A1, failure("context_overflow"), probe=True)
    assert world.circuits.snapshot() == {}


async def test_a_retry_after_is_the_minimum_but_not_for_ever(world: World):
    await world.breaker.failed(A1, replace(failure("rate_limit"), retry_after=7200), probe=False)
    await world.breaker.failed(B1, replace(failure("rate_limit"), retry_after=1e12), probe=False)
    found = world.circuits.snapshot()
    assert found["a1"].open_until == world.now + 7200 * SECOND
    assert found["b1"].open_until == world.now + 86_400 * SECOND


async def test_what_another_process_did_is_seen_within_a_second(world: World):
    other = world.another()
    await other.look()
    await world.trip(A1)
    world.wait(0.4)
    await other.look()
    assert isinstance(await other.enter(A1, 10), CircuitPermit), "it has looked a moment ago"
    world.wait(0.6)
    await other.look()
    assert isinstance(await other.enter(A1, 10), CircuitOpen)


async def test_what_is_skipped_is_told_and_its_domain_comes_last(world: World):
    await world.trip(A1)
    way = world.itinerary(A1, A2, B1, B2, C1)
    order = [candidate.target.name for _ in range(4) if (candidate := await way.next(60))]
    assert order == ["b2", "b1", "c1", "a2"], "other domains first, of these the same tier"
    assert list(world.skipped) == ["a1"]
    assert world.skipped["a1"].endswith(" UTC, overloaded")


async def test_when_all_are_open_what_is_due_soonest_is_asked_one_of_each_domain(world: World):
    for target in (A2, C1, A1, B1, B2):
        await world.trip(target)
        world.wait(100)
    way = world.itinerary(A1, A2, B1, B2, C1)
    asked = []
    while candidate := await way.next(60):
        asked.append(candidate.target.name)
        assert not way.may_retry()
        await way.failed(failure("overloaded"), blameless=False)
    assert asked == ["a2", "c1", "b1"]
    assert {circuit.level for circuit in world.circuits.snapshot().values()} == {0}


async def test_an_answer_from_an_open_domain_lets_it_be_tried(world: World):
    await world.trip(A1, A2, B1, C1)
    way = world.itinerary(A3)
    assert await way.next(60) is not None
    await way.answered()
    assert isinstance(await world.breaker.enter(A3, 60), CircuitPermit)
    assert await world.breaker.enter(A2, 60) == CircuitPermit(probe=True)


async def test_what_a_person_took_out_is_asked_last_and_stays_out(world: World):
    world.circuits.force_open("a1", BY_HAND, 600).result()
    way = world.itinerary(A1, B1)
    assert [c.target.name for _ in range(2) if (c := await way.next(60))] == ["b1", "a1"]
    await way.answered()
    assert world.circuits.snapshot()["a1"].reason == BY_HAND


async def test_a_turn_without_an_alternative_asks_although_somebody_else_is_trying(world: World):
    await world.trip(A1)
    world.wait(600)
    assert await world.breaker.enter(A1, 60) == CircuitPermit(probe=True)
    way = world.itinerary(A1)
    assert (candidate := await way.next(60)) is not None
    assert candidate.target is A1
    await way.answered()
    assert world.circuits.snapshot() == {}


async def test_a_probe_that_was_not_sent_is_somebody_elses(world: World):
    await world.trip(A1)
    world.wait(600)
    ways: list[Callable[[CandidateQueue], None]] = [
        lambda way: way.keep(lambda one: one.target is B1),
        lambda way: way.abandon(),
    ]
    for give_back in ways:
        way = world.itinerary(A1, B1)
        assert (candidate := await way.next(60)) is not None
        assert candidate.reason == "probe of an open circuit"
        give_back(way)
        assert await world.breaker.enter(A1, 60) == CircuitPermit(probe=True)
        world.breaker.release(A1)


async def test_a_target_that_was_given_no_time_is_not_blamed(world: World):
    way = world.itinerary(A1, B1)
    await way.next(60)
    await way.failed(failure("timeout"), blameless=True)
    assert world.circuits.snapshot() == {}


async def test_alternatives_are_other_domains_in_service(world: World):
    await world.trip(B1, B2)
    way = world.itinerary(A1, A2, B1, B2, C1)
    await way.next(60)
    assert way.alternatives == 1
    assert way.may_retry()
    await world.trip(A1)
    assert not way.may_retry(), "another turn found out meanwhile"


LARGE = make("large", "a", "premium", window=200_000, account="other")
ROUTE = route(A2, A3, LARGE, B1, B2, C1)


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("overloaded", ["b2", "b1", "c1", "a2", "a3", "large"]),
        ("rate_limit", ["b2", "b1", "c1", "a2", "a3", "large"]),
        ("invalid_output", ["a2", "large"]),
        ("truncated", ["a2", "large"]),
        ("unverified", ["a2", "large"]),
        ("quota_exhausted", ["large", "b1", "b2", "c1"]),
        ("auth", ["large", "b1", "b2", "c1"]),
        ("not_found", ["a2", "a3", "large", "b1", "b2", "c1"]),
        ("request_exceeds_quota_window", ["large", "b1", "b2", "c1"]),
        ("context_overflow", ["large"]),
        ("request_too_large", []),
        ("invalid_request", []),
        ("content_policy", []),
        ("refusal", []),
    ],
)
def test_the_matrix(kind: FailureKind, order: list[str]):
    assert names(after(failure(kind), A1, ROUTE)) == order


def test_a_known_quota_window_leads_only_to_larger_ones():
    small = replace(A1, tokens_per_minute=1000)
    others = route(*(make(str(tpm), "b", tokens_per_minute=tpm) for tpm in (500, 1000, 2000)), C1)
    assert names(after(failure("request_exceeds_quota_window"), small, others)) == ["2000", "c1"]
