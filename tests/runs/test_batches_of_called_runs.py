"""Batches of runs that wait in their process: subflows, automations and steps that yield, steps in other processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow

from farebox import ask, automation, llm_task, plan
from farebox.prefect import collect_batches
from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.due_runs import BATCHED, QUICK, assert_served_once, batch_rules
from tests.support.prefect_runs import deployed_run
from tests.support.project import Project, make_project
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("prefect")
NAMES = ["Acme", "Globex", "Initech"]


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    batch_rules(sandbox, QUICK)
    return make_project(tmp_path / "project", sandbox.url, targets=BATCHED)


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@llm_task(operation="say", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="say", max_tokens=60)
async def say_async(text: str) -> str:
    return await ask.aio("say.j2", text=text)


@llm_task(operation="yield", max_tokens=60, max_turns=4)
def said(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=3, input_tokens=60, output_tokens=40))
def child(names: list[str]) -> list[str]:
    return say.map([f"A note about {name}." for name in names]).result()


@automation(price="1 credit", plan=plan(say_async, calls=3, input_tokens=60, output_tokens=40))
async def child_async(names: list[str]) -> list[str]:
    return list(await asyncio.gather(*(say_async(f"A note about {name}.") for name in names)))


MINE = plan(say, calls=3, input_tokens=60, output_tokens=40) + plan(said, calls=1, input_tokens=60, output_tokens=40)


@automation(price="1 credit", plan=MINE, due="6h")
def parent(names: list[str]) -> list[str]:
    """A step that is under way while a subflow waits, then a step that yields."""
    first = say.submit("Mine, beside the subflow.")
    notes = child(names)
    return [first.result(), *notes, *said(["one", "two"])]


@automation(price="1 credit", plan=plan(say_async, calls=4, input_tokens=60, output_tokens=40), due="6h")
async def parent_async(names: list[str]) -> list[str]:
    mine, notes = await asyncio.gather(say_async("Mine, beside the subflow."), child_async(names))
    return [mine, *notes]


def completed(runtime: Runtime, client: SyncPrefectClient, run_id: UUID, flow: Any) -> Any:
    """The run's result, after as many suspensions as it takes."""
    while True:
        run = client.read_flow_run(run_id)
        with suppress(Pause):
            state: Any = run_flow(flow, flow_run=run, parameters=run.parameters, return_type="state")
            state = asyncio.run(state) if asyncio.iscoroutine(state) else state
            assert state.is_completed(), state
            return state.result()
        until("resumed run", lambda: str(run_id) in collect_batches(runtime, client).resumed, pause=0.2)


@pytest.mark.parametrize(("flow", "turns"), [(parent, 6), (parent_async, 4)])
def test_a_subflow_is_batched_and_paid_once_also_where_its_caller_is_suspended(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient, flow: Any, turns: int
):
    result = completed(runtime, client, deployed_run(client, flow, names=NAMES), flow)
    assert len(result) == turns
    attempts = assert_served_once(runtime, sandbox)
    assert Counter((a["service_tier"], a["outcome"]) for a in attempts) == {("batch", "ok"): turns}
    assert Counter(row["outcome"] for row in rows(runtime.ledger, schema.turns))["answered"] == turns
    assert rows(runtime.ledger, schema.holds) == []


@automation(price="1 credit", plan=plan(say, calls=3, input_tokens=60, output_tokens=40), due="6h")
def yielding(names: list[str]) -> Iterator[str]:
    for name in names:
        yield say(f"A note about {name}.")


@automation(price="1 credit", plan=plan(say_async, calls=3, input_tokens=60, output_tokens=40), due="6h")
async def yielding_async(names: list[str]) -> AsyncIterator[str]:
    for note in await asyncio.gather(*(say_async(f"A note about {name}.") for name in names)):
        yield note


@llm_task(operation="stream", max_tokens=60)
def streamed(text: str) -> str:
    return "".join(ask.stream("say.j2", text=text))


@automation(price="1 credit", plan=plan(streamed, calls=1, input_tokens=60, output_tokens=40), due="6h")
def streaming() -> str:
    return streamed("A note.")


def test_an_automation_that_yields_waits_in_its_process(runtime: Runtime, sandbox: Sandbox):
    async def collect() -> list[str]:
        return [note async for note in yielding_async(NAMES)]

    assert len(list(yielding(NAMES))) == len(asyncio.run(collect())) == 3
    assert [batch.lines for batch in runtime.batches.all()] == [3, 1, 1, 1]
    assert {a["service_tier"] for a in assert_served_once(runtime, sandbox)} == {"batch"}


def test_a_stream_is_asked_live(runtime: Runtime, sandbox: Sandbox):
    assert streaming()
    assert runtime.batches.all() == []
    assert {a["service_tier"] for a in assert_served_once(runtime, sandbox)} == {"standard"}


def test_steps_in_other_processes_wait_there(runtime: Runtime, sandbox: Sandbox):
    dask = pytest.importorskip(
        "prefect_dask.task_runners", reason="prefect-dask is not installed: pip install -e '.[dask]'"
    )
    runner = dask.DaskTaskRunner(cluster_kwargs={"n_workers": 1, "threads_per_worker": 3, "dashboard_address": None})
    assert len(due_child.with_options(task_runner=runner)(NAMES)) == 3
    assert sum(batch.lines for batch in runtime.batches.all()) == 3
    assert {a["service_tier"] for a in assert_served_once(runtime, sandbox)} == {"batch"}


@automation(price="1 credit", plan=plan(say, calls=3, input_tokens=60, output_tokens=40), due="6h")
def due_child(names: list[str]) -> list[str]:
    return say.map([f"A note about {name}." for name in names]).result()
