"""However narrow a terminal is, every figure of a table is whole on it."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from farebox.cli.output import Terminal

WIDTHS = (20, 40, 60, 80, 100, 140, 200)


def printed(table: Table, width: int) -> str:
    out = io.StringIO()
    Terminal(file=out, width=width, highlight=False, markup=False).print(table)
    return out.getvalue()


def made(columns: int, *, box: bool = False, no_wrap: bool = False) -> tuple[Table, list[str]]:
    table = (
        Table(pad_edge=False, padding=(0, 2, 0, 0)) if box else Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    )
    table.add_column("automation")
    for index in range(columns):
        table.add_column(f"amount {index}", justify="right", no_wrap=no_wrap)
    table.add_column("why it stands there")
    figures = [f"${index}.{row}{index:06}" for row in range(3) for index in range(columns)]
    for row in range(3):
        cells = figures[row * columns : (row + 1) * columns]
        table.add_row(Text(f"daily-digest-{row}"), *cells, "the cheapest that is known to be good enough")
    return table, figures


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("columns", [1, 4, 8, 14])
@pytest.mark.parametrize("no_wrap", [False, True])
@pytest.mark.parametrize("box", [False, True])
def test_no_figure_is_cut_at_any_width(width: int, columns: int, no_wrap: bool, box: bool):
    table, figures = made(columns, no_wrap=no_wrap, box=box)
    text = printed(table, width)
    assert [figure for figure in figures if figure not in text] == []
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())


def test_a_table_that_fits_is_left_alone():
    table, _ = made(2)
    assert all(column.width is None for column in table.columns)
    printed(table, 200)
    assert all(column.width is None for column in table.columns)
