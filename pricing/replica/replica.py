"""The replica: the ledger's facts in DuckDB, for reports.

Fed after each run and by ``farebox sync``; idempotent, since rows are committed together with their watermark, and an
archived segment with all that it stands for. Only one process may hold a DuckDB file to write, and 2.0.0 was measured
to lose rows when several race to open it: every open, read or write, goes through one lock. A second lock, taken before
it, lets one process write at a time: under that one alone a rebuild makes the new file, while others read the old one.
The file can be deleted at any time; the next sync rebuilds it.

Each sync first makes sure that the ledger still has what was copied from it (``sync_points``). If not, because a backup
was restored or a write-ahead log was lost, the replica is rebuilt. A rebuild replaces the old file once the new one is
complete; if it fails, the old one stays.

DuckDB can crash the process on a damaged file. Each opening leaves a mark until it ends; marks of several processes
that are no more have the next sync rebuild the file.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.file_lock import acquire_file_lock
from pricing.db.ledger_state import LedgerState, identity
from pricing.errors import LedgerBusy, LedgerUnusable, ReplicaDamaged
from pricing.ledger import holds
from pricing.replica import duckdb_tables, rollups, sync_points
from pricing.replica import rollups as cells
from pricing.replica.comparison import Comparison, compare
from pricing.replica.segments import TABLES, Checked, Segment, files_of, missing_segment, sealed, shape_of, span
from pricing.replica.watermarks import (
    Watermark,
    create_watermarks,
    horizon_of,
    keep,
    look_again,
    row_digest,
    watermarks,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHAPE = 8
"""Changes when the replica's tables do: one of another shape is rebuilt."""
RESTORED = "the ledger no longer has what was copied from it: a backup was restored, or its newest writes were lost"
"""Why a replica is rebuilt whose ledger went back in time."""
_HELD = "Could not set lock"
"""How DuckDB begins to say that another process has a file open; a bare "lock" is also in each damaged "block"."""
_NO_SPACE = "No space left"
_MOST_CRASHES = 3
_CRASHED = "processes crashed that had it open, as DuckDB does on some damaged files"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: ``rows`` copied; ``rebuilt`` when it started over, ``why`` if a fault made it; not ``done`` when
    somebody held the file.
    """

    rows: int
    rebuilt: bool
    done: bool
    why: str = field(default="", compare=False)


class Replica:
    """The analytics copy of one ledger.

    Args:
        path: the DuckDB file; its lock lies beside it.
        store: the ledger it copies.
        archive: where the ledger's archived facts lie; beside the file, if left out.
    """

    def __init__(self, path: Path, store: Store, archive: Path | None = None) -> None:
        self.path = path
        self._store = store
        self._archive = archive or path.with_name("archive")
        self._lock = path.with_name(path.name + ".lock")
        self._writing = path.with_name(path.name + ".write.lock")
        self._copied = _Note(path.with_name(path.name + ".copied"))
        self._checked = Checked()

    def sync(self, *, wait: float = 10.0) -> Synced:
        """Copy what the ledger has and the replica has not; rebuild the replica, and log why, if the two differ.

        A file that somebody else holds only delays it: the next sync catches up.

        Raises:
            LedgerError: the ledger or the archive cannot be read, or the replica not be written.
        """
        now = self._as_copied(self._store.state())
        if now is not None and now == self._copied.read() and not self._crashes():
            return Synced(0, rebuilt=False, done=True)
        with self._alone(self._writing, wait) as mine, self._alone(self._lock, wait if mine else 0) as held:
            if not (mine and held):
                return Synced(0, rebuilt=False, done=False)
            import duckdb

            why = ""
            try:
                if self.path.exists():
                    if len(self._crashes()) >= _MOST_CRASHES:
                        raise _Foreign(_CRASHED)
                    with self._marked():
                        return self._copy_new()
            except _Foreign as difference:
                why = difference.why
            except duckdb.Error as error:
                if _HELD in str(error):
                    return Synced(0, rebuilt=False, done=False)
                if _NO_SPACE in str(error):  # and a new one would need even more
                    raise self._unwritable(error) from None
                why = f"it was damaged ({_first_line(error)})"
            synced = replace(self._copy_again(), why=why)  # what is there is wrong: nobody reads it meanwhile
        if why:
            _logger.warning("The replica %s was rebuilt: %s.", self.path, why)
        return synced

    def rebuild(self) -> Synced:
        """Build the replica from the ledger and replace the old one, which stays if this fails, and can be read until
        the new one is whole.

        Raises:
            LedgerError: the ledger or the archive cannot be read, or the replica not be written.
        """
        with self._alone(self._writing):
            return self._copy_again(self._alone(self._lock))

    @contextmanager
    def read(self, *, wait: float = 30.0) -> Iterator[DuckDBPyConnection]:
        """A connection that reads; other readers may have one at the same time.

        Raises:
            LedgerBusy: a sync, or a tool of the user's, holds the file for longer than ``wait`` seconds.
            ReplicaDamaged: a part of it cannot be read.
        """
        import duckdb

        if not self.path.exists():
            self.sync()
        with acquire_file_lock(self._lock, shared=True, wait=wait) as held:
            known: list[Segment] = []
            try:
                if not held:
                    raise duckdb.IOException(_HELD)
                with self._marked(), duckdb.connect(str(self.path), read_only=True) as connection:
                    known = self._known(connection)
                    self._show(connection, known)
                    yield connection
            except duckdb.Error as error:
                if _HELD in str(error):
                    raise LedgerBusy(
                        f"The replica {self.path} is held by another process.",
                        next_step="Close whatever has it open, or wait while it is repaired, and try again; "
                        "nothing is lost meanwhile.",
                    ) from None
                for segment in known:  # it may be an archived file that cannot be read
                    segment.check()
                if not isinstance(error, duckdb.IOException | duckdb.SerializationException | duckdb.FatalException):
                    raise
                raise ReplicaDamaged(
                    f"The replica {self.path} is damaged ({_first_line(error)}).",
                    next_step="Rebuild it with `farebox sync --rebuild`: it is only a copy.",
                ) from None

    def suspended(self) -> set[str]:
        """The ids of the runs that are suspended now, from the ledger, since suspensions are not copied.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with self._store.read() as ledger:
            return {run_id for run_id, _ in holds.suspended(ledger)}

    def narrow(self, connection: DuckDBPyConnection, run_id: str) -> None:
        """Limit a reader to the archived facts of one run, since a long archive has many files.

        Raises:
            LedgerUnusable: an archived file that has some is missing or was changed.
        """
        for segment in rollups.span_run(connection, run_id, _adopted(connection, self._archive)):
            segment.check(self._checked)

    def verify(self, connection: DuckDBPyConnection, tables: Collection[str]) -> None:
        """Make sure that the archived files of these tables are what was sealed; each is read once per process.

        Raises:
            LedgerUnusable: one is missing or was changed.
        """
        archived = set(tables) & {table.name for table in TABLES}
        if archived:
            for segment in self._known(connection):
                segment.check(self._checked, archived)

    def compare(self, *, wait: float = 30.0) -> Comparison:
        """Compare the replica with its ledger, row by row; what was archived is compared by ``farebox sync --rebuild``.

        Raises:
            LedgerBusy: a sync, or a tool of the user's, holds the file for longer than ``wait`` seconds.
            ReplicaDamaged: a part of it cannot be read.
            LedgerError: the ledger or the archive cannot be read.
        """
        with self.read(wait=wait) as replica, self._store.read() as ledger:
            epoch = ledger.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar_one()
            try:
                _check(replica, epoch)
            except _Foreign as difference:
                return Comparison(why=difference.why)
            known, all_sealed = _adopted(replica, self._archive), sealed(ledger, self._archive)
            if sync_points.went_back(replica, ledger, known, all_sealed, on_sqlite=self._store.is_sqlite):
                return Comparison(why=RESTORED)
            moving = [one for one in all_sealed if not one.pruned or one.ordinal > len(known)]
            return compare(replica, ledger, moving, on_sqlite=self._store.is_sqlite)

    @contextmanager
    def _marked(self) -> Iterator[None]:
        """Keep a marker file while the replica is open."""
        mark = self.path.with_name(f"{self.path.name}.open.{os.getpid()}.{secrets.token_hex(4)}")
        with suppress(OSError):  # without disk space there is no mark
            mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def _crashes(self) -> list[Path]:
        """Marker files of processes that ended while they had the replica open."""
        marks = self.path.parent.glob(f"{self.path.name}.open.*")
        return [mark for mark in marks if not _lives(int(mark.suffixes[-2][1:]))]

    @contextmanager
    def _alone(self, lock: Path, wait: float | None = None) -> Iterator[bool]:
        """Hold one of the replica's locks; yields whether it is held."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with acquire_file_lock(lock, wait=wait) as held:
                yield held
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> LedgerUnusable:
        return LedgerUnusable(
            f"The replica {self.path} cannot be written ({_first_line(error)}).",
            next_step="Free space on its disk and make its folder writable, or point FAREBOX_HOME at another one; "
            "the ledger is whole, the next sync catches up.",
        )

    def _copy_again(self, alone: AbstractContextManager[bool] | None = None) -> Synced:
        """Build a new file and put it in the old one's place, ``alone``; without that, nobody has the old one open."""
        import duckdb

        new = self.path.with_name(self.path.name + ".new")
        _remove(new)  # of a process that was killed
        try:
            synced = self._copy(new)
            with alone or nullcontext():
                _log_of(self.path).unlink(missing_ok=True)  # of the old file; it must not be applied to the new one
                new.rename(self.path)
            for mark in self._crashes():
                mark.unlink(missing_ok=True)
        except duckdb.Error as error:
            raise self._unwritable(error) from None
        finally:
            _remove(new)
        return synced

    def _copy_new(self) -> Synced:
        """Copy new rows, and note the state of the ledger, so that an unchanged one is not read again."""
        with self._store.read():
            pass  # open from here on: commits are counted
        before = self._store.state()
        synced = self._copy(self.path)
        copied = self._store.state() if synced.rows else before
        if before and copied and copied.commits == before.commits + bool(synced.rows):  # the sync point, and no other
            self._copied.write(self._as_copied(copied))
        return synced

    def _as_copied(self, state: LedgerState | None) -> str | None:
        """The combined state of ledger and replica; ``None`` where one is unknown."""
        if state is None or _log_of(self.path).exists():
            return None
        try:
            return f"{SHAPE} {self._archive} {state.content} {identity(self.path)}"
        except FileNotFoundError:
            return None

    def _copy(self, path: Path) -> Synced:
        import duckdb

        fresh = not path.exists()
        with duckdb.connect(str(path)) as replica, self._store.read() as ledger:
            epoch = ledger.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar_one()
            if fresh:
                with _transaction(replica):  # one, not one per table
                    _create(replica, epoch)
            _check(replica, epoch)
            known, all_sealed = _adopted(replica, self._archive), sealed(ledger, self._archive)
            if sync_points.went_back(replica, ledger, known, all_sealed, on_sqlite=self._store.is_sqlite):
                raise _Foreign(RESTORED)
            with _transaction(replica):
                ends = rollups.newest_rows(replica)
                rows = self._copy_tables(replica, ledger)
                if rows:
                    if fresh:
                        rollups.roll_up_tables(replica)
                    else:
                        rollups.roll_up_since(replica, ends, known)
                    end = ends["guard_decisions"]
                    cells.count_decisions(replica, f"facts.guard_decisions WHERE rowid > {end}")
                    cells.close_days(replica)
                    self._leave_sync_point(replica)
            for number in range(len(known), len(all_sealed)):
                with _transaction(replica):  # each its own: what one needs in memory is free only once it is committed
                    _adopt(replica, all_sealed[: number + 1])
                    cells.close_days(replica)
            if fresh:
                replica.execute("CHECKPOINT")  # a log that is left beside the file would not be renamed with it
        return Synced(rows, rebuilt=fresh, done=True)

    def _leave_sync_point(self, replica: DuckDBPyConnection) -> None:
        [(replica_id, previous)] = replica.execute("SELECT replica_id, token FROM about").fetchall()
        token = sync_points.leave(self._store, replica_id, previous)
        replica.execute("UPDATE about SET token = ?", [token])

    def _copy_tables(self, replica: DuckDBPyConnection, ledger: Connection) -> int:
        """Copy the new rows of every table and advance the watermarks; returns the number of rows."""
        on_sqlite, marks = self._store.is_sqlite, watermarks(replica)
        horizon = horizon_of(ledger, on_sqlite=on_sqlite)
        rows, copied = 0, list[tuple[sa.Table, Watermark]]()
        for table in schema.FACTS:
            mark = marks[table.name]
            found, mark = self._copy_table(replica, ledger, table, mark, mark.new(table, horizon, on_sqlite=on_sqlite))
            rows += found
            copied.append((table, mark))
        if rows:  # watermarks that move are proved by a sync point, which is left only for rows
            for table, mark in copied:
                moved = mark.moved(ledger, table, horizon, on_sqlite=on_sqlite)
                if moved != marks[table.name]:
                    keep(replica, moved)
        return rows

    def _copy_table(
        self,
        replica: DuckDBPyConnection,
        ledger: Connection,
        table: sa.Table,
        mark: Watermark,
        new: sa.ColumnElement[bool],
    ) -> tuple[int, Watermark]:
        """Copy rows; returns their number and the new watermark."""
        columns = [table.c[name] for name in duckdb_tables.columns(table)]
        found = ledger.execution_options(yield_per=duckdb_tables.CHUNK).execute(
            sa.select(*columns).where(new).order_by(table.c.seq)
        )
        rows, newest = 0, None
        for chunk in found.partitions():
            duckdb_tables.append(replica, table, chunk)
            rows, newest = rows + len(chunk), chunk[-1]
        if newest is not None and newest.seq > mark.last_seq:
            mark = replace(mark, last_seq=newest.seq, last_digest=row_digest(newest))
        return rows, mark

    def _known(self, replica: DuckDBPyConnection) -> list[Segment]:
        [(_, shape)] = replica.execute("SELECT epoch, shape FROM about").fetchall()
        return _adopted(replica, self._archive) if shape == SHAPE else []

    def _show(self, replica: DuckDBPyConnection, known: Sequence[Segment]) -> None:
        """Let readers see what was archived, and the costs of attempts as later findings corrected them."""
        if known:
            for segment in known:
                if not segment.folder.exists():
                    raise missing_segment(segment.folder)
            span(replica, known)
        duckdb_tables.execute(replica, "costs")


class _Note:
    """One line in a file, which may get lost."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str | None:
        try:
            return self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def write(self, text: str | None) -> None:
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):  # without disk space there is no note
            new.write_text(text or "", "utf-8")
            new.replace(self._path)


class _Foreign(Exception):
    """The replica is of another ledger or shape, or its ledger went back in time; ``why`` says which."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@contextmanager
def _transaction(replica: DuckDBPyConnection) -> Iterator[None]:
    """Committed at its end; with an error the connection is closed, and nothing of it is there."""
    replica.begin()
    yield
    replica.commit()


def _create(replica: DuckDBPyConnection, epoch: str) -> None:
    replica.execute("CREATE TABLE about (epoch VARCHAR, shape INTEGER, replica_id VARCHAR, token VARCHAR)")
    replica.execute("INSERT INTO about VALUES (?, ?, ?, '')", [epoch, SHAPE, uuid.uuid4().hex])
    create_watermarks(replica)
    replica.execute("CREATE TABLE segments (ordinal BIGINT, folder VARCHAR, files VARCHAR, shape VARCHAR)")
    duckdb_tables.create_facts(replica)
    rollups.create_rollups(replica)
    cells.create_cells(replica)


def _check(replica: DuckDBPyConnection, epoch: str) -> None:
    [(found, shape)] = replica.execute("SELECT epoch, shape FROM about").fetchall()
    if shape != SHAPE:
        raise _Foreign("it was made by another version of Farebox")
    if found != epoch:
        raise _Foreign("it was of another ledger")


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _remove(path: Path) -> None:
    for file in (path, _log_of(path)):
        file.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.partition("\n")[0].rstrip(".")


def _adopted(replica: DuckDBPyConnection, archive: Path) -> list[Segment]:
    """The segments that replace archived rows, oldest first."""
    found = replica.execute("SELECT ordinal, folder, files, shape FROM segments ORDER BY ordinal").fetchall()
    return [Segment(ordinal, archive / folder, files_of(files), shape=shape) for ordinal, folder, files, shape in found]


def _adopt(replica: DuckDBPyConnection, segments: Sequence[Segment]) -> None:
    """Replace the rows that the last of these segments contains by the segment."""
    segment = segments[-1]
    segment.check()
    if segment.files["guard_decisions"][0]:
        path = str(segment.path("guard_decisions")).replace("'", "''")
        known = "SELECT seq FROM facts.guard_decisions"
        cells.count_decisions(replica, f"read_parquet('{path}') WHERE seq NOT IN ({known})")
    for table, (rows, _) in segment.files.items():
        if rows:
            path = str(segment.path(table))
            replica.execute(
                f"DELETE FROM facts.{table} WHERE seq IN (SELECT seq FROM read_parquet(?))",  # noqa: S608
                [path],
            )
            look_again(replica, table)
    row = [segment.ordinal, segment.folder.name, json.dumps(segment.files), shape_of(replica, segment)]
    replica.execute("INSERT INTO segments VALUES (?, ?, ?, ?)", row)
    rollups.roll_up_segment(replica, segment, segments)
