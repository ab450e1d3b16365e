"""The archive: facts of runs that are long over move from the ledger into Parquet files; reports span both.

In three steps, each safe to be killed in and to be repeated: the files are written beside everything; the segment is
*sealed*, one row in the ledger that makes them the archive's; then the ledger is *pruned* of the very rows that the
files have, a few at a time, so that no run has to wait. A fact that comes later stays in the ledger and counts.

What decides about new runs stays: budgets, holds and wallets, and of each automation and quality the newest runs that
quotes and routes look back on.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.file_lock import acquire_file_lock
from pricing.errors import LedgerBusy, LedgerUnusable
from pricing.ledger.ledger import HISTORY, SCORING
from pricing.ledger.target_stats import RAN
from pricing.replica import duckdb_tables
from pricing.replica.segments import TABLES, Segment, digest_of, folder_of, sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

RUNS = 20_000
"""Runs of one segment."""
_PRUNED = 2_000
"""Rows that are deleted in one transaction."""
_S, _R = schema.settlements.c, schema.runs.c


@dataclass(frozen=True, slots=True)
class Archived:
    """What was moved: ``runs``, and the ``rows`` of all tables about them, into so many ``segments``."""

    segments: int
    runs: int
    rows: int


class Archive:
    """The archive of one ledger.

    Args:
        folder: where its segments lie.
        store: the ledger's database.
        runs: how many of them make a segment.
        clock: microseconds since 1970.
    """

    def __init__(self, folder: Path, store: Store, *, runs: int = RUNS, clock: Callable[[], int] = now_us) -> None:
        self.folder = folder
        self._store = store
        self._runs = runs
        self._clock = clock

    def segments(self) -> list[Segment]:
        """The archived segments, oldest first."""
        with self._store.read() as ledger:
            return sealed(ledger, self.folder)

    def move(self, before: int) -> Archived:
        """Archive the runs that ended before this moment, and finish what an earlier call left half done.

        Raises:
            LedgerBusy: somebody else is archiving.
            LedgerUnusable: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with acquire_file_lock(self.folder / ".lock", wait=1.0) as held:
                if not held:
                    raise _busy()
                return self._move(before)
        except OSError as error:
            raise LedgerUnusable(
                f"The archive {self.folder} cannot be written ({error.strerror}).",
                next_step="Free space or make it writable; nothing is lost, what is not archived stays in the ledger.",
            ) from None

    def _move(self, before: int) -> Archived:
        for segment in self.segments():
            if not segment.pruned:
                self._prune(segment)
        segments = runs = rows = 0
        with self._store.read() as ledger:
            over = _over(ledger, before)
        for chosen in _batches(over, self._runs):
            segment = self._write(chosen)
            self._seal(segment, len(chosen), before)
            self._prune(segment)
            segments, runs = segments + 1, runs + len(chosen)
            rows += sum(count for count, _ in segment.files.values())
        return Archived(segments, runs, rows)

    def _write(self, chosen: Sequence[str]) -> Segment:
        """The files of a segment, complete and on disk."""
        import duckdb

        with self._store.read() as ledger, duckdb.connect(":memory:") as memory:
            epoch = ledger.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar_one()
            last = ledger.execute(sa.select(sa.func.coalesce(sa.func.max(schema.segments.c.ordinal), 0))).scalar_one()
            folder = folder_of(self.folder, epoch, last + 1)
            part = folder.with_name(folder.name + ".part")
            for left in (part, folder):  # of a call that was killed: the ledger does not know them
                shutil.rmtree(left, ignore_errors=True)
            part.mkdir()
            duckdb_tables.create_facts(memory)
            files = {table.name: _write_file(memory, ledger, table, chosen, part) for table in TABLES}
        _flush(part)
        part.rename(folder)
        _flush(self.folder)
        return Segment(last + 1, folder, files, pruned=False)

    def _seal(self, segment: Segment, runs: int, before: int) -> None:
        """Make the files part of the archive. If two processes seal the same segment, the second is refused."""
        row = {"ordinal": segment.ordinal, "runs": runs, "before": before, "files": json.dumps(segment.files)}
        with self._store.write(durable=True) as ledger:
            known = sa.select(schema.segments.c.ordinal).where(schema.segments.c.ordinal == segment.ordinal)
            if ledger.execute(known).one_or_none() is not None:
                raise _busy()
            ledger.execute(schema.segments.insert().values(**row, sealed_at=self._clock()))

    def _prune(self, segment: Segment) -> None:
        """Delete from the ledger the rows that are in the segment."""
        segment.check()
        for table in reversed(TABLES):  # the runs last: they tell whose the other facts are
            for numbers in _batches(_numbers(segment.path(table.name)), _PRUNED):
                with self._store.write() as ledger:
                    condition = [table.c.seq.in_(numbers)]
                    if table is schema.runs:  # one that was resumed after all this time keeps its row
                        if not self._store.is_sqlite:
                            ledger.exec_driver_sql("LOCK TABLE holds IN SHARE MODE")
                        condition.append(_R.run_id.not_in(sa.select(schema.holds.c.run_id)))
                    ledger.execute(sa.delete(table).where(*condition))
        with self._store.write(durable=True) as ledger:
            done = sa.update(schema.segments).where(schema.segments.c.ordinal == segment.ordinal)
            ledger.execute(done.values(pruned_at=self._clock()))


def _over(ledger: Connection, before: int) -> list[str]:
    """The runs that ended before a moment, are not held and are not needed for quotes or routing, oldest first."""
    ended = sa.select(_S.run_id).group_by(_S.run_id).having(sa.func.max(_S.ended_at) < before)
    held = sa.select(schema.holds.c.run_id)
    query = sa.select(_R.run_id).where(_R.run_id.in_(ended), _R.run_id.not_in(held)).order_by(_R.seq)
    kept = _looked_back_on(ledger)
    return [run_id for run_id in ledger.execute(query).scalars() if run_id not in kept]


def _looked_back_on(ledger: Connection) -> set[str]:
    """The newest runs of each automation and quality, which quotes and routing use."""
    kept: set[str] = set()
    for group in ledger.execute(sa.select(_S.automation, _S.quality, _S.stand_in).distinct()).all():
        mine = sa.and_(_S.automation == group.automation, _S.quality == group.quality, _S.stand_in == group.stand_in)
        for condition, most in ((SCORING, HISTORY), (sa.true(), RAN)):
            query = sa.select(_S.run_id).where(mine, condition).order_by(_S.seq.desc()).limit(most)
            kept.update(ledger.execute(query).scalars())
    return kept


def _write_file(
    memory: DuckDBPyConnection, ledger: Connection, table: sa.Table, chosen: Sequence[str], folder: Path
) -> tuple[int, str]:
    """Copy a table's rows about some runs into a file; how many there are, and the file's digest."""
    rows, path = 0, folder / f"{table.name}.parquet"
    for some in _batches(chosen, _PRUNED):
        found = ledger.execute(_about(table, some)).all()
        if found:
            duckdb_tables.append(memory, table, found)
        rows += len(found)
    order = "seq" if table is schema.guard_reviews else "run_id, seq"  # so that one run is found without reading all
    memory.execute(
        f"COPY (FROM facts.{table.name} ORDER BY {order}) "
        f"TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)"
    )
    memory.execute(f"DROP TABLE facts.{table.name} CASCADE")
    return rows, digest_of(path)


def _about(table: sa.Table, runs: Sequence[str]) -> sa.Select[tuple[object, ...]]:
    columns = [table.c[name] for name in duckdb_tables.columns(table)]
    if table is schema.guard_reviews:
        decisions = schema.guard_decisions.c
        return sa.select(*columns).where(
            table.c.decision.in_(sa.select(decisions.seq).where(decisions.run_id.in_(runs)))
        )
    return sa.select(*columns).where(table.c.run_id.in_(runs))


def _numbers(path: Path) -> Iterator[int]:
    import duckdb

    with duckdb.connect(":memory:") as memory:
        found = memory.execute("SELECT seq FROM read_parquet(?) ORDER BY seq", [str(path)])
        while rows := found.fetchmany(duckdb_tables.CHUNK):
            yield from (seq for (seq,) in rows)


def _batches(found: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    rest = iter(found)
    while some := tuple(islice(rest, size)):
        yield some


def _flush(folder: Path) -> None:
    """Flush a folder and its files to disk, so that they survive a power cut."""
    for path in (*(path for path in folder.iterdir() if path.is_file()), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _busy() -> LedgerBusy:
    return LedgerBusy("Another process is archiving.", next_step="Let them finish, then try again; nothing is lost.")
