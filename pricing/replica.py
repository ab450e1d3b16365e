"""The replica: the ledger's facts in DuckDB, for reports.

Fed after each run and by ``farebox sync``; idempotent, since rows are committed together with their watermark, and an
archived segment with all that it stands for. Only one process may hold a DuckDB file to write, and 2.0.0 was measured
to lose rows when several race to open it: every open, read or write, goes through one lock. The file can be deleted at
any time; the next sync builds it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing import cells, duck, rollups, schema
from pricing.errors import LedgerBusy, LedgerUnusable, ReplicaDamaged
from pricing.locks import file_lock
from pricing.segments import Segment, missing, sealed, shape_of, span
from pricing.store import Store
from pricing.transaction_ids import TransactionId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHAPE = 5
"""Changes when the replica's tables do: one of another shape is rebuilt."""
_HELD = "Could not set lock"
"""How DuckDB begins to say that another process has a file open; a bare "lock" is also in each damaged "block"."""
_NO_ROOM = "No space left"


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did: ``rows`` copied; ``rebuilt`` when it began anew; not ``done`` when somebody held the file."""

    rows: int
    rebuilt: bool
    done: bool


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

    def sync(self, *, wait: float = 10.0) -> Synced:
        """Copy what the ledger has and the replica has not.

        A file that somebody else holds only delays it: the next sync catches up.

        Raises:
            LedgerError: the ledger cannot be read, or the replica not be written.
        """
        with self._alone(wait) as held:
            if not held:
                return Synced(0, rebuilt=False, done=False)
            import duckdb

            try:
                if self.path.exists():
                    return self._copy(self.path)
            except _Foreign:
                pass
            except duckdb.Error as error:
                if _HELD in str(error):
                    return Synced(0, rebuilt=False, done=False)
                if _NO_ROOM in str(error):  # and a new one would need even more
                    raise self._unwritable(error) from None
            return self._copy_anew()  # it is damaged, of another shape or of another ledger, and only a copy

    def rebuild(self) -> Synced:
        """Delete the replica and build it from the ledger.

        Raises:
            LedgerError: the ledger cannot be read, or the replica not be written.
        """
        with self._alone():
            return self._copy_anew()

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
        with file_lock(self._lock, shared=True, wait=wait) as held:
            try:
                if not held:
                    raise duckdb.IOException(_HELD)
                with duckdb.connect(str(self.path), read_only=True) as connection:
                    self._show(connection)
                    yield connection
            except (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException) as error:
                if _HELD in str(error):
                    raise LedgerBusy(
                        f"The replica {self.path} is held by another process.",
                        next_step="Close whatever has it open and try again; nothing is lost meanwhile.",
                    ) from None
                raise ReplicaDamaged(
                    f"The replica {self.path} is damaged ({_first_line(error)}).",
                    next_step="Build it anew with `farebox sync --rebuild`: it is only a copy.",
                ) from None

    def narrow(self, connection: DuckDBPyConnection, run_id: str) -> None:
        """Let a reader see the archived facts of one run only: a long archive has files without number."""
        rollups.span_run(connection, run_id, _adopted(connection, self._archive))

    @contextmanager
    def _alone(self, wait: float | None = None) -> Iterator[bool]:
        """The replica's lock, in a folder that is made when missing; whether it is held."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with file_lock(self._lock, wait=wait) as held:
                yield held
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> LedgerUnusable:
        return LedgerUnusable(
            f"The replica {self.path} cannot be written ({_first_line(error)}).",
            next_step="Make room on its disk and its folder writable, or point FAREBOX_HOME at another one; "
            "the ledger is whole, the next sync catches up.",
        )

    def _copy_anew(self) -> Synced:
        import duckdb

        new = self.path.with_name(self.path.name + ".new")  # until it is whole
        for path in (self.path, new):
            for file in (path, path.with_name(path.name + ".wal")):
                file.unlink(missing_ok=True)
        try:
            synced = self._copy(new)
        except duckdb.Error as error:
            raise self._unwritable(error) from None
        new.rename(self.path)
        return synced

    def _copy(self, path: Path) -> Synced:
        import duckdb

        fresh = not path.exists()
        with duckdb.connect(str(path)) as replica, self._store.read() as ledger:
            epoch = ledger.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar_one()
            if fresh:
                _create(replica, epoch)
            _check(replica, epoch)
            known, all_sealed = _adopted(replica, self._archive), sealed(ledger, self._archive)
            with _transaction(replica):
                ends = rollups.newest_rows(replica)
                rows = self._copy_tables(replica, ledger)
                if fresh:
                    rollups.roll_up_tables(replica)
                elif rows:
                    rollups.roll_up_since(replica, ends, known)
                if rows:
                    end = ends["guard_decisions"]
                    cells.count_decisions(replica, f"facts.guard_decisions WHERE rowid > {end}")
                    cells.close_days(replica)
            for number in range(len(known), len(all_sealed)):
                with _transaction(replica):  # each its own: what one needs in memory is free only once it is committed
                    _adopt(replica, all_sealed[: number + 1])
                    cells.close_days(replica)
        return Synced(rows, rebuilt=fresh, done=True)

    def _copy_tables(self, replica: DuckDBPyConnection, ledger: Connection) -> int:
        """Copy what is new of every table, and move the watermarks; how many rows that were."""
        marks = dict(replica.execute("SELECT name, mark FROM watermarks").fetchall())
        return sum(self._copy_table(replica, ledger, table, marks[table.name]) for table in schema.FACTS)

    def _copy_table(self, replica: DuckDBPyConnection, ledger: Connection, table: sa.Table, mark: int) -> int:
        condition, new_mark = self._beyond(ledger, table, mark)
        columns = [table.c[name] for name in duck.columns(table)]
        found = ledger.execution_options(yield_per=duck.CHUNK).execute(
            sa.select(*columns).where(condition).order_by(table.c.seq)
        )
        rows = 0
        for chunk in found.partitions():
            duck.append(replica, table, chunk)
            rows += len(chunk)
            new_mark = max(new_mark, chunk[-1].seq) if self._store.is_sqlite else new_mark
        if new_mark > mark:
            replica.execute("UPDATE watermarks SET mark = ? WHERE name = ?", [new_mark, table.name])
        return rows

    def _beyond(self, ledger: Connection, table: sa.Table, mark: int) -> tuple[sa.ColumnElement[bool], int]:
        """Which rows are new, and the watermark once they are copied.

        SQLite's writers are serial, so its row numbers are in commit order. Postgres' are not: there, rows of every
        transaction older than the oldest one still under way are complete, and none will be added to them.
        """
        if self._store.is_sqlite:
            return table.c.seq > mark, mark
        horizon = int(ledger.execute(sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one())
        low, high = (sa.cast(sa.cast(str(bound), sa.Text), TransactionId()) for bound in (mark, horizon))
        return sa.and_(table.c.xid >= low, table.c.xid < high), horizon

    def _show(self, replica: DuckDBPyConnection) -> None:
        """Let readers see what was archived, and the costs of attempts as later findings corrected them."""
        [(_, shape)] = replica.execute("SELECT epoch, shape FROM about").fetchall()
        if shape == SHAPE:
            known = _adopted(replica, self._archive)
            for segment in known:
                if not segment.folder.exists():
                    raise missing(segment.folder)
            span(replica, known)
        duck.execute(replica, "costs")


class _Foreign(Exception):
    """The replica is of another ledger or of another shape."""


@contextmanager
def _transaction(replica: DuckDBPyConnection) -> Iterator[None]:
    """Committed at its end; with an error the connection is closed, and nothing of it is there."""
    replica.begin()
    yield
    replica.commit()


def _create(replica: DuckDBPyConnection, epoch: str) -> None:
    replica.execute("CREATE TABLE about (epoch VARCHAR, shape INTEGER)")
    replica.execute("INSERT INTO about VALUES (?, ?)", [epoch, SHAPE])
    replica.execute("CREATE TABLE watermarks (name VARCHAR, mark BIGINT)")
    for table in schema.FACTS:
        replica.execute("INSERT INTO watermarks VALUES (?, 0)", [table.name])
    replica.execute("CREATE TABLE segments (ordinal BIGINT, folder VARCHAR, files VARCHAR, shape VARCHAR)")
    duck.create_facts(replica)
    rollups.create_rollups(replica)
    cells.create_cells(replica)


def _check(replica: DuckDBPyConnection, epoch: str) -> None:
    if replica.execute("SELECT epoch, shape FROM about").fetchall() != [(epoch, SHAPE)]:
        raise _Foreign


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.partition("\n")[0].rstrip(".")


def _adopted(replica: DuckDBPyConnection, archive: Path) -> list[Segment]:
    """The segments that stand for rows that were archived, oldest first."""
    found = replica.execute("SELECT ordinal, folder, files, shape FROM segments ORDER BY ordinal").fetchall()
    return [
        Segment(ordinal, archive / folder, json.loads(files), shape=shape) for ordinal, folder, files, shape in found
    ]


def _adopt(replica: DuckDBPyConnection, segments: Sequence[Segment]) -> None:
    """Let the last of these segments stand for the rows it has."""
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
    row = [segment.ordinal, segment.folder.name, json.dumps(segment.files), shape_of(replica, segment)]
    replica.execute("INSERT INTO segments VALUES (?, ?, ?, ?)", row)
    rollups.roll_up_segment(replica, segment, segments)
