"""Batches of the sandbox: their lines run one after the other on a clock that a test can put forward."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias
from uuid import uuid4

from tasks.providers.messages import JSONObject
from tasks.sandbox.batch_rules import BatchRule
from tasks.sandbox.protocol import Dialect, Provider

LineEnd: TypeAlias = Literal["succeeded", "errored", "expired", "cancelled"]
BatchEnd: TypeAlias = Literal["completed", "failed", "expired", "cancelled"]
WINDOW_SECONDS: Final = 24 * 3600.0
_VALIDATION_SHARE: Final = 0.1
"""Of the time that a batch takes."""
_OK: Final = 200


class SandboxClock:
    """Seconds since 1970, plus the time by which a test advanced it."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._forward = 0.0

    def __call__(self) -> float:
        """The current time."""
        return self._now() + self._forward

    def advance(self, seconds: float) -> None:
        """Advance the clock."""
        self._forward += seconds


@dataclass(slots=True)
class SandboxLine:
    """One request of a batch with its result."""

    line_id: str
    path: str
    body: JSONObject
    model: str = ""
    """As the path names it, in dialects that do that."""
    end: LineEnd | None = None
    status: int = 0
    reply: JSONObject = field(default_factory=dict)
    request_id: str = ""


@dataclass(slots=True)
class SandboxBatch:
    """One batch. Times are seconds on the sandbox's clock."""

    id: str
    provider: Provider
    target: str | None
    dialect: Dialect
    lines: list[SandboxLine]
    rule: BatchRule
    created: float
    kept: float
    """Seconds after its creation for which it can be had."""
    facts: JSONObject = field(default_factory=dict)
    """What its provider repeats of the create call."""
    fault: str | None = None
    """The code with which it fails."""
    fault_line: int | None = None
    fault_text: str = ""
    cancelled_at: float | None = None
    ended_at: float | None = None
    end: BatchEnd | None = None
    reads: int = 0
    """How often its results were read."""

    @property
    def expires(self) -> float:
        """The time at which lines that have not run expire."""
        return self.created + WINDOW_SECONDS

    def count(self, *ends: LineEnd) -> int:
        """The number of lines with this status."""
        return sum(line.end in ends for line in self.lines)

    def validating(self, now: float) -> bool:
        """Whether its lines are still being validated."""
        return self.end is None and now < self.created + _VALIDATION_SHARE * self.rule.seconds

    def due(self, now: float) -> Iterator[SandboxLine]:
        """Lines whose time has come and that were not run yet."""
        until = min(now, self.expires, now if self.cancelled_at is None else self.cancelled_at)
        most = len(self.lines) if self.rule.lines is None else self.rule.lines
        for place, line in enumerate(self.lines[:most], 1):
            if line.end is None and self.created + self.rule.seconds * place / len(self.lines) <= until:
                yield line


class RunBatchLine(Protocol):
    """Runs one line of a batch and records it in the billing journal."""

    def __call__(self, batch: SandboxBatch, line: SandboxLine, /) -> None:
        """Sets the line's status, reply and request id."""


class BatchStore:
    """The batches of one sandbox.

    Args:
        run: runs a line.
        clock: seconds since 1970.
    """

    def __init__(self, run: RunBatchLine, clock: SandboxClock) -> None:
        self._run = run
        self.clock = clock
        self.ended: Callable[[SandboxBatch], None] = lambda _batch: None
        """Called with each batch that has ended."""
        self._batches: dict[str, SandboxBatch] = {}

    def add(self, batch: SandboxBatch) -> SandboxBatch:
        """Create a batch that begins now."""
        self._batches[batch.id] = batch
        self.settle()
        return batch

    def get(self, batch_id: str, provider: Provider, target: str | None) -> SandboxBatch | None:
        """The current state of a target's batch; ``None`` if it does not exist any more."""
        self.settle()
        found = self._batches.get(batch_id)
        return found if found is not None and (found.provider, found.target) == (provider, target) else None

    def all(self, provider: Provider, target: str | None) -> list[SandboxBatch]:
        """The batches of a target, the newest first."""
        self.settle()
        found = [batch for batch in self._batches.values() if (batch.provider, batch.target) == (provider, target)]
        return sorted(found, key=lambda batch: batch.created, reverse=True)

    def every(self) -> Sequence[SandboxBatch]:
        """All batches."""
        self.settle()
        return list(self._batches.values())

    def remove(self, batch: SandboxBatch) -> None:
        """Delete a batch."""
        self._batches.pop(batch.id, None)

    def cancel(self, batch: SandboxBatch) -> None:
        """Cancel a batch that has not ended."""
        if batch.end is None and batch.cancelled_at is None:
            batch.cancelled_at = self.clock()
        self.settle()

    def settle(self) -> None:
        """Run the lines that are due, and end the batches that are complete."""
        now = self.clock()
        for batch in list(self._batches.values()):
            if batch.end is None and self._settle(batch, now):
                self.ended(batch)
            if now >= batch.created + batch.kept:
                self.remove(batch)

    def _settle(self, batch: SandboxBatch, now: float) -> bool:
        """Run the lines that are due; returns whether the batch has ended."""
        if batch.fault is not None:
            if not batch.validating(now):
                batch.end, batch.ended_at = "failed", now
            return batch.end is not None
        for line in list(batch.due(now)):
            self._run(batch, line)
            line.end = "succeeded" if line.status == _OK else "errored"
        if all(line.end for line in batch.lines):
            batch.end, batch.ended_at = "completed", min(now, batch.created + batch.rule.seconds)
        elif batch.cancelled_at is not None:
            _close(batch, "cancelled", batch.cancelled_at)
        elif now >= batch.expires:
            _close(batch, "expired", batch.expires)
        return batch.end is not None


def _close(batch: SandboxBatch, end: Literal["expired", "cancelled"], at: float) -> None:
    for line in batch.lines:
        line.end = line.end or end
    batch.end, batch.ended_at = end, at


def new_batch_id(prefix: str) -> str:
    """An id that no batch had before."""
    return f"{prefix}{uuid4().hex}"
