"""Quotes: point, p50, p95 and ceiling of a run's cost, before it runs.

The point is the declared plan at the current rate card. How far runs really fall from it is learned from history: each
past run scores *its tokens repriced at the current card ÷ its own point*, and a quote is the point times a quantile of
those scores, at the size of this run (:mod:`pricing.quotes.prediction`). Scores are of whole runs, never of steps:
what makes one step long makes the others long too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from statistics import fmean
from typing import Final, Literal, TypeAlias

from pricing.money import Nano, ceil_nano
from pricing.quotes.plan import ResolvedPlan, ResolvedStep
from pricing.quotes.prediction import CostModel, PastCost, quote_amount, quote_scores, scoring_method
from pricing.rates.card import RateCard
from pricing.rates.service_tiers import STANDARD
from pricing.usage import Usage

__all__ = [
    "CachedPrompt",
    "CachedPrompts",
    "FirstGuess",
    "Mix",
    "ModelAt",
    "OperationTargets",
    "Quote",
    "expected_cost",
    "learned_quote",
    "make_quote",
    "quote_amount",
    "quote_scores",
    "reprice",
    "score_of",
    "worst_cost",
]

ModelAt: TypeAlias = tuple[str, str] | tuple[str, str, str]
"""A provider's name and a model id, in this order, and the service tier that is asked for where it is not standard."""
Mix: TypeAlias = tuple[tuple[ModelAt, int], ...]
"""Models, and how many of a hundred turns begin at each."""


_HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class CachedPrompt:
    """The part of an operation's prompts that is cached: its tokens, and whether one call writes it and the others read
    it (``once``), or each writes it.
    """

    tokens: int
    once: bool


CachedPrompts: TypeAlias = Mapping[tuple[str, str], CachedPrompt]
"""By a provider's name and a model id."""


@dataclass(frozen=True, slots=True)
class OperationTargets:
    """Where the turns of one operation may go.

    Args:
        primary: where the first attempt goes; the point is its price.
        all: every candidate of the route; the most expensive of them sets the ceiling.
        max_output: the most tokens that an answer is asked for.
        max_input: the largest context window among the targets, where known.
        max_attempts: how many attempts of one turn may be billed, retries, fallbacks and repairs included.
        begins: where first attempts go, and how many of a hundred, where they do not all go to the primary.
        allowances: the most tokens of thinking on top of an answer, by model.
        thoughts: those that are usual, likewise.
        live: where turns are not asked at the standard service tier, how many of a hundred are after all.
        cached: the part of its prompts that calls share in a cache, by provider and model.
    """

    primary: ModelAt
    all: tuple[ModelAt, ...]
    max_output: int
    max_input: int | None = None
    max_attempts: int = 1
    begins: Mix = ()
    allowances: Mapping[ModelAt, int] = field(default_factory=dict)
    thoughts: Mapping[ModelAt, int] = field(default_factory=dict)
    live: Mapping[ModelAt, int] = field(default_factory=dict)
    cached: CachedPrompts = field(default_factory=dict)

    @property
    def mix(self) -> Mix:
        """Where first attempts go, and how many of a hundred."""
        return self.begins or ((self.primary, 100),)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a run will cost, in nano-dollars. ``p50 ≤ p95 ≤ ceiling`` and ``point ≤ ceiling``.

    ``n`` runs since ``since`` stand behind it (none: the prior alone), under the rate card ``rate_version``.
    """

    point: Nano
    p50: Nano
    p95: Nano
    ceiling: Nano
    n: int
    since: datetime | None
    rate_version: str
    method: Literal["prior", "student_t", "conformal"]
    learned: bool = False
    """Whether there was no plan, but a first guess."""

    def hold(self, buffer: int) -> Nano:
        """What to reserve: the p95 and ``buffer`` percent more (25 is a quarter), never more than the ceiling."""
        if buffer < 0:
            raise ValueError("a buffer cannot be negative")
        return min(self.ceiling, -(-self.p95 * (100 + buffer) // 100))


def make_quote(
    plan: ResolvedPlan,
    targets: Mapping[str, OperationTargets],
    card: RateCard,
    past: Sequence[PastCost] = (),
    *,
    paid: Sequence[PastCost] | None = None,
    since: datetime | None = None,
    at: datetime | None = None,
) -> Quote:
    """The quote of one run.

    Args:
        plan: the plan, resolved for the run's parameters.
        targets: for every operation of the plan, where its turns may go.
        card: the current rate card.
        past: runs of this automation as ``(point, cost, calls)`` in nano-dollars at this card, oldest first, as if
            nothing had been answered from storage. The p95, and so the hold, does not count on stored answers.
        paid: the same runs, as they were; the p50 is what most runs really cost. ``past``, if left out.
        since: when the oldest of these runs was.
        at: the time whose rates apply; now, if left out.

    Raises:
        UnknownPrice: a target of the plan has no rate. The run is refused, never quoted without it.
        KeyError: an operation has no targets (a programmer's error).
        ValueError: a cost that is negative or not a finite number.
    """
    point = 0
    for step in plan.steps:
        where = targets[step.operation]
        point += expected_cost(step, where.mix, card, at, thoughts=where.thoughts, live=where.live, cached=where.cached)
    point += sum(cost.expected for cost in plan.costs)
    ceiling = worst_cost(plan, targets, card, at)
    calls = plan.calls
    learned = _learned(past)
    typical = learned if paid is None or paid is past else _learned(paid)
    p95 = min(ceiling, _ceil(learned.amount(point, calls)))
    return Quote(
        point=point,
        p50=min(p95, _ceil(typical.amount(point, calls, 0.5))),
        p95=p95,
        ceiling=ceiling,
        n=len(past),
        since=since,
        rate_version=card.version,
        method=scoring_method(len(past)),
    )


def worst_cost(
    plan: ResolvedPlan, targets: Mapping[str, OperationTargets], card: RateCard, at: datetime | None = None
) -> Nano:
    """The ceiling of one run: all turns that it may take, each as expensive as it can be, at the rates of a time.

    Raises:
        UnknownPrice: a target of the plan has no rate.
    """
    steps = sum(step.max_calls * _worst(step, targets[step.operation], card, at) for step in plan.steps)
    return steps + sum(cost.max_calls * cost.cost_nano for cost in plan.costs)


@dataclass(frozen=True, slots=True)
class FirstGuess:
    """What is said of an automation without a plan, in nano-dollars: what a run may cost, and its ceiling."""

    amount: Nano
    most: Nano


def learned_quote(
    guess: FirstGuess,
    card: RateCard,
    past: Sequence[PastCost] = (),
    *,
    paid: Sequence[PastCost] | None = None,
    since: datetime | None = None,
) -> Quote:
    """The quote of a run without a plan: the guess, and from the second run on what those before cost.

    The mean of these is the point that each of them is compared with, in place of its own: that of the first ones is a
    guess that says nothing.
    """
    mean = fmean(cost for _, cost, _ in past) if past else 0.0
    if not mean:
        amount = guess.amount
        return Quote(amount, amount, amount, guess.most, 0, None, card.version, scoring_method(0), learned=True)
    whole = [(mean, cost, 1) for _, cost, _ in past]
    bought = [(mean, cost, 1) for _, cost, _ in (past if paid is None else paid)]
    p95 = min(guess.most, _ceil(_learned(whole).amount(mean, 1)))
    return Quote(
        point=min(guess.most, round(mean)),
        p50=min(p95, _ceil(_learned(bought).amount(mean, 1, 0.5))),
        p95=p95,
        ceiling=guess.most,
        n=len(past),
        since=since,
        rate_version=card.version,
        method=scoring_method(len(past)),
        learned=True,
    )


def _learned(past: Sequence[PastCost]) -> CostModel:
    return _cost_model(tuple(past))


@lru_cache(maxsize=16)
def _cost_model(past: tuple[PastCost, ...]) -> CostModel:
    """Learned once for both levels of a quote, and for the quotes that follow until another run has ended."""
    return CostModel(past)


def score_of(actual_cost_at_card: Nano, point: Nano) -> float | None:
    """How a run's cost, its tokens repriced at the current card, compares to the point of its own quote.

    ``None`` where the comparison says nothing: for a run that was quoted at nothing.
    """
    if actual_cost_at_card < 0 or point < 0:
        raise ValueError("a cost cannot be negative")
    return actual_cost_at_card / point if point else None


def reprice(tokens: Iterable[tuple[ModelAt, Usage]], card: RateCard, at: datetime | None = None) -> Nano:
    """What the attempts of a past run would cost at this card, so that runs under different rates can be compared.

    Only for scores: what was charged is in the ledger and stays as it is.

    Raises:
        UnknownPrice: the card has no rate for one of the models.
    """
    return sum(_price(card, where, at, usage) for where, usage in tokens)


def expected_cost(
    step: ResolvedStep,
    mix: Mix,
    card: RateCard,
    at: datetime | None = None,
    *,
    thoughts: Mapping[ModelAt, int] | None = None,
    live: Mapping[ModelAt, int] | None = None,
    cached: CachedPrompts | None = None,
) -> Nano:
    """What all calls of a step cost, each as long as it is declared, at the models that they begin at.

    ``thoughts`` are tokens that a model usually thinks before an answer, which are output on top. Of a hundred
    turns that ask for another service tier, ``live`` are asked at the standard one after all. What is ``cached`` is
    written by one call and read by the others, or written by each.

    Raises:
        UnknownPrice: the card has no rate for one of the models.
    """
    whole = 0  # of a hundred times a hundred
    for where, percent in mix:
        usage = Usage(step.input_tokens, step.output_tokens + (thoughts or {}).get(where, 0))
        asked = 0 if live is None else live.get(where, 0)
        known = None if cached is None else cached.get((where[0], where[1]))
        if known is not None and service_tier_of(where) == "batch":  # its lines do not wait for one another
            known = replace(known, once=False)
        parts = ((where, _HUNDRED - asked), ((where[0], where[1]), asked))
        whole += sum(
            percent * part * _all_calls(step.calls, usage, known, partial(_price, card, served, at))
            for served, part in parts
            if part
        )
    return -(-whole // _HUNDRED**2)


def _all_calls(calls: int, usage: Usage, known: CachedPrompt | None, price: Callable[[Usage], Nano]) -> Nano:
    """What so many equal calls cost."""
    if known is None or not calls:
        return calls * price(usage)
    static = min(known.tokens, usage.input_tokens or 0)
    written = price(replace(usage, cache_write_tokens=static))
    if not known.once or calls == 1:
        return calls * written
    return written + (calls - 1) * price(replace(usage, cache_read_tokens=static))


def _worst(step: ResolvedStep, where: OperationTargets, card: RateCard, at: datetime | None) -> Nano:
    """The most that one turn can cost: every attempt at full length, at the most expensive target."""
    fits = step.max_input_tokens if where.max_input is None else min(step.max_input_tokens, where.max_input)
    input_tokens = max(fits, step.input_tokens)
    most_expensive = max(
        card.worst(one[1], one[0], input_tokens, _longest(step, where, one), at, service_tier=service_tier_of(one))
        for one in {where.primary, *where.all}
    )
    return where.max_attempts * most_expensive


def service_tier_of(where: ModelAt) -> str:
    """The service tier that is asked for there.

    >>> service_tier_of(("openai", "gpt-5", "flex")), service_tier_of(("openai", "gpt-5"))
    ('flex', 'standard')
    """
    return where[2] if len(where) > 2 else STANDARD  # noqa: PLR2004


def _price(card: RateCard, where: ModelAt, at: datetime | None, usage: Usage) -> Nano:
    return card.price(where[1], where[0], usage, at, service_tier_of(where))


def _longest(step: ResolvedStep, where: OperationTargets, model: ModelAt) -> int:
    """The most output of one attempt: an answer of full length with all tokens for thinking, or what is planned."""
    return max(where.max_output + where.allowances.get(model, 0), step.output_tokens)


def _ceil(amount: float) -> Nano:
    """Rounded up, but not for the last digits that logarithms leave uncertain."""
    return ceil_nano(Decimal(amount * (1 - 1e-12)))
