"""What Prefect sees of an automation: states, retries, subflows, stored results, entrypoints."""

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.cache_policies import INPUTS
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.flows import load_flow_from_entrypoint
from pydantic import BaseModel

from farebox import Budget, Quality, ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import NoRun, NoTarget, TurnFailed
from tasks.sandbox import Sandbox, read_journal
from tests.runs.conftest import Inject
from tests.support.books import (
    assert_ledger_adds_up,
    assert_ledger_equals_journal,
    assert_replica_equals_ledger,
    rows,
)
from tests.support.project import Project, make_project

pytestmark = pytest.mark.usefixtures("prefect")


class Judgement(BaseModel):
    topic: str
    urgent: bool


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="judge", tier="light", max_tokens=60)
async def judge(text: str) -> Judgement:
    return await ask.aio("judge.j2", text=text, returns=Judgement)


@llm_task(operation="say", tier="light", max_tokens=60, cache_policy=INPUTS, persist_result=True)
def say_once(text: str) -> str:
    return ask("say.j2", text=text)


def number(texts: list[str]) -> int:
    return len(texts)


SAYING = plan(say, calls=number, input_tokens=60, output_tokens=40)


@automation(price="1 credit", budget=Budget(per_day="5 USD"), plan=SAYING)
def speak(texts: list[str], quality: Quality = "fast") -> list[str]:
    """Say something about each.

    Args:
        texts: about what.
        quality: fast or best.
    """
    submitted = say.submit(texts[0])
    mapped = say.map(texts[1:])
    return [submitted.result(), *mapped.result()]


@automation(
    price="0.10 USD", budget=Budget(per_day="5 USD"), plan=plan(judge, calls=number, input_tokens=60, output_tokens=40)
)
async def judge_all(texts: list[str]) -> list[Judgement]:
    return list(await asyncio.gather(*(judge(text) for text in texts)))


@automation(price="1 credit", plan=SAYING)
def stumble(texts: list[str]) -> None:
    say(texts[0])
    raise ValueError("the user's own code, with their own words")


@automation(price="1 credit", plan=SAYING, retries=1)
def stumble_once(texts: list[str]) -> str:
    from prefect.runtime import flow_run

    said = say(texts[0])
    if flow_run.run_count == 1:
        raise ValueError("only the first time")
    return said


@automation(price="1 credit", plan=SAYING)
def parent(texts: list[str]) -> list[str]:
    say(texts[0])
    return speak(texts)


@automation(price="1 credit", plan=plan(say_once, calls=2, input_tokens=60, output_tokens=40))
def repeat(text: str) -> list[str]:
    return [say_once(text), say_once(text)]


def finish(flow: Any, **parameters: Any) -> State[Any]:
    state: State[Any] = flow(**parameters, return_state=True)
    return state


def outcomes(runtime: Runtime) -> list[str]:
    return [row["outcome"] for row in rows(runtime.ledger, schema.settlements)]


def test_a_run_through_prefect_is_held_settled_and_copied(runtime: Runtime, sandbox: Sandbox):
    assert len(speak(["one", "two", "three"])) == 3
    assert outcomes(runtime) == ["completed"]
    attempts = assert_ledger_equals_journal(runtime, sandbox.journal)
    assert len(attempts) == 3
    assert_ledger_adds_up(runtime)
    assert_replica_equals_ledger(runtime)
    [run] = rows(runtime.ledger, schema.runs)
    assert (runtime.home / "reports" / f"{run['run_id']}.md").exists()


def test_the_shipped_automations_run(runtime: Runtime, project: Project, sandbox: Sandbox):
    from flows.daily_digest import daily_digest
    from flows.support_triage import support_triage
    from tests.support.project import REPOSITORY

    digest = daily_digest(str(project.documents), 2)
    assert [entry.origin for entry in digest.entries]
    tickets = (REPOSITORY / "flows" / "data" / "tickets.csv").read_text("utf-8").splitlines()[:3]
    (project.root / "tickets.csv").write_text("\n".join(tickets) + "\n", "utf-8")
    assert len(support_triage(str(project.root / "tickets.csv"), "best").cases) == 2
    assert outcomes(runtime) == ["completed", "completed"]
    assert_ledger_equals_journal(runtime, sandbox.journal)
    assert_ledger_adds_up(runtime)
    assert_replica_equals_ledger(runtime)


async def test_an_async_automation(runtime: Runtime, sandbox: Sandbox):
    from prefect.client.orchestration import get_client

    judged = await judge_all(["one", "two"])
    async with get_client() as client:
        artifacts = await client.read_artifacts()
    assert "judge-all-cost" in {artifact.key for artifact in artifacts}
    assert all(isinstance(judgement, Judgement) for judgement in judged)
    assert outcomes(runtime) == ["completed"]
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 2
    assert_ledger_adds_up(runtime)


def tight(project: Project, sandbox: Sandbox, limit: str) -> Project:
    budget = f'[[budgets]]\nscope = "automation"\nkey = "speak"\nwindow = "week"\nlimit = "{limit}"\n'
    return make_project(project.root, sandbox.url, more=budget)


def test_over_budget_is_cancelled_by_that_name_and_nothing_is_called(project: Project, sandbox: Sandbox):
    with tight(project, sandbox, "0.0000001 USD").runtime_here() as runtime:
        state = finish(speak, texts=["one", "two"])
        assert (state.type.value, state.name) == ("CANCELLED", "OverBudget")
        message = str(state.message)
        for part in ("speak per week", "short by", "resets", "would fit", "Nothing was called"):
            assert part in message
        assert outcomes(runtime) == ["over_budget"]
        assert rows(runtime.ledger, schema.attempts) == []
        assert not sandbox.journal.read_bytes()
        assert_ledger_adds_up(runtime)


def test_a_budget_that_runs_out_mid_run_ends_it_with_what_was_done(project: Project, sandbox: Sandbox):
    """Each answer is far longer than planned, so the hold must be extended, until the budget is used up."""

    @automation(price="1 credit", plan=plan(say, calls=1, input_tokens=1, output_tokens=1))
    def grow(texts: list[str]) -> int:
        return len([say(text) for text in texts])

    budget = '[[budgets]]\nscope = "automation"\nkey = "grow"\nwindow = "day"\nlimit = "0.0015 USD"\n'
    with make_project(project.root, sandbox.url, more=budget).runtime_here() as runtime:
        state = finish(grow, texts=[f"text number {index} " * 20 for index in range(200)])
        assert (state.type.value, state.name) == ("CANCELLED", "OverBudget")
        assert "stopped at say" in str(state.message)
        attempts = assert_ledger_equals_journal(runtime, sandbox.journal)
        assert len(attempts) > 1
        assert outcomes(runtime) == ["over_budget"]
        assert rows(runtime.ledger, schema.turns)[-1]["outcome"] == "stopped"
        assert_ledger_adds_up(runtime)
        for state_of in runtime.ledger.budgets():
            assert 0 < state_of.spent <= state_of.limit


def test_a_guard_that_blocks_ends_the_run_as_blocked(runtime: Runtime, sandbox: Sandbox):
    @automation(price="1 credit", plan=plan(say, input_tokens=60, output_tokens=40))
    def talk_too_much(times: int) -> str:
        return say("word " * times)

    state = finish(talk_too_much, times=1_500_000)
    assert (state.type.value, state.name) == ("CANCELLED", "Blocked")
    assert "word word" not in str(state.message)
    assert outcomes(runtime) == ["blocked"]
    assert not sandbox.journal.read_bytes()
    assert_ledger_adds_up(runtime)


def test_code_that_fails_is_failed_and_what_it_held_is_released(runtime: Runtime, sandbox: Sandbox):
    state = finish(stumble, texts=["one"])
    assert state.is_failed()
    [settlement] = rows(runtime.ledger, schema.settlements)
    assert (settlement["outcome"], settlement["reason"]) == ("failed", "ValueError")
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 1
    assert_ledger_adds_up(runtime)


def test_a_retry_holds_and_settles_again(runtime: Runtime, sandbox: Sandbox):
    assert finish(stumble_once, texts=["one"]).is_completed()
    assert outcomes(runtime) == ["failed", "completed"]
    assert len(rows(runtime.ledger, schema.runs)) == 1
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 1
    assert [row["outcome"] for row in rows(runtime.ledger, schema.turns)] == ["answered", "replayed"]
    assert_ledger_adds_up(runtime)
    assert_replica_equals_ledger(runtime)


def test_an_automation_inside_another_is_a_run_of_its_own(runtime: Runtime, sandbox: Sandbox):
    assert len(parent(["one", "two"])) == 2
    runs = {row["automation"]: row["run_id"] for row in rows(runtime.ledger, schema.runs)}
    assert set(runs) == {"parent", "speak"}
    attempts = assert_ledger_equals_journal(runtime, sandbox.journal)
    assert sorted(attempt["run_id"] for attempt in attempts) == sorted([runs["parent"], runs["speak"], runs["speak"]])
    assert outcomes(runtime) == ["completed", "completed"]
    assert_ledger_adds_up(runtime)


def test_a_stored_result_is_not_asked_for_twice(runtime: Runtime, sandbox: Sandbox):
    first = repeat("what is stored")
    assert first[0] == first[1]
    assert repeat("what is stored") == first
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 1
    assert outcomes(runtime) == ["completed", "completed"]
    assert_ledger_adds_up(runtime)


def test_with_options_keeps_the_gate(project: Project, sandbox: Sandbox):
    with tight(project, sandbox, "0.0000001 USD").runtime_here() as runtime:
        renamed = speak.with_options(name="speak again", retries=2)
        assert automation_of(renamed).name == "speak"
        assert finish(renamed, texts=["one"]).name == "OverBudget"
        assert outcomes(runtime) == ["over_budget"], "a decision is not retried"


def test_a_step_keeps_its_cost_capture_with_options(runtime: Runtime, sandbox: Sandbox):
    @automation(price="1 credit", plan=SAYING)
    def renamed(texts: list[str]) -> str:
        return say.with_options(name="another name", retries=1)(texts[0])

    assert renamed(["one"])
    assert len(assert_ledger_equals_journal(runtime, sandbox.journal)) == 1


def test_parameters_signature_and_schema_survive(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.root)
    found: Flow[..., Any] = load_flow_from_entrypoint("flows.daily_digest.daily_digest")
    assert found.name == "daily-digest"
    properties = found.parameters.properties
    assert list(properties) == ["source", "limit", "quality"]
    assert properties["quality"]["enum"] == ["fast", "best"]
    assert properties["limit"]["maximum"] == 200
    assert "folder" in properties["source"]["description"]
    assert list(inspect.signature(found.fn).parameters) == ["source", "limit", "quality"]
    assert speak.fn.__annotations__ == {"texts": list[str], "quality": Quality, "return": list[str]}
    assert "Say something about each." in str(speak.fn.__doc__)
    assert say.fn.__annotations__ == {"text": str, "return": str}
    with pytest.raises(ParameterTypeError):
        found.validate_parameters({"limit": 0})


def test_a_run_by_entrypoint_passes_the_gate(runtime: Runtime, project: Project, sandbox: Sandbox):
    """As a worker starts it: the flow's engine, not ``Flow.__call__``."""
    from prefect.flow_engine import run_flow

    found: Flow[..., Any] = load_flow_from_entrypoint("flows.daily_digest.daily_digest")
    state = run_flow(found, parameters={"source": str(project.documents), "limit": 1}, return_type="state")
    assert isinstance(state, State)
    assert state.is_completed()
    assert outcomes(runtime) == ["completed"]
    assert_ledger_equals_journal(runtime, sandbox.journal)


def test_ask_outside_a_step_is_one_clear_error(runtime: Runtime):
    @automation(price="1 credit", plan=SAYING)
    def asks_itself(texts: list[str]) -> str:
        return ask("say.j2", text=texts[0])

    with pytest.raises(NoRun, match="outside an LLM step"):
        asks_itself(["one"])
    assert outcomes(runtime) == ["failed"]


# Fallback, as the ledger tells it ------------------------------------------------------------------------------------


@automation(price="1 credit", plan=plan(judge, input_tokens=600, output_tokens=40))
async def judge_one(text: str) -> Judgement:
    return await judge(text)


def story(runtime: Runtime) -> list[tuple[str, str, str]]:
    return [(row["target"], row["outcome"], row["reason"]) for row in rows(runtime.ledger, schema.attempts)]


async def test_an_overloaded_target_is_answered_by_another_domain(runtime: Runtime, sandbox: Sandbox, inject: Inject):
    inject({"kind": "503", "target": "haiku"})
    assert (await judge_one("one")).topic
    (first, failed, _), (again, failed_again, why), *rest = story(runtime)
    assert (first, again) == ("haiku", "haiku")
    assert (failed, failed_again) == ("overloaded", "overloaded")
    assert why == "retry 1 after overloaded"
    [(target, outcome, reason)] = rest
    assert (target, outcome, reason) == ("gpt-oss", "ok", "overloaded at haiku"), "same tier, other failure domain"
    attempts = assert_ledger_equals_journal(runtime, sandbox.journal)
    assert [attempt["cost_nano"] > 0 for attempt in attempts] == [False, False, True]


async def test_a_wait_beyond_the_deadline_falls_back_at_once(runtime: Runtime, inject: Inject):
    inject({"kind": "429", "target": "haiku", "retry_after": 50})
    assert (await judge_one("one")).topic
    assert [(target, outcome) for target, outcome, _ in story(runtime)] == [("haiku", "rate_limit"), ("gpt-oss", "ok")]


async def test_a_prompt_that_no_window_takes_is_told_so(runtime: Runtime, inject: Inject):
    inject({"kind": "overflow"})
    state = await judge_one("one", return_state=True)
    assert state.name == "Blocked"
    assert "longer than any available model can read" in str(state.message)
    assert "shorten or split" in str(state.message)
    kinds = {outcome for _, outcome, _ in story(runtime)}
    assert kinds == {"context_overflow"}
    assert {row["cost_nano"] for row in rows(runtime.ledger, schema.attempts)} == {0}
    assert outcomes(runtime) == ["blocked"]


async def test_a_refusal_is_not_asked_again(runtime: Runtime, sandbox: Sandbox, inject: Inject):
    inject({"kind": "refusal"})
    with pytest.raises(TurnFailed, match=r"declined|filtered"):
        await judge_one("one")
    assert len(read_journal(sandbox.journal)) == 1
    [attempt] = assert_ledger_equals_journal(runtime, sandbox.journal)
    assert attempt["cost_nano"] > 0, "it was billed"


async def test_an_answer_against_its_schema_is_repaired_once_then_goes_up(runtime: Runtime, inject: Inject):
    inject({"kind": "invalid_json", "target": "haiku"})
    assert (await judge_one("one")).topic
    told = story(runtime)
    assert [target for target, _, _ in told] == ["haiku", "haiku", "sonnet"]
    assert told[1][2].startswith("repair")
    assert told[2][2] == "invalid_output at haiku"
    [turn] = rows(runtime.ledger, schema.turns)
    assert (turn["repaired"], turn["target"], turn["attempts"]) == (True, "sonnet", 3)


async def test_an_answer_cut_off_is_asked_again_with_more_room(runtime: Runtime, sandbox: Sandbox, inject: Inject):
    inject({"kind": "truncate", "nth": 1})
    assert (await judge_one("one")).topic
    assert [(target, outcome) for target, outcome, _ in story(runtime)] == [("haiku", "truncated"), ("haiku", "ok")]
    first, second = rows(runtime.ledger, schema.attempts)
    assert second["worst_nano"] > first["worst_nano"]
    assert_ledger_equals_journal(runtime, sandbox.journal)


async def test_nobody_answers(runtime: Runtime, sandbox: Sandbox, inject: Inject):
    inject({"kind": "503"})
    with pytest.raises(NoTarget, match=r"haiku.*gpt-oss"):
        await judge_one("one")
    assert {row["cost_nano"] for row in rows(runtime.ledger, schema.attempts)} == {0}
    assert outcomes(runtime) == ["failed"]
    assert_ledger_equals_journal(runtime, sandbox.journal)
    assert_ledger_adds_up(runtime)


def test_the_page_of_a_run_can_be_written_nowhere_and_the_run_still_ends_well(
    runtime: Runtime, project: Project, tmp_path: Path
):
    project.home.mkdir(exist_ok=True)
    (project.home / "reports").write_text("a file where the folder should be")
    assert speak(["one"])
    assert outcomes(runtime) == ["completed"]
