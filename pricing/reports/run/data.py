"""What a run report says, as plain values. Amounts are nano-dollars, durations microseconds, times UTC.

A cost is an attempt's own and what adjustments changed about it later. Token counts are None where no attempt reported
any, and ratios where there is nothing to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pricing.ledger.facts import AD_HOC
from pricing.money import Nano
from pricing.rates.service_tiers import STANDARD
from pricing.reports.format import Plain

if TYPE_CHECKING:
    from pricing.analysis.cache_drops import CacheDrop


OPEN = frozenset({"running", "suspended"})
"""The outcomes of runs that have not ended."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Which run, and how its last settlement ended it.

    ``outcome`` is ``running`` before the first settlement that the replica knows of, and ``suspended`` while the run
    waits, without a process, for batches or an approval. ``stand_in``: the sandbox
    answered, not a model.
    """

    run_id: str
    automation: str
    quality: str
    outcome: str
    reason: str | None
    stand_in: bool
    started_at: datetime
    ended_at: datetime | None
    duration_us: int | None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.outcome in OPEN


@dataclass(frozen=True, slots=True)
class DueFacts:
    """When a run was due, when it was done, and what asking later saved.

    ``early_us`` is how long before its due time it was done, negative where it was late; ``None`` until it is.
    ``saved_nano`` is what its attempts would have cost more at the standard service tier. Its lines in batches
    were under way for ``waited_us`` in all; this does not count as provider time. ``batched`` turns were answered by
    them. ``live`` turns were answered live after lines that ``expired``, were ``cancelled`` or ``failed``; these three
    count lines, of which a turn may have several.
    """

    due_at: datetime
    done_at: datetime | None
    early_us: int | None
    saved_nano: Nano
    batched: int = 0
    waited_us: int = 0
    live: int = 0
    expired: int = 0
    cancelled: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class QuoteFacts:
    """What the run was quoted before it ran; ``history`` runs stood behind it."""

    point_nano: Nano
    p50_nano: Nano
    p95_nano: Nano
    ceiling_nano: Nano
    method: str
    history: int
    rate_version: str

    @property
    def given(self) -> bool:
        """Whether there was a quote: an ad-hoc run has none, and its ceiling is the limit of ``[adhoc]``."""
        return self.method != AD_HOC


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one hold: ``held = spent + released``."""

    outcome: str
    reason: str | None
    held_nano: Nano
    spent_nano: Nano
    released_nano: Nano
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class MoneyFacts:
    """``spent`` is all attempts with their adjustments, and the sum of every breakdown in the report.

    ``asked`` is what was held when the run began, ``held`` and ``released`` are of all holds together; before the first
    settlement, ``held`` is what was asked and ``released`` nothing. ``unsettled`` is what attempts cost since the last
    settlement. ``stand_in`` is the part of ``spent`` that the sandbox answered for.
    """

    asked_nano: Nano
    held_nano: Nano
    spent_nano: Nano
    released_nano: Nano
    adjusted_nano: Nano
    unsettled_nano: Nano
    stand_in_nano: Nano
    of_point: float | None
    of_p95: float | None


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """What the outcome is sold for, and what it earned: nothing where it was not reached.

    ``price_credits`` where the price is in credits; ``price_nano`` is None where nobody said what it is worth,
    ``charged_nano`` also while the run is under way. Margin and markup are of what was charged.
    """

    price_credits: int | None
    price_nano: Nano | None
    charged_nano: Nano | None
    gross_margin: float | None
    markup: float | None


@dataclass(frozen=True, slots=True)
class TokenSums:
    """Sums of what was reported; ``input`` includes ``cached``, read from a prompt cache, and ``written`` to one."""

    input: int | None
    output: int | None
    cached: int | None
    written: int | None = None


@dataclass(frozen=True, slots=True)
class Savings:
    """What was not spent.

    ``caching`` is what prompt caching took off what attempts cost: less than nothing where caches were written and
    hardly read. ``stand_in`` is the part of it that the sandbox answered for. ``stored`` is what ``stored_turns``
    answers from storage did not cost again.
    """

    caching_nano: Nano
    stand_in_nano: Nano
    stored_nano: Nano
    stored_turns: int

    @property
    def any(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.caching_nano or self.stored_turns)


@dataclass(frozen=True, slots=True)
class OperationLine:
    """One operation of the run. ``answered`` turns include those from storage and replayed ones, ``open`` ones were
    stopped or never finished. ``share`` is of the run's cost.
    """

    operation: str
    turns: int
    answered: int
    failed: int
    blocked: int
    open: int
    attempts: int
    tokens: TokenSums
    cost_nano: Nano
    share: float | None
    saved: Savings


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One target as it was used by the run, at one service tier."""

    target: str
    provider: str
    model: str
    tier: str
    stand_in: bool
    attempts: int
    ok: int
    failed: int
    tokens: TokenSums
    cost_nano: Nano
    share: float | None
    service_tier: str = STANDARD

    @property
    def model_at(self) -> str:
        """The model, and the service tier where that is not the standard one."""
        return at_service_tier(self.model, self.service_tier)


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One request on the wire. ``priced`` says where the cost comes from: usage, worst_case, unbilled or, for a tool,
    stated; ``saved`` is what prompt caching took off it. A tool's ``model`` is its operation. ``service_tier`` is the
    one that it is priced at, ``service_tier_asked`` the one that it named.
    """

    attempt_id: str
    hop: int
    ordinal: int
    target: str
    provider: str
    model: str
    tier: str
    stand_in: bool
    reason: str
    outcome: str
    status: int | None
    tokens: TokenSums
    cost_nano: Nano
    saved_nano: Nano
    priced: str
    started_at: datetime
    duration_us: int
    kind: str = "model"
    units: float | None = None
    service_tier: str = STANDARD
    service_tier_asked: str | None = None

    @property
    def model_at(self) -> str:
        """The model, and the service tier where that is not the standard one."""
        return at_service_tier(self.model, self.service_tier)


@dataclass(frozen=True, slots=True)
class ToolLine:
    """The paid requests of one operation to one provider; ``units`` is ``None`` where a run of an earlier version has
    none.
    """

    operation: str
    provider: str
    calls: int
    failed: int
    units: float | None
    cost_nano: Nano
    share: float | None


@dataclass(frozen=True, slots=True)
class TurnLine:
    """One turn with its attempts in order.

    ``outcome`` is ``unfinished`` where attempts are known and their turn is not: its process went away, or it is still
    under way. A ``stored`` turn was answered without an attempt; ``saved`` is what it did not cost again.
    """

    turn_id: str
    operation: str
    outcome: str
    reason: str | None
    target: str | None
    repaired: bool
    attempts: tuple[AttemptLine, ...]
    cost_nano: Nano
    saved_nano: Nano
    started_at: datetime
    duration_us: int | None
    guards_us: int = 0

    @property
    def waited_us(self) -> int | None:
        """What it took beyond its requests and its guards; ``None`` where it has not ended."""
        if self.duration_us is None:
            return None
        return max(0, self.duration_us - self.guards_us - sum(one.duration_us for one in self.attempts))


@dataclass(frozen=True, slots=True)
class Timing:
    """How a run's wall-clock time divides, in microseconds: the four add up to what it took.

    ``queue_us`` is what turns took beyond requests and guards, ``outside_us`` what passed outside of turns: the
    automation's own code, and the time in which the run was suspended.
    """

    provider_us: int
    guards_us: int
    queue_us: int
    outside_us: int


@dataclass(frozen=True, slots=True)
class LoweredQuality:
    """What lowered a run's quality: ``kind`` is economic route, locked route or fallback; ``turns`` were concerned."""

    kind: str
    why: str
    turns: int


@dataclass(frozen=True, slots=True)
class ApprovalLine:
    """What a person decided about the run; ``by`` is None where nobody did in time.

    ``budgets`` are the nano-dollars by which each budget named was overdrawn or raised, or that it is short.
    """

    choice: str
    by: str | None
    hold_nano: Nano
    budgets: dict[str, Nano]
    asked_at: datetime
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class FallbackLine:
    """How a turn that took more than one attempt came to its end, in one line."""

    turn_id: str
    operation: str
    story: str


@dataclass(frozen=True, slots=True)
class RunGuardLine:
    """What guards did other than allow. In ``shadow`` mode it is what they would have done."""

    guard: str
    action: str
    reason: str | None
    mode: str
    count: int


@dataclass(frozen=True, slots=True)
class AdjustmentLine:
    """What a later finding changed about an attempt."""

    attempt_id: str
    reason: str
    delta_nano: Nano
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """Attempts that may have been billed without reporting usage; they are counted at their worst case."""

    attempts: int
    worst_nano: Nano


@dataclass(frozen=True, slots=True)
class TryLine:
    """One try of a run that was started more than once.

    Args:
        number: from 1.
        outcome: how it ended; ``running`` or ``suspended`` if it has not.
        paid_nano: what its attempts cost.
        turns: how many it took, ``replayed`` ones included.
        replayed: turns that were answered before.
        saved_nano: what these had cost.
    """

    number: int
    outcome: str
    paid_nano: Nano
    turns: int
    replayed: int
    saved_nano: Nano


@dataclass(frozen=True, slots=True)
class RunReport(Plain):
    """Everything the ledger knows of one run."""

    run: RunFacts
    quote: QuoteFacts
    money: MoneyFacts
    sold: SaleFacts
    saved: Savings
    settlements: tuple[Settlement, ...]
    operations: tuple[OperationLine, ...]
    models: tuple[ModelLine, ...]
    turns: tuple[TurnLine, ...]
    fallbacks: tuple[FallbackLine, ...]
    guards: tuple[RunGuardLine, ...]
    adjustments: tuple[AdjustmentLine, ...]
    unknown: Unknown
    tools: tuple[ToolLine, ...] = ()
    paid_requests: tuple[AttemptLine, ...] = ()
    tries: tuple[TryLine, ...] = ()
    due: DueFacts | None = None
    timing: Timing | None = None
    lowered: tuple[LoweredQuality, ...] = ()
    approvals: tuple[ApprovalLine, ...] = ()
    cache_drops: tuple[CacheDrop, ...] = ()
    """Operations that read less from prompt caches than in earlier runs: known where the ledger is."""


def at_service_tier(model: str, service_tier: str) -> str:
    """A model as it was served.

    >>> at_service_tier("gpt-5", "flex"), at_service_tier("gpt-5", "standard")
    ('gpt-5 at flex', 'gpt-5')
    """
    return model if service_tier == STANDARD else f"{model} at {service_tier}"
