"""What is written down about batches: plain values, without the database's library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pricing.ledger.facts import Intent

if TYPE_CHECKING:
    from pricing.ledger.journal import JournalEntry

RecordedBatchState: TypeAlias = Literal[
    "begun", "submitted", "running", "ended", "failed", "expired", "cancelled", "abandoned"
]
LineState: TypeAlias = Literal["open", "answered", "failed"]

BY_DUE_TIME: Final = "due time"
"""Who cancelled a batch that was not back in time."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as the ledger knows it; times are microseconds UTC.

    ``batch_id`` is the provider's, ``None`` before it is known to have been created. From ``cancel_at``
    on it is cancelled, from ``leave_at`` on its run waits no longer. ``completed`` and ``failed`` count lines, as the
    provider says before the results are taken, and as they were taken afterwards.
    """

    label: str
    run_id: str
    target: str
    provider: str
    model: str
    stand_in: bool
    state: RecordedBatchState
    execution: int
    lines: int
    begun_at: int
    cancel_at: int
    leave_at: int
    completed: int = 0
    failed: int = 0
    batch_id: str | None = None
    submitted_at: int | None = None
    ended_at: int | None = None
    collected_at: int | None = None
    cancelled_at: int | None = None
    cancelled_by: str | None = None
    checked_at: int | None = None
    fault: str | None = None

    @property
    def state_text(self) -> str:
        """Its state for people: what the provider says, and whether its results are taken."""
        if self.state == "begun":
            return "begun, not yet known to the provider"
        if self.is_open and self.cancelled_at is not None and self.state in {"submitted", "running"}:
            return "being cancelled"
        if self.state == "abandoned":
            return "never created"
        return self.state if self.is_open else f"{self.state}, collected"

    @property
    def is_open(self) -> bool:
        """Whether there are results to be taken."""
        return self.collected_at is None


@dataclass(frozen=True, slots=True)
class BatchAttempt:
    """One line of a batch: an attempt, whose id it has.

    ``key`` is what it asks (see ``tasks.turn.answers``), ``entry_id`` the journal's entry that its answer becomes,
    ``journal_id`` whose journal that is and ``holder`` the run that asked; ``details`` is what its completion needs to
    know of the request.
    """

    label: str
    journal_id: str
    holder: str
    key: str
    entry_id: str
    execution: int
    intent: Intent
    state: LineState = "open"
    outcome: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def line_id(self) -> str:
        """Its name within the batch: the attempt's id."""
        return self.intent.attempt_id

    @property
    def turn_id(self) -> str:
        """The turn that it is an attempt of."""
        return self.intent.turn_id


@dataclass(frozen=True, slots=True)
class ClaimedLine:
    """A line that a question of a newer execution has, with its answer where there is one.

    ``tries`` are the lines of the same turn that gave no answer, oldest first; ``by_person`` whether somebody cancelled
    the batch of one of them; ``sent`` is how many attempts its turn has made.
    """

    line: BatchAttempt
    answer: JournalEntry | None
    tries: tuple[BatchAttempt, ...]
    by_person: bool
    sent: int
