"""Runs with a due time that are answered by batches: in waves, at the batch's price, once."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from farebox import Agent, ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.cli.display import waiting_line
from farebox.runs.admission import price_run
from farebox.runtime import Runtime
from pricing import from_us, now_us, to_us
from pricing.db import schema
from pricing.reports import moment, run_report
from tasks.sandbox import Sandbox, read_journal
from tasks.turn import WaveNews
from tests.support.books import assert_ledger_adds_up, rows
from tests.support.command import Call
from tests.support.due_runs import BATCHED, DAYS_6, QUICK, assert_served_once, batch_rules, due_run
from tests.support.project import Project, make_project
from tests.support.runs import at_once
from tests.support.waiting import until


@pytest.fixture
def project(tmp_path: Any, sandbox: Sandbox) -> Project:
    batch_rules(sandbox, QUICK)
    return make_project(tmp_path / "project", sandbox.url, targets=BATCHED)


@llm_task(operation="say", max_tokens=60, max_turns=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=40, input_tokens=60, output_tokens=40), due="6h")
def forty(notes: list[str]) -> list[str]:
    return [future.result() for future in say.map(notes)]


NOTES = [f"The importer stopped for {n} hours." for n in range(40)]


def test_a_mapped_step_is_one_batch_at_half_the_price(runtime: Runtime, sandbox: Sandbox):
    with due_run(runtime, forty, {"notes": NOTES}) as ride:
        said = at_once(say.fn, NOTES, threads=40)
    assert len(said) == 40
    [batch] = runtime.batches.of_run(ride.run.run_id)
    assert (batch.state, batch.lines, batch.completed, batch.failed) == ("ended", 40, 40, 0)
    attempts = rows(runtime.ledger, schema.attempts)
    assert {a["service_tier"] for a in attempts} == {"batch"}
    served = {entry.client_request_id: entry for entry in read_journal(sandbox.journal)}
    for attempt in attempts:
        entry = served[attempt["attempt_id"]]
        standard = runtime.rates.price(attempt["model"], attempt["provider"], entry.usage)
        batched = runtime.rates.price(attempt["model"], attempt["provider"], entry.usage, service_tier="batch")
        assert attempt["cost_nano"] == batched
        assert abs(2 * batched - standard) <= 1
    turns = rows(runtime.ledger, schema.turns)
    assert Counter(turn["outcome"] for turn in turns) == {"answered": 40}
    assert {turn["turn_id"] for turn in turns} == {a["turn_id"] for a in attempts}
    assert_ledger_adds_up(runtime)


def look_up(customer: str) -> dict[str, str]:
    """The account of a customer."""
    return {"customer": customer, "plan": "team"}


helper = Agent(prompt="say.j2", tools=[look_up], max_turns=4, max_tokens=200)


@llm_task(operation="help", max_turns=6)
def help_out(text: str) -> str:
    return helper.run(text=text)


@llm_task(operation="gathered", max_tokens=60, max_turns=10)
async def gathered(notes: list[str]) -> list[str]:
    return await asyncio.gather(*(ask.aio("say.j2", text=note) for note in notes))


@llm_task(operation="twice", max_tokens=60, max_turns=2)
def twice(text: str) -> str:
    return ask("say.j2", text=ask("say.j2", text=text))


@automation(
    price="1 credit",
    plan=plan(say, calls=8, input_tokens=60, output_tokens=40)
    + plan(helper, calls=4, input_tokens=200, output_tokens=60)
    + plan(twice, calls=4, input_tokens=60, output_tokens=60),
    due="6h",
)
def errand() -> None:
    """Never called: tests run inside it."""


def batches_of(runtime: Runtime, run_id: str) -> list[int]:
    return [batch.lines for batch in runtime.batches.of_run(run_id)]


def test_turns_that_depend_on_each_other_go_in_waves(runtime: Runtime, sandbox: Sandbox):
    with due_run(runtime, errand, {}) as ride:
        at_once(twice.fn, NOTES[:4])
    assert batches_of(runtime, ride.run.run_id) == [4, 4]
    assert_served_once(runtime, sandbox)


def test_the_next_turns_of_agents_are_the_next_wave(runtime: Runtime, sandbox: Sandbox):
    cases = [f"Look up the account of {name} and say its plan." for name in ("Acme", "Globex", "Initech")]
    with due_run(runtime, errand, {}) as ride:
        at_once(help_out.fn, cases)
    waves = batches_of(runtime, ride.run.run_id)
    assert waves[0] == 3
    assert len(waves) >= 2
    assert {a["service_tier"] for a in assert_served_once(runtime, sandbox)} == {"batch"}


def test_gathered_turns_of_one_step_are_one_batch(runtime: Runtime, sandbox: Sandbox):
    with due_run(runtime, errand, {}) as ride:
        assert len(asyncio.run(gathered.fn(NOTES[:6]))) == 6
    assert batches_of(runtime, ride.run.run_id) == [6]
    assert_served_once(runtime, sandbox)


def test_a_question_asked_five_times_has_five_lines(runtime: Runtime, sandbox: Sandbox):
    with due_run(runtime, errand, {}) as ride:
        at_once(say.fn, ["the same note"] * 5, threads=5)
    assert batches_of(runtime, ride.run.run_id) == [5]
    assert len(assert_served_once(runtime, sandbox)) == 5


@contextmanager
def days_pass(sandbox: Sandbox) -> Iterator[None]:
    """The provider's clock runs fast."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(0.3):
            httpx.post(f"{sandbox.url}/_sandbox/clock", json={"seconds": 86_401}).raise_for_status()

    clock = threading.Thread(target=tick)
    clock.start()
    try:
        yield
    finally:
        ended.set()
        clock.join()


def tiers_of(attempts: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((a["service_tier"], a["outcome"]) for a in attempts)


@llm_task(operation="once", max_tokens=60)
def once_said(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(once_said, calls=40, input_tokens=60, output_tokens=40), due="6h")
def once() -> None:
    """Never called: tests price it."""


def test_lines_that_expire_are_in_a_new_batch_then_live(runtime: Runtime, project: Project, sandbox: Sandbox):
    """Each batch answers one line only; the third one's leftovers are asked live."""
    batch_rules(sandbox, {"lines": 1, "seconds": 0})
    with days_pass(sandbox), due_run(runtime, errand, {}, due_in=DAYS_6) as ride:
        said = at_once(say.fn, NOTES[:5], threads=5)
    assert len(said) == 5
    assert batches_of(runtime, ride.run.run_id) == [5, 4, 3]
    attempts = assert_served_once(runtime, sandbox)
    assert tiers_of(attempts) == {("batch", "ok"): 3, ("batch", "timeout"): 9, ("standard", "ok"): 2}
    turns = rows(runtime.ledger, schema.turns)
    assert sorted(turn["attempts"] for turn in turns) == [1, 2, 3, 4, 4]
    assert runtime.batches.past_turns(stand_in=True) == {"openai": (5, 2)}
    with project.runtime_here() as later:
        quoted = price_run(later, automation_of(once), {}, due_at=now_us() + DAYS_6)
    [first, *_] = quoted.routes["once"]
    assert (first.service_tier, first.live_percent) == ("batch", 7), "two of five, beside 5 of 100 assumed"


@pytest.mark.parametrize("code", ["invalid_request", "token_limit_exceeded"])
def test_a_batch_that_fails_costs_nothing_and_is_asked_live_or_again(runtime: Runtime, sandbox: Sandbox, code: str):
    batch_rules(sandbox, {"fails": code, "nth": 1})
    with due_run(runtime, errand, {}) as ride:
        at_once(say.fn, NOTES[:3], threads=3)
    attempts = assert_served_once(runtime, sandbox)
    ok = Counter(a["service_tier"] for a in attempts if a["outcome"] == "ok")
    assert ok == ({"standard": 3} if code == "invalid_request" else {"batch": 3})
    assert len(batches_of(runtime, ride.run.run_id)) == (1 if code == "invalid_request" else 2)


@pytest.mark.parametrize("fault", ["drop", "unavailable", "rate_limit"])
def test_a_create_call_without_a_reply_is_looked_for_and_never_repeated(runtime: Runtime, sandbox: Sandbox, fault: str):
    batch_rules(sandbox, {"create": fault, "nth": 1, "seconds": 0})
    with due_run(runtime, errand, {}):
        assert len(at_once(say.fn, NOTES[:3], threads=3)) == 3
    attempts = assert_served_once(runtime, sandbox)
    made = httpx.get(f"{sandbox.url}/_sandbox/batches").json()
    assert len(made) == 1, "one was created"
    assert Counter(a["service_tier"] for a in attempts if a["outcome"] == "ok") == {"batch": 3}


@pytest.mark.parametrize("damage", ["truncated", "garbage", "unknown", "repeated", "missing"])
def test_results_that_are_damaged_are_taken_as_far_as_they_go(runtime: Runtime, sandbox: Sandbox, damage: str):
    batch_rules(sandbox, {"damage": damage, "nth": 1, "seconds": 0})
    with due_run(runtime, errand, {}):
        assert len(at_once(say.fn, NOTES[:4], threads=4)) == 4
    answered = Counter(turn["outcome"] for turn in rows(runtime.ledger, schema.turns))
    assert answered == {"answered": 4}
    assert_ledger_adds_up(runtime)


def test_a_line_that_errors_is_asked_live(runtime: Runtime, sandbox: Sandbox, inject: Any):
    inject({"kind": "overflow", "first": 1})
    with due_run(runtime, errand, {}):
        assert len(at_once(say.fn, NOTES[:3], threads=3)) == 3
    attempts = assert_served_once(runtime, sandbox)
    assert tiers_of(attempts) == {("batch", "ok"): 2, ("batch", "context_overflow"): 1, ("standard", "ok"): 1}


def test_a_run_without_the_time_asks_live(runtime: Runtime, sandbox: Sandbox):
    with due_run(runtime, errand, {}, due_in=120_000_000) as ride:
        at_once(say.fn, NOTES[:2])
    assert batches_of(runtime, ride.run.run_id) == []
    assert {a["service_tier"] for a in assert_served_once(runtime, sandbox)} == {"standard"}


def test_one_whose_answers_may_not_be_kept_asks_live(tmp_path: Path, sandbox: Sandbox):
    more = '\n[journal]\nexclude = ["*/say"]\n'
    with make_project(tmp_path / "unkept", sandbox.url, targets=BATCHED, more=more).runtime_here() as runtime:
        with due_run(runtime, errand, {}) as ride:
            at_once(say.fn, NOTES[:2])
        assert batches_of(runtime, ride.run.run_id) == []


def past_batches(runtime: Runtime, minutes: tuple[int, ...]) -> None:
    """Batches of the sandbox that took so long each."""
    row = {
        "run_id": "r", "target": "gpt-mini", "provider": "openai", "model": "m", "stand_in": True, "state": "ended",
        "execution": 1, "lines": 1, "completed": 1, "failed": 0, "begun_at": 1, "submitted_at": 1, "collected_at": 1,
        "cancel_at": 1, "leave_at": 1,
    }  # fmt: skip
    values = [row | {"label": f"past-{one}", "ended_at": 1 + one * 60_000_000} for one in minutes]
    with runtime.ledger.store.write() as connection:
        connection.execute(schema.batches.insert(), values)


def test_batches_are_listed_shown_collected_and_cancelled(runtime: Runtime, sandbox: Sandbox, call: Call):
    """What a person cancels is asked live by its run, and not in another batch."""
    batch_rules(sandbox, {"seconds": 3600})
    labels: list[str] = []

    news = list[WaveNews]()
    told: list[str] = []
    runtime.watchers.append(Mock(batches=news.append))
    past_batches(runtime, minutes=(10, 20, 120))

    def cancel() -> None:
        until("submitted batch", lambda: any(batch.state != "begun" for batch in runtime.batches.open()))
        until("news of it", lambda: news)
        [batch] = runtime.batches.open()
        labels.append(batch.label)
        told.extend(call(*words).out for words in (["batches"], ["batches", "show", batch.label]))
        assert runtime.engine.loop.run(runtime.batch_results.cancel(batch.label, "ana"))

    person = threading.Thread(target=cancel)
    person.start()
    with due_run(runtime, errand, {}) as ride:
        assert len(at_once(say.fn, NOTES[:3], threads=3)) == 3
    person.join()
    sent = runtime.batches.of_run(ride.run.run_id)[0].submitted_at or 0
    expected = from_us(sent + 20 * 60_000_000)
    assert {one.expected_at for one in news if one.waiting} == {to_us(expected)}
    assert f"{expected:%m-%d %H:%M}" in told[0]
    assert f"about {moment(expected)}, by 3 past batches of openai" in " ".join(told[1].split())
    assert f"expected about {moment(expected)}" in waiting_line(news[0])
    assert batches_of(runtime, ride.run.run_id) == [3]
    attempts = assert_served_once(runtime, sandbox)
    assert tiers_of(attempts) == {("batch", "cancelled"): 3, ("standard", "ok"): 3}
    listed = json.loads(call("batches", "--json").out)
    found = [(one["label"], one["state"], one["cancelled_by"]) for one in listed if one["run_id"] != "r"]
    assert found == [(labels[0], "cancelled", "ana")]
    shown = call("batches", "show", f"…{labels[0][-8:]}")
    assert shown.code == 0, shown.err
    assert "by ana" in shown.out
    assert call("batches").out.count(f"…{labels[0][-8:]}") == 1
    refused = call("batches", "cancel", labels[0])
    assert (refused.code, refused.out) == (2, "")
    assert "No open batch" in refused.err
    assert "There is no batch" in call("batches", "show", "nothing").err
    assert json.loads(call("batches", "collect", "--json").out)["looked_at"] == 0


def test_the_report_says_what_batches_answered_and_how_long_they_took(runtime: Runtime, call: Call):
    with due_run(runtime, errand, {}) as ride:
        at_once(say.fn, NOTES[:3], threads=3)
    runtime.replica.sync()
    due = run_report(runtime.replica, ride.run.run_id).due
    assert due is not None
    assert due.batched == 3
    assert due.waited_us > 0
    assert due.saved_nano > 0
    told = call("report", ride.run.run_id).out
    assert "3 turns answered by batches" in " ".join(told.split())
    [line] = json.loads(call("runs", "--json").out)
    assert line["waiting_turns"] == 0
