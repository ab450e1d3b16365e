"""A new automation runs as it was written, is tested, and is in prefect.yaml."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cyclopts import CycloptsError

from tests.support.command import farebox
from tests.support.project import REPOSITORY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "flows", tmp_path / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("farebox.toml", "prefect.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def test_what_is_written_runs_at_once_and_is_deployed_by_its_own_entry(root: Path):
    before = (root / "prefect.yaml").read_text()
    said = farebox(root, "init", "weekly-notes")
    assert said.code == 0, said.all
    assert "farebox run weekly-notes" in said.out
    assert (root / "prefect.yaml").read_text().startswith(before.rstrip("\n")), "comments stay"
    entry = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"][-1]
    assert entry["entrypoint"] == "flows.weekly_notes.weekly_notes"
    assert entry["schedules"] == [{"cron": "0 8 * * *", "timezone": "UTC"}]
    ran = farebox(root, "run", "weekly-notes", PYTHONPATH=f"{root}:{REPOSITORY}")
    assert ran.code == 0, ran.all
    assert "2/2" in ran.all
    for path in ("flows/weekly_notes.py", "tests/test_weekly_notes.py"):
        linted = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--stdin-filename", path, "-"],
            cwd=REPOSITORY,
            input=(root / path).read_text(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("name", ["Weekly", "a b", "class", "pricing", "../x", "daily-digest", "daily_digest"])
def test_a_name_that_is_none_or_taken_is_one_clear_line(root: Path, name: str):
    from farebox.scaffold import create_automation
    from pricing.errors import UsageError

    before = sorted(root.rglob("*"))
    with pytest.raises(UsageError) as caught:
        create_automation(root, name, "UTC")
    assert caught.value.next_step
    assert sorted(root.rglob("*")) == before


def test_a_file_that_is_there_is_left_alone(root: Path):
    from farebox.scaffold import create_automation
    from pricing.errors import UsageError

    (root / "flows" / "prompts" / "notes.j2").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        create_automation(root, "notes", "UTC")
    assert (root / "flows" / "prompts" / "notes.j2").read_text() == "mine"
    assert not (root / "flows" / "notes.py").exists()


def test_every_command_line_of_the_first_page_is_one():
    from prefect.cli._app import _app as prefect

    from farebox.cli.app import load_all

    page = (REPOSITORY / "docs" / "first-automation.md").read_text("utf-8")
    shown = [shlex.split(line) for line in re.findall(r"^\$ (.+)$", page, re.MULTILINE)]
    assert {words[1] for words in shown if words[0] == "farebox"} == {
        "new",
        "init",
        "run",
        "quote",
        "up",
        "deploy",
        "schedule",
        "report",
    }
    known = {"farebox": load_all(), "prefect": prefect}
    for program, *words in (words for words in shown if words[0] in known):
        known[program].parse_args(words, exit_on_error=False, print_error=False)
    for program, words in (("farebox", ["schedule", "--huors", "24"]), ("prefect", ["worker", "begin"])):
        with pytest.raises(CycloptsError):
            known[program].parse_args(words, exit_on_error=False, print_error=False)


def test_outside_of_any_project_nothing_is_written(tmp_path: Path):
    said = farebox(tmp_path, "init", "stray-notes")
    assert (said.code, list(tmp_path.rglob("*stray*"))) == (2, []), said.all
    assert "farebox new" in said.err
    assert not (REPOSITORY / "flows" / "stray_notes.py").exists()
