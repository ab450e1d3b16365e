"""When a quarantine is over exactly one caller tries, of all turns and all processes; what it finds is everybody's."""

from collections.abc import Mapping
from typing import Any

import pytest

from farebox.runtime import Runtime
from pricing.clock import now_us
from pricing.db import schema
from pricing.errors import TurnFailed
from pricing.ledger.circuits import Circuit
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext
from tasks.sandbox import read_journal
from tests.faults.conftest import Place, target
from tests.support import askers
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.clock import Clock
from tests.support.turns import admitted, ask, unanswered
from tests.support.waiting import PATIENCE, until

LONG = "The export failed because a volume was full. It was moved to another one, and an alert was added. " * 5
TARGETS = [
    target("primary", "bedrock", tier="premium", read_timeout=PATIENCE),
    target("other", "groq", tier="legacy", read_timeout=PATIENCE),
]
PATIENT: dict[str, Any] = {"deadline_seconds": PATIENCE, "breaker": "quarantine_seconds = 3600"}
"""No turn ends for want of time, and nothing but the quarantine that a test waits for ends while it runs."""


def stream_into(pieces: list[str], runtime: Runtime, run_id: str, text: str) -> None:
    with inside(Step("say", max_tokens=200), run=RunContext(run_id)):
        pieces.extend(Ask(lambda: runtime.engine).stream("say.j2", text=text))


def until_it_is_over(runtime: Runtime) -> None:
    """In real time, for processes that have no other."""
    [circuit] = rows(runtime.ledger, schema.circuits)
    until("end of the quarantine", lambda: now_us() > circuit["open_until"])


def virtual(runtime: Runtime) -> Clock:
    """The clock of a runtime's circuits, from now on set by the test."""
    clock = Clock(now_us())
    runtime.circuits.clock = clock
    return clock


def quarantine_over(runtime: Runtime, clock: Clock) -> None:
    [circuit] = rows(runtime.ledger, schema.circuits)
    clock.now = circuit["open_until"] + 10_000


@pytest.mark.parametrize("kind", ["503", "slow"])
def test_two_hundred_turns_in_four_processes_send_one_probe(place: Place, kind: str):
    """It fails, and all go on without the target; or it is answered after a while, and all come back."""
    project = place.project(TARGETS, **PATIENT)
    with project.runtime_here() as runtime:
        process = askers.start(project, processes=4, turns=50)
        runtime.circuits.trip("primary", "overloaded", lambda _: 0.2).result()
        until_it_is_over(runtime)
        place.inject({"kind": kind, "target": "primary", "seconds": 1.0})
        assert askers.finish(project, process) == [50] * 4
        asked = sorted(entry.time for entry in read_journal(place.sandbox.journal) if entry.target == "primary")
        if kind == "503":
            assert len(asked) == 1
            [circuit] = rows(runtime.ledger, schema.circuits)
            assert circuit["level"] == 1
        else:
            assert asked[1:] == [] or asked[1] - asked[0] >= 1.0, "somebody came before the probe was answered"
            assert rows(runtime.ledger, schema.circuits) == []
        events = [event["event"] for event in rows(runtime.ledger, schema.circuit_events)]
        assert events == ["opened", "probed", "opened" if kind == "503" else "closed"]
        assert_ledger_adds_up(runtime)


def test_fifty_turns_of_one_process_send_one_probe(place: Place):
    place.inject({"kind": "503", "target": "primary"})
    with place.runtime(TARGETS, **PATIENT) as runtime:
        clock = virtual(runtime)
        with admitted(runtime) as run:
            assert unanswered(ask(runtime, run, 1)) == []
            quarantine_over(runtime, clock)
            before = place.requests()["primary"]
            assert unanswered(ask(runtime, run, 50, at_once=50)) == []
            assert place.requests()["primary"] - before == 1
            quarantine_over(runtime, clock)
            place.inject()
            assert unanswered(ask(runtime, run, 3)) == []
        assert rows(runtime.ledger, schema.circuits) == []
        assert_ledger_equals_journal(runtime, place.sandbox.journal)
        assert_ledger_adds_up(runtime)
        turns = rows(runtime.ledger, schema.turns)
        assert [turn["target"] for turn in turns[-3:]] == ["primary"] * 3
        reasons = [a["reason"] for a in rows(runtime.ledger, schema.attempts) if a["target"] == "primary"]
        assert reasons.count("probe of an open circuit") == 2


def test_another_process_sees_it_within_a_second_and_does_not_query_for_each_turn(place: Place):
    """The other one has looked a moment before, and goes on asking."""
    with place.runtime(TARGETS, **PATIENT) as runtime, admitted(runtime) as run:
        other = place.project(TARGETS, **PATIENT).runtime()  # a runtime of its own, as another process has
        clock, reads = virtual(other), list[int]()
        snapshot = other.circuits.snapshot

        def read() -> Mapping[str, Circuit]:
            reads.append(clock.now)
            return snapshot()

        other.circuits.snapshot = read  # type: ignore[method-assign]
        try:
            assert unanswered(ask(other, run, 3)) == []
            assert place.requests() == {"primary": 3}
            runtime.circuits.trip("primary", "overloaded", lambda _: 600).result()
            turns = 20
            for _ in range(turns):
                assert unanswered(ask(other, run, 1)) == []
                clock.now += 1_000_000 // turns
            before = place.requests()["primary"]
            assert unanswered(ask(other, run, 20)) == []
            assert place.requests()["primary"] == before
            assert len(reads) <= 5 < turns
        finally:
            other.close()


def test_a_stream_that_breaks_after_its_first_piece_counts_against_its_target(place: Place):
    """Nobody else may finish its answer, but the next turn does not ask it first."""
    place.inject({"kind": "cut", "target": "primary"})
    with place.runtime(TARGETS) as runtime, admitted(runtime) as run:
        pieces: list[str] = []
        with pytest.raises(TurnFailed, match="broke off"):
            stream_into(pieces, runtime, run, LONG)
        assert pieces
        assert place.requests()["primary"] == 1
        [circuit] = rows(runtime.ledger, schema.circuits)
        assert (circuit["target"], circuit["reason"]) == ("primary", "connection")
        assert unanswered(ask(runtime, run, 1)) == []
        assert [turn["target"] for turn in rows(runtime.ledger, schema.turns)] == [None, "other"]
        assert_ledger_equals_journal(runtime, place.sandbox.journal)
