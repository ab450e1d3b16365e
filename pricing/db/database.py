"""The database under the ledger: SQLite in WAL mode or Postgres by URL, its transactions, migrations and errors."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from pricing.db import journal_table, ledger_file, schema
from pricing.db.file_lock import InterprocessLock, acquire_file_lock
from pricing.db.forks import abandon, after_fork
from pricing.db.inherited_locks import lock_again
from pricing.db.ledger_state import LedgerState, ledger_state, release_closed_ledgers
from pricing.db.page_statement import MARK_PREFIX, PageMark, PageStatement
from pricing.db.prepared import PreparedStatement, one_trip
from pricing.db.upsert import insert_into
from pricing.db.write_queue import InlineWriter, PendingWrite, WouldWait, Writer
from pricing.errors import LedgerAway, LedgerBusy, LedgerError, LedgerUnusable

if TYPE_CHECKING:
    from alembic.config import Config

    from pricing.db.page_writer import PageWriter  # it loads Postgres' driver

_ELSEWHERE = "Make its folder writable, or point FAREBOX_HOME at another one."
_FREE_SPACE = "Free space on its disk and run again: what was written before is safe."
_HOLDER = "Close whatever holds it open (a database browser, a backup) and run again."
_BEYOND = "Nothing of it was written. Check the rates in farebox.toml and the plan's counts of calls and tokens."
_BY_STATE = {
    "53100": _FREE_SPACE,
    "25006": "Point ledger_url at the server that takes writes.",
    "28P01": "Check the user and the password in ledger_url.",
    "28000": "Check the user and the password in ledger_url.",
    "3D000": "Create the database, or check ledger_url.",
}
"""Postgres' SQLSTATEs that waiting does not fix, each with its remedy."""
_DAMAGE = (
    *("malformed", "not a database", "disk image", "unsupported file format", "file is encrypted"),
    *("no such table", "no such column", "already exists", "Could not decode", "datatype mismatch"),
)
"""What SQLite says of a file that is not what this version of Farebox wrote."""
_LONGEST_CAUSE = 120
_FEWER = "Start fewer runs at once in one process."
_LOOK = "Run `farebox doctor`: it looks whether the ledger is whole."
_REFUSED = ("authentication failed", "does not exist", "no password supplied")
"""What a connection that was refused for good says: there is no SQLSTATE yet."""


def is_of_the_data(fault: BaseException) -> bool:
    """Whether an error is about the rows that were worked on: waiting, or another try, would not help.

    An error of the database itself (busy, away, full, corrupt) concerns every transaction, and is not.
    """
    fault = getattr(fault, "orig", None) or fault
    kinds = {kind.__name__ for kind in type(fault).__mro__}
    if kinds & {"IntegrityError", "DataError"}:
        return True
    return isinstance(fault, ValueError | LookupError | TypeError | ArithmeticError | NoResultFound)


def locked(place: str, seconds: float) -> LedgerBusy:
    """Somebody else keeps the ledger locked."""
    return LedgerBusy(f"The ledger {place} stayed locked by another process for {seconds:g} s.", next_step=_HOLDER)


def crowded(place: str, seconds: float) -> LedgerBusy:
    """Other threads of this process have all connections."""
    return LedgerBusy(f"All connections to the ledger {place} stayed in use for {seconds:g} s.", next_step=_FEWER)


def unopened(error: OSError, place: str) -> LedgerUnusable:
    """The ledger's folder or its lock cannot be used."""
    if error.errno in {errno.EISDIR, errno.EINVAL}:
        next_step = "Move it aside, or point FAREBOX_HOME at another folder."
    else:
        next_step = _FREE_SPACE if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} else _ELSEWHERE
    return LedgerUnusable(f"The ledger {place} cannot be opened ({error.strerror}).", next_step=next_step)


def beyond(place: str) -> LedgerError:
    """An amount that no run has, such as one of more than a billion dollars."""
    return LedgerError(f"The ledger {place} refused an amount that is out of bounds.", next_step=_BEYOND)


def explain(fault: BaseException, place: str, seconds: float) -> LedgerError:
    """The error of ours for one of the driver's; ``seconds`` is how long a lock was waited for."""
    cause = next(iter(str(fault).strip().splitlines()), type(fault).__name__)
    if "money out of bounds" in cause or '"money_' in cause or "bigint out of range" in cause:
        return beyond(place)
    if isinstance(fault, sqlite3.Error):
        return _of_sqlite(cause, place, seconds)
    return _of_postgres(fault, cause, place, seconds)


def _of_sqlite(cause: str, place: str, seconds: float) -> LedgerError:
    if "locked" in cause:
        return locked(place, seconds)
    if any(words in cause for words in _DAMAGE):
        return ledger_file.corrupt(place, cause.partition(" with text ")[0][:_LONGEST_CAUSE])
    if "full" in cause:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_FREE_SPACE)
    if "readonly" in cause or "unable to open" in cause or "disk I/O" in cause:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_ELSEWHERE)
    return LedgerError(f"The ledger {place} refused a statement ({cause}).", next_step=_LOOK)


def _of_postgres(fault: BaseException, cause: str, place: str, seconds: float) -> LedgerError:
    state = getattr(fault, "sqlstate", None)
    if "lock timeout" in cause:
        return locked(place, seconds)
    if state in _BY_STATE:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_BY_STATE[state])
    if any(kind.__name__ == "OperationalError" for kind in type(fault).__mro__):
        if any(words in cause for words in _REFUSED):
            return LedgerUnusable(f"The ledger {place} cannot be opened ({cause}).", next_step="Check ledger_url.")
        return LedgerAway(f"The ledger {place} cannot be reached ({cause}).", next_step="Check that its server runs.")
    return LedgerError(f"The ledger {place} refused a statement ({cause}).", next_step=_LOOK)


T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a transaction waits for somebody else's, or for a server that is being restarted, before it gives up."""
_AGAIN_SECONDS = 0.1
"""Between two looks whether the server is back."""
_REACH_SECONDS = 10
"""For a server to answer at all."""
_POOL = {"pool_size": 8, "max_overflow": 24}
_READERS = 16
"""Threads that read at a time: half of the pool. A thread writes while it reads, as admissions do; were all connections
those of readers, each would wait for another one's.
"""
_MARKS_LAST = 86_400
"""Seconds for which the mark of a thread that is gone is kept."""
_MIGRATION_LOCK = 0x666172  # any number, the same in every process


class _Migrations:
    """Alembic keeps what it migrates in one place per process: ledgers of two threads would be taken for each other."""

    def __init__(self) -> None:
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        """In a forked child: the thread that held the lock is not here."""
        self.lock = threading.Lock()


_migrations = _Migrations()


def _migrations_here() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(connection: Connection) -> None:
    """Run the migrations that a database has not had, within the connection's transaction."""
    from alembic import command

    config = _migrations_here()
    config.attributes["connection"] = connection
    with _migrations.lock:
        command.upgrade(config, "head")


@dataclass(slots=True)
class _Mark:
    """By which a transaction is known to be committed. Its number would not do: what a server had not yet written down
    when it died, it gives to others afterwards.
    """

    key: str
    value: str
    left: bool = False

    def leave(self, connection: Connection) -> None:
        """Leave it in the transaction."""
        self.left = True
        _leave_mark().run(connection, {"key": self.key, "value": self.value})


@cache
def _leave_mark() -> PreparedStatement:
    insert = insert_into("postgresql", schema.meta)
    update = insert.on_conflict_do_update(index_elements=["key"], set_={"value": insert.excluded.value})
    return PreparedStatement(update, ["key", "value"])


class Store:
    """One database, opened lazily and migrated when first used.

    Args:
        url: ``sqlite:///path/to/ledger.db`` or ``postgresql://…``.
        busy_seconds: how long a transaction waits for somebody else's, or for a server that is being restarted.

    Raises:
        LedgerUnusable: it cannot be opened, is corrupt, or was written by a newer version of Farebox.
    """

    keeps_journal = True
    """Whether the journals of runs lie beside it."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._busy_seconds = busy_seconds
        self.url = sa.make_url(url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._readers = threading.BoundedSemaphore(_READERS)
        path = self._path()
        self._gate = InterprocessLock(path.with_name(path.name + ".lock"))
        self._at_once: InlineWriter | None = None
        self._pages: PageWriter | None = None
        self._own = threading.local()
        self._inherits = False
        after_fork(self._forked)
        self._writer = (
            Writer(self.transact, self._commit_at_once)
            if self.is_sqlite
            else Writer(self.transact, None, self._write_page)
        )
        self._reading = threading.local()

    @contextmanager
    def write(self, *, durable: bool = False, mark: _Mark | None = None) -> Iterator[Connection]:
        """A transaction that writes; committed at the end, rolled back on an error.

        Every commit survives the death of the process. ``durable`` ones survive a power cut too (SQLite's
        ``synchronous=FULL``; Postgres always does); they also make durable whatever was committed before them.
        On Postgres it leaves its ``mark``, if it has one.
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
            with one_trip(connection):
                if mark is not None and not self.is_sqlite:
                    mark.leave(connection)
                connection.commit()

    def transact(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run ``work`` in a write transaction, and again when the server goes away under it: exactly once in the end.

        Whether a commit that was never answered came through is asked of the server, once it is back.
        """
        deadline = time.monotonic() + self._busy_seconds
        while True:
            mark = self._new_mark()
            try:
                with self.write(durable=durable, mark=mark) as connection:
                    result = work(connection)
            except LedgerAway:
                if mark.left and self._bears(mark, deadline):
                    return result
                if time.monotonic() >= deadline:
                    raise
            else:
                return result

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state. Inside another one of the same thread, that one goes on: it
        saves a server the round trips, and what is read belongs together.
        """
        if (outer := getattr(self._reading, "connection", None)) is not None:
            yield outer
            return
        with self._translated(), self._turn_to_read(), self._connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:  # said by the driver's BEGIN, which goes before the first statement
                connection.execution_options(isolation_level="REPEATABLE READ")
            self._reading.connection = connection
            try:
                yield connection
            finally:
                self._reading.connection = None
            connection.rollback()

    def submit(self, work: Callable[[Connection], T]) -> PendingWrite[T]:
        """Run ``work`` in a write transaction that it may share; done once it is committed.

        It must do nothing but use its connection: when one of several fails, the others are run again without it.
        """
        return self._writer.submit(work)

    def state(self) -> LedgerState | None:
        """The state of a SQLite ledger, read without opening it; ``None`` if that is not possible, and inside a
        transaction that reads, whose state may be an older one.
        """
        reads = getattr(self._reading, "connection", None) is not None
        return None if reads or not self.is_sqlite else ledger_state(self._path())

    @property
    def place(self) -> str:
        """Where the database is, for people: a path, or a URL without its password."""
        return str(self._path()) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    def damage(self) -> LedgerError | None:
        """What is wrong with values of a SQLite ledger, if anything is: a fault that nobody foresaw may come of it."""
        if not self.is_sqlite or not self._path().exists():
            return None
        try:
            with self.read() as connection:
                ledger_file.check_values(connection, self.place)
        except LedgerError as error:
            return error
        return None

    def close(self) -> None:
        """Finish what was submitted and close every connection."""
        self._writer.close()
        if self._at_once is not None:
            self._at_once.close()
            self._at_once = None
        if self._pages is not None:
            self._pages.close()
            self._pages = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        release_closed_ledgers()
        self._gate.close()

    def _forked(self) -> None:
        """In a forked child: connections are the parent's, be it to close them; the threads that held locks too."""
        self._inherits = self._inherits or self._engine is not None
        if self._inherits and self.is_sqlite:
            lock_again(self._path())
            if self.keeps_journal:
                lock_again(self._path().with_name(journal_table.FILE))
        abandon((self._engine, self._at_once, self._pages, self._reading, self._own))
        self._engine = self._at_once = self._pages = None
        self._opening = threading.Lock()
        self._readers = threading.BoundedSemaphore(_READERS)
        self._own, self._reading = threading.local(), threading.local()

    def _commit_at_once(self, work: Callable[[Connection], T]) -> T:
        """Without waiting for anybody: neither for another writer nor for the database to be opened."""
        if self._at_once is None:
            if self._engine is None:
                raise WouldWait
            self._at_once = InlineWriter(self._engine, self._gate, lambda: self._writer.call(self._checkpoint))
        return self._at_once.commit(work)

    def _write_page(self, page: PageStatement) -> list[Any] | None:
        """On the writer's thread."""
        with self._translated():
            if self._pages is None:
                from pricing.db.page_writer import PageWriter

                self._pages = PageWriter(self._opened(), self._lost_page)
            return self._pages.write(page)

    def _lost_page(self, page: PageStatement, mark: PageMark) -> list[Any] | None:
        """What a page gave whose reply was lost; waits for it if the server is not yet done. ``None`` if it was not
        committed: its mark is then taken away, so that a server that comes to it later does not commit it.
        """
        table = schema.meta.c

        def look(connection: Connection) -> list[Any] | None:
            found = sa.select(table.value).where(table.key == mark.key).with_for_update()
            if connection.execute(found).scalar_one_or_none() == mark.after:
                return page.results(page.reread(connection))
            connection.execute(sa.delete(schema.meta).where(table.key == mark.key))
            return None

        return self.transact(look)

    def _checkpoint(self) -> None:
        """Copy the log into the database while nobody writes, so that no turn has to."""
        with suppress(LedgerError), self._translated(), self._turn_to_write(), self._connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")  # failed, it is due again soon

    @contextmanager
    def _turn_to_read(self) -> Iterator[None]:
        readers = self._readers  # a forked child has others
        if not readers.acquire(timeout=self._busy_seconds):
            raise crowded(self.place, self._busy_seconds)
        try:
            yield
        finally:
            readers.release()

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """SQLite lets writers starve each other; a lock on a file in front of it queues them."""
        if not self.is_sqlite:
            yield
            return
        self._opened()  # which makes its folder
        with self._reachable():
            held = self._gate.enter(self._busy_seconds)
        if not held:
            raise locked(self.place, self._busy_seconds)
        try:
            yield
        finally:
            self._gate.leave()

    def _path(self) -> Path:
        return Path(self.url.database or "ledger.db")

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """A connection; a server that answered before is waited for while it is being restarted."""
        deadline = time.monotonic() + (0 if self.is_sqlite or self._engine is None else self._busy_seconds)
        while True:
            try:
                with self._translated():
                    connection = self._opened().connect()
                break
            except LedgerAway:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_AGAIN_SECONDS)
        with connection:
            yield connection

    def _new_mark(self) -> _Mark:
        """For one transaction of this thread, in the thread's own row."""
        own = self._own
        own.key = getattr(own, "key", None) or f"{MARK_PREFIX}{uuid.uuid4().hex}"
        own.count = getattr(own, "count", 0) + 1
        return _Mark(own.key, f"{time.time():.0f} {own.count}")

    def _bears(self, mark: _Mark, deadline: float) -> bool:
        """Whether the transaction that left the mark was committed; waits for it if the server is not yet done, and
        asks again if it goes away once more.
        """
        found = sa.select(schema.meta.c.value).where(schema.meta.c.key == mark.key).with_for_update()
        while True:
            try:
                with self.write() as connection:
                    return connection.execute(found).scalar_one_or_none() == mark.value
            except LedgerAway:
                if time.monotonic() >= deadline:
                    raise

    def _opened(self) -> Engine:
        if self._engine is None:
            with self._opening:
                if self._engine is None:
                    self._engine = self._open()
        return self._engine

    def _open(self) -> Engine:
        if not self.is_sqlite:
            patience = {} if "connect_timeout" in self.url.query else {"connect_timeout": _REACH_SECONDS}
            engine = sa.create_engine(self.url, **_POOL, pool_pre_ping=True, connect_args=patience)
            sa.event.listen(engine, "connect", self._prepare_postgres)
        else:
            path = self._path()
            with self._reachable():
                path.parent.mkdir(parents=True, exist_ok=True)
                _check_file(path)
            options = {"timeout": self._busy_seconds, "isolation_level": None}
            engine = sa.create_engine(self.url, **_POOL, poolclass=sa.QueuePool, connect_args=options)
            sa.event.listen(engine, "connect", self._prepare_sqlite)
        try:
            self._prepare(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _prepare(self, engine: Engine) -> None:
        """Bring the tables to this version's."""
        with engine.connect() as connection:
            found = _version(connection)
            if self.is_sqlite and found == schema.VERSION:
                ledger_file.check_whole(connection, self.place)
        if found != schema.VERSION:
            self._migrate(engine, found)
        if not self.is_sqlite:
            _forget_marks(engine)
            with engine.connect() as connection:
                journal_table.create(connection)

    def _migrate(self, engine: Engine, found: str | None) -> None:
        if found is not None:
            self._check_known(engine, found)
        with self._migrating() if self.is_sqlite else nullcontext(), engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            if (now := _version(connection)) != schema.VERSION:
                if self.is_sqlite and now is None:
                    ledger_file.check_new(connection, self.place)
                upgrade(connection)
                if found is None:
                    connection.execute(schema.meta.insert().values(key="epoch", value=uuid.uuid4().hex))
            connection.commit()

    def _check_known(self, engine: Engine, found: str) -> None:
        """Refuse a ledger of a version that has no migration from here on."""
        from alembic.script import ScriptDirectory

        if found in {script.revision for script in ScriptDirectory.from_config(_migrations_here()).walk_revisions()}:
            return
        if self.is_sqlite:
            with engine.connect() as connection:
                ledger_file.check_newer(connection, self.place, found)
        raise LedgerUnusable(
            f"The ledger was written by a newer version of Farebox (its schema is {found}, ours {schema.VERSION}).",
            next_step="Update this copy of Farebox, or point FAREBOX_HOME at another folder.",
        )

    @contextmanager
    def _migrating(self) -> Iterator[None]:
        path = self._path()
        with ExitStack() as stack:
            with self._reachable():
                held = stack.enter_context(
                    acquire_file_lock(path.with_name(path.name + ".migrate"), wait=self._busy_seconds)
                )
            if not held:
                raise locked(self.place, self._busy_seconds)
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise explain(error.orig or error, self.place, self._busy_seconds) from None
        except NoConnectionFree:
            raise crowded(self.place, self._busy_seconds) from None
        except UnicodeDecodeError:  # of SQLite's own message, which quotes a damaged file
            raise ledger_file.corrupt(self.place, "it contains invalid text") from None
        except OverflowError:
            raise beyond(self.place) from None
        except Exception as error:
            if self._engine is None or not isinstance(error, self._engine.dialect.loaded_dbapi.Error):
                raise  # what follows is of a statement that was run on the driver's cursor
            raise explain(error, self.place, self._busy_seconds) from None

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unopened(error, self.place) from None

    def _prepare_sqlite(self, connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        if self.keeps_journal:
            journal_table.attach(connection, self._path())

    def _prepare_postgres(self, connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {round(self._busy_seconds * 1000)}")
        connection.commit()


def _check_file(path: Path) -> None:
    """Whether SQLite could open the file, if there is one; what it says itself does not tell why it cannot."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise OSError(errno.EROFS, "it is read-only")
    log = path.with_name(path.name + "-wal")
    if path.exists() and path.stat().st_size == 0 and log.exists() and log.stat().st_size > 0:
        raise ledger_file.corrupt(str(path), "it is empty, but its log is not")


def _forget_marks(engine: Engine) -> None:
    table = schema.meta.c
    old = sa.and_(table.key.startswith(MARK_PREFIX), table.value < f"{time.time() - _MARKS_LAST:.0f}")
    with engine.begin() as connection:
        connection.execute(sa.delete(schema.meta).where(old))


def _synchronize(connection: Connection, level: str) -> None:
    """How durable the connection's commits are; asked of SQLite only when it changes.

    What a statement may have to undo is kept in memory: triggers make every insert keep it, and a temporary file for
    each transaction costs more than the inserts do.
    """
    if "synchronous" not in connection.info:
        connection.exec_driver_sql("PRAGMA temp_store=MEMORY")
    if connection.info.get("synchronous") != level:
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
        connection.info["synchronous"] = level


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
