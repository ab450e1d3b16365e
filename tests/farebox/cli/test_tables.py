"""However narrow a terminal is, every figure of a table is whole on it."""

import io
from itertools import pairwise

import pytest
from rich.table import Table
from rich.text import Text

from farebox.cli.output import Terminal
from farebox.cli.tables import breaks

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
    table.add_column("reason")
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


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("claude-haiku-4-5-20251001-v1:0", ["claude-", "haiku-", "4-", "5-", "20251001-", "v1:", "0"]),
        ("openai/gpt-oss-120b", ["openai/", "gpt-", "oss-", "120b"]),
        ("support-triage best", ["support-", "triage ", "best"]),
        ("0.90 ×", ["0.90 ×"]),
        ("51 %", ["51 %"]),
        ("$19.95 to $20.82", ["$19.95 to ", "$20.82"]),
        ("2026-11-28 22:46", ["2026-11-28 ", "22:46"]),
        ("1,234.5", ["1,234.5"]),
        ("a--b…", ["a--", "b…"]),
        ("", [""]),
    ],
)
def test_lines_end_between_words_and_at_the_separators_of_ids(text: str, pieces: list[str]):
    places = [0, *breaks(text), len(text)]
    assert [text[start:end] for start, end in pairwise(places)] == pieces


IDS = [
    "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    "openai/gpt-oss-120b",
    "accounts/fireworks/models/llama-v3p1-405b-instruct",
    "gpt-4.1-mini",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-6-v1:0",
]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_a_long_id_breaks_at_its_separators_only(width: int):
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("operation", "model", "tries", "failed", "cost", "share"):
        table.add_column(heading, justify="left" if heading in {"operation", "model"} else "right")
    for index, name in enumerate(IDS):
        table.add_row("summarize", Text(name), "5,775", "80", f"${index}.0{index}", f"{index} %")
    lines = printed(table, width).splitlines()
    start, end = lines[0].index("model"), lines[0].index("tries")
    assert all(len(line) <= width for line in lines)
    shown = [line[start:end].strip() for line in lines[1:]]
    assert "".join(shown).replace(" ", "") == "".join(IDS)
    assert all(line[-1] in "-/.:_" for line in shown if line and not any(name.endswith(line) for name in IDS))


def test_names_in_brackets_stay_as_they_are():
    table = Table()
    for _ in range(9):
        table.add_column("a long heading")
    table.add_row(*["[red]tag[/red]"] * 9)
    assert printed(table, 40).count("[red]tag[/red]") == 9


@pytest.mark.parametrize("width", WIDTHS)
def test_a_grid_keeps_its_signs(width: int):
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(no_wrap=True)
    for _ in range(3):
        grid.add_row(Text("✓"), Text("key"), Text("none, so the sandbox answers; tried AWS_BEARER_TOKEN_BEDROCK " * 2))
    assert printed(grid, width).count("✓") == 3
