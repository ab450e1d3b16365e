"""Whether a SQLite file is a ledger, and a whole one: its tables, and the values in them.

SQLite opens any database, keeps a value of any type in any column, and gives invalid texts. What is found here
is reported in one line, before it becomes a fault somewhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.db.schema import metadata
from pricing.errors import LedgerUnusable

RESTORE = "Move it aside and run again; restore it from a backup to keep its history."
_ELSEWHERE = "Point FAREBOX_HOME at a folder of its own, or move that file elsewhere."
_VERSIONS = "alembic_version"
_MARKS_OF_A_LEDGER = {"meta", "runs"}
_JSON = {"plan", "routes", "tags"}
_CHUNK = 1_000


def check_new(connection: Connection, place: str) -> None:
    """Whether a ledger can be made in a database without a version: it has no table yet.

    Raises:
        LedgerUnusable: it has some.
    """
    if found := _tables(connection) - {_VERSIONS}:
        raise corrupt(place, "it has no version") if found & _MARKS_OF_A_LEDGER else foreign(place)


def check_newer(connection: Connection, place: str, version: object) -> None:
    """Whether a database with a version that we do not know is a ledger: then of a newer Farebox.

    Raises:
        LedgerUnusable: it is not a ledger.
    """
    if not _tables(connection) >= _MARKS_OF_A_LEDGER:
        raise foreign(place)
    if not isinstance(version, str) or not version.isalnum() or not version.isascii():
        raise corrupt(place, "its version cannot be read")


def check_whole(connection: Connection, place: str) -> None:
    """Whether a database of our version has every table, and says which ledger it is.

    Raises:
        LedgerUnusable: it has not.
    """
    found = _tables(connection)
    if not found & _MARKS_OF_A_LEDGER:
        raise foreign(place)
    if missing := sorted(set(metadata.tables) - found):
        raise corrupt(place, f"its table {missing[0]} is missing")
    epoch = connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar()
    if not isinstance(epoch, str) or not epoch:
        raise corrupt(place, "it does not say which ledger it is")


def check_values(connection: Connection, place: str, *, newest: int | None = None) -> None:
    """Whether every value is of its column's type.

    Args:
        connection: to the ledger.
        place: where it is.
        newest: how many rows of each table to look at, the newest; all, if None.

    Raises:
        LedgerUnusable: one is not; its table and column are named, never the value.
    """
    for table in metadata.sorted_tables:
        for column in _wrong(connection, table, newest):
            raise corrupt(place, f"a value in {table.name}.{column} is damaged")


def corrupt(place: str, cause: str) -> LedgerUnusable:
    """The ledger is there, and damaged."""
    return LedgerUnusable(f"The ledger {place} is corrupt ({cause}).", next_step=RESTORE)


def foreign(place: str) -> LedgerUnusable:
    """The file is a database of another program."""
    return LedgerUnusable(f"{place} is not a ledger: it is a database of another program.", next_step=_ELSEWHERE)


def _tables(connection: Connection) -> set[str]:
    named = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    return set(connection.exec_driver_sql(named).scalars())


def _wrong(connection: Connection, table: sa.Table, newest: int | None) -> Iterator[str]:
    """The columns of a table that have a value which is not of their type."""
    bound = "" if newest is None else f" ORDER BY rowid DESC LIMIT {newest:d}"
    rows = f"(SELECT * FROM {table.name}{bound})"  # noqa: S608 - our own schema's names
    conditions = {column.name: _condition(column) for column in table.columns}
    sums = ", ".join(f"sum({condition})" for condition in conditions.values())
    counts = connection.exec_driver_sql(f"SELECT {sums} FROM {rows}").one()  # noqa: S608 - likewise
    yield from (name for name, count in zip(conditions, counts, strict=True) if count)
    texts = [column.name for column in table.columns if isinstance(column.type, sa.Text)]
    if texts:
        cast = ", ".join(f"CAST({_quoted(name)} AS BLOB)" for name in texts)
        found = connection.exec_driver_sql(f"SELECT {cast} FROM {rows}")  # noqa: S608 - likewise
        for chunk in found.partitions(_CHUNK):
            for row in chunk:
                yield from (name for name, value in zip(texts, row, strict=True) if not _is_text(value))


def _condition(column: sa.Column[Any]) -> str:
    """SQL that is true of a value which is not of the column's type."""
    name = _quoted(column.name)
    text = isinstance(column.type, sa.Text)
    kinds = ["text"] if text else ["real", "integer"] if isinstance(column.type, sa.Float) else ["integer"]
    known = ", ".join(f"'{kind}'" for kind in (*kinds, *(["null"] if column.nullable else [])))
    wrong = f"typeof({name}) NOT IN ({known})"
    return f"{wrong} OR ({name} IS NOT NULL AND NOT json_valid({name}))" if column.name in _JSON else wrong


def _quoted(name: str) -> str:
    return f'"{name}"'


def _is_text(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
