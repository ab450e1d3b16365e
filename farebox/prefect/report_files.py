"""The report files of runs, ``.farebox/reports/<run>.md`` and ``.html``.

They are written when a run ends, and again when a later finding has changed what it cost. The run's artifact in Prefect
is updated then, too.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.prefect.report_artifacts import update_report_artifacts
from farebox.runtime import Runtime

if TYPE_CHECKING:
    from pricing.reports import RunReport

_MARK = ".corrections"
"""The file that says up to which correction the report files are right."""


def write_report_files(runtime: Runtime, report: RunReport) -> str:
    """Write both report files of a run; returns the Markdown."""
    from pricing.reports import render_html, render_markdown

    folder = runtime.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    markdown = render_markdown(report)
    (folder / f"{report.run.run_id}.md").write_text(markdown, "utf-8")
    (folder / f"{report.run.run_id}.html").write_text(render_html(report), "utf-8")
    return markdown


def refresh_report_files(runtime: Runtime) -> int:
    """Write the report files of corrected runs again, and update their artifacts: after a late completion, a bill, or a
    settlement by another process. Returns the number of runs.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    from pricing.reports import corrected_runs, run_report

    folder, written = runtime.home / "reports", dict[str, str]()
    if not folder.is_dir():
        return 0
    before = _read(folder / _MARK)
    found = corrected_runs(runtime.replica, before)
    for run_id, known_at in found.runs.items():
        if _is_older(folder / f"{run_id}.md", known_at):
            report = run_report(runtime.replica, run_id)
            write_report_files(runtime, report)
            written[run_id] = report.run.automation
    update_report_artifacts(folder, written)
    if found.end != before:
        (folder / _MARK).write_text(json.dumps(found.end), "utf-8")
    return len(written)


def _is_older(path: Path, known_at: datetime) -> bool:
    """Whether a report file exists on this machine and is older than the correction."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) < known_at
    except FileNotFoundError:
        return False


def _read(mark: Path) -> tuple[int, int] | None:
    try:
        adjusted, settled = json.loads(mark.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return int(adjusted), int(settled)
