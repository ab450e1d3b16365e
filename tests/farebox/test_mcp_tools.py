"""Agents with tools of MCP servers: over both transports, with servers that fail in every way."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from farebox import Agent, Budget, Conversation, automation, llm_task, mcp, plan
from farebox.integrations.mcp import McpServer
from farebox.integrations.mcp_connection import _fault
from farebox.testing import TestProject
from pricing import ConfigError, InvalidArguments, MoneyError, NoToolServer, OverBudget, PlanError, ToolInterrupted
from pricing.db import schema
from tasks import ToolRules
from tasks.tool_sources import SourceTool, ToolError, listed
from tests.support.mcp_server import Tools, served
from tests.support.project import REPOSITORY
from tests.support.runs import riding
from tests.support.waiting import until

STDIO = [sys.executable, "-m", "tests.support.mcp_server"]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Tools, str]]:
    tools = Tools()
    with served(tools) as address:
        yield tools, address


@pytest.fixture
def url(server: tuple[Tools, str]) -> str:
    return server[1]


@pytest.fixture
def tools(server: tuple[Tools, str]) -> Tools:
    server[0].reset()
    return server[0]


def said(project: TestProject) -> str:
    """The last result that the model was given."""
    return project.answers.asked[-1].text


def chat_with(*servers: McpServer, **more: Any) -> Conversation:
    return Conversation(system="Be terse.", tools=servers, max_turns=30, **more)


def told(project: TestProject, chat: Conversation, name: str, /, **arguments: Any) -> Any:
    """What the model is given for one call."""
    project.answers.call(name, **arguments)
    project.answers.add("Done.")
    assert str(chat.say("Go on.")) == "Done."
    result = chat.history[-2]["results"][-1]
    return f"ERROR {result['value']}" if result["error"] else result["value"]


def test_a_started_server_answers_fails_dies_and_is_started_again(
    farebox_project: TestProject, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("OWN_TOKEN", "sesame-open")
    monkeypatch.setenv("NOT_FOR_IT", "hidden")
    log = tmp_path / "server.log"
    started = mcp("stdio", command=STDIO, cwd=REPOSITORY, env={"TOKEN": "${OWN_TOKEN}"}, log=log, timeout=60)
    assert started.name == "tests.support.mcp_server"
    assert "sesame" not in repr(started)
    chat = chat_with(started)
    assert told(farebox_project, chat, "add", a=1, b=2) == {"result": 3}
    assert farebox_project.answers.asked[0].tools == (
        *("add", "plan_of", "picture", "mixed", "hang", "fail", "liar", "vague", "die", "change", "variable"),
        *("ns_odd_name", "tests_support_mcp_server_ns_odd_name", "long", "refuse"),
    )
    assert told(farebox_project, chat, "fail") == "ERROR The archive is closed."
    assert told(farebox_project, chat, "vague", when=3) == "ERROR when: give a date as text"
    assert "does not match the type its server declares" in told(farebox_project, chat, "liar")
    assert told(farebox_project, chat, "ns_odd_name") == "ns/odd name done"
    assert told(farebox_project, chat, "tests_support_mcp_server_ns_odd_name") == "ns.odd name done"
    assert len(told(farebox_project, chat, "long")) == 40_000
    assert told(farebox_project, chat, "variable", name="NOT_FOR_IT") == "unset"
    assert told(farebox_project, chat, "variable", name="TOKEN") == "sesame-open"
    assert told(farebox_project, chat, "refuse") == "ERROR The server refused the call: the archive is locked"
    assert "stopped during the call" in told(farebox_project, chat, "die")
    assert told(farebox_project, chat, "add", a=2, b=2) == {"result": 4}, "it was started again"
    assert told(farebox_project, chat, "change") == "change done"
    assert "changed or removed 'plan_of'" in told(farebox_project, chat, "plan_of", account="a1")
    assert told(farebox_project, chat, "add", a=2, b=3) == {"result": 5}
    farebox_project.runs()  # settles the ad-hoc run
    assert started._sessions == {}
    assert "changed or removed 1 of its tools" in caplog.text
    assert "sesame" not in caplog.text
    assert log.read_text("utf-8") == "a secret on stderr\n" * 2


def test_a_reached_server_gives_parts_that_pass_the_guards(
    farebox_project: TestProject, tools: Tools, url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OWN_TOKEN", "sesame-open")
    reached = mcp(url, headers={"Authorization": "Bearer ${OWN_TOKEN}"})
    chat = chat_with(reached, unmasked_media=True)
    assert told(farebox_project, chat, "plan_of", account="a1")["plan"] == "gold"
    assert "ada@example.com" not in said(farebox_project), "the guards mask what servers give"
    assert told(farebox_project, chat, "picture") == ""
    mixed = told(farebox_project, chat, "mixed").split("\n")
    assert mixed == [
        "first",
        "[audio, left out: models do not receive it]",
        "['image/svg+xml', left out: not a supported image or PDF]",
        "a note",
        "[a resource that was not read: file:///more.txt]",
    ]
    assert told(farebox_project, chat, "change") == "change done"

    def refused() -> bool:  # the server says so on a stream of its own
        return "changed or removed" in str(told(farebox_project, chat, "plan_of", account="a1"))

    until("the change is noticed", refused)
    assert {headers["authorization"] for headers in tools.headers} == {"Bearer sesame-open"}
    with farebox_project.runtime.ledger.store.read() as connection:
        rows = [connection.execute(table.select()).all() for table in (schema.attempts, schema.turns, schema.runs)]
    assert "sesame" not in str(rows)


def test_a_server_that_hangs_is_told_to_the_model(farebox_project: TestProject, url: str):
    chat = chat_with(mcp(url, timeout=0.5))
    assert told(farebox_project, chat, "hang") == "ERROR The tool did not answer within 0.5 s."
    assert told(farebox_project, chat, "add", a=1, b=1) == {"result": 2}


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        (mcp("http://127.0.0.1:9/mcp"), "cannot be reached: ConnectError"),
        (mcp("stdio", command=["/no/such/program"]), "does not start: No such file or directory"),
        (mcp("stdio", command=["false"]), "does not start: it closed the connection"),
        (mcp("stdio", command=["echo", "a secret"]), "does not start: it closed the connection"),
        (mcp("stdio", command=["sleep", "3600"], timeout=0.3), "did not answer within 0.3 s"),
    ],
)
def test_a_server_that_cannot_be_had_ends_the_step(
    farebox_project: TestProject, missing: McpServer, why: str, caplog: pytest.LogCaptureFixture
):
    with pytest.raises(NoToolServer, match=why):
        chat_with(missing).say("Hello?")
    assert farebox_project.turns() == []
    assert "a secret" not in caplog.text


def test_a_list_of_tools_is_kept_to(farebox_project: TestProject, tools: Tools, url: str):
    chat = chat_with(mcp(url, only=["add", "plan_of"]))
    assert told(farebox_project, chat, "add", a=1, b=1) == {"result": 2}
    assert farebox_project.answers.asked[0].tools == ("add", "plan_of")
    with pytest.raises(NoToolServer, match=r"no usable 'broken', 'nothing'.*It offers"):
        chat_with(mcp(url, only=["add", "nothing", "broken"])).say("Hello?")


def test_two_servers_of_one_agent_have_names_that_differ(farebox_project: TestProject, url: str):
    with pytest.raises(PlanError, match="Two sources"):
        chat_with(mcp(url), mcp(url))

    def add(a: int) -> int:
        """Add one."""
        return a + 1

    chat = Conversation(
        system="Be terse.", tools=[add, mcp(url, only=["add"]), mcp(url, name="other", only=["add"])], max_turns=9
    )
    assert told(farebox_project, chat, "add", a=1) == 2
    assert told(farebox_project, chat, "127_0_0_1_add", a=1, b=2) == {"result": 3}
    assert told(farebox_project, chat, "other_add", a=1, b=3) == {"result": 4}


docs = mcp("http://127.0.0.1:9/mcp", name="docs", cost={"add": "0.03 USD"}, provider="docs.example")
helper = Agent(prompt="triage.j2", tools=[docs], max_turns=4, max_tokens=200)


@llm_task(operation="help", max_turns=6)
def help_out(subject: str) -> str:
    return helper.run(ticket={"id": "t1", "customer": "Acme", "subject": subject, "body": "None."})


@automation(
    price="1 credit",
    budget=Budget(per_run="0.10 USD"),
    plan=plan(help_out, calls=2, input_tokens=300, output_tokens=60)
    + plan(helper, calls=2, input_tokens=300, output_tokens=60)
    + plan("docs.add", calls=1, cost="0.005 USD"),
)
def helped() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def docs_here(url: str, tools: Tools) -> Iterator[McpServer]:
    there = docs.address.url
    object.__setattr__(docs.address, "url", url)
    yield docs
    object.__setattr__(docs.address, "url", there)


async def nothing(_: object) -> None:
    """A tool without a result."""


class Gone(BaseException):
    """The end of a process."""


def test_calls_are_paid_and_replayed_when_the_run_goes_on(
    farebox_project: TestProject, tools: Tools, docs_here: McpServer
):
    run_id = str(uuid.uuid4())
    farebox_project.answers.call("add", a=1, b=2)
    farebox_project.answers.add(RuntimeError("the automation's own code fails"), operation="tool_selection")
    with pytest.raises(RuntimeError), riding(farebox_project.runtime, helped, {}, run_id):
        help_out.fn("A ticket.")
    assert docs_here._sessions == {}, "its connection was closed with the run"
    farebox_project.answers.add("Three.")
    with riding(farebox_project.runtime, helped, {}, run_id):
        assert help_out.fn("A ticket.") == "Three."
    assert tools.calls == ["add"]
    assert [turn.outcome for turn in farebox_project.turns()] == ["answered", "replayed", "answered"]
    assert len([headers for headers in tools.headers if headers.get("mcp-method") == "tools/call"]) == 1
    with farebox_project.runtime.ledger.store.read() as connection:
        paid = connection.execute(schema.attempts.select().where(schema.attempts.c.kind == "tool")).mappings().all()
    assert [(row["operation"], row["provider"], int(row["cost_nano"])) for row in paid] == [
        ("docs.add", "docs.example", 30_000_000)
    ]


def test_a_budget_stops_a_paid_call(farebox_project: TestProject, tools: Tools, docs_here: McpServer):
    for _ in range(4):
        farebox_project.answers.call("add", a=1, b=len(farebox_project.answers._lines))
    with pytest.raises(OverBudget, match=r"stopped at docs\.add"), riding(farebox_project.runtime, helped, {}):
        help_out.fn("A ticket.")
    assert tools.calls == ["add"] * 3


def test_an_interrupted_call_is_somebodys_decision(
    farebox_project: TestProject, tools: Tools, docs_here: McpServer, monkeypatch: pytest.MonkeyPatch
):
    run_id = str(uuid.uuid4())
    farebox_project.answers.call("fail")

    async def gone(_: str, __: object) -> None:
        raise Gone

    with monkeypatch.context() as patched:
        patched.setattr(tools, "call", gone)
        patched.setattr("farebox.integrations.mcp_connection.ServerConnection.call", lambda *_: gone("", ""))
        with suppress(Gone), riding(farebox_project.runtime, helped, {}, run_id):
            help_out.fn("A ticket.")
    with pytest.raises(ToolInterrupted, match=r"docs\.fail"), riding(farebox_project.runtime, helped, {}, run_id):
        help_out.fn("A ticket.")
    assert tools.calls == []


def test_a_process_killed_during_a_call_leaves_a_decision_and_one_after_it_a_result(
    farebox_project: TestProject, tools: Tools, docs_here: McpServer
):
    run_id = str(uuid.uuid4())
    farebox_project.answers.call("add", a=1, b=2)
    farebox_project.answers.call("hang")
    child = os.fork()
    if child == 0:
        try:
            with riding(farebox_project.runtime, helped, {}, run_id):
                help_out.fn("A ticket.")
        finally:
            os._exit(1)
    until("the second call is under way", lambda: tools.calls == ["add", "hang"])
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with pytest.raises(ToolInterrupted, match=r"docs\.hang"), riding(farebox_project.runtime, helped, {}, run_id):
        help_out.fn("A ticket.")
    farebox_project.runtime.journal.decide(run_id, "skip")
    farebox_project.answers.add("Three.")
    with riding(farebox_project.runtime, helped, {}, run_id):
        assert help_out.fn("A ticket.") == "Three."
    assert tools.calls == ["add", "hang"], "neither was called again"
    assert [turn.outcome for turn in farebox_project.turns()][-3:] == ["replayed", "replayed", "answered"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"address": "stdio"}, "either a command or an address"),
        ({"address": "https://a.example/mcp", "command": ["a"]}, "either a command or an address"),
        ({"address": "stdio", "command": "a b"}, "either a command or an address"),
        ({"address": "ftp://a.example"}, "begins with https"),
        ({"address": "a.example/mcp"}, "begins with https"),
        ({"address": "http://[::1"}, "begins with https"),
        ({"address": "https://ada:sesame@a.example/mcp"}, "contains a user name or a password"),
        ({"address": "http://a.example/mcp", "headers": {"X-Team": "blue"}}, "unencrypted"),
        ({"address": "https://a.example/mcp", "headers": {"Authorization": "Bearer sesame"}}, "a literal value"),
        ({"address": "https://a.example/mcp", "headers": {"x-api-key": "sesame"}}, "a literal value"),
        ({"address": "https://a.example/mcp", "headers": {"Proxy-Authorization": "sesame"}}, "a literal value"),
        ({"address": "stdio", "command": ["a"], "env": {"APIKEY": "sesame"}}, "a literal value"),
        ({"address": "stdio", "command": ["a"], "env": {"GITHUB_TOKEN": "sesame"}}, "a literal value"),
        ({"address": "https://a.example/mcp", "timeout": 0}, "timeout=0"),
        ({"address": "https://a.example/mcp", "interrupted": "again"}, "interrupted='again'"),
        ({"address": "https://a.example/mcp", "name": "a b"}, "not a valid name"),
    ],
)
def test_a_declaration_that_cannot_be_right_is_refused(given: dict[str, Any], why: str):
    with pytest.raises(PlanError, match=why) as raised:
        mcp(**given)
    assert "sesame" not in str(raised.value)


def test_what_is_no_secret_may_be_written_out():
    server = mcp("stdio", command=["a"], env={"KEYBOARD": "us", "AUTHOR": "Ada", "TOKENS": "5", "TOKEN": "${A_TOKEN}"})
    assert server.address.env["KEYBOARD"] == "us"


def test_costs_have_to_be_money():
    with pytest.raises(MoneyError):
        mcp("https://a.example/mcp", cost="5 apples")


def test_a_variable_that_is_not_set_is_named(farebox_project: TestProject, url: str):
    with pytest.raises(ConfigError, match="variable NOT_SET_ANYWHERE, which is not set"):
        chat_with(mcp(url, headers={"Authorization": "Bearer ${NOT_SET_ANYWHERE}"})).say("Hello?")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["npx", "-y", "@modelcontextprotocol/server-github"], "server-github"),
        (["uvx", "mcp-server-git", "--repository", "a"], "mcp-server-git"),
        (["python3.12", "tools/my_server.py"], "my_server"),
        (["docker", "run", "-i", "--rm", "ghcr.io/a/server:1.2"], "server"),
        (["/usr/local/bin/files", "data"], "files"),
        (["python"], "python"),
    ],
)
def test_a_server_is_called_like_its_program(command: list[str], name: str):
    assert mcp("stdio", command=command).name == name


def test_names_are_safe_and_unique():
    names = ["a b", "a/b", "é" * 3, "x" * 100, "x" * 101, "a_b", ""]
    found = [
        tool.name for tool in listed([SourceTool(n, "", {}, ToolRules(n), nothing) for n in names], "s v", ["a_b"])
    ]
    assert len(set(found)) == len(names)
    assert all(name and len(name) <= 64 and name.isascii() and name.replace("-", "_").isidentifier() for name in found)


@pytest.mark.parametrize(
    "schema_",
    [
        {"type": "string"},
        [],
        None,
        {"type": "object", "properties": {"a": {"type": 3}}},
        {"type": "object", "properties": {"a": {"items": {"$ref": "other.json"}}}},
        {"type": "object", "required": "a"},
    ],
)
def test_a_schema_that_models_cannot_be_given_is_found(schema_: Any):
    assert _fault(schema_)
    assert not _fault({"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "null"}}})


async def test_arguments_that_are_no_json_are_told():
    tool = listed([SourceTool("a", "", {}, ToolRules("a"), nothing)], "s", [])[0]
    with pytest.raises(ToolError, match="not a JSON object"):
        await tool.call(InvalidArguments('{"a":'), None, logging.debug)  # type: ignore[arg-type]


def test_the_end_of_a_run_on_the_loop_itself_does_not_wait_for_it(farebox_project: TestProject):
    engine = farebox_project.runtime.engine
    closed: list[str] = []

    async def close() -> None:
        closed.append("a run")

    async def end() -> None:
        engine.at_end("a run", close)
        engine.ended("a run")
        assert closed == []

    engine.loop.run(end())
    until("it is closed", lambda: closed == ["a run"])
    engine.ended("a run")
    engine.ended("another")
    assert closed == ["a run"]
