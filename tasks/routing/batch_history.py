"""What past batches of a provider say about the next: how long it takes, and how many of its turns are asked live."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final, NamedTuple

from pricing import record

LEAST_BATCHES: Final = 19
"""The fewest past batches that have a 95% quantile: with fewer, the longest of them may be exceeded more often."""
LIVE_PERCENT: Final = 5
"""Of a hundred turns of a batch, those that are asked at the standard price after all, where nothing is known: a batch
is chosen where 95% of batches are back in time."""
PRIOR_TURNS: Final = 100
"""For so many turns of past batches that assumption counts beside what was seen."""


class BatchTime(NamedTuple):
    """The duration of a provider's batches, in seconds.

    Args:
        median: half of them are back by then.
        p95: 95 of 100 are.
        batches: how many past ones that is based on.
    """

    median: float
    p95: float
    batches: int = 0


UNKNOWN_BATCH_TIME: Final = BatchTime(3600.0, 4 * 3600.0)
"""Of a provider without past batches. All promise 24 hours; what is published is a median of minutes and 90% within one
hour. Four hours are a margin that costs nothing if it is not needed."""


@record(frozen=True, slots=True)
class BatchHistory:
    """The newest batches of one provider.

    Args:
        seconds: how long each took, the newest last.
        turns: turns that were in them and have ended.
        live: those of the turns that were asked live after all.
    """

    seconds: tuple[float, ...] = ()
    turns: int = 0
    live: int = 0

    @property
    def time(self) -> BatchTime:
        """The expected duration of the next batch."""
        return batch_time(self.seconds)

    @property
    def live_percent(self) -> int:
        """Of a hundred turns of the next batch, those that are expected to be asked live: the mean of a beta
        distribution that begins at ``LIVE_PERCENT``, with the weight of ``PRIOR_TURNS`` turns. It is never below 1.

        Example:
            >>> [BatchHistory((), turns, live).live_percent for turns, live in ((0, 0), (100, 25), (1900, 0))]
            [5, 15, 1]
        """
        return max(1, round((PRIOR_TURNS * LIVE_PERCENT + 100 * self.live) / (PRIOR_TURNS + self.turns)))

    def expected_seconds(self, waited: float) -> float | None:
        """How long a batch takes in all that has been waited for ``waited`` seconds: the median of past ones that took
        longer. ``None`` where none did.

        Example:
            >>> history = BatchHistory((600.0, 1200.0, 3600.0))
            >>> [history.expected_seconds(waited) for waited in (0, 600, 1300, 3600)]
            [1200.0, 1200.0, 3600.0, None]
        """
        longer = sorted(seconds for seconds in self.seconds if seconds > waited)
        return longer[(len(longer) - 1) // 2] if longer else None


def batch_time(seconds: Sequence[float]) -> BatchTime:
    """How long batches take that took so many ``seconds`` each, the newest last: by order statistics.

    Where there are too few for a quantile, it is the longest of them, and not less than is assumed without any.

    Example:
        >>> batch_time([600.0] * 18 + [1200.0] * 2)
        BatchTime(median=600.0, p95=1200.0, batches=20)
        >>> batch_time([])
        BatchTime(median=3600.0, p95=14400.0, batches=0)
    """
    if not seconds:
        return UNKNOWN_BATCH_TIME
    ordered = sorted(seconds)
    median = ordered[(len(ordered) - 1) // 2]
    if len(ordered) < LEAST_BATCHES:
        return BatchTime(median, max(UNKNOWN_BATCH_TIME.p95, ordered[-1]), len(ordered))
    rank = min(len(ordered), ceil(95 * (len(ordered) + 1) / 100))
    return BatchTime(median, ordered[rank - 1], len(ordered))
