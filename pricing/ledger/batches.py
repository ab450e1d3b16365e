"""Batches that runs have sent to providers: written down before they are created, and their results taken once.

Each line is an attempt. Its intent, its row here and that of its batch are committed before the batch is created, so
that one whose creation was not recorded is found again by its label. A line's result is taken in one transaction: the
state of the line, the attempt's completion and the answer in the run's journal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.journal_table import entries
from pricing.ledger.batch_facts import BY_DUE_TIME, Batch, BatchAttempt, ClaimedLine, LineState, RecordedBatchState
from pricing.ledger.budgets import Refusal
from pricing.ledger.entries import CompleteAttempt, InsertIntent, write_page
from pricing.ledger.facts import Completion, Intent
from pricing.ledger.journal import Journal, JournalEntry

_B, _L, _E = schema.batches.c, schema.batch_lines.c, entries.c
_OPEN_BATCH = _B.collected_at.is_(None)


class Batches:
    """The batches of one ledger.

    Args:
        store: the ledger's database.
        journal: where answers are kept.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(self, store: Store, journal: Journal, *, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock

    # Submission ------------------------------------------------------------------------------------------------------

    def begin(self, batch: Batch, lines: Sequence[BatchAttempt], execution: int) -> dict[str, list[Refusal]]:
        """Write a batch and its lines down, before it is created; by line, the refusals of exceeded budgets.

        A line that was refused is not part of the batch. Without any line left there is no batch.

        Raises:
            RunExpired: the run's hold is gone.
            RunTakenOver: a newer execution of the run has begun.
        """

        def work(connection: Connection) -> dict[str, list[Refusal]]:
            refused = write_page(connection, [InsertIntent(one.intent, [], self._clock, execution) for one in lines])
            kept = [one for one, refusals in zip(lines, refused, strict=True) if not refusals]
            if kept:
                connection.execute(schema.batches.insert().values(**_batch_row(batch) | {"lines": len(kept)}))
                connection.execute(schema.batch_lines.insert(), [_line_row(one) for one in kept])
            return {one.line_id: refusals for one, refusals in zip(lines, refused, strict=True) if refusals}

        return self._store.transact(work, durable=True)

    def created(self, label: str, batch_id: str) -> bool:
        """Note that the provider has created it; false where it was given up meanwhile, and must not be used."""
        values = {"state": "submitted", "batch_id": batch_id, "submitted_at": self._clock()}
        return self._change(label, values, _B.state == "begun")

    def abandon(self, label: str, fault: str) -> bool:
        """Give up a batch that was never created; false where somebody recorded its creation meanwhile."""
        values = {"state": "abandoned", "fault": fault, "ended_at": self._clock()}
        return self._change(label, values, _B.state == "begun")

    # What the provider says --------------------------------------------------------------------------------------

    def observed(
        self,
        label: str,
        state: RecordedBatchState,
        *,
        completed: int,
        failed: int,
        fault: str | None,
        ended_at: int | None,
    ) -> None:
        """Note what the provider says about a batch."""
        values: dict[str, Any] = {"state": state, "completed": completed, "failed": failed, "fault": fault}
        values |= {"ended_at": ended_at, "checked_at": self._clock()}
        self._change(label, values, _OPEN_BATCH)

    def cancel(self, label: str, by: str) -> bool:
        """Note that somebody cancels a batch; false where that was done before, or its results are taken."""
        values = {"cancelled_by": by, "cancelled_at": self._clock()}
        return self._change(label, values, sa.and_(_OPEN_BATCH, _B.cancelled_at.is_(None)))

    def collected(self, label: str) -> None:
        """Note that all results are taken, once no line is open."""
        with self._store.write(durable=True) as connection:
            states = sa.select(_L.state, sa.func.count()).where(_L.label == label).group_by(_L.state)
            counts = {state: int(count) for state, count in connection.execute(states)}
            if counts.get("open"):
                return
            values = {"collected_at": self._clock(), "completed": counts.get("answered", 0)}
            values |= {"failed": counts.get("failed", 0)}
            connection.execute(sa.update(schema.batches).where(_B.label == label, _OPEN_BATCH).values(values))

    # Results -----------------------------------------------------------------------------------------------------

    def take(self, line: BatchAttempt, completion: Completion, outcome: str, value: bytes | None) -> bool:
        """Take the result of one line, in one transaction: its completion, and its answer (``value``) if it has one.

        False where somebody took it before.
        """
        state: LineState = "failed" if value is None else "answered"
        entry = None if value is None else self._journal.batch_entry(line, value, completion.cost_nano)

        def work(connection: Connection) -> bool:
            mine = sa.and_(_L.line_id == line.line_id, _L.state == "open")
            taken = connection.execute(
                sa.update(schema.batch_lines).where(mine).values(state=state, outcome=outcome)
            ).rowcount
            if taken:
                CompleteAttempt(line.intent, completion, self._clock)(connection)
                if entry is not None:
                    connection.execute(entries.insert().values(**entry))
            return bool(taken)

        return self._store.transact(work)

    def claim(self, journal_id: str, key: str, execution: int, holder: str) -> ClaimedLine | None:
        """Take the line that asked the same in an older execution of the run: one that is answered, else an open one,
        else the last that failed; ``None`` where there is none.
        """
        self._journal.open()

        def work(connection: Connection) -> ClaimedLine | None:
            mine = sa.and_(_L.journal_id == journal_id, _L.key == key, _L.execution < execution)
            order = sa.case({"answered": 0, "open": 1}, value=_L.state, else_=2)
            query = sa.select(schema.batch_lines).where(mine).order_by(order, _L.line_id)
            for row in connection.execute(query.with_for_update()).all():
                found = _line(row)
                of_turn = sa.and_(_L.turn_id == found.turn_id, _L.key == key)
                connection.execute(sa.update(schema.batch_lines).where(of_turn).values(execution=execution))
                answer = None
                if found.state == "answered":
                    answer = self._journal.take(connection, journal_id, found.entry_id, execution, holder)
                    if answer is None:  # claimed before, as any entry
                        continue
                return self._claimed(connection, found, answer)
            return None

        return self._store.transact(work)

    def _claimed(self, connection: Connection, line: BatchAttempt, answer: JournalEntry | None) -> ClaimedLine:
        others = sa.select(schema.batch_lines).where(
            _L.turn_id == line.turn_id, _L.key == line.key, _L.state == "failed"
        )
        tries = tuple(map(_line, connection.execute(others.order_by(_L.line_id)).all()))
        labels = [one.label for one in tries]
        by_person = bool(labels) and self._by_person(connection, labels)
        return ClaimedLine(line, answer, tries, by_person, _sent(connection, line))

    def _by_person(self, connection: Connection, labels: Collection[str]) -> bool:
        by = sa.and_(_B.label.in_(labels), _B.cancelled_by.is_not(None), _B.cancelled_by != BY_DUE_TIME)
        return connection.execute(sa.select(_B.label).where(by).limit(1)).first() is not None

    def line_of_entry(self, entry_id: str) -> tuple[BatchAttempt, int] | None:
        """The line whose answer an entry is, and how many attempts its turn has made; ``None`` where its turn was
        recorded before: then it is a replay.
        """
        recorded = sa.select(schema.turns.c.turn_id).where(schema.turns.c.turn_id == _L.turn_id).exists()
        query = sa.select(schema.batch_lines).where(_L.entry_id == entry_id, ~recorded)
        with self._store.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            line = _line(row)
            return line, _sent(connection, line)

    def release(self, journal_id: str, holder: str) -> None:
        """Let the lines of a called run be claimed again, since it is started again by itself."""
        mine = sa.and_(_L.journal_id == journal_id, _L.holder == holder)
        with self._store.write() as connection:
            connection.execute(sa.update(schema.batch_lines).where(mine).values(execution=0))

    # Reading -----------------------------------------------------------------------------------------------------

    def batch(self, label: str) -> Batch | None:
        """One batch by its label."""
        return next(iter(self._select(_B.label == label)), None)

    def open(self, run_id: str | None = None) -> list[Batch]:
        """The batches whose results are not all taken, oldest first; of one run, or of all."""
        return self._select(_OPEN_BATCH if run_id is None else sa.and_(_OPEN_BATCH, _B.run_id == run_id))

    def of_run(self, run_id: str) -> list[Batch]:
        """Every batch of a run, oldest first."""
        return self._select(_B.run_id == run_id)

    def all(self, limit: int = 100) -> list[Batch]:
        """The newest batches, newest first."""
        query = sa.select(schema.batches).order_by(_B.begun_at.desc()).limit(limit)
        with self._store.read() as connection:
            return [Batch(**row._asdict()) for row in connection.execute(query)]

    def waiting(self) -> set[str]:
        """The runs that have open batches they still wait for."""
        with self._store.read() as connection:
            waits = sa.and_(_OPEN_BATCH, _B.leave_at > self._clock())
            return set(connection.execute(sa.select(_B.run_id).where(waits).distinct()).scalars())

    def lines(self, label: str, state: LineState | None = None) -> list[BatchAttempt]:
        """The lines of a batch; those in one state, or all."""
        mine = _L.label == label if state is None else sa.and_(_L.label == label, _L.state == state)
        query = sa.select(schema.batch_lines).where(mine).order_by(_L.line_id)
        with self._store.read() as connection:
            return [_line(row) for row in connection.execute(query)]

    def line(self, line_id: str) -> BatchAttempt | None:
        """One line."""
        with self._store.read() as connection:
            row = connection.execute(sa.select(schema.batch_lines).where(_L.line_id == line_id)).one_or_none()
        return None if row is None else _line(row)

    def status_of(self, line_id: str) -> int | None:
        """The status with which a provider answered a line, where it did."""
        attempts = schema.attempts.c
        with self._store.read() as connection:
            found = sa.select(attempts.status).where(attempts.attempt_id == line_id)
            return connection.execute(found).scalar_one_or_none()

    def costs(self, label: str) -> int:
        """What the lines of a batch have cost so far, in nano-dollars."""
        attempts = schema.attempts.c
        mine = sa.select(_L.line_id).where(_L.label == label, _L.state != "open")
        total = sa.select(sa.func.coalesce(sa.func.sum(attempts.cost_nano), 0)).where(attempts.attempt_id.in_(mine))
        with self._store.read() as connection:
            return int(connection.execute(total).scalar_one())

    def past_seconds(self, *, stand_in: bool, limit: int = 200) -> dict[str, list[float]]:
        """By provider, how long the newest batches took, in seconds, the newest last.

        One that expired, or that was cancelled since its run was due, counts for as long as it was waited for: without
        it a provider whose batches are late would seem to be in time. Those of the sandbox (``stand_in``) say nothing
        of a provider's.
        """
        ended = sa.case((_B.cancelled_by == BY_DUE_TIME, _B.cancelled_at), else_=_B.ended_at)
        took = sa.and_(
            sa.or_(_B.state.in_(["ended", "expired"]), _B.cancelled_by == BY_DUE_TIME),
            sa.or_(_B.cancelled_by.is_(None), _B.cancelled_by == BY_DUE_TIME),
            _B.ended_at.is_not(None),
            _B.submitted_at.is_not(None),
        )
        query = sa.select(_B.provider, ended - _B.submitted_at).where(took, _B.stand_in == stand_in)
        found = dict[str, list[float]]()
        with self._store.read() as connection:
            for provider, took_us in connection.execute(query.order_by(_B.ended_at.desc()).limit(limit)):
                found.setdefault(provider, []).insert(0, max(0, int(took_us)) / 1e6)
        return found

    def past_turns(self, *, stand_in: bool, limit: int = 2_000) -> dict[str, tuple[int, int]]:
        """By provider, how many turns the newest lines were of, and how many of these were asked live after all.

        Turns that have not ended do not count, nor batches that a person cancelled.
        """
        turns, attempts = schema.turns.c, schema.attempts.c
        by_itself = sa.or_(_B.cancelled_by.is_(None), _B.cancelled_by == BY_DUE_TIME)
        recent = (
            sa.select(_L.turn_id, _L.run_id, _B.provider)
            .join(schema.batches, _B.label == _L.label)
            .join(schema.turns, turns.turn_id == _L.turn_id)
            .where(_B.stand_in == stand_in, by_itself, _L.state != "open")
            .order_by(_B.begun_at.desc(), _L.line_id)
            .limit(limit)
            .cte("recent")
        )
        live = sa.select(attempts.turn_id).where(
            attempts.run_id.in_(sa.select(recent.c.run_id)), attempts.service_tier_asked.is_distinct_from("batch")
        )
        turn = recent.c.turn_id
        asked_live = sa.func.count(sa.distinct(sa.case((turn.in_(live), turn))))
        query = sa.select(recent.c.provider, sa.func.count(sa.distinct(turn)), asked_live).group_by(recent.c.provider)
        with self._store.read() as connection:
            return {provider: (int(asked), int(missed)) for provider, asked, missed in connection.execute(query)}

    def _select(self, condition: Any) -> list[Batch]:
        query = sa.select(schema.batches).where(condition).order_by(_B.begun_at, _B.label)
        with self._store.read() as connection:
            return [Batch(**row._asdict()) for row in connection.execute(query)]

    def _change(self, label: str, values: Mapping[str, Any], condition: Any) -> bool:
        changed = sa.update(schema.batches).where(_B.label == label, condition).values(values)
        with self._store.write(durable=True) as connection:
            return connection.execute(changed).rowcount == 1


def _sent(connection: Connection, line: BatchAttempt) -> int:
    """How many attempts the turn of a line has made, lines that are under way included."""
    attempts = schema.attempts.c
    mine = sa.and_(attempts.run_id == line.intent.run_id, attempts.turn_id == line.turn_id)
    ended = sa.select(sa.func.count()).select_from(schema.attempts).where(mine)
    under_way = sa.select(sa.func.count()).where(_L.turn_id == line.turn_id, _L.state == "open")
    return int(connection.execute(ended).scalar_one()) + int(connection.execute(under_way).scalar_one())


def _batch_row(batch: Batch) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in Batch.__dataclass_fields__}


def _line_row(line: BatchAttempt) -> dict[str, Any]:
    return {
        "line_id": line.line_id,
        "label": line.label,
        "run_id": line.intent.run_id,
        "journal_id": line.journal_id,
        "holder": line.holder,
        "key": line.key,
        "entry_id": line.entry_id,
        "turn_id": line.turn_id,
        "execution": line.execution,
        "state": line.state,
        "outcome": line.outcome,
        "intent": orjson.dumps(line.intent).decode(),
        "details": json.dumps(dict(line.details)),
    }


def _line(row: Row[Any]) -> BatchAttempt:
    return BatchAttempt(
        label=row.label,
        journal_id=row.journal_id,
        holder=row.holder,
        key=row.key,
        entry_id=row.entry_id,
        execution=row.execution,
        intent=Intent(**json.loads(row.intent)),
        state=row.state,
        outcome=row.outcome,
        details=json.loads(row.details),
    )
