"""Generators whose code runs in a context of its own.

A generator runs in the context of the caller that requests its next value. What it sets there would be visible
to that caller between two values, and could not be taken back if the next one is requested elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

Y = TypeVar("Y")
R = TypeVar("R")

Block = Callable[[], AbstractContextManager[object]]
"""Makes what the generator's code runs inside of, from its first value to its last."""


def iterate_within(block: Block, generator: Generator[Y, Any, R]) -> Generator[Y, Any, R]:
    """Yield and return what the generator does, with its code inside the block and in a copy of the current context."""
    context, inner = copy_context(), _inside(block, generator)
    step: Callable[[], Y] = partial(next, inner)
    while True:
        try:
            value = context.run(step)
        except StopIteration as end:
            returned: R = end.value
            return returned
        try:
            step = partial(inner.send, (yield value))
        except GeneratorExit:
            context.run(inner.close)
            raise
        except BaseException as error:  # noqa: BLE001 - thrown in: the generator's to handle
            step = partial(inner.throw, error)


def _inside(block: Block, generator: Generator[Y, Any, R]) -> Generator[Y, Any, R]:
    with block():
        return (yield from generator)


_END = object()


async def iterate_within_async(block: Block, generator: AsyncGenerator[Y, Any]) -> AsyncGenerator[Y, None]:
    """Yield what the async generator does; each of its steps is an ``asyncio`` task in that context."""
    context, inner = copy_context(), _inside_async(block, generator)
    try:
        while True:
            value: Any = await asyncio.create_task(_next(inner), context=context)
            if value is _END:
                return
            yield value
    finally:
        await asyncio.create_task(_closed(inner), context=context)


async def _inside_async(block: Block, generator: AsyncGenerator[Y, Any]) -> AsyncGenerator[Y, None]:
    with block():
        try:
            async for value in generator:
                yield value
        finally:
            await generator.aclose()


async def _next(generator: AsyncGenerator[Y, Any]) -> object:
    return await anext(generator, _END)


async def _closed(generator: AsyncGenerator[Y, Any]) -> None:
    await generator.aclose()
