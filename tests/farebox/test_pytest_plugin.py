"""The pytest plugin as a user has it: a project of their own, and pytest in a process of its own."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.project import REPOSITORY
from tests.support.users_pytest import users_pytest

_SETTINGS = """
prompts = ["flows/prompts"]
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"
[[targets]]
name = "sonnet"
provider = "anthropic"
model = "claude-sonnet-4-5"
tier = "premium"
"""
_FLOWS = '''
from pydantic import BaseModel
from farebox import Agent, ask, automation, llm_task, plan

class Summary(BaseModel):
    headline: str
    stars: int = 0

@llm_task(operation="summarize", max_turns=3)
def summarize(text: str) -> Summary:
    return ask("summarize.j2", text=text, returns=Summary)

@llm_task(operation="title", max_turns=3)
async def title(text: str) -> str:
    return await ask.aio(prompt="A title for:\\n{{ text }}", system="You are terse.", text=text)

@llm_task(operation="words")
def words(text: str) -> list[str]:
    return ask(prompt="Words of {{ text }}", text=text, returns=list[str])

def look_up(account: str) -> str:
    """What plan an account has."""
    return {"a1": "gold"}[account]

triage = Agent(prompt="summarize.j2", tools=[look_up])

@llm_task(operation="triage", max_turns=6)
def decide(text: str) -> str:
    return triage.run(text=text)

@automation(price="1 credit", plan=plan(summarize, input_tokens=50, output_tokens=40))
def digest(text: str) -> str:
    return summarize(text).headline
'''
_TESTS = """
import asyncio, socket
import pytest
from farebox import get_runtime
from pricing import NoTarget, TurnFailed
from flows.digest import Summary, decide, digest, summarize, title, words

def test_the_sandbox_answers(farebox_project):
    assert summarize.fn("The importer stopped on Monday. It works again.").headline
    assert farebox_project.spent("summarize") > 0
    [run] = farebox_project.runs()
    assert not run.quoted and run.outcome == "completed"
    assert farebox_project.runtime is get_runtime()

def test_objects_texts_and_lists(farebox_answers, farebox_project):
    farebox_answers.add(Summary(headline="One", stars=4), {"headline": "Two"})
    assert summarize.fn("x") == Summary(headline="One", stars=4)
    assert summarize.fn("y").headline == "Two"
    farebox_answers.add("A title", operation="title")
    farebox_answers.add(["a", "b"], operation="words")
    assert words.fn("x") == ["a", "b"]
    assert asyncio.run(title.fn("z")) == "A title"
    assert farebox_answers.asked[-1].system == "You are terse."
    assert farebox_answers.asked[-1].text == "A title for:\\nz"
    assert [turn.operation for turn in farebox_project.turns()] == ["summarize", "summarize", "words", "title"]

def test_by_operation_whatever_the_order(farebox_answers):
    farebox_answers.add("T", operation="title")
    farebox_answers.add({"headline": "S"}, operation="summarize")
    assert summarize.fn("x").headline == "S"
    assert asyncio.run(title.fn("z")) == "T"

def test_a_failure_falls_back_and_a_refusal_fails(farebox_answers, farebox_project):
    farebox_answers.fail("server_error", times=2)
    farebox_answers.add({"headline": "by another target"})
    assert summarize.fn("x").headline == "by another target"
    assert farebox_project.turns()[0].attempts == 3
    farebox_answers.fail("refusal")
    with pytest.raises(TurnFailed):
        summarize.fn("x")
    with pytest.raises(Exception, match="not a failure that can be scripted"):
        farebox_answers.fail("earthquake")

def test_an_exception_is_raised(farebox_answers, farebox_project):
    farebox_answers.add(NoTarget("All down.", next_step="Wait."), operation="summarize")
    with pytest.raises(NoTarget, match="All down"):
        summarize.fn("x")

def test_tools_are_called(farebox_answers, farebox_project):
    farebox_answers.call("look_up", account="a1")
    farebox_answers.calls(("look_up", {"account": "a1"}), ("look_up", {"account": "nobody"}))
    farebox_answers.add("It is gold.")
    assert decide.fn("Which plan has a1?") == "It is gold."
    assert "gold" in farebox_answers.asked[-1].text and "KeyError" in farebox_answers.asked[-1].text
    assert farebox_answers.asked[0].tools == ("look_up",)
    assert {turn.operation for turn in farebox_project.turns()} == {"tool_selection"}

def test_no_way_out(farebox_project):
    with pytest.raises(PermissionError, match="loopback"):
        socket.socket().connect(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror, match="loopback"):
        socket.getaddrinfo("example.org", 80)

def test_history_is_its_own(farebox_project):
    assert farebox_project.turns() == [] and farebox_project.runs() == []

def test_the_automation(farebox_answers, farebox_project):
    farebox_answers.add({"headline": "H"})
    assert digest("text") == "H"
    [run] = farebox_project.runs()
    assert (run.automation, run.quoted, run.outcome) == ("digest", True, "completed")
"""


@pytest.fixture
def users_project(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "flows" / "prompts").mkdir(parents=True)
    (folder / "flows" / "__init__.py").touch()
    (folder / "tests").mkdir()
    (folder / "farebox.toml").write_text(_SETTINGS)
    (folder / "flows" / "digest.py").write_text(_FLOWS)
    (folder / "flows" / "prompts" / "summarize.j2").write_text("Summarize:\n{{ text }}")
    (folder / "tests" / "test_digest.py").write_text(_TESTS)
    return folder


def test_the_tests_of_a_user_pass_and_leave_nothing_in_the_project(users_project: Path):
    told = users_pytest(users_project, "tests", OPENAI_API_KEY="sk-never-used", ANTHROPIC_API_KEY="sk-never-used")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "9 passed" in told.stdout
    assert not (users_project / ".farebox").exists()


def test_an_answer_that_nobody_asked_for_fails_the_test(users_project: Path):
    (users_project / "tests" / "test_digest.py").write_text(
        "def test_nothing(farebox_answers):\n    farebox_answers.add('x', operation='title')\n"
    )
    told = users_pytest(users_project, "tests")
    assert told.returncode == 1
    assert "1 scripted answer(s) were not asked for: for title" in told.stdout


def test_outside_any_project_there_is_one(tmp_path: Path):
    (tmp_path / "test_it.py").write_text(
        "from farebox import ask, llm_task\n"
        "@llm_task(operation='note')\n"
        "def note(text): return ask(prompt='Note: {{ text }}', text=text)\n"
        "def test_it(farebox_answers):\n    farebox_answers.add('N')\n    assert note.fn('x') == 'N'\n"
    )
    told = users_pytest(tmp_path, "test_it.py")
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_plugin_loads_nothing_heavy():
    script = (
        "import pytest, sys; before = set(sys.modules); import farebox.pytest_plugin; "
        "print([m for m in ('prefect', 'pydantic', 'sqlalchemy', 'jinja2', 'aiohttp', 'duckdb', 'farebox.runtime') "
        "if m in sys.modules and m not in before])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert told.stdout.strip() == "[]"


def test_the_distribution_declares_it():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pytest11"]
    assert declared == {"farebox": "farebox.pytest_plugin"}


_OF_OTHERS = """
import tasks

def test_theirs():
    assert tasks.NAME == "theirs"

def test_ours(farebox_project):
    pass
"""


def test_a_project_with_a_package_named_like_ours_keeps_its_own_tests(tmp_path: Path):
    for name in ("tasks", "pricing", "guardrails"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('NAME = "theirs"\n')
    (tmp_path / "test_theirs.py").write_text(_OF_OTHERS)
    done = users_pytest(tmp_path)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert f"{tmp_path / 'pricing'} hides " in done.stdout
