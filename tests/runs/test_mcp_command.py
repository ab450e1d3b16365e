"""``farebox mcp``: what assistants may read and run, over standard input and output and over HTTP."""

import json
import os
import sys
import threading
from typing import Any

import pytest
import uvicorn
from mcp import Client, StdioServerParameters
from prefect.settings import PREFECT_API_URL

from farebox.cli.mcp_server import RunAllowance, make_server, serve_http
from farebox.testing import TestProject
from pricing import OverBudget, UsageError
from tests.support.command import _RUN, _USUAL, farebox
from tests.support.project import Project
from tests.support.waiting import PATIENCE, until

FLOW = """from farebox import Budget, ask, automation, llm_task, plan


@llm_task(operation="say", max_tokens=40)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", budget=Budget(per_run="1 USD"),
            plan=plan(say, calls=lambda texts: len(texts), input_tokens=40, output_tokens=20))
def in_turn(texts: list[str]) -> list[str]:
    "Says each text."
    print("what an automation prints is not part of the protocol")
    return [say(text) for text in texts]
"""
READS = {"automations", "quote", "runs", "report", "budgets", "forecast"}


async def told(client: Client, tool: str, **given: Any) -> Any:
    """What a tool answers; its text, where that is an error."""
    result = await client.call_tool(tool, given, read_timeout_seconds=PATIENCE)
    text = "".join(getattr(block, "text", "") for block in result.content)
    return f"ERROR {text}" if result.is_error else json.loads(text)


async def test_an_assistant_quotes_and_runs_within_the_limit(project: Project, prefect: None):
    (project.root / "flows").mkdir()
    (project.root / "flows" / "__init__.py").touch()
    (project.root / "flows" / "several.py").write_text(FLOW)
    command = StdioServerParameters(
        command=sys.executable,
        args=["-c", _RUN, "mcp", "--allow-run", "--limit", "0.05 USD"],
        cwd=project.root,
        env={**os.environ, **_USUAL, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
    )
    async with Client(command, read_timeout_seconds=PATIENCE) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(listed) == {*READS, "run"}
        read_only = {name for name, tool in listed.items() if tool.annotations and tool.annotations.read_only_hint}
        assert read_only == READS
        [found] = await told(client, "automations")
        assert (found["name"], found["about"], found["price"]) == ("in-turn", "Says each text.", "1 credit")
        assert set(found["parameters"]["properties"]) == {"texts"}
        quoted = await told(client, "quote", automation="in-turn", parameters={"texts": ["a", "b"]})
        assert quoted["quotes"][0]["p95_nano"] > 0
        assert await told(client, "runs") == []
        ran = await told(client, "run", automation="in-turn", parameters={"texts": ["one", "two"]})
        assert ran["outcome"] == "completed"
        assert len(ran["result"]) == 2
        assert ran["server_limit_left_nano"] == 50_000_000 - ran["spent_nano"] < 50_000_000
        refused = await told(client, "run", automation="in-turn", parameters={"texts": ["x"] * 3000})
        assert refused["outcome"] == "over_budget"
        assert "short by" in refused["message"]
        assert refused["server_limit_left_nano"] == ran["server_limit_left_nano"]
        assert [one["outcome"] for one in await told(client, "runs")] == ["over_budget", "completed"]
        assert (await told(client, "report", what=ran["run_id"]))["run"]["run_id"] == ran["run_id"]
    assert json.loads(farebox(project.root, "runs", "--json").out)[0]["outcome"] == "over_budget"


async def test_without_leave_it_only_reads(farebox_project: TestProject, monkeypatch: pytest.MonkeyPatch):
    servers: list[uvicorn.Server] = []
    made = uvicorn.Server.__init__

    def noted(self: uvicorn.Server, config: uvicorn.Config) -> None:
        servers.append(self)
        made(self, config)

    monkeypatch.setattr(uvicorn.Server, "__init__", noted)
    urls: list[str] = []
    thread = threading.Thread(target=serve_http, args=(make_server(None), 0, urls.append), daemon=True)
    thread.start()
    try:
        until("the server listens", lambda: servers and servers[0].started)
        async with Client(urls[0]) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == READS
            assert "Unknown tool" in str(await told(client, "run", automation="daily-digest"))
            known = {one["name"] for one in await told(client, "automations")}
            assert {"daily-digest", "support-triage"} <= known
            unknown = await told(client, "quote", automation="os:system", parameters={})
            assert "There is no automation 'os:system'. There are: " in unknown
            wrong = await told(client, "quote", automation="daily-digest", parameters={"sauce": 1})
            assert "has no parameter 'sauce'" in wrong
            assert await told(client, "budgets") == []
            assert (await told(client, "forecast"))["automations"] is not None
            assert (await told(client, "report", what="no-such-run")).startswith("ERROR ")
    finally:
        servers[0].should_exit = True
        thread.join(PATIENCE)


def test_what_runs_may_cost_is_counted_down(farebox_project: TestProject, monkeypatch: pytest.MonkeyPatch):
    given: list[int] = []
    spent: list[int | None] = [400, None]

    def run_here(name: str, parameters: dict[str, str], limit: int, *, as_json: bool, emit: Any) -> None:
        given.append(limit)
        emit({"outcome": "completed", "spent_nano": spent.pop(0)})

    monkeypatch.setattr("farebox.cli.run.run_here", run_here)
    allowance = RunAllowance(1_000)
    assert allowance.run("daily-digest", {})["server_limit_left_nano"] == 600
    assert allowance.run("daily-digest", {})["server_limit_left_nano"] == 0, "what is not known is counted in full"
    assert given == [1_000, 600]
    with pytest.raises(OverBudget, match="used up"):
        allowance.run("daily-digest", {})
    with pytest.raises(UsageError, match="no automation 'a:b'"):
        RunAllowance(1).run("a:b", {})


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--allow-run"], "--allow-run and --limit must be used together"),
        (["--limit", "2 USD"], "--allow-run and --limit must be used together"),
        (["--allow-run", "--limit", "0 USD"], "allows no run"),
        (["--allow-run", "--limit", "two"], "two"),
    ],
)
def test_limits_that_make_no_sense_are_refused(project: Project, words: list[str], why: str):
    said = farebox(project.root, "mcp", *words)
    assert (said.code, why in said.err) == (2, True), said.all
