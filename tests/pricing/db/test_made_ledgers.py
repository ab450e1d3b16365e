"""The ledgers that tests begin with are those that migrations make."""

import sqlite3
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from tests.support.made_ledgers import migrated_for_real
from tests.support.postgres import Postgres


def contents(path: Path) -> tuple[list[Any], dict[str, list[Any]]]:
    """Every table, index and trigger, and the rows of every table but the ledger's own id."""
    with sqlite3.connect(path) as connection:
        made = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        rows = {
            name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for kind, name, *_ in made if kind == "table"
        }
    [(key, epoch)] = rows.pop("meta")
    assert key == "epoch"
    assert len(epoch) == 32
    return sorted(made, key=str), rows


def epoch(store: Store) -> str:
    with store.read() as connection:
        return str(connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.key == "epoch")).scalar_one())


def opened(url: str, *, really: bool = False) -> str:
    store = Store(url)
    with migrated_for_real() if really else nullcontext():
        found = epoch(store)
    store.close()
    return found


def test_on_sqlite(tmp_path: Path):
    names = ("migrated", "first", "second")
    epochs = {opened(f"sqlite:///{tmp_path / name}.db", really=name == "migrated") for name in names}
    assert len(epochs) == 3
    migrated, *copies = [contents(tmp_path / f"{name}.db") for name in names]
    assert len(migrated[0]) > 50
    assert copies == [migrated, migrated]


def test_on_postgres(request: pytest.FixtureRequest):
    server: Postgres = request.getfixturevalue("postgres")
    urls = [server.ledger(), server.ledger()]
    assert len({opened(url) for url in urls}) == 2
    engine = sa.create_engine(urls[0])
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == schema.VERSION
        assert connection.execute(sa.text("SELECT count(*) FROM meta")).scalar() == 1
    engine.dispose()
