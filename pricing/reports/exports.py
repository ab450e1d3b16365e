"""Reports as files for other programs: CSV and Parquet, one row per line of the report.

Amounts are integer nano-dollars, times ISO 8601 in UTC; what is not known is empty. In CSV, a text that a spreadsheet
would take for a formula has an apostrophe before it; Parquet has the text as it is, and numbers are numbers in both.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Iterable
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pricing.characters import invisible
from pricing.errors import UsageError
from pricing.reports.breakdowns import Breakdown, BreakdownLine
from pricing.reports.run.data import RunReport

ExportFormat: TypeAlias = Literal["csv", "parquet"]
_BEGINS_FORMULA = frozenset("=+-@\N{MINUS SIGN}")
_TEXT = "VARCHAR"
_PASSED = re.compile(r'[\s\x00-\x1f"]')
"""Spaces, control characters and quotes, which programs pass over on their way to a formula."""
_TYPES = {"str": "VARCHAR", "int": "BIGINT", "Nano": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}
_OF_COSTS = {"failed", "input_tokens", "output_tokens", "cache_read_tokens", "caching_nano", "unknown_nano"}
_OF_RUNS = {
    *("runs", "outcomes", "refused", "turns", "p50_nano", "p95_nano"),
    *("charged_nano", "gross_margin", "markup"),
}
_ATTEMPTS = {
    **dict.fromkeys(("run_id", "turn_id", "attempt_id", "operation"), "VARCHAR"),
    **dict.fromkeys(("hop", "ordinal"), "BIGINT"),
    **dict.fromkeys(("target", "provider", "model", "tier", "reason", "outcome"), "VARCHAR"),
    **dict.fromkeys(("status", "input_tokens", "output_tokens", "cache_read_tokens", "cost_nano"), "BIGINT"),
    "saved_nano": "BIGINT",
    "priced": "VARCHAR",
    "stand_in": "BOOLEAN",
    "started_at": "VARCHAR",
    "duration_us": "BIGINT",
    "kind": "VARCHAR",
    "units": "DOUBLE",
}


def export(report: RunReport | Breakdown, path: Path, kind: ExportFormat) -> int:
    """Write a run's attempts or a breakdown's lines to a file; returns the number of rows.

    Raises:
        UsageError: the file cannot be written there.
    """
    import duckdb
    import orjson

    columns, rows = _of_run(report) if isinstance(report, RunReport) else _of_breakdown(report)
    written = list(rows)
    if kind == "csv":
        texts = {name for name, of_type in columns.items() if of_type == _TEXT}
        written = [{name: defused(value) if name in texts else value for name, value in row.items()} for row in written]
    kinds = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file, duckdb.connect() as connection:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in written)
        file.flush()
        form = "FORMAT csv, HEADER" if kind == "csv" else "FORMAT parquet"
        connection.execute(
            f"CREATE TABLE report AS FROM read_json(?, format = 'newline_delimited', columns = {{{kinds}}})",
            [file.name],
        )
        try:
            connection.execute(f"COPY report TO '{_quoted(path)}' ({form})")
        except duckdb.IOException:
            raise UsageError(
                f"{path} cannot be written.", next_step="Name a file in a folder that exists and can be written."
            ) from None
    return len(written)


def defused(cell: Any) -> Any:
    """A cell of text that no spreadsheet computes; values that are not text, negative numbers included, stay unchanged.

    >>> defused("=1+1"), defused("daily-digest"), defused(-5), defused("acme;=1+1")
    ("'=1+1", 'daily-digest', -5, "acme;'=1+1")
    """
    if not isinstance(cell, str):
        return cell
    if ";" not in cell:
        return f"'{cell}" if _steers(cell) else cell
    # Where a comma is the decimal sign, spreadsheets take a semicolon for the end of a cell.
    return ";".join(f"'{part}" if _steers(part) else part for part in cell.split(";"))


def _steers(cell: str) -> bool:
    """Whether a spreadsheet would take the text for a formula."""
    if not cell:
        return False
    first = next((sign for sign in cell if not (invisible(sign) or _PASSED.match(sign))), "")
    return cell[0] in "\t\r\n" or unicodedata.normalize("NFKC", first)[:1] in _BEGINS_FORMULA


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _of_run(report: RunReport) -> tuple[dict[str, str], Iterable[dict[str, Any]]]:
    of_models = ((turn.turn_id, turn.operation, one) for turn in report.turns for one in turn.attempts)
    of_tools = ((one.attempt_id, one.model, one) for one in report.paid_requests)
    return _ATTEMPTS, (
        {
            **{name: getattr(one, name) for name in _ATTEMPTS if hasattr(one, name)},
            "run_id": report.run.run_id,
            "turn_id": turn_id,
            "operation": operation,
            "input_tokens": one.tokens.input,
            "output_tokens": one.tokens.output,
            "cache_read_tokens": one.tokens.cached,
            "started_at": one.started_at.isoformat(),
        }
        for turn_id, operation, one in chain(of_models, of_tools)
    )


def _of_breakdown(found: Breakdown) -> tuple[dict[str, str], Iterable[dict[str, Any]]]:
    kept = [field for field in fields(BreakdownLine) if field.name != "names"]
    apart = _OF_COSTS if found.of_runs else _OF_RUNS
    kinds = {field.name: _TYPES[str(field.type).partition(" ")[0]] for field in kept if field.name not in apart}
    columns = dict.fromkeys(found.by, "VARCHAR") | kinds
    return columns, (
        dict(zip(found.by, line.names, strict=True)) | {name: getattr(line, name) for name in kinds}
        for line in found.lines
    )
