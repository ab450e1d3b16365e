"""Drops of prompt-cache use, found in the ledger of a project."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from farebox.runtime import Runtime

if TYPE_CHECKING:
    from pricing.reports import RunReport


def with_cache_drops(runtime: Runtime, report: RunReport) -> RunReport:
    """The report of a run, with the prompt-cache drops that affected its operations when it ended."""
    from pricing.reports import find_cache_drops

    run = report.run
    if not any(line.tokens.input for line in report.operations):
        return report
    drops = find_cache_drops(runtime.store, run.automation, run.quality, stand_in=run.stand_in, until=run.run_id)
    mine = {line.operation for line in report.operations}
    return replace(report, cache_drops=tuple(drop for drop in drops if drop.operation in mine))
