"""How a run ended, for its settlement: by the error that ended its flow function, or the state it returned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pricing import Blocked, OverBudget
from pricing.ledger import RunOutcome

if TYPE_CHECKING:  # Prefect takes a second to import, and a quote needs none of it
    from prefect.client.schemas.objects import State


def outcome_of(error: BaseException | None) -> tuple[RunOutcome, str | None]:
    """The outcome and its reason. Of an exception only the type is given, since its text may hold content."""
    match error:
        case None:
            return "completed", None
        case OverBudget():
            return "over_budget", error.message
        case Blocked():
            return "blocked", str(error.fields.get("reason"))
        case BaseExceptionGroup() if all(outcome_of(one)[0] == "cancelled" for one in error.exceptions):
            return outcome_of(error.exceptions[0])
        case _:
            why = _cancelled(error)
            return ("failed", type(error).__name__) if why is None else ("cancelled", why)


def outcome_of_state(state: State[Any]) -> tuple[RunOutcome, str | None]:
    """The outcome of a flow function that returned a state, in which Prefect ends the run."""
    if state.is_cancelled() or state.is_cancelling():
        return "cancelled", f"it returned {state.type.value}"
    if state.is_failed() or state.is_crashed():
        return "failed", f"it returned {state.type.value}"
    return "completed", None


def _cancelled(error: BaseException) -> str | None:
    """The reason of a cancellation; ``None`` for any other end."""
    from prefect.exceptions import CancelledRun, TerminationSignal

    match error:
        case KeyboardInterrupt():
            return "interrupted"
        case asyncio.CancelledError() | CancelledRun():
            return type(error).__name__
        case TerminationSignal():
            return "terminated"
    return None
