"""The gate: what happens before a run's first line and after its last: quote, hold, lease, settle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import cast

from farebox.declaring import Budget, DeclaredPlan, Price
from farebox.runtime import Runtime
from pricing.budgets import BudgetRule, Refusal
from pricing.clock import now_us
from pricing.errors import Blocked, OverBudget
from pricing.facts import Run, RunOutcome
from pricing.history import past_scores
from pricing.money import Nano, format_money
from pricing.plans import ResolvedPlan
from pricing.quotes import OperationTargets, Quote, make_quote
from tasks.routing import Quality, Route, describe

BUDGET_OF_THIS_RUN: ContextVar[Nano | None] = ContextVar("farebox_budget_of_this_run", default=None)
"""A limit that whoever starts a run sets for it, besides those of its automation: ``farebox run --budget``."""


@dataclass(frozen=True, slots=True)
class Automation:
    """What makes a flow an automation."""

    name: str
    price: Price
    budget: Budget
    plan: DeclaredPlan


@dataclass(frozen=True, slots=True)
class Priced:
    """A quote and what it was made from."""

    quote: Quote
    plan: ResolvedPlan
    routes: Mapping[str, Route]
    quality: Quality
    hold: Nano
    stand_in: bool


def price_run(runtime: Runtime, automation: Automation, parameters: Mapping[str, object]) -> Priced:
    """The quote of a run with these parameters.

    Raises:
        UnknownPrice: a model of its route has no rate.
        PlanError: its plan does not fit the parameters.
    """
    quality = cast("Quality", parameters.get("quality", "fast"))
    plan = automation.plan.plan.resolve(parameters)
    steps = automation.plan.steps
    routes = {operation: runtime.router.route(step.tier, quality) for operation, step in steps.items()}
    targets = {
        operation: OperationTargets(
            primary=_model_at(route[:1])[0],
            all=_model_at(route),
            max_output=steps[operation].max_tokens,
            max_input=max(candidate.target.window for candidate in route),
        )
        for operation, route in routes.items()
    }
    stand_in = any(route[0].target.stand_in for route in routes.values())
    scores, since = past_scores(runtime.ledger, runtime.rates, automation.name, quality, stand_in=stand_in)
    quote = make_quote(plan, targets, runtime.rates, scores, since=since)
    hold = quote.hold(runtime.settings.holds.buffer_percent)
    return Priced(quote, plan, routes, quality, hold, stand_in)


def _model_at(route: Route) -> tuple[tuple[str, str], ...]:
    return tuple((candidate.target.provider, candidate.target.model) for candidate in route)


def admit(runtime: Runtime, automation: Automation, run_id: str, parameters: Mapping[str, object]) -> Ride:
    """Quote a run and hold the quote on every budget that applies.

    Raises:
        OverBudget: a budget has no room; nothing was held, no model was called.
        UnknownPrice: a model of its route has no rate.
    """
    priced = price_run(runtime, automation, parameters)
    quote = priced.quote
    run = Run(
        run_id=run_id,
        automation=automation.name,
        quality=priced.quality,
        plan=json.dumps(priced.plan.to_json()),
        routes=json.dumps({operation: describe(route) for operation, route in priced.routes.items()}),
        rate_version=quote.rate_version,
        method=quote.method,
        history=quote.n,
        point_nano=quote.point,
        p50_nano=quote.p50,
        p95_nano=quote.p95,
        ceiling_nano=quote.ceiling,
        held_nano=priced.hold,
        stand_in=priced.stand_in,
        started_at=now_us(),
    )
    rules = budget_rules(runtime, automation, run_id, quote)
    refusals = runtime.ledger.admit(run, rules)
    for watcher in runtime.watchers:
        watcher.quoted(run, quote, rules, refusals)
    if refusals:
        raise over_budget(automation, priced, refusals)
    return Ride(runtime, run)


def budget_rules(runtime: Runtime, automation: Automation, run_id: str, quote: Quote) -> list[BudgetRule]:
    """Every budget that a run is held against: its own, those in farebox.toml, and never more than its ceiling."""
    own = automation.budget.rules(automation.name, run_id)
    limits = [rule.limit for rule in own if rule.scope == "run"]
    if (extra := BUDGET_OF_THIS_RUN.get()) is not None:
        limits.append(extra)
    # A run that Prefect retries starts over: its ceiling is above what the tries before have spent.
    spent_before = sum(used.cost_nano for used in runtime.ledger.usage_of([run_id]))
    this_run = BudgetRule("run", run_id, "run", min([*limits, spent_before + quote.ceiling]))
    settings = [budget.rule() for budget in runtime.settings.budgets if budget.key == automation.name]
    return [this_run, *(rule for rule in own if rule.scope != "run"), *settings]


def over_budget(automation: Automation, priced: Priced, refusals: list[Refusal]) -> OverBudget:
    """The refusal, with what would fit: fewer calls, or a larger budget."""
    worst = max(refusals, key=lambda refusal: refusal.short)
    left = max(0, min(refusal.budget.left for refusal in refusals))
    planned = sum(step.calls for step in priced.plan.steps)
    fitting = planned * left // priced.hold if priced.hold else 0
    needed = worst.budget.limit + worst.short
    fits = f"about {fitting} of its {planned} planned calls would fit" if fitting else "no call of it would fit"
    steps = [f"Raise {worst.budget.name!r} to {format_money(needed)}", "give it less to do"]
    if worst.budget.resets_at is not None:
        steps.append("wait for the reset")
    if priced.quality == "best":
        steps.append("choose quality=fast")
    return OverBudget(
        f"{automation.name} was not started: {'; '.join(refusal.explain() for refusal in refusals)} ({fits}).",
        next_step=f"{', or '.join(steps)}. Nothing was called and nothing is charged.",
        automation=automation.name,
        budgets=[refusal.budget.name for refusal in refusals],
        asked_nano=priced.hold,
        short_nano=worst.short,
        fits_nano=left,
    )


class Ride:
    """An admitted run while it lasts: its hold is renewed until it is settled, however it ends."""

    def __init__(self, runtime: Runtime, run: Run) -> None:
        self.run = run
        self._runtime = runtime
        self._renewing = runtime.engine.loop.submit(self._renew())

    def finish(self, error: BaseException | None) -> None:
        """Settle the run, which ended by ``error`` or well."""
        self._renewing.cancel()
        outcome, reason = _outcome(error)
        settled = self._runtime.ledger.settle(self.run.run_id, outcome, reason)
        if settled is not None:
            for watcher in self._runtime.watchers:
                watcher.settled(self.run, outcome, settled)

    async def _renew(self) -> None:
        """Three times per lease, so that one missed beat does not lose the hold."""
        while True:
            await asyncio.sleep(self._runtime.settings.holds.lease_seconds / 3)
            if not await asyncio.to_thread(self._runtime.ledger.renew, self.run.run_id):
                return


def _outcome(error: BaseException | None) -> tuple[RunOutcome, str | None]:
    """How a run ended; of an exception the type only: its text may hold content."""
    match error:
        case None:
            return "completed", None
        case OverBudget():
            return "over_budget", error.message
        case Blocked():
            return "blocked", str(error.fields.get("reason"))
        case KeyboardInterrupt():
            return "cancelled", "interrupted"
        case _:
            return "failed", type(error).__name__
