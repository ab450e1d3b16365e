"""Runs that need approval because they exceed a budget, and what was decided, as facts.

A budget is never overspent silently: to approve a run once is to overdraw exactly the budgets that were named, by what
the fact says; a raise applies until they reset. Nothing else can take a budget past its limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing.clock import from_us, now_us, to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.prepared import PreparedStatement
from pricing.db.upsert import insert_into
from pricing.ledger import budgets
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Run, as_row
from pricing.money import Nano

Choice: TypeAlias = Literal["once", "cheaper", "raise", "finish", "refuse"]
CHOICES: tuple[Choice, ...] = get_args(Choice)

_Q = schema.questions.c
_CLOSE = PreparedStatement(sa.delete(schema.questions).where(_Q.run_id == sa.bindparam("run")).returning(_Q.asked_at))


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A run that somebody is asked about, in nano-dollars.

    Args:
        run: as it asked to start.
        cheaper: what it would hold on the cheapest route.
        lacking: by the id of each exceeded budget, what it lacks for the run to fit.
        due_at: until when somebody may decide.
    """

    run: Run
    cheaper: Nano
    lacking: Mapping[str, Nano]
    due_at: datetime

    @property
    def hold(self) -> Nano:
        """The hold of the run as it was requested, in nano-dollars."""
        return self.run.held_nano


@dataclass(frozen=True, slots=True)
class ApprovalDecision:
    """A decision of a person; ``more`` is the raise of each named budget, in nano-dollars."""

    choice: Choice
    by: str
    more: Nano = 0


@dataclass(frozen=True, slots=True)
class Approved:
    """A decision for a question, to be carried out when its run is admitted: it covers ``hold`` and not more."""

    question: ApprovalRequest
    decision: ApprovalDecision

    @property
    def hold(self) -> Nano:
        """The most that the run may hold by it."""
        if self.decision.choice == "finish":
            return 0
        return self.question.cheaper if self.decision.choice == "cheaper" else self.question.hold

    @property
    def overdraft_ids(self) -> tuple[str, ...]:
        """The budgets that the run may overdraw."""
        return tuple(self.question.lacking) if self.decision.choice in {"once", "cheaper"} else ()


class Approvals:
    """Open requests for approval, and decisions.

    Args:
        store: the database below.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(self, store: Store, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self._clock = clock

    def ask(self, question: ApprovalRequest) -> None:
        """Store a request in place of an earlier one about the same run."""
        row = {
            "run_id": question.run.run_id,
            "hold_nano": question.hold,
            "cheaper_nano": question.cheaper,
            "budgets": json.dumps(dict(question.lacking)),
            "run": json.dumps(as_row(question.run)),
            "asked_at": self._clock(),
            "due_at": to_us(question.due_at),
        }
        with self._store.write(durable=True) as connection:
            added = insert_into(connection.dialect.name, schema.questions).values(row)
            connection.execute(added.on_conflict_do_update(index_elements=["run_id"], set_=row))

    def open(self, run_id: str) -> ApprovalRequest | None:
        """The open request about a run; ``None`` if there is none."""
        with self._store.read() as connection:
            row = connection.execute(sa.select(schema.questions).where(_Q.run_id == run_id)).one_or_none()
        return None if row is None else _approval_request(row)

    def waiting(self) -> list[ApprovalRequest]:
        """The open requests, in the order in which they are due."""
        with self._store.read() as connection:
            return [
                _approval_request(row) for row in connection.execute(sa.select(schema.questions).order_by(_Q.due_at))
            ]


def raise_budgets(
    connection: Connection, approved: Approved, wanted: Mapping[str, BudgetRule], now: int
) -> tuple[str, ...]:
    """Raise what the decision raises, in the current windows of the budgets that were named; those to be overdrawn.

    A budget of one operation is held attempt by attempt, so even to approve a run once is to raise it, by what lacks.
    """
    decision, lacking = approved.decision, approved.question.lacking
    named = [budget_id for budget_id in lacking if budget_id in wanted]
    if decision.choice == "raise":
        more = dict.fromkeys(named, decision.more)
    else:
        more = {budget_id: lacking[budget_id] for budget_id in named if wanted[budget_id].operation is not None}
    budgets.raise_limits(connection, wanted, more, now)
    return approved.overdraft_ids


def close(connection: Connection, run_id: str) -> int | None:
    """Take the question about a run away, so that only one may decide it: when it was asked, if it was open."""
    found = _CLOSE.run(connection, {"run": run_id}).fetchone()
    return None if found is None else int(found[0])


def write_decision(
    connection: Connection,
    question: ApprovalRequest,
    decision: ApprovalDecision | None,
    asked_at: int,
    now: int,
    *,
    admitted: bool,
) -> None:
    """Record the decision, once the run is held by it or refused. ``None``: nobody decided in time."""
    hold, named = question.hold, dict(question.lacking)
    if decision is not None and decision.choice == "raise":
        named = dict.fromkeys(named, decision.more)
    elif decision is not None and decision.choice != "refuse":
        hold = Approved(question, decision).hold
        overdrawn = budgets.states(connection, named) if admitted else []
        named = {state.budget_id: min(hold, max(0, -state.left)) for state in overdrawn}
    connection.execute(
        schema.approvals.insert().values(
            run_id=question.run.run_id,
            automation=question.run.automation,
            choice="timed_out" if decision is None else decision.choice,
            decided_by=None if decision is None else decision.by,
            hold_nano=hold,
            budgets=json.dumps(named),
            asked_at=asked_at,
            decided_at=now,
        )
    )


def shortfalls(refusals: Sequence[budgets.Refusal]) -> dict[str, Nano]:
    """By the id of each budget that refused, the amount that is missing, in nano-dollars."""
    return {refusal.budget.budget_id: refusal.asked - refusal.budget.left for refusal in refusals}


def _approval_request(row: Row[Any]) -> ApprovalRequest:
    return ApprovalRequest(Run(**json.loads(row.run)), row.cheaper_nano, json.loads(row.budgets), from_us(row.due_at))
