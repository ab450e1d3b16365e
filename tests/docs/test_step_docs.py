"""The examples of docs/steps.md and docs/testing.md, run as they stand."""

import re
from pathlib import Path

import pytest

from farebox.testing import FAILURES, project_apart
from tests.support.project import REPOSITORY, make_project
from tests.support.users_pytest import users_pytest

STEPS = (REPOSITORY / "docs" / "steps.md").read_text("utf-8")
TESTING = (REPOSITORY / "docs" / "testing.md").read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return [str(found) for found in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)]


def test_the_examples_about_steps_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = make_project(tmp_path / "project", "", more="\n" + "\n".join(blocks(STEPS, "toml")))
    for template in blocks(STEPS, "jinja"):
        name = re.findall(r"{# (.*?) #}", template)[0]
        (project.root / "prompts" / name).write_text(template)
    (project.root / "prompts" / "triage.j2").write_text("Triage: {{ ticket }}")
    monkeypatch.chdir(project.root)
    script = project.root / "steps.py"
    script.write_text("\n".join(blocks(STEPS, "python")))
    names: dict[str, object] = {}
    with project_apart(project.root, tmp_path / "apart", monkeypatch) as found:
        exec(compile(script.read_text(), script, "exec"), names)  # noqa: S102 - our own page
        found.answers.add("One sentence.", operation="summarize")
        assert names["summarize"].fn("Long.") == "One sentence."  # type: ignore[attr-defined]
        found.answers.add([{"number": "7", "due": "2024-05-01", "amount": "3.10"}], operation="read_invoices")
        [invoice] = names["read_invoices"].fn("Invoice 7")  # type: ignore[attr-defined]
        assert str(invoice.amount) == "3.10"
        found.answers.call("look_up_account", number="a1", operation="tool_selection")
        found.answers.add("Gold.", operation="tool_selection")
        assert names["decide"].fn("What is a1?") == "Gold."  # type: ignore[attr-defined]
        prompt = found.runtime.engine.render("reply.j2", {"language": "French", "text": "Bonjour"})
        assert (prompt.system.text, prompt.user_text) == ("You are terse. Answer in French.", "Bonjour")
        assert {turn.operation for turn in found.turns()} >= {"chat", "summarize", "tool_selection"}


def test_the_tests_of_the_page_pass(tmp_path: Path):
    [tests] = blocks(TESTING, "python")
    (tmp_path / "test_notes.py").write_text(tests)
    told = users_pytest(tmp_path, "test_notes.py")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "3 passed" in told.stdout


def test_the_page_names_every_failure():
    assert all(f"`{name}`" in TESTING for name in FAILURES)
