"""The replica compared with its ledger, row by row: for ``farebox doctor``, which trusts no watermark.

Of each table the newest rows are compared by their values, all older ones by their number and the sums of their numeric
columns: so it takes seconds however long the history is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.replica import duckdb_tables
from pricing.replica.segments import TABLES, Segment
from pricing.replica.watermarks import SnapshotHorizon, Watermark, horizon_of, watermarks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEWEST = 20_000
"""Rows of each table that are compared value by value."""
_PRIME = 1_000_003
"""Sums are of remainders: of 64-bit values themselves they would overflow."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a replica and its ledger differ: rows not copied yet are ``behind``; every other difference is a fault.

    ``missing`` rows are in the ledger only, ``extra`` ones in the replica only, ``changed`` ones have other values;
    ``older`` names the tables whose older rows do not add up to the same. ``why`` is set when the replica is not of
    this ledger at all, or the ledger was restored.
    """

    behind: int = 0
    missing: int = 0
    extra: int = 0
    changed: int = 0
    older: tuple[str, ...] = ()
    why: str = ""

    @property
    def same(self) -> bool:
        """Whether all copied rows equal those of the ledger."""
        return not (self.missing or self.extra or self.changed or self.older or self.why)


def compare(
    replica: DuckDBPyConnection, ledger: Connection, moving: Sequence[Segment], *, on_sqlite: bool
) -> Comparison:
    """Compare every table of facts.

    Args:
        replica: a connection to the replica that reads.
        ledger: a transaction that reads the ledger.
        moving: segments whose rows may still be in the ledger, or in the replica's tables: they are left out.
        on_sqlite: whether the ledger is SQLite.
    """
    marks, horizon = watermarks(replica), horizon_of(ledger, on_sqlite=on_sqlite)
    behind = missing = extra = changed = 0
    older = []
    for table in schema.FACTS:
        looked = _Table(replica, ledger, table, marks[table.name], _moved(replica, table, moving), on_sqlite)
        behind += looked.behind(horizon)
        first = looked.newest() - NEWEST
        there, here = looked.in_ledger(first), looked.in_replica(first)
        missing += len(there.keys() - here.keys())
        extra += len(here.keys() - there.keys())
        changed += sum(there[seq] != here[seq] for seq in there.keys() & here.keys())
        if not looked.older_same(first):
            older.append(table.name)
    return Comparison(behind, missing, extra, changed, tuple(older))


@dataclass(frozen=True, slots=True)
class _Table:
    replica: DuckDBPyConnection
    ledger: Connection
    table: sa.Table
    mark: Watermark
    without: Collection[int]
    on_sqlite: bool

    def behind(self, horizon: SnapshotHorizon) -> int:
        """The number of rows that the next sync copies."""
        new = self.mark.new(self.table, horizon, on_sqlite=self.on_sqlite)
        return int(self.ledger.execute(sa.select(sa.func.count()).select_from(self.table).where(new)).scalar_one())

    def newest(self) -> int:
        """The highest row number on either side."""
        there = self.ledger.execute(sa.select(sa.func.max(self.table.c.seq)).where(self._copied())).scalar_one()
        [(here,)] = self.replica.execute(f"SELECT max(seq) FROM {self._facts}").fetchall()  # noqa: S608
        return max(there or 0, here or 0)

    def in_ledger(self, after: int) -> Mapping[int, int]:
        """A hash of each row with a number above ``after``."""
        query = sa.select(*(self.table.c[name] for name in self._names)).where(self.table.c.seq > after, self._copied())
        return self._hashed(self.ledger.execute(query))

    def in_replica(self, after: int) -> Mapping[int, int]:
        """A hash of each row with a number above ``after``."""
        names = ", ".join(self._names)
        return self._hashed(
            self.replica.execute(f"SELECT {names} FROM {self._facts} WHERE seq > ?", [after]).fetchall()  # noqa: S608
        )

    def older_same(self, last: int) -> bool:
        """Whether both sides have the same number and sums of rows up to ``last``."""
        if last <= 0 or self.without:
            return True
        numbers = [name for name, kind in duckdb_tables.columns(self.table).items() if kind == "BIGINT"]
        sums = (sa.func.sum(self.table.c[name] % _PRIME) for name in numbers)
        query = sa.select(sa.func.count(), *sums).where(self.table.c.seq <= last, self._copied())
        there = self.ledger.execute(query).one()
        added = ", ".join(f"sum({name} % {_PRIME})" for name in numbers)
        here = self.replica.execute(
            f"SELECT count(*), {added} FROM {self._facts} WHERE seq <= ?",  # noqa: S608 - names of our own schema
            [last],
        ).fetchone()
        return [*map(_number, there)] == [*map(_number, here or ())]

    def _copied(self) -> sa.ColumnElement[bool]:
        return self.mark.copied(self.table, on_sqlite=self.on_sqlite)

    @property
    def _names(self) -> list[str]:
        return list(duckdb_tables.columns(self.table))

    @property
    def _facts(self) -> str:
        return f"facts.{self.table.name}"

    def _hashed(self, rows: Any) -> dict[int, int]:
        return {row[0]: hash(tuple(row)) for row in rows if row[0] not in self.without}


def _moved(replica: DuckDBPyConnection, table: sa.Table, moving: Sequence[Segment]) -> Collection[int]:
    """The row numbers of a table that these segments contain."""
    paths = [str(one.path(table.name)) for one in moving if table in TABLES and one.files[table.name][0]]
    if not paths:
        return frozenset()
    found = replica.execute("SELECT seq FROM read_parquet(?)", [paths]).fetchall()
    return frozenset(seq for (seq,) in found)


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
