"""The context of a run in a process that is not its flow's: rebuilt from the flow run that Prefect says we are in.

A worker of a task runner has Prefect's own context; a process that was started for a flow run, or by one that was, has
the flow run's id in its environment and asks Prefect's API for the parameters. What the ledger knows (execution, owner,
quality) is added where the ledger is at hand, by the engine.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from pricing import FareboxError
from tasks.run_context import RunContext

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

_ENVIRONMENT = "PREFECT__FLOW_RUN_ID"
"""Where Prefect tells a process that it starts which flow run it is for."""
_MOST_RUNS = 256
_FOUND: OrderedDict[str, RunContext] = OrderedDict()
_CALLERS: OrderedDict[str, RunContext | None] = OrderedDict()
"""By flow run: a worker calls many steps of few runs, and Prefect's API is not asked for each of them."""
V = TypeVar("V")


def rebuilt_context() -> RunContext | None:
    """The context of the current Prefect flow run, with the personal values of its parameters; ``None`` outside of one.

    Raises:
        FareboxError: Prefect's API, which had to be asked for the parameters, does not answer.
    """
    flow_run_id = _flow_run_id()
    return _kept(_FOUND, flow_run_id, _rebuilt) if flow_run_id is not None else None


def caller_context(context: RunContext) -> RunContext | None:
    """The context of the flow run that called this one, if this one is not an automation and so a part of it; else
    ``None``.

    Raises:
        FareboxError: Prefect's API does not answer.
    """
    caller = _kept(_CALLERS, context.run_id, _caller)
    known = tuple(dict.fromkeys((*caller.known, *context.known))) if caller is not None else ()
    return replace(context, run_id=caller.run_id, known=known) if caller is not None else None


def _flow_run_id() -> str | None:
    if "prefect.context" in sys.modules:
        from prefect.context import FlowRunContext, TaskRunContext

        task = TaskRunContext.get()
        if task is not None and task.task_run.flow_run_id is not None:
            return str(task.task_run.flow_run_id)
        flow = FlowRunContext.get()
        if flow is not None and flow.flow_run is not None:
            return str(flow.flow_run.id)
    return os.environ.get(_ENVIRONMENT)


def _rebuilt(flow_run_id: str) -> RunContext:
    from prefect.context import FlowRunContext

    here = FlowRunContext.get()
    if here is not None and here.flow_run is not None and str(here.flow_run.id) == flow_run_id:
        parameters = here.flow_run.parameters if here.parameters is None else here.parameters
    else:
        parameters = _read_flow_run(flow_run_id).parameters
    return RunContext(flow_run_id, execution=None).knowing(parameters)


def _caller(flow_run_id: str) -> RunContext | None:
    task_run_id = _read_flow_run(flow_run_id).parent_task_run_id
    if task_run_id is None:
        return None
    with _client() as client, _api_errors():
        caller = client.read_task_run(task_run_id).flow_run_id
    if caller is None:
        return None
    return RunContext(str(caller), execution=None).knowing(_read_flow_run(str(caller)).parameters)


def _read_flow_run(flow_run_id: str) -> FlowRun:
    with _client() as client, _api_errors():
        return client.read_flow_run(UUID(flow_run_id))


def _client() -> SyncPrefectClient:
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


@contextmanager
def _api_errors() -> Iterator[None]:
    """Raise errors of Prefect's API as a ``FareboxError`` that names no parameter."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - of the client, the network or the server
        raise FareboxError(
            f"The parameters of the run are not known here: Prefect's API gave {type(error).__name__}.",
            next_step="Set PREFECT_API_URL to the server of the flow run in every process that calls its steps.",
        ) from None


def _kept(cache: OrderedDict[str, V], key: str, make: Callable[[str], V]) -> V:
    if key not in cache:
        cache[key] = make(key)
        while len(cache) > _MOST_RUNS:
            cache.popitem(last=False)
    return cache[key]
