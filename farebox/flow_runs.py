"""Flow runs on the Prefect server, and the automations that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from farebox.automations import automation_of
from pricing import ConfigError

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
