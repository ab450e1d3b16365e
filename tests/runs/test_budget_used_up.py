"""A budget that runs out on the way of a run: somebody is asked, and it goes on from its journal, or it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import Pause
from prefect.flow_runs import resume_flow_run

from farebox import Budget, ask, automation, llm_task, plan, tool
from farebox.runs.approval import ASK_HERE
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import BudgetClosed, OverBudget
from pricing.ledger.approvals import ApprovalDecision, ApprovalRequest, Choice
from pricing.money import USD
from tasks.sandbox import Sandbox, read_journal
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.prefect_runs import deployed_run, execute
from tests.support.project import TARGETS, Project, make_project

pytestmark = pytest.mark.usefixtures("prefect")
COUNT = 24
ONE_MODEL = TARGETS.partition("\n\n")[0] + "\n"
"""Without a cheaper target to step down to."""


@llm_task(operation="say", max_tokens=60, max_turns=60)
def say() -> list[str]:
    return [ask("say.j2", text=f"The importer stopped for {number} hours.") for number in range(COUNT)]


@automation(
    price="1 credit",
    budget=Budget(per_run="0.004 USD"),
    plan=plan(say, calls=1, max_calls=60, input_tokens=60, output_tokens=60),
    approval=timedelta(hours=1),
)
def talk() -> list[str]:
    """Say something about more notes than its budget allows."""
    return say()


@tool(cost="0.0001 USD")
def search(query: str) -> str:
    """Search the web."""
    return query


@llm_task(operation="say_one", max_tokens=60, max_turns=2)
def say_one(number: int) -> str:
    return ask("say.j2", text=f"The importer stopped for {number} hours.")


@automation(
    price="1 credit",
    budget=Budget(per_run="0.005 USD"),
    plan=plan(say_one, calls=1, max_calls=60, input_tokens=60, output_tokens=60) + plan(search),
    approval=timedelta(hours=1),
)
def talk_mapped() -> tuple[list[str], int, bool]:
    """What was answered of more notes than its budget allows, how many were not, and whether a tool was refused."""
    found: list[Any] = [future.result(raise_on_failure=False) for future in say_one.map(range(COUNT))]
    refused = [one for one in found if isinstance(one, OverBudget)]
    if refused and not all(isinstance(one, BudgetClosed) for one in refused):
        raise refused[0]
    try:
        search("more")
    except BudgetClosed:
        return [one for one in found if isinstance(one, str)], len(refused), True
    return [one for one in found if isinstance(one, str)], len(refused), False


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    return make_project(tmp_path / "project", sandbox.url, targets=ONE_MODEL)


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def attempted(client: SyncPrefectClient, run_id: UUID) -> Any:
    with suppress(Pause):
        return execute(client, talk, run_id)
    return None


def ends(runtime: Runtime) -> list[str]:
    return [row["outcome"] for row in rows(runtime.ledger, schema.settlements)]


def turns(runtime: Runtime) -> Counter[str]:
    return Counter(turn["outcome"] for turn in rows(runtime.ledger, schema.turns))


def said(decision: str, raise_by: str = "") -> dict[str, str]:
    return {"decision": decision, "decided_by": "Ana", "raise_by": raise_by}


def test_it_waits_for_a_person_and_goes_on_from_its_journal(
    runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient
):
    run_id = deployed_run(client, talk)
    assert attempted(client, run_id) is None
    state = client.read_flow_run(run_id).state
    assert state is not None
    assert (state.name, state.is_paused()) == ("NeedsApproval", True)
    before = turns(runtime)["answered"]
    assert 0 < before < COUNT
    assert rows(runtime.ledger, schema.holds) == []
    assert len(rows(runtime.ledger, schema.questions)) == 1
    resume_flow_run(run_id, run_input=said("raise the budget", "0.05 USD"))
    assert attempted(client, run_id).is_completed()
    assert turns(runtime) == {"answered": COUNT, "replayed": before, "stopped": 1}
    assert len(read_journal(sandbox.journal)) == COUNT
    assert ends(runtime) == ["over_budget", "completed"]
    [decided] = rows(runtime.ledger, schema.approvals)
    assert (decided["run_id"], decided["choice"], decided["decided_by"]) == (str(run_id), "raise", "Ana")
    assert_ledger_adds_up(runtime)
    assert_ledger_equals_journal(runtime, sandbox.journal)


def test_it_ends_where_a_person_says_so_and_can_be_continued_later(runtime: Runtime, client: SyncPrefectClient):
    run_id = deployed_run(client, talk)
    assert attempted(client, run_id) is None
    spent = runtime.ledger.spent(str(run_id))
    resume_flow_run(run_id, run_input=said("refuse"))
    state = attempted(client, run_id)
    assert (state.name, state.is_cancelled()) == ("OverBudget", True)
    assert "was stopped after" in state.message
    assert "farebox runs resume" in state.message.replace("\\", "")
    assert runtime.ledger.spent(str(run_id)) == spent
    assert runtime.journal.resumable() == {str(run_id)}
    assert_ledger_adds_up(runtime)


@pytest.mark.parametrize("choice", ["once", "raise"])
def test_the_terminal_asks_and_the_same_process_goes_on(runtime: Runtime, sandbox: Sandbox, choice: Choice):
    asked: list[ApprovalRequest] = []

    def decide(question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision:
        assert refused.fields["budget_ids"] == list(question.lacking)
        asked.append(question)
        return ApprovalDecision(choice, "Ana", USD // 20)

    token = ASK_HERE.set(decide)
    try:
        assert len(talk()) == COUNT
    finally:
        ASK_HERE.reset(token)
    assert len(asked) == 1
    assert turns(runtime)["answered"] == len(read_journal(sandbox.journal)) == COUNT
    assert ends(runtime) == [*["over_budget"] * len(asked), "completed"]
    assert_ledger_adds_up(runtime)


def test_without_approval_it_stops_and_is_continued_once_there_is_room(runtime: Runtime, sandbox: Sandbox):
    state = talk(return_state=True)  # of no deployment, in no terminal: nobody can be asked
    assert (state.name, state.is_cancelled()) == ("OverBudget", True)
    assert runtime.journal.resumable() == {str(state.state_details.flow_run_id)}
    assert len(read_journal(sandbox.journal)) < COUNT


def test_it_finishes_with_what_there_is(runtime: Runtime, sandbox: Sandbox, client: SyncPrefectClient):
    run_id = deployed_run(client, talk_mapped)
    with suppress(Pause):
        execute(client, talk_mapped, run_id)
    spent, before = runtime.ledger.spent(str(run_id)), turns(runtime)["answered"]
    assert 0 < before < COUNT
    resume_flow_run(run_id, run_input=said("finish with what there is"))
    answers, missing, tool_refused = execute(client, talk_mapped, run_id).result()
    assert (len(answers), missing, tool_refused) == (before, COUNT - before, True)
    assert runtime.ledger.spent(str(run_id)) == spent
    assert len(read_journal(sandbox.journal)) == before
    assert turns(runtime)["replayed"] == before
    assert ends(runtime) == ["over_budget", "completed"]
    [decided] = rows(runtime.ledger, schema.approvals)
    assert (decided["choice"], decided["hold_nano"]) == ("finish", 0)
    assert_ledger_adds_up(runtime)
    assert_ledger_equals_journal(runtime, sandbox.journal)


def test_one_that_does_not_catch_it_ends_and_nobody_is_asked_again(runtime: Runtime, sandbox: Sandbox):
    asked: list[ApprovalRequest] = []

    def decide(question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision:
        del refused
        asked.append(question)
        return ApprovalDecision("finish", "Ana")

    token = ASK_HERE.set(decide)
    try:
        state = talk(return_state=True)
    finally:
        ASK_HERE.reset(token)
    assert (state.name, state.is_cancelled(), len(asked)) == ("OverBudget", True, 1)
    assert "set to finish with what it has" in str(state.message)
    assert len(read_journal(sandbox.journal)) == turns(runtime)["answered"] == turns(runtime)["replayed"]
    assert ends(runtime) == ["over_budget", "over_budget"]
    run_id = str(state.state_details.flow_run_id)
    assert runtime.journal.resumable() == {run_id}
    assert_ledger_adds_up(runtime)
