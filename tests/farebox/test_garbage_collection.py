"""How often Python looks for garbage: less often where turns are asked, and as often as the user says."""

import gc
from collections.abc import Iterator

import pytest

from farebox.garbage_collection import collect_less


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("before", "after"),
    [((700, 10, 10), (20_000, 10, 10)), ((5_000, 10, 10), (5_000, 10, 10)), ((0, 0, 0), (0, 0, 0))],
)
def test_a_threshold_that_was_set_is_kept(before: tuple[int, int, int], after: tuple[int, int, int]):
    gc.set_threshold(*before)
    collect_less()
    assert gc.get_threshold() == after


def test_garbage_is_collected_all_the_same():
    class Ring:
        left = 0

        def __init__(self) -> None:
            Ring.left += 1
            self.itself = self

        def __del__(self) -> None:
            Ring.left -= 1

    gc.set_threshold(700, 10, 10)
    collect_less()
    for _ in range(100_000):
        Ring()
    assert Ring.left < 50_000
