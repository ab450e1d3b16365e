"""Continuing a run that died or failed: whether it can be, what it has been answered, and what is left to pay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farebox.runs.admission import Automation, Priced, price_run
from farebox.runtime import Runtime
from pricing import Nano, UsageError, format_money
from pricing.ledger import Interrupted, Run

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Continuation:
    """A run that can be continued.

    Args:
        run: as it was admitted first.
        ended: how it ended last; ``suspended`` if it has not, and waits for batches.
        spent_nano: what it has cost so far, in nano-dollars.
        kept: answers and results of tools that are replayed.
        kept_nano: what these had cost.
        interrupted: tools that were under way when a process of it ended.
        waiting: turns that wait for batches.
    """

    run: Run
    ended: str
    spent_nano: Nano
    kept: int
    kept_nano: Nano
    interrupted: tuple[Interrupted, ...]
    waiting: int = 0

    def left(self, runtime: Runtime, automation: Automation, parameters: Mapping[str, object]) -> Priced:
        """The quote of what is left to pay."""
        answered = runtime.journal.answered(self.run.run_id)
        return price_run(runtime, automation, parameters, answered=answered, due_at=self.run.due_at)

    def to_json(self, left: Priced) -> dict[str, Any]:
        """As plain data; amounts are nano-dollars."""
        return {
            "run_id": self.run.run_id,
            "automation": self.run.automation,
            "ended": self.ended,
            "spent_nano": self.spent_nano,
            "kept": self.kept,
            "kept_nano": self.kept_nano,
            "left_p50_nano": left.quote.p50,
            "left_p95_nano": left.quote.p95,
            "left_hold_nano": left.hold,
            "interrupted": [one.tool for one in self.interrupted],
            "waiting": self.waiting,
        }

    def lines(self, left: Priced) -> list[str]:
        """For people."""
        quote, paid, cost = left.quote, format_money(self.spent_nano), format_money(self.kept_nano)
        amounts = f"p50 {format_money(quote.p50)}, p95 {format_money(quote.p95)}; {format_money(left.hold)} is held"
        ended = self.ended if self.ended == "suspended" else f"ended as {self.ended}"
        parts = [
            f"{self.run.automation} {self.run.run_id}: {ended}, {paid} paid.",
            f"Replayed: {self.kept} answers and results of tools, which had cost {cost}.",
            f"Left to pay: {amounts}.",
        ]
        if self.waiting:
            turns = f"{self.waiting} turn{'' if self.waiting == 1 else 's'}"
            parts.insert(1, f"Waiting for batches: {turns}; its hold is kept, and nothing is asked again.")
        if self.interrupted:
            names = ", ".join(sorted({one.tool for one in self.interrupted}))
            parts.append(f"Interrupted, and perhaps done: {names}. Decide with --interrupted retry, skip or fail.")
        return parts


def find_continuation(runtime: Runtime, name: str) -> Continuation:
    """The run to continue: by its id, how that begins or ends, or as ``last``, the newest that can be continued.

    Raises:
        UsageError: there is none, or it cannot be continued; the error says why.
    """
    runtime.ledger.reap()
    name = _newest(runtime) if name == "last" else name.lstrip("…")
    kept, waits = runtime.journal.kept_runs(), waiting_runs(runtime)
    known = {*kept, *waits}
    named = [run_id for run_id in known if name and (run_id.startswith(name) or run_id.endswith(name))]
    if len(named) > 1 and name not in named:
        raise UsageError(f"{len(named)} runs are called {name[:_SHOWN]!r}.", next_step="Give more of the id.")
    run_id = name if name in named or not named else named[0]
    run = runtime.ledger.run(run_id)
    if run is None:
        raise UsageError(f"There is no run {name[:_SHOWN]!r}.", next_step="`farebox runs` lists them.")
    ledger = runtime.ledger
    end = ledger.newest_end(run_id)
    if ledger.has_hold(run_id) and run_id not in waits:
        suspended = any(run_id == one for one, _ in ledger.suspended())
        raise UsageError(
            f"Run {run_id} {'is suspended' if suspended else 'is running'}.",
            next_step="Resume it in the Prefect UI." if suspended else "Wait until its process or its lease has ended.",
        )
    if end is not None and end[0] == "completed":
        raise UsageError(f"Run {run_id} completed.", next_step="Start a new run with `farebox run`.")
    if not kept.get(run_id) and run_id not in waits:
        why = "its answers may not be kept" if not run.durable else "nothing was answered in it, or too long ago"
        raise UsageError(f"Run {run_id} has no journal: {why}.", next_step="Start a new run with `farebox run`.")
    return Continuation(
        run=run,
        ended="suspended" if run_id in waits else "unknown" if end is None else end[0],
        spent_nano=ledger.spent(run_id),
        kept=sum(runtime.journal.answered(run_id).values()),
        kept_nano=runtime.journal.paid(run_id),
        interrupted=tuple(runtime.journal.interrupted(run_id)),
        waiting=sum(batch.lines for batch in runtime.batches.open(run_id)),
    )


def waiting_runs(runtime: Runtime) -> set[str]:
    """The runs without a process that wait for batches, or whose batches are back: they can be continued."""
    return {run_id for run_id, _ in runtime.ledger.suspended() if runtime.batches.of_run(run_id)}


def _newest(runtime: Runtime) -> str:
    found = runtime.journal.resumable() | waiting_runs(runtime)
    runs = [run for run_id in found if (run := runtime.ledger.run(run_id)) is not None]
    if not runs:
        raise UsageError("There is no run to continue.", next_step="`farebox runs` names those that there are.")
    return max(runs, key=lambda run: run.started_at).run_id
