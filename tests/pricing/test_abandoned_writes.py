"""Whoever stops waiting for a write stops neither it nor those after it."""

import asyncio
import threading

import sqlalchemy as sa

from pricing import schema
from pricing.store import Store


async def test_a_write_that_nobody_waits_for_any_more_is_written_and_the_next_one_too(store: Store):
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> None:
        begun.set()
        go_on.wait(10)
        connection.execute(schema.meta.insert().values(key="abandoned", value="1"))

    waiting = asyncio.ensure_future(asyncio.wrap_future(store.submit(slow)))
    await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    go_on.set()

    def count(connection: sa.Connection) -> int:
        found = sa.select(sa.func.count()).where(schema.meta.c.key == "abandoned")
        return int(connection.execute(found).scalar_one())

    assert await asyncio.wait_for(asyncio.wrap_future(store.submit(count)), 10) == 1
