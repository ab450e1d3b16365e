"""Runs that are suspended more than once, or ended in Prefect meanwhile, where no process of theirs notices."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from prefect.cache_policies import INPUTS
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import Pause
from prefect.flow_runs import resume_flow_run, suspend_flow_run
from prefect.states import Cancelled, Completed, Failed

from farebox import ask, automation, llm_task, plan
from farebox.prefect.flow_runs import end_cancelled
from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import Sandbox
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.prefect_runs import deployed_run, execute

pytestmark = pytest.mark.usefixtures("prefect")


@llm_task(operation="say", tier="light", max_tokens=60, cache_policy=INPUTS, persist_result=True)
def say_once(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say_once, calls=3, input_tokens=60, output_tokens=40), persist_result=True)
def wait_twice(text: str) -> list[str]:
    said = []
    for number in range(3):
        said.append(say_once(f"{number}: {text}"))
        if number < 2:
            suspend_flow_run(timeout=600, key=f"pause-{number}")
    return said


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def go_on(client: SyncPrefectClient, run_id: UUID) -> Any:
    with suppress(Pause):
        return execute(client, wait_twice, run_id)
    return None


def test_two_suspensions_are_one_hold_and_one_settlement(runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient):
    run_id = deployed_run(client, wait_twice, text="twice")
    for _ in range(2):
        assert go_on(client, run_id) is None
        assert [hold["state"] for hold in rows(runtime.ledger, schema.holds)] == ["suspended"]
        resume_flow_run(run_id)
        assert list(end_cancelled(runtime, client)) == [], "it is to go on"
    assert go_on(client, run_id).is_completed()
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert (settlement["outcome"], settlement["ordinal"]) == ("completed", 0)
    assert_ledger_adds_up(runtime)
    assert_ledger_equals_journal(runtime, sandbox.journal)


@pytest.mark.parametrize("state", [Cancelled, Failed, Completed])
def test_one_that_is_ended_in_prefect_is_settled_and_gives_its_hold_back(
    runtime: Runtime, client: SyncPrefectClient, state: Any
):
    run_id = deployed_run(client, wait_twice, text="ended")
    assert go_on(client, run_id) is None
    assert list(end_cancelled(runtime, client)) == []
    client.set_flow_run_state(run_id, state(), force=True)
    assert list(end_cancelled(runtime, client)) == [str(run_id)]
    assert rows(runtime.ledger, schema.holds) == []
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "cancelled"
    assert settlement["reason"] == f"it was set to {state().type.value} while it was suspended"
    assert list(end_cancelled(runtime, client)) == []


def test_one_that_this_server_does_not_know_is_left_alone(runtime: Runtime, client: SyncPrefectClient):
    run_id = deployed_run(client, wait_twice, text="gone")
    assert go_on(client, run_id) is None
    client.delete_flow_run(run_id)
    assert list(end_cancelled(runtime, client)) == []
    assert len(rows(runtime.ledger, schema.holds)) == 1
