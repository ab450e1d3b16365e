"""Small tables and lines for the terminal. Every text becomes a ``rich.text.Text``: nothing in it is read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from pricing.money import format_money
from pricing.reports.format import UNKNOWN, clean, count

if TYPE_CHECKING:
    from pricing.reports.run.data import Savings

FAILURE = "red"
WARNING = "yellow"
GOOD = "green"
QUIET = "dim"
_NARROWEST = 12
"""Cells up to which a column of texts is not folded."""

_STYLES = {
    **dict.fromkeys(("completed", "answered", "stored", "replayed", "ok"), GOOD),
    **dict.fromkeys(("failed", "lost", "unfinished"), FAILURE),
    **dict.fromkeys(("over_budget", "blocked", "cancelled", "suspended", "stopped", "block", "retry"), WARNING),
}


def line(*parts: str | tuple[str, str]) -> Text:
    """One line of text, its parts plain or with a style."""
    text = Text(overflow="fold")
    for part in parts:
        content, style = (part, "") if isinstance(part, str) else part
        text.append(clean(content), style)
    return text


def outcome(word: str) -> Text:
    """An outcome in its colour, ``_`` as a space."""
    return Text(clean(word).replace("_", " "), _STYLES.get(word, ""))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, names: int = 1, whole: int = 0
) -> Table:
    """A small table. Its first ``names`` columns are texts, folded to fit but for the first ``whole``; the others
    figures, right-aligned and never cut.
    """
    cells = [[cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row] for row in rows]
    made = Table(
        title=Text(f"\n{title}", "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for position, name in enumerate(columns):
        if position < names:
            longest = max((row[position].cell_len for row in cells), default=0)
            narrowest = longest if position < whole else min(longest, _NARROWEST)
            made.add_column(Text(name, QUIET), overflow="fold", min_width=narrowest)
        else:
            made.add_column(Text(name, QUIET), justify="right", no_wrap=True)
    for row in cells:
        made.add_row(*row)
    return made


def savings_table(lines: Iterable[tuple[str, Savings]]) -> Table:
    """What each operation saved, and how."""
    rows = [
        [
            operation,
            format_money(saved.caching_nano) if saved.caching_nano else UNKNOWN,
            format_money(saved.stored_nano) if saved.stored_turns else UNKNOWN,
            count(saved.stored_turns) if saved.stored_turns else UNKNOWN,
        ]
        for operation, saved in lines
    ]
    return table("Saved", ["operation", "by prompt caching", "by stored answers", "stored answers"], rows)
