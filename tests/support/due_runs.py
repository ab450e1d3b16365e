"""Runs that have the time for batches."""

import inspect
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from farebox.automations import automation_of
from farebox.runs.admission import AdmittedRun, admit
from farebox.runs.context import admitted_context
from farebox.runtime import Runtime
from pricing.clock import now_us
from tasks.context import completed_at_end, use_run

BATCHED = """
[batches]
settle_seconds = 0.2
poll_seconds = 0.2
longest_poll_seconds = 0.5
create_seconds = 0.5

[[targets]]
name = "gpt-mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"
read_timeout = {read_timeout}
"""
HOURS_6 = 6 * 3_600_000_000


@contextmanager
def due_run(
    runtime: Runtime, flow: Any, parameters: Mapping[str, object], run_id: str = "", *, due_in: int = HOURS_6
) -> Iterator[AdmittedRun]:
    """An admitted run with a due time around a block, below Prefect; settled at its end, however that comes."""
    bound = inspect.signature(flow.fn).bind(**parameters)
    bound.apply_defaults()
    due = partial(lambda at: at, now_us() + due_in)
    ride = admit(runtime, automation_of(flow), run_id or str(uuid.uuid4()), bound.arguments, due=due)
    try:
        with use_run(admitted_context(ride.run, ride.execution, bound.arguments)), completed_at_end():
            yield ride
    except BaseException as error:
        ride.finish(error)
        raise
    ride.finish(None)
