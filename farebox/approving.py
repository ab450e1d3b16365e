"""Asking a person about a run that no budget has room for: who can be asked, and how it is told.

The order at the gate is: the economic route, then a person, then a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from pricing import MoneyError, Nano, OverBudget, dollars, format_money, parse_money
from pricing.ledger import CHOICES, ApprovalDecision, ApprovalRequest, Choice
from pricing.reports import escape_markdown, moment

WORDS: dict[Choice, str] = {
    "once": "approve once",
    "cheaper": "cheaper models",
    "raise": "raise the budget",
    "refuse": "refuse",
}
"""What people choose from."""


class Approver(Protocol):
    """Somebody who can be asked, or a way to reach them."""

    @property
    def patience(self) -> timedelta:
        """How long they may take."""

    def answered(self, question: ApprovalRequest) -> ApprovalDecision | None:
        """What they decided about a question asked earlier; ``None`` where they never were."""

    def ask(self, question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision | None:
        """What they decide, ``None`` where they do not; or the run ends here, to go on in a process of its own."""


Asker = Callable[[ApprovalRequest, OverBudget], ApprovalDecision | None]
ASK_HERE: ContextVar[Asker | None] = ContextVar("farebox_ask_here", default=None)
"""How to ask whoever started the run in this process: ``farebox run`` in a terminal."""


class Present:
    """Whoever sits in front of this process."""

    def __init__(self, asker: Asker, patience: timedelta) -> None:
        self._asker = asker
        self.patience = patience

    def answered(self, question: ApprovalRequest) -> ApprovalDecision | None:
        """They answer at once: a question that is still open was asked by somebody else."""
        del question
        return None

    def ask(self, question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision | None:
        """Ask, and wait."""
        return self._asker(question, refused)


def choices(question: ApprovalRequest) -> tuple[Choice, ...]:
    """What there is to choose: the cheapest route is a choice only where it is cheaper."""
    return tuple(choice for choice in CHOICES if choice != "cheaper" or question.cheaper < question.hold)


def read_raise(text: str) -> Nano | None:
    """An amount to raise by as a person wrote it; ``None`` where it is none."""
    try:
        return parse_money(text)
    except MoneyError:
        return None


def suggested_raise(question: ApprovalRequest) -> str:
    """What would just do: the most that any of the budgets lacks, up to the next cent."""
    cent = 10_000_000
    return f"{dollars(-(-max(question.lacking.values()) // cent) * cent)} USD"


def told(question: ApprovalRequest, refused: OverBudget) -> str:
    """The question as Markdown, in which every name and the refusal are text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - finalize escapes every value, for Markdown
        finalize=escape_markdown,
    )
    environment.filters["money"] = format_money
    less = question.hold - question.cheaper
    lacking = [(_called(budget_id), short) for budget_id, short in question.lacking.items()]
    return environment.get_template("approval.md.j2").render(
        question=question,
        refused=refused.message,
        overdrawn=[(name, min(short, question.hold)) for name, short in lacking],
        cheaper="cheaper" in choices(question),
        cheaper_overdrawn=[(name, min(short - less, question.cheaper)) for name, short in lacking if short > less],
        due=moment(question.due_at),
    )


def turned_down(question: ApprovalRequest, decision: ApprovalDecision | None) -> OverBudget:
    """The end of a run that somebody refused, or about which nobody decided in time."""
    names = ", ".join(_called(budget_id) for budget_id in question.lacking)
    why = "nobody decided in time" if decision is None else f"{decision.by} refused it"
    return OverBudget(
        f"{question.run.automation} was not started: it was {format_money(max(question.lacking.values()))} over "
        f"{names}, and {why}.",
        next_step="Nothing was called and nothing is charged. Run it again to ask again.",
        automation=question.run.automation,
        budgets=list(question.lacking),
        asked_nano=question.hold,
        short_nano=max(question.lacking.values()),
    )


def _called(budget_id: str) -> str:
    """How people call the budget of an id: ``daily-digest per day``."""
    scope, rest = budget_id.split(":", 1)
    if scope == "run":
        return "this run"
    key, window, _ = rest.rsplit(":", 2)
    return f"{key} per {window}"
