"""The forecast of scheduled runs: what they will cost, and which of them exceed a budget.

A run that cannot fit is refused before a process is started for it; the gate inside the run decides again.
Whether a run *can* fit is judged by what is left now; what the runs before it are expected to spend is only reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from farebox.automations import automation_of, state_of
from farebox.discovery import with_defaults
from farebox.prefect.deploy import need_server
from farebox.prefect.flow_runs import Deployments, end_cancelled, end_gone, end_overdue, flow_runs
from farebox.prefect.schedule_zone import schedule_zone
from farebox.runs.admission import (
    Automation,
    Priced,
    budget_rules,
    new_run_record,
    over_budget,
    price_run,
    run_ceiling,
    standing_rules,
    stated_limits,
)
from farebox.runs.cheaper_starts import CheaperStart, StartMove, cheaper_start, moves_of
from farebox.runs.context import RunOwner, run_owner
from farebox.runs.due_times import run_due_at
from farebox.runtime import Runtime
from pricing import FareboxError, Nano, format_money
from pricing.ledger import BudgetRule, BudgetState, Refusal, window_bounds
from pricing.reports import escape_markdown

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

Chance: TypeAlias = Literal["fits", "tight", "needs_approval", "refused", "unpriced"]
"""``tight``: fits now, but not beside what the runs before it are expected to spend. ``needs_approval``: a person will
be asked. ``unpriced``: no quote can be made, so the run will be refused."""


def shown(nano: Nano | None) -> str:
    """An amount as text; a dash for ``None``."""
    return "–" if nano is None else format_money(nano)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A scheduled run and its expected cost in nano-dollars; ``why`` is the reason if it may not run as scheduled."""

    run_id: str
    deployment: str
    at: datetime
    p50_nano: Nano | None
    p95_nano: Nano | None
    hold_nano: Nano | None
    chance: Chance
    why: str = ""


@dataclass(frozen=True, slots=True)
class WindowForecast:
    """A budget in one window: what is left of it, and the expected spend of the scheduled runs."""

    budget: str
    starts_at: datetime
    limit_nano: Nano
    left_nano: Nano
    expected_nano: Nano


@dataclass(frozen=True, slots=True)
class Outlook:
    """The forecast of the next hours: runs in order of time, and the budgets that they use."""

    until: datetime
    runs: tuple[Upcoming, ...]
    budgets: tuple[WindowForecast, ...]
    undecided: tuple[str, ...] = ()
    """Runs that ended, because nobody decided about them in time."""
    crashed: tuple[str, ...] = ()
    """Runs that Prefect still took to be running, whose processes went away."""
    cancelled: tuple[str, ...] = ()
    """Runs that were ended in Prefect while they were suspended, and are settled now."""
    moves: tuple[StartMove, ...] = ()
    """Schedules whose runs would cost less at another time of day."""

    @property
    def expected_nano(self) -> Nano:
        """The expected spend of all runs that will start, in nano-dollars."""
        return sum(run.p50_nano or 0 for run in self.runs if run.chance in {"fits", "tight"})

    def to_json(self) -> dict[str, Any]:
        """The forecast as plain data."""
        return asdict(self) | {"expected_nano": self.expected_nano}

    def advice(self) -> list[str]:
        """What moving schedules would save, one sentence each; names are escaped for Markdown."""
        return [escape_markdown(str(move)) for move in self.moves]

    def counted(self) -> dict[str, int]:
        """The number of runs by chance."""
        return {chance: sum(run.chance == chance for run in self.runs) for chance in get_args(Chance)}

    def rows(self) -> list[dict[str, str]]:
        """Rows of the table in Prefect: times in UTC, names escaped for Markdown."""
        return [
            {
                "at": f"{run.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                "run": escape_markdown(run.deployment),
                **{name: shown(getattr(run, f"{name}_nano")) for name in ("p50", "p95", "hold")},
                "chance": run.chance,
                "why": escape_markdown(run.why),
            }
            for run in self.runs
        ]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A scheduled run with its owner."""

    automation: Automation
    run_id: str
    at: datetime
    parameters: dict[str, Any]
    whose: RunOwner
    due_at: int | None


@dataclass(frozen=True, slots=True)
class _Fit:
    """The result of checking a run at some time against its budgets."""

    priced: Priced
    whose: RunOwner
    rules: Sequence[BudgetRule]
    refusals: list[Refusal]


def forecast_schedule(runtime: Runtime, hours: float, *, refuse: bool) -> Outlook:
    """Price what is scheduled for the next hours; with ``refuse``, cancel in Prefect what cannot fit.

    With ``refuse`` it also ends the runs that somebody was asked about and nobody decided in time, and those whose
    process or whose machine went away: Prefect would wait for them for ever, and let none of their deployment begin.
    Runs that were ended in Prefect while they were suspended are settled: no process of theirs could.

    Raises:
        ConfigError: there is no Prefect server.
    """
    from prefect.client.orchestration import get_client

    need_server()
    runtime.ledger.reap()
    until = datetime.now(UTC) + timedelta(hours=hours)
    with get_client(sync_client=True) as client:
        cancelled = tuple(end_cancelled(runtime, client)) if refuse else ()
        view = _View(runtime)  # of the budgets without what was given back
        deployments = Deployments(client)
        undecided = tuple(end_overdue(runtime, client)) if refuse else ()
        crashed = tuple(end_gone(runtime, client, deployments)) if refuse else ()
        runs = [
            view.judge(client, flow_run, deployment, flow, refuse=refuse)
            for flow_run, deployment, flow in _scheduled(client, deployments, until)
        ]
    moves = moves_of(view.cheaper, runtime.settings.zone)
    return Outlook(until, tuple(runs), tuple(view.spends()), undecided, crashed, cancelled, tuple(moves))


class _View:
    """The current budgets, and the expected spend of the runs judged so far."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._zone: ZoneInfo = runtime.settings.zone
        self._stated = stated_limits(runtime)
        self._now = {(s.scope, s.key, s.window, s.starts_at): s for s in runtime.ledger.budgets()}
        self._touched: dict[tuple[str, str, str, datetime], BudgetState] = {}
        self._expected: dict[tuple[str, str, str, datetime], Nano] = defaultdict(int)
        self.cheaper: list[tuple[str, datetime, CheaperStart]] = []
        """Runs that would cost less at another time of the same 24 hours: deployment, start, and when."""

    def judge(
        self,
        client: SyncPrefectClient,
        flow_run: FlowRun,
        deployment: DeploymentResponse,
        flow: Flow[..., Any],
        *,
        refuse: bool,
    ) -> Upcoming:
        """The forecast of one scheduled run, after those before it."""
        automation = automation_of(flow)
        at = flow_run.expected_start_time or datetime.now(UTC)
        name = f"{automation.name}/{deployment.name}"
        try:
            fit = self._fit(flow, flow_run, at)
        except FareboxError as error:
            return Upcoming(str(flow_run.id), name, at, None, None, None, "unpriced", error.message)
        quote, hold = fit.priced.quote, fit.priced.hold
        if better := self._cheaper(flow, flow_run, fit, at):
            self.cheaper.append((name, at, better))
        chance, why = self._chance(automation, fit, at)
        if chance == "refused" and self._runtime.ledger.has_hold(str(flow_run.id)):
            chance, why = "fits", "it was started before, and what it held then is there for it"
        if chance == "refused" and refuse:
            over = over_budget(automation, fit.priced, fit.refusals, self._runtime.settings.guards.messages)
            run = new_run_record(self._runtime, str(flow_run.id), automation, fit.priced, fit.whose)
            if self._runtime.ledger.refuse(run, fit.refusals):
                client.set_flow_run_state(flow_run.id, state_of(over), force=True)
        if chance in {"fits", "tight"}:
            for rule in fit.rules:
                if rule.scope != "run":
                    self._expected[self._place(rule, at)] += _asks(rule, quote.p50)
        return Upcoming(str(flow_run.id), name, at, quote.p50, quote.p95, hold, chance, why)

    def _cheaper(self, flow: Flow[..., Any], flow_run: FlowRun, fit: _Fit, at: datetime) -> CheaperStart | None:
        automation, parameters = automation_of(flow), with_defaults(flow, flow_run.parameters)
        usual = fit.priced
        if usual.due_at is not None:  # it would be due at another time, too
            usual = price_run(self._runtime, automation, parameters, usual.economic, at=at)
        return cheaper_start(self._runtime, automation, parameters, usual, start=at, end=at + timedelta(days=1))

    def spends(self) -> Iterator[WindowForecast]:
        """The budgets that scheduled runs use, with their expected spend."""
        for place, state in sorted(self._touched.items(), key=lambda item: (item[1].starts_at, item[1].name)):
            yield WindowForecast(state.name, state.starts_at, state.limit, state.left, self._expected[place])

    def _fit(self, flow: Flow[..., Any], flow_run: FlowRun, at: datetime) -> _Fit:
        """Whether a run fits its budgets on the usual route, else on the economic one."""
        parameters = with_defaults(flow, flow_run.parameters)
        whose = run_owner(parameters)
        wanted = _Wanted(
            automation_of(flow),
            str(flow_run.id),
            at,
            parameters,
            replace(whose, tags=tuple(sorted({*whose.tags, *flow_run.tags}))),
            self._due_at(flow, flow_run, parameters, at),
        )
        fit = self._try(wanted)
        return self._try(wanted, "the usual route does not fit") if fit.refusals else fit

    def _due_at(self, flow: Flow[..., Any], flow_run: FlowRun, parameters: dict[str, Any], at: datetime) -> int | None:
        known = self._runtime.ledger.run(str(flow_run.id))
        if known is not None:
            return known.due_at
        zone = partial(schedule_zone, flow_run, self._zone)
        return run_due_at(automation_of(flow).due, parameters, start=at, zone=zone)

    def _try(self, wanted: _Wanted, economic: str | None = None) -> _Fit:
        at = max(wanted.at, datetime.now(UTC))
        priced = price_run(self._runtime, wanted.automation, wanted.parameters, economic, due_at=wanted.due_at, at=at)
        shared = standing_rules(self._runtime, wanted.automation, self._stated, wanted.whose)
        ceiling = run_ceiling(self._runtime, wanted.run_id, priced)
        rules = budget_rules(self._runtime, wanted.automation, wanted.run_id, priced, shared, ceiling=ceiling)
        amounts = [(self._state(rule, wanted.at), _asks(rule, priced.hold)) for rule in rules]
        refusals = [Refusal(state, amount) for state, amount in amounts if amount > max(state.left, 0)]
        return _Fit(priced, wanted.whose, rules, refusals)

    def _chance(self, automation: Automation, fit: _Fit, at: datetime) -> tuple[Chance, str]:
        if fit.refusals:
            why = "; ".join(refusal.explain() for refusal in fit.refusals)
            return ("needs_approval" if automation.approval is not None else "refused"), why
        for rule in fit.rules:
            state, before = self._state(rule, at), self._expected[self._place(rule, at)]
            if rule.scope != "run" and _asks(rule, fit.priced.hold) > state.left - before:
                return "tight", f"budget {state.name!r} may be spent by the runs before it"
        return "fits", fit.priced.economic or ""

    def _state(self, rule: BudgetRule, at: datetime) -> BudgetState:
        """The state of a budget in the window of the run: the current one, or an unused one for a later window."""
        place = self._place(rule, at)
        start, end = window_bounds(rule.window, at, self._zone)
        known = self._now.get(place)
        if known is None:
            known = BudgetState("", rule.name, rule.scope, rule.key, rule.window, start, end, rule.limit, 0, 0)
        elif rule.limit < known.limit and not known.raised:
            known = replace(known, limit=rule.limit)
        if rule.scope != "run":
            self._touched[place] = known
        return known

    def _place(self, rule: BudgetRule, at: datetime) -> tuple[str, str, str, datetime]:
        start, _ = window_bounds(rule.window, at, self._zone)
        return rule.scope, rule.key, rule.window, start.astimezone(UTC)


def _asks(rule: BudgetRule, whole: Nano) -> Nano:
    """The amount that a run needs of a budget, in nano-dollars: all of it, or the part of the budget's operation."""
    return whole if rule.operation is None else rule.needs or 0


def _scheduled(
    client: SyncPrefectClient, deployments: Deployments, until: datetime
) -> Iterator[tuple[FlowRun, DeploymentResponse, Flow[..., Any]]]:
    """The scheduled runs of automations until that time, in order."""
    from prefect.client.schemas.filters import FlowRunFilterExpectedStartTime

    for flow_run in flow_runs(client, "SCHEDULED", expected_start_time=FlowRunFilterExpectedStartTime(before_=until)):
        if (known := deployments.of(flow_run)) is not None:
            yield flow_run, *known
