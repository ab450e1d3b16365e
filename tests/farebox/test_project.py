"""Where a run finds the project on the machine that it starts on."""

import subprocess
import sys
from pathlib import Path

import pytest

from farebox.project import enter_project
from tests.support.project import REPOSITORY


def test_a_run_enters_the_clone_that_its_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(REPOSITORY)])
    monkeypatch.chdir(tmp_path)  # a folder of the worker's, with no project above it
    assert enter_project() == {"directory": str(REPOSITORY)}
    assert (Path.cwd(), sys.path[0]) == (REPOSITORY, str(REPOSITORY))


def test_nothing_heavy_is_loaded_on_the_way():
    code = "import sys, farebox.project; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert not {"prefect", "pydantic", "sqlalchemy", "farebox.config.settings"} & set(told.stdout.split())
