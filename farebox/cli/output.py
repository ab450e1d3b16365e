"""Output of the command line: sanitised text for people, JSON for programs, one-line errors."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from farebox.cli.tables import fitted
from pricing import FareboxError


def _number(variable: str) -> int:
    given = os.environ.get(variable, "")
    return int(given) if given.isdecimal() else 0


class Terminal(Console):
    """A console that no text can control: names come from users, texts from models and files.

    It is as wide as ``COLUMNS`` says when something is printed, on every kind of terminal. Rich's own reads it when the
    console is made, which for the commands is when they are imported, and not at all on a dumb terminal.
    """

    def __init__(self, *, width: int | None = None, height: int | None = None, **options: Any) -> None:
        super().__init__(width=width, height=height, **options)
        self._width, self._height = width, height

    @property
    def size(self) -> ConsoleDimensions:
        """What was given, else what ``COLUMNS`` and ``LINES`` say, else the size of the terminal."""
        width, height = super().size
        return ConsoleDimensions(self._width or _number("COLUMNS") or width, self._height or _number("LINES") or height)

    @size.setter
    def size(self, size: tuple[int, int]) -> None:
        self._width, self._height = size

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments to print; only the console itself emits control codes, and no table cuts a word."""
        if isinstance(renderable, Table):
            renderable = fitted(renderable, self, options or self.options)
        for segment in super().render(renderable, options):
            harmless = segment.control or segment.text.isprintable() or segment.text == "\n"
            yield segment if harmless else Segment(clean_text(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Stop printing when the reader is gone, as in ``farebox run … | head``; the run goes on to its end."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def terminal(*, stderr: bool = False, **options: Any) -> Console:
    """A console for people, on standard output by default."""
    return Terminal(stderr=stderr, highlight=False, markup=False, emoji=False, **options)


def moment(when: datetime | None, zone: ZoneInfo) -> str:
    """A time in the project's time zone, with its name; empty for ``None``."""
    from pricing.reports import moment as moment_text

    return moment_text(when.astimezone(zone)) if when else ""


def near(place: Path | str) -> str:
    """The path relative to the current folder, if it is below it."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(place)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201 - the command's answer


def clean_text(text: str) -> str:
    """Each line without control characters, escape sequences or bidirectional overrides."""
    from pricing.reports import clean

    return "\n".join(map(clean, text.split("\n")))


def warn(message: str, next_step: str = "") -> None:
    """Report a problem that did not stop the command."""
    console = terminal(stderr=True, soft_wrap=True)
    console.print(f"warning: {message}", style="yellow")
    if next_step:
        console.print(f"  next: {next_step}")


@contextmanager
def warning_of(name: str, level: int = logging.WARNING) -> Iterator[None]:
    """Show the log records of a module on standard error as warnings; Prefect's own settings hide its logs here."""
    logger, handler = logging.getLogger(name), _Warnings(level)
    level_before, propagate_before = logger.level, logger.propagate
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)
        logger.propagate = propagate_before


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


def complain(error: FareboxError) -> None:
    """Print an error and its next step."""
    console = terminal(stderr=True, soft_wrap=True)
    console.print(f"error: {error.message}", style="bold red")
    if error.next_step:
        console.print(f"  next: {error.next_step}")
