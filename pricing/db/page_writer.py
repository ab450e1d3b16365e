"""Who writes pages of one statement to Postgres."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from psycopg import Error, InterfaceError, OperationalError, ProgrammingError
from psycopg.errors import DivisionByZero, LockNotAvailable
from psycopg.types.numeric import Int8BinaryDumper
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from pricing.db.page_statement import MARK_PREFIX, PageMark, PageStatement


class PageWriter:
    """One connection, kept, for a thread that writes pages.

    Args:
        engine: opens the connection.
        lost: what a page gave whose reply was lost, ``None`` if it was not committed, and never will be.
    """

    def __init__(self, engine: Engine, lost: Callable[[PageStatement, PageMark], list[Any] | None]) -> None:
        self._engine = engine
        self._lost = lost
        self._connection: Any = None
        self._cursor: Any = None
        self._mark = PageMark("", "", "")
        self._count = 0

    def write(self, page: PageStatement) -> list[Any] | None:
        """The results of its entries once they are committed, ``None`` if nothing of it is.

        Raises:
            LockNotAvailable: the rows stayed locked; nothing was written.
            LedgerError: whether it was written cannot be asked.
        """
        if self._connection is None and not self._opened():
            return None
        mark = self._next_mark()
        try:
            of_mark = {"key": mark.key, "before": mark.before, "after": mark.after}
            self._cursor.execute(page.text, {**page.values, **of_mark})
            row = self._cursor.fetchone()
        except LockNotAvailable:
            raise
        except Error as error:
            lost = self._connection.closed or isinstance(error, OperationalError | InterfaceError)
            # A mark that is gone gives the former; a prepared statement that is, as behind a pooler, the latter.
            if lost or isinstance(error, DivisionByZero | ProgrammingError):
                self.close()
            return self._lost(page, mark) if lost else None
        except BaseException:  # what became of the page is not known
            self.close()
            raise
        if row is None:
            return None
        self._mark = mark
        return page.results(row)

    def close(self) -> None:
        """Close the connection; the next page opens another."""
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            connection.close()

    def _opened(self) -> bool:
        """Whether there is a connection now: if not, who writes the page otherwise says why."""
        try:
            self._open()
        except (Error, DBAPIError):
            return False
        return True

    def _open(self) -> None:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        try:
            connection.autocommit = True  # a statement is a transaction
            # One type for all numbers, so that there is one plan; and the same plan from the first page on.
            connection.adapters.register_dumper(int, Int8BinaryDumper)
            connection.execute("SET plan_cache_mode = force_generic_plan")
            key, value = f"{MARK_PREFIX}{uuid.uuid4().hex}", self._value()
            connection.execute("INSERT INTO meta (key, value) VALUES (%s, %s)", (key, value))
        except BaseException:
            connection.close()
            raise
        self._connection, self._cursor, self._mark = connection, connection.cursor(), PageMark(key, value, value)

    def _next_mark(self) -> PageMark:
        self._count += 1
        return PageMark(self._mark.key, self._mark.after, self._value())

    def _value(self) -> str:
        return f"{time.time():.0f} {self._count}"
