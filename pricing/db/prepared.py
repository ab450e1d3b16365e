"""Statements that every turn executes: written once in SQLAlchemy's words, run on the driver's own cursor.

SQLAlchemy compiles them for the database at hand, so that they say the same on SQLite and on Postgres. What it does
around each execution (keys of its cache, binding, result objects) takes several times as long as the execution does.
Those that do not wait for each other's results go to a server together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

Values: TypeAlias = dict[str, Any]


def one_trip(connection: Connection) -> AbstractContextManager[object]:
    """What is run inside goes to a server in one go; cursors know their rows, and errors are raised, once it ends."""
    if connection.dialect.name == "sqlite":
        return nullcontext()
    driver: Any = connection.connection.driver_connection
    pipeline: AbstractContextManager[object] = driver.pipeline()
    return pipeline


class Savepoint:
    """The rest of a transaction up to :meth:`release`, which can be undone by itself.

    An error needs nothing of it: the transaction is rolled back as a whole.
    """

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.connection.cursor()
        self._cursor.execute("SAVEPOINT part")

    def roll_back(self) -> None:
        """Undo what was done since, and release it."""
        self._cursor.execute("ROLLBACK TO SAVEPOINT part")
        self.release()

    def release(self) -> None:
        """Keep what was done since as part of the transaction."""
        self._cursor.execute("RELEASE SAVEPOINT part")


class PreparedStatement:
    """One statement.

    Args:
        statement: an insert without values, or another whose parameters are ``bindparam``.
        columns: of an insert, those that are given.
    """

    def __init__(
        self, statement: sa.Insert | sa.Update | sa.Delete | sa.Select[Any], columns: Sequence[str] = ()
    ) -> None:
        self._statement = statement.inline() if isinstance(statement, sa.Insert) else statement
        self._columns = list(columns) or None
        self._compiled: dict[str, tuple[str, Callable[[Values], Any]]] = {}

    def run(self, connection: Connection, values: Values) -> Any:
        """Execute it; the driver's cursor, for its row count or its rows."""
        text, bind = self._for(connection)
        cursor = connection.connection.cursor()
        cursor.execute(text, bind(values))
        return cursor

    def run_all(self, connection: Connection, values: Sequence[Values]) -> Any:
        """Execute it for each of several; the driver's cursor, for how many rows it concerned in all."""
        text, bind = self._for(connection)
        cursor = connection.connection.cursor()
        if len(values) == 1:
            cursor.execute(text, bind(values[0]))
        else:
            cursor.executemany(text, list(map(bind, values)))
        return cursor

    def _for(self, connection: Connection) -> tuple[str, Callable[[Values], Any]]:
        name = connection.dialect.name
        if name not in self._compiled:
            self._compiled[name] = self._compile(connection.dialect)
        return self._compiled[name]

    def _compile(self, dialect: sa.Dialect) -> tuple[str, Callable[[Values], Any]]:
        make: Any = type(dialect)
        positional = make(paramstyle="qmark" if dialect.name == "sqlite" else "format")
        compiled = self._statement.compile(dialect=positional, column_keys=self._columns)
        names = compiled.positiontup or []
        fixed = {name: compiled.binds[name].value for name in names if not compiled.binds[name].required}
        pick: Callable[[Values], Any] = itemgetter(*names) if len(names) > 1 else lambda of: tuple(of[n] for n in names)
        return str(compiled), (lambda values: pick(fixed | values)) if fixed else pick
