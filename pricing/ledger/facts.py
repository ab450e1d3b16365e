"""What is written down about a run: plain values, one class per table of facts, and no content in any of them."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

from pricing.money import Nano
from pricing.rates.service_tiers import ServiceTier
from pricing.records import frozen_record, record
from pricing.usage import Usage

NEWEST: Final = 2**62
"""Stands for whichever execution of a run is the newest: for callers outside any, such as an operator's command."""

AD_HOC: Final = "ad_hoc"
"""The method of a run that nothing was quoted for: its steps were called outside an automation."""

PriceBasis: TypeAlias = Literal["usage", "worst_case", "unbilled", "stated"]
"""Where an attempt's cost comes from: counts the provider gave, the worst case because it may have been billed without
reporting usage, certainly nothing, or what the code stated for a tool. Reports also say ``billed``: an accepted
reconciliation replaced it by what the provider's bill says.
"""
AttemptKind: TypeAlias = Literal["model", "tool"]
"""A request to a model, or another paid request, such as a search."""

TurnOutcome: TypeAlias = Literal["answered", "stored", "replayed", "failed", "blocked", "stopped"]
CallOutcome: TypeAlias = Literal["answered", "failed", "blocked", "stopped"]
RunOutcome: TypeAlias = Literal["completed", "failed", "cancelled", "over_budget", "blocked", "lost"]


@frozen_record(frozen=True, slots=True)
class Run:
    """A run that asked to start, with the quote it was given. Amounts in nano-dollars, times in microseconds UTC.

    ``plan``, ``routes`` and ``tags`` are JSON texts: the resolved plan, per operation the candidates in order, and a
    list of names. The outcome is sold for ``price_credits`` where its price is in credits; ``price_nano`` is what it is
    worth in money, ``None`` where that is not known. A ``durable`` run keeps its answers until it has ended well.
    ``due_at`` is by when it is to be done; ``None`` is as soon as possible.
    """

    run_id: str
    automation: str
    quality: str
    plan: str
    routes: str
    rate_version: str
    method: str
    history: int
    point_nano: Nano
    p50_nano: Nano
    p95_nano: Nano
    ceiling_nano: Nano
    held_nano: Nano
    stand_in: bool
    started_at: int
    user_id: str | None = None
    org_id: str | None = None
    tags: str = "[]"
    price_credits: int | None = None
    price_nano: Nano | None = None
    durable: bool = False
    due_at: int | None = None

    @property
    def quoted(self) -> bool:
        """Whether it had a quote: an ad-hoc run has none."""
        return self.method != AD_HOC


@record(frozen=True, slots=True)
class Intent:
    """One request about to go on the wire. ``hop`` counts targets within the turn, ``ordinal`` requests, from 0;
    ``estimated_input`` is what its input is expected to count, before any factor learned from bills; ``units`` is what
    is bought of a tool; ``execution`` the number of the run's execution, 0 where that is not known;
    ``service_tier_asked`` the service tier that it names, ``None`` where it leaves that to the provider;
    ``prompt_parts`` hashes of what its prompt shares with others (``schema.attempts``).
    """

    attempt_id: str
    turn_id: str
    run_id: str
    operation: str
    hop: int
    ordinal: int
    reason: str
    target: str
    provider: str
    account: str
    model: str
    tier: str
    stand_in: bool
    worst_nano: Nano
    rate_version: str
    started_at: int
    estimated_input: int | None = None
    kind: AttemptKind = "model"
    units: float | None = None
    execution: int = 0
    service_tier_asked: ServiceTier | None = None
    prompt_parts: str | None = None


@record(frozen=True, slots=True)
class Completion:
    """How an attempt ended: ``ok`` or a failure class, what it used and what that costs; ``units`` of a tool.

    ``model`` is the one that answered, where it is another than asked for and priced as itself; ``service_tier`` the
    one that it is priced at, in the provider's word where that is none of ours, ``None`` for the one asked for;
    ``service_tier_saved_nano`` what that took off the standard one's cost.
    """

    outcome: str
    usage: Usage
    cost_nano: Nano
    priced: PriceBasis
    duration_us: int
    status: int | None = None
    code: str | None = None
    phase: str | None = None
    request_id: str | None = None
    saved_nano: Nano = 0
    units: float | None = None
    model: str | None = None
    service_tier: str | None = None
    service_tier_saved_nano: Nano = 0


@record(frozen=True, slots=True)
class Turn:
    """One model exchange as the automation sees it. ``route`` is the JSON of its candidates, each with its reason."""

    turn_id: str
    run_id: str
    operation: str
    prompt: str
    prompt_version: str
    route: str
    outcome: TurnOutcome
    reason: str | None
    target: str | None
    attempts: int
    repaired: bool
    started_at: int
    duration_us: int
    complexity: float | None = None
    saved_nano: Nano = 0
    execution: int = 0


def as_row(fact: Run | Intent | Turn | Completion | Usage) -> dict[str, Any]:
    """The fact's fields by name, as its table's columns are called."""
    kind: Any = type(fact)
    names, values = _fields(kind)
    row = dict(zip(names, values(fact), strict=True))
    usage = row.pop("usage", None)
    return row if usage is None else row | as_row(usage)


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], attrgetter[Any]]:
    """The names of its fields, and what takes all of them from one at once."""
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)
