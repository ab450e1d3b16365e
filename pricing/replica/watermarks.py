"""Watermarks: up to where a replica has each table of the ledger's facts, and the newest row it copied of it.

SQLite's writers are serial, so row numbers are in commit order and the watermark is one. On Postgres it is a
transaction id: rows of every transaction older than the oldest one under way are complete, and none will be added to
them. Rows of a restored dump bear ids of another server; where these lie ahead of this server's, they are complete too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.db.schema import TransactionId, metadata
from pricing.replica import duckdb_tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MOST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class SnapshotHorizon:
    """What is complete in a snapshot of the ledger: on Postgres, transactions before ``low``; none has ``high`` yet."""

    low: int = 0
    high: int = _MOST


@dataclass(frozen=True, slots=True)
class Watermark:
    """One table's: rows from ``mark`` on are new, but for those with a foreign id that were there from the start.

    ``foreign_seq`` and ``foreign_xid`` tell these: their row numbers at most, their transaction ids at least.
    ``last_seq`` and ``last_digest``: the newest row that was copied; 0 where there is none to compare.
    """

    name: str
    mark: int = 0
    foreign_seq: int = 0
    foreign_xid: int = 0
    last_seq: int = 0
    last_digest: str = ""

    def new(self, table: sa.Table, horizon: SnapshotHorizon, *, on_sqlite: bool) -> sa.ColumnElement[bool]:
        """Which complete rows were not copied yet."""
        if on_sqlite:
            return table.c.seq > self.mark
        if self.mark == 0:
            return sa.or_(table.c.xid < _xid(horizon.low), table.c.xid >= _xid(horizon.high))
        return sa.and_(table.c.xid < _xid(horizon.low), sa.not_(self.copied(table, on_sqlite=False)))

    def copied(self, table: sa.Table, *, on_sqlite: bool) -> sa.ColumnElement[bool]:
        """Which rows were copied."""
        if on_sqlite:
            return table.c.seq <= self.mark
        foreign = sa.and_(table.c.seq <= self.foreign_seq, table.c.xid >= _xid(self.foreign_xid))
        return sa.or_(table.c.xid < _xid(self.mark), foreign)

    def moved(self, ledger: Connection, table: sa.Table, horizon: SnapshotHorizon, *, on_sqlite: bool) -> Watermark:
        """The watermark once all that is new was copied; ``last_seq`` is the newest of these rows already."""
        if on_sqlite:
            return replace(self, mark=max(self.mark, self.last_seq))
        if self.mark:
            return replace(self, mark=horizon.low)
        foreign = sa.select(sa.func.max(table.c.seq)).where(table.c.xid >= _xid(horizon.high))
        ahead = ledger.execute(foreign).scalar_one() or 0
        return replace(self, mark=horizon.low, foreign_seq=ahead, foreign_xid=horizon.high)


def horizon_of(ledger: Connection, *, on_sqlite: bool) -> SnapshotHorizon:
    """What is complete in this snapshot."""
    if on_sqlite:
        return SnapshotHorizon()
    now = "pg_current_snapshot()"
    found = ledger.execute(sa.text(f"SELECT pg_snapshot_xmin({now})::text, pg_snapshot_xmax({now})::text")).one()
    return SnapshotHorizon(*map(int, found))


def create_watermarks(replica: DuckDBPyConnection) -> None:
    """One of each table, at its beginning."""
    replica.execute(
        "CREATE TABLE watermarks (name VARCHAR, mark BIGINT, foreign_seq BIGINT, foreign_xid BIGINT, "
        "last_seq BIGINT, last_digest VARCHAR)"
    )
    names = [table.name for table in schema.FACTS]
    replica.execute("INSERT INTO watermarks SELECT unnest(?), 0, 0, 0, 0, ''", [names])


def watermarks(replica: DuckDBPyConnection) -> dict[str, Watermark]:
    """All of them, by table."""
    found = replica.execute("SELECT name, mark, foreign_seq, foreign_xid, last_seq, last_digest FROM watermarks")
    return {row[0]: Watermark(*row) for row in found.fetchall()}


def keep(replica: DuckDBPyConnection, watermark: Watermark) -> None:
    """Write a watermark down."""
    replica.execute(
        "UPDATE watermarks SET mark = ?, foreign_seq = ?, foreign_xid = ?, last_seq = ?, last_digest = ? "
        "WHERE name = ?",
        [
            watermark.mark,
            watermark.foreign_seq,
            watermark.foreign_xid,
            watermark.last_seq,
            watermark.last_digest,
            watermark.name,
        ],
    )


def look_again(replica: DuckDBPyConnection, table: str) -> None:
    """Compare another row of this table from now on: the newest that was not archived."""
    columns = ", ".join(duckdb_tables.columns(metadata.tables[table]))
    newest = replica.execute(
        f"SELECT {columns} FROM facts.{table} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - names of our own schema
    ).fetchone()
    seq, digest = (0, "") if newest is None else (newest[0], row_digest(newest))
    replica.execute("UPDATE watermarks SET last_seq = ?, last_digest = ? WHERE name = ?", [seq, digest, table])


def row_digest(row: Sequence[Any]) -> str:
    """A digest of one row of facts, the same for the ledger's and for the replica's."""
    return hashlib.blake2b(orjson.dumps(list(row)), digest_size=16).hexdigest()


def row_at(ledger: Connection, table: sa.Table, seq: int) -> Sequence[Any] | None:
    """One row of facts, as the replica copies it."""
    columns = [table.c[name] for name in duckdb_tables.columns(table)]
    return ledger.execute(sa.select(*columns).where(table.c.seq == seq)).one_or_none()


def _xid(value: int) -> sa.ColumnElement[int]:
    return sa.cast(sa.cast(str(value), sa.Text), TransactionId())
