"""After a run: the replica brought up to date, its cost report published, and no traceback for a decision."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from farebox.runtime import Runtime
from pricing import FareboxError
from pricing.replica import RunCopy
from pricing.reports import escape_markdown, markdown_code

if TYPE_CHECKING:
    from pricing.reports import RunReport

_logger = logging.getLogger(__name__)
_PREFECT_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


def publish(runtime: Runtime, run_id: str, automation: str) -> None:
    """Bring the replica up to date, write the run's cost report and publish it as an artifact of the flow run.

    Each step's failure is logged and ends that step only: the run itself is settled, and a report can be made at any
    time.
    """
    from pricing.reports import render_html, render_markdown

    with _warning(run_id, "Content that is too old was not deleted"):
        runtime.captures.tidy()
    with _warning(run_id, "The replica is not up to date"):
        if runtime.settings.replica.after_runs:
            runtime.replica.sync()
    with _warning(run_id, "The cost report is not published"):
        report = report_of(runtime, run_id)
        markdown = render_markdown(report)
        folder = runtime.home / "reports"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{run_id}.md").write_text(markdown, "utf-8")
        page = folder / f"{run_id}.html"
        page.write_text(render_html(report), "utf-8")
        _tell_prefect(
            run_id,
            automation,
            markdown,
            page.absolute(),
            {report.run.quality, "sandbox"} if report.run.stand_in else {report.run.quality},
        )


@contextmanager
def _warning(run_id: str, what: str) -> Iterator[None]:
    """Log what goes wrong after a run: it must not change the run's result, for which somebody paid."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is
        told = str(error) if isinstance(error, FareboxError) else f"{type(error).__name__}: {error}"
        _warn(run_id, f"{what}: {told}")


def _warn(run_id: str, text: str) -> None:
    """In the run's own log, where there is one; `farebox report` makes the report at any time."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    told = ("After the end of run %s: %s", run_id, text)
    _logger.info(*told)  # for the command line, which shows no log of Prefect's
    with suppress(MissingContextError):
        get_run_logger().warning(*told)


def report_of(runtime: Runtime, run_id: str) -> RunReport:
    """The cost report of a run of this process: from the replica, or where runs do not keep it up, from the ledger."""
    from pricing.reports import run_report

    keeps = runtime.settings.replica.after_runs
    return run_report(runtime.replica if keeps else RunCopy(runtime.ledger.store, run_id), run_id)


def _tell_prefect(run_id: str, automation: str, markdown: str, page: Path, tags: set[str]) -> None:
    from prefect.artifacts import create_link_artifact, create_markdown_artifact
    from prefect.client.orchestration import get_client
    from prefect.context import FlowRunContext

    # Around an async flow it would hand back a coroutine, even on a thread of its own, and publish nothing.
    create_markdown_artifact(
        markdown,
        key=f"{automation}-cost",
        description="What this run cost, and why",
        _sync=True,  # type: ignore[call-arg]
    )
    create_link_artifact(
        page.as_uri(),
        link_text=escape_markdown(page.name),
        key=f"{automation}-report",
        description=_where(page),
        _sync=True,  # type: ignore[call-arg]
    )
    context = FlowRunContext.get()
    known = context.flow_run.tags if context is not None and context.flow_run is not None else []
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(run_id), tags=sorted({*known, "farebox", *tags}))


def _where(page: Path) -> str:
    return (
        "The report with charts is a file on the machine that ran this, "
        f"{escape_markdown(platform.node())}: {markdown_code(page)}. "
        "Browsers follow no link from a server to a file: open it there, or copy its address."
    )


def spare_tracebacks() -> None:
    """Let Prefect log our own errors, which explain themselves, as one line without a traceback."""
    for name in _PREFECT_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _OneLine) for known in logger.filters):
            logger.addFilter(_OneLine())


class _OneLine(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, FareboxError):
            record.exc_info = None
            record.exc_text = None
            record.msg, record.args = f"{record.getMessage()} {error}", ()
        return True
