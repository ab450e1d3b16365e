"""Service levels: how fast and how reliable a target must have been to be asked first, by operation and quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pricing import record
from tasks.routing.target import Tier

if TYPE_CHECKING:  # the database's library takes longer to load than this package
    from pricing.ledger import TargetStats

Quality: TypeAlias = Literal["fast", "best"]

ENOUGH = 20
"""Observations from which on they are evidence."""
LIGHT_SECONDS = 2.0
"""Nobody waits longer for something simple."""
OTHER_SECONDS = 30.0
"""Nobody waits longer for anything."""
_SUCCESS: dict[Quality, float] = {"fast": 0.90, "best": 0.95}


@record(frozen=True, slots=True)
class TargetSLO:
    """The service level that the first choice must meet.

    Args:
        seconds: what the 95th percentile of its answers' durations may be.
        success: the share of its attempts whose answers must have been accepted, by provider, schema and guards. A
            judge counts through the same door: an answer that it sends back was not accepted.
    """

    seconds: float
    success: float

    @classmethod
    def of(cls, tier: Tier, quality: Quality, seconds: float | None = None) -> TargetSLO:
        """The service level of a tier and quality; ``seconds`` is the step's own latency."""
        usual = LIGHT_SECONDS if tier == "light" else OTHER_SECONDS
        return cls(usual if seconds is None else seconds, _SUCCESS[quality])

    def missed_by(self, observed: TargetStats | None) -> str | None:
        """The limit that a target is known to miss, as text; ``None`` if it meets both or too little is known."""
        if observed is None or observed.n < ENOUGH:
            return None
        if observed.success < self.success:
            return f"{observed.success:.0%} answered, under {self.success:.0%}"
        if observed.p95 is not None and observed.p95 > self.seconds:
            return f"p95 {observed.p95:.1f} s, over {self.seconds:g} s"
        return None

    def met_by(self, observed: TargetStats | None) -> bool:
        """Whether a target is known to meet both."""
        return observed is not None and observed.n >= ENOUGH and self.missed_by(observed) is None
