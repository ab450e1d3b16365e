"""How the command line tells of what went wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from farebox.cli.output import terminal
from pricing import FareboxError


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
