"""Postgres' transaction ids: by them the replica knows which rows are complete."""

from __future__ import annotations

from typing import Any

from sqlalchemy import types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement


class TransactionId(types.UserDefinedType[int]):
    """Postgres' 64-bit transaction id: the watermark that late commits cannot slip past (SQLite needs none)."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL."""
        return "xid8"


class current_transaction(FunctionElement[Any]):  # noqa: N801 - an SQL function, written as one
    """The id of the writing transaction on Postgres, 0 on SQLite."""

    inherit_cache = True


@compiles(current_transaction, "postgresql")
def _postgres(*_: Any, **__: Any) -> str:
    return "pg_current_xact_id()"


@compiles(current_transaction, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    return "0"
