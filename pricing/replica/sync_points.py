"""Sync points: how a replica proves that the ledger still has every row it copied.

Each sync that copies rows leaves a random token in the ledger, in a transaction of its own that comes after the rows
and before the replica's commit. A backup that has the token therefore has the rows too. A ledger that went back in time
(a restored file or dump, a lost write-ahead log) has an older token, whatever was written to it since. Two checks back
the token up: the newest row copied of each table is still there unchanged, and the segments taken in are those sealed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into
from pricing.replica.segments import Segment
from pricing.replica.watermarks import row_at, row_digest, watermarks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_KEY = "replica:"
_LAST_SECONDS = 180 * 86_400
"""How long the token of a replica that syncs no more is kept."""
_XID_BITS = 32
"""Of a transaction's 64-bit id, those that Postgres keeps with each row."""
_META = schema.meta.c


def leave(store: Store, replica_id: str, previous: str) -> str:
    """Leave a new token in the ledger; ``previous`` stays valid, for the replica may die before it has the new one.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    token = uuid.uuid4().hex

    def work(ledger: Connection) -> None:
        own = "0" if store.is_sqlite else ledger.execute(sa.text("SELECT pg_current_xact_id()::text")).scalar_one()
        insert = insert_into(ledger.dialect.name, schema.meta)
        row = {"key": f"{_KEY}{replica_id}", "value": f"{time.time():.0f} {own} {token} {previous}".rstrip()}
        ledger.execute(
            insert.values(**row).on_conflict_do_update(index_elements=["key"], set_={"value": insert.excluded.value})
        )
        if not previous:  # a new replica: a good time to forget those that are gone
            _forget(ledger)

    store.transact(work)
    return token


def holds(ledger: Connection, replica_id: str, token: str, *, on_sqlite: bool) -> bool:
    """Whether the ledger has the token, and on Postgres in the very row that the sync wrote.

    A restored dump has the rows, but its server restarts the numbers of transactions: the replica's watermarks mean
    nothing there.
    """
    written_by = sa.literal("") if on_sqlite else sa.literal_column("xmin::text")
    found = ledger.execute(sa.select(_META.value, written_by).where(_META.key == f"{_KEY}{replica_id}")).one_or_none()
    kept = None if found is None else _Kept.read(found[0])
    if found is None or kept is None or token not in kept.tokens:
        return False
    return on_sqlite or kept.xid % 2**_XID_BITS == int(found[1])


def went_back(
    replica: DuckDBPyConnection,
    ledger: Connection,
    known: Sequence[Segment],
    all_sealed: Sequence[Segment],
    *,
    on_sqlite: bool,
) -> bool:
    """Whether the ledger no longer has everything that a replica copied from it.

    Args:
        replica: a connection to the replica.
        ledger: a transaction that reads the ledger.
        known: the segments that the replica has taken in.
        all_sealed: the segments of the ledger.
        on_sqlite: whether the ledger is SQLite.

    Raises:
        LedgerUnusable: an archived file is missing or was changed.
    """
    [(replica_id, token)] = replica.execute("SELECT replica_id, token FROM about").fetchall()
    if token and not holds(ledger, replica_id, token, on_sqlite=on_sqlite):
        return True
    if list(map(_identity, known)) != list(map(_identity, all_sealed[: len(known)])):
        return True
    marks = watermarks(replica)
    for table in schema.FACTS:
        mark = marks[table.name]
        if mark.last_seq:
            row = row_at(ledger, table, mark.last_seq)
            if row is None and not _archived(table, mark.last_seq, all_sealed[len(known) :]):
                return True
            if row is not None and row_digest(row) != mark.last_digest:
                return True
    return False


@dataclass(frozen=True, slots=True)
class _Kept:
    """What stands in the ledger: when it was left, the transaction that left it, the token and the one before."""

    seconds: int
    xid: int
    tokens: tuple[str, ...]

    @classmethod
    def read(cls, value: str) -> _Kept | None:
        """From the ledger's text; none if somebody wrote something else there."""
        match value.split():
            case [seconds, xid, *tokens] if seconds.isdecimal() and xid.isdecimal():
                return cls(int(seconds), int(xid), tuple(tokens))
        return None


def _forget(ledger: Connection) -> None:
    """Drop the tokens of replicas that synced no more for a long time."""
    oldest = time.time() - _LAST_SECONDS
    for key, value in ledger.execute(sa.select(_META.key, _META.value).where(_META.key.startswith(_KEY))).all():
        kept = _Kept.read(value)
        if kept is None or kept.seconds < oldest:
            ledger.execute(sa.delete(schema.meta).where(_META.key == key))


def _identity(segment: Segment) -> tuple[int, dict[str, tuple[int, str]]]:
    return segment.ordinal, segment.files


def _archived(table: sa.Table, seq: int, segments: Sequence[Segment]) -> bool:
    """Whether a row of the ledger was moved into one of these segments."""
    import duckdb

    for segment in segments:
        if segment.files.get(table.name, (0, ""))[0]:
            segment.check(tables={table.name})
            path = str(segment.path(table.name))
            if duckdb.execute("SELECT 1 FROM read_parquet(?) WHERE seq = ?", [path, seq]).fetchone():
                return True
    return False
