"""Ledgers of this version without running every migration for each: a copy of what the migrations made once.

Most tests begin with a ledger of their own, and the migrations took more CPU than many tests do. Those about migrations
ask for ``migrated_for_real``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import database

_really = database.upgrade
_statements: list[tuple[str, list[Sequence[Any]]]] = []
"""What makes an empty SQLite database a ledger: a statement, and the rows it takes."""


def _upgraded(connection: Connection) -> None:
    if connection.dialect.name != "sqlite" or _objects(connection):
        _really(connection)
    elif _statements:
        for statement, rows in _statements:
            for row in rows or [()]:
                connection.exec_driver_sql(statement, tuple(row))
    else:
        _really(connection)
        _statements[:] = _as_statements(connection)


def _objects(connection: Connection) -> Sequence[Any]:
    """Tables first, then what stands on them; SQLite makes its own tables itself."""
    listed = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    return connection.exec_driver_sql(f"{listed} ORDER BY type <> 'table', rowid").all()


def _as_statements(connection: Connection) -> list[tuple[str, list[Sequence[Any]]]]:
    made: list[tuple[str, list[Sequence[Any]]]] = []
    for kind, name, sql in _objects(connection):
        made.append((sql, []))
        if kind == "table" and (rows := connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()):
            made.append(
                (f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(rows[0]))})', [tuple(row) for row in rows])
            )
    return made


def copy_migrations() -> None:
    """From here on, new SQLite ledgers of this process are copies of its first one."""
    database.upgrade = _upgraded


@contextmanager
def migrated_for_real() -> Iterator[None]:
    """Within this, a new ledger is made by its migrations."""
    with patch.object(database, "upgrade", _really):
        yield


def new_epoch(url: str, epoch: str) -> None:
    """Let a copied ledger be one of its own: it is by this that replicas differ."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE meta SET value = :epoch WHERE key = 'epoch'"), {"epoch": epoch})
    engine.dispose()
