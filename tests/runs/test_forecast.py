"""The look ahead at a real Prefect server, without a worker: what is scheduled is judged, and no process is started."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State, StateType
from prefect.states import Pending, Running, Scheduled

from farebox.automations import automation_of
from farebox.prefect import flow_runs
from farebox.prefect.forecast import Outlook, Upcoming, forecast_schedule
from farebox.runs.admission import new_run_record, price_run
from farebox.runs.context import ANONYMOUS
from farebox.runtime import Runtime
from flows.daily_digest import daily_digest
from flows.support_triage import DATA, support_triage
from pricing.ledger.approvals import ApprovalRequest
from pricing.ledger.limits import Limit
from tasks.sandbox import Sandbox, read_journal

pytestmark = pytest.mark.usefixtures("prefect")


class Schedule:
    """Runs that are scheduled for one moment of one day, and never come to start."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self.client = client
        self.at = datetime.now(UTC).replace(hour=12, minute=0) + timedelta(days=1)
        self._deployments: dict[str, UUID] = {}

    def add(self, flow: Any, after: int, **parameters: Any) -> str:
        """A run so many minutes after the moment; its id."""
        if flow.name not in self._deployments:
            module = flow.fn.__module__
            self._deployments[flow.name] = self.client.create_deployment(
                self.client.create_flow(flow), "ahead", entrypoint=f"{module}.{flow.fn.__name__}"
            )
        state: Any = Scheduled(scheduled_time=self.at + timedelta(minutes=after))
        run = self.client.create_flow_run_from_deployment(
            self._deployments[flow.name], parameters=parameters, state=state
        )
        return str(run.id)

    def clear(self) -> None:
        for deployment in self._deployments.values():
            self.client.delete_deployment(deployment)


@pytest.fixture
def schedule() -> Iterator[Schedule]:
    with get_client(sync_client=True) as client:
        schedule = Schedule(client)
        yield schedule
        schedule.clear()


def seen(outlook: Outlook) -> dict[str, Upcoming]:
    return {run.run_id: run for run in outlook.runs}


def limit(runtime: Runtime, flow: Any, nano: int) -> None:
    runtime.limits.set(Limit("automation", flow.name, "day", nano))


def test_what_cannot_fit_is_cancelled_before_it_starts_and_the_rest_is_told(
    runtime: Runtime, schedule: Schedule, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("farebox.prefect.flow_runs._PAGE", 2)  # three runs are two of Prefect's answers
    first, second = (schedule.add(support_triage, minutes, quality="fast") for minutes in (0, 5))
    digest = schedule.add(daily_digest, 10, source=".", limit=2, quality="fast")
    unlimited = seen(forecast_schedule(runtime, 48, refuse=False))
    assert {unlimited[run].chance for run in (first, second, digest)} == {"fits"}

    hold = unlimited[first].hold_nano
    assert hold
    limit(runtime, support_triage, hold)
    limit(runtime, daily_digest, 1)
    told = seen(forecast_schedule(runtime, 48, refuse=True))
    assert [told[run].chance for run in (first, second, digest)] == ["fits", "tight", "needs_approval"]
    assert "may be spent by the runs before it" in told[second].why
    assert {schedule.client.read_flow_run(UUID(run)).state_type for run in told} == {StateType.SCHEDULED}

    limit(runtime, support_triage, 1)
    refused = seen(forecast_schedule(runtime, 48, refuse=True))
    assert [refused[run].chance for run in (first, second, digest)] == ["refused", "refused", "needs_approval"]
    for run_id in (first, second):
        run = schedule.client.read_flow_run(UUID(run_id))
        assert run.state is not None
        assert (run.state.type.value, run.state.name) == ("CANCELLED", "OverBudget")
        assert "support-triage per day" in (run.state.message or "")
        assert (run.run_count, run.infrastructure_pid) == (0, None), "no process was started"
    assert not read_journal(sandbox.journal), "nothing was asked"
    assert set(seen(forecast_schedule(runtime, 48, refuse=True))) & {first, second, digest} == {digest}


def test_a_question_that_nobody_answered_in_time_is_ended(runtime: Runtime, schedule: Schedule):
    spec, parameters = automation_of(daily_digest), {"source": ".", "limit": 2, "quality": "fast"}
    due = {}
    for minutes in (-1, 60):
        run_id = schedule.add(daily_digest, 0, **parameters)
        priced = price_run(runtime, spec, parameters)
        run = replace(new_run_record(runtime, run_id, spec, priced, ANONYMOUS), held_nano=priced.hold)
        lacking = {"automation:daily-digest:day:2026-01-01": 5}
        runtime.approvals.ask(
            ApprovalRequest(run, run.held_nano, lacking, datetime.now(UTC) + timedelta(minutes=minutes))
        )
        due[minutes] = run_id
    assert forecast_schedule(runtime, 1, refuse=False).undecided == (), "it only looks"
    assert forecast_schedule(runtime, 1, refuse=True).undecided == (due[-1],)
    state = schedule.client.read_flow_run(UUID(due[-1])).state
    assert state is not None
    assert (state.type.value, state.name) == ("CANCELLED", "OverBudget")
    assert "no decision in time" in (state.message or "")
    assert [question.run.run_id for question in runtime.approvals.waiting()] == [due[60]]
    assert forecast_schedule(runtime, 1, refuse=True).undecided == ()


def test_a_run_that_died_before_its_hold_or_never_started_is_ended(
    runtime: Runtime, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
):
    states: dict[str, State[Any]] = {"gate": Running(), "held": Running(), "settled": Running(), "pending": Pending()}
    ids = {name: schedule.add(support_triage, 0, quality="fast") for name in states}
    for name, state in states.items():
        schedule.client.set_flow_run_state(UUID(ids[name]), state, force=True)
    spec = automation_of(support_triage)
    parameters = {"tickets": str(DATA / "tickets.csv"), "quality": "fast"}
    for name in ("held", "settled"):
        run = new_run_record(runtime, ids[name], spec, price_run(runtime, spec, parameters), ANONYMOUS)
        assert not runtime.ledger.admit(run, [])
    runtime.ledger.settle(ids["settled"], "completed")
    assert forecast_schedule(runtime, 1, refuse=True).crashed == (), (
        "they may be in their gate, starting, or about to end"
    )
    monkeypatch.setattr(flow_runs, "UNHELD_LEASES", 0)
    monkeypatch.setattr(flow_runs, "PENDING", timedelta())
    assert forecast_schedule(runtime, 1, refuse=False).crashed == (), "it only looks"
    assert set(forecast_schedule(runtime, 1, refuse=True).crashed) == {ids["gate"], ids["settled"], ids["pending"]}
    told = {name: schedule.client.read_flow_run(UUID(run_id)).state for name, run_id in ids.items()}
    assert {name for name, state in told.items() if state and state.is_crashed()} == {"gate", "settled", "pending"}
    assert told["gate"] is not None
    assert "nothing is charged" in (told["gate"].message or "")
    runtime.ledger.settle(ids["held"], "completed")
