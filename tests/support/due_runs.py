"""Runs that have the time for batches."""

import inspect
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from farebox.automations import automation_of
from farebox.runs.admission import AdmittedRun, admit
from farebox.runs.context import admitted_context
from farebox.runtime import Runtime
from pricing.clock import now_us
from pricing.db import schema
from tasks.context import completed_at_end, use_run
from tasks.sandbox import Sandbox, read_journal
from tests.support.books import assert_ledger_adds_up, rows

BATCHED = """
[batches]
settle_seconds = 0.15
poll_seconds = 0.1
longest_poll_seconds = 0.5
create_seconds = 0.5

[[targets]]
name = "gpt-mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"
read_timeout = {read_timeout}
"""
QUICK: dict[str, object] = {"seconds": 0}
"""The sandbox's rule that batches end as soon as they are looked at."""
HOURS_6 = 6 * 3_600_000_000
DAYS_6 = 24 * HOURS_6
"""Enough for batches also where past ones expired, which takes a day."""


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


def assert_served_once(runtime: Runtime, sandbox: Sandbox) -> list[dict[str, Any]]:
    """The attempts; the sandbox served what the ledger knows and nothing else, at the ledger's prices."""
    attempts = rows(runtime.ledger, schema.attempts)
    entries = [entry for entry in read_journal(sandbox.journal) if entry.usage.known]
    served = {entry.client_request_id: entry for entry in entries}
    assert len(served) == len(entries), "a request was served twice"
    known = {attempt["attempt_id"]: attempt for attempt in attempts}
    assert set(served) <= set(known)
    for attempt_id, entry in served.items():
        attempt = known[attempt_id]
        tier = entry.service_tier or "standard"
        cost = runtime.rates.price(attempt["model"], attempt["provider"], entry.usage, service_tier=tier)
        assert (attempt["cost_nano"], attempt["service_tier"]) == (cost, tier), attempt
    assert_ledger_adds_up(runtime)
    return attempts


def batch_rules(sandbox: Sandbox, *rules: Mapping[str, object]) -> None:
    """Have batches go as these rules say."""
    httpx.post(f"{sandbox.url}/_sandbox/batches", json=list(rules)).raise_for_status()
