"""Whatever a user gets wrong is one clear line with a next step, the right exit code, and nothing half-written."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.sandbox import Sandbox
from tests.support.command import Said, farebox
from tests.support.project import REPOSITORY, TARGETS, Project, make_project


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    made = make_project(tmp_path / "project", sandbox.url)
    (made.root / "flows").symlink_to(REPOSITORY / "flows")
    return made


def assert_told(said: Said, code: int, *parts: str) -> None:
    """One line that says what, one that says what to do, and nothing else."""
    assert said.code == code, said
    assert "Traceback" not in said.all
    first, *rest = said.err.strip().splitlines()
    assert first.startswith("error: "), said.err
    assert len(rest) == 1, said.err
    assert rest[0].startswith("  next: "), said.err
    assert len(rest[0]) > len("  next: ")
    for part in parts:
        assert part.lower() in said.err.lower(), said.err


def assert_untouched(project: Project, sandbox: Sandbox) -> None:
    """Nothing was asked, held or charged."""
    assert not sandbox.journal.read_bytes()
    ledger = project.home / "ledger.db"
    if ledger.exists() and ledger.read_bytes()[:15] == b"SQLite format 3":
        with sqlite3.connect(ledger) as connection:
            for table in ("attempts", "holds", "inflight"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        connection.close()


def missing(root: Path) -> None:
    """Nothing is there."""


def empty_folder(root: Path) -> None:
    (root / "given").mkdir()


def binary_files(root: Path) -> None:
    (root / "given").mkdir()
    for index in range(3):
        (root / "given" / f"image-{index}.md").write_bytes(os.urandom(4000) + b"\0\0")


def large_file(root: Path) -> None:
    (root / "given").write_bytes(b"A line of text that goes on and on.\n" * 1_500_000)


def not_a_feed(root: Path) -> None:
    (root / "given").write_bytes(b"<?xml version='1.0'?><rss><channel>")


def unreadable(root: Path) -> None:
    (root / "given").mkdir()
    (root / "given" / "note.md").write_text("# A note\n\nText.\n")
    (root / "given").chmod(0)


SOURCES: list[tuple[Callable[[Path], None], list[str]]] = [
    (missing, ["There is no", "given"]),
    (empty_folder, ["given"]),
    (binary_files, ["given"]),
    (large_file, ["given", "MB"]),
    (not_a_feed, ["given"]),
    (unreadable, ["given"]),
]


@pytest.mark.parametrize(("prepare", "parts"), SOURCES, ids=[prepare.__name__ for prepare, _ in SOURCES])
def test_a_source_that_cannot_be_read(
    project: Project, sandbox: Sandbox, prepare: Callable[[Path], None], parts: list[str]
):
    if prepare is unreadable and os.geteuid() == 0:
        pytest.skip("root may read everything")
    prepare(project.root)
    said = farebox(project.root, "quote", "daily-digest", "--source", "given")
    assert_told(said, 2, *parts)
    assert_untouched(project, sandbox)
    shutil.rmtree(project.root / "given", ignore_errors=True)


def test_a_run_of_a_missing_source_asks_nobody(project: Project, sandbox: Sandbox, tmp_path: Path):
    said = farebox(project.root, "run", "daily-digest", "--source", "nowhere", PREFECT_HOME=str(tmp_path / "prefect"))
    assert_told(said, 2, "There is no", "nowhere")
    assert_untouched(project, sandbox)
    assert not (project.home / "replica.duckdb").exists()


ARGUMENTS: dict[str, tuple[list[str], int, list[str]]] = {
    "unknown command": (["rn"], 2, []),
    "unknown automation": (["run", "daily-digst"], 2, ["daily-digst", "did you mean", "daily-digest"]),
    "hostile automation": (["run", "../../etc/passwd"], 2, ["no automation"]),
    "no automation": (["run"], 2, []),
    "unknown parameter": (["run", "daily-digest", "--sorce", "."], 2, ["sorce", "did you mean", "--source"]),
    "budget of letters": (["run", "daily-digest", "--budget", "abc"], 2, ["abc", "0.50 USD"]),
    "negative budget": (["run", "daily-digest", "--budget=-1 USD"], 2, ["negative"]),
    "other currency": (["run", "daily-digest", "--budget", "5 EUR"], 2, ["EUR", "USD"]),
    "huge budget": (["run", "daily-digest", "--budget", "9" * 30], 2, ["billion"]),
    "negative limit": (["run", "daily-digest", "--limit", "-5"], 2, ["limit"]),
    "absurd limit": (["run", "daily-digest", "--limit", "1" + "0" * 12], 2, ["limit"]),
    "limit of letters": (["run", "daily-digest", "--limit", "many"], 2, ["limit"]),
    "unknown quality": (["quote", "daily-digest", "--quality", "cheapest"], 2, ["quality", "fast"]),
    "unknown run": (["report", "no-such-run"], 2, ["no runs yet", "farebox demo"]),
    "no run yet": (["report"], 2, []),
    "negative count": (["runs", "--limit", "-5"], 2, ["limit"]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_wrong_arguments(project: Project, sandbox: Sandbox, name: str):
    arguments, code, parts = ARGUMENTS[name]
    assert_told(farebox(project.root, *arguments), code, *parts)
    assert_untouched(project, sandbox)


UNKNOWN_MODEL = TARGETS.format(read_timeout=5).replace("gpt-4.1-mini", "gpt-4.1-minni")

FILES: dict[str, tuple[str, list[str]]] = {
    "no TOML": ("[holds\nbuffer = 3", ["farebox.toml", "line 1"]),
    "unknown setting": (
        "[holds]\nbufer_percent = 3",
        ["bufer_percent", "did you mean", "buffer_percent", "farebox.toml"],
    ),
    "unknown table": ("[hold]\nbuffer_percent = 3", ["hold", "unknown setting"]),
    "value out of range": ("[holds]\nbuffer_percent = -3", ["buffer_percent", "farebox.toml"]),
    "no targets": ("[holds]\nbuffer_percent = 3", ["targets"]),
    "no amount": (
        TARGETS.format(read_timeout=5) + '[[budgets]]\nscope="automation"\nkey="x"\nwindow="day"\nlimit="5 EUR"',
        ["EUR"],
    ),
    "no zone": ('timezone = "Mars/Olympus"' + TARGETS.format(read_timeout=5), ["Mars/Olympus", "Europe/Madrid"]),
}


@pytest.mark.parametrize("name", FILES)
def test_wrong_settings(project: Project, sandbox: Sandbox, name: str):
    text, parts = FILES[name]
    (project.root / "farebox.toml").write_text(text)
    assert_told(farebox(project.root, "quote", "daily-digest", "--source", "documents"), 2, *parts)
    assert not project.home.exists()
    assert_untouched(project, sandbox)


def test_an_unknown_model_is_refused_with_the_nearest_names(project: Project, sandbox: Sandbox):
    settings = project.root / "farebox.toml"
    settings.write_text(settings.read_text().replace("gpt-4.1-mini", "gpt-4.1-minni"))
    said = farebox(project.root, "quote", "daily-digest", "--source", "documents")
    assert_told(said, 1, "gpt-4.1-minni", "did you mean", "gpt-4.1-mini", "[[rates]]")
    assert_untouched(project, sandbox)


def test_a_wrong_variable_is_named(project: Project):
    said = farebox(project.root, "budgets", FAREBOX_HOLDS__LEASE_SECONDS="soon")
    assert_told(said, 2, "FAREBOX_HOLDS__LEASE_SECONDS", "lease_seconds")


@pytest.mark.parametrize("command", [["budgets"], ["runs"], ["quote", "daily-digest", "--source", "documents"]])
def test_a_data_folder_that_cannot_be_made(project: Project, command: list[str]):
    (project.root / "occupied").write_text("a file")
    said = farebox(project.root, *command, FAREBOX_HOME=str(project.root / "occupied" / "data"))
    assert_told(said, 1, "occupied", "FAREBOX_HOME")
    assert (project.root / "occupied").read_text() == "a file"


@pytest.mark.parametrize("command", [["budgets"], ["runs"], ["quote", "daily-digest", "--source", "documents"]])
def test_a_corrupt_ledger_is_left_as_it_is(project: Project, sandbox: Sandbox, command: list[str]):
    project.home.mkdir()
    ledger = project.home / "ledger.db"
    ledger.write_bytes(b"this is no database" * 400)
    assert_told(farebox(project.root, *command), 1, "corrupt", "backup")
    assert ledger.read_bytes() == b"this is no database" * 400
    assert_untouched(project, sandbox)


def test_a_budget_too_small_is_told_with_what_would_fit(project: Project, sandbox: Sandbox, tmp_path: Path):
    """Through Prefect, as the whole command runs."""
    said = farebox(
        project.root, "run", "daily-digest", "--source", "documents", "--budget", "0.0001 USD",
        PREFECT_HOME=str(tmp_path / "prefect"),
    )  # fmt: skip
    assert said.code == 3, said
    assert "Traceback" not in said.all
    for part in ("this run", "short by", "Nothing was called"):
        assert part in said.err
    assert not sandbox.journal.read_bytes()


def test_nobody_answers_is_exit_code_five(project: Project, sandbox: Sandbox, tmp_path: Path):
    import httpx

    httpx.post(f"{sandbox.url}/_sandbox/faults", json=[{"kind": "503"}]).raise_for_status()
    said = farebox(
        project.root, "run", "daily-digest", "--source", "documents", "--limit", "1", "--json",
        PREFECT_HOME=str(tmp_path / "prefect"),
    )  # fmt: skip
    assert said.code == 5, said
    assert "Traceback" not in said.all
    assert "No target answered" in said.err
