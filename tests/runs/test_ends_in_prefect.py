"""How runs end, or do not, by what Prefect raises in them: suspended, cancelled, taken over; at a real Prefect server."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from prefect import flow as plain_flow
from prefect.cache_policies import INPUTS
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import Abort, CancelledRun, Pause, TerminationSignal
from prefect.flow_runs import resume_flow_run, suspend_flow_run
from prefect.states import Cancelled, Pending

from farebox import ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import Sandbox
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.prefect_runs import deployed_run, execute
from tests.support.runs import riding

pytestmark = pytest.mark.usefixtures("prefect")


@llm_task(operation="say", tier="light", max_tokens=60, cache_policy=INPUTS, persist_result=True)
def say_once(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


SAYING = plan(say, calls=2, input_tokens=60, output_tokens=40)


@automation(price="1 credit", plan=plan(say_once, calls=2, input_tokens=60, output_tokens=40), persist_result=True)
def wait_between(text: str, timeout: int = 600) -> list[str]:
    first = say_once(f"before: {text}")
    suspend_flow_run(timeout=timeout, key="once")
    return [first, say_once(f"after: {text}")]


@plain_flow
def cancels() -> Any:
    return Cancelled(message="by its own code")


def raise_(error: BaseException) -> Any:
    raise error


ENDINGS: dict[str, Callable[[], Any]] = {
    "KeyboardInterrupt": lambda: raise_(KeyboardInterrupt()),
    "CancelledError": lambda: raise_(asyncio.CancelledError()),
    "group": lambda: raise_(BaseExceptionGroup("all", [asyncio.CancelledError(), asyncio.CancelledError()])),
    "CancelledRun": lambda: raise_(CancelledRun("a subflow was cancelled")),
    "subflow": cancels,
    "state": Cancelled,
}


@automation(price="1 credit", plan=SAYING)
def end_by(how: str) -> Any:
    say("something")
    return ENDINGS[how]()


@automation(price="1 credit", plan=SAYING)
def start_again(text: str) -> str:
    from prefect.runtime import flow_run

    from farebox.runtime import get_runtime

    say(text)
    get_runtime().ledger.start(str(flow_run.id))
    return say(text)


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def test_a_suspended_run_is_one_hold_one_settlement_and_pays_once(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient
):
    run_id = deployed_run(client, wait_between, text="suspended")
    with pytest.raises(Pause):
        execute(client, wait_between, run_id)
    assert client.read_flow_run(run_id).state_type == "PAUSED"
    [hold] = rows(runtime.ledger, schema.holds)
    assert hold["state"] == "suspended"
    assert rows(runtime.ledger, schema.settlements) == []
    assert runtime.ledger.reap() == 0

    resume_flow_run(run_id)
    pending: Any = Pending()
    client.set_flow_run_state(run_id, pending, force=True)
    state = execute(client, wait_between, run_id)
    assert state.is_completed(), state
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert (settlement["outcome"], settlement["held_nano"]) == ("completed", hold["amount_nano"])
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 2, "what was paid is not paid again"
    assert_ledger_adds_up(runtime)


def test_a_run_that_is_never_resumed_is_settled_once_its_time_is_over(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
):
    run_id = deployed_run(client, wait_between, text="left alone", timeout=600)
    with pytest.raises(Pause):
        execute(client, wait_between, run_id)
    [hold] = rows(runtime.ledger, schema.holds)
    now = runtime.ledger._clock()
    assert 600 < (hold["lease_until"] - now) / 1e6 < 3600
    monkeypatch.setattr(runtime.ledger, "_clock", lambda: hold["lease_until"] + 1)
    assert runtime.ledger.reap() == 1
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "cancelled"
    assert_ledger_adds_up(runtime)


@pytest.mark.parametrize("how", sorted(ENDINGS))
def test_a_run_that_is_cancelled_is_settled_as_cancelled(runtime: Runtime, sandbox: Sandbox, how: str):
    with suppress(BaseException):  # signals are raised on, past the flow
        end_by(how, return_state=True)
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "cancelled", settlement["reason"]
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 1
    assert_ledger_adds_up(runtime)


def test_a_run_whose_process_is_terminated_is_settled_as_cancelled(runtime: Runtime, sandbox: Sandbox):
    """Below Prefect, which passes the signal on to the whole process."""
    with pytest.raises(TerminationSignal), riding(runtime, end_by, {"how": "state"}):
        raise TerminationSignal(signal=15)
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert (settlement["outcome"], settlement["reason"]) == ("cancelled", "terminated")


def test_a_process_whose_run_was_started_elsewhere_stops_and_leaves_the_state_to_the_newer_one(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient, caplog: pytest.LogCaptureFixture
):
    run_id = deployed_run(client, start_again, text="twice")
    with pytest.raises(Abort, match="started again"):
        execute(client, start_again, run_id)
    assert client.read_flow_run(run_id).state_type == "RUNNING"
    assert [row["outcome"] for row in rows(runtime.ledger, schema.settlements)] == ["lost"]
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 1, "it spent nothing more"
    assert_ledger_adds_up(runtime)
