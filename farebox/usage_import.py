"""Imports of usage into a project: what the imported runs are compared with, and writing them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.discovery import find_flow, read_parameters, with_defaults
from farebox.runs.admission import price_run
from farebox.runs.context import ANONYMOUS
from farebox.runtime import Runtime, get_runtime
from pricing import SourceError, UsageError, now_us
from pricing.ledger import Import, read_key
from tasks.routing import describe

if TYPE_CHECKING:
    from pricing.ledger import ImportedRun
    from pricing.usage_imports import RunShape, UsageRecord


def import_file(
    source: str,
    path: Path,
    automation: str,
    *,
    quality: str,
    columns: Mapping[str, str],
    parameters: Mapping[str, str],
    write: bool,
) -> Import:
    """Import a file of usage; with ``write`` false say only what that would add.

    Args:
        source: the name of its format.
        path: the file.
        automation: whose history it is.
        quality: ``fast`` or ``best``.
        columns: by field, where the file has it.
        parameters: of a run like the imported ones, as the command line takes them: imported runs are compared with the
            point of such a run.
        write: whether it is written.

    Raises:
        SourceError: the file cannot be read, or a line of it is not a usage record or has no price; nothing was
            written.
        UsageError: there is no such automation or field, or its plan needs parameters.
    """
    from pricing.usage_imports import group_runs, read_usage

    runtime = get_runtime()
    records = read_usage(path, source, columns)
    _check_owners(path, records)
    found = group_runs(records, runtime.rates, _shape(runtime, automation, quality, parameters), source)
    if not write:
        return _foreseen(found)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    made = runtime.imported.add(found, source, digest, now_us())
    runtime.replica.sync()
    return made


def _shape(runtime: Runtime, name: str, quality: str, parameters: Mapping[str, str]) -> RunShape:
    """What the imported runs are runs of: the plan for such parameters, and its point at today's rates."""
    from farebox.automations import automation_of
    from pricing.usage_imports import RunShape

    flow = find_flow(name)
    missing = sorted(set(flow.parameters.required or []) - {key.replace("-", "_") for key in parameters})
    if missing:
        raise UsageError(
            f"{name} needs {', '.join(missing)} to know what its usual run is.",
            next_step=f"Add parameters of a run like the imported ones, such as --{missing[0].replace('_', '-')} ….",
        )
    automation = automation_of(flow)
    given = with_defaults(flow, read_parameters(flow, dict(parameters), ANONYMOUS)) | {"quality": quality}
    priced = price_run(runtime, automation, given)
    steps = priced.plan.steps
    return RunShape(
        automation.name,
        quality,
        steps[0].operation if len(steps) == 1 else automation.name,
        round(sum(step.calls for step in steps)) or 1,
        json.dumps(priced.plan.to_json()),
        json.dumps({operation: describe(route) for operation, route in priced.routes.items()}),
        priced.quote.point,
    )


def _check_owners(path: Path, records: list[UsageRecord]) -> None:
    """See that users and organisations are names that budgets could go by.

    Raises:
        SourceError: one is not.
    """
    for record in records:
        for scope, name in (("user", record.user), ("org", record.org)):
            try:
                if name is not None:
                    read_key(scope, name)
            except UsageError as error:
                raise SourceError(
                    f"{path.name} was not imported: line {record.line}: {error.message}", next_step=error.next_step
                ) from None


def _foreseen(found: list[ImportedRun]) -> Import:
    requests = sum(one.requests for run in found for one in run.usage)
    return Import(len(found), sum(run.runs for run in found), requests, sum(run.cost_nano for run in found), 0)
