"""``farebox quotes check``: what CI sees when a prompt, a plan or a price makes runs more expensive."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pricing.money import USD
from tasks.sandbox import Sandbox
from tests.support.command import Said, farebox
from tests.support.project import REPOSITORY, Project, make_project
from tests.support.sold_runs import SoldRun, write_sold_runs

FLOW = '''"""A note about a text."""

from farebox import ask, automation, llm_task, plan


@llm_task(operation="remark", tier="light", max_tokens=100)
def remark(text: str) -> str:
    return ask("remark.j2", text=text)


@automation(price="0.03 USD", plan=plan(remark, input_tokens=400, output_tokens=60, calls=10))
def note(text: str = "a text") -> str:
    return remark(text)
'''
NEEDY = FLOW.replace('text: str = "a text"', "text: str").replace("def note", "def needy")


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    made = make_project(tmp_path / "project", sandbox.url, documents=1)
    (made.root / "flows").mkdir()
    (made.root / "flows" / "__init__.py").write_text("")
    (made.root / "flows" / "note.py").write_text(FLOW)
    (made.root / "prompts" / "remark.j2").write_text("Say in one line what this is about.\n{{ text }}\n")
    return made


def check(project: Project, *arguments: str) -> Said:
    return farebox(project.root, "quotes", "check", "--baseline", "quotes.json", *arguments, HOME=str(project.root))


def p95s(project: Project) -> dict[str, int]:
    return {one["quality"]: one["p95_nano"] for one in json.loads((project.root / "quotes.json").read_text())["quotes"]}


def test_a_longer_prompt_fails_the_check_until_it_is_accepted(project: Project):
    assert check(project).code == 2  # there is no file yet
    written = check(project, "--write")
    assert (written.code, "review it and commit it" in written.out) == (0, True)
    before = p95s(project)
    assert before.keys() == {"fast"}
    same = check(project)
    assert (same.code, "+0%" in same.out) == (0, True)
    prompt = project.root / "prompts" / "remark.j2"
    prompt.write_text("{# a note of ours costs nothing #}" + prompt.read_text())
    assert check(project, "--max-rise", "0").code == 0
    prompt.write_text("Follow the house rules of style, always and in every detail.\n" * 40 + prompt.read_text())
    risen = check(project)
    assert risen.code == 1
    assert "remark.j2 has changed: +" in " ".join(risen.out.split())
    assert "1 of 1 quotes rise by more than 10%" in risen.err
    assert "--write" in risen.err
    assert check(project, "--max-rise", "9").code == 0
    [told] = json.loads(check(project, "--json").out)["quotes"]
    assert told["rises"]
    assert told["before_nano"] == before["fast"]
    assert check(project, "--write").code == 0
    assert p95s(project) == {"fast": told["after_nano"]}


def test_more_calls_fail_and_fewer_do_not(project: Project):
    check(project, "--write")
    flow = project.root / "flows" / "note.py"
    flow.write_text(FLOW.replace("calls=10", "calls=3 * 4"))  # of another size: Python compares that and the second
    risen = check(project)
    assert (risen.code, "the plan has changed: remark" in " ".join(risen.out.split())) == (1, True)
    [told] = json.loads(check(project, "--json").out)["quotes"]
    assert told["share"] == pytest.approx(0.2, abs=0.001)
    flow.write_text(FLOW.replace("calls=10", "calls=8"))
    assert check(project).code == 0


def test_where_the_ledger_is_empty_the_files_history_stands_in(project: Project):
    """Written where 80 runs are known, checked where none is: the ratio of p95 to point is kept."""
    now = datetime.now(UTC)
    with project.runtime_here() as runtime:
        runs = [
            SoldRun(now - timedelta(hours=one), USD // 100 * (1 + one % 4), 3 * USD // 100, automation="note")
            for one in range(1, 81)
        ]
        write_sold_runs(runtime.ledger.store, runs)
    check(project, "--write")
    [written] = json.loads((project.root / "quotes.json").read_text())["quotes"]
    for file in project.home.rglob("*"):
        if file.is_file() and ".db" in file.name:
            file.unlink()
    assert check(project).code == 0
    [told] = json.loads(check(project, "--json").out)["quotes"]
    assert told["after_nano"] == written["p95_nano"]


def test_what_cannot_be_quoted_is_said(project: Project):
    (project.root / "flows" / "needy.py").write_text(NEEDY)
    told = check(project, "--write")
    assert "needy is not checked: it needs a value for text" in " ".join(told.out.split())
    assert project.root != REPOSITORY


def test_a_file_that_is_no_baseline_is_refused_in_one_line(project: Project):
    (project.root / "quotes.json").write_text("[]")
    told = check(project)
    assert (told.code, len(told.err.splitlines())) == (2, 2)
    assert "is not a baseline of quotes" in told.err
