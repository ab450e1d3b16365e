"""Tables that lose no figure, however narrow the terminal: a word is never cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text


def fitted(table: Table, console: Console, options: ConsoleOptions) -> RenderableType:
    """The table with columns as wide as their longest word at least; its rows as lists where that does not fit.

    A table that fits as it is comes back unchanged.
    """
    columns = table.columns
    if not columns or any(column.width is not None for column in columns):
        return table
    wide = [_measured(column, console, options) for column in columns]
    room = options.max_width - _extra(table)
    if sum(one.maximum for one in wide) <= room:
        return table
    spare = room - sum(one.minimum for one in wide)
    if spare < 0:
        return _listed(table) if table.show_header else table
    wanted = sum(one.maximum - one.minimum for one in wide)
    shares = [(one.maximum - one.minimum) * spare // wanted for one in wide]
    for column, one, share in zip(columns, wide, shares, strict=True):
        column.width = one.minimum + share
        column.no_wrap = False
        column.overflow = "fold"
    return table


def _measured(column: Column, console: Console, options: ConsoleOptions) -> Measurement:
    """How wide the column is with its longest word, and without any break."""
    cells: Sequence[RenderableType] = [*([column.header] if column.header != "" else []), *column.cells]
    free = options.update(max_width=10_000)
    found = [Measurement.get(console, free, cell) for cell in cells]
    least = max((one.maximum if column.no_wrap else one.minimum for one in found), default=0)
    if column.min_width is not None and column.overflow == "fold" and not column.no_wrap:
        heading = Measurement.get(console, free, column.header).minimum
        least = max(column.min_width, heading)  # long ids wrap
    return Measurement(least, max((one.maximum for one in found), default=0))


def _extra(table: Table) -> int:
    """What the table takes beside its columns: padding and lines."""
    _, right, _, left = Padding.unpack(table.padding)
    count = len(table.columns)
    padding = max(left, right) * (count - 1) if table.collapse_padding else (left + right) * count
    padding -= 0 if table.pad_edge else left + right
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
        text = cell if isinstance(cell, Text) else Text.from_markup(cell) if isinstance(cell, str) else None
        indent = 0 if index == 0 else 2
        if text is None:
            yield Padding(cell, (0, 0, 0, indent))
        elif text.plain:
            heading = str(column.header) if table.show_header and isinstance(column.header, str | Text) else ""
            told = Text.assemble((f"{heading}  ", "dim"), text) if heading else text.copy()
            told.overflow, told.no_wrap = "fold", False
            yield Padding(told, (0, 0, 0, indent))
