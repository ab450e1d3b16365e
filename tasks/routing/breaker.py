"""The circuit breaker: targets that lost service, or were refused it, are left alone for a while.

A target whose retries did not help is in quarantine; two of one failure domain take the whole domain out. When a
quarantine is over exactly one caller, of all processes, tries the target: its success ends the quarantine, its failure
doubles it. The state is in the ledger; each process reads it at most twice a second, and never for each turn.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from pricing import from_us, record
from pricing.db import abandon, after_fork
from tasks.providers.failure_kinds import Failure, FailureKind
from tasks.routing.target import Target

if TYPE_CHECKING:  # the database's library takes longer to load than this package
    from pricing.ledger import Circuit, Circuits

LOSS_OF_SERVICE: Final[frozenset[FailureKind]] = frozenset(
    {"rate_limit", "overloaded", "server_error", "timeout", "connection"}
)
"""Failures that waiting may fix."""
REFUSED_SERVICE: Final[frozenset[FailureKind]] = frozenset({"quota_exhausted", "auth", "not_found"})
"""Failures that a person must fix: an account without credit, a key, a model's name."""
BY_HAND: Final = "by hand"
_FRESH_US: Final = 500_000
_OPEN_DOMAIN: Final = 2
_DOUBLINGS: Final = 40


@record(frozen=True, slots=True)
class Quarantine:
    """For how long a target is not used after it lost service, in seconds.

    Args:
        first: after its first failure; doubled with each further one.
        cap: at most.
        long: in place of ``first`` for failures that waiting alone does not end, such as a rejected key.

    Each time is shortened at random, so that processes do not probe all targets at once.
    """

    first: float = 600.0
    cap: float = 86_400.0
    long: float = 3_600.0

    def seconds(self, level: int, *, grave: bool) -> float:
        """The duration of the quarantine that is the ``level``-th in a row, counted from 0."""
        start = self.long if grave else self.first
        return float(min(self.cap, start * 2 ** min(level, _DOUBLINGS)) * random.uniform(0.9, 1.0))  # noqa: S311


@record(frozen=True, slots=True)
class BreakerEvent:
    """An event for listeners: a circuit was opened or closed, or needs a person (``alarm``)."""

    kind: Literal["opened", "closed", "alarm"]
    target: str
    failure_domain: str
    reason: str
    level: int
    open_until: int


@record(frozen=True, slots=True)
class CircuitPermit:
    """A target may be asked; with ``probe`` the answer decides about its circuit."""

    probe: bool


@record(frozen=True, slots=True)
class CircuitOpen:
    """A target is not to be asked; ``until`` is microseconds since 1970."""

    until: int
    why: str


class Breaker:
    """Decides which targets are not asked. All of it runs on the process's one event loop.

    Args:
        circuits: where quarantines are kept.
        targets: of the project, for their failure domains.
        quarantine: how long they last.
        notify: called with what this process opened and closed; must return at once.
    """

    def __init__(
        self,
        circuits: Circuits,
        targets: Sequence[Target],
        quarantine: Quarantine,
        *,
        notify: Callable[[BreakerEvent], None],
    ) -> None:
        self._circuits = circuits
        self._domains = {target.name: target.failure_domain for target in targets}
        self._quarantine = quarantine
        self._notify = notify
        self._known: dict[str, Circuit] = {}
        self._read_at = -_FRESH_US
        self._changes = 0
        self._reading: asyncio.Task[None] | None = None
        after_fork(self._forked)

    def _forked(self) -> None:
        """What was being read is read by the parent."""
        abandon(self._reading)
        self._reading, self._read_at = None, -_FRESH_US

    async def look(self) -> None:
        """Read the circuits, unless they were read within the last half second."""
        if abs(self._circuits.clock() - self._read_at) < _FRESH_US:
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        await asyncio.shield(self._reading)

    def shut(self, target: Target) -> CircuitOpen | None:
        """The reason why a target must not be asked, as far as this process knows; ``None`` if it may be, even only to
        probe it.
        """
        if not self._known:
            return None
        now = self._circuits.clock()
        circuit = self._known.get(target.name)
        if circuit is None:
            return self._shut_domain(target, now)
        if circuit.open_until > now:
            return CircuitOpen(
                circuit.open_until, f"circuit open until {_moment(circuit.open_until)}, {circuit.reason}"
            )
        if circuit.probe_until > now:
            return CircuitOpen(circuit.open_until, f"circuit open, {circuit.reason}, and a trial request is under way")
        return None

    def in_service(self, target: Target) -> bool:
        """Whether a target may be asked without a limit."""
        return target.name not in self._known and self.shut(target) is None

    async def enter(self, target: Target, seconds: float) -> CircuitPermit | CircuitOpen:
        """Whether a target may be asked now; a due probe is claimed for so many seconds."""
        if shut := self.shut(target):
            return shut
        circuit = self._known.get(target.name)
        if circuit is None:
            return CircuitPermit(probe=False)
        if await self._claim(circuit, seconds):
            return CircuitPermit(probe=True)
        return CircuitOpen(circuit.open_until, f"circuit open, {circuit.reason}, and a trial request is under way")

    async def force(self, target: Target, seconds: float) -> CircuitPermit:
        """Ask a target in quarantine because no other is left; its probe is claimed if possible. A target that a person
        took out of service stays out of service.
        """
        circuit = self._known.get(target.name)
        if circuit is not None and circuit.probe_until <= self._circuits.clock():
            await self._claim(circuit, seconds)
        return CircuitPermit(probe=circuit is None or circuit.reason != BY_HAND)

    async def failed(self, target: Target, why: Failure, *, probe: bool) -> None:
        """Record that a target gave no answer, retries included."""
        grave = why.kind in REFUSED_SERVICE
        if not grave and why.kind not in LOSS_OF_SERVICE:
            if probe:  # whatever it said, it serves again
                await self.succeeded(target)
            return
        longest = max(self._quarantine.cap, self._quarantine.long)
        future = self._circuits.trip(
            target.name,
            why.kind,
            lambda level: self._quarantine.seconds(level, grave=grave),
            at_least=min(why.retry_after or 0.0, longest),
            grave=grave,
        )
        tripped = await future
        self._learn(tripped.circuit)
        if tripped.opened:
            self._say("opened", tripped.circuit)
            if grave:
                self._say("alarm", tripped.circuit)

    async def succeeded(self, target: Target) -> None:
        """Record that a probe was answered: the target is back in service, and others of its failure domain may be
        probed.
        """
        now = self._circuits.clock()
        circuit = self._known.pop(target.name, None)
        hasten = self._lost(target.failure_domain, now)
        if circuit is None and not hasten:
            return
        for other in hasten:
            self._learn(replace(other, open_until=now))
        self._changes += 1
        closing = self._circuits.close(target.name, "answered", hasten=[other.target for other in hasten])
        if await closing and circuit is not None:
            self._say("closed", replace(circuit, open_until=now, reason="answered"))

    def release(self, target: Target) -> None:
        """Release the claim of an unused probe, without waiting: an unused claim expires by itself."""
        if circuit := self._known.get(target.name):
            self._learn(replace(circuit, probe_until=0))
            self._circuits.release(target.name)

    async def _claim(self, circuit: Circuit, seconds: float) -> bool:
        until = self._circuits.clock() + round(seconds * 1_000_000)
        self._learn(replace(circuit, probe_until=until))  # before anything is awaited: the other turns see it
        claimed = await self._circuits.claim(circuit, seconds)
        if not claimed:
            self._read_at = -_FRESH_US
        return claimed

    def _shut_domain(self, target: Target, now: int) -> CircuitOpen | None:
        lost = self._lost(target.failure_domain, now)
        if len(lost) < _OPEN_DOMAIN:
            return None
        until = min(circuit.open_until for circuit in lost)
        return CircuitOpen(until, f"failure domain {target.failure_domain} open until {_moment(until)}")

    def _lost(self, failure_domain: str, now: int) -> list[Circuit]:
        """The open circuits of a domain that lost service."""
        return [
            circuit
            for circuit in self._known.values()
            if circuit.open_until > now
            and circuit.reason in LOSS_OF_SERVICE
            and self._domains.get(circuit.target) == failure_domain
        ]

    async def _read(self) -> None:
        changes = self._changes
        try:
            known = await asyncio.to_thread(self._circuits.snapshot)
            if changes == self._changes:  # else what we know is newer, and the next caller reads again
                self._known = dict(known)
                self._read_at = self._circuits.clock()
        finally:
            self._reading = None

    def _learn(self, circuit: Circuit) -> None:
        self._known[circuit.target] = circuit
        self._changes += 1

    def _say(self, kind: Literal["opened", "closed", "alarm"], circuit: Circuit) -> None:
        domain = self._domains.get(circuit.target, "")
        self._notify(BreakerEvent(kind, circuit.target, domain, circuit.reason, circuit.level, circuit.open_until))


def open_domains(circuits: Sequence[Circuit], domains: dict[str, str], now: int) -> list[str]:
    """The failure domains that are out of service: two or more of their targets lost it."""
    lost = Counter(
        domains[circuit.target]
        for circuit in circuits
        if circuit.target in domains and circuit.open_until > now and circuit.reason in LOSS_OF_SERVICE
    )
    return sorted(domain for domain, count in lost.items() if count >= _OPEN_DOMAIN)


def _moment(microseconds: int) -> str:
    return f"{from_us(microseconds):%Y-%m-%d %H:%M:%S} UTC"
