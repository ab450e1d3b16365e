"""Commits without waiting: SQLite on the caller's own thread, while nobody else writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.engine import Connection, Engine

from pricing.locks import Gate

T = TypeVar("T")

_LAST_WAIT = 5.0
_CHECKPOINT_AFTER = 1_000
"""Transactions; about the megabytes of log after which SQLite itself would."""


class WouldWait(Exception):
    """Somebody else is writing."""


class AtOnce:
    """One connection, kept, on which transactions are committed that wait for nobody.

    A commit neither waits for another process (``busy_timeout`` 0) nor for the disk: the log is copied into the
    database, and synchronised, by whoever calls :meth:`checkpoint`. It survives the death of the process, as every
    commit does; the next one that is ``durable`` makes it survive a power cut too.

    Args:
        engine: of the database.
        gate: in front of its write transactions.
        overdue: told that a checkpoint is due.
    """

    def __init__(self, engine: Engine, gate: Gate, overdue: Callable[[], object]) -> None:
        self._engine = engine
        self._gate = gate
        self._overdue = overdue
        self._connection: Connection | None = None
        self._since = 0

    def commit(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` gives, once it is committed.

        Raises:
            WouldWait: nothing was done; also whatever the work raises, rolled back.
        """
        if not self._gate.enter():
            raise WouldWait
        try:
            connection = self._connection or self._open()
            driver: Any = connection.connection.dbapi_connection
            try:
                driver.execute("BEGIN IMMEDIATE")
                result = work(connection)
                if connection.in_transaction():  # it used SQLAlchemy, which keeps account
                    connection.commit()
                else:
                    driver.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise
        finally:
            self._gate.leave()
        self._since += 1
        if self._since >= _CHECKPOINT_AFTER:
            self._since = 0
            self._overdue()
        return result

    def close(self) -> None:
        """Close the connection, once whoever uses it is done."""
        held = self._gate.enter(_LAST_WAIT)
        self._drop()
        if held:
            self._gate.leave()

    def _open(self) -> Connection:
        connection = self._connection = self._engine.connect()
        for setting in ("synchronous=NORMAL", "busy_timeout=0", "wal_autocheckpoint=0"):  # whatever it had before
            connection.exec_driver_sql(f"PRAGMA {setting}")
        connection.rollback()  # SQLAlchemy's account of a transaction that these began
        return connection

    def _roll_back(self, connection: Connection) -> None:
        """Undo what was begun; a connection that cannot do that is forgotten."""
        try:
            connection.rollback()
            connection.connection.rollback()
        except self._engine.dialect.loaded_dbapi.Error:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
