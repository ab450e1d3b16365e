"""What the command line says: to people, harmless to their terminal; to programs, as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pricing.reports import format as formats


class Terminal(Console):
    """A console on which no text steers the terminal: names come from users, texts from models and files."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; only the console itself sends codes."""
        for segment in super().render(renderable, options):
            harmless = segment.control or segment.text.isprintable() or segment.text == "\n"
            yield segment if harmless else Segment(_by_line(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Print no more when nobody reads on, as in ``farebox run … | head``; what is under way goes on to its end."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def terminal(*, stderr: bool = False, **options: Any) -> Console:
    """A console for people, on standard output unless asked otherwise."""
    return Terminal(stderr=stderr, highlight=False, markup=False, emoji=False, **options)


def moment(when: datetime | None, zone: ZoneInfo) -> str:
    """A time in the project's time zone, which it names; nothing for none."""
    return formats.moment(when.astimezone(zone)) if when else ""


def near(place: Path | str) -> str:
    """Relative to where we are, when it is below."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(place)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201 - the command's answer


def _by_line(text: str) -> str:
    return "\n".join(map(formats.clean, text.split("\n")))
