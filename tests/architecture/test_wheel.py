"""The distribution: built, installed into an empty environment, and used in a folder that has nothing else."""

import os
import subprocess
import zipfile
from pathlib import Path

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
PACKAGES = ("pricing", "guardrails", "tasks", "farebox")
DATA = {".j2", ".sql", ".css", ".txt", ".mako"}

FLOW = '''"""Says hello."""

from __future__ import annotations

from farebox import Budget, Quality, ask, automation, llm_task, plan


@llm_task(operation="greet", tier="light", max_tokens=100)
def greet(name: str) -> str:
    return ask("greet.j2", name=name)


@automation(price="1 credit", budget=Budget(per_run="0.50 USD"), plan=plan(greet, input_tokens=100, output_tokens=50))
def hello(name: str = "Ada", quality: Quality = "fast") -> str:
    """Say hello."""
    return greet(name)
'''


def test_it_has_every_module_and_every_file_of_data_and_no_flows(wheel: Path):
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py", *DATA} and "__pycache__" not in path.parts
    }
    assert sorted(wanted - inside) == []
    assert {f"{package}/py.typed" for package in PACKAGES} <= inside
    assert not [name for name in inside if name.startswith(("flows/", "tests/", "benchmarks/"))]


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    left_out = ("PYTHON", "VIRTUAL_ENV", "FAREBOX_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    environment |= {
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
        "PREFECT_HOME": str(folder.parent / "prefect"),
        "HOME": str(folder),
        "COLUMNS": "120",
    }
    return subprocess.run(
        [str(installed / "bin" / arguments[0]), *arguments[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_its_modules_come_from_the_wheel(installed: Path, tmp_path: Path):
    code = (
        "import farebox.cli, pricing.ledger.ledger, tasks.sandbox.server, guardrails.pii.guard; print(farebox.__file__)"
    )
    done = run(installed, tmp_path, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_a_project_runs_there_without_a_server(installed: Path, tmp_path: Path):
    folder = tmp_path / "empty"
    (folder / "flows" / "prompts").mkdir(parents=True)
    (folder / "farebox.toml").write_text(
        '[[targets]]\nname = "mini"\nprovider = "openai"\nmodel = "gpt-4.1-mini"\ntier = "light"\n'
    )
    (folder / "flows" / "prompts" / "greet.j2").write_text("Say hello to {{ name }}.\n")
    (folder / "flows" / "hello.py").write_text(FLOW)
    done = run(installed, folder, "farebox", "run", "hello", "--json")
    assert done.returncode == 0, done.stderr
    assert '"outcome": "completed"' in done.stdout
    report = run(installed, folder, "farebox", "report", "last")
    assert (report.returncode, "hello" in report.stdout) == (0, True), report.stderr


def test_a_folder_that_hides_a_package_is_named(installed: Path, tmp_path: Path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")
    done = run(installed, tmp_path, "python", "-c", "from farebox import ask")
    assert done.returncode == 1
    assert f"{tmp_path / 'tasks'} hides " in done.stderr.splitlines()[-1]
