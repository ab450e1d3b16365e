"""Constraints on columns of money: whole nano-dollars within bounds, for every writer.

SQLite stores an integer that grows beyond 64 bits as a REAL, and Postgres refuses it, which stops every later run. With
these bounds the sums that statements make stay within 64 bits: of eight amounts of state, of 8,192 attempts.

SQLite cannot add a constraint to a table that exists; triggers do the same without a copy of every row.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

MOST: Final = 2**60
"""Of an amount of state, of a run or of a settlement: 1.15 billion dollars."""
MOST_OF_ONE: Final = 2**50
"""Of a single attempt, turn, or guard's decision: 1.1 million dollars."""
_SINGLE: Final = frozenset({"attempts", "adjustments", "inflight", "turns", "guard_decisions", "calibration_scores"})
_STATE: Final = ("budgets", "holds", "inflight", "questions", "budget_settings")


def money_columns(connection: Connection) -> dict[str, list[str]]:
    """The columns of each table that end in ``_nano``."""
    if connection.dialect.name == "sqlite":
        query = (
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c "
            "WHERE t.type = 'table' AND c.name LIKE '%\\_nano' ESCAPE '\\' ORDER BY 1, 2"
        )
    else:
        query = (
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND column_name LIKE '%\\_nano' ORDER BY 1, 2"
        )
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(sa.text(query)):
        found.setdefault(table, []).append(column)
    return found


def constrain(connection: Connection) -> None:
    """Put the constraints on every column of money, replacing those that exist: call it in any migration that
    adds such a column.

    Amounts of state that an earlier version let grow beyond the bounds are brought to a quarter of them, so that what
    is under way can be added: they would stop every run. Facts stay as they are.
    """
    for table, columns in money_columns(connection).items():
        most = MOST_OF_ONE if table in _SINGLE else MOST
        if connection.dialect.name == "sqlite":
            _constrain_sqlite(connection, table, columns, most)
        else:
            _constrain_postgres(connection, table, columns, most)


def _constrain_sqlite(connection: Connection, table: str, columns: list[str], most: int) -> None:
    repaired = most // 4
    for event in ("insert", "update"):
        connection.execute(sa.text(f"DROP TRIGGER IF EXISTS money_{table}_{event}"))
    for name in columns if table in _STATE else ():
        connection.execute(
            sa.text(
                f"UPDATE {table} SET {name} = max(-{repaired}, min({repaired}, CAST({name} AS INTEGER))) "  # noqa: S608 - ours
                f"WHERE {name} IS NOT NULL AND (typeof({name}) <> 'integer' OR {name} NOT BETWEEN -{most} AND {most})"
            )
        )
    wrong = " OR ".join(
        f"(NEW.{name} IS NOT NULL AND (typeof(NEW.{name}) <> 'integer' OR NEW.{name} NOT BETWEEN -{most} AND {most}))"
        for name in columns
    )
    for event, when in (("insert", "INSERT"), ("update", f"UPDATE OF {', '.join(columns)}")):
        connection.execute(
            sa.text(
                f"CREATE TRIGGER money_{table}_{event} BEFORE {when} ON {table} WHEN {wrong} "
                f"BEGIN SELECT RAISE(ABORT, 'money out of bounds in {table}'); END"
            )
        )


def _constrain_postgres(connection: Connection, table: str, columns: list[str], most: int) -> None:
    """``NOT VALID``: facts of earlier versions stay as they are, and no table is read for it."""
    repaired = most // 4
    connection.execute(sa.text(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS money_{table}"))
    for name in columns if table in _STATE else ():
        connection.execute(
            sa.text(
                f"UPDATE {table} SET {name} = greatest(-{repaired}, least({repaired}, {name})) "  # noqa: S608 - our own names
                f"WHERE {name} NOT BETWEEN -{most} AND {most}"
            )
        )
    fits = " AND ".join(f"{name} BETWEEN -{most} AND {most}" for name in columns)
    connection.execute(sa.text(f"ALTER TABLE {table} ADD CONSTRAINT money_{table} CHECK ({fits}) NOT VALID"))
