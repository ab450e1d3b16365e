"""Ends of runs that Prefect does not hear of: nobody decided in time, or their process or their machine went away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from farebox.approving import turned_down
from farebox.automations import state_of
from farebox.flow_runs import Deployments, flow_runs
from farebox.runtime import Runtime
from pricing import from_us

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

UNHELD_LEASES = 5
"""No run is without a hold for so many leases while it runs: not in its gate, nor between settlement and end."""
PENDING = timedelta(minutes=30)
"""No process takes so long to start, however busy its machine or its cluster."""


def end_overdue(runtime: Runtime, client: SyncPrefectClient) -> Iterator[str]:
    """End the runs that wait for a decision nobody made in time; their ids."""
    for question in runtime.approvals.waiting():
        if question.due_at <= datetime.now(UTC) and runtime.ledger.reject(question, None):
            client.set_flow_run_state(UUID(question.run.run_id), state_of(turned_down(question, None)), force=True)
            yield question.run.run_id


def end_gone(runtime: Runtime, client: SyncPrefectClient, deployments: Deployments) -> Iterator[str]:
    """Tell Prefect of the runs whose process went away, or never came; their ids."""
    for flow_run in flow_runs(client, "RUNNING"):
        if (why := _gone(runtime, flow_run, deployments)) is not None:
            _crash(client, flow_run, why)
            yield str(flow_run.id)
    for flow_run in flow_runs(client, "PENDING"):
        if deployments.of(flow_run) is not None and _since(flow_run) > PENDING:
            _crash(
                client, flow_run, "The worker that took it never started it. Nothing was called, nothing is charged."
            )
            yield str(flow_run.id)


def _gone(runtime: Runtime, flow_run: FlowRun, deployments: Deployments) -> str | None:
    """Why a run that Prefect takes to be running is not."""
    run_id = str(flow_run.id)
    if runtime.ledger.has_hold(run_id):
        return None
    end = runtime.ledger.newest_end(run_id)
    if end is not None and end[0] == "lost" and from_us(end[1]) >= datetime.now(UTC) - _since(flow_run):
        return "Its process went away. What it spent is settled; the rest of its hold is free again."
    unheld = _since(flow_run) if end is None else min(_since(flow_run), datetime.now(UTC) - from_us(end[1]))
    patience = timedelta(seconds=UNHELD_LEASES * runtime.settings.holds.lease_seconds)
    if deployments.of(flow_run) is None or unheld <= patience:
        return None
    if end is None:
        return "Its process went away before anything was held for it. Nothing was called, nothing is charged."
    return "Its process went away after it was settled, before it could say so here."


def _since(flow_run: FlowRun) -> timedelta:
    """How long it has been in its state."""
    return datetime.now(UTC) - (flow_run.state.timestamp if flow_run.state is not None else datetime.now(UTC))


def _crash(client: SyncPrefectClient, flow_run: FlowRun, why: str) -> None:
    from prefect.states import Crashed

    crashed: Any = Crashed(message=why)
    client.set_flow_run_state(flow_run.id, crashed, force=True)
