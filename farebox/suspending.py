"""Asking in the Prefect UI: the run suspends with a form as ``NeedsApproval``, and goes on in a process of its own.

It waits without a process and survives a restart of the server. Who resumes it late finds it ended; who does not at
all leaves it to the look-ahead, or to Prefect itself, which fails a run that was never resumed.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from pydantic import Field, create_model

from farebox.approving import WORDS, choices, read_raise, suggested_raise, told
from pricing import OverBudget
from pricing.ledger import ApprovalDecision, ApprovalRequest
from pricing.reports import escape_markdown

NEEDS_APPROVAL = "NeedsApproval"
GRACE = timedelta(minutes=15)
"""How long after its time a run stays suspended in Prefect, for the look-ahead to end it as what it is."""
LONGEST = timedelta(days=7)
"""How long the hold of a run is kept that was suspended without a timeout."""
_CHOICES = {word: choice for choice, word in WORDS.items()}


class Approval(RunInput):
    """The form."""

    decision: str
    decided_by: str
    raise_by: str = ""


class Suspending:
    """Whoever answers the form of a suspended run. Only a run of a deployment can be suspended, and no subflow."""

    def __init__(self, flow_run: FlowRun, patience: timedelta) -> None:
        self._flow_run = flow_run
        self.patience = patience

    @staticmethod
    def can(flow_run: FlowRun) -> bool:
        """Whether Prefect would suspend it."""
        return flow_run.deployment_id is not None and flow_run.parent_task_run_id is None

    def answered(self, question: ApprovalRequest) -> ApprovalDecision | None:
        """What the form said, if the run was suspended for this question and resumed."""
        key = _key(question)
        if key not in (self._flow_run.empirical_policy.pause_keys or ()):
            return None
        said = cast("Approval", _apart(asuspend_flow_run(wait_for_input=Approval, key=key)))
        return ApprovalDecision(_CHOICES[said.decision], said.decided_by, read_raise(said.raise_by) or 0)

    def ask(self, question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision | None:
        """Suspend the run with the form: this process ends here."""
        seconds = (question.due_at + GRACE - datetime.now(UTC)).total_seconds()
        form = _form(question).with_initial_data(told(question, refused), raise_by=suggested_raise(question))
        try:
            _apart(asuspend_flow_run(wait_for_input=form, timeout=round(seconds), key=_key(question)))
        except Pause as pause:
            if pause.state is not None:
                self._rename(pause.state, refused)
            raise
        return None

    def _rename(self, state: State[Any], refused: OverBudget) -> None:
        named = State(
            type=state.type,
            name=NEEDS_APPROVAL,
            message=f"{escape_markdown(refused.message)} Open the run and choose Resume to decide.",
            state_details=state.state_details,
        )
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(self._flow_run.id, named, force=True)


def kept_until(pause: Pause) -> datetime:
    """Until when the hold of a run is kept that suspended itself: a little longer than Prefect lets it be resumed."""
    now = datetime.now(UTC)
    timeout = pause.state.state_details.pause_timeout if pause.state is not None else None
    return now + LONGEST if timeout is None else max(now, timeout) + GRACE


def _form(question: ApprovalRequest) -> type[Approval]:
    offered: Any = Literal[tuple(WORDS[choice] for choice in choices(question))]
    by = Field(title="Your name", description="Kept in the ledger with the decision.", min_length=1, max_length=80)
    more = Field(title="Raise by", description="Only for “raise the budget”: how much more, like 0.50 USD.")
    fields: dict[str, Any] = {
        "decision": (Annotated[offered, Field(title="Decision")], ...),
        "decided_by": (Annotated[str, by], ...),
        "raise_by": (Annotated[str, more], ""),
    }
    return create_model("Approval", __base__=Approval, **fields)


def _key(question: ApprovalRequest) -> str:
    """Prefect's name of this suspension; another question about the same run has another time."""
    return f"farebox-{question.due_at:%Y%m%d%H%M%S%f}"


def _apart(coroutine: Any) -> object:
    """Run a coroutine of Prefect's wherever we are; on a thread, since this one may have a loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, coroutine).result()
