"""Task runs of a flow run that is suspended: shown as suspended with it, and ended once it goes on or is cancelled.

Prefect sets no state where a task is left by its ``Pause``: such a task run would stay ``Running`` for ever, since the
continued flow run has task runs of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State, TaskRun

SUSPENDED = "Suspended"
"""The name of the state of such a task run; its type is that of a pause."""
_PAGE = 200
"""Prefect's own limit of rows in one answer."""
_MESSAGES = {
    "Resumed": "The run went on, in another task run.",
    "Cancelled": "The run was cancelled while it was suspended.",
}


@contextmanager
def suspended_with_run() -> Iterator[None]:
    """Show the task run around a block as suspended, if the block ends because its flow run is suspended."""
    try:
        yield
    except BaseException as error:
        if "prefect.context" in sys.modules:
            _show(error)
        raise


def _show(error: BaseException) -> None:
    from prefect.context import TaskRunContext
    from prefect.exceptions import Pause
    from prefect.utilities.engine import emit_task_run_state_change_event

    context = TaskRunContext.get()
    if not isinstance(error, Pause) or context is None:
        return
    state = _state("PAUSED", SUSPENDED, "Waits with its run; the continued run has a task run of its own.")
    # By an event, as the states of Prefect's own engine: the server may not know the task run yet.
    emit_task_run_state_change_event(context.task_run, context.task_run.state, state)


def end_suspended_tasks(client: SyncPrefectClient, flow_run_id: UUID, name: Literal["Resumed", "Cancelled"]) -> int:
    """End the unfinished task runs of a suspended flow run; returns their number.

    Args:
        client: of Prefect.
        flow_run_id: whose.
        name: of their last state: ``Resumed`` is a completion.
    """
    left = _unfinished(client, flow_run_id)
    for task_run in left:
        state = _state("COMPLETED" if name == "Resumed" else "CANCELLED", name, _MESSAGES[name])
        client.set_task_run_state(task_run.id, state, force=True)
    return len(left)


def _unfinished(client: SyncPrefectClient, flow_run_id: UUID) -> list[TaskRun]:
    """Task runs of a flow run that have begun and not ended; ending them also ends those of subflows."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import TaskRunSort

    types = [StateType.RUNNING, StateType.PAUSED]
    wanted = filters.TaskRunFilter(
        state=filters.TaskRunFilterState(type=filters.TaskRunFilterStateType(any_=types)),
        subflow_runs=filters.TaskRunFilterSubFlowRuns(exists_=False),
    )
    of_run = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=[flow_run_id]))
    found: list[TaskRun] = []
    while len(found) % _PAGE == 0:
        page = client.read_task_runs(
            flow_run_filter=of_run,
            task_run_filter=wanted,
            sort=TaskRunSort.ID_DESC,
            limit=_PAGE,
            offset=len(found),
        )
        if not page:
            break
        found += page
    return found


def _state(kind: str, name: str, message: str) -> State[Any]:
    from prefect.client.schemas.objects import State, StateType

    return State(type=StateType(kind), name=name, message=message)
