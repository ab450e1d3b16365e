"""The ledger's facts in DuckDB: tables like the ledger's, rows from it, and the views that reports read.

Facts lie in the schema ``facts``; what everybody reads are views of the same names beside it, which span what was
archived too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from pricing.db import ledger_file, schema
from pricing.errors import LedgerUnusable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHUNK = 50_000
"""Rows that are copied at a time."""
_SQL = Path(__file__).parent / "sql"
_TYPES: Mapping[type[sa.types.TypeEngine[Any]], str] = {sa.Boolean: "BOOLEAN", sa.Float: "DOUBLE", sa.Text: "VARCHAR"}


def execute(duck: DuckDBPyConnection, name: str) -> None:
    """Execute the statements of ``sql/<name>.sql``."""
    duck.execute((_SQL / f"{name}.sql").read_text("utf-8"))


def columns(table: sa.Table) -> dict[str, str]:
    """A table's columns as DuckDB has them, by name; a transaction's id means nothing outside its ledger."""
    return {
        str(column.name): _TYPES.get(type(column.type), "BIGINT") for column in table.columns if column.name != "xid"
    }


def create_facts(duck: DuckDBPyConnection) -> None:
    """Create empty tables of facts, with a view of each."""
    duck.execute("CREATE SCHEMA facts")
    for table in schema.FACTS:
        kinds = ", ".join(f"{name} {kind}" for name, kind in columns(table).items())
        duck.execute(f"CREATE TABLE facts.{table.name} ({kinds})")
        duck.execute(f"CREATE VIEW {table.name} AS FROM facts.{table.name}")


def append(duck: DuckDBPyConnection, table: sa.Table, rows: Sequence[sa.Row[Any]]) -> None:
    """Add rows, whose values are in the order of ``columns``.

    Raises:
        LedgerUnusable: a value is not of its column's type.

    Through a file of JSON lines: DuckDB reads one at some 100,000 rows/s, and takes 1,300/s row by row.
    """
    import duckdb

    kinds = columns(table)
    shape = ", ".join(f"{name}: '{kind}'" for name, kind in kinds.items())
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        try:
            for row in rows:
                file.write(orjson.dumps(dict(zip(kinds, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE))
        except TypeError:  # bytes, where the ledger has a text
            raise _damaged(table) from None
        file.flush()
        try:
            duck.execute(
                f"INSERT INTO facts.{table.name} SELECT * FROM "  # noqa: S608 - names of our own schema
                f"read_json(?, format = 'newline_delimited', columns = {{{shape}}}, maximum_object_size = 16777216)",
                [file.name],
            )
        except (duckdb.ConversionException, duckdb.InvalidInputException):
            raise _damaged(table) from None


def _damaged(table: sa.Table) -> LedgerUnusable:
    return LedgerUnusable(
        f"The ledger is corrupt (a value in its table {table.name} is damaged).", next_step=ledger_file.RESTORE
    )
