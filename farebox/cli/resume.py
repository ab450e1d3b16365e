"""``farebox runs resume``: continue a run that died or failed, here or by its deployment."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from farebox.automations import automation_of
from farebox.cli.output import print_json, terminal
from farebox.cli.run import follow_run, follow_watched
from farebox.discovery import find_flow, with_defaults
from farebox.runs.context import RunOwner, run_owner, starter_context
from farebox.runs.continuation import find_continuation
from farebox.runtime import Runtime
from pricing import Nano, UsageError
from pricing.ledger import ToolDecision
from tasks import use_run

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State

_out = terminal()


def resume(
    runtime: Runtime, name: str, *, interrupted: ToolDecision | None, limit: Nano | None, yes: bool, as_json: bool
) -> None:
    """Continue a run, after showing what is left to pay and asking for confirmation.

    Raises:
        UsageError: it cannot be continued, or was not confirmed.
        FareboxError: it continued here and did not complete.
    """
    found = find_continuation(runtime, name)
    run_id, whose = found.run.run_id, RunOwner.of(found.run)
    flow = find_flow(found.run.automation)
    flow_run = _flow_run(run_id)
    parameters = with_defaults(flow, dict(flow_run.parameters))
    with use_run(starter_context(whose, limit)):
        run_owner(parameters)
        left = found.left(runtime, automation_of(flow), parameters)
    plan_lines = found.lines(left)
    if not as_json:
        for line in plan_lines:
            _out.print(line, markup=False)
    if not yes:
        _agree(plan_lines[-1], as_json=as_json)
    if interrupted is not None:
        runtime.journal.decide(run_id, interrupted)
    _schedule(flow_run)
    if flow_run.deployment_id is not None:
        if as_json:
            print_json(found.to_json(left) | {"scheduled": True})
        else:
            _out.print("Scheduled: a worker of its deployment continues it.")
        return
    again = partial(_continued, flow, flow_run, parameters)
    follow_watched(runtime, partial(follow_run, again), starter_context(whose, limit), as_json=as_json)


def _flow_run(run_id: str) -> FlowRun:
    """The flow run as Prefect has it.

    Raises:
        UsageError: this Prefect server does not know it.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from farebox.prefect.server import ensure_server

    ensure_server()
    try:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(UUID(run_id))
    except (ObjectNotFound, ValueError):
        raise UsageError(
            f"Prefect does not know the flow run {run_id}.",
            next_step="Set PREFECT_API_URL, or PREFECT_HOME, to the value it was started with.",
        ) from None


def _schedule(flow_run: FlowRun) -> None:
    """Schedule the run again, regardless of the state it ended in."""
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    state: Any = Scheduled(message="Continued with `farebox runs resume`.")
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run.id, state, force=True)


def _continued(flow: Flow[..., Any], flow_run: FlowRun, parameters: dict[str, Any]) -> State[Any]:
    """The state that it ends in, here."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    with get_client(sync_client=True) as client:
        fresh = client.read_flow_run(flow_run.id)
    return cast("State[Any]", run_flow(flow, flow_run=fresh, parameters=parameters, return_type="state"))


def _agree(question: str, *, as_json: bool) -> None:
    if not as_json and sys.stdin.isatty():
        if _out.input("Continue it? [y/N] ").strip().lower() in {"y", "yes"}:
            return
        raise UsageError("The run was not continued, and nothing was spent.")
    raise UsageError("The run was not continued, and nothing was spent.", next_step=f"Confirm with --yes ({question})")
