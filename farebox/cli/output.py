"""Output of the command line: safe text for people, JSON for programs, one-line errors."""

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

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from farebox.cli.tables import fitted
from pricing import FareboxError


class Terminal(Console):
    """A console on which no text steers the terminal: names come from users, texts from models and files."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; only the console itself sends codes, and no table cuts a word."""
        if isinstance(renderable, Table):
            renderable = fitted(renderable, self, options or self.options)
        for segment in super().render(renderable, options):
            harmless = segment.control or segment.text.isprintable() or segment.text == "\n"
            yield segment if harmless else Segment(clean_text(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Print no more when nobody reads on, as in ``farebox run … | head``; what is under way goes on to its end."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def terminal(*, stderr: bool = False, **options: Any) -> Console:
    """A console for people, on standard output unless asked otherwise."""
    return Terminal(stderr=stderr, highlight=False, markup=False, emoji=False, **options)


def moment(when: datetime | None, zone: ZoneInfo) -> str:
    """A time in the project's time zone, which it names; nothing for none."""
    from pricing.reports import moment as told

    return told(when.astimezone(zone)) if when else ""


def near(place: Path | str) -> str:
    """Relative to where we are, when it is below."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(place)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201 - the command's answer


def clean_text(text: str) -> str:
    """Each line without control characters, escape sequences or changes of direction."""
    from pricing.reports import clean

    return "\n".join(map(clean, text.split("\n")))


def warn(message: str, next_step: str = "") -> None:
    """Tell of something that went wrong beside what was asked for, which is done."""
    console = terminal(stderr=True, soft_wrap=True)
    console.print(f"warning: {message}", style="yellow")
    if next_step:
        console.print(f"  next: {next_step}")


@contextmanager
def warning_of(name: str, level: int = logging.WARNING) -> Iterator[None]:
    """Show what a module logs on standard error, as warnings: Prefect's own settings keep its logs silent here."""
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
    """Tell what went wrong and what to do about it."""
    console = terminal(stderr=True, soft_wrap=True)
    console.print(f"error: {error.message}", style="bold red")
    if error.next_step:
        console.print(f"  next: {error.next_step}")
