"""What the README shows works as it is printed there."""

import importlib.util
import io
import json
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from farebox.automations import automation_of
from farebox.cli.quote import compare
from farebox.runtime import Runtime
from farebox.testing import project_apart
from pricing.db import schema
from tests.support.books import rows
from tests.support.project import REPOSITORY, Project

README = (REPOSITORY / "README.md").read_text("utf-8")


@pytest.fixture
def written(project: Project) -> ModuleType:
    """The README's automation, written where it says."""
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    path = project.root / "notes_digest.py"
    path.write_text(code, "utf-8")
    (project.root / "prompts" / "summarize_note.j2").write_text("Summarize this note:\n\n{{ text }}\n")
    spec = importlib.util.spec_from_file_location("notes_digest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["notes_digest"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("prefect")
def test_the_automation_it_shows_runs_as_it_stands(written: ModuleType, runtime: Runtime):
    flow = written.notes_digest
    said = flow(["The importer is twice as fast now.", "The login page was moved. Old links still work."])
    assert len(said) == 2
    assert automation_of(flow).price.credits == 1
    [run] = rows(runtime.ledger, schema.runs)
    assert run["automation"] == "notes-digest"
    assert len(rows(runtime.ledger, schema.attempts)) == 2


def test_the_automation_is_of_15_lines_and_its_quote_is_the_one_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    [said] = re.findall(r"^\$ farebox quote notes-digest --notes '(.*)'\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    console = Console(width=120, file=io.StringIO(), color_system=None)
    path = tmp_path / "notes_digest.py"
    path.write_text(code, "utf-8")
    names = runpy.run_path(str(path))
    with project_apart(REPOSITORY, tmp_path / "apart", monkeypatch) as found:
        compared = compare(found.runtime, names["notes_digest"], {"notes": json.loads(said[0])})
        console.print(compared.lines())
    printed = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert printed == said[1].splitlines()


def test_every_command_it_shows_exists():
    from farebox.cli.app import load_all

    app = load_all()
    for command in re.findall(r"^\$ \.venv/bin/farebox (\S+)", README, re.MULTILINE):
        assert command in app


def test_every_page_it_names_is_there():
    for page in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (REPOSITORY / page).exists(), page


def test_make_knows_what_it_names():
    makefile = Path(REPOSITORY / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"make ([a-z]+)", README)) - {"it"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
