"""What a command loads before it answers, and how it answers what is given to it wrongly."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from farebox.cli.app import COMMANDS, load_all
from farebox.scaffold import create_project
from pricing.db.database import Store
from tests.support.business import write_business
from tests.support.command import Said, farebox

HEAVY = {
    "prefect",
    "pydantic",
    "sqlalchemy",
    "duckdb",
    "jinja2",
    "genai_prices",
    "aiohttp",
    "httpx",
    "pricing.ledger.ledger",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_project(tmp_path_factory.mktemp("start") / "mine").root


def loaded(folder: Path, *words: str) -> set[str]:
    code = (
        "import sys; sys.argv[1:] = sys.argv[1:]\nfrom farebox.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\nprint('loaded', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], []])
def test_help_and_version_load_nothing_heavy(words: list[str], tmp_path: Path):
    found = loaded(tmp_path, *words)
    assert not HEAVY & found
    assert words != ["--version"] or "cyclopts" not in found


READING = """
import contextlib, io, sys
from farebox.cli.main import _run

for words in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        _run(words.split())
    print(words, *sys.modules, sep=";")
"""
OF_RUNS = {"prefect", "aiohttp", "alembic.command", "tasks.turn.executor", "tasks.context", "farebox.automations"}
PRICED = {"report all", "models"}
"""They tell what models cost now."""
OF_PRICES = {"genai_prices", "guardrails", "farebox.config.credentials"}


def test_commands_that_read_load_only_what_they_read(tmp_path: Path):
    project = create_project(tmp_path / "sold").root
    store = Store(f"sqlite:///{project / '.farebox' / 'ledger.db'}")
    write_business(store)
    store.close()
    words = ["runs", "report last", "budgets", "quotes audit", "report all", "models"]  # what one loads stays loaded
    done = subprocess.run(
        [sys.executable, "-c", READING, *words], cwd=project, capture_output=True, text=True, check=True
    )
    found = {line.split(";")[0]: set(line.split(";")[1:]) for line in done.stdout.splitlines()}
    assert list(found) == words
    for command, modules in found.items():
        loaded = modules & (OF_RUNS if command in PRICED else OF_RUNS | OF_PRICES)
        assert not loaded, f"{command} loads {sorted(loaded)}"


def test_the_help_of_run_loads_no_prefect(project: Path):
    assert not {"prefect", "aiohttp"} & loaded(project, "run", "--help")


def test_help_lists_every_command_and_each_has_a_help_of_its_own():
    app = load_all()
    commands = {name for name in app if not name.startswith("-")}
    assert commands == set(COMMANDS)
    for name, command in COMMANDS.items():
        assert command.help.endswith("."), name
        assert app[name].help, name


WRONG: list[tuple[list[str], str]] = [
    (["rn"], "did you mean `farebox run`"),
    (["schedule", "--hours", "-1"], "hours"),
    (["schedule", "--hours", "0"], "hours"),
    (["schedule", "--hours", "nan"], "hours"),
    (["report", "all", "--since", "2026-02-01", "--until", "2026-01-01"], "not after"),
    (["report", "all", "--until", "60d"], "not after --since 30d"),
    (["report", "all", "--since", "today", "--until", "yesterday"], "not after"),
    (["runs", "--limit", "0"], "limit"),
    (["budgets", "history", "automation", "x", "--limit", "-1"], "limit"),
    (["sync", "--watch", "--every", "-5"], "every"),
    (["archive", "--days", "-1"], "days"),
    (["up", "--port", "0"], "port"),
    (["new", "../pricing"], "not a valid name"),
    (["new", "x", "--timezone", "Mars/Base"], "not a time zone"),
]


@pytest.mark.parametrize(("words", "part"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_bad_input_is_one_line_and_a_next_step(project: Path, words: list[str], part: str):
    said = farebox(project, *words)
    assert said.code == 2, said
    first, second = said.err.strip().splitlines()
    assert first.startswith("error: ")
    assert second.startswith("  next: ")
    assert part.lower() in said.err.lower()


def test_a_budget_for_an_automation_that_may_come_is_set_with_a_warning(project: Path):
    said = farebox(project, "budgets", "set", "automation", "summarise-notes", "day", "5 USD")
    assert (said.code, "Set:" in said.out) == (0, True)
    assert "did you mean 'summarize-notes'" in said.err
    said = farebox(project, "budgets", "set", "automation", "summarize-notes", "day", "5 USD")
    assert (said.code, said.err) == (0, "")
    assert farebox(project, "budgets", "set", "automation", "*", "day", "5 USD").err == ""


@pytest.mark.parametrize("look", [lambda project: farebox(project, "run", "summarize-notes", "--help")])
def test_the_parameters_of_an_automation_are_told(project: Path, look: Callable[[Path], Said]):
    said = look(project)
    assert said.code == 0, said.all
    for part in ("--text  STRING  default:", "--quality  fast|best  default: fast", "Drives the cost"):
        assert part in said.out
