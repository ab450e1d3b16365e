"""What the ledger's tables are made of: kinds of columns, and what every table of facts has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from pricing.transaction_ids import TransactionId, current_transaction

metadata = MetaData()

Number = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits everywhere; SQLite numbers rows only in columns it calls INTEGER."""


def fact(name: str, *columns: Column[Any] | Index) -> Table:
    """A table of facts: rows are numbered, and know the transaction that wrote them."""
    return Table(
        name,
        metadata,
        Column("seq", Number, primary_key=True, autoincrement=True),
        Column(
            "xid",
            TransactionId().with_variant(Integer(), "sqlite"),
            nullable=False,
            server_default=current_transaction(),
        ),
        *columns,
        Index(f"ix_{name}_xid", "xid").ddl_if(dialect="postgresql"),
        sqlite_autoincrement=True,
    )


def text(name: str, *, optional: bool = False) -> Column[Any]:
    """A column of text."""
    return Column(name, Text, nullable=optional)


def number(name: str, *, optional: bool = False) -> Column[Any]:
    """A column of 64 bits."""
    return Column(name, Number, nullable=optional)


def key(name: str, kind: Any = Text) -> Column[Any]:
    """A column of the primary key."""
    return Column(name, kind, primary_key=True)


def usage() -> list[Column[Any]]:
    """The token counts of one or more answers."""
    names = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
    return [number(f"{name}_tokens", optional=True) for name in names]
