"""A caller that stops waiting for a write stops neither it nor those after it."""

import asyncio

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.write_queue import PendingWrite


async def waited(written: PendingWrite[int]) -> int:
    return await written


def put(connection: sa.Connection) -> int:
    connection.execute(schema.meta.insert().values(key="abandoned", value="1"))
    return 1


def count(connection: sa.Connection) -> int:
    found = sa.select(sa.func.count()).where(schema.meta.c.key == "abandoned")
    return int(connection.execute(found).scalar_one())


async def test_a_write_that_nobody_waits_for_any_more_is_written_and_the_next_one_too(store: Store):
    with store.write():  # so that it has to wait, and on another thread
        waiting = asyncio.ensure_future(waited(store.submit(put)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
    assert await asyncio.wait_for(waited(store.submit(count)), 10) == 1


async def test_a_write_is_written_though_its_loop_is_blocked_by_waiting_for_it(store: Store):
    written = store.submit(put)
    assert written.result(10) == 1
    assert await store.submit(count) == 1


def test_what_a_loop_left_behind_is_written_when_the_store_is_closed(store: Store):
    async def leave() -> None:
        store.submit(put)
        asyncio.get_running_loop().stop()

    loop = asyncio.new_event_loop()
    left = loop.create_task(leave())
    loop.run_forever()
    assert left.done()
    loop.close()
    store.close()
    assert store.submit(count).result(10) == 1
