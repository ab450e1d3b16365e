"""Tools in durable runs: one that returned is not called again, one that was interrupted is reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farebox import Agent, automation, llm_task, plan, tool
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import PlanError, ToolInterrupted
from tasks.sandbox import Sandbox, read_journal
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.project import Project
from tests.support.runs import riding

calls: list[str] = []


class Broken(Exception):
    """What an automation's own code raises."""


class Gone(BaseException):
    """A process that ends while a tool is under way: nothing that could write that down catches it."""


@dataclass(frozen=True)
class Refund:
    """What a refund gives back."""

    order: str
    cents: int


@tool()
def refund(order: str, cents: int = 5) -> Refund:
    """Pay an order back."""
    calls.append(f"refund {order}")
    if order == "gone":
        raise Gone
    if order == "wrong":
        raise RuntimeError("the bank is closed")
    return Refund(order, cents)


@tool(interrupted="retry")
def notify(order: str) -> str:
    """Write to somebody."""
    calls.append(f"notify {order}")
    if len(calls) == 1:
        raise Gone
    return "sent"


@tool(interrupted="skip")
def archive(order: str) -> str:
    """Put something away."""
    calls.append(f"archive {order}")
    raise Gone


@tool(replay=False)
def clock() -> int:
    """What time it is."""
    calls.append("clock")
    return len(calls)


@tool(cost="0.005 USD", provider="serper")
async def search(query: str) -> list[str]:
    """Search the web."""
    calls.append(f"search {query}")
    return [query]


@tool()
def opaque() -> object:
    """Something that nothing can hold."""
    calls.append("opaque")
    return object()


def look_up(customer: str) -> dict[str, str]:
    """The account of a customer."""
    calls.append(f"look_up {customer}")
    if customer != "Acme":
        raise LookupError("no such customer")
    return {"customer": customer, "plan": "team"}


helper = Agent(prompt="say.j2", tools=[look_up, search], max_turns=4, max_tokens=200)


@llm_task(operation="help", max_turns=6)
def help_out(text: str) -> str:
    return helper.run(text=text)


@automation(price="1 credit", plan=plan(help_out, calls=2, input_tokens=100, output_tokens=60) + plan(search))
def work() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture(autouse=True)
def runtime(project: Project) -> Iterator[Runtime]:
    calls.clear()
    with project.runtime_here() as runtime:
        yield runtime


@contextmanager
def failing(runtime: Runtime, error: type[BaseException] = Broken) -> Iterator[None]:
    """An execution of the run that ends by an exception, after the block."""
    try:
        with riding(runtime, work, {}, "a"):
            yield
            raise error
    except error:
        return


def test_what_a_tool_returned_is_given_back_as_it_was(runtime: Runtime):
    with failing(runtime):
        assert [refund("1"), refund("1"), refund("2", 7)] == [Refund("1", 5), Refund("1", 5), Refund("2", 7)]
    with riding(runtime, work, {}, "a"):
        assert [refund("2", 7), refund("1"), refund("1"), refund("1")] == [Refund("2", 7), *[Refund("1", 5)] * 3]
    assert calls == ["refund 1", "refund 1", "refund 2", "refund 1"]


async def test_a_paid_tool_is_paid_once(runtime: Runtime):
    with failing(runtime):
        assert await search("trains") == ["trains"]
    with riding(runtime, work, {}, "a"):
        assert await search("trains") == ["trains"]
    assert calls == ["search trains"]
    assert len(rows(runtime.ledger, schema.attempts)) == 1
    assert_ledger_adds_up(runtime)


def test_one_that_raised_is_called_again(runtime: Runtime):
    for _ in range(2):
        with failing(runtime, RuntimeError):
            refund("wrong")
    assert calls == ["refund wrong"] * 2


def test_one_that_says_so_is_called_again(runtime: Runtime):
    with failing(runtime):
        assert clock() == 1
    with riding(runtime, work, {}, "a"):
        assert clock() == 2


def test_one_that_was_interrupted_stops_the_run_until_somebody_decides(runtime: Runtime):
    with failing(runtime, Gone):
        refund("gone")
    for _ in range(2):
        with pytest.raises(ToolInterrupted, match="'refund' was under way") as stopped, riding(runtime, work, {}, "a"):
            refund("gone")
        for decision in ("retry", "skip", "fail"):
            assert f"--interrupted {decision} (" in stopped.value.next_step
        assert "farebox runs resume a " in stopped.value.next_step
    assert calls == ["refund gone"]
    assert [one.tool for one in runtime.journal.interrupted("a")] == ["refund"]
    assert runtime.journal.decide("a", "skip") == 1
    for _ in range(2):
        with failing(runtime):
            assert refund("gone") is None
    assert calls == ["refund gone"]


def test_a_person_may_have_it_called_again(runtime: Runtime):
    with failing(runtime, Gone):
        refund("gone")
    runtime.journal.decide("a", "retry")
    with failing(runtime, Gone):
        refund("gone")
    assert calls == ["refund gone"] * 2
    with pytest.raises(ToolInterrupted), riding(runtime, work, {}, "a"):
        refund("gone")
    runtime.journal.decide("a", "fail")
    with pytest.raises(ToolInterrupted, match="under way") as failed, riding(runtime, work, {}, "a"):
        refund("gone")
    assert "decided that the run fails" in failed.value.next_step


def test_a_tool_may_declare_what_becomes_of_it(runtime: Runtime):
    with failing(runtime, Gone):
        notify("1")
    with failing(runtime, Gone):
        assert notify("1") == "sent"
        archive("1")
    with riding(runtime, work, {}, "a"):
        assert notify("1") == "sent"
        assert archive("1") is None
    assert calls == ["notify 1", "notify 1", "archive 1"]
    with pytest.raises(PlanError, match="interrupted="):
        tool(interrupted="perhaps")  # type: ignore[arg-type]


def test_a_result_that_cannot_be_kept_is_reported_not_lost(runtime: Runtime):
    with failing(runtime):
        opaque()
    with pytest.raises(ToolInterrupted, match="has returned before"), riding(runtime, work, {}, "a"):
        opaque()
    assert calls == ["opaque"]


def test_an_agent_goes_on_where_it_was(runtime: Runtime, sandbox: Sandbox):
    case = "Look up the account of Acme, and of Globex, then say which plan they have."
    with failing(runtime):
        first = help_out.fn(case)
    asked, made = len(read_journal(sandbox.journal)), list(calls)
    assert asked > 1
    assert made
    with riding(runtime, work, {}, "a"):
        assert help_out.fn(case) == first
    assert calls == made
    assert len(read_journal(sandbox.journal)) == asked
    assert {turn["outcome"] for turn in rows(runtime.ledger, schema.turns) if turn["execution"] == 2} == {"replayed"}
    assert_ledger_equals_journal(runtime, sandbox.journal)


def test_outside_a_run_a_tool_is_a_plain_function(tmp_path: Path):
    del tmp_path
    found: Any = refund("9")
    assert found == Refund("9", 5)
