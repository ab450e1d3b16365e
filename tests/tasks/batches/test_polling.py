"""How often a batch is asked for, and when that is given up."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tasks.batches import BatchCallFailed, BatchHandle, BatchStatus, BatchUnreachable, Pace, checks
from tasks.providers.failure_kinds import Failure, failure
from tests.support.exchanges import target

RUNNING, ENDED = BatchStatus("running"), BatchStatus("ended")
HANDLE = BatchHandle(target("openai"), "batch_1")


class Answers:
    """A client whose checks bring what is listed: a status, or a failure."""

    def __init__(self, listed: Sequence[BatchStatus | Failure]) -> None:
        self.left = list(listed)

    async def status(self, handle: BatchHandle) -> BatchStatus:
        found = self.left.pop(0)
        if isinstance(found, Failure):
            raise BatchCallFailed("openai", "status", found)
        return found


def watched(listed: Sequence[BatchStatus | Failure], **pace: Any) -> tuple[list[str], list[float]]:
    """The states that were reported, and the waits between."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def watch() -> list[str]:
        client: Any = Answers(listed)
        return [status.state async for status in checks(client, HANDLE, pace=Pace(**pace), sleep=sleep)]

    return asyncio.run(watch()), waits


def test_waits_grow_from_half_a_minute_to_ten():
    states, waits = watched([*[RUNNING] * 10, ENDED])
    assert states == ["running"] * 10 + ["ended"]
    assert waits == [30, 45, 67.5, 101.25, 151.875, 227.8125, 341.71875, 512.578125, 600, 600]


def test_a_final_status_ends_it_at_once():
    for state in ("ended", "failed", "expired", "cancelled"):
        assert watched([BatchStatus(state)]) == ([state], [])


def test_two_failures_in_a_row_are_borne_and_counted_anew():
    down = failure("server_error", status=500)
    states, waits = watched([down, down, RUNNING, down, down, ENDED], first=1, factor=2, longest=8)
    assert (states, waits) == (["running", "ended"], [1, 2, 4, 8, 8])


def test_the_third_failure_in_a_row_gives_up_and_says_so():
    down = [failure("server_error", status=500), failure("timeout"), failure("auth", status=401)]
    with pytest.raises(BatchUnreachable) as given_up:
        watched([RUNNING, *down, ENDED])
    assert (given_up.value.checks, given_up.value.failure.kind) == (3, "auth")
    assert str(given_up.value) == (
        "3 consecutive checks of batch batch_1 at openai failed, the last with auth. "
        "The batch continues at the provider; check it again later."
    )


def test_a_provider_that_asks_for_more_time_gets_it():
    from dataclasses import replace

    limited = replace(failure("rate_limit", status=429), retry_after=90.0)
    assert watched([limited, ENDED])[1] == [90.0]
    assert watched([replace(limited, retry_after=3.0), ENDED])[1] == [30.0]


@pytest.mark.parametrize("wrong", [{"first": -1}, {"factor": 0.9}, {"longest": 1}, {"failures": 0}])
def test_a_pace_that_never_slows_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="a pace needs"):
        Pace(**wrong)
