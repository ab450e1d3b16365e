"""A run that ends while the ledger cannot be written: its work is kept, it is not paid again, its books follow."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.doctor.checks import CheckContext, check_ledger
from farebox.runs.admission import admit
from farebox.runtime import Runtime, get_runtime
from pricing.db import schema
from pricing.ledger.ledger import Ledger
from tasks.sandbox import Sandbox, read_journal
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.command import Call
from tests.support.project import REPOSITORY, Project
from tests.support.runs import riding

HOLDERS: list[sqlite3.Connection] = []
"""Another program's connection to the ledger, in the middle of a transaction."""


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


SAYING = plan(say, calls=1, input_tokens=60, output_tokens=40)


def lock_ledger() -> None:
    holder = sqlite3.connect(get_runtime().ledger.store.place, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    HOLDERS.append(holder)


@automation(price="1 credit", plan=SAYING, retries=2)
def completes() -> str:
    said = say("something")
    lock_ledger()
    return said


@automation(price="1 credit", plan=SAYING, retries=2)
async def completes_async() -> str:
    said = await asyncio.to_thread(say, "something")
    lock_ledger()
    return said


@automation(price="1 credit", plan=SAYING)
def fails() -> str:
    say("something")
    lock_ledger()
    raise ValueError("odd")


@automation(price="1 credit", plan=SAYING)
def follows() -> str:
    return say("something else")


@contextmanager
def released() -> Iterator[None]:
    try:
        yield
    finally:
        while HOLDERS:
            HOLDERS.pop().close()


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    """One that does not wait long for a ledger that others hold."""
    with project.runtime_here() as runtime, released():
        runtime.ledger.store._busy_seconds = 0.2
        yield runtime


@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize("flow", [completes, completes_async])
def test_a_completed_run_stays_completed_and_is_paid_once(runtime: Runtime, sandbox: Sandbox, flow: Any):
    with released():
        ended = flow(return_state=True)
        state = asyncio.run(ended) if asyncio.iscoroutine(ended) else ended
    assert state.is_completed(), state.message
    assert len(read_journal(sandbox.journal)) == 1, "no retry paid again"
    assert rows(runtime.ledger, schema.settlements) == []
    warnings = [one.message for one in check_ledger(CheckContext(runtime.settings, runtime)) if one.state == "warn"]
    assert warnings == ["1 run ended while the ledger could not be written"]

    assert follows(return_state=True).is_completed()
    assert [row["outcome"] for row in rows(runtime.ledger, schema.settlements)] == ["completed", "completed"]
    assert runtime.ledger.pending is not None
    assert runtime.ledger.pending.all() == []
    assert_ledger_adds_up(runtime)
    assert_ledger_equals_journal(runtime, sandbox.journal)


@pytest.mark.usefixtures("prefect")
def test_a_failed_run_fails_by_its_own_error(runtime: Runtime):
    with released():
        state = fails(return_state=True)
    assert (state.is_failed(), "ValueError: odd" in (state.message or "")) == (True, True), state.message
    runtime.ledger.reap()
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert (settlement["outcome"], settlement["reason"]) == ("failed", "ValueError")


def test_a_suspended_run_keeps_its_hold(runtime: Runtime):
    ride = admit(runtime, automation_of(follows), "suspended", {})
    with released():
        lock_ledger()
        ride.suspend(datetime.now(UTC) + timedelta(hours=1))
    assert "was suspended, but the ledger cannot take that now" in ride.unsettled
    assert runtime.ledger.start("suspended").resumed
    assert rows(runtime.ledger, schema.settlements) == []


@pytest.mark.parametrize("writable", [True, False])
def test_what_is_told_is_true(runtime: Runtime, project: Project, writable: bool):
    with released(), riding(runtime, follows, {}) as ride:
        if not writable:
            (project.home / "pending-ends").write_text("a file")
        lock_ledger()
    assert "stayed locked by another process" in ride.unsettled
    assert ("The next run on this machine writes it down" in ride.unsettled) is writable
    assert ("ends as lost with its lease" in ride.unsettled) is not writable
    assert "\n" not in ride.unsettled


@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_ends_with_0(
    runtime: Runtime, project: Project, call: Call, monkeypatch: pytest.MonkeyPatch, as_json: bool
):
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    settle = Ledger.settle

    def locked(self: Ledger, *arguments: Any, **how: Any) -> Any:
        if not HOLDERS:
            lock_ledger()
        return settle(self, *arguments, **how)

    with monkeypatch.context() as patched, released():
        patched.setattr(Ledger, "settle", locked)
        said = call("run", "daily-digest", "--source", str(project.documents), *(["--json"] if as_json else []))
    assert said.code == 0, said.all
    assert "Traceback" not in said.all
    assert said.err.count("warning: Run ") == 1, said.err
    assert "The next run on this machine writes it down" in said.err
    if as_json:
        told = json.loads(said.out)
        assert (told["outcome"], told["spent_nano"], told["held_nano"]) == ("completed", None, None)
        assert told["result"]["opening"]
    else:
        assert said.out.strip(), "the result is shown"
    runtime.ledger.reap()
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "completed"
