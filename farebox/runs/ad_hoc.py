"""Ad-hoc runs: what steps are recorded and held under that are called outside an automation.

A script, a notebook and a test have one per process, a plain Prefect flow one per flow run. Nothing is quoted for it:
each attempt is held when it is sent, within the limits of ``[adhoc]`` in farebox.toml. It is settled when the flow or
the process ends, or by lease where that is not noticed.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from farebox.runs.context import RunOwner, run_owner
from farebox.runs.outcomes import outcome_of, outcome_of_state
from pricing import FareboxError, OverBudget, RunTakenOver, format_money, now_us
from pricing.ledger import (
    AD_HOC,
    WILDCARD,
    BudgetRule,
    Refusal,
    Run,
    RunOutcome,
    applicable,
    soft_threshold,
)
from tasks import StepContext, no_run

if TYPE_CHECKING:
    from prefect.context import FlowRunContext

    from farebox.runs.admission import AdmittedRun
    from farebox.runtime import Runtime

_logger = logging.getLogger(__name__)

PREFIX: Final = "ad-hoc:"
"""What the names of ad-hoc runs begin with, in the place of an automation's name."""
TAG: Final = "ad-hoc"
"""A tag of each of them, which the limit per day is of."""


class AdHocRuns:
    """The ad-hoc runs of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._open: dict[str, AdmittedRun] = {}
        self._shared: set[str] = set()
        """Those of them whose flow is in another process, and may have steps in several."""
        self._own_id = ""
        self._process = os.getpid()

    def joined(self, here: StepContext) -> bool:
        """Give the step its run if this process has it open."""
        found = self._open.get(here.run_id or _flow_run_id() or self._own_id)
        if found is None:
            return False
        run = found.run
        here.run = replace(
            here.run,
            run_id=run.run_id,
            execution=found.execution,
            owner=RunOwner.of(run),
            quality=run.quality,
            values_id=here.run.values_of or run.run_id,
        )
        return True

    def join(self, here: StepContext) -> None:
        """Give the step its run: that of an automation in another process, or an ad-hoc run, opened if need be.

        Raises:
            NoRun: an automation's run is not in this ledger.
            OverBudget: a budget is exceeded.
        """
        with self._lock:
            if self.joined(here):
                return
            run_id, ledger = here.run_id or _flow_run_id(), self._runtime.ledger
            known = ledger.run(run_id) if run_id else None
            if known is not None and known.quoted:
                here.run = replace(here.run, run_id=run_id, execution=ledger.execution(run_id))
                return
            if known is None and run_id and _is_automation():
                raise no_run(here.step.operation)
            self._begin(run_id, known, here.step.operation)
            self.joined(here)

    def settle(self, error: BaseException | None = None) -> None:
        """Settle the ad-hoc run of this process, which ends. Runs shared with other processes are settled by these, or
        when the lease ends.
        """
        if os.getpid() != self._process:  # a forked child: they are the parent's
            return
        outcome, reason = outcome_of(error)
        for run_id in list(self._open):
            if run_id in self._shared:
                self._open.pop(run_id).leave()
            else:
                self._finish(run_id, outcome, reason)

    def _begin(self, run_id: str, known: Run | None, operation: str) -> None:
        from farebox.runs.admission import AdmittedRun  # which needs the runtime, and that this module

        flow = _flow_run()
        if not run_id:
            run_id = self._own_id = str(uuid.uuid4())
        name = flow.flow.name if flow is not None and flow.flow is not None else program_name()
        whose = run_owner({})
        whose = replace(whose, tags=tuple(sorted({*whose.tags, TAG})))
        run = known or self._record(run_id, f"{PREFIX}{name}", whose)
        refusals = self._runtime.ledger.open_ad_hoc(run, self._rules(run, operation, whose))
        if refusals:
            raise _refused(run, refusals)
        execution = self._runtime.ledger.execution(run_id)
        self._open[run_id] = AdmittedRun(self._runtime, run, execution)
        if flow is not None and not flow.detached:
            self._settle_with(flow)
        elif run_id == self._own_id:
            atexit.register(self._process_ends)
            _logger.info("Steps outside an automation are recorded as run %s; nothing is quoted for them.", run_id)
        else:
            self._shared.add(run_id)

    def _record(self, run_id: str, name: str, whose: RunOwner) -> Run:
        return Run(
            run_id=run_id,
            automation=name,
            quality="fast",
            plan="[]",
            routes="{}",
            rate_version=self._runtime.rates.version,
            method=AD_HOC,
            history=0,
            point_nano=0,
            p50_nano=0,
            p95_nano=0,
            ceiling_nano=self._runtime.settings.adhoc.per_run,
            held_nano=0,
            stand_in=any(target.stand_in for target in self._runtime.router.targets),
            started_at=now_us(),
            user_id=whose.user,
            org_id=whose.org,
            tags=json.dumps(whose.tags),
        )

    def _rules(self, run: Run, operation: str, whose: RunOwner) -> list[BudgetRule]:
        """The limits of [adhoc], and those set for the run's owner and for single operations."""
        from farebox.runs.admission import stated_limits

        limits, stated = self._runtime.settings.adhoc, stated_limits(self._runtime)
        operations = {limit.key for limit in stated if limit.scope == "operation" and limit.key != WILDCARD}
        shared = applicable(
            stated,
            {
                "automation": [run.automation],
                "user": [whose.user] if whose.user else [],
                "org": [whose.org] if whose.org else [],
                "tag": whose.tags,
            },
        )
        single = applicable(stated, {"operation": {*operations, operation}})
        return [
            BudgetRule("run", run.run_id, "run", limits.per_run),
            BudgetRule("tag", TAG, "day", limits.per_day, soft_threshold(limits.soft, limits.per_day)),
            *shared,
            *(replace(rule, needs=None) for rule in single),
        ]

    def _settle_with(self, flow: FlowRunContext) -> None:
        """Settle the run when its flow ends. The hooks belong to the flow object, so they check the run's id."""
        if flow.flow is None:
            return
        for hooks in (
            flow.flow.on_completion_hooks,
            flow.flow.on_failure_hooks,
            flow.flow.on_cancellation_hooks,
            flow.flow.on_crashed_hooks,
        ):
            if self._flow_ended not in hooks:
                hooks.append(self._flow_ended)

    def _flow_ended(self, flow: Any, flow_run: Any, state: Any) -> None:
        del flow
        self._finish(str(flow_run.id), *outcome_of_state(state))

    def _process_ends(self) -> None:
        error = getattr(sys, "last_value", None)
        self.settle(error if isinstance(error, BaseException) else None)

    def _finish(self, run_id: str, outcome: RunOutcome, reason: str | None) -> None:
        ended = self._open.pop(run_id, None)
        if ended is None:
            return
        if run_id == self._own_id:
            self._own_id = ""
        with suppress(RunTakenOver):
            try:
                ended.finish(None, outcome, reason)
            except FareboxError as error:  # its lease settles it
                _logger.warning("The ad-hoc run %s is not settled yet: %s", run_id, error.message)
                return
        spent = format_money(self._runtime.ledger.spent(run_id))
        _logger.info("Ad-hoc run %s: %s, nothing was quoted. Report: farebox report %s", run_id, spent, run_id)


def program_name() -> str:
    """The name of the current script, notebook or test."""
    if "ipykernel" in sys.modules:
        return "notebook"
    first = sys.argv[0] if sys.argv else ""
    stem = Path(first).stem
    if stem == "__main__":
        stem = Path(first).parent.name
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in stem)[:60].strip("-") or "python"


def _refused(run: Run, refusals: list[Refusal]) -> OverBudget:
    worst = max(refusals, key=lambda refusal: refusal.short)
    return OverBudget(
        f"{run.automation} was not started: {'; '.join(refusal.explain() for refusal in refusals)}.",
        next_step=f"Raise {worst.budget.name!r} in farebox.toml ([adhoc]) or with `farebox budgets set`.",
        automation=run.automation,
        budgets=[refusal.budget.name for refusal in refusals],
        short_nano=worst.short,
    )


def _flow_run() -> FlowRunContext | None:
    """The current flow run, if Prefect is loaded; else ``None``."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect.context import FlowRunContext

    found = FlowRunContext.get()
    return found if found is not None and found.flow_run is not None else None


def _flow_run_id() -> str:
    found = _flow_run()
    return str(found.flow_run.id) if found is not None and found.flow_run is not None else ""


def _is_automation() -> bool:
    """Whether the current flow is an automation, whose run must be in this ledger."""
    found = _flow_run()
    return found is not None and hasattr(getattr(found.flow, "fn", None), "farebox_automation")
