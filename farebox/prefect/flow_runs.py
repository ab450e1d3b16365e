"""Flow runs on the Prefect server: which automation they belong to, and closing those that ended unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from farebox.automations import automation_of, state_of
from farebox.runs.approval import rejected
from farebox.runs.batch_waits import show_left
from farebox.runtime import Runtime
from pricing import ConfigError, from_us
from tasks import end_suspended_tasks

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse


_PAGE = 200
"""Prefect's own limit of rows in one answer."""


class Deployments:
    """What deployments run, each asked for once."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        self._known: dict[Any, tuple[DeploymentResponse, Flow[..., Any] | None]] = {}

    def of(self, flow_run: FlowRun) -> tuple[DeploymentResponse, Flow[..., Any]] | None:
        """The deployment of a run and its automation; ``None`` if it is of none of this project's."""
        if flow_run.deployment_id is None:
            return None
        if flow_run.deployment_id not in self._known:
            deployment = self._client.read_deployment(flow_run.deployment_id)
            self._known[flow_run.deployment_id] = deployment, _automation(deployment)
        deployment, flow = self._known[flow_run.deployment_id]
        return None if flow is None else (deployment, flow)


def flow_runs(
    client: SyncPrefectClient, state: Literal["SCHEDULED", "PENDING", "RUNNING"], **more: Any
) -> list[FlowRun]:
    """All flow runs in a state, in order of time."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    of_type = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType(state)]))
    wanted = FlowRunFilter(state=of_type, **more)
    found: list[FlowRun] = []
    while len(found) % _PAGE == 0:
        page = client.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=_PAGE, offset=len(found)
        )
        if not page:
            break
        found += page
    return found


def _automation(deployment: DeploymentResponse) -> Flow[..., Any] | None:
    """What a deployment runs, if it is an automation of this project."""
    from prefect.flows import load_flow_from_entrypoint

    entrypoint = deployment.entrypoint or ""
    if not entrypoint.startswith("flows."):
        return None
    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint)
        automation_of(flow)
    except (ConfigError, ImportError, AttributeError):
        return None
    return flow


UNHELD_LEASES = 5
"""No run is without a hold for so many leases while it runs: not in its gate, nor between settlement and end."""
PENDING = timedelta(minutes=30)
"""No process takes so long to start, however busy its machine or its cluster."""


def end_overdue(runtime: Runtime, client: SyncPrefectClient) -> Iterator[str]:
    """End the runs that wait for a decision nobody made in time; their ids."""
    for question in runtime.approvals.waiting():
        if question.due_at <= datetime.now(UTC) and runtime.ledger.reject(question, None):
            spent = runtime.ledger.spent(question.run.run_id)
            client.set_flow_run_state(UUID(question.run.run_id), state_of(rejected(question, None, spent)), force=True)
            yield question.run.run_id


def end_cancelled(runtime: Runtime, client: SyncPrefectClient) -> Iterator[str]:
    """Settle the runs that were suspended and then ended in Prefect, where no process notices; their ids.

    One that this server does not know is left alone: others may share the ledger. So is one whose process was left or
    killed while it waits for batches: it can be continued.
    """
    from prefect.exceptions import ObjectNotFound

    waiting = runtime.batches.waiting()
    for run_id, execution in runtime.ledger.suspended():
        with suppress(ObjectNotFound, ValueError):
            state = client.read_flow_run(UUID(run_id)).state
            if state is not None and state.is_final() and (run_id not in waiting or not state.is_crashed()):
                why = f"it was set to {state.type.value} while it was suspended"
                if runtime.ledger.settle(run_id, "cancelled", why, execution=execution) is not None:
                    end_suspended_tasks(client, UUID(run_id), "Cancelled")
                    yield run_id


def show_killed(runtime: Runtime, client: SyncPrefectClient) -> None:
    """Show the runs as suspended whose process was left or killed while they wait for batches.

    Prefect has these as running or crashed. One that has been so for a short time only is left alone: it may be
    suspended or continued at this moment.
    """
    from prefect.exceptions import ObjectNotFound

    waiting = runtime.batches.waiting()
    for run_id, _ in runtime.ledger.suspended():
        run = runtime.ledger.run(run_id) if run_id in waiting else None
        if run is None:
            continue
        with suppress(ObjectNotFound, ValueError):
            flow_run = client.read_flow_run(UUID(run_id))
            state = flow_run.state
            ended = state is not None and (state.is_running() or state.is_crashed())
            if ended and _since(flow_run) > _patience(runtime):
                show_left(client, run, deployed=flow_run.deployment_id is not None)


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
    if deployments.of(flow_run) is None or unheld <= _patience(runtime):
        return None
    if end is None:
        return "Its process went away before anything was held for it. Nothing was called, nothing is charged."
    return "Its process went away after it was settled, before it could say so here."


def _patience(runtime: Runtime) -> timedelta:
    """A process that lives holds something for its run after this time."""
    return timedelta(seconds=UNHELD_LEASES * runtime.settings.holds.lease_seconds)


def _since(flow_run: FlowRun) -> timedelta:
    """How long it has been in its state."""
    return datetime.now(UTC) - (flow_run.state.timestamp if flow_run.state is not None else datetime.now(UTC))


def _crash(client: SyncPrefectClient, flow_run: FlowRun, why: str) -> None:
    from prefect.states import Crashed

    crashed: Any = Crashed(message=why)
    client.set_flow_run_state(flow_run.id, crashed, force=True)
