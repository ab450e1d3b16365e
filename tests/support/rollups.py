"""What several tests of the rollups share."""

from typing import Any, NamedTuple

from pricing.db.database import Store
from pricing.db.schema import metadata


class Fact(NamedTuple):
    table: str
    row: dict[str, Any]


def filled(table: str, **known: Any) -> Fact:
    """A row with something in every column that must have it."""
    row = dict(known)
    for column in metadata.tables[table].columns:
        if column.name in {"seq", "xid"} or column.name in row or column.nullable:
            continue
        row[column.name] = "" if column.type.python_type is str else 0
    return Fact(table, row)


def write(store: Store, facts: list[Fact]) -> None:
    with store.write() as connection:
        for fact in facts:
            connection.execute(metadata.tables[fact.table].insert().values(**fact.row))
