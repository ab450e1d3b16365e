"""How far a run with several turns has come, as a progress artifact of its flow run."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from farebox.runtime import Runtime
from pricing.ledger import BudgetRule, Refusal, Run, Settled
from pricing.quotes import Quote, ResolvedPlan
from pricing.reports import escape_markdown
from tasks.turn import TurnEvent

_logger = logging.getLogger(__name__)
_SECONDS_BETWEEN = 1.0
_LAST_WORD_SECONDS = 5.0
_ALL = 100.0
_ALMOST = 99.0
"""The most that turns alone come to: a plan is an estimate, and only the end of a run is its end."""


def follow(runtime: Runtime, run: Run) -> None:
    """Show the progress of a run from here on, where a Prefect server is set and it has more than one turn to make."""
    from prefect.settings import PREFECT_API_URL

    planned = {step.operation: step.calls for step in ResolvedPlan.from_json(json.loads(run.plan)).steps}
    if PREFECT_API_URL.value() and sum(planned.values()) > 1:
        runtime.watchers.append(_Progress(run, planned))


def leave(runtime: Runtime, run_id: str, *, completed: bool) -> None:
    """Show how far the run came, and follow it no longer."""
    for watcher in tuple(runtime.watchers):
        if isinstance(watcher, _Progress) and watcher.run_id == run_id:
            runtime.watchers.remove(watcher)
            watcher.end(completed=completed)


class _Progress:
    """Counts the turns of one run. Telling Prefect is another thread's: at most once a second, and at the end."""

    def __init__(self, run: Run, planned: dict[str, int]) -> None:
        self.run_id = run.run_id
        self._key = f"{run.automation}-progress"
        self._planned = planned
        self._made: Counter[str] = Counter()
        self._artifact: UUID | None = None
        self._moved = threading.Event()
        self._ended = threading.Event()
        self._completed = False
        context = contextvars.copy_context()  # Prefect finds the run that the artifact belongs to in it
        self._thread = threading.Thread(target=context.run, args=(self._tell_on,), name="farebox-progress", daemon=True)
        self._thread.start()

    def quoted(self, run: Run, quote: Quote, rules: Sequence[BudgetRule], refusals: Sequence[Refusal]) -> None:
        """Nothing: what is followed was admitted."""

    def turn(self, event: TurnEvent) -> None:
        """One more turn, if it is one of the run's planned ones."""
        if event.run_id == self.run_id and event.operation in self._planned:
            self._made[event.operation] += 1
            self._moved.set()

    def settled(self, run: Run, outcome: str, settled: Settled) -> None:
        """Nothing: ``leave`` ends it, also where a run was settled by others."""

    def end(self, *, completed: bool) -> None:
        """The last word, for which it waits a little: the process may end after it."""
        self._completed = completed
        self._ended.set()
        self._moved.set()
        self._thread.join(_LAST_WORD_SECONDS)

    def _tell_on(self) -> None:
        ended = False
        while not ended:
            self._moved.wait()
            self._moved.clear()
            ended = self._ended.is_set()  # after the clearing: an end that comes now moves it again
            try:
                self._tell()
            except Exception as error:  # noqa: BLE001 - progress that cannot be shown must not end anything
                _logger.warning("The progress of run %s is not shown: %s", self.run_id, type(error).__name__)
                return
            self._ended.wait(_SECONDS_BETWEEN)

    def _tell(self) -> None:
        from prefect import artifacts

        # Their stubs know only the form that is a coroutine around an async flow: that one would publish nothing.
        prefect: Any = artifacts
        percent, told = self._percent(), self._told()
        if self._artifact is None:
            self._artifact = prefect.create_progress_artifact(percent, key=self._key, description=told, _sync=True)
        else:
            prefect.update_progress_artifact(self._artifact, percent, description=told, _sync=True)

    def _percent(self) -> float:
        if self._completed:
            return _ALL
        made = sum(min(self._made[operation], planned) for operation, planned in self._planned.items())
        return min(_ALL * made / sum(self._planned.values()), _ALMOST)

    def _told(self) -> str:
        """Turns made against turns planned: a run that retries or branches makes more or fewer."""
        each = (
            f"{escape_markdown(operation)} {self._made[operation]} of {planned}"
            for operation, planned in self._planned.items()
        )
        return f"Turns made of those planned: {', '.join(each)}"
