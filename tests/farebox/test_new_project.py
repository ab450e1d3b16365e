"""``farebox new`` makes a project of which everything is used as it was written."""

import ast
import os
import tomllib
from pathlib import Path

import pytest
import yaml

from farebox.config.settings import load_settings
from farebox.discovery import automation_names
from farebox.scaffold import create_automation, create_project
from pricing import UsageError

FILES = {"pyproject.toml", "farebox.toml", "prefect.yaml", "README.md", ".gitignore", "flows/summarize_notes.py",
         "flows/collect_batches.py", "flows/prompts/summarize_notes.j2", "tests/test_summarize_notes.py"}  # fmt: skip


def test_it_has_every_file_and_each_can_be_read(tmp_path: Path):
    created = create_project(tmp_path / "my-automations", "Europe/Madrid")
    root = created.root
    assert {path.relative_to(root).as_posix() for path in created.paths} == FILES
    assert load_settings(root).timezone == "Europe/Madrid"
    assert tomllib.loads((root / "pyproject.toml").read_text())["project"]["name"] == "my-automations"
    collector, entry = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    assert collector["entrypoint"] == "flows.collect_batches.collect_batches"
    assert entry["schedules"] == [{"cron": "0 8 * * *", "timezone": "Europe/Madrid"}]
    for path in root.rglob("*.py"):
        ast.parse(path.read_text())
    assert automation_names(root) == ["summarize-notes"]
    for text in ("tests.support", "UndefinedError", "{{ name"):
        assert not [path for path in root.rglob("*") if path.is_file() and text in path.read_text()]


def test_a_second_automation_is_added_to_it(tmp_path: Path):
    root = create_project(tmp_path / "mine").root
    create_automation(root, "weekly-notes", "UTC")
    assert automation_names(root) == ["summarize-notes", "weekly-notes"]
    entries = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    assert [entry["entrypoint"].rpartition(".")[2] for entry in entries[1:]] == ["summarize_notes", "weekly_notes"]


def test_the_current_folder_can_be_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert create_project(Path()).root == tmp_path / "here"


@pytest.mark.parametrize("name", ["pricing", "farebox", "Tasks", "a b", "-x", "é", "x;rm"])
def test_a_name_that_is_not_valid_writes_nothing(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="not a valid name"):
        create_project(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["README.md", "tasks/x", "flows/prompts/summarize_notes.j2", "farebox.py"])
def test_nothing_that_exists_is_overwritten(tmp_path: Path, there: str):
    path = tmp_path / "mine" / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        create_project(tmp_path / "mine")
    assert [one for one in (tmp_path / "mine").rglob("*") if one.is_file()] == [path]
    assert path.read_text() == "mine"


def test_a_project_is_not_put_into_another(tmp_path: Path):
    root = create_project(tmp_path / "outer").root
    with pytest.raises(UsageError, match="is in the project"):
        create_project(root / "inner")


def test_a_file_in_its_place_or_a_folder_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        create_project(tmp_path / "file")
    with pytest.raises(UsageError):
        create_project(tmp_path / "file" / "mine")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(UsageError, match="cannot be written"):
            create_project(tmp_path / "closed" / "mine")
