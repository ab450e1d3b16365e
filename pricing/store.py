"""The database under the ledger: SQLite in WAL mode or Postgres by URL, its transactions and its migrations."""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pricing import schema
from pricing.at_once import AtOnce, WouldWait
from pricing.errors import LedgerBusy, LedgerError, LedgerUnusable
from pricing.locks import Gate, file_lock
from pricing.writer import Writer
from pricing.written import Written

T = TypeVar("T")

BUSY_SECONDS = 30
"""How long a transaction waits for somebody else's before it gives up."""
_MIGRATION_LOCK = 0x666172  # any number, the same in every process


class Store:
    """One database, opened lazily and migrated when first used.

    Args:
        url: ``sqlite:///path/to/ledger.db`` or ``postgresql://…``.

    Raises:
        LedgerUnusable: it cannot be opened, is corrupt, or was written by a newer version of Farebox.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        path = self._path()
        self._gate = Gate(path.with_name(path.name + ".lock"))
        self._at_once: AtOnce | None = None
        self._writer = Writer(self.write, self._commit_at_once if self.is_sqlite else None)

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction that writes; committed at the end, rolled back on an error.

        Every commit survives the death of the process. ``durable`` ones survive a power cut too (SQLite's
        ``synchronous=FULL``; Postgres always does); they also make durable whatever was committed before them.
        """
        with self._translated(), self._turn_to_write(), self._connect() as connection:
            connection.begin()  # SQLAlchemy's own account; what is run on the driver's cursor does not begin it
            if self.is_sqlite:
                _synchronize(connection, "FULL" if durable else "NORMAL")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state."""
        with self._translated(), self._connect() as connection:
            connection.exec_driver_sql("BEGIN" if self.is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield connection
            connection.rollback()

    def submit(self, work: Callable[[Connection], T]) -> Written[T]:
        """Run ``work`` in a write transaction that it may share; done once it is committed.

        It must do nothing but use its connection: when one of several fails, the others are run again without it.
        """
        return self._writer.submit(work)

    @property
    def place(self) -> str:
        """Where the database is, for people: a path, or a URL without its password."""
        return str(self._path()) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Finish what was submitted and close every connection."""
        self._writer.close()
        if self._at_once is not None:
            self._at_once.close()
            self._at_once = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        self._gate.close()

    def _commit_at_once(self, work: Callable[[Connection], T]) -> T:
        """Without waiting for anybody: neither for another writer nor for the database to be opened."""
        if self._at_once is None:
            if self._engine is None:
                raise WouldWait
            self._at_once = AtOnce(self._engine, self._gate, lambda: self._writer.call(self._checkpoint))
        return self._at_once.commit(work)

    def _checkpoint(self) -> None:
        """Copy the log into the database while nobody writes, so that no turn has to."""
        with suppress(LedgerError), self._translated(), self._turn_to_write(), self._connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")  # failed, it is due again soon

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """SQLite lets writers starve each other; a lock on a file in front of it queues them."""
        if not self.is_sqlite:
            yield
            return
        self._opened()  # which makes its folder
        with self._gate:
            yield

    def _path(self) -> Path:
        return Path(self.url.database or "ledger.db")

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._opened().connect() as connection:
            yield connection

    def _opened(self) -> Engine:
        if self._engine is None:
            with self._opening:
                if self._engine is None:
                    self._engine = self._open()
        return self._engine

    def _open(self) -> Engine:
        if not self.is_sqlite:
            engine = sa.create_engine(self.url, pool_size=8, max_overflow=24, pool_pre_ping=True)
        else:
            path = self._path()
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not os.access(path, os.W_OK):
                raise LedgerUnusable(f"The ledger {path} is read-only.", next_step=_ELSEWHERE)
            engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None})
            sa.event.listen(engine, "connect", _prepare_sqlite)
        self._prepare(engine)
        return engine

    def _prepare(self, engine: Engine) -> None:
        """Bring the tables to this version's."""
        with engine.connect() as connection:
            found = _version(connection)
        if found != schema.VERSION:
            self._migrate(engine, found)

    def _migrate(self, engine: Engine, found: str | None) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise LedgerUnusable(
                f"The ledger was written by a newer version of Farebox (its schema is {found}, ours {schema.VERSION}).",
                next_step="Update this copy of Farebox, or point FAREBOX_HOME at another folder.",
            )
        path = self._path()
        lock = file_lock(path.with_name(path.name + ".migrate")) if self.is_sqlite else nullcontext()
        with lock, engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            if _version(connection) != schema.VERSION:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                if found is None:
                    connection.execute(schema.meta.insert().values(key="epoch", value=uuid.uuid4().hex))
            connection.commit()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerUnusable(
                f"The ledger {self.place} cannot be opened ({error.strerror}).", next_step=_ELSEWHERE
            ) from None
        except DBAPIError as error:
            raise _explain(error.orig or error, self.place) from None
        except Exception as error:
            if self._engine is None or not isinstance(error, self._engine.dialect.loaded_dbapi.Error):
                raise
            raise _explain(error, self.place) from None  # of a statement that was run on the driver's cursor


_ELSEWHERE = "Make its folder writable, or point FAREBOX_HOME at another one."


def _explain(fault: BaseException, place: str) -> LedgerError:
    cause = next(iter(str(fault).strip().splitlines()), type(fault).__name__)
    if "locked" in cause or "timeout" in cause:
        return LedgerBusy(
            f"The ledger {place} stayed locked by another process for {BUSY_SECONDS} s.",
            next_step="Close whatever holds it open (a database browser, a backup) and run again.",
        )
    if "malformed" in cause or "not a database" in cause or "disk image" in cause:
        return LedgerUnusable(
            f"The ledger {place} is corrupt ({cause}).",
            next_step="Move it aside and run again; restore it from a backup to keep its history.",
        )
    if "readonly" in cause or "unable to open" in cause or "disk I/O" in cause or "full" in cause:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_ELSEWHERE)
    unreachable = any(kind.__name__ == "OperationalError" for kind in type(fault).__mro__)
    if unreachable and not isinstance(fault, sqlite3.Error):
        return LedgerBusy(f"The ledger {place} cannot be reached ({cause}).", next_step="Check that its server runs.")
    return LedgerError(f"The ledger {place} refused a statement ({cause}).")


def _synchronize(connection: Connection, level: str) -> None:
    """How durable the connection's commits are; asked of SQLite only when it changes."""
    if connection.info.get("synchronous") != level:
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
        connection.info["synchronous"] = level


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
