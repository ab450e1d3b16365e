"""CSV for spreadsheets: no text is computed, every number is a number, and Parquet has it all as it was."""

import csv
from pathlib import Path

import duckdb
import pytest

from pricing.reports.breakdowns import Breakdown, BreakdownLine
from pricing.reports.exports import defused, export

FORMULAS = (
    '=HYPERLINK("https://example.com")', "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000@x",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "\ufe66x", "\ufe631", "\u22121", "\u200b=1", "\ufeff=1", "\u2800=1", '"=1',
    "\x00=1", "\x0b+1", "-5", "=", "\tplain",
)  # fmt: skip
HARMLESS = (
    "acme",
    "daily-digest",
    "a=1",
    "1+1",
    "me@example.com",
    "2026-11-01",
    "(5)",
    "",
    "é",
    "日本",
    "'quoted",
    "a\n=1",
)


@pytest.mark.parametrize("cell", FORMULAS, ids=ascii)
def test_a_text_that_would_be_computed_is_defused(cell: str):
    assert defused(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("acme;=1+1", "acme;'=1+1"),
        ("acme; @SUM(A1)", "acme;' @SUM(A1)"),
        ('acme;"=1', "acme;'\"=1"),
        (";=1", ";'=1"),
        ("=1;-2;x", "'=1;'-2;x"),
        ("a;\u200b\uff1d1", "a;'\u200b\uff1d1"),
        ("a;;b;", "a;;b;"),
    ],
    ids=range(7),
)
def test_a_part_that_a_semicolon_makes_a_cell_is_defused(cell: str, written: str):
    assert defused(cell) == written


@pytest.mark.parametrize("cell", [*HARMLESS, -5, -1.5, 0, None, True])
def test_what_is_harmless_stays_as_it_is(cell: object):
    assert defused(cell) is cell


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, kind: str):
    names = [*FORMULAS, *HARMLESS[:5]]
    lines = tuple(
        BreakdownLine((name, f"@{number}"), stand_in=False, attempts=1, cost_nano=-number, share=-0.5)
        for number, name in enumerate(names)
    )
    path = tmp_path / f"out.{kind}"
    assert export(Breakdown(("org", "user"), of_runs=True, lines=lines), path, kind) == len(names)  # type: ignore[arg-type]
    if kind == "parquet":
        found = duckdb.read_parquet(str(path)).select("org", "user", "cost_nano").fetchall()
        assert found == [(name, f"@{number}", -number) for number, name in enumerate(names)]
        return
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    for number, (name, row) in enumerate(zip(names, read, strict=True)):
        assert row["org"] == (f"'{name}" if name in FORMULAS else name)
        assert row["user"] == f"'@{number}"
        assert row["cost_nano"] == str(-number), "a negative number is a number"
        assert float(row["share"]) == -0.5
