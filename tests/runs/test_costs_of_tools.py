"""Costs that are not tokens: planned, quoted, held before, recorded as attempts, in reports and budgets."""

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prefect import task

from farebox import automation, llm_task, plan, spend, tool
from farebox.automations import automation_of
from farebox.declaration import Budget
from farebox.runs.admission import price_run
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import MoneyError, NoRun, OverBudget, PlanError, UsageError
from pricing.money import USD
from pricing.quotes import ResolvedPlan
from pricing.reports import render_markdown, run_report
from pricing.reports.exports import export
from tasks import RunContext, use_run
from tasks.agent import _BoundTool
from tests.support.project import make_project
from tests.support.runs import riding

SEARCH = 5_000_000
"""Nano-dollars: half a cent."""
MORE = '[[budgets]]\nscope = "operation"\nkey = "ocr"\nwindow = "day"\nlimit = "0.03 USD"\nsoft = "none"\n'
called: list[str] = []


@tool(cost="0.005 USD", provider="serper", units=2)
def search(query: str) -> str:
    """Search the web."""
    called.append(query)
    return f"results for {query}"


@tool(cost="0.005 USD", operation="search", provider="serper")
async def search_async(query: str) -> str:
    """Search the web."""
    called.append(query)
    await asyncio.sleep(0)
    return query


@llm_task(operation="read")
def read(pages: int) -> int:
    """Read pages by optical character recognition."""
    expense = spend("0.01 USD", operation="ocr", units=pages, provider="tesseract")
    return expense.amount_nano


@tool(cost="0.001 USD", operation="scrape")
@task
def scrape(address: str) -> str:
    return address


@automation(
    price="1 USD",
    plan=plan(search, calls=lambda queries: queries)
    + plan("ocr", calls=2, max_calls=4, cost="0.01 USD")
    + plan(scrape, calls=0, max_calls=9),
    budget=Budget(per_run="0.1 USD"),
)
def research(queries: int = 1) -> None:
    """Look things up."""


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    called.clear()
    with make_project(tmp_path / "project", "http://127.0.0.1:9", more=MORE).runtime_here() as runtime:
        yield runtime


def rows(runtime: Runtime, table: sa.Table) -> list[dict[str, Any]]:
    with runtime.ledger.store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]


def test_a_plan_of_paid_requests_is_quoted_exactly(runtime: Runtime) -> None:
    priced = price_run(runtime, automation_of(research), {"queries": 3})
    assert priced.quote.point == 3 * SEARCH + 2 * USD // 100
    assert priced.quote.ceiling == 3 * SEARCH + 4 * USD // 100 + 9 * USD // 1000
    assert ResolvedPlan.from_json(json.loads(json.dumps(priced.plan.to_json()))) == priced.plan


def test_each_paid_request_is_an_attempt_of_its_own_kind(runtime: Runtime) -> None:
    with riding(runtime, research, {"queries": 2}) as ride:
        assert search("trains") == "results for trains"
        asyncio.run(search_async("boats"))
        assert read.fn(7) == USD // 100
        scrape.fn("a page")
    written = rows(runtime, schema.attempts)
    told = [(a["operation"], a["provider"], a["units"], a["cost_nano"], a["outcome"], a["priced"]) for a in written]
    assert told == [
        ("search", "serper", 2.0, SEARCH, "ok", "stated"),
        ("search", "serper", 1.0, SEARCH, "ok", "stated"),
        ("ocr", "tesseract", 7.0, USD // 100, "ok", "stated"),
        ("scrape", "other", 1.0, USD // 1000, "ok", "stated"),
    ]
    assert {a["kind"] for a in written} == {"tool"}
    assert [a["stand_in"] for a in written] == [False] * 4  # even if the sandbox answers turns, this money is real
    assert all(a["started_at"] > 0 for a in written)
    [settled] = rows(runtime, schema.settlements)
    spent = 2 * SEARCH + USD // 100 + USD // 1000
    assert (settled["spent_nano"], settled["run_id"]) == (spent, ride.run.run_id)
    assert math.isclose(settled["score"], spent / ride.run.point_nano)
    assert not rows(runtime, schema.inflight)


def test_the_intent_is_there_before_and_the_completion_after(runtime: Runtime) -> None:
    seen: list[tuple[int, int]] = []

    @tool(cost="0.005 USD", operation="search")
    def look() -> None:
        seen.append((len(rows(runtime, schema.inflight)), len(rows(runtime, schema.attempts))))

    with riding(runtime, research, {}):
        look()
        seen.append((len(rows(runtime, schema.inflight)), len(rows(runtime, schema.attempts))))
    assert seen == [(1, 0), (0, 1)]


def test_a_request_without_room_is_refused_before_it_is_made(runtime: Runtime) -> None:
    with riding(runtime, research, {"queries": 1}):
        for number in range(3):
            search(f"{number}")
        before = rows(runtime, schema.attempts)
        with pytest.raises(OverBudget, match="The run was stopped at movie"), spend("0.09 USD", operation="movie"):
            called.append("movie")
        assert rows(runtime, schema.attempts) == before
        assert not rows(runtime, schema.inflight)
    assert called == ["0", "1", "2"]


def test_a_budget_of_the_operation_holds_its_requests(runtime: Runtime) -> None:
    with riding(runtime, research, {"queries": 0}):
        for _ in range(3):
            read.fn(1)
        with pytest.raises(OverBudget, match="'ocr per day'"):
            read.fn(1)
    [budget] = [one for one in runtime.ledger.budgets() if one.scope == "operation"]
    assert (budget.spent, budget.held) == (3 * USD // 100, 0)
    with pytest.raises(OverBudget, match="'ocr per day'"):  # the next plans two of them
        riding(runtime, research, {}).__enter__()


def test_a_request_that_fails_costs_what_was_set_aside(runtime: Runtime) -> None:
    @tool(cost="0.005 USD", operation="search")
    def broken() -> None:
        raise ConnectionError("secret")

    with riding(runtime, research, {}), pytest.raises(ConnectionError):
        broken()
    [one] = rows(runtime, schema.attempts)
    assert (one["outcome"], one["cost_nano"], one["priced"]) == ("failed", SEARCH, "worst_case")
    assert "secret" not in str(one)


def test_what_it_came_to_may_be_less_or_nothing(runtime: Runtime) -> None:
    with riding(runtime, research, {}):
        with spend("0.02 USD", operation="search", provider="serper") as expense:
            expense.settle("0.003 USD", units=3)
            expense.settle("0.02 USD")  # the first one counts
        with spend("0.02 USD", operation="search") as free:
            free.settle("0 USD", units=0)
    told = [(a["cost_nano"], a["worst_nano"], a["units"]) for a in rows(runtime, schema.attempts)]
    assert told == [(3 * USD // 1000, USD // 50, 3.0), (0, USD // 50, 0.0)]
    [settled] = rows(runtime, schema.settlements)
    assert settled["spent_nano"] == 3 * USD // 1000


def test_one_that_is_lost_counts_at_its_worst_case(runtime: Runtime) -> None:
    with riding(runtime, research, {}) as ride:
        with spend("0.012 USD", operation="search", units=4):
            pass
        lost = spend.tool(cost="0.013 USD", operation="search")

        @lost
        def dies() -> None:
            runtime.ledger.settle(ride.run.run_id, "lost", "its process went away")

        dies()  # comes back after its hold was settled
    written = rows(runtime, schema.attempts)
    assert [(a["outcome"], a["cost_nano"], a["units"], a["kind"]) for a in written] == [
        ("ok", 12 * USD // 1000, 4.0, "tool"),
        ("lost", 13 * USD // 1000, 1.0, "tool"),
    ]
    [adjusted] = rows(runtime, schema.adjustments)
    assert adjusted["cost_delta_nano"] == 0


def test_it_is_in_the_run_report_and_its_exports(runtime: Runtime, tmp_path: Path) -> None:
    with riding(runtime, research, {"queries": 2}) as ride:
        search("a")
        search("b")
        read.fn(3)
    runtime.replica.sync(wait=60)
    report = run_report(runtime.replica, ride.run.run_id)
    assert [(t.operation, t.provider, t.calls, t.units, t.cost_nano) for t in report.tools] == [
        ("ocr", "tesseract", 1, 3.0, USD // 100),
        ("search", "serper", 2, 4.0, 2 * SEARCH),
    ]
    assert not report.turns
    for lines in (report.operations, report.models, report.tools):
        assert sum(line.cost_nano for line in lines) == report.money.spent_nano == 2 * SEARCH + USD // 100
    assert report.money.unsettled_nano == 0
    assert "| search | serper | 2 | 0 | 4 | $0.01 | 50 % |" in render_markdown(report)
    assert export(report, tmp_path / "attempts.csv", "csv") == 3
    assert "stated" in (tmp_path / "attempts.csv").read_text("utf-8")


def test_history_counts_tools_at_what_they_cost(runtime: Runtime) -> None:
    with riding(runtime, research, {"queries": 4}):
        search("only once")
    [run] = rows(runtime, schema.runs)
    found = runtime.history.costs("research", "fast", stand_in=run["stand_in"])
    assert found.whole == ((4 * SEARCH + USD // 50, SEARCH, 6),)


def test_a_tool_is_as_a_model_sees_it() -> None:
    spec = _BoundTool.of(search).spec
    assert (spec.name, spec.description) == ("search", "Search the web.")
    assert spec.parameters["properties"]["query"]["type"] == "string"


def test_outside_a_run_nothing_is_paid(runtime: Runtime) -> None:
    with pytest.raises(NoRun):
        search("x")
    with use_run(RunContext("nobody admitted this one")), pytest.raises(NoRun):
        search("x")
    assert called == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: tool(cost="a little")(search), MoneyError),
        (lambda: tool(cost="-1 USD")(search), MoneyError),
        (lambda: tool(cost="1 EUR")(search), MoneyError),
        (lambda: tool(cost="1 USD", units=float("nan"))(search), PlanError),
        (lambda: tool(cost="1 USD", operation="two\nlines")(search), UsageError),
        (lambda: tool(cost="1 USD", provider="")(search), UsageError),
        (lambda: plan("ocr"), PlanError),
        (lambda: plan("ocr", cost="1 USD", input_tokens=5), PlanError),
        (lambda: plan("ocr", cost="1 USD", calls=-1), PlanError),
        (lambda: plan(read, cost="1 USD", input_tokens=5, output_tokens=5), PlanError),
        (lambda: plan(read, calls=3), PlanError),
        (lambda: plan(print, calls=3), PlanError),
    ],
)
def test_wrong_declarations_say_so(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        wrong()


def test_async_code_spends_without_blocking_the_loop(runtime: Runtime) -> None:
    """While the ledger writes, other tasks of the loop go on; costs, failures and refusals are those of ``spend``."""

    @tool(cost="0.001 USD", operation="scrape")
    async def scrape_async() -> None:
        async with await spend.aio("0.01 USD", operation="ocr", units=3, provider="tesseract") as expense:
            await expense.settle_aio("0.004 USD", units=2)
        with pytest.raises(RuntimeError):
            async with await spend.aio("0.002 USD", operation="search"):
                raise RuntimeError
        await spend.aio("0.003 USD", operation="search")  # completed by the tool around it

    async def several() -> None:
        await asyncio.gather(scrape_async(), scrape_async())
        with pytest.raises(OverBudget, match="The run was stopped at search"):
            await spend.aio("900 USD", operation="search")

    with riding(runtime, research, {}):
        asyncio.run(several())
    told = sorted((a["operation"], a["outcome"], a["priced"], a["cost_nano"]) for a in rows(runtime, schema.attempts))
    once = [
        ("ocr", "ok", "stated", USD * 4 // 1000),
        ("scrape", "ok", "stated", USD // 1000),
        ("search", "failed", "worst_case", USD * 2 // 1000),
        ("search", "ok", "stated", USD * 3 // 1000),
    ]
    assert told == sorted(once * 2)
    assert not rows(runtime, schema.inflight)
