"""Artifacts of a flow run: its progress and its cost report."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from farebox.cache_drops import with_cache_drops
from farebox.prefect.events import emit_cache_drops
from farebox.prefect.report_artifacts import artifact_key
from farebox.prefect.report_files import refresh_report_files, write_report_files
from farebox.runtime import Runtime
from pricing import FareboxError, from_us
from pricing.ledger import BudgetRule, Refusal, Run, Settled
from pricing.quotes import Quote, ResolvedPlan
from pricing.replica import RunCopy
from pricing.reports import escape_markdown, moment
from tasks.turn import TurnEvent, WaveNews

if TYPE_CHECKING:
    from pricing.reports import RunReport


_logger = logging.getLogger(__name__)
_PREFECT_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


def publish(runtime: Runtime, run_id: str, automation: str | None) -> None:
    """Bring the replica up to date, write the run's cost report and publish it as an artifact of the flow run.

    Each step's failure is logged and ends that step only: the run itself is settled, and a report can be made at any
    time. Without the name of its ``automation`` no artifact is made: the run was refused before it had a flow run.
    """
    with _warning(run_id, "Content that is too old was not deleted"):
        runtime.captures.tidy()
    with _warning(run_id, "The replica is not up to date"):
        if runtime.settings.replica.after_runs:
            runtime.replica.sync()
            refresh_report_files(runtime)
    with _warning(run_id, "The cost report is not published"):
        report = report_of(runtime, run_id)
        emit_cache_drops(report)
        markdown = write_report_files(runtime, report)
        if automation is None:
            return
        tags = {report.run.quality, "sandbox"} if report.run.stand_in else {report.run.quality}
        _publish_artifacts(run_id, automation, markdown, report_address(runtime, run_id), tags)


@contextmanager
def _warning(run_id: str, what: str) -> Iterator[None]:
    """Log failures of a block as warnings: they must not change the result of a run that is settled."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is
        text = str(error) if isinstance(error, FareboxError) else f"{type(error).__name__}: {error}"
        _warn(run_id, f"{what}: {text}")


def _warn(run_id: str, text: str) -> None:
    """Log a warning in the run's own log, where there is one."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    record = ("After the end of run %s: %s", run_id, text)
    _logger.info(*record)  # for the command line, which shows no log of Prefect's
    with suppress(MissingContextError):
        get_run_logger().warning(*record)


def report_of(runtime: Runtime, run_id: str) -> RunReport:
    """The cost report of a run of this process: from the replica, or from the ledger where runs do not sync it."""
    from pricing.reports import run_report

    keeps = runtime.settings.replica.after_runs
    report = run_report(runtime.replica if keeps else RunCopy(runtime.ledger.store, run_id), run_id)
    return with_cache_drops(runtime, report)


def report_address(runtime: Runtime, run_id: str) -> str | None:
    """The address of a run's page on the report server; ``None`` without ``[web] url``."""
    base = runtime.settings.web.url.rstrip("/")
    return f"{base}/runs/{run_id}" if base else None


def _publish_artifacts(run_id: str, automation: str, markdown: str, address: str | None, tags: set[str]) -> None:
    from prefect.artifacts import create_link_artifact, create_markdown_artifact
    from prefect.client.orchestration import get_client
    from prefect.context import FlowRunContext

    # Around an async flow it would hand back a coroutine, even on a thread of its own, and publish nothing.
    create_markdown_artifact(
        markdown,
        key=artifact_key(automation),
        description="What this run cost, and why",
        _sync=True,  # type: ignore[call-arg]
    )
    if address is not None:
        create_link_artifact(
            address,
            link_text="Report with charts and trace",
            key=f"{automation}-report",
            description="This run on the report server",
            _sync=True,  # type: ignore[call-arg]
        )
    context = FlowRunContext.get()
    known = context.flow_run.tags if context is not None and context.flow_run is not None else []
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(run_id), tags=sorted({*known, "farebox", *tags}))


def spare_tracebacks() -> None:
    """Log our own errors in Prefect as one line without a traceback."""
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


_SECONDS_BETWEEN = 1.0
_LAST_WORD_SECONDS = 5.0
_ALL = 100.0
_ALMOST = 99.0
"""The most that turns alone come to: a plan is an estimate, and only the end of a run is its end."""


def follow(runtime: Runtime, run: Run) -> None:
    """Publish the progress of a run from now on, if a Prefect server is set and the plan has more than one turn."""
    from prefect.settings import PREFECT_API_URL

    planned = {step.operation: step.calls for step in ResolvedPlan.from_json(json.loads(run.plan)).steps}
    if PREFECT_API_URL.value() and sum(planned.values()) > 1:
        runtime.watchers.append(_Progress(run, planned))


def leave(runtime: Runtime, run_id: str, *, completed: bool) -> None:
    """Publish the final progress of a run and stop following it."""
    for watcher in tuple(runtime.watchers):
        if isinstance(watcher, _Progress) and watcher.run_id == run_id:
            runtime.watchers.remove(watcher)
            watcher.end(completed=completed)


class _Progress:
    """Counts the completed turns of one run. A thread publishes them at most once a second, and at the end."""

    def __init__(self, run: Run, planned: dict[str, int]) -> None:
        self.run_id = run.run_id
        self._key = f"{run.automation}-progress"
        self._planned = planned
        self._made: Counter[str] = Counter()
        self._waiting = 0
        self._expected_at: int | None = None
        self._artifact: UUID | None = None
        self._moved = threading.Event()
        self._ended = threading.Event()
        self._completed = False
        context = contextvars.copy_context()  # Prefect finds the run that the artifact belongs to in it
        self._thread = threading.Thread(target=context.run, args=(self._follow,), name="farebox-progress", daemon=True)
        self._thread.start()

    def quoted(self, run: Run, quote: Quote, rules: Sequence[BudgetRule], refusals: Sequence[Refusal]) -> None:
        """Does nothing: a followed run is already admitted."""

    def turn(self, event: TurnEvent) -> None:
        """Count a turn, if it belongs to a planned operation."""
        if event.run_id == self.run_id and event.operation in self._planned:
            self._made[event.operation] += 1
            self._moved.set()

    def batches(self, news: WaveNews) -> None:
        """Note how many turns wait for batches, and when their results are expected."""
        if news.run_id == self.run_id:
            self._waiting, self._expected_at = news.waiting, news.expected_at
            self._moved.set()

    def settled(self, run: Run, outcome: str, settled: Settled) -> None:
        """Does nothing: ``leave`` ends it, also where another process settles the run."""

    def end(self, *, completed: bool) -> None:
        """Publish the final state and wait briefly for it, since the process may exit next."""
        self._completed = completed
        self._ended.set()
        self._moved.set()
        self._thread.join(_LAST_WORD_SECONDS)

    def _follow(self) -> None:
        ended = False
        while not ended:
            self._moved.wait()
            self._moved.clear()
            ended = self._ended.is_set()  # after the clearing: an end that comes now moves it again
            try:
                self._publish()
            except Exception as error:  # noqa: BLE001 - progress that cannot be shown must not end anything
                _logger.warning("The progress of run %s is not shown: %s", self.run_id, type(error).__name__)
                return
            self._ended.wait(_SECONDS_BETWEEN)

    def _publish(self) -> None:
        from prefect import artifacts

        # Their stubs know only the form that is a coroutine around an async flow: that one would publish nothing.
        prefect: Any = artifacts
        percent, text = self._percent(), self._description()
        if self._artifact is None:
            self._artifact = prefect.create_progress_artifact(percent, key=self._key, description=text, _sync=True)
        else:
            prefect.update_progress_artifact(self._artifact, percent, description=text, _sync=True)

    def _percent(self) -> float:
        if self._completed:
            return _ALL
        made = sum(min(self._made[operation], planned) for operation, planned in self._planned.items())
        return min(_ALL * made / sum(self._planned.values()), _ALMOST)

    def _description(self) -> str:
        """Model calls completed and planned, by operation. Retries and branches make these differ."""
        each = (
            f"{escape_markdown(operation)} {self._made[operation]} / {planned}"
            for operation, planned in self._planned.items()
        )
        expected = "" if self._expected_at is None else f", expected about {moment(from_us(self._expected_at))}"
        waiting = f". {self._waiting} wait for batches{expected}" if self._waiting else ""
        return f"Model calls completed / planned: {', '.join(each)}{waiting}"
