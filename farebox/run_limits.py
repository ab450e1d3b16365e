"""``remaining()``: what the run under way may still spend, and how long it may still take."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

from farebox.runtime import get_runtime
from pricing import Nano, NoRun, format_money
from tasks import Step, StepContext, around, current_run


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of a run; ``str()`` says it in a sentence for a prompt.

    Args:
        money_nano: nano-dollars left in its tightest budget; ``None`` if no budget applies.
        spent_nano: nano-dollars that it has spent.
        turns: turns that the money is enough for, at what the run has spent per turn so far, paid tools included;
            ``None`` before the first, and without a budget.
        seconds: until the flow's ``timeout_seconds``; ``None`` without one.

    Example:
        >>> str(Remaining(money_nano=1_500_000_000, spent_nano=500_000_000, turns=12, seconds=90.0))
        'Left in this run: $1.50, about 12 turns, 90 seconds.'
    """

    money_nano: Nano | None
    spent_nano: Nano
    turns: int | None
    seconds: float | None

    def __str__(self) -> str:
        found = [] if self.money_nano is None else [format_money(self.money_nano)]
        found += [] if self.turns is None else [f"about {self.turns} turn{'' if self.turns == 1 else 's'}"]
        found += [] if self.seconds is None else [f"{self.seconds:.0f} seconds"]
        if not found:
            return "Nothing limits this run."
        return f"Left in this run: {', '.join(found)}."


def remaining() -> Remaining:
    """What the run under way has left, for a tool or a prompt that is to end in time.

    It reads the ledger. A turn is refused when its worst case does not fit, so that a run may end before all of it is
    spent: stop while several turns are left. Text that changes with it makes a durable run ask again when it goes on.

    Outside an automation it is that of the ad-hoc run, within the limits of ``[adhoc]``.

    Raises:
        NoRun: the run holds nothing any more.
        OverBudget: an ad-hoc run exceeds a budget.

    Example:
        ``if (left := remaining()).turns is not None and left.turns < 3: return "Answer now."``
    """
    place, run = around(), current_run()
    if place is None:  # a tool of another library's agent, or the code of an automation
        place = StepContext(run if run.run_id else replace(run, execution=None), Step("remaining"))
        return remaining_in(place, "")
    return remaining_in(place, place.step.operation)


def remaining_in(place: StepContext, operation: str = "") -> Remaining:
    """What the run of a step has left; of budgets for single operations only those of ``operation``.

    Raises:
        NoRun: the run holds nothing any more.
        OverBudget: an ad-hoc run exceeds a budget.
    """
    runtime = get_runtime()
    runtime.engine.join(place)
    run_id = place.run_id
    try:
        found = runtime.ledger.remaining(run_id, operation)
    except LookupError:
        raise NoRun(
            "The run under way holds nothing any more.", next_step="Call remaining() before the run has ended."
        ) from None
    sent = runtime.ledger.turns_sent(run_id)
    mean = found.spent // sent if sent else 0
    turns = found.left // mean if found.left is not None and mean else None
    return Remaining(found.left, found.spent, turns, _seconds())


def _seconds() -> float | None:
    """Until the flow run under way is timed out by Prefect."""
    if "prefect.context" not in sys.modules:
        return None
    from prefect.context import FlowRunContext

    found = FlowRunContext.get()
    if found is None or found.flow is None or not found.flow.timeout_seconds:
        return None
    return max(0.0, found.start_time.timestamp() + found.flow.timeout_seconds - time.time())
