"""What turns write: intents, completions and the turns themselves, a page of them with one statement per table.

An intent is there before its request is sent, a completion before its turn returns. On one page the completions come
first, so that what they set free is there for the intents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import journal_table, schema
from pricing.db.page_statement import PageStatement
from pricing.db.prepared import PreparedStatement, one_trip
from pricing.db.write_queue import WriteEntry
from pricing.ledger import budgets, holds
from pricing.ledger.budgets import BudgetState, Refusal
from pricing.ledger.facts import NEWEST, Completion, Intent, Turn, as_row
from pricing.ledger.holds import Charge
from pricing.ledger.page_sql import page_sql
from pricing.rates.service_tiers import STANDARD


def _insert(table: sa.Table) -> PreparedStatement:
    return PreparedStatement(table.insert(), [column.name for column in table.c if column.name not in {"seq", "xid"}])


_INFLIGHT, _ATTEMPTS = _insert(schema.inflight), _insert(schema.attempts)
_TURNS, _DECISIONS = _insert(schema.turns), _insert(schema.guard_decisions)
_JOURNAL = _insert(journal_table.entries)
_COMMITTED = PreparedStatement(
    sa.delete(schema.inflight).where(schema.inflight.c.attempt_id == sa.bindparam("attempt_id"))
)


_Key: TypeAlias = tuple[str, int]
"""A run, and the number of one of its executions."""


class _WrittenOff(Exception):
    """One of several attempts had been taken for lost: each is written alone."""


def write_page(connection: Connection, entries: Sequence[WriteEntry[Any]]) -> list[Any]:
    """Write entries together; their results in the same order."""
    page = _Page(entries)
    try:
        with one_trip(connection):
            page.write(connection)
        page.check(connection)
    except BaseException:
        page.close()
        raise
    return [page.results.get(id(entry)) for entry in entries]


def page_statement(entries: Sequence[WriteEntry[Any]]) -> PageStatement | None:
    """A page of one run as one statement of Postgres, which writes nothing if the hold does not cover its attempts."""
    return _Page(entries).statement(entries)


@dataclass(slots=True, eq=False)
class InsertIntent(WriteEntry[list[Refusal]]):
    """An attempt about to be sent; the refusals of budgets that its worst case exceeds.

    ``soft`` gets the budgets that it brings to their thresholds, as they are at ``clock()``. Only the newest
    ``execution`` of the run may begin one.
    """

    intent: Intent
    soft: list[BudgetState]
    clock: Callable[[], int]
    execution: int = NEWEST
    page = staticmethod(write_page)
    statement = staticmethod(page_statement)

    def row(self) -> dict[str, Any]:
        """Of what is in flight."""
        intent = self.intent
        return {
            "attempt_id": intent.attempt_id,
            "run_id": intent.run_id,
            "worst_nano": intent.worst_nano,
            "intent": orjson.dumps(intent).decode(),
        }


@dataclass(slots=True, eq=False)
class CompleteAttempt(WriteEntry[float]):
    """How an attempt ended; the share of its run's hold that is spent now, 1 where the hold is gone."""

    intent: Intent
    completion: Completion
    clock: Callable[[], int]
    page = staticmethod(write_page)
    statement = staticmethod(page_statement)

    def __call__(self, connection: Connection) -> float:
        """Write it alone: one that was taken for lost corrects what was written then."""
        if holds.under_way(connection, self.intent.run_id, self.intent.attempt_id):
            return WriteEntry.__call__(self, connection)
        holds.adjust(connection, self.row(), self.clock())
        return 1.0

    def row(self) -> dict[str, Any]:
        """Of the attempt."""
        completed = as_row(self.completion)
        if completed["model"] is None:
            del completed["model"]
        if completed["service_tier"] is None:
            completed["service_tier"] = self.intent.service_tier_asked or STANDARD
        return as_row(self.intent) | completed

    @property
    def charge(self) -> Charge:
        """What it does to its run's hold."""
        return Charge(self.intent.operation, self.intent.worst_nano, self.completion.cost_nano)


@dataclass(slots=True, eq=False)
class InsertTurn(WriteEntry[None]):
    """A turn that is over, and what its guards decided: rows of ``guard_decisions``."""

    turn: Turn
    decisions: list[dict[str, Any]]
    page = staticmethod(write_page)
    statement = staticmethod(page_statement)


@dataclass(slots=True, eq=False)
class AppendToJournal(WriteEntry[None]):
    """A new row of the journal."""

    row: Mapping[str, Any]
    page = staticmethod(write_page)
    statement = staticmethod(page_statement)

    def as_json(self) -> dict[str, Any]:
        """The row as values of JSON: bytes as Postgres writes them."""
        value = self.row["value"]
        return {**self.row, "value": None if value is None else f"\\x{value.hex()}"}


class _Page:
    """Entries that are written in one transaction: as if all went well, and then it is looked whether it did."""

    def __init__(self, entries: Sequence[WriteEntry[Any]]) -> None:
        self.results = dict[int, Any]()
        self._ends: list[CompleteAttempt] = []
        self._ended: dict[str, list[CompleteAttempt]] = defaultdict(list)
        self._begun: dict[_Key, list[InsertIntent]] = defaultdict(list)
        self._turns: list[InsertTurn] = []
        self._kept: list[AppendToJournal] = []
        for entry in entries:
            if type(entry) is InsertIntent:
                self._begun[entry.intent.run_id, entry.execution].append(entry)
            elif type(entry) is CompleteAttempt:
                self._ends.append(entry)
                self._ended[entry.intent.run_id].append(entry)
            elif type(entry) is InsertTurn:
                self._turns.append(entry)
            elif type(entry) is AppendToJournal:
                self._kept.append(entry)
        self._charges = dict[str, Any]()
        self._asides = dict[_Key, Any]()
        self._landed: Any = None

    def write(self, connection: Connection) -> None:
        """Move each run's hold, in the order in which everybody locks them; then what is in flight, and the facts."""
        executions = defaultdict[str, list[_Key]](list)
        for key in sorted(self._begun):
            executions[key[0]].append(key)
        for run_id in sorted(self._ended.keys() | executions.keys()):
            if ended := self._ended.get(run_id):
                self._charges[run_id] = holds.charge(connection, run_id, [end.charge for end in ended])
            for key in executions.get(run_id, ()):
                worst = sum(begin.intent.worst_nano for begin in self._begun[key])
                self._asides[key] = holds.set_aside(connection, *key, worst)
        if self._ends:
            self._landed = _COMMITTED.run_all(connection, [{"attempt_id": end.intent.attempt_id} for end in self._ends])
            _ATTEMPTS.run_all(connection, [end.row() for end in self._ends])
        if rows := [begin.row() for begun in self._begun.values() for begin in begun]:
            _INFLIGHT.run_all(connection, rows)
        if self._turns:
            _TURNS.run_all(connection, [as_row(record.turn) for record in self._turns])
        if decisions := [decision for record in self._turns for decision in record.decisions]:
            _DECISIONS.run_all(connection, decisions)
        if self._kept:
            _JOURNAL.run_all(connection, [dict(kept.row) for kept in self._kept])

    def check(self, connection: Connection) -> None:
        """Give the results, and deal with what did not go well."""
        if self._ends and self._landed.rowcount != len(self._ends):
            raise _WrittenOff
        for run_id, ended in self._ended.items():
            share = holds.charged(connection, run_id, [end.charge for end in ended], self._charges[run_id])
            self.results |= dict.fromkeys(map(id, ended), share)
        for key, begun in self._begun.items():
            if self._asides[key].rowcount == 1:
                self.results |= {id(begin): [] for begin in begun}
            else:
                self._draw(connection, *key, begun)

    def statement(self, entries: Sequence[WriteEntry[Any]]) -> PageStatement | None:
        """All of it as one statement of Postgres; ``None`` where it is of several runs or executions, or where an
        attempt cost more than was set aside for it.
        """
        begun = [begin for begins in self._begun.values() for begin in begins]
        executions = {execution for _, execution in self._begun}
        runs = {run_id for run_id, _ in self._begun} | self._ended.keys()
        charges = [end.charge for end in self._ends]
        if len(runs) > 1 or len(executions) > 1 or any(charge.cost > charge.worst for charge in charges):
            return None
        rows: dict[str, Sequence[object]] = {
            "inflight": [begin.row() for begin in begun],
            "attempts": [end.row() for end in self._ends],
            "turns": [record.turn for record in self._turns],
            "guard_decisions": [decision for record in self._turns for decision in record.decisions],
            "journal_entries": [kept.as_json() for kept in self._kept],
        }
        fractions = [end.completion.units for end in self._ends] + [record.turn.complexity for record in self._turns]
        if (values := _as_json(rows, fractions)) is None:
            return None
        text = page_sql(tuple(values), moves=bool(runs), ends=bool(charges))
        if runs:
            [run_id] = runs
            worst = sum(begin.intent.worst_nano for begin in begun) - sum(charge.worst for charge in charges)
            values |= {"run": run_id, "execution": max(executions, default=NEWEST), "worst": worst}
            values["cost"] = sum(charge.cost for charge in charges)
        if charges:
            values |= {
                "ended": orjson.dumps([end.intent.attempt_id for end in self._ends]).decode(),
                "ends": len(charges),
            }
        return PageStatement(
            text,
            values,
            results=lambda row: [_outcome(entry, row) for entry in entries],
            reread=lambda connection: holds.spent_of(connection, run_id) if runs else None,
        )

    def close(self) -> None:
        """Let go of rows that nobody will fetch: SQLite commits nothing on a connection that still has some."""
        for cursor in self._charges.values():
            cursor.close()

    def _draw(self, connection: Connection, run_id: str, execution: int, begun: Sequence[InsertIntent]) -> None:
        """The hold does not cover all of them: each for itself, with the budgets behind it."""
        for begin in begun:
            intent = begin.intent
            begin.soft.clear()
            drawn = holds.draw(connection, run_id, execution, intent.operation, intent.worst_nano)
            if drawn.refusals:
                _COMMITTED.run(connection, {"attempt_id": intent.attempt_id})
            if drawn.taken:
                begin.soft.extend(budgets.reached_soft_limit(connection, drawn.taken, begin.clock()))
            self.results[id(begin)] = drawn.refusals


def _as_json(rows: Mapping[str, Sequence[object]], fractions: Sequence[float | None]) -> dict[str, Any] | None:
    """By table the rows that there are, as JSON; ``None`` where it does not have such a text or number: the statements
    of a transaction say what is wrong.
    """
    try:
        values = {name: orjson.dumps(some).decode() for name, some in rows.items() if some}
    except TypeError:
        return None
    finite = all(fraction is None or isfinite(fraction) for fraction in fractions)  # others would be null in JSON
    return values if finite else None


def _outcome(entry: WriteEntry[Any], hold: Sequence[Any] | None) -> Any:
    """The result of an entry whose page was written, from what its run's hold is, and what of it is spent."""
    if type(entry) is CompleteAttempt:
        return 1.0 if hold is None else holds.share(hold[0], hold[1])
    return [] if type(entry) is InsertIntent else None
