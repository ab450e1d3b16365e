"""Agents that know what their run has left: they end with an answer, also where money runs short."""

import uuid
from typing import Any

import pytest

from farebox import Agent, Budget, automation, llm_task, plan, tool
from farebox.testing import TestProject
from pricing import OverBudget
from tests.support.runs import riding

calls: list[str] = []


def look_up(number: str) -> dict[str, str]:
    """The plan of an account."""
    calls.append(number)
    return {"plan": "gold"}


@tool(cost="0.03 USD", provider="serper")
def search(query: str) -> str:
    """Search the web."""
    calls.append(query)
    return "nothing"


CASE: dict[str, Any] = {"ticket": {"id": "t1", "customer": "Acme", "subject": "Plan?", "body": "Which?"}}
knowing = Agent(prompt="triage.j2", tools=[look_up, search], max_turns=8, max_tokens=200, tell_remaining=True)
unaware = Agent(prompt="triage.j2", tools=[look_up, search], max_turns=8, max_tokens=200)


@llm_task(operation="decide", max_turns=9, max_tokens=200)
def decide(agent: Agent) -> str:
    return str(agent.run(**CASE))


def flow_of(budget: str, name: str = "left") -> Any:
    @automation(
        price="1 credit",
        budget=Budget(per_run=budget),
        plan=plan(decide, calls=1, max_calls=9, input_tokens=100, output_tokens=20),
        name=name,
    )
    def left() -> None: ...

    return left


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def script(project: TestProject, turns: int) -> None:
    for number in range(turns):
        project.answers.call("look_up", number=f"a{number}", operation="tool_selection")
    project.answers.add("Gold.", operation="decide")


def test_each_turn_says_what_is_left_and_earlier_ones_do_not_stay(farebox_project: TestProject):
    script(farebox_project, 2)
    farebox_project.answers.add("Gold.", operation="tool_selection")
    with riding(farebox_project.runtime, flow_of("0.05 USD"), {}):
        assert decide.fn(knowing) == "Gold."
    said = [one.text.count("Left in this run: ") for one in farebox_project.answers.asked]
    assert said == [1, 1, 1]
    assert farebox_project.answers.asked[0].text.splitlines()[-1] == "Left in this run: $0.05."
    assert "about" in farebox_project.answers.asked[2].text.splitlines()[-1]


def test_a_last_turn_is_kept_for_the_answer(farebox_project: TestProject):
    project = farebox_project
    script(project, 6)
    with riding(project.runtime, flow_of("0.00042 USD"), {}), pytest.raises(OverBudget):
        decide.fn(unaware)
    stopped = [turn.outcome for turn in project.turns()]
    assert stopped[-1] == "stopped"
    asked = len(calls)
    calls.clear()
    project.answers._lines.clear()
    script(project, 6)
    with riding(project.runtime, flow_of("0.00042 USD", "other"), {}):
        assert decide.fn(knowing) == "Gold."
    turns = project.turns()[len(stopped) :]
    assert [turn.operation for turn in turns][-1] == "decide"
    assert {turn.outcome for turn in turns} == {"answered"}
    assert 0 < len(calls) <= asked, "it asked with tools as long as a turn more would fit"


def test_a_paid_tool_without_room_is_told_instead_of_ending_the_run(farebox_project: TestProject):
    def scripted(operation: str) -> None:
        farebox_project.answers.call("search", query="a", operation="tool_selection")
        farebox_project.answers.call("search", query="b", operation="tool_selection")
        farebox_project.answers.add("Nothing was found.", operation=operation)

    scripted("tool_selection")
    with pytest.raises(OverBudget, match="stopped at search"), riding(farebox_project.runtime, flow_of("0.05 USD"), {}):
        decide.fn(unaware)
    farebox_project.answers._lines.clear()
    scripted("tool_selection")
    with riding(farebox_project.runtime, flow_of("0.05 USD", "other"), {}):
        assert decide.fn(knowing) == "Nothing was found."
    assert calls == ["a", "a"]
    assert "it exceeds the budget of this run" in farebox_project.answers.asked[-1].text


def test_a_run_that_goes_on_is_told_the_same_and_pays_nothing_twice(farebox_project: TestProject):
    run_id = str(uuid.uuid4())
    script(farebox_project, 2)
    farebox_project.answers._lines.pop()
    farebox_project.answers.add(RuntimeError("its own code fails"), operation="tool_selection")
    with pytest.raises(RuntimeError), riding(farebox_project.runtime, flow_of("0.05 USD"), {}, run_id):
        decide.fn(knowing)
    farebox_project.answers.add("Gold.", operation="tool_selection")
    with riding(farebox_project.runtime, flow_of("0.05 USD"), {}, run_id):
        assert decide.fn(knowing) == "Gold."
    assert calls == ["a0", "a1"]
    assert [turn.outcome for turn in farebox_project.turns()] == [
        *("answered", "answered"),
        *("replayed", "replayed", "answered"),
    ]
