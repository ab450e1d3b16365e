"""Results of batches, taken as they come in; the runs that wait for them go on. To be scheduled every few minutes."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client

from farebox import get_runtime
from farebox.prefect import batch_table
from farebox.prefect import collect_batches as collect


@flow(name="collect-batches")
def collect_batches() -> dict[str, int]:
    """Ask providers for every open batch, take what is there, resume the runs whose batches are back, and cancel the
    batches of runs that were cancelled.
    """
    runtime = get_runtime()
    with get_client(sync_client=True) as client:
        done = collect(runtime, client)
    if done.visited:
        summary = f"{len(done.collected)} of {len(done.visited)} open batches are back"
        create_table_artifact(batch_table(runtime, done.visited), key="batches", description=summary)
    return done.counted()
