"""What an overview of many runs says, as plain values. Amounts are nano-dollars with later adjustments in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pricing.money import Nano
from pricing.reports.plain import Plain
from pricing.reports.run_shapes import Savings, Tokens


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many runs ended this way; ``running`` ones have not been settled yet."""

    outcome: str
    runs: int


@dataclass(frozen=True, slots=True)
class AutomationLine:
    """What one automation cost. The quantiles are of runs that ended and had not been refused at the gate."""

    automation: str
    runs: int
    spent_nano: Nano
    p50_nano: Nano | None
    p95_nano: Nano | None


@dataclass(frozen=True, slots=True)
class DayLine:
    """The runs that began on one day."""

    day: date
    runs: int
    spent_nano: Nano


@dataclass(frozen=True, slots=True)
class OperationModelLine:
    """What one operation spent at one model."""

    operation: str
    provider: str
    model: str
    attempts: int
    failed: int
    tokens: Tokens
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
class Section:
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
    outcomes: tuple[OutcomeCount, ...]
    automations: tuple[AutomationLine, ...]
    days: tuple[DayLine, ...]
    operations: tuple[OperationModelLine, ...]
    saved: Savings
    savings: tuple[OperationSavings, ...]
    coverage: Coverage
    fallbacks: Fallbacks
    blocks: tuple[BlockLine, ...]


@dataclass(frozen=True, slots=True)
class Overview(Plain):
    """The runs that began in a period, those answered by models (``real``) apart from those of the sandbox; None where
    there were none. Days are those of ``zone``.
    """

    since: datetime | None
    until: datetime | None
    automation: str | None
    zone: str
    real: Section | None
    sandbox: Section | None
