"""Waits of tests: for the event itself, with limits that only end what hangs."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 900.0
"""Seconds after which a wait counts as hung, and below pytest's own limit. How soon an event comes proves nothing."""


_LONGEST_PAUSE = 0.2


def until(what: str, look: Callable[[], T], *, seconds: float = PATIENCE, pause: float | None = None) -> T:
    """Call ``look`` until it finds something, and return what it found.

    Args:
        what: the event, for the message of a failure.
        look: returns something true once the event has happened.
        seconds: the limit; a smaller one only where the caller tries again.
        pause: seconds between two looks; if left out, ever longer ones, so that a long wait leaves the CPU to what is
            waited for.

    Raises:
        AssertionError: the event did not happen within the limit.

    Example:
        ``until("hold released", lambda: not rows(ledger, schema.holds))``
    """
    end = time.monotonic() + seconds
    growing = 0.005
    while not (found := look()):
        if time.monotonic() >= end:
            raise AssertionError(f"no {what} within {seconds:.0f} s; last seen: {found!r}")
        growing = min(growing * 1.3, _LONGEST_PAUSE)
        time.sleep(growing if pause is None else pause)
    return found


def leave(ask: Callable[[float], object], served: Callable[[], object]) -> None:
    """Ask what never answers, and hang up once the server has taken the question.

    Args:
        ask: sends the question, and waits for an answer so many seconds.
        served: true once the server has taken it.
    """
    import httpx

    for seconds in (0.15, 1.0, 10.0, 100.0, PATIENCE):
        try:
            raise AssertionError(f"it was answered: {ask(seconds)!r}")
        except httpx.ReadTimeout:
            pass
        with suppress(AssertionError):
            until("question at the server", served, seconds=seconds)
            return
    raise AssertionError("the server never took the question")
