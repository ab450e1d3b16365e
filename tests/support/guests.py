"""Agents written with other libraries, as guests of a run: what their tests ask of each of them."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from farebox.integrations.openai import BudgetRefused
from farebox.testing import TestProject
from tests.support.runs import riding

GuestAgent = Callable[..., str]
"""Called with a client, the list of accounts that it appends to and, if its tool is to pay, an amount."""


class City(BaseModel):
    name: str
    people: int


def script(project: TestProject, account: str = "a1") -> None:
    """The model looks an account up, then answers."""
    project.answers.call("look_up", account=account)
    project.answers.add("Gold it is.")


def same_bare_and_inside_a_run(project: TestProject, agent: GuestAgent, automation: Any, llm: Any) -> None:
    """Assert that an agent asks and gets the same of the sandbox, and of a run that pays for it."""
    url = f"{project.runtime.settings.sandbox.url}/t/bare~/v1"
    calls: list[str] = []
    script(project)
    there = agent(openai.OpenAI(base_url=url, api_key="sandbox"), calls)
    script(project)
    with riding(project.runtime, automation, {}) as ride:
        here = agent(llm, calls)
    assert here == there == "Gold it is."
    assert calls == ["a1", "a1"]
    said = [(one.system, one.text.replace('": "', '":"'), one.tools) for one in project.answers.asked]
    assert said[2:] == said[:2]
    turns = project.turns("chat")
    assert [(turn.outcome, turn.run_id) for turn in turns] == [("answered", ride.run.run_id)] * 2
    assert project.runs()[-1].spent_nano == sum(turn.cost_nano for turn in turns) > 0


def stopped_by_its_budget(project: TestProject, agent: GuestAgent, automation: Any, llm: Any) -> BudgetRefused:
    """Assert that a budget stops an agent after its first tool call: the error it got."""
    script(project)
    calls: list[str] = []
    with riding(project.runtime, automation, {}):
        with pytest.raises(BudgetRefused, match="stopped at chat") as raised:
            agent(llm, calls, pays="0.04998 USD")
        assert calls == ["a1"], "its work so far was done"
    assert [turn.outcome for turn in project.turns()] == ["answered", "stopped"]
    return raised.value
