"""How much work a function does, as a multiple of other work of the same process: a busy machine slows both alike."""

import time
from collections.abc import Callable, Mapping

_ROUNDS = 3
"""How often a measurement is repeated before it counts as a failure."""


def effort(work: Callable[[], object], tries: int) -> float:
    """Seconds of this thread's CPU for ``work``: the least of several tries, which other processes disturb least."""
    least = float("inf")
    for _ in range(tries):
        began = time.thread_time()
        work()
        least = min(least, time.thread_time() - began)
    return least


def yardstick() -> int:
    """The unit of work: a hundred thousand steps of plain Python, some milliseconds of CPU."""
    total = 0
    for number in range(100_000):
        total = (total * 31 + number) % 1_000_003
    return total


def assert_cheap(
    work: Callable[[str], object], texts: Mapping[str, str], *, most: float, unit: Callable[[], object] = yardstick
) -> None:
    """Assert that ``work`` takes on every text at most so many times what ``unit`` takes.

    Args:
        work: what is measured.
        texts: by name; each is measured once a round, and only those that took too much are measured again.
        most: how many units; a limit that tells linear work from quadratic, not a benchmark.
        unit: what it is compared with, in the same moment.

    Raises:
        AssertionError: with the texts that took more in every round, and how much they took.
    """
    left, took = dict(texts), dict[str, float]()
    for _ in range(_ROUNDS):
        one = effort(unit, 5)
        took = {name: effort(lambda text=text: work(text), 1) / one for name, text in left.items()}  # type: ignore[misc]
        left = {name: text for name, text in left.items() if took[name] > most}
        if not left:
            return
    raise AssertionError(
        f"more than {most:g} times the unit of work: { {name: round(took[name], 1) for name in left} }"
    )


def assert_grows_with_length(work: Callable[[str], object], whole: str, *, parts: int = 20, most: float = 4.0) -> None:
    """Assert that a text of ``parts`` times the length takes about as many times the work, and not the square of it.

    Args:
        work: what is measured.
        whole: the long text; the short one is its beginning.
        parts: how many times as long the long one is.
        most: how many times ``parts`` the work may grow; a quadratic function's grows by ``parts`` times ``parts``.
    """
    assert most < parts / 2, "a quadratic function would pass"
    short, grew = whole[: len(whole) // parts], 0.0
    for _ in range(_ROUNDS):
        base = max(effort(lambda: work(short), 5), 20e-6)
        grew = effort(lambda: work(whole), 3) / base / parts
        if grew <= most:
            return
    raise AssertionError(f"{parts} times the text took {grew * parts:.0f} times the work")
