"""The gate: what happens before a run's first line and after its last: quote, hold, lease, settle."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, TypeVar, cast

from farebox.declaration import Budget, DeclaredPlan, Price
from farebox.runs.approval import Approver, rejected
from farebox.runs.context import ANONYMOUS, RunOwner, run_owner
from farebox.runs.due_prices import ExpectedTime, expected_time, with_service_tiers
from farebox.runs.due_times import run_due_at
from farebox.runs.live_reasons import live_reasons
from farebox.runs.outcomes import outcome_of
from farebox.runs.planning import (
    asked_operations,
    cached_prompts,
    planned_routes,
    pressure,
    spread,
    token_counter,
    with_guard_calls,
    with_thoughts,
)
from farebox.runtime import Runtime
from guardrails import in_words_of_the_team
from pricing import LedgerBusy, LedgerError, Nano, OutOfCredits, OverBudget, Usage, format_money, now_us, to_us
from pricing.ledger import (
    NEW_EXECUTION,
    WILDCARD,
    ApprovalDecision,
    ApprovalRequest,
    Approved,
    BudgetRule,
    Execution,
    Limit,
    PendingEnd,
    Refusal,
    Run,
    RunOutcome,
    Scope,
    Settled,
    applicable,
    shortfalls,
    taken_over,
)
from pricing.quotes import (
    CachedPrompts,
    ModelAt,
    OperationTargets,
    Quote,
    ResolvedPlan,
    ResolvedStep,
    learned_quote,
    make_quote,
    worst_cost,
)
from pricing.rates import STANDARD
from tasks import Step, current_run
from tasks.providers import answer_limit, reasoning_allowance
from tasks.routing import Candidate, Quality, Route, Target, describe, economic_reason

_logger = logging.getLogger(__name__)
T = TypeVar("T")

_LASTS = timedelta(hours=1)
"""How long a run may take whose ceiling is at the most expensive rates of its time."""
BILLED_PER_TURN = 2
"""Attempts that the ceiling allows each turn: its answer, and one that was billed and had to be made up for."""


@dataclass(frozen=True, slots=True)
class Automation:
    """What makes a flow an automation."""

    name: str
    price: Price
    budget: Budget
    plan: DeclaredPlan
    approval: timedelta | None = None
    """How long a person may take to decide about a run that exceeds a budget; ``None`` for no approval."""
    durable: bool = True
    """Whether its answers are kept until a run has ended well."""
    due: object = None
    """By when its runs are to be done that say nothing of it, as ``read_due`` reads it."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A quote and what it was made from; ``economic`` says why it is that of the economic route, if it is.

    ``due_at`` is by when the run is to be done, in microseconds UTC, and ``expected`` how long it takes where it waits
    for batches or the flex tier: then the hold covers that all of it is asked at the standard price after all. Where
    it does not wait, ``live_reasons`` say why.
    """

    quote: Quote
    plan: ResolvedPlan
    routes: Mapping[str, Route]
    quality: Quality
    hold: Nano
    stand_in: bool
    economic: str | None = None
    due_at: int | None = None
    expected: ExpectedTime | None = None
    live_reasons: tuple[str, ...] = ()


def price_run(
    runtime: Runtime,
    automation: Automation,
    parameters: Mapping[str, object],
    economic: str | None = None,
    *,
    more_input: Mapping[str, int] = MappingProxyType({}),
    answered: Mapping[str, int] = MappingProxyType({}),
    due_at: int | None = None,
    at: datetime | None = None,
) -> Priced:
    """The quote of a run with these parameters, on the economic route if there is a reason to take it.

    Args:
        runtime: prices it.
        automation: what runs.
        parameters: of the run.
        economic: why it takes the economic route, if it does.
        more_input: by operation, tokens that each call reads beyond what is declared.
        answered: by operation, calls that were answered before, in a run that is continued: only what is left is
            quoted.
        due_at: by when it is to be done, in microseconds UTC; as soon as possible, if left out.
        at: when it starts; now, if left out.

    Raises:
        UnknownPrice: a model of its route has no rate.
        PlanError: its plan does not fit the parameters.
    """
    quality = cast("Quality", parameters.get("quality", "fast"))
    pinned = automation.plan.plan.begins(parameters)
    count = token_counter(runtime, automation.name, automation.plan.steps, quality, economic)
    declared = automation.plan.plan.resolve(parameters, count).reading(more_input)
    plan, steps = with_guard_calls(runtime.guards, automation.name, declared, automation.plan.steps)
    quoting = _Quoting(runtime, automation, plan.without(answered), steps, quality, at)
    with runtime.ledger.store.read():  # all that the ledger knows about it is read in one go
        return quoting.priced(pinned, economic, due_at)


@dataclass(frozen=True, slots=True)
class _Quoting:
    """What a quote is made from, but for its routes."""

    runtime: Runtime
    automation: Automation
    plan: ResolvedPlan
    steps: Mapping[str, Step]
    quality: Quality
    at: datetime | None

    def priced(self, pinned: Mapping[str, Mapping[str, int]], economic: str | None, due_at: int | None) -> Priced:
        """The quote on the routes that turns take; ``pinned`` says of an operation how many begin at which target."""
        runtime, automation, plan, steps = self.runtime, self.automation, self.plan, self.steps
        routes = planned_routes(runtime, automation.name, plan, steps, quality=self.quality, economic=economic)
        at_once = {operation: with_thoughts(route, steps[operation]) for operation, route in routes.items()}
        at_once |= {operation: spread(at_once[operation], calls) for operation, calls in pinned.items()}
        waits = automation.durable and runtime.settings.journal.keeps_any(automation.name)
        routes = with_service_tiers(runtime, at_once, plan.steps, steps, due_at=due_at, durable=waits, at=self.at)
        begins = [one for route in routes.values() for one in (route[0], *_begins(route))]
        stand_in = any(one.target.stand_in for one in begins)
        if automation.plan.guess is not None:  # its targets are not known
            stand_in = any(target.stand_in for target in runtime.router.targets)
        quote = self.quote(routes, stand_in=stand_in, due=due_at is not None)
        buffer = runtime.settings.holds.buffer_percent
        hold, expected = quote.hold(buffer), expected_time(runtime, plan, routes)
        if expected is not None:  # it must still be affordable where all of it is asked live after all
            hold = max(hold, self.quote(at_once, stand_in=stand_in, due=False).hold(buffer))
        reasons = (
            live_reasons(runtime, at_once, plan, steps, due_at=due_at, durable=waits, at=self.at)
            if due_at is not None and expected is None
            else ()
        )
        return Priced(quote, plan, routes, self.quality, hold, stand_in, economic, due_at, expected, reasons)

    def quote(self, routes: Mapping[str, Route], *, stand_in: bool, due: bool) -> Quote:
        """The quote on these routes, of a run that is ``due`` some time or of one at once."""
        runtime, guess = self.runtime, self.automation.plan.guess
        percents = {
            operation: [one.percent or 0 for one in found]
            for operation, route in routes.items()
            if (found := _begins(route))
        }
        cached = cached_prompts(runtime, self.automation.name, self.quality, stand_in=stand_in)
        past = runtime.history.costs(
            self.automation.name,
            self.quality,
            stand_in=stand_in,
            mixes=percents,
            due=due,
            alone=guess is not None,
            cached=cached,
        )
        if guess is not None:
            return learned_quote(guess, runtime.rates, past.whole, paid=past.paid, since=past.since)
        targets = {
            operation: _targets_of(route, self.steps[operation], cached.get(operation, {}))
            for operation, route in routes.items()
        }

        rates = runtime.rates
        quote = make_quote(self.plan, targets, rates, past.whole, paid=past.paid, since=past.since, at=self.at)
        begin = self.at or datetime.now(UTC)
        models = {(one.target.provider, one.target.model) for route in routes.values() for one in route}
        ceilings = [
            worst_cost(self.plan, targets, rates, moment)
            for moment in rates.hour_changes(models, begin, begin + _LASTS)
        ]
        return replace(quote, ceiling=max([quote.ceiling, *ceilings])) if ceilings else quote


def _targets_of(route: Route, step: Step, cached: CachedPrompts) -> OperationTargets:
    """Where the turns of a step may go."""
    models = [_model_at(one) for one in route]
    standard = [(one.target.provider, one.target.model) for one in route]  # which each falls back to
    allowances: dict[ModelAt, int] = {}
    for one, *served in zip(route, models, standard, strict=True):
        allowance = _reasoning_allowance(one.target, step)
        allowances |= {where: max(allowance, allowances.get(where, 0)) for where in served}
    return OperationTargets(
        primary=models[0],
        begins=tuple((where, one.percent) for where, one in zip(models, route, strict=True) if one.percent is not None),
        all=(*models, *standard),
        max_output=step.max_tokens,
        max_input=max(candidate.target.window for candidate in route),
        max_attempts=BILLED_PER_TURN,
        allowances=allowances,
        thoughts={where: one.thinking for where, one in zip(models, route, strict=True)},
        live={where: one.live_percent for where, one in zip(models, route, strict=True) if one.live_percent},
        cached=cached,
    )


def _begins(route: Route) -> list[Candidate]:
    """Where its turns begin, if they do not all begin at the first."""
    return [one for one in route if one.percent is not None]


def _reasoning_allowance(target: Target, step: Step) -> int:
    """The most tokens of thinking on top of an answer. A step of several turns may have tools."""
    allowance = reasoning_allowance(target, step.reasoning, tools=step.max_turns > 1)
    return max(0, answer_limit(target, step.max_tokens, allowance) - min(step.max_tokens, target.max_output))


def _model_at(one: Candidate) -> ModelAt:
    """What is asked where, its service tier included."""
    asked = one.target.provider, one.target.model
    return asked if one.service_tier in {None, STANDARD} else (*asked, str(one.service_tier))


def admit(
    runtime: Runtime,
    automation: Automation,
    run_id: str,
    parameters: Mapping[str, object],
    approver: Approver | None = None,
    *,
    decided: Decided | None = None,
    due: Callable[[], int | None] | None = None,
) -> AdmittedRun:
    """Quote a run and hold the quote on every budget that applies.

    Where a budget's soft threshold is spent, or where the usual route does not fit, it is the economic route's. Where
    that does not fit either, the ``approver`` is asked, if there is one. What an older execution of the run held is
    settled first. What was ``decided`` about a run that budgets stopped on its way is carried out. A run that was
    suspended goes on with the quote and the hold that it has; one that failed or died is quoted and held for what its
    journal does not have. By when it is ``due`` is asked once: a run that is continued keeps its due time.

    Raises:
        OverBudget: it exceeds a budget on both routes and was not approved; nothing was held, no model was called.
        OutOfCredits: the wallet that pays for the outcome has too few credits; likewise.
        UnknownPrice: a model of its route has no rate.
        RunTakenOver: a newer execution of the run has begun.
    """
    if automation.durable and runtime.settings.journal.keeps_any(automation.name):
        runtime.journal.open()
    runtime.journal.tidy()
    due = due or partial(run_due_now, runtime, automation, parameters)
    runtime.ledger.end_pending()  # what those runs spent is to be seen below
    counter = None
    with runtime.ledger.store.read():  # what is asked about a run that is new is read in one go
        if not runtime.ledger.knows(run_id):
            counter = Admission(runtime, automation, run_id, parameters, NEW_EXECUTION, due_at=due())
            tried = counter.take(final=approver is None)
    if counter is None:
        execution = runtime.ledger.start(run_id)
        outermost = current_run().values_of
        if execution.number > 1 and outermost not in {"", run_id}:
            runtime.journal.release(outermost, run_id)
        if execution.resumed and (run := runtime.ledger.run(run_id)) is not None:
            return AdmittedRun(runtime, run, execution.number)
        asked = runtime.approvals.open(run_id) if approver is not None and decided is None else None
        known = (runtime.ledger.run(run_id) if execution.number > 1 else None) or (asked.run if asked else None)
        due_at = known.due_at if known is not None else due()
        counter = Admission(runtime, automation, run_id, parameters, execution, due_at=due_at)
        tried = counter.take_again(approver, asked, decided)
    while tried.refusals and approver is not None:
        counter.show(tried)
        question = counter.question(tried, approver.patience)
        refused = over_budget(automation, tried.priced, tried.refusals, runtime.settings.guards.messages)
        runtime.approvals.ask(question)
        tried = counter.carry_out(question, approver.ask(question, refused))
    counter.show(tried)
    if tried.refusals:
        raise over_budget(automation, tried.priced, tried.refusals, runtime.settings.guards.messages)
    return AdmittedRun(runtime, tried.run, counter.execution, closed=counter.closed)


def ask_to_go_on(
    runtime: Runtime,
    automation: Automation,
    run: Run,
    parameters: Mapping[str, object],
    *,
    approver: Approver,
    refused: OverBudget,
) -> Decided:
    """The decision about the rest of a run that a budget stopped before its end, and that is settled.

    Where they are reached by a form, the process ends here, and the run is admitted again by what the form says.
    """
    answered = runtime.journal.answered(run.run_id)
    priced = partial(price_run, runtime, automation, parameters, answered=answered, due_at=run.due_at)
    usual, cheap = priced(), priced("a budget was used up before the end")
    worst, short = (int(str(refused.fields.get(name) or 0)) for name in ("worst_nano", "short_nano"))
    first = runtime.ledger.run(run.run_id) or run  # where the plan says too little of what is left, as much as at first
    hold, ids = max(usual.hold, first.held_nano, worst), refused.fields.get("budget_ids")
    left = {state.budget_id: state.left for state in runtime.ledger.budgets()}
    lacking = {id_: max(short, hold - left.get(id_, 0)) for id_ in (ids if isinstance(ids, list) else ())}
    due = datetime.now(UTC) + approver.patience
    question = ApprovalRequest(replace(run, held_nano=hold), max(min(cheap.hold, hold), worst), lacking, due)
    runtime.approvals.ask(question)
    return question, approver.ask(question, refused)


def check_admission(runtime: Runtime, automation: Automation, run_id: str, parameters: Mapping[str, object]) -> None:
    """Refuse a run that exceeds a budget before anything is started for it, such as a Prefect server.

    A refusal is shown and written down as that of the gate would be. Of a run that would be admitted nothing is held:
    its gate decides again.

    Raises:
        OverBudget: it exceeds a budget on both routes.
        OutOfCredits: the wallet that pays for the outcome has too few credits.
        UnknownPrice: a model of its route has no rate.
        PlanError: its plan does not fit the parameters.
        UsageError: its due time cannot be kept or read.
    """
    due_at = run_due_now(runtime, automation, parameters)
    counter = Admission(runtime, automation, run_id, parameters, None, due_at=due_at)
    tried = counter.take(final=True)
    if tried.refusals:
        counter.show(tried)
        raise over_budget(automation, tried.priced, tried.refusals, runtime.settings.guards.messages)


def run_due_now(runtime: Runtime, automation: Automation, parameters: Mapping[str, object]) -> int | None:
    """By when a run that starts now is to be done, in microseconds UTC.

    Raises:
        UsageError: its due time cannot be kept or read.
    """
    return run_due_at(automation.due, parameters, start=datetime.now(UTC), zone=lambda: runtime.settings.zone)


Decided: TypeAlias = tuple[ApprovalRequest, ApprovalDecision | None]
"""A question, and what somebody said; ``None`` where nobody did."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A run that asked to be admitted, and what came of it: without refusals it is held."""

    priced: Priced
    run: Run
    rules: list[BudgetRule]
    refusals: list[Refusal]


class Admission:
    """The admission of one run; without an ``execution`` only a check whether it would be admitted."""

    def __init__(
        self,
        runtime: Runtime,
        automation: Automation,
        run_id: str,
        parameters: Mapping[str, object],
        execution: Execution | None,
        *,
        due_at: int | None = None,
    ) -> None:
        self._runtime = runtime
        self._due_at = due_at
        self._automation = automation
        self._run_id = run_id
        self._execution = execution
        self._parameters = parameters
        continued = execution is not None and execution.number > 1
        self._answered = runtime.journal.answered(run_id) if continued and not current_run().run_id else {}
        self._whose = run_owner(parameters)
        self._is_new = execution is not None and execution.is_new
        self.closed = current_run().closed
        """Whether the run, or the one that called it, finishes with what there is: it may spend nothing more."""
        self._first: _Tried | None = None
        self._shared: list[BudgetRule] = []
        self._unplanned: list[BudgetRule] = []

    @property
    def execution(self) -> int:
        """The number of the execution that is admitted; 0 where it is only checked."""
        return 0 if self._execution is None else self._execution.number

    def take_again(self, approver: Approver | None, asked: ApprovalRequest | None, decided: Decided | None) -> _Tried:
        """Carry out what was decided about the run, or what its ``approver`` was ``asked`` and answers; else take it.

        Raises:
            OverBudget: it is not to run.
        """
        if decided is not None:
            return self.carry_out(*decided)
        if approver is not None and asked is not None and (decision := approver.answered(asked)):
            return self.carry_out(asked, decision if datetime.now(UTC) < asked.due_at else None)
        return self.take(final=approver is None)

    def take(self, *, final: bool) -> _Tried:
        """Try the usual route, then the economic one; the latter at once where money runs short."""
        with self._runtime.ledger.store.read():  # all that is asked below is read in one go
            why = self._pressure()
            self._first = tried = self._try(why, final=final and why is not None)
            if tried.refusals and why is None:
                tried = self._try(_too_expensive(tried.refusals), final=final)
        return tried

    def question(self, tried: _Tried, patience: timedelta) -> ApprovalRequest:
        """What a person is asked once no route fits: about the first one tried, and the one tried last beside it."""
        first = self._first or tried
        return ApprovalRequest(first.run, tried.run.held_nano, shortfalls(first.refusals), datetime.now(UTC) + patience)

    def carry_out(self, question: ApprovalRequest, decision: ApprovalDecision | None) -> _Tried:
        """Admit the run as somebody decided; ``None`` is that nobody did in time.

        Raises:
            OverBudget: it is not to run.
        """
        approved = Approved(question, decision) if decision is not None else None
        if approved is None or approved.decision.choice == "refuse":
            self._runtime.ledger.reject(question, decision)
            raise rejected(question, decision, self._runtime.ledger.spent(self._run_id))
        self._is_new = False
        self._pressure()
        self.closed = self.closed or approved.decision.choice == "finish"
        why = economic_reason(json.loads(question.run.routes))  # what was asked about is what runs
        if approved.decision.choice == "cheaper":
            why = f"{approved.decision.by} chose it"
        self._first = tried = self._try(why, final=False, approved=approved)
        return tried

    def show(self, tried: _Tried) -> None:
        """Notify the watchers."""
        for watcher in self._runtime.watchers:
            watcher.quoted(tried.run, tried.priced.quote, tried.rules, tried.refusals)

    def _pressure(self) -> str | None:
        stated = stated_limits(self._runtime)
        self._shared = standing_rules(self._runtime, self._automation, stated, self._whose)
        self._unplanned = unplanned_rules(self._runtime, self._automation, stated)
        return pressure(self._runtime, self._shared)

    def _try(self, economic: str | None, *, final: bool, approved: Approved | None = None) -> _Tried:
        priced = price_run(
            self._runtime, self._automation, self._parameters, economic, answered=self._answered, due_at=self._due_at
        )
        if approved is not None:
            begun = self.execution > 1 and self._answered
            priced = replace(priced, hold=approved.hold if begun else min(priced.hold, approved.hold))
        if self.closed:
            priced = replace(priced, hold=0)
        run = new_run_record(self._runtime, self._run_id, self._automation, priced, self._whose)
        ceiling = priced.quote.ceiling if self._is_new else run_ceiling(self._runtime, self._run_id, priced)
        rules = budget_rules(self._runtime, self._automation, self._run_id, priced, self._shared, ceiling=ceiling)
        try:
            held, ledger = [*rules, *self._unplanned], self._runtime.ledger
            if self._execution is None:
                refusals = ledger.rehearse(run, held, final=final)
            else:
                refusals = ledger.admit(
                    run, held, final=final, approved=approved, execution=self._execution, closed=self.closed
                )
                self._execution = replace(self._execution, is_new=False)
        except OutOfCredits as error:
            facts = {name: value for name, value in error.fields.items() if isinstance(value, str | int)}
            raise in_words_of_the_team(error, facts, self._runtime.settings.guards.messages) from None
        return _Tried(priced, run, rules, refusals)


def _too_expensive(refusals: Sequence[Refusal]) -> str:
    """Why the usual route is too expensive."""
    short = max(refusals, key=lambda refusal: refusal.short)
    return (
        f"the usual route needs {format_money(short.asked)}, {format_money(short.short)} more than is left "
        f"of budget {short.budget.name!r}"
    )


def new_run_record(runtime: Runtime, run_id: str, automation: Automation, priced: Priced, whose: RunOwner) -> Run:
    """The run as it asks to be admitted."""
    quote = priced.quote
    return Run(
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
        user_id=whose.user,
        org_id=whose.org,
        tags=json.dumps(whose.tags),
        price_credits=automation.price.credits,
        price_nano=automation.price.worth(runtime.settings.credits.value),
        durable=automation.durable and runtime.settings.journal.keeps_any(automation.name),
        due_at=priced.due_at,
    )


def run_ceiling(runtime: Runtime, run_id: str, priced: Priced) -> Nano:
    """The most that a run may come to cost: of one that is continued, what is left of its first ceiling, or more where
    more than that is left to pay.
    """
    first = runtime.ledger.run(run_id)
    return max(runtime.ledger.committed(run_id) + priced.quote.ceiling, first.ceiling_nano if first is not None else 0)


def budget_rules(
    runtime: Runtime,
    automation: Automation,
    run_id: str,
    priced: Priced,
    shared: Sequence[BudgetRule],
    *,
    ceiling: Nano,
) -> list[BudgetRule]:
    """Every budget that a run is held against: its own, those it shares, and never more than its ``ceiling``."""
    own = automation.budget.rules(automation.name, run_id)
    limits = [rule.limit for rule in own if rule.scope == "run"]
    if (extra := current_run().budget_nano) is not None:
        limits.append(extra)
    this_run = BudgetRule("run", run_id, "run", min([*limits, ceiling]))
    needs = Counter({step.operation: _planned_cost(runtime, priced, step) for step in priced.plan.steps})
    for cost in priced.plan.costs:
        needs[cost.operation] += cost.expected
    return [this_run, *(replace(rule, needs=needs.get(rule.operation or "", 0)) for rule in shared)]


def stated_limits(runtime: Runtime) -> list[Limit]:
    """The limits of farebox.toml, and those that people set."""
    return [*(budget.stated() for budget in runtime.settings.budgets), *runtime.limits.all()]


def standing_rules(
    runtime: Runtime, automation: Automation, stated: Sequence[Limit], whose: RunOwner = ANONYMOUS
) -> list[BudgetRule]:
    """The budgets that a run shares with others: its automation's own, and those that were stated."""
    own = [rule for rule in automation.budget.rules(automation.name, "") if rule.scope != "run"]
    about: dict[Scope, Collection[str]] = {
        "automation": [automation.name],
        "operation": _operations(runtime, automation),
        "user": [whose.user] if whose.user else [],
        "org": [whose.org] if whose.org else [],
        "tag": whose.tags,
    }
    return [*own, *applicable(stated, about)]


def unplanned_rules(runtime: Runtime, automation: Automation, stated: Sequence[Limit]) -> list[BudgetRule]:
    """The budgets of operations that its plan does not name: a tool may ask for one, a calibration always does."""
    named = {limit.key for limit in stated if limit.scope == "operation" and limit.key != WILDCARD}
    if named:
        named.difference_update(_operations(runtime, automation))
    return [replace(rule, needs=None) for rule in applicable(stated, {"operation": named})]


def _operations(runtime: Runtime, automation: Automation) -> list[str]:
    """Those that its plan names, and that of its guards if any asks."""
    plan = automation.plan
    return asked_operations(runtime.guards, automation.name, plan.steps, plan.plan.costs)


def _planned_cost(runtime: Runtime, priced: Priced, step: ResolvedStep) -> Nano:
    """What one operation is expected to cost at the first target of its route."""
    first = priced.routes[step.operation][0]
    usage = Usage(step.input_tokens, step.output_tokens)
    return step.calls * runtime.router.price(first.target, usage, first.service_tier)


def over_budget(automation: Automation, priced: Priced, refusals: list[Refusal], words: Path | None) -> OverBudget:
    """The refusal, with what would fit: fewer calls, or a larger budget; ``words`` are the team's own templates."""
    worst = max(refusals, key=lambda refusal: refusal.short)
    left = max(0, min(refusal.budget.left for refusal in refusals))
    planned = priced.plan.calls
    fitting = planned * left // priced.hold if priced.hold else 0
    needed = worst.budget.limit + worst.short
    fits = f"about {fitting} of its {planned} planned calls would fit" if fitting else "no call of it would fit"
    steps = [f"Raise {worst.budget.name!r} to {format_money(needed)}", "give it less to do"]
    if worst.budget.resets_at is not None:
        steps.append("wait for the reset")
    if priced.quality == "best":
        steps.append("choose quality=fast")
    route = "even the cheapest models exceed the budget: " if priced.economic else ""
    error = OverBudget(
        f"{automation.name} was not started: {route}{'; '.join(refusal.explain() for refusal in refusals)} ({fits}).",
        next_step=f"{', or '.join(steps)}. Nothing was called and nothing is charged.",
        automation=automation.name,
        budgets=[refusal.budget.name for refusal in refusals],
        asked_nano=priced.hold,
        short_nano=worst.short,
        fits_nano=left,
    )
    return in_words_of_the_team(error, worst.facts() | {"automation": automation.name}, words)


class AdmittedRun:
    """An admitted run while it lasts: its hold is renewed until it is settled, however it ends, or suspended.

    A ``closed`` one finishes with what there is. Where the ledger cannot be written at its end, ``unsettled`` says so
    in a sentence, and the end is stored for the next reaper, so that paid work is not repeated
    because its settlement comes later.
    """

    def __init__(self, runtime: Runtime, run: Run, execution: int, *, closed: bool = False) -> None:
        self.run = run
        self.closed = closed
        self.execution = execution
        self.unsettled = ""
        self.left = False
        """Whether it has not ended, but is to be continued with its hold."""
        self._runtime = runtime
        self._renewing = runtime.engine.loop.submit(self._renew())
        runtime.warm_up(run)

    def finish(self, error: BaseException | None, outcome: RunOutcome | None = None, reason: str | None = None) -> None:
        """Settle the run, which ended by ``error``, or as ``outcome`` says.

        Raises:
            RunTakenOver: a newer execution of the run has its hold; nothing was settled.
        """
        if outcome is None:
            outcome, reason = outcome_of(error)
        settle = partial(self._runtime.ledger.settle, self.run.run_id, outcome, reason, execution=self.execution)
        settled = self._end(settle, PendingEnd(self.run.run_id, self.execution, outcome, reason))
        if settled is not None:
            self._notify(outcome, settled)

    def suspend(self, until: datetime) -> None:
        """Keep the hold for the execution that resumes the run, which may be in another process; ``until`` at most.

        Raises:
            RunTakenOver: a newer execution of the run has its hold.
        """
        self.left, kept_until = True, to_us(until)
        suspend = partial(self._runtime.ledger.suspend, self.run.run_id, self.execution, kept_until)
        self._end(suspend, PendingEnd(self.run.run_id, self.execution, kept_until=kept_until))

    def _end(self, write: Callable[[], T], end: PendingEnd) -> T | None:
        """Write the end to the ledger, which is waited for twice as long as usual; else keep it beside the ledger.

        The lease is renewed meanwhile.
        """
        ledger = self._runtime.ledger
        try:
            try:
                written = write()
            except LedgerBusy:
                written = write()
            if not written and ledger.execution(self.run.run_id) > self.execution:
                raise taken_over(self.run.run_id)
        except LedgerError as fault:
            self.unsettled = self._keep(end, fault)
            _logger.warning("%s", self.unsettled)
            return None
        finally:
            self._renewing.cancel()
            self._runtime.engine.ended(self.run.run_id)
        return written

    def _keep(self, end: PendingEnd, fault: LedgerError) -> str:
        """Keep an end that the ledger cannot take; a sentence about it."""
        ended = "was suspended" if end.outcome is None else f"ended as {end.outcome}"
        message = f"Run {end.run_id} {ended}, but the ledger cannot take that now"
        cause = fault.message.rstrip(".")
        pending = self._runtime.ledger.pending
        if pending is not None:
            try:
                pending.add(end)
            except OSError as error:
                cause = f"{cause}; {pending.folder}: {error.strerror}"
            else:
                return f"{message} ({cause}). The next run on this machine writes it down; nothing need be repeated."
        return f"{message} ({cause}). Its hold ends as lost with its lease; what it did need not be repeated."

    def _notify(self, outcome: str, settled: Settled) -> None:
        for watcher in tuple(self._runtime.watchers):
            try:
                watcher.settled(self.run, outcome, settled)
            except Exception as watching:  # noqa: BLE001 - who looks on does not change how the run ended
                _logger.warning("The end of run %s is not shown: %s", self.run.run_id, type(watching).__name__)

    @property
    def waits(self) -> bool:
        """Whether batches of it are under way, for which it can be continued."""
        return bool(self.run.due_at is not None and self._runtime.batches.open(self.run.run_id))

    def leave(self) -> None:
        """Stop renewing the hold here: another process settles it, or its lease does."""
        self._renewing.cancel()
        self._runtime.engine.ended(self.run.run_id)

    async def _renew(self) -> None:
        """Three times per lease, so that one missed beat does not lose the hold; nor does a ledger that is busy."""
        renew = partial(self._runtime.ledger.renew, self.run.run_id, execution=self.execution)
        while True:
            await asyncio.sleep(self._runtime.settings.holds.lease_seconds / 3)
            with suppress(LedgerError):
                if not await asyncio.to_thread(renew):
                    return
