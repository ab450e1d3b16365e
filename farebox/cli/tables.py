"""Tables for terminals of any width: no word is cut, and ids wrap at their separators."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from pricing.reports.charts import Grid


def grid_table(title: str, grid: Grid, *, texts: Sequence[str] = ()) -> Table:
    """A report's grid below an empty line; names and the columns headed by ``texts`` are left-aligned, figures right-
    aligned.
    """
    table = Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0),
        header_style="dim",
    )  # fmt: skip
    for place, head in enumerate(grid.heads):
        table.add_column(head, justify="left" if place < grid.names or head in texts else "right")
    for row in grid.rows:
        table.add_row(*map(Text, row))
    return table


def fitted(table: Table, console: Console, options: ConsoleOptions) -> RenderableType:
    """The table with columns at least as wide as their longest piece; its rows as lists if that does not fit.

    A table that fits as it is comes back unchanged.
    """
    columns = table.columns
    if not columns or any(column.width is not None for column in columns):
        return table
    wide = [_measured(column, console, options) for column in columns]
    width = options.max_width - _extra(table)
    if sum(one.maximum for one in wide) <= width:
        return table
    spare = width - sum(one.minimum for one in wide)
    if spare < 0:
        return _listed(table) if table.show_header else table
    wanted = sum(one.maximum - one.minimum for one in wide)
    shares = [(one.maximum - one.minimum) * spare // wanted for one in wide]
    for index, (column, one, share) in enumerate(zip(columns, wide, shares, strict=True)):
        width = one.minimum + share
        cells = [cell if (text := _text(cell)) is None else broken(text, width) for cell in column.cells]
        columns[index] = replace(column, width=width, no_wrap=False, overflow="fold", _cells=cells)
    return table


_WORD = re.compile(r"\S+")
_SEPARATORS = "-/._:@"


def breaks(text: str, width: int = 0) -> list[int]:
    """Positions where a line may break: before a word, and after separators in a wide word with letters.

    A figure keeps its unit.
    """
    found, before = [], ""
    for match in _WORD.finditer(text):
        word = match[0]
        if before and not (_has_digit(before) and not _has_digit(word)):
            found.append(match.start())
        if cell_len(word) > width and any(letter.isalpha() for letter in word):
            found += [
                match.start() + place + 1
                for place, letter in enumerate(word[:-1])
                if letter in _SEPARATORS and word[place + 1] not in _SEPARATORS
            ]
        before = word
    return found


def broken(text: Text, width: int) -> Text:
    """The text with line breaks at allowed positions; pieces that are too long are left to be folded."""
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        plain, start, last, ends = line.plain, 0, 0, list[int]()
        for place in [*breaks(plain, width), len(plain)]:
            if cell_len(plain[start:place].rstrip()) > width and last > start:
                ends.append(last)
                start = last
            last = place
        lines += line.divide(ends)
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _text(cell: RenderableType) -> Text | None:
    """The text of a cell as it is shown: our consoles interpret no markup."""
    return cell if isinstance(cell, Text) else Text(cell) if isinstance(cell, str) else None


def _longest_piece(text: Text) -> int:
    plain = text.plain
    places = sorted({0, *breaks(plain), *(match.end() for match in re.finditer("\n", plain)), len(plain)})
    pieces = (plain[start:end].strip() for start, end in pairwise(places))
    return max(map(cell_len, pieces), default=0)


def _measured(column: Column, console: Console, options: ConsoleOptions) -> Measurement:
    """The width of a column by its longest piece, and without any break."""
    free = options.update(max_width=10_000)
    header = Measurement.get(console, free, column.header) if column.header != "" else Measurement(0, 0)
    cells: Sequence[RenderableType] = list(column.cells)
    found = [Measurement.get(console, free, cell) for cell in cells]
    texts = [_text(cell) for cell in cells]
    least = [one.minimum if text is None else _longest_piece(text) for one, text in zip(found, texts, strict=True)]
    if column.no_wrap:
        least = [one.maximum for one in (header, *found)]
    minimum = max([header.minimum, *least])
    if column.min_width is not None and column.overflow == "fold" and not column.no_wrap:
        minimum = min(minimum, max(column.min_width, header.minimum))  # long pieces are folded
    return Measurement(minimum, max([header.maximum, *(one.maximum for one in found)]))


def _extra(table: Table) -> int:
    """The width of the table beside its columns: padding and lines."""
    _, right, _, left = Padding.unpack(table.padding)
    count = len(table.columns)
    left = 0 if table.collapse_padding else left
    padding = (left + right) * count - (0 if table.pad_edge else left + right)
    lines = 0 if table.box is None else count - 1 + (2 if table.show_edge else 0)
    return max(0, padding) + lines


def _listed(table: Table) -> RenderableType:
    """Each row as lines of ``heading  value``: no column is too narrow for them."""
    lines = Table.grid()
    if table.title is not None:
        lines.add_row(table.title)
    cells = [list(column.cells) for column in table.columns]
    for row in zip(*cells, strict=True):
        for line in _row(table, row):
            lines.add_row(line)
    return lines


def _row(table: Table, row: Sequence[RenderableType]) -> Iterator[RenderableType]:
    for index, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
        text = _text(cell)
        indent = 0 if index == 0 else 2
        if text is None:
            yield Padding(cell, (0, 0, 0, indent))
        elif text.plain:
            heading = str(column.header) if table.show_header and isinstance(column.header, str | Text) else ""
            line_text = Text.assemble((f"{heading}  ", "dim"), text) if heading else text.copy()
            line_text.overflow, line_text.no_wrap = "fold", False
            yield Padding(line_text, (0, 0, 0, indent))
