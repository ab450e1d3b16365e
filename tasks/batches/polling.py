"""Asking how far a batch is, seldom enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tasks.batches.api import BatchCallFailed, BatchClient, BatchHandle, BatchStatus
from tasks.providers.failure_kinds import Failure


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a batch is asked for.

    Args:
        first: seconds before the second check.
        factor: by which each wait is longer than the one before.
        longest: seconds of the longest wait.
        failures: checks that may fail one after the other before it is given up.

    Raises:
        ValueError: the checks would never become rarer, or not be made at all.
    """

    first: float = 30.0
    factor: float = 1.5
    longest: float = 600.0
    failures: int = 3

    def __post_init__(self) -> None:
        if self.first < 0 or self.factor < 1 or self.longest < self.first or self.failures < 1:
            raise ValueError("a pace needs first >= 0, factor >= 1, longest >= first and failures >= 1")

    def after(self, checks: int) -> float:
        """Seconds to wait after so many checks.

        Example:
            >>> [Pace().after(checks) for checks in (1, 2, 3, 9, 500)]
            [30.0, 45.0, 67.5, 600.0, 600.0]
        """
        return min(self.longest, self.first * self.factor ** min(checks - 1, _ENOUGH))


_ENOUGH: Final = 100
"""Steps after which any pace has reached its longest wait, or will not."""
USUAL_PACE: Final = Pace()


class BatchUnreachable(Exception):
    """Several checks in a row failed. The batch goes on at its provider, and can be asked for later."""

    def __init__(self, handle: BatchHandle, failure: Failure, checks: int) -> None:
        super().__init__(handle, failure, checks)
        self.handle = handle
        self.failure = failure
        self.checks = checks

    def __str__(self) -> str:
        kind = self.failure.kind.replace("_", " ")
        return (
            f"{self.checks} consecutive checks of batch {self.handle.batch_id} at {self.handle.provider} failed, the "
            f"last with {kind}. The batch continues at the provider; check it again later."
        )


async def checks(
    client: BatchClient,
    handle: BatchHandle,
    *,
    pace: Pace = USUAL_PACE,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[BatchStatus]:
    """Each status that a check brings, the last one final. The first check is made at once.

    A check that fails is made again after the wait, or after the time that the provider asks for, if that is longer.

    Args:
        client: the provider's.
        handle: the batch.
        pace: how often.
        sleep: waits for so many seconds.

    Raises:
        BatchUnreachable: as many checks as the pace allows failed in a row.
    """
    made = failed = 0
    while True:
        made += 1
        wait = pace.after(made)
        try:
            status = await client.status(handle)
        except BatchCallFailed as error:
            failed += 1
            if failed >= pace.failures:
                raise BatchUnreachable(handle, error.failure, failed) from None
            wait = max(wait, error.failure.retry_after or 0.0)
        else:
            failed = 0
            yield status
            if status.final:
                return
        await sleep(wait)
