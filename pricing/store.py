"""The database under the ledger: SQLite in WAL mode or Postgres by URL, its transactions and its migrations."""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from pricing import schema
from pricing.errors import LedgerBusy, LedgerError, LedgerUnusable
from pricing.locks import file_lock

T = TypeVar("T")
_Work = Callable[[Connection], Any]

BUSY_SECONDS = 30
"""How long a transaction waits for somebody else's before it gives up."""
_BATCH = 64
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
        self._one_writer = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[_Work, Future[Any]] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction that writes; committed at the end, rolled back on an error.

        Every commit survives the death of the process. ``durable`` ones survive a power cut too (SQLite's
        ``synchronous=FULL``; Postgres always does); they also make durable whatever was committed before them.
        """
        with self._translated(), self._turn_to_write(), self._connect() as connection:
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

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run ``work`` in a write transaction on the store's own thread; the future is done once it is committed.

        Work that waits at the same time shares one transaction, so ``work`` must do nothing but use its connection:
        when one of them fails, the others are run again without it.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # what was submitted is written, whoever stops waiting for it
        with self._opening:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_submitted, name="farebox-ledger", daemon=True)
                self._writer.start()
        self._queue.put((work, future))
        return future

    @property
    def place(self) -> str:
        """Where the database is, for people: a path, or a URL without its password."""
        return str(self._path()) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Finish what was submitted and close every connection."""
        with self._opening:
            writer, self._writer = self._writer, None
        if writer is not None:
            self._queue.put(None)
            writer.join()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _write_submitted(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < _BATCH and batch[-1] is not None:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            wanted = [item for item in batch if item is not None]
            if wanted and not self._commit(wanted):
                for item in wanted:
                    self._commit([item])
            if batch[-1] is None:
                return

    def _commit(self, batch: list[tuple[_Work, Future[Any]]]) -> bool:
        """Whether the batch was dealt with: committed, or its only work failed and its future says so."""
        try:
            with self.write() as connection:
                results = [work(connection) for work, _ in batch]
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the future
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            return len(batch) == 1
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
        return True

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """SQLite lets writers starve each other; a lock on a file in front of it queues them."""
        if not self.is_sqlite:
            yield
            return
        self._opened()  # which makes its folder
        path = self._path()
        with self._one_writer, file_lock(path.with_name(path.name + ".lock")):
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
            raise _explain(str(error.orig).strip().splitlines()[0], self.place, error) from None


_ELSEWHERE = "Make its folder writable, or point FAREBOX_HOME at another one."


def _explain(cause: str, place: str, error: DBAPIError) -> LedgerError:
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
    if isinstance(error, OperationalError) and not isinstance(error.orig, sqlite3.Error):
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
