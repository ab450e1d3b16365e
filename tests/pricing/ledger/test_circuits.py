"""Circuits: opened once, probed by one, closed for all; on SQLite and on Postgres."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.circuits import Circuit, Circuits
from tests.support.clock import Clock

SECOND = 1_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000 * SECOND)


@pytest.fixture
def circuits(store: Store, clock: Clock) -> Circuits:
    return Circuits(store, clock=clock)


def doubling(level: int) -> float:
    return float(10 * 2**level)


def events(store: Store) -> list[tuple[Any, ...]]:
    columns = (schema.circuit_events.c[name] for name in ("target", "event", "reason", "level"))
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(schema.circuit_events.c.seq))]


def test_a_circuit_opens_once_however_many_fail(circuits: Circuits, store: Store, clock: Clock):
    tripped = [circuits.trip("haiku", "overloaded", doubling) for _ in range(50)]
    assert [future.result().opened for future in tripped].count(True) == 1
    assert circuits.snapshot() == {"haiku": Circuit("haiku", 0, clock.now + 10 * SECOND, 0, "overloaded")}
    assert events(store) == [("haiku", "opened", "overloaded", 0)]


def test_a_failure_after_the_quarantine_doubles_it(circuits: Circuits, clock: Clock):
    for level in range(4):
        circuit = circuits.trip("haiku", "timeout", doubling).result().circuit
        assert (circuit.level, circuit.open_until) == (level, clock.now + round(doubling(level)) * SECOND)
        clock.now = circuit.open_until


def test_what_the_provider_asks_for_is_the_minimum(circuits: Circuits, clock: Clock):
    circuits.trip("haiku", "rate_limit", doubling, at_least=60).result()
    assert circuits.snapshot()["haiku"].open_until == clock.now + 60 * SECOND
    circuits.trip("haiku", "rate_limit", doubling, at_least=90).result()  # a later one may ask for more, not for less
    circuits.trip("haiku", "rate_limit", doubling).result()
    assert circuits.snapshot()["haiku"].open_until == clock.now + 90 * SECOND


def test_a_grave_reason_replaces_a_lesser_one_and_not_the_other_way_round(circuits: Circuits, clock: Clock):
    circuits.trip("haiku", "timeout", doubling).result()
    grave = circuits.trip("haiku", "auth", lambda _: 3600, grave=True).result()
    assert grave.opened
    assert not circuits.trip("haiku", "auth", lambda _: 3600, grave=True).result().opened
    assert not circuits.trip("haiku", "timeout", doubling).result().opened
    assert circuits.snapshot()["haiku"] == Circuit("haiku", 0, clock.now + 3600 * SECOND, 0, "auth")


def test_one_of_all_stores_claims_the_probe(database_url: str, clock: Clock):
    """Fifty callers with connections of their own, as many processes have."""
    stores = [Store(database_url) for _ in range(5)]
    try:
        Circuits(stores[0], clock=clock).trip("haiku", "timeout", doubling).result()
        clock.now += 10 * SECOND
        circuit = Circuits(stores[0], clock=clock).snapshot()["haiku"]

        def claim(number: int) -> bool:
            return Circuits(stores[number % 5], clock=clock).claim(circuit, 30).result()

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(claim, range(50))) == 1
        clock.now += 31 * SECOND  # its holder did not come back
        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(claim, range(50))) == 1
    finally:
        for store in stores:
            store.close()


def test_a_claim_is_given_back_or_lost_with_the_circuit_it_was_for(circuits: Circuits, clock: Clock):
    circuit = circuits.trip("haiku", "timeout", doubling).result().circuit
    clock.now = circuit.open_until
    assert circuits.claim(circuit, 30).result()
    circuits.release("haiku").result()
    assert circuits.claim(circuit, 30).result()
    circuits.trip("haiku", "timeout", doubling).result()
    clock.now += 100 * SECOND
    assert not circuits.claim(circuit, 30).result(), "it is another quarantine by now"


def test_closing_forgets_the_level_and_hastens_what_is_named(circuits: Circuits, store: Store, clock: Clock):
    for name in ("haiku", "sonnet", "other"):
        circuits.trip(name, "timeout", doubling).result()
    clock.now += 5 * SECOND
    assert circuits.close("haiku", "answered", hasten=["sonnet"]).result()
    assert not circuits.close("haiku", "answered").result()
    left = circuits.snapshot()
    assert {name: circuit.open_until - clock.now for name, circuit in left.items()} == {
        "sonnet": 0,
        "other": 5 * SECOND,
    }
    assert circuits.trip("haiku", "timeout", doubling).result().circuit.level == 0
    assert [event[:2] for event in events(store)][3:] == [("haiku", "closed"), ("haiku", "opened")]


def test_by_hand(circuits: Circuits, store: Store, clock: Clock):
    circuits.force_open("haiku", "by hand", 100).result()
    circuits.force_open("haiku", "by hand", 50).result()
    assert circuits.snapshot()["haiku"] == Circuit("haiku", 0, clock.now + 50 * SECOND, 0, "by hand")
    assert circuits.close("haiku", "by hand").result()
    assert circuits.snapshot() == {}
    assert [event[1:3] for event in events(store)] == [("opened", "by hand")] * 2 + [("closed", "by hand")]
