"""The content store: prompts, answers and step calls of operations that keep them, beside the ledger."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.schema import CreateIndex, CreateTable

from pricing.clock import from_us, now_us, to_us
from pricing.db.database import Store
from pricing.ledger.facts import CallOutcome

metadata = sa.MetaData()
captured_calls = sa.Table(
    "captured_calls",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("target", sa.Text),
    sa.Column("stand_in", sa.Boolean, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("turns", sa.Text, nullable=False),
    sa.Column("captured_at", sa.BigInteger, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Index("ix_captured_calls_operation", "operation", "captured_at"),
    sa.Index("ix_captured_calls_captured_at", "captured_at"),
)
"""One row per call that is kept; ``content`` is the JSON of its inputs and its answer."""


@dataclass(frozen=True, slots=True)
class CapturedCall:
    """One call of a step, personal data and keys masked.

    Args:
        operation: the step's; turns of an agent in it may have another.
        outcome: how it ended.
        target: who answered its last turn; None when nobody did. ``stand_in``: the sandbox did.
        turns: the ids of its turns.
        inputs: its arguments by name, as JSON; None when one of them is not JSON.
        answer: what it gave back, as JSON; None when it gave nothing back, or nothing that is JSON.
    """

    call_id: str
    run_id: str
    automation: str
    operation: str
    outcome: CallOutcome
    target: str | None
    stand_in: bool
    turns: tuple[str, ...]
    at: datetime
    inputs: Mapping[str, Any] | None = field(repr=False)
    answer: Any = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """A digest that is equal for equal inputs; empty without inputs."""
        if self.inputs is None:
            return ""
        text = json.dumps(self.inputs, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        """The call in a row."""
        values = row._asdict()
        del values["digest"]
        content = json.loads(values.pop("content"))
        turns = tuple(values.pop("turns").split())
        return cls(at=from_us(values.pop("captured_at")), turns=turns, **values, **content)

    def row(self) -> dict[str, Any]:
        """The row of the call."""
        same = ("call_id", "run_id", "automation", "operation", "outcome", "target", "stand_in", "digest")
        content = {"inputs": self.inputs, "answer": self.answer}
        return {name: getattr(self, name) for name in same} | {
            "turns": " ".join(self.turns),
            "captured_at": to_us(self.at),
            "content": json.dumps(content, ensure_ascii=False),
        }


@dataclass(frozen=True, slots=True)
class CallNote:
    """A call without its content. ``digest`` is the same for the same inputs, and empty when those are not JSON."""

    call_id: str
    run_id: str
    outcome: CallOutcome
    target: str | None
    stand_in: bool
    digest: str
    turns: tuple[str, ...]
    at: datetime

    @classmethod
    def of(cls, row: sa.Row[*tuple[Any, ...]]) -> Self:
        """The note in the columns of :data:`NOTED`."""
        values = row._asdict()
        turns = tuple(values.pop("turns").split())
        return cls(at=from_us(values.pop("captured_at")), turns=turns, **values)


_C = captured_calls.c
NOTED = (_C.call_id, _C.run_id, _C.outcome, _C.target, _C.stand_in, _C.digest, _C.turns, _C.captured_at)


_DAY_US = 86_400_000_000
_SECONDS_BETWEEN = 3_600
_AT_ONCE = 100
_LOCK = 0x666173  # any number, the same in every process
Outcome: TypeAlias = Literal["answered", "stored", "replayed", "failed", "blocked", "stopped"]
EVERY_END: tuple[Outcome, ...] = ("answered", "stored", "replayed", "failed", "blocked", "stopped")
captures = sa.Table(
    "captured_turns",
    metadata,
    sa.Column("turn_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("prompt_version", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("target", sa.Text),
    sa.Column("stand_in", sa.Boolean, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("worded", sa.Boolean, nullable=False),
    sa.Column("captured_at", sa.BigInteger, nullable=False),
    sa.Column("audited_at", sa.BigInteger),
    sa.Column("content", sa.Text, nullable=False),
    sa.Index("ix_captured_turns_operation", "operation", "captured_at"),
    sa.Index("ix_captured_turns_captured_at", "captured_at"),
)
"""One row per turn that is kept; ``content`` is the JSON of every text in it."""
_CAPTURED, _CALL, _TABLES = captures.c, captured_calls.c, (captures, captured_calls)
_NONE = (0, inf, -inf)


@dataclass(frozen=True, slots=True)
class Captured:
    """One turn with prompt and answer, personal data and keys masked.

    Args:
        messages: ``{"role": …, "text": …}`` in order, those of an assistant perhaps with ``"tool_calls"``.
        answer: the text; None when none came that the guards were shown.
        tool_calls: ``{"name": …, "arguments": …}`` that the answer asks for.
        schema: the JSON schema the answer had to follow, if one.
        target: who answered; None when nobody did. ``stand_in``: the sandbox did.
        flagged: a guard, be it in shadow, wanted to stop it, or to change more than personal data.
        marks: per guard decision that stopped or changed something (see :func:`mark_key`), what it was about: pieces of
            text with the place between ⟦ and ⟧.
    """

    turn_id: str
    run_id: str
    automation: str
    operation: str
    prompt: str
    prompt_version: str
    outcome: Outcome
    target: str | None
    stand_in: bool
    flagged: bool
    at: datetime
    system: str = field(repr=False)
    messages: tuple[Mapping[str, Any], ...] = field(repr=False)
    answer: str | None = field(default=None, repr=False)
    tool_calls: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    schema: Mapping[str, Any] | None = field(default=None, repr=False)
    marks: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        """The turn in a row."""
        values = row._asdict()
        content: dict[str, Any] = json.loads(values.pop("content"))
        content |= {name: tuple(content[name]) for name in ("messages", "tool_calls")}
        content["marks"] = {key: tuple(pieces) for key, pieces in content["marks"].items()}
        del values["audited_at"], values["worded"]
        return cls(at=from_us(values.pop("captured_at")), **values, **content)

    def row(self) -> dict[str, Any]:
        """The row of the turn."""
        texts = ("system", "messages", "answer", "tool_calls", "schema", "marks")
        made_here = {"content", "captured_at", "audited_at", "worded"}
        columns = [column.name for column in captures.columns if column.name not in made_here]
        content = json.dumps({name: getattr(self, name) for name in texts}, ensure_ascii=False)
        return {name: getattr(self, name) for name in columns} | {
            "captured_at": to_us(self.at),
            "content": content,
            "worded": bool(self.answer),
        }


def mark_key(guard: str, decided_at: int) -> str:
    """The key of a guard's decision within its turn; ``decided_at`` is in microseconds."""
    return f"{guard} {decided_at}"


@dataclass(frozen=True, slots=True)
class KeptContent:
    """The amount and age of the content of one operation. An agent's turns may belong to another operation than its
    call.
    """

    automation: str
    operation: str
    turns: int
    calls: int
    oldest: datetime
    newest: datetime


class Deleted(NamedTuple):
    """How much was deleted."""

    turns: int
    calls: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """An answer that has not been audited yet."""

    turn_id: str
    automation: str
    operation: str
    flagged: bool


class Captures:
    """The captured turns of one project.

    Args:
        ledger: the ledger's database; the store lies beside it.
        days: how long a turn is kept; older ones are not read and are deleted with the next write.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(self, ledger: Store, days: int, clock: Callable[[], int] = now_us) -> None:
        self._ledger = ledger
        self._store = _CaptureStore.beside(ledger)
        self._days = days
        self._clock = clock
        self._tidied = -float("inf")

    @property
    def place(self) -> str:
        """The location of the store, for people."""
        tables = f"tables {captures.name} and {captured_calls.name}"
        return self._store.place if self._store.is_sqlite else f"{self._store.place}, {tables}"

    @property
    def exists(self) -> bool:
        """Whether anything was ever stored."""
        if self._store.is_sqlite:
            return Path(self._store.place).exists()
        with self._ledger.read() as connection:
            return sa.inspect(connection).has_table(captures.name)

    def keep(self, kept: Captured | CapturedCall) -> None:
        """Store a turn, or a call of a step; at most once an hour, delete what is too old.

        Raises:
            LedgerError: the store cannot be written.
        """
        table = captures if isinstance(kept, Captured) else captured_calls
        with self._store.write() as connection:
            connection.execute(table.insert(), kept.row())
        self.tidy()

    def noted_calls(self, automation: str, operation: str, since: datetime) -> list[CallNote]:
        """The calls of a step from then on, oldest first, without their content."""
        if not self.exists:
            return []
        begin = max(to_us(since), self._oldest)
        found = (_CALL.automation == automation, _CALL.operation == operation, _CALL.captured_at >= begin)
        query = sa.select(*NOTED).where(*found).order_by(_CALL.captured_at, _CALL.call_id)
        with self._store.read() as connection:
            return [CallNote.of(row) for row in connection.execute(query)]

    def without_calls(self, automation: str, operation: str, since: datetime) -> int:
        """The number of turns of a step since then in runs without a stored call of it."""
        if not self.exists:
            return 0
        begin = max(to_us(since), self._oldest)
        known = sa.select(_CALL.run_id).where(_CALL.automation == automation, _CALL.operation == operation)
        found = (_CAPTURED.automation == automation, _CAPTURED.operation == operation, _CAPTURED.captured_at >= begin)
        query = sa.select(sa.func.count()).where(*found, _CAPTURED.run_id.not_in(known))
        with self._store.read() as connection:
            return int(connection.execute(query).scalar_one())

    def calls(self, call_ids: Sequence[str]) -> Iterator[CapturedCall]:
        """Those of these calls that are kept, with their content, in no order."""
        for first in range(0, len(call_ids), _AT_ONCE):
            wanted = _CALL.call_id.in_(call_ids[first : first + _AT_ONCE])
            query = sa.select(captured_calls).where(wanted, _CALL.captured_at >= self._oldest)
            with self._store.read() as connection:
                rows = connection.execute(query).all()
            yield from map(CapturedCall.of, rows)

    def captured(
        self,
        operation: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
        *,
        automation: str | None = None,
        run_id: str | None = None,
        outcomes: Iterable[Outcome] = ("answered", "stored"),
    ) -> list[Captured]:
        """Turns that are kept, newest first.

        Args:
            operation: only this one's.
            since: only from then on.
            limit: how many at most.
            automation: only this one's.
            run_id: only this run's.
            outcomes: how they ended.
        """
        found = [_CAPTURED.outcome.in_(tuple(outcomes)), _CAPTURED.captured_at >= (to_us(since) if since else 0)]
        for column, wanted in (
            (_CAPTURED.operation, operation),
            (_CAPTURED.automation, automation),
            (_CAPTURED.run_id, run_id),
        ):
            found += [] if wanted is None else [column == wanted]
        return self._read(sa.and_(*found), limit)

    def of_turns(self, turn_ids: Iterable[str]) -> dict[str, Captured]:
        """The stored turns among these ids, whatever their outcome."""
        wanted = tuple(turn_ids)
        return {turn.turn_id: turn for turn in self._read(_CAPTURED.turn_id.in_(wanted), len(wanted))}

    def waiting(self, since: datetime) -> list[Waiting]:
        """Answers from then on that were not audited, oldest first; a reply with tool calls only does not count."""
        if not self.exists:
            return []
        columns = (_CAPTURED.turn_id, _CAPTURED.automation, _CAPTURED.operation, _CAPTURED.flagged)
        begin = max(to_us(since), self._oldest)
        open_ones = (
            _CAPTURED.outcome.in_(("answered", "stored")),
            _CAPTURED.worded,
            _CAPTURED.captured_at >= begin,
            _CAPTURED.audited_at.is_(None),
        )
        query = sa.select(*columns).where(*open_ones).order_by(_CAPTURED.captured_at, _CAPTURED.turn_id)
        with self._store.read() as connection:
            return [Waiting(*row) for row in connection.execute(query)]

    def audited(self, turn_id: str) -> None:
        """Note that an answer was audited."""
        with self._store.write() as connection:
            connection.execute(sa.update(captures).where(_CAPTURED.turn_id == turn_id).values(audited_at=self._clock()))

    def kept(self) -> list[KeptContent]:
        """The stored content, by operation."""
        if not self.exists:
            return []
        with self._store.read() as connection:
            turns, calls = (
                {(str(row[0]), str(row[1])): row[2:] for row in connection.execute(_counted(table))}
                for table in _TABLES
            )
        kept = []
        for automation, operation in sorted({*turns, *calls}):
            of_turns, turn_from, turn_to = turns.get((automation, operation), _NONE)
            of_calls, call_from, call_to = calls.get((automation, operation), _NONE)
            times = from_us(min(turn_from, call_from)), from_us(max(turn_to, call_to))
            kept.append(KeptContent(automation, operation, of_turns, of_calls, *times))
        return kept

    def delete(
        self,
        *,
        automation: str | None = None,
        operation: str | None = None,
        run_id: str | None = None,
        before: datetime | None = None,
    ) -> Deleted:
        """Delete what meets every condition; everything without a condition. SQLite overwrites deleted content;
        Postgres keeps deleted rows until its next vacuum.
        """
        if not self.exists:
            return Deleted(0, 0)
        wanted = {"automation": automation, "operation": operation, "run_id": run_id}
        gone = []
        with self._store.write(durable=True) as connection:
            for table in _TABLES:
                conditions = [table.c[name] == value for name, value in wanted.items() if value is not None]
                conditions += [] if before is None else [table.c.captured_at < to_us(before)]
                gone.append(connection.execute(table.delete().where(sa.true(), *conditions)).rowcount)
        if any(gone):
            self._store.forget()
        return Deleted(*gone)

    def tidy(self) -> None:
        """Delete what is older than allowed, at most once an hour."""
        if time.monotonic() - self._tidied > _SECONDS_BETWEEN:
            self._tidied = time.monotonic()
            self.delete(before=from_us(self._oldest))

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    @property
    def _oldest(self) -> int:
        return self._clock() - self._days * _DAY_US

    def _read(self, found: sa.ColumnElement[bool], limit: int) -> list[Captured]:
        if not self.exists:
            return []
        newest_first = (_CAPTURED.captured_at.desc(), _CAPTURED.turn_id)
        query = (
            sa.select(captures).where(found, _CAPTURED.captured_at >= self._oldest).order_by(*newest_first).limit(limit)
        )
        with self._store.read() as connection:
            return [Captured.of(row) for row in connection.execute(query)]


def _counted(table: sa.Table) -> sa.Select[Any]:
    """How many rows there are by automation and operation, the oldest and the newest of them."""
    keys, at = (table.c.automation, table.c.operation), table.c.captured_at
    return sa.select(*keys, sa.func.count(), sa.func.min(at), sa.func.max(at)).group_by(*keys)


class _CaptureStore(Store):
    """The database of captured turns."""

    keeps_journal = False

    @classmethod
    def beside(cls, ledger: Store) -> Self:
        """The content store beside a ledger."""
        if not ledger.is_sqlite:
            return cls(ledger.url.render_as_string(hide_password=False))
        path = Path(ledger.url.database or "ledger.db").with_name("content.db")
        return cls(f"sqlite:///{path}")

    def forget(self) -> None:
        """Empty the write-ahead log too, which holds what the file has overwritten."""
        if self.is_sqlite:
            with self._translated(), self._connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _prepare(self, engine: Engine) -> None:
        if self.is_sqlite:
            self._path().touch(mode=0o600)
            sa.event.listen(engine, "connect", _overwrite_deleted)
        with engine.connect() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            for table in _TABLES:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
            connection.commit()


def _overwrite_deleted(connection: Any, _: object) -> None:
    connection.execute("PRAGMA secure_delete=ON")
