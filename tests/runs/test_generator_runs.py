"""Automations and steps that yield: each value within the run, and the run settled when no more is asked for."""

import json
from collections.abc import AsyncIterator, Generator, Iterator

import pytest

from farebox import Budget, ask, automation, current_run, llm_task, plan
from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import Sandbox
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.command import Call
from tests.support.project import Project

pytestmark = pytest.mark.usefixtures("prefect")


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="tell", tier="light", max_tokens=60, max_turns=3)
def tell(text: str) -> Iterator[str]:
    for number in range(2):
        yield ask("say.j2", text=f"{text} {number}")


@llm_task(operation="tell_async", tier="light", max_tokens=60, max_turns=3)
async def tell_async(text: str) -> AsyncIterator[str]:
    for number in range(2):
        yield await ask.aio("say.j2", text=f"{text} {number}")


PLAN = plan(say, calls=3, input_tokens=60, output_tokens=40)


@automation(price="1 credit", budget=Budget(per_day="5 USD"), plan=PLAN)
def series(fail_after: int = 9) -> Generator[str, None, None]:
    yield say("first")
    for number, part in enumerate(tell("middle")):
        yield part
        if number == fail_after:
            raise ValueError("the user's own fault")
    yield from say.map(["x", "y"]).result()


@automation(price="1 credit", budget=Budget(per_day="5 USD"), plan=PLAN)
async def series_async(fail: bool = False) -> AsyncIterator[str]:
    async for part in tell_async("middle"):
        yield part
    if fail:
        raise ValueError("the user's own fault")


@automation(price="1 credit", budget=Budget(per_day="5 USD"), plan=PLAN)
def mapped() -> list[str]:
    return [part for told in tell.map(["a", "b"]).result() for part in told]


@automation(price="1 credit", budget=Budget(per_run="0.00000001 USD"), plan=PLAN)
def unaffordable() -> Iterator[str]:
    yield say("never")


@automation(price="1 credit", budget=Budget(per_run="0.00000001 USD"), plan=PLAN)
async def unaffordable_async() -> AsyncIterator[str]:
    async for part in tell_async("never"):
        yield part


def ended(runtime: Runtime, name: str) -> tuple[str, int]:
    """How the only run of that automation ended, and how many turns it had."""
    [run] = [row["run_id"] for row in rows(runtime.ledger, schema.runs) if row["automation"] == name]
    [outcome] = [row["outcome"] for row in rows(runtime.ledger, schema.settlements) if row["run_id"] == run]
    return outcome, len([row for row in rows(runtime.ledger, schema.turns) if row["run_id"] == run])


def test_values_come_one_by_one_within_the_run(runtime: Runtime, sandbox: Sandbox):
    taken = 0
    for value in series():
        taken += 1
        assert value
        assert current_run().run_id == ""  # who takes the values is not in the run
    assert taken == 5
    assert ended(runtime, "series") == ("completed", 5)
    assert_ledger_adds_up(runtime)
    assert_ledger_equals_journal(runtime, sandbox.journal)


def test_a_caller_that_has_had_enough_completes_the_run(runtime: Runtime):
    running = series()
    next(running)
    running.close()
    assert ended(runtime, "series") == ("completed", 1)


def test_an_error_between_two_values_fails_the_run(runtime: Runtime):
    with pytest.raises(ValueError, match="own fault"):
        list(series(fail_after=0))
    assert ended(runtime, "series") == ("failed", 2)


async def test_async_values_come_within_the_run(runtime: Runtime):
    assert len([value async for value in series_async()]) == 2
    assert ended(runtime, "series-async") == ("completed", 2)


async def test_an_async_error_fails_the_run(runtime: Runtime):
    with pytest.raises(ValueError, match="own fault"):
        _ = [value async for value in series_async(fail=True)]
    assert ended(runtime, "series-async") == ("failed", 2)


def test_steps_that_yield_are_mapped(runtime: Runtime):
    assert len(mapped()) == 4
    assert ended(runtime, "mapped") == ("completed", 4)


@pytest.mark.parametrize("name", ["series", "series_async"])
def test_the_command_line_prints_all_values(runtime: Runtime, project: Project, call: Call, name: str):
    del runtime, project
    said = call("run", f"tests.runs.test_generator_runs:{name}", "--json")
    told = json.loads(said.out)
    assert (said.code, told["outcome"]) == (0, "completed"), said
    assert len(told["result"]) == (5 if name == "series" else 2)


@pytest.mark.parametrize("name", ["unaffordable", "unaffordable_async"])
def test_the_command_line_refuses_one_that_is_too_expensive(runtime: Runtime, call: Call, name: str):
    said = call("run", f"tests.runs.test_generator_runs:{name}")
    assert (said.code, "was not started" in said.err) == (3, True), said
    assert rows(runtime.ledger, schema.turns) == []


STUMBLES = """
from farebox import automation
from tests.runs.test_generator_runs import PLAN, say


@automation(price="1 credit", plan=PLAN)
def stumbles():
    yield say("first")
    raise ValueError("the user's own fault")
"""


def test_the_command_line_names_the_line_that_failed(runtime: Runtime, project: Project, call: Call):
    (project.root / "stumbling.py").write_text(STUMBLES)
    said = call("run", "stumbles")
    assert said.code == 1, said
    assert ended(runtime, "stumbles") == ("failed", 1), said
    assert "own code failed: ValueError: the user's own fault at stumbling.py:9" in said.err
