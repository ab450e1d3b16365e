"""The targets of one turn in the order they are tried, as circuits and failures leave it.

A turn does not fail before every failure domain that could answer it was tried once: when all that is left is in
quarantine, what is due soonest is asked all the same, one target of each domain.

Where a service tier has no capacity, or flex no answer in its time, the target is asked at the standard one next: this
does not count as an outage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tasks.providers.failure_kinds import Failure, failure
from tasks.routing.breaker import LOSS_OF_SERVICE, Breaker, CircuitOpen, CircuitPermit
from tasks.routing.router import Candidate, Route, after, at_standard
from tasks.routing.target import Target

_SECONDS_BEYOND = 1.0
"""How much longer than the turn a claimed probe lasts."""


class CandidateQueue:
    """Where one turn may still go.

    Args:
        breaker: says who is in quarantine.
        route: the candidates, first choice first.
        skipped: called with each target that was left out, and the reason.
    """

    def __init__(self, breaker: Breaker, route: Route, skipped: Callable[[Target, str], None]) -> None:
        self._breaker = breaker
        self._rest = route
        self._shut: list[tuple[int, Candidate]] = []
        self._skipped = skipped
        self._lost: set[str] = set()
        self._at: Target | None = None
        self._candidate: Candidate | None = None
        self._probe = False
        self.once = False
        """Whether the target that is being asked is asked a single time: its circuit is open."""

    async def next(self, seconds: float) -> Candidate | None:
        """Whom to ask now, with so many seconds left to the turn; ``None`` when nobody is left."""
        await self._breaker.look()
        lease = max(seconds, 0.0) + _SECONDS_BEYOND
        while self._rest:
            candidate, self._rest = self._rest[0], self._rest[1:]
            found = await self._breaker.enter(candidate.target, lease)
            if isinstance(found, CircuitPermit):
                return self._go(candidate, found, "probe of an open circuit" if found.probe else candidate.reason)
            self._leave_out(candidate, found)
        self._shut.sort(key=lambda shut: shut[0])
        for _, candidate in self._shut:
            if candidate.target.failure_domain not in self._lost:
                self._shut = [shut for shut in self._shut if shut[1] is not candidate]
                passed = await self._breaker.force(candidate.target, lease)
                return self._go(candidate, passed, "nothing else is left, its circuit is due soonest", once=True)
        return None

    def may_retry(self) -> bool:
        """Whether the target that is being asked may be asked again: not as a probe, nor once its circuit is open."""
        return not self.once and self._at is not None and self._breaker.in_service(self._at)

    @property
    def alternatives(self) -> int:
        """How many other failure domains in service are left."""
        here = self._at.failure_domain if self._at else ""
        domains = {c.target.failure_domain for c in self._rest if self._breaker.in_service(c.target)}
        return len(domains - {here})

    async def answered(self) -> None:
        """The target that was asked last sent a reply."""
        if self._probe and self._at is not None:
            self._probe = False
            await self._breaker.succeeded(self._at)

    async def failed(self, why: Failure, *, blameless: bool) -> None:
        """It gave no answer; ``blameless`` when it was not given the time to."""
        target, probe = self._arrived()
        if self._candidate is not None and (fault := _of_service_tier(self._candidate, why)):
            if probe:
                self._breaker.release(target)
            self._rest = (at_standard(self._candidate, fault), *self._rest)
            return
        if why.kind in LOSS_OF_SERVICE:
            self._lost.add(target.failure_domain)
        self._rest = self._lost_last(after(why, target, self._rest))
        may = {candidate.target.name for candidate in after(why, target, tuple(c for _, c in self._shut))}
        self._shut = [shut for shut in self._shut if shut[1].target.name in may]
        if not blameless:
            await self._breaker.failed(target, why, probe=probe)
        elif probe:
            self._breaker.release(target)

    def keep(self, wanted: Callable[[Candidate], bool]) -> None:
        """Nothing was sent to the target; go on with those that are wanted."""
        target, probe = self._arrived()
        if probe:
            self._breaker.release(target)
        self._rest = tuple(candidate for candidate in self._rest if wanted(candidate))
        self._shut = [shut for shut in self._shut if wanted(shut[1])]

    def abandon(self) -> None:
        """The turn ends: a probe that has no result yet is somebody else's."""
        if self._probe and self._at is not None:
            self._breaker.release(self._at)

    def _go(self, candidate: Candidate, passed: CircuitPermit, reason: str, *, once: bool = False) -> Candidate:
        self._at, self._probe, self.once = candidate.target, passed.probe, once or passed.probe
        self._candidate = candidate
        return candidate if reason == candidate.reason else replace(candidate, reason=reason)

    def _leave_out(self, candidate: Candidate, shut: CircuitOpen) -> None:
        self._shut.append((shut.until, candidate))
        self._skipped(candidate.target, shut.why)
        self._rest = self._lost_last(after(failure("overloaded"), candidate.target, self._rest))

    def _lost_last(self, route: Route) -> Route:
        return tuple(sorted(route, key=lambda candidate: candidate.target.failure_domain in self._lost))

    def _arrived(self) -> tuple[Target, bool]:
        if self._at is None:
            raise RuntimeError("no target was asked")
        probe, self._probe = self._probe, False
        return self._at, probe


def _of_service_tier(candidate: Candidate, why: Failure) -> str | None:
    """What was wrong with the service tier that was asked for, if it was that and not the target."""
    if why.kind == "tier_capacity":
        return "has no capacity"
    return "gave no answer in time" if candidate.service_tier == "flex" and why.kind == "timeout" else None
