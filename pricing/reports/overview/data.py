"""What an overview of many runs says, as plain values. Amounts are nano-dollars with later adjustments in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pricing.margins import Buffer
from pricing.money import Nano
from pricing.reports.format import Plain
from pricing.reports.run.data import Savings, TokenSums


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """The runs that ended this way, what they cost and what they were charged; ``running`` ones are not settled yet."""

    outcome: str
    runs: int
    spent_nano: Nano
    charged_nano: Nano


@dataclass(frozen=True, slots=True)
class AutomationLine:
    """The unit economics of one automation.

    The quantiles are of runs that ended and had not been refused at the gate. ``cost_nano`` is per outcome reached,
    what failed runs cost (``unearned_nano`` in all) included; ``price_nano`` what one outcome was charged on the mean.
    ``at_p95`` is the margin of an outcome that costs the p95: what is at risk. Margins are None where outcomes have no
    price. ``within`` of its ``outcomes`` cost no more than their p95. ``buffers`` are for invoices of 1, 7 and 30 runs.
    """

    automation: str
    runs: int
    refused: int
    outcomes: int
    spent_nano: Nano
    unearned_nano: Nano
    p50_nano: Nano | None
    p95_nano: Nano | None
    cost_nano: Nano | None
    price_nano: Nano | None
    charged_nano: Nano | None
    gross_margin: float | None
    markup: float | None
    at_p95: float | None
    within: int
    buffers: tuple[Buffer, ...]
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """So many runs cost from ``low`` up to ``high``."""

    low_nano: Nano
    high_nano: Nano
    runs: int


@dataclass(frozen=True, slots=True)
class SizeLine:
    """Of one automation's ``runs`` quoted at a point from ``low_nano`` to ``high_nano``, so many were ``within`` their
    p95; ``low`` to ``high`` is Wilson's 95 % interval of that share. A run that a budget stopped was not within.
    """

    automation: str
    quality: str
    low_nano: Nano
    high_nano: Nano
    runs: int
    within: int
    share: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DayLine:
    """The runs that began on one day; ``operations`` is what their attempts cost by operation."""

    day: date
    runs: int
    spent_nano: Nano
    charged_nano: Nano
    operations: dict[str, Nano]


@dataclass(frozen=True, slots=True)
class OperationModelLine:
    """What one operation spent at one model."""

    operation: str
    provider: str
    model: str
    attempts: int
    failed: int
    tokens: TokenSums
    cost_nano: Nano
    share: float | None


@dataclass(frozen=True, slots=True)
class OperationSavings:
    """What prompt caching and stored answers took off one operation."""

    operation: str
    saved: Savings


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of ``runs`` completed ones, ``within`` cost no more than their p95. Runs that a budget stopped half-way are not
    among them; ``stopped`` says how many there were.
    """

    runs: int
    within: int
    share: float | None
    stopped: int


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """Of ``turns`` that asked a model at all, ``fell_back`` went on to another target."""

    turns: int
    fell_back: int
    share: float | None


@dataclass(frozen=True, slots=True)
class BlockLine:
    """How often something was refused for a reason: a whole run before it began, or one turn."""

    what: Literal["run", "turn"]
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Money:
    """What outcomes were sold for. ``charged_nano`` and the margins are None while some reached outcome has no known
    price (there are ``unpriced`` ones); costs of runs that did not reach theirs are in the margin.
    """

    outcomes: int
    unpriced: int
    charged_nano: Nano | None
    gross_margin: float | None
    markup: float | None


@dataclass(frozen=True, slots=True)
class RoutingSavings:
    """What routing saved: the tokens whose counts are known cost ``spent_nano``, and would have cost ``premium_nano``,
    at least, had the premium ``target`` been asked for everything.
    """

    target: str
    model: str
    spent_nano: Nano
    premium_nano: Nano

    @property
    def saved_nano(self) -> Nano:
        """The savings in nano-dollars; below 0 where routing cost more."""
        return self.premium_nano - self.spent_nano


@dataclass(frozen=True, slots=True)
class TargetMove:
    """So many ``turns`` went on from one target to another, which ``answered`` them or not."""

    origin: str
    target: str
    answered: bool
    turns: int


@dataclass(frozen=True, slots=True)
class CircuitLine:
    """A target that was left alone because it had failed: how often, why lastly, and for how long in all."""

    target: str
    opened: int
    reason: str | None
    last_at: datetime
    away_us: int


@dataclass(frozen=True, slots=True)
class BillLine:
    """What a provider billed, by the reconciliations that were accepted; ``unexplained_nano`` has no reason."""

    provider: str
    first_day: date
    last_day: date
    billed_nano: Nano
    recorded_nano: Nano
    unexplained_nano: Nano


@dataclass(frozen=True, slots=True)
class GuardTotals:
    """What a guard did other than allow; ``wrong`` of the ``reviewed`` decisions were found wrong by a person."""

    guard: str
    mode: str
    action: str
    reason: str | None
    times: int
    reviewed: int
    wrong: int


@dataclass(frozen=True, slots=True)
class QuotedRun:
    """A run beside its quote."""

    automation: str
    started_at: datetime
    outcome: str
    spent_nano: Nano
    point_nano: Nano
    p50_nano: Nano
    p95_nano: Nano


@dataclass(frozen=True, slots=True)
class BurnDown:
    """A budget in its newest window; ``left`` is what was left after each run that took from it."""

    scope: str
    key: str
    span: str
    begins: date
    ends: date
    limit_nano: Nano
    soft_nano: Nano | None
    left: tuple[tuple[datetime, Nano], ...]


@dataclass(frozen=True, slots=True)
class SpendSection:
    """Runs that are summed together. ``stand_in_nano`` is the part of ``spent_nano`` that the sandbox answered for:
    all of it in the sandbox's own section, and elsewhere what a run took from a stand-in target. ``savings`` are those
    operations that saved anything, most first.
    """

    stand_in: bool
    runs: int
    refused: int
    turns: int
    attempts: int
    spent_nano: Nano
    stand_in_nano: Nano
    sold: Money
    outcomes: tuple[OutcomeLine, ...]
    automations: tuple[AutomationLine, ...]
    days: tuple[DayLine, ...]
    operations: tuple[OperationModelLine, ...]
    saved: Savings
    savings: tuple[OperationSavings, ...]
    routing: RoutingSavings | None
    coverage: Coverage
    sizes: tuple[SizeLine, ...]
    fallbacks: Fallbacks
    blocks: tuple[BlockLine, ...]
    moves: tuple[TargetMove, ...]
    guards: tuple[GuardTotals, ...]
    newest: tuple[QuotedRun, ...]


@dataclass(frozen=True, slots=True)
class Overview(Plain):
    """The runs that began in a period, those answered by models (``real``) apart from those of the sandbox; None where
    there were none. Days are those of ``zone``. Circuits and budgets are shared by both. ``changes`` says where costs
    per outcome have changed in this time; ``bills`` are those that were reconciled.
    """

    since: datetime | None
    until: datetime | None
    automation: str | None
    org: str | None
    user: str | None
    zone: str
    real: SpendSection | None
    sandbox: SpendSection | None
    circuits: tuple[CircuitLine, ...]
    budgets: tuple[BurnDown, ...]
    buffer_percent: int
    changes: tuple[str, ...] = ()
    bills: tuple[BillLine, ...] = ()
