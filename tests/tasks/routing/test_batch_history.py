"""What past batches say about the next one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.routing import LIVE_PERCENT, BatchHistory, batch_time
from tasks.routing.batch_history import LEAST_BATCHES, UNKNOWN_BATCH_TIME


@given(st.lists(st.floats(0, 1e6), max_size=60))
def test_times_of_batches_come_from_past_ones(seconds: list[float]):
    found = batch_time(seconds)
    assert found.batches == len(seconds)
    if not seconds:
        assert found == UNKNOWN_BATCH_TIME
        return
    assert sum(second <= found.median for second in seconds) * 2 >= len(seconds)
    assert sum(second <= found.p95 for second in seconds) >= 0.95 * len(seconds)
    if len(seconds) < LEAST_BATCHES:
        assert found.p95 == max(UNKNOWN_BATCH_TIME.p95, *seconds)
    else:
        assert found.p95 in seconds


@given(seconds=st.lists(st.floats(0, 1e6), max_size=60), waited=st.floats(0, 1e6))
def test_a_batch_is_expected_after_what_was_waited_for_it(seconds: list[float], waited: float):
    expected = BatchHistory(tuple(seconds)).expected_seconds(waited)
    longer = [second for second in seconds if second > waited]
    assert (expected is None) == (not longer)
    if expected is not None:
        assert expected > waited
        assert sum(second <= expected for second in longer) * 2 >= len(longer)


@pytest.mark.parametrize(
    ("turns", "live", "percent"),
    [
        (0, 0, LIVE_PERCENT),
        (20, 0, 4),
        (20, 20, 21),
        (400, 400, 81),
        (2_000, 100, 5),
        (2_000, 0, 1),
        (2_000, 2_000, 95),
    ],
)
def test_the_share_asked_live_is_learned_from_an_assumption_on(turns: int, live: int, percent: int):
    assert BatchHistory((), turns, live).live_percent == percent


@given(turns=st.integers(0, 10**6), data=st.data())
def test_the_share_is_a_percentage_and_grows_with_what_is_asked_live(turns: int, data: st.DataObject):
    live = data.draw(st.integers(0, turns))
    found = BatchHistory((), turns, live).live_percent
    assert 1 <= found <= 100
    assert found <= BatchHistory((), turns, turns).live_percent
    assert found >= BatchHistory((), turns, 0).live_percent
