"""Segments: archived facts as Parquet files, one folder per segment, that DuckDB reads like tables.

Which segments there are is said by the ledger; a folder that it does not name is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.errors import LedgerUnusable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEAST_DAYS = 31
"""Younger runs stay out of the archive: what targets did is looked back on for a month."""
TABLES = (
    schema.runs,
    schema.turns,
    schema.attempts,
    schema.adjustments,
    schema.settlements,
    schema.guard_decisions,
    schema.guard_reviews,
)
"""The facts about single runs; those about circuits, budgets and wallets stay in the ledger."""


class Checked:
    """The archived files whose digests this process has compared; a file that was written since counts as unread."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, int, int, int]] = set()

    def knows(self, path: Path, digest: str) -> bool:
        """Whether the file, as it is now, was compared.

        Raises:
            OSError: it cannot be looked at.
        """
        return _identity(path, digest) in self._known

    def add(self, path: Path, digest: str) -> None:
        """Remember that it was compared."""
        self._known.add(_identity(path, digest))


def _identity(path: Path, digest: str) -> tuple[str, str, int, int, int]:
    found = path.stat()
    return str(path), digest, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Segment:
    """One folder of Parquet files; ``files`` are by table their rows and SHA-256, ``shape`` tells their columns, once
    somebody has looked.
    """

    ordinal: int
    folder: Path
    files: dict[str, tuple[int, str]]
    pruned: bool = True
    shape: str = ""

    def path(self, table: str) -> Path:
        """The file of one table."""
        return self.folder / f"{table}.parquet"

    def check(self, checked: Checked | None = None, tables: Collection[str] | None = None) -> None:
        """Make sure that every file, or those of some tables, is there and is what was sealed.

        Args:
            checked: files that need not be read again; those read now are added.
            tables: which tables' files; all, if left out.

        Raises:
            LedgerUnusable: one is missing or was changed.
        """
        for table, (_, digest) in self.files.items():
            if tables is not None and table not in tables:
                continue
            path = self.path(table)
            try:
                if checked is not None and checked.knows(path, digest):
                    continue
                found = digest_of(path)
            except FileNotFoundError:
                raise missing_segment(path) from None
            except OSError as error:
                raise unreadable(path, error.strerror or "") from None
            if found != digest:
                raise changed(path)
            if checked is not None:
                checked.add(path, digest)

    def glance(self, duck: DuckDBPyConnection) -> None:
        """Make sure, by the ends of the files only, that every one is there and has as many rows as was sealed.

        Raises:
            LedgerUnusable: one is missing, cannot be read, or has other rows.
        """
        import duckdb

        for table, (rows, _) in self.files.items():
            path = self.path(table)
            if not path.exists():
                raise missing_segment(path)
            try:
                found = duck.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [str(path)]).fetchone()
            except duckdb.Error:
                raise unreadable(path) from None
            if found != (rows,):
                raise changed(path)


def folder_of(archive: Path, epoch: str, ordinal: int) -> Path:
    """Where a ledger's segment lies."""
    return archive / f"{epoch[:8]}-{ordinal:06}"


def sealed(ledger: Connection, archive: Path) -> list[Segment]:
    """Every segment of a ledger, oldest first."""
    epoch = ledger.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar_one()
    rows = ledger.execute(sa.select(schema.segments).order_by(schema.segments.c.ordinal))
    return [
        Segment(
            row.ordinal,
            folder_of(archive, epoch, row.ordinal),
            files_of(row.files),
            row.pruned_at is not None,
        )
        for row in rows
    ]


def files_of(text: str) -> dict[str, tuple[int, str]]:
    """By table the rows and the digest of a segment's files, from their JSON."""
    return {table: (rows, digest) for table, (rows, digest) in json.loads(text).items()}


def span(duck: DuckDBPyConnection, segments: Sequence[Segment]) -> None:
    """Let the views of facts show these segments beside what is in the tables.

    Files whose columns are known to be the same are bound as one: else each is opened only to be asked for them.
    """
    shapes = list(dict.fromkeys(segment.shape for segment in segments))
    for table in TABLES:
        duck.execute(f"DROP VIEW IF EXISTS temp.{table.name}")
        parts = [f"FROM facts.{table.name}"]
        for shape in shapes:
            paths = [str(one.path(table.name)) for one in segments if one.shape == shape and one.files[table.name][0]]
            if paths:
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
                parts.append(f"FROM read_parquet([{listed}], union_by_name = {not shape})")
        if len(parts) > 1:
            duck.execute(f"CREATE TEMP VIEW {table.name} AS {' UNION ALL BY NAME '.join(parts)}")


def shape_of(duck: DuckDBPyConnection, segment: Segment) -> str:
    """A segment's columns, table by table, as one digest."""
    found = [
        duck.execute("DESCRIBE FROM read_parquet(?)", [str(segment.path(table.name))]).fetchall() for table in TABLES
    ]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def missing_segment(path: Path) -> LedgerUnusable:
    """The error of a file that is not there."""
    return LedgerUnusable(
        f"The archived {path} is missing.",
        next_step="Set archive.folder in farebox.toml to where the archive is, or restore it from a backup.",
    )


def changed(path: Path) -> LedgerUnusable:
    """The error of a file that is not what was sealed."""
    return LedgerUnusable(
        f"The archived {path} was changed: its digest is not the one that was sealed.",
        next_step="Restore this file from a backup of the archive; the ledger no longer has its rows, "
        "so `farebox sync --rebuild` cannot replace it.",
    )


def unreadable(path: Path, why: str = "") -> LedgerUnusable:
    """The error of a file that is there and cannot be read."""
    return LedgerUnusable(
        f"The archived {path} cannot be read{f' ({why})' if why else ''}.",
        next_step="Make it readable, or restore it from a backup of the archive.",
    )


def digest_of(path: Path) -> str:
    """A file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
