"""What turns write: intents, completions and the turns themselves, a page of them with one statement per table.

An intent is there before its request is sent, a completion before its turn returns. On one page the completions come
first, so that what they set free is there for the intents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing import budgets, holds, schema
from pricing.budgets import BudgetState, Refusal
from pricing.facts import Completion, Intent, Turn, as_row
from pricing.holds import Charge
from pricing.hot import Hot
from pricing.writer import Entry


def _insert(table: sa.Table) -> Hot:
    return Hot(table.insert(), [column.name for column in table.c if column.name not in {"seq", "xid"}])


_INFLIGHT, _ATTEMPTS = _insert(schema.inflight), _insert(schema.attempts)
_TURNS, _DECISIONS = _insert(schema.turns), _insert(schema.guard_decisions)
_LANDED = Hot(sa.delete(schema.inflight).where(schema.inflight.c.attempt_id == sa.bindparam("attempt_id")))


class _Apart(Exception):
    """These entries cannot share a page."""


def write_page(connection: Connection, entries: Sequence[Entry[Any]]) -> list[Any]:
    """Write entries together; their results in the same order."""
    page = _Page(entries)
    page.land(connection)
    page.move(connection)
    page.note(connection)
    return [page.results.get(id(entry)) for entry in entries]


@dataclass(slots=True, eq=False)
class Begin(Entry[list[Refusal]]):
    """An attempt about to be sent; the refusals of budgets without room for its worst case.

    ``soft`` gets the budgets that it brings to their thresholds, as they are at ``clock()``.
    """

    intent: Intent
    soft: list[BudgetState]
    clock: Callable[[], int]
    page = staticmethod(write_page)

    def row(self) -> dict[str, Any]:
        """Of what is in flight."""
        intent = self.intent
        return {
            "attempt_id": intent.attempt_id,
            "run_id": intent.run_id,
            "worst_nano": intent.worst_nano,
            "intent": orjson.dumps(as_row(intent)).decode(),
        }


@dataclass(slots=True, eq=False)
class End(Entry[float]):
    """How an attempt ended; the share of its run's hold that is spent now, 1 where the hold is gone."""

    intent: Intent
    completion: Completion
    clock: Callable[[], int]
    page = staticmethod(write_page)

    def row(self) -> dict[str, Any]:
        """Of the attempt."""
        return as_row(self.intent) | as_row(self.completion)

    @property
    def charge(self) -> Charge:
        """What it does to its run's hold."""
        return Charge(self.intent.operation, self.intent.worst_nano, self.completion.cost_nano)


@dataclass(slots=True, eq=False)
class Tell(Entry[None]):
    """A turn that is over, and what its guards decided: rows of ``guard_decisions``."""

    turn: Turn
    decisions: list[dict[str, Any]]
    page = staticmethod(write_page)


class _Page:
    """Entries that are written in one transaction."""

    def __init__(self, entries: Sequence[Entry[Any]]) -> None:
        self.results = dict[int, Any]()
        self._ends = [entry for entry in entries if isinstance(entry, End)]
        self._begins = [entry for entry in entries if isinstance(entry, Begin)]
        self._told = [entry for entry in entries if isinstance(entry, Tell)]

    def land(self, connection: Connection) -> None:
        """What is in flight becomes facts; one that is not any more was written off, and is corrected."""
        if not self._ends:
            return
        landed = _LANDED.run_all(connection, [{"attempt_id": end.intent.attempt_id} for end in self._ends])
        if landed == len(self._ends):
            _ATTEMPTS.run_all(connection, [end.row() for end in self._ends])
        elif len(self._ends) == 1:
            [end] = self._ends
            holds.adjust(connection, end.row(), end.clock())
            self.results[id(end)] = 1.0
            self._ends = []
        else:
            raise _Apart

    def move(self, connection: Connection) -> None:
        """Charge each run's hold what its attempts cost, and set aside what those that begin can."""
        ended = _by_run(self._ends)
        begun = _by_run(self._begins)
        for run_id in sorted(ended.keys() | begun.keys()):  # no two transactions lock holds in different orders
            if run_id in ended:
                share = holds.charge(connection, run_id, [end.charge for end in ended[run_id]])
                self.results |= dict.fromkeys(map(id, ended[run_id]), share)
            if run_id in begun:
                self._set_aside(connection, run_id, begun[run_id])

    def note(self, connection: Connection) -> None:
        """Write down what is in flight now, and the turns that are over."""
        if rows := [begin.row() for begin in self._begins if not self.results[id(begin)]]:
            _INFLIGHT.run_all(connection, rows)
        if self._told:
            _TURNS.run_all(connection, [as_row(told.turn) for told in self._told])
        if decisions := [decision for told in self._told for decision in told.decisions]:
            _DECISIONS.run_all(connection, decisions)

    def _set_aside(self, connection: Connection, run_id: str, begins: list[Begin]) -> None:
        """All of them where the hold has room for all; else each for itself, with the budgets behind it."""
        if holds.set_aside(connection, run_id, sum(begin.intent.worst_nano for begin in begins)):
            self.results |= {id(begin): [] for begin in begins}
            return
        for begin in begins:
            intent = begin.intent
            begin.soft.clear()
            drawn = holds.draw(connection, run_id, intent.operation, intent.worst_nano)
            if drawn.taken:
                begin.soft.extend(budgets.newly_soft(connection, drawn.taken, begin.clock()))
            self.results[id(begin)] = drawn.refusals


_Attempt = TypeVar("_Attempt", Begin, End)


def _by_run(entries: Sequence[_Attempt]) -> dict[str, list[_Attempt]]:
    found: dict[str, list[_Attempt]] = defaultdict(list)
    for entry in entries:
        found[entry.intent.run_id].append(entry)
    return found
