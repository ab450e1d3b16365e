"""A transaction that reads sees one state, the next one the newest; over SQLite and Postgres."""

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.prepared import Savepoint
from pricing.db.upsert import insert_into

_META = schema.meta.c


def put(store: Store, value: str) -> None:
    with store.write() as connection:
        added = insert_into(connection.dialect.name, schema.meta).values(key="seen", value=value)
        connection.execute(added.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def seen(connection: sa.Connection) -> str | None:
    return connection.execute(sa.select(_META.value).where(_META.key == "seen")).scalar_one_or_none()


def test_what_is_read_belongs_together(store: Store):
    elsewhere = Store(store.url.render_as_string(hide_password=False))
    try:
        put(elsewhere, "first")
        for number in range(3):  # a pool gives the same connection again
            with store.read() as connection:
                before = seen(connection)
                put(elsewhere, f"number {number}")
                with store.read() as inner:
                    assert seen(inner) == before != f"number {number}"
            with store.read() as connection:
                assert seen(connection) == f"number {number}"
    finally:
        elsewhere.close()


def test_a_write_after_a_read_sees_what_is_committed_meanwhile(store: Store):
    """On a server both have the same connection, one after the other, at two levels of isolation."""
    elsewhere = Store(store.url.render_as_string(hide_password=False))
    try:
        put(elsewhere, "first")
        with store.read() as connection:
            assert seen(connection) == "first"
        if store.is_sqlite:  # where one writes at a time
            put(elsewhere, "second")
        with store.write() as connection:
            if not store.is_sqlite:
                assert seen(connection) == "first"
                put(elsewhere, "second")
            assert seen(connection) == "second"
    finally:
        elsewhere.close()


def test_a_savepoint_undoes_its_part_alone(store: Store):
    put(store, "before")
    for keep in (True, False):
        with store.write() as connection:
            mine = sa.update(schema.meta).where(_META.key == "seen")
            connection.execute(mine.values(value=f"outside {keep}"))
            savepoint = Savepoint(connection)
            connection.execute(mine.values(value=f"inside {keep}"))
            if keep:
                savepoint.release()
            else:
                savepoint.roll_back()
        with store.read() as connection:
            assert seen(connection) == ("inside True" if keep else "outside False")
