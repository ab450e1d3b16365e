"""The examples of other libraries' agents, run as they stand. ``make test-guests`` installs the libraries."""

import asyncio
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from farebox.testing import TestProject
from tests.support.project import REPOSITORY
from tests.support.runs import riding

FOLDER = REPOSITORY / "examples" / "guests"
TOOL = ("plan_of", {"account": "a1"})


def example(name: str, *libraries: str) -> ModuleType:
    """An example's module; skips where a library of it is not installed."""
    for library in libraries:
        pytest.importorskip(library, reason=f"{library} is not installed: make test-guests")
    spec = importlib.util.spec_from_file_location(f"guest_example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def ran(project: TestProject, flow: Any, **parameters: Any) -> Any:
    """What the automation's body gives in a run; every turn of it was answered and paid."""
    body: Callable[..., Any] = flow.fn.__wrapped__
    with riding(project.runtime, flow, parameters) as ride:
        result = body(**parameters)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
    turns = project.turns()
    assert {(turn.outcome, turn.run_id) for turn in turns} == {("answered", ride.run.run_id)}
    assert project.runs()[-1].spent_nano == sum(turn.cost_nano for turn in turns) > 0
    return result


async def _awaited(work: Any) -> Any:
    return await work


def test_langchain(farebox_project: TestProject):
    module = example("langchain_agent", "langchain_openai")
    farebox_project.answers.calls(TOOL)
    farebox_project.answers.add("It has gold.")
    assert ran(farebox_project, module.langchain_answer, question="Which plan has a1?") == "It has gold."
    assert [one.operation for one in farebox_project.turns()] == ["langchain"] * 2
    farebox_project.answers.add("Hi.")
    assert asyncio.run(_awaited(module.model.ainvoke("Hello?"))).content == "Hi."


def test_llama_index(farebox_project: TestProject):
    module = example("llama_index_chat", "llama_index.llms.openai_like")
    farebox_project.answers.add("Rome.")
    assert ran(farebox_project, module.llama_index_answer, question="Capital of Italy?") == "Rome."
    farebox_project.answers.add("Paris.")
    assert "".join(part.delta or "" for part in module.model.stream_complete("And of France?")) == "Paris."


def test_instructor(farebox_project: TestProject):
    module = example("instructor_extraction", "instructor")
    farebox_project.answers.call("City", name="Rome", people="many")
    farebox_project.answers.call("City", name="Rome", people=3)
    found = ran(farebox_project, module.instructor_city, text="Rome has three people.")
    assert found.model_dump() == {"name": "Rome", "people": 3}
    assert len(farebox_project.turns()) == 2, "a retry is a turn"


def test_openai_agents_sdk(farebox_project: TestProject):
    module = example("openai_agents_sdk", "agents")
    farebox_project.answers.calls(TOOL)
    farebox_project.answers.add("It has gold.")
    assert ran(farebox_project, module.agents_sdk_answer, question="Which plan has a1?") == "It has gold."
    assert [one.operation for one in farebox_project.turns()] == ["agents_sdk"] * 2


def test_code_without_litellm(farebox_project: TestProject):
    module = example("without_litellm", "openai")
    farebox_project.answers.add("Rome.")
    assert ran(farebox_project, module.completed, question="Capital of Italy?") == "Rome."
