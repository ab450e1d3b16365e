"""What a flow or a step raises, and the states it returns, masked before Prefect writes them down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, cast

from guardrails import find_guard, masked_exception
from tasks.context import current_run
from tasks.run_values import run_values

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from guardrails import Finder  # the patterns of personal data take longer to load than all of this package

R = TypeVar("R")

EXCEPTION_FINDER: ContextVar[Callable[[], Finder]] = ContextVar("farebox_exception_finder")
"""Finds personal data as the automation that is under way declares it; in a process that is not the flow's, our own."""


@lru_cache(maxsize=1)
def _own_finder() -> Finder:
    return cast("Finder", find_guard("pii")())


def _mask() -> Callable[[str], str]:
    """A function that masks personal data, known personal values and keys in a text."""
    from guardrails import Scrubber

    finder = EXCEPTION_FINDER.get(_own_finder)()
    run = current_run()
    scrubber = Scrubber(finder, (*run_values.of(run.values_of), *run.known), None)
    return lambda text: str(scrubber.scrub_json(text))


@contextmanager
def masked_exceptions() -> Iterator[None]:
    """Mask what is raised within a block, with the personal values known to the block."""
    try:
        yield
    except Exception as error:
        masked = masked_exception(error, _mask())
        if masked is error:
            raise
        raise masked from masked.__cause__


def masked_state(result: R) -> R:
    """The return value of a flow; a Prefect state is returned with its message and exception masked."""
    from prefect.client.schemas.objects import State

    if not isinstance(result, State):
        return result
    state = cast("State[object]", result)
    if state.is_completed():
        return result
    mask = _mask()
    if state.message:
        state.message = mask(state.message)
    if isinstance(state.data, Exception):
        state.data = masked_exception(state.data, mask)
    return result
