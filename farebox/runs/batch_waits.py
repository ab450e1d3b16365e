"""How a run waits for its batches: suspended in Prefect where it can be, else in its process.

A suspended run holds neither a process nor a worker's slot; the flow that collects batches resumes it. One that waits
in its process, such as that of ``farebox run``, can be left and continued.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause, PrefectException
from prefect.flow_runs import asuspend_flow_run
from prefect.logging import get_run_logger

from farebox.runs.admission import AdmittedRun
from farebox.runs.approval import Suspending, apart
from farebox.runtime import get_runtime
from pricing import from_us
from pricing.ledger import Run
from pricing.reports import moment
from tasks import end_suspended_tasks
from tasks.turn import RunWaves, WaitMode

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

PAUSE_KEY = "farebox-batch"
"""How the names begin that Prefect keeps of these suspensions. Each has a name of its own: a run whose suspension had
the same name before would go on at once."""
KEPT = timedelta(days=1)
"""For so long after a run was due its hold is kept, if nobody resumes it."""


@contextmanager
def waiting_for_batches(admitted: AdmittedRun, flow_run: FlowRun, *, suspends: bool) -> Iterator[None]:
    """Open the waves of a run with a due time for a block, and suspend the run where its turns have left.

    Whatever the block does after they have, also if it returns: what it returns then lacks their answers.

    Raises:
        Pause: the run is suspended until its batches are back.
    """
    engine = get_runtime().engine
    if admitted.run.due_at is None or engine.waves is None or not admitted.run.durable:
        yield
        return
    mode: WaitMode = "suspended" if suspends and Suspending.can(flow_run) else "here"
    waves = engine.waves.open(admitted.run.run_id, admitted.execution, admitted.run.due_at, mode, Pause)
    left: BaseException | None = None
    logger, waiting = logging.getLogger("prefect.task_runs"), _WaitingSteps()
    logger.addFilter(waiting)
    try:
        try:
            yield
        except (KeyboardInterrupt, asyncio.CancelledError) as interrupt:
            left = interrupt
            engine.loop.run(_leave(waves))
            raise
        except BaseException:
            if not waves.suspended:
                raise
        if waves.suspended and left is None:
            _suspend(admitted, waves)
    finally:
        logger.removeFilter(waiting)
        engine.waves.close(admitted.run.run_id, admitted.execution)
        engine.loop.run(_close(waves))


class _WaitingSteps(logging.Filter):
    """Drops the error that Prefect logs for each step that waits when its run is suspended: nothing has failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Finished in state Running(")


async def _leave(waves: RunWaves) -> None:
    waves.suspend()


async def _close(waves: RunWaves) -> None:
    waves.close()


def end_left_tasks(admitted: AdmittedRun, flow_run: FlowRun) -> None:
    """End the task runs that a run left when it was suspended, now that it goes on. Prefect's view of them is all that
    depends on it.
    """
    if admitted.execution == 1 or admitted.run.due_at is None or not get_runtime().batches.of_run(admitted.run.run_id):
        return
    try:
        with get_client(sync_client=True) as client:
            end_suspended_tasks(client, flow_run.id, "Resumed")
    except (HTTPError, PrefectException) as error:
        get_run_logger().warning("Suspended task runs stay so in Prefect: %s", type(error).__name__)


def left_until(run: Run) -> datetime:
    """Until when the hold of a run is kept that was left while it waited."""
    due = from_us(run.due_at) if run.due_at is not None else datetime.now(UTC)
    return max(due, datetime.now(UTC)) + KEPT


def show_left(client: SyncPrefectClient, run: Run, *, deployed: bool = False) -> None:
    """Show a run as suspended that was left while it waits for batches, until its hold ends.

    One of a deployment (``deployed``) is resumed when they are back; ``farebox runs resume`` continues any other.
    """
    from prefect.states import Suspended

    next_step = (
        "It goes on when they are back." if deployed else f"Continue it with `farebox runs resume {run.run_id}`."
    )
    key = f"{PAUSE_KEY}-left" if deployed else None
    state: Any = Suspended(
        pause_expiration_time=left_until(run), pause_key=key, message=f"It waits for batches. {next_step}"
    )
    client.set_flow_run_state(UUID(run.run_id), state, force=True)


def show_left_here(run: Run) -> bool:
    """Show a run of this process so, once its user has left it; false where Prefect's server cannot be reached."""
    try:
        with get_client(sync_client=True) as client:
            show_left(client, run)
    except (HTTPError, PrefectException, RuntimeError):
        return False
    return True


def _suspend(admitted: AdmittedRun, waves: RunWaves) -> None:
    """Suspend the flow run: this process ends here."""
    open_batches = get_runtime().batches.open(admitted.run.run_id)
    lines = sum(batch.lines for batch in open_batches)
    get_run_logger().info(
        "Suspended until %d line%s of %d batch%s are back; the run is due %s.",
        lines,
        "" if lines == 1 else "s",
        len(open_batches),
        "" if len(open_batches) == 1 else "es",
        moment(from_us(waves.due_at)),
    )
    seconds = max(60, round((left_until(admitted.run) - datetime.now(UTC)).total_seconds()))
    suspension: Any = asuspend_flow_run(timeout=seconds, key=f"{PAUSE_KEY}-{admitted.execution}")
    apart(suspension)
    raise RuntimeError(f"the run {admitted.run.run_id} was not suspended: its suspension {admitted.execution} is known")
