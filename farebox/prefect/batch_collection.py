"""Collecting batches for runs that have no process: results taken, runs resumed, batches of cancelled runs cancelled.

All of it goes by what the ledger and Prefect say now, so that it can be done at any time, by several at once, and again
after it was interrupted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from farebox.prefect.flow_runs import end_cancelled, show_killed
from farebox.runs.batch_waits import PAUSE_KEY
from farebox.runtime import Runtime
from pricing import FareboxError, Nano, format_money, from_us
from pricing.ledger import Batch
from pricing.reports import escape_markdown, moment

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 8
"""Batches that are looked at at the same time."""
CANCELLED_RUN: Final = "its run was cancelled"


@dataclass(slots=True)
class Collected:
    """What was done.

    Args:
        visited: the batches that were open, as they are now.
        resumed: runs that go on.
        settled: runs that were cancelled while they waited.
    """

    visited: list[Batch] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)

    @property
    def collected(self) -> list[Batch]:
        """Batches whose results are all taken."""
        return [batch for batch in self.visited if not batch.is_open]

    def counted(self) -> dict[str, int]:
        """In numbers."""
        return {
            "looked_at": len(self.visited),
            "collected": len(self.collected),
            "resumed": len(self.resumed),
            "settled": len(self.settled),
        }


def collect_batches(
    runtime: Runtime, client: SyncPrefectClient | None = None, labels: Sequence[str] | None = None
) -> Collected:
    """Do what is due of every open batch, then resume the runs whose batches are back.

    Args:
        runtime: the project's.
        client: of Prefect; without one no run is resumed.
        labels: only these batches.
    """
    done = Collected()
    if client is not None:
        done.settled += end_cancelled(runtime, client)
        show_killed(runtime, client)
    open_batches = [batch for batch in runtime.batches.open() if labels is None or batch.label in labels]
    if open_batches:
        done.visited += runtime.engine.loop.run(_visit_all(runtime, open_batches))
    if client is not None:
        done.resumed += _resume(runtime, client)
    return done


def collect_batch(runtime: Runtime, batch_id: str) -> Collected | None:
    """Do what is due of one batch and resume the run that waits for it.

    Args:
        runtime: the project's.
        batch_id: the provider's id of it.

    Returns:
        What was done; ``None`` where no run waits for such a batch. A batch that was collected before is not looked at
        again, but its run is resumed where that failed then.
    """
    from prefect.client.orchestration import get_client

    suspended = [run_id for run_id, _ in runtime.ledger.suspended()]
    known = {batch.label: batch for run_id in suspended for batch in runtime.batches.of_run(run_id)}
    known |= {batch.label: batch for batch in runtime.batches.open()}
    labels = [batch.label for batch in known.values() if batch.batch_id == batch_id]
    if not labels:
        return None
    if not suspended:
        return collect_batches(runtime, labels=labels)
    with get_client(sync_client=True) as client:
        return collect_batches(runtime, client, labels)


async def _visit_all(runtime: Runtime, batches: Sequence[Batch]) -> list[Batch]:
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def visit(batch: Batch) -> Batch:
        async with at_once:
            try:
                if await asyncio.to_thread(_is_cancelled, runtime, batch):
                    await runtime.batch_results.cancel(batch.label, CANCELLED_RUN)
                return await runtime.batch_results.visit(batch.label)
            except FareboxError as error:
                _log.warning("Batch %s is not looked at: %s", batch.label, error.message)
                return batch
            except Exception as error:  # noqa: BLE001 - one batch must not keep the results of the others back
                _log.error("Batch %s cannot be looked at: %s", batch.label, type(error).__name__)
                return batch

    return list(await asyncio.gather(*map(visit, batches)))


def _is_cancelled(runtime: Runtime, batch: Batch) -> bool:
    """Whether nobody will go on with the run of a batch."""
    if batch.cancelled_at is not None or runtime.ledger.has_hold(batch.run_id):
        return False
    end = runtime.ledger.newest_end(batch.run_id)
    return end is not None and end[0] == "cancelled"


def _resume(runtime: Runtime, client: SyncPrefectClient) -> list[str]:
    """Resume the suspended runs that no batch is to be waited for any more; their ids."""
    from prefect.exceptions import ObjectNotFound

    waiting = runtime.batches.waiting()
    resumed = []
    for run_id, _ in runtime.ledger.suspended():
        if run_id in waiting or not runtime.batches.of_run(run_id):
            continue
        with suppress(ObjectNotFound, ValueError):
            flow_run_id = UUID(run_id)
            if _waits_for_batches(client.read_flow_run(flow_run_id).state):
                client.resume_flow_run(flow_run_id)
                resumed.append(run_id)
    return resumed


def _waits_for_batches(state: Any) -> bool:
    """Whether Prefect has a run suspended for its batches, and for nothing else."""
    key = state.state_details.pause_key if state is not None and state.is_paused() else None
    return key is not None and str(key).startswith(PAUSE_KEY)


HEADS: Final = (
    "batch",
    "run",
    "target",
    "state",
    "lines",
    "answered",
    "failed",
    "sent",
    "expected",
    "waits until",
    "cost",
)


def batch_row(batch: Batch, cost: Nano, expected_at: int | None) -> tuple[str, ...]:
    """A batch as a row of a table; ``expected_at`` is when it is expected back, in microseconds UTC."""
    return (
        batch.label,
        batch.run_id,
        batch.target,
        batch.state_text,
        f"{batch.lines}",
        f"{batch.completed}",
        f"{batch.failed}",
        moment(from_us(batch.submitted_at or batch.begun_at)),
        moment(from_us(expected_at)) if expected_at is not None else "–",
        moment(from_us(batch.leave_at)) if batch.is_open else "–",
        format_money(cost),
    )


def batch_table(runtime: Runtime, batches: Sequence[Batch]) -> list[dict[str, str]]:
    """Batches as an artifact of Prefect shows them."""
    runtime.batch_histories.fresh()
    rows = (batch_row(batch, runtime.batches.costs(batch.label), runtime.expected_at(batch)) for batch in batches)
    return [dict(zip(HEADS, map(escape_markdown, row), strict=True)) for row in rows]
