"""Generators in a context of their own: what they set is not seen outside, and is there with each value."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from tasks.generators import iterate_within, iterate_within_async

PLACE: ContextVar[str] = ContextVar("place", default="outside")


class Block:
    """Sets the place, and remembers how it was left."""

    def __init__(self) -> None:
        self.left = ""

    @contextmanager
    def __call__(self) -> Iterator[None]:
        token = PLACE.set("inside")
        try:
            yield
        except BaseException as error:
            self.left = type(error).__name__
            raise
        else:
            self.left = "end"
        finally:
            PLACE.reset(token)


def places(count: int) -> Generator[str, str | None, str]:
    for _ in range(count):
        told = yield PLACE.get()
        if told is not None:
            PLACE.set(told)
    return f"returned {PLACE.get()}"


async def places_async(count: int) -> AsyncGenerator[str, None]:
    for _ in range(count):
        await asyncio.sleep(0)
        yield PLACE.get()


def failing() -> Generator[str, None, None]:
    yield PLACE.get()
    raise ValueError("own")


async def failing_async() -> AsyncGenerator[str, None]:
    yield PLACE.get()
    raise ValueError("own")


def test_values_are_made_inside_and_taken_outside():
    block, found = Block(), []

    def taken() -> Generator[str, None, None]:
        found.append((yield from iterate_within(block, places(2))))

    for value in taken():
        assert (value, PLACE.get()) == ("inside", "outside")
    assert (found, block.left) == (["returned inside"], "end")


def test_what_is_sent_and_thrown_arrives_and_what_it_sets_stays_its_own():
    running = iterate_within(block := Block(), places(5))
    assert [next(running), running.send("moved"), PLACE.get()] == ["inside", "moved", "outside"]
    with pytest.raises(KeyError):
        running.throw(KeyError("thrown"))
    assert block.left == "KeyError"


def test_each_value_may_be_asked_for_by_another_thread():
    running = iterate_within(block := Block(), places(3))
    with ThreadPoolExecutor(3) as pool:
        assert [pool.submit(next, running, "over").result() for _ in range(4)] == ["inside"] * 3 + ["over"]
    assert block.left == "end"


@pytest.mark.parametrize("taken", [0, 1])
def test_a_caller_that_has_had_enough_leaves_the_block(taken: int):
    running = iterate_within(block := Block(), places(3))
    for _ in range(taken):
        next(running)
    running.close()
    assert block.left == ("GeneratorExit" if taken else "")


def test_an_error_leaves_the_block_and_arrives():
    running = iterate_within(block := Block(), failing())
    assert next(running) == "inside"
    with pytest.raises(ValueError, match="own"):
        next(running)
    assert block.left == "ValueError"


async def test_an_async_generator_is_the_same():
    block = Block()
    async for value in iterate_within_async(block, places_async(3)):
        assert (value, PLACE.get()) == ("inside", "outside")
    assert block.left == "end"


async def test_an_async_error_leaves_the_block_and_arrives():
    running = iterate_within_async(block := Block(), failing_async())
    assert await anext(running) == "inside"
    with pytest.raises(ValueError, match="own"):
        await anext(running)
    assert block.left == "ValueError"


async def test_an_async_caller_that_has_had_enough_leaves_the_block():
    running = iterate_within_async(block := Block(), places_async(3))
    await anext(running)
    await running.aclose()
    assert block.left == "GeneratorExit"


async def test_a_cancelled_step_of_an_async_generator_leaves_the_block():
    begun = asyncio.Event()

    async def waiting() -> AsyncGenerator[str, None]:
        yield PLACE.get()
        begun.set()
        await asyncio.Event().wait()

    running = iterate_within_async(block := Block(), waiting())
    await anext(running)
    step = asyncio.ensure_future(anext(running))
    await begun.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    await running.aclose()
    assert block.left == "CancelledError"
