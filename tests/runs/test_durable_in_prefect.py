"""Durable runs as Prefect runs them: retries of flows and of tasks, task runs of tools, and `farebox runs resume`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from farebox import Agent, ask, automation, llm_task, plan, tool
from farebox.cli.resume import resume
from farebox.cli.runs import list_runs
from farebox.runs.continuation import find_continuation
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import UsageError
from pricing.money import format_money
from tasks.sandbox import Sandbox, read_journal
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.prefect_runs import deployed_run, execute
from tests.support.project import Project

pytestmark = pytest.mark.usefixtures("prefect")
made: Counter[str] = Counter()
NOTES = [f"The importer stopped for {n} hours." for n in range(3)]


@tool()
def refund(order: str) -> str:
    """Pay an order back."""
    made["refund"] += 1
    return f"refunded {order}"


@llm_task(operation="say", max_turns=20, retries=1)
def say(text: str, fails: bool = False) -> str:
    said = ask("say.j2", text=text)
    if fails:
        made["step"] += 1
        if made["step"] == 1:
            raise ConnectionError("a service is down")
        said = ask("say.j2", text=f"{text} And then it went on.")
    return said


@llm_task(operation="say", max_turns=20)
async def say_async(text: str) -> str:
    return await ask.aio("say.j2", text=text)


@task
def plain(text: str) -> str:
    return say(text)


def look_up(customer: str) -> str:
    """The plan of a customer."""
    made["look_up"] += 1
    return f"{customer} has the team plan"


helper = Agent(prompt="say.j2", tools=[look_up], max_turns=4, max_tokens=200)


@llm_task(operation="help", max_turns=6)
def help_out(text: str) -> str:
    return helper.run(text=text)


def fail_at(execution: int) -> None:
    made["flow"] += 1
    if made["flow"] <= execution:
        raise ConnectionError("a service is down")


@automation(price="1 credit", plan=plan(say, calls=5, input_tokens=60, output_tokens=60), retries=1)
def talk(fails: int = 1) -> list[str]:
    """Say something about notes."""
    said = say.map(NOTES).result()
    said.append(say.submit(NOTES[0]).result())
    said.append(plain(NOTES[1]))
    said += [refund("7"), help_out("Look up the plan of Acme.")]
    fail_at(fails)
    return said


@automation(price="1 credit", plan=plan(say_async, calls=1, input_tokens=60, output_tokens=60), name="talk-later")
async def talk_async(fails: int = 1) -> str:
    """The same, from async code."""
    said = await say_async(NOTES[0])
    refund("8")
    fail_at(fails)
    return said


@automation(price="1 credit", plan=plan(say, calls=2, input_tokens=60, output_tokens=60), name="stumble")
def stumble() -> str:
    """A step that fails between two turns."""
    return say(NOTES[0], fails=True)


@automation(price="1 credit", plan=plan(say, calls=2, input_tokens=60, output_tokens=60), name="child", retries=1)
def child(fails: bool) -> list[str]:
    """A flow that another one calls, and that fails once if it is to."""
    said = say.map(NOTES[:2]).result()
    made["child"] += 1
    if fails and made["child"] == 1:
        raise ConnectionError("a service is down")
    return said


@automation(price="1 credit", plan=plan(say, calls=1, input_tokens=60, output_tokens=60), name="parent", retries=1)
def parent(child_fails: bool) -> list[str]:
    """A flow that calls another one."""
    said = [say(NOTES[2]), *child(child_fails)]
    if not child_fails:
        fail_at(1)
    return said


@pytest.fixture(autouse=True)
def runtime(project: Project) -> Iterator[Runtime]:
    made.clear()
    with project.runtime_here() as runtime:
        yield runtime


def checked(runtime: Runtime, sandbox: Sandbox) -> Counter[str]:
    """How turns ended, once it is seen that books agree and nothing was asked twice."""
    assert_ledger_equals_journal(runtime, sandbox.journal)
    assert_ledger_adds_up(runtime)
    turns = Counter(turn["outcome"] for turn in rows(runtime.ledger, schema.turns))
    assert len(read_journal(sandbox.journal)) == turns["answered"]
    return turns


def test_a_flow_that_prefect_retries_pays_nothing_twice(runtime: Runtime, sandbox: Sandbox):
    state = talk(return_state=True)
    assert state.is_completed(), state
    turns = checked(runtime, sandbox)
    assert turns["answered"] == turns["replayed"] > 5
    assert made["refund"] == 1
    assert made["look_up"] == rows_of_tool("look_up", state.state_details.flow_run_id)["Completed"]
    assert rows_of_tool("refund", state.state_details.flow_run_id) == {"Completed": 1, "Replayed": 1}
    assert runtime.journal.kept_runs() == {}


@pytest.mark.parametrize("child_fails", [True, False], ids=["the subflow", "its parent"])
def test_subflows_pay_nothing_twice(runtime: Runtime, sandbox: Sandbox, child_fails: bool):
    state = parent(child_fails, return_state=True)
    assert state.is_completed(), state
    assert checked(runtime, sandbox) == {"answered": 3, "replayed": 2 if child_fails else 3}
    assert runtime.journal.kept_runs() == {}


async def test_an_async_flow_too(runtime: Runtime, sandbox: Sandbox):
    state = await talk_async.with_options(retries=1)(return_state=True)
    assert state.is_completed(), state
    assert checked(runtime, sandbox) == {"answered": 1, "replayed": 1}
    assert made["refund"] == 1


def test_a_step_that_prefect_retries_goes_on_after_its_last_turn(runtime: Runtime, sandbox: Sandbox):
    assert stumble(return_state=True).is_completed()
    assert checked(runtime, sandbox) == {"answered": 2, "replayed": 1}


def test_a_run_that_failed_is_continued_by_hand(
    runtime: Runtime, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("farebox.cli.resume.find_flow", {"talk": talk}.__getitem__)
    state = talk.with_options(retries=0)(fails=1, return_state=True)
    assert state.is_failed()
    run_id = str(state.state_details.flow_run_id)
    assert runtime.journal.resumable() == {run_id}
    answered = checked(runtime, sandbox)["answered"]
    with pytest.raises(UsageError, match="not continued"):
        resume(runtime, run_id, interrupted=None, limit=None, yes=False, as_json=True)
    found = find_continuation(runtime, run_id[:8])
    assert {find_continuation(runtime, name).run.run_id for name in ("last", f"…{run_id[-8:]}")} == {run_id}
    assert (found.kept, found.ended) == (answered + made["refund"] + made["look_up"], "failed")
    assert found.kept_nano == found.spent_nano
    resume(runtime, run_id, interrupted=None, limit=None, yes=True, as_json=True)
    assert '"outcome": "completed"' in capsys.readouterr().out
    assert checked(runtime, sandbox) == {"answered": answered, "replayed": answered}
    assert made["refund"] == 1
    with pytest.raises(UsageError, match="completed"):
        find_continuation(runtime, run_id)


def test_a_run_of_a_deployment_is_scheduled_there_and_goes_on(
    runtime: Runtime, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("farebox.cli.resume.find_flow", {"talk": talk}.__getitem__)
    deployed = talk.with_options(retries=0)
    with get_client(sync_client=True) as client:
        run_id = deployed_run(client, deployed, fails=1)
        assert execute(client, deployed, run_id).is_failed()
        answered = checked(runtime, sandbox)["answered"]
        list_runs()
        worth = format_money(runtime.ledger.spent(str(run_id)))
        kept = f"{answered + made['refund'] + made['look_up']} results worth {worth} kept, not paid again"
        assert f"farebox runs resume {run_id} (talk; {kept})" in " ".join(capsys.readouterr().out.split())
        resume(runtime, str(run_id), interrupted=None, limit=None, yes=True, as_json=False)
        told = " ".join(capsys.readouterr().out.split())
        assert f"Replayed: {answered + made['refund'] + made['look_up']} answers" in told
        assert "a worker of its deployment continues it" in told
        flow_run = client.read_flow_run(run_id)
        assert flow_run.state is not None
        assert flow_run.state.is_scheduled()
        assert checked(runtime, sandbox) == {"answered": answered}, "nothing was asked here"
        assert execute(client, deployed, run_id).is_completed()
    assert checked(runtime, sandbox) == {"answered": answered, "replayed": answered}
    assert made["refund"] == 1


def rows_of_tool(name: str, flow_run_id: UUID | None) -> Counter[str]:
    """The states of a tool's task runs, once Prefect's server has received them."""
    from tests.support.waiting import until

    assert flow_run_id is not None
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))

    def found() -> Counter[str]:
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs(flow_run_filter=wanted)
        return Counter(str(run.state.name) for run in runs if run.name.startswith(name) and run.state is not None)

    until(f"task runs of {name}", lambda: found().total() and not {"Pending", "Running"} & set(found()))
    return found()
