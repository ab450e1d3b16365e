"""A console of the command line is as wide as ``COLUMNS`` says when it prints, whatever was so when it was made."""

import io
import os
import pty
import subprocess
import sys
import termios

import pytest
from rich.table import Table

from farebox.cli.output import terminal
from tests.support.project import REPOSITORY

KINDS = {
    "no terminal": {},
    "dumb terminal": {"TERM": "dumb", "FORCE_COLOR": "1"},
    "dumb terminal of a service": {"TERM": "dumb", "TTY_COMPATIBLE": "1"},
    "unknown terminal": {"TERM": "unknown", "FORCE_COLOR": "1"},
    "colours": {"TERM": "xterm-256color", "FORCE_COLOR": "1"},
    "no colours": {"NO_COLOR": "1", "TTY_INTERACTIVE": "1"},
    "no name": {"TERM": ""},
}
WIDE = "the figures of every target and its price "


def printed_width(console: object) -> int:
    out = io.StringIO()
    console.file = out  # type: ignore[attr-defined]
    console.print(WIDE * 20)  # type: ignore[attr-defined]
    return max(map(len, out.getvalue().splitlines()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [{}, {"COLUMNS": "40"}, {"COLUMNS": "40", "LINES": "10"}, {"LINES": "10"}])
def test_columns_count_when_something_is_printed(monkeypatch: pytest.MonkeyPatch, kind: str, before: dict[str, str]):
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name)
    for name, value in (KINDS[kind] | before).items():
        monkeypatch.setenv(name, value)
    console = terminal()
    for columns in (60, 120, 300):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert console.width == console.options.max_width == columns
        if "LINES" in before:
            assert console.height == int(before["LINES"])
        assert columns - len(WIDE) < printed_width(console) <= columns


@pytest.mark.parametrize("columns", ["", "0", "wide", "-5", "1e3", "80 "])
def test_columns_that_are_no_width_are_left_out(monkeypatch: pytest.MonkeyPatch, columns: str):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    assert terminal().size == (80, 25)


def test_a_width_that_was_given_or_set_holds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "60")
    given = terminal(width=90)
    assert given.width == 90
    assert printed_width(given) <= 90
    given.size = (70, 20)
    assert given.size == (70, 20)
    given.width = 100
    assert given.size == (100, 20)


def test_it_is_as_wide_as_its_terminal():
    keyboard, screen = pty.openpty()
    termios.tcsetwinsize(screen, (33, 77))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    code = "from farebox.cli.output import terminal; print(*terminal().size)"
    with os.fdopen(keyboard, "rb") as said:
        command = [sys.executable, "-c", code]
        subprocess.run(command, stdin=screen, stdout=screen, stderr=screen, cwd=REPOSITORY, env=environment, check=True)
        os.close(screen)
        assert said.readline().split() == [b"77", b"33"]


def test_a_table_uses_the_width_of_the_moment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    console = terminal()
    monkeypatch.setenv("COLUMNS", "120")
    table = Table("target", "model", "input", "output", "cache read", "cache write", "batch")
    table.add_row("frontier", "global.anthropic.claude-opus", "$15.00", "$75.00", "$1.50", "$18.75", "$7.50")
    out = io.StringIO()
    console.file = out
    console.print(table)
    assert "cache read" in out.getvalue()
    assert "global.anthropic.claude-opus" in out.getvalue()
