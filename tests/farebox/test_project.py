"""Where a run finds the project on the machine that it starts on."""

import subprocess
import sys
from pathlib import Path

import pytest

from farebox.project import PACKAGES, enter_project, find_root
from pricing import ConfigError
from tests.support.project import REPOSITORY


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker's folder, with no project above it."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(REPOSITORY)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAREBOX_PROJECT", raising=False)
    monkeypatch.setenv("PWD", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("variable", ["FAREBOX_PROJECT", "PWD"])
def test_a_run_enters_the_project_that_its_worker_serves(
    elsewhere: Path, variable: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, str(REPOSITORY / "flows"))
    assert enter_project() == {"directory": str(REPOSITORY)}
    assert (Path.cwd(), sys.path[0]) == (REPOSITORY, str(REPOSITORY))


def test_a_run_without_a_project_does_not_take_the_installation_for_one(elsewhere: Path):
    for find in (enter_project, find_root):
        with pytest.raises(ConfigError, match="no project") as caught:
            find()
        assert str(elsewhere) in caught.value.message
        assert caught.value.next_step


def test_the_nearest_project_upwards_is_taken(elsewhere: Path):
    inner = elsewhere / "outer" / "inner"
    (inner / "flows" / "deep").mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "farebox.toml").touch()
    assert find_root(inner / "flows" / "deep") == inner.resolve()
    assert find_root(inner.parent) == inner.parent.resolve()


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("made", ["{}/__init__.py", "{}.py", "{}/helpers.py"])
def test_a_module_named_like_one_of_ours_is_told_in_one_line(elsewhere: Path, name: str, made: str):
    (elsewhere / "farebox.toml").touch()
    path = elsewhere / made.format(name)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(ConfigError, match=f"{name}(.py)? has the same import name") as caught:
        find_root()
    assert "\n" not in caught.value.message


def test_a_folder_of_data_named_like_one_of_ours_hides_nothing(elsewhere: Path):
    (elsewhere / "farebox.toml").touch()
    (elsewhere / "pricing").mkdir()
    (elsewhere / "pricing" / "list.csv").touch()
    assert find_root() == elsewhere.resolve()


def test_nothing_heavy_is_loaded_on_the_way():
    code = "import sys, farebox.project; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert not {"prefect", "pydantic", "sqlalchemy", "farebox.config.settings"} & set(told.stdout.split())
