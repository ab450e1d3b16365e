"""Calls of tools as Prefect task runs: people see them in the UI, by name, and whether they were replayed.

Prefect keeps neither their arguments nor their results, and of an exception only its type.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from tasks.suspended_tasks import suspended_with_run

if TYPE_CHECKING:
    from prefect import Task


class _Outcome(Protocol):
    @property
    def replayed(self) -> bool: ...


T = TypeVar("T", bound=_Outcome)


class _Run:
    """One call: Prefect receives its state, the caller its result or exception."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.result: Any = None
        self.error: BaseException | None = None

    def state(self) -> Any:
        """Make the call."""
        from prefect.states import Completed, Failed

        try:
            with suspended_with_run():
                self.result = self.call()
        except Exception as error:  # noqa: BLE001 - raised to its caller; Prefect receives the type only
            self.error = error
            return Failed(message=type(error).__name__)
        return Completed(name="Replayed" if self.result.replayed else "Completed")


def in_prefect_task(name: str, call: Callable[[], T]) -> T:
    """The result of ``call``, made as a task run of the current flow, or plainly outside of a flow."""
    if not _in_flow():
        return call()
    run = _Run(call)
    _task(name)(run, return_state=True)
    if run.error is not None:
        raise run.error
    return cast("T", run.result)


def _in_flow() -> bool:
    if "prefect.context" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


@lru_cache(maxsize=256)
def _task(name: str) -> Task[[Any], Any]:
    from prefect import Task
    from prefect.cache_policies import NO_CACHE

    def tool(run: Any) -> Any:
        return run.state()

    return Task(tool, name=name, cache_policy=NO_CACHE, persist_result=False, log_prints=False)
