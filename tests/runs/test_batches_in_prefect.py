"""Runs of deployments that wait for batches: suspended without a process, collected, resumed, completed."""

import asyncio
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import Cancelled, Crashed, Running

from farebox import ask, automation, llm_task, plan
from farebox.cli import resume, run
from farebox.prefect import collect_batch, collect_batches, flow_runs
from farebox.runs.continuation import find_continuation
from farebox.runtime import Runtime
from farebox.web import batch_webhook, page_server
from pricing import FareboxError, LedgerBusy
from pricing.clock import now_us
from pricing.db import schema
from pricing.ledger import BY_DUE_TIME
from tasks.batches import signed_webhook
from tasks.sandbox import Sandbox
from tests.support.books import assert_ledger_adds_up, rows
from tests.support.due_runs import BATCHED, QUICK, assert_served_once, batch_rules
from tests.support.prefect_runs import deployed_run, execute
from tests.support.project import Project, make_project
from tests.support.waiting import until
from tests.support.web_company import free_port

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    return make_project(tmp_path / "project", sandbox.url, targets=BATCHED)


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@llm_task(operation="say", max_tokens=60, retries=2, timeout_seconds=30)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=6, input_tokens=60, output_tokens=40), due="6d")
def notes_of(names: list[str]) -> list[str]:
    """Two waves: what is said of each name, then of what was said; failures of steps are put up with."""
    first = [future.result(raise_on_failure=False) for future in say.map([f"A note about {name}." for name in names])]
    return [future.result() for future in say.map([f"In short: {text}" for text in first])]


NAMES = ["Acme", "Globex", "Initech"]
WEBHOOK_SECRET = "whsec_c2VjcmV0LW9mLWEtdGVzdA=="


def state_type(client: SyncPrefectClient, run_id: UUID) -> str | None:
    state = client.read_flow_run(run_id).state
    return None if state is None else state.type.value


def go_on(client: SyncPrefectClient, run_id: UUID, flow: Any = notes_of) -> Any:
    with suppress(Pause):
        return execute(client, flow, run_id)
    return None


def collected(runtime: Runtime, client: SyncPrefectClient, run_id: UUID) -> None:
    until("resumed run", lambda: str(run_id) in collect_batches(runtime, client).resumed, pause=0.2)


def task_states(client: SyncPrefectClient, run_id: UUID) -> Counter[str]:
    """How many task runs of a run are in which state, by what Prefect shows."""
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    return Counter(str(one.state_name) for one in client.read_task_runs(flow_run_filter=of_run))


def test_a_run_is_suspended_collected_and_resumed_until_it_completes(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient
):
    run_id = deployed_run(client, notes_of, names=NAMES)
    for wave in (1, 2):
        assert go_on(client, run_id) is None
        state = client.read_flow_run(run_id).state
        assert state is not None
        assert state.name == "Suspended"
        ended = {1: {}, 2: {"Resumed": 3, "Completed": 3}}[wave]
        until("suspended steps", lambda: task_states(client, run_id) == {"Suspended": 3, **ended}, pause=0.2)  # noqa: B023
        assert [hold["state"] for hold in rows(runtime.ledger, schema.holds)] == ["suspended"]
        assert [batch.lines for batch in runtime.batches.of_run(str(run_id))] == [3] * wave
        collected(runtime, client, run_id)
    state = go_on(client, run_id)
    assert state.is_completed(), state
    assert len(state.result()) == 3
    until("ended steps", lambda: task_states(client, run_id) == {"Resumed": 6, "Completed": 9}, pause=0.2)
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "completed"
    attempts = assert_served_once(runtime, sandbox)
    assert Counter((a["service_tier"], a["outcome"]) for a in attempts) == {("batch", "ok"): 6}
    turns = rows(runtime.ledger, schema.turns)
    recorded = {turn["turn_id"]: turn for turn in turns}
    assert {a["turn_id"] for a in attempts} <= set(recorded)
    assert sum(turn["outcome"] == "answered" for turn in turns) == 6, "each of them once; later executions replay it"


def test_one_that_is_resumed_too_early_waits_again(runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient):
    httpx.post(f"{sandbox.url}/_sandbox/batches", json=[{"seconds": 3600}]).raise_for_status()
    run_id = deployed_run(client, notes_of, names=NAMES)
    assert go_on(client, run_id) is None
    client.resume_flow_run(run_id)
    assert collect_batches(runtime, client).resumed == []
    assert go_on(client, run_id) is None
    assert [batch.lines for batch in runtime.batches.of_run(str(run_id))] == [3], "nothing is sent twice"
    httpx.post(f"{sandbox.url}/_sandbox/clock", json={"seconds": 3601}).raise_for_status()
    httpx.post(f"{sandbox.url}/_sandbox/batches", json=[]).raise_for_status()
    collected(runtime, client, run_id)
    assert go_on(client, run_id) is None
    collected(runtime, client, run_id)
    assert go_on(client, run_id).is_completed()
    assert_served_once(runtime, sandbox)


def test_one_whose_process_was_killed_while_it_waits_is_resumed_too(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(flow_runs, "UNHELD_LEASES", 0)
    batch_rules(sandbox, {"seconds": 3600})
    run_id = deployed_run(client, left_alone, names=NAMES)
    assert go_on(client, run_id, left_alone) is None
    states: list[Any] = [Crashed(), Running()]  # as its worker says, or nobody
    for ended in states:
        client.set_flow_run_state(run_id, ended, force=True)
        assert collect_batches(runtime, client).resumed == []
        state = client.read_flow_run(run_id).state
        assert state is not None
        assert state.name == "Suspended"
    httpx.post(f"{sandbox.url}/_sandbox/clock", json={"seconds": 3601}).raise_for_status()
    collected(runtime, client, run_id)
    assert go_on(client, run_id, left_alone).is_completed()
    assert_served_once(runtime, sandbox)


def test_one_whose_batches_expire_finishes_live_before_it_is_due(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient
):
    """Each question is in three batches that answer nothing, then asked live."""
    httpx.post(f"{sandbox.url}/_sandbox/batches", json=[{"lines": 0, "seconds": 0}]).raise_for_status()
    run_id = deployed_run(client, notes_of, names=NAMES)
    while (state := go_on(client, run_id)) is None:
        httpx.post(f"{sandbox.url}/_sandbox/clock", json={"seconds": 86_401}).raise_for_status()
        collected(runtime, client, run_id)
    assert state.is_completed(), state
    ended = Counter((a["service_tier"], a["outcome"]) for a in assert_served_once(runtime, sandbox))
    assert ended == {("batch", "timeout"): 18, ("standard", "ok"): 6}


@pytest.mark.parametrize("moment", ["cancel_at", "leave_at"])
def test_one_whose_batch_is_not_back_in_time_is_asked_live(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient, moment: str
):
    """It is cancelled, and where that takes too long it is not waited for."""
    httpx.post(f"{sandbox.url}/_sandbox/batches", json=[{"seconds": 3600, "nth": 1}]).raise_for_status()
    run_id = deployed_run(client, notes_of, names=NAMES)
    assert go_on(client, run_id) is None
    time_passes(runtime, moment)
    collected(runtime, client, run_id)
    [batch] = runtime.batches.of_run(str(run_id))
    assert batch.cancelled_by == (BY_DUE_TIME if moment == "cancel_at" else None)
    assert batch.is_open is (moment == "leave_at")
    assert go_on(client, run_id) is None, "the next step is in a batch again: in truth it is due in hours"
    collected(runtime, client, run_id)
    assert go_on(client, run_id).is_completed()
    turns = rows(runtime.ledger, schema.turns)
    assert Counter(turn["outcome"] for turn in turns if turn["outcome"] == "answered") == {"answered": 6}
    httpx.post(f"{sandbox.url}/_sandbox/clock", json={"seconds": 3600}).raise_for_status()
    until("collected batch", lambda: collect_batches(runtime, client) and not runtime.batches.open(), pause=0.2)
    assert_ledger_adds_up(runtime)


def time_passes(runtime: Runtime, until_when: str) -> None:
    """A moment of every open batch is now."""
    change = sa.update(schema.batches).where(schema.batches.c.collected_at.is_(None)).values({until_when: now_us()})
    with runtime.ledger.store.write() as connection:
        connection.execute(change)


def test_a_run_that_is_cancelled_while_it_waits_has_its_batch_cancelled(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient
):
    httpx.post(f"{sandbox.url}/_sandbox/batches", json=[{"seconds": 3600}]).raise_for_status()
    run_id = deployed_run(client, notes_of, names=NAMES)
    assert go_on(client, run_id) is None
    state: Any = Cancelled()
    client.set_flow_run_state(run_id, state, force=True)
    until("suspended steps", lambda: task_states(client, run_id) == {"Suspended": 3}, pause=0.2)
    assert collect_batches(runtime, client).settled == [str(run_id)]
    until("cancelled steps", lambda: task_states(client, run_id) == {"Cancelled": 3}, pause=0.2)
    httpx.post(f"{sandbox.url}/_sandbox/clock", json={"seconds": 700}).raise_for_status()
    until("collected batch", lambda: collect_batches(runtime, client) and not runtime.batches.open(), pause=0.2)
    [batch] = runtime.batches.of_run(str(run_id))
    assert (batch.state, batch.cancelled_by) == ("cancelled", "its run was cancelled")
    assert rows(runtime.ledger, schema.holds) == []
    assert_ledger_adds_up(runtime)
    [budget, *_] = [row for row in rows(runtime.ledger, schema.budgets) if row["scope"] == "run"]
    spent = sum(a["cost_nano"] for a in rows(runtime.ledger, schema.attempts))
    adjusted = sum(a["cost_delta_nano"] for a in rows(runtime.ledger, schema.adjustments))
    assert budget["spent_nano"] == spent + adjusted


def test_a_signed_notice_of_the_provider_has_a_run_go_on(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
):
    """The sandbox signs a notice when the batch ends; the report server verifies it, takes the results and resumes the
    run. A forged one does nothing, and one whose collection failed is sent again.
    """
    faults: list[FareboxError] = [LedgerBusy("The ledger is locked.")]

    def collect(*given: Any) -> Any:
        if faults:
            raise faults.pop()
        return collect_batch(*given)

    monkeypatch.setattr(batch_webhook, "collect_batch", collect)
    monkeypatch.setenv("WEBHOOK_OF_A_TEST", WEBHOOK_SECRET)
    settings = runtime.settings.batches.model_copy(update={"webhook_secret_env": "WEBHOOK_OF_A_TEST"})
    monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update={"batches": settings}))
    batch_rules(sandbox, {"seconds": 3600})
    run_id = deployed_run(client, left_alone, names=NAMES)
    assert go_on(client, run_id, left_alone) is None
    with page_server(runtime, "127.0.0.1", free_port()) as address:
        url, control = f"{address}/webhooks/batches", f"{sandbox.url}/_sandbox"
        for secret in ("whsec_Zm9yZ2Vk", WEBHOOK_SECRET):
            httpx.post(f"{control}/webhook", json={"url": url, "secret": secret}).raise_for_status()
            if secret == WEBHOOK_SECRET:
                httpx.post(f"{control}/clock", json={"seconds": 3601}).raise_for_status()
                until("notice", lambda: 202 in httpx.get(f"{control}/webhook").json()["statuses"], pause=0.1)
                assert 503 in httpx.get(f"{control}/webhook").json()["statuses"]
                until("collected batch", lambda: not runtime.batches.open(), pause=0.1)
                until("resumed run", lambda: state_type(client, run_id) == "SCHEDULED", pause=0.1)
            else:
                body = json.dumps({"type": "batch.completed", "data": {"id": runtime.batches.open()[0].batch_id}})
                forged = signed_webhook("wh_1", int(time.time()), body.encode(), secret)
                assert httpx.post(url, content=body, headers=forged).status_code == 401
                assert runtime.batches.open()[0].checked_at is None
    assert go_on(client, run_id, left_alone).is_completed()
    assert_served_once(runtime, sandbox)


@automation(price="1 credit", plan=plan(say, calls=5, input_tokens=60, output_tokens=40), due="6h")
def left_alone(names: list[str]) -> list[str]:
    return [future.result() for future in say.map([f"A note about {name}." for name in names])]


def test_a_local_run_that_is_left_is_continued_and_nothing_is_asked_again(
    runtime: Runtime,
    sandbox: Sandbox,
    client: SyncPrefectClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Ctrl-C while it waits, then as ``farebox runs resume`` does: the batch that was sent is waited for."""
    batch_rules(sandbox, {"seconds": 3600})

    main = threading.main_thread().ident or 0

    def interrupt() -> None:
        until("submitted batch", lambda: any(batch.state != "begun" for batch in runtime.batches.open()))
        signal.pthread_kill(main, signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        left_alone(NAMES)
    watcher.join()
    [hold] = rows(runtime.ledger, schema.holds)
    assert hold["state"] == "suspended"
    assert rows(runtime.ledger, schema.turns) == []
    found = find_continuation(runtime, "last")
    assert (found.ended, found.waiting, found.run.run_id) == ("suspended", 3, hold["run_id"])
    run_id = UUID(found.run.run_id)
    assert state_type(client, run_id) == "CRASHED"
    collect_batches(runtime, client)
    assert state_type(client, run_id) == "CRASHED", "it may be continued at this moment"
    monkeypatch.setattr(flow_runs, "UNHELD_LEASES", 0)
    collect_batches(runtime, client)
    state = client.read_flow_run(run_id).state
    assert state is not None
    assert (state.type.value, state.name) == ("PAUSED", "Suspended")
    record = run._Record()
    record.run = found.run
    client.set_flow_run_state(run_id, Crashed(), force=True)
    run._print_remaining(runtime, record)
    assert "The run is suspended: it waits for 3 turns in batches." in " ".join(capsys.readouterr().err.split())
    assert state_type(client, run_id) == "PAUSED", "farebox run says so itself, at once"
    httpx.post(f"{sandbox.url}/_sandbox/clock", json={"seconds": 3601}).raise_for_status()
    assert collect_batches(runtime, client).resumed == [], "no worker would continue it"
    flow_run = resume._flow_run(found.run.run_id)
    resume._schedule(flow_run)
    state = resume._continued(left_alone, flow_run, {"names": NAMES})
    assert state.is_completed(), state
    assert [batch.lines for batch in runtime.batches.of_run(found.run.run_id)] == [3]
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert settlement["outcome"] == "completed"
    assert Counter(turn["outcome"] for turn in rows(runtime.ledger, schema.turns)) == {"answered": 3}
    assert_served_once(runtime, sandbox)


@llm_task(operation="say", max_tokens=60, max_turns=3)
async def say_async(text: str) -> str:
    return await ask.aio("say.j2", text=text)


@automation(price="1 credit", plan=plan(say_async, calls=3, input_tokens=60, output_tokens=40), due="6h")
async def gathered(names: list[str]) -> list[str]:
    return list(await asyncio.gather(*(say_async(f"A note about {name}.") for name in names)))


def test_an_async_automation_is_suspended_and_resumed(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
):
    spans, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
    batch_rules(sandbox, QUICK)
    run_id = deployed_run(client, gathered, names=NAMES)

    def go() -> Any:
        run = client.read_flow_run(run_id)
        with suppress(Pause):
            return asyncio.run(run_flow(gathered, flow_run=run, parameters=run.parameters, return_type="state"))  # type: ignore[arg-type]
        return None

    assert go() is None
    assert [hold["state"] for hold in rows(runtime.ledger, schema.holds)] == ["suspended"]
    collected(runtime, client, run_id)
    assert go().is_completed()
    assert [batch.lines for batch in runtime.batches.of_run(str(run_id))] == [3]
    assert Counter(turn["outcome"] for turn in rows(runtime.ledger, schema.turns)) == {"answered": 3}
    assert_served_once(runtime, sandbox)
    seen = spans.get_finished_spans()
    asked = {one.context.span_id: one for one in seen if one.name.startswith("farebox.turn") and not one.links}
    went_on = [one for one in seen if one.links]
    lines = [one for one in seen if one.name.startswith("chat")]
    assert {len(asked), len(went_on), len(lines)} == {3}
    assert {one.parent.span_id for one in lines if one.parent} == set(asked), "below the turns that asked"
    assert {link.context.span_id for one in went_on for link in one.links} == set(asked)
    turns = [{(one.attributes or {})["farebox.turn.id"] for one in some} for some in (asked.values(), went_on, lines)]
    assert turns[0] == turns[1] == turns[2]
