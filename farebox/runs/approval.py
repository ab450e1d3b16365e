"""Approval of runs that exceed a budget: who can be asked, how, and the form in the Prefect UI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from pydantic import Field, create_model

from pricing import MoneyError, Nano, OverBudget, dollars, format_money, from_us, parse_money, template_environment
from pricing.ledger import CHOICES, ApprovalDecision, ApprovalRequest, Choice, budget_label
from pricing.reports import escape_markdown, moment
from tasks.routing import economic_reason

WORDS: dict[Choice, str] = {
    "once": "approve once",
    "cheaper": "cheaper models",
    "raise": "raise the budget",
    "finish": "finish with what there is",
    "refuse": "refuse",
}
"""What people choose from."""


class Approver(Protocol):
    """A person who can be asked, or a way to reach one."""

    @property
    def patience(self) -> timedelta:
        """The time that a decision may take."""

    def answered(self, question: ApprovalRequest) -> ApprovalDecision | None:
        """The decision about a question that was asked earlier; ``None`` if there was none."""

    def ask(self, question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision | None:
        """Ask for a decision; ``None`` if there is none in time. It may instead end the process, and the run continues
        in another one.
        """


Asker = Callable[[ApprovalRequest, OverBudget], ApprovalDecision | None]
ASK_HERE: ContextVar[Asker | None] = ContextVar("farebox_ask_here", default=None)
"""How to ask the person who started the run in this process with ``farebox run``."""


class Present:
    """The person at the terminal of this process."""

    def __init__(self, asker: Asker, patience: timedelta) -> None:
        self._asker = asker
        self.patience = patience

    def answered(self, question: ApprovalRequest) -> ApprovalDecision | None:
        """Always ``None``: an open question was asked by another process, since this person answers at once."""
        del question
        return None

    def ask(self, question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision | None:
        """Ask at the terminal and wait for the answer."""
        return self._asker(question, refused)


def choices(question: ApprovalRequest, refused: OverBudget) -> tuple[Choice, ...]:
    """The available choices: a cheaper route only where it is cheaper, to finish only where the run had begun."""
    cheaper, begun = question.cheaper < question.hold, has_begun(refused)
    return tuple(one for one in CHOICES if (one != "cheaper" or cheaper) and (one != "finish" or begun))


def has_begun(refused: OverBudget) -> bool:
    """Whether a budget stopped a run under way, rather than its start."""
    return "budget_ids" in refused.fields


def read_raise(text: str) -> Nano | None:
    """An amount that a person wrote, in nano-dollars; ``None`` if it is not valid."""
    try:
        return parse_money(text)
    except MoneyError:
        return None


def suggested_raise(question: ApprovalRequest) -> str:
    """The least raise that suffices for every budget, rounded up to a cent."""
    cent = 10_000_000
    return f"{dollars(-(-max(question.lacking.values()) // cent) * cent)} USD"


@dataclass(frozen=True, slots=True)
class AskedRoute:
    """The route of a run that needs approval: the first target of each operation, and the reason if it is the economic
    route.
    """

    targets: tuple[tuple[str, str, str], ...]
    """Operation, target and model."""
    economic: str | None

    @classmethod
    def of(cls, question: ApprovalRequest) -> Self:
        """The route that the request names, which runs if it is approved."""
        routes = json.loads(question.run.routes)
        firsts = ((operation, route[0]) for operation, route in routes.items() if route)
        found = tuple((operation, str(first["target"]), str(first.get("model", ""))) for operation, first in firsts)
        return cls(found, economic_reason(routes))

    @property
    def words(self) -> str:
        """The route as text: ``as asked``, or that it is the economic route."""
        return "as asked" if self.economic is None else "on the economic route, the cheapest targets first"


def approval_text(question: ApprovalRequest, refused: OverBudget) -> str:
    """The request as Markdown, with names and the refusal escaped."""
    environment = template_environment(
        Path(__file__).parent / "templates", exact=True, escape=escape_markdown, filters={"money": format_money}
    )
    less = question.hold - question.cheaper
    lacking = [(budget_label(budget_id), short) for budget_id, short in question.lacking.items()]
    return environment.get_template("approval.md.j2").render(
        question=question,
        begun=has_begun(refused),
        refused=refused.message,
        overdrawn=[(name, min(short, question.hold)) for name, short in lacking],
        cheaper="cheaper" in choices(question, refused),
        cheaper_overdrawn=[(name, min(short - less, question.cheaper)) for name, short in lacking if short > less],
        due=moment(question.due_at),
        route=AskedRoute.of(question),
        done_by="" if question.run.due_at is None else moment(from_us(question.run.due_at)),
    )


def rejected(question: ApprovalRequest, decision: ApprovalDecision | None, spent: Nano = 0) -> OverBudget:
    """The error of a run whose approval was refused or not given in time, after it had ``spent`` this amount."""
    names = ", ".join(budget_label(budget_id) for budget_id in question.lacking)
    why = "no decision in time" if decision is None else f"{decision.by} refused it"
    run, next_step = question.run, "Nothing was called and nothing is charged. Run it again to ask again."
    if spent:
        next_step = f"What was answered is kept for some days: farebox runs resume {run.run_id} goes on with it."
    return OverBudget(
        f"{run.automation} was {f'stopped after {format_money(spent)}' if spent else 'not started'}: it was "
        f"{format_money(max(question.lacking.values()))} over {names}, and {why}.",
        next_step=next_step,
        automation=question.run.automation,
        budgets=list(question.lacking),
        asked_nano=question.hold,
        short_nano=max(question.lacking.values()),
    )


NEEDS_APPROVAL = "NeedsApproval"
GRACE = timedelta(minutes=15)
"""How long after its time a run stays suspended in Prefect, for the look-ahead to end it as what it is."""
LONGEST = timedelta(days=7)
"""How long the hold of a run is kept that was suspended without a timeout."""
_CHOICES = {word: choice for choice, word in WORDS.items()}


class Approval(RunInput):
    """The form in the Prefect UI."""

    decision: str
    decided_by: str
    raise_by: str = ""


class Suspending:
    """Asks by the form of a suspended run. Only a run of a deployment can be suspended, and no subflow."""

    def __init__(self, flow_run: FlowRun, patience: timedelta) -> None:
        self._flow_run = flow_run
        self.patience = patience

    @staticmethod
    def can(flow_run: FlowRun) -> bool:
        """Whether Prefect can suspend the current run."""
        return flow_run.deployment_id is not None and flow_run.parent_task_run_id is None

    def answered(self, question: ApprovalRequest) -> ApprovalDecision | None:
        """The answer in the form, if the run was suspended for this question and resumed."""
        key = _key(question)
        if key not in (self._flow_run.empirical_policy.pause_keys or ()):
            return None
        said = cast("Approval", apart(asuspend_flow_run(wait_for_input=Approval, key=key)))
        return ApprovalDecision(_CHOICES[said.decision], said.decided_by, read_raise(said.raise_by) or 0)

    def ask(self, question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision | None:
        """Suspend the run with the form. This process ends here."""
        seconds = (question.due_at + GRACE - datetime.now(UTC)).total_seconds()
        form = _form(question, refused).with_initial_data(
            approval_text(question, refused), raise_by=suggested_raise(question)
        )
        try:
            apart(asuspend_flow_run(wait_for_input=form, timeout=round(seconds), key=_key(question)))
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
    """The end of the hold of a suspended run: a little later than Prefect allows it to be resumed."""
    now = datetime.now(UTC)
    timeout = pause.state.state_details.pause_timeout if pause.state is not None else None
    return now + LONGEST if timeout is None else max(now, timeout) + GRACE


def _form(question: ApprovalRequest, refused: OverBudget) -> type[Approval]:
    offered: Any = Literal[tuple(WORDS[choice] for choice in choices(question, refused))]
    by = Field(title="Your name", description="Kept in the ledger with the decision.", min_length=1, max_length=80)
    more = Field(title="Raise by", description="Only for “raise the budget”: how much more, like 0.50 USD.")
    fields: dict[str, Any] = {
        "decision": (Annotated[offered, Field(title="Decision")], ...),
        "decided_by": (Annotated[str, by], ...),
        "raise_by": (Annotated[str, more], ""),
    }
    return create_model("Approval", __base__=Approval, **fields)


def _key(question: ApprovalRequest) -> str:
    """Prefect's key of this suspension; another question about the same run has another time."""
    return f"farebox-{question.due_at:%Y%m%d%H%M%S%f}"


def apart(coroutine: Any) -> object:
    """Run a coroutine of Prefect's from any context: on a thread, since this one may have a running loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, coroutine).result()
