"""The journals of runs: answers and results of tools by what was asked, kept until the run has ended well.

An entry belongs to the execution of the run that claimed it: the one that wrote it, and later one that continues the
run. A claim takes the oldest entry of a key that no execution as new as the caller's has, so that a question asked n
times gets n answers, in any order and from any process.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.forks import after_fork
from pricing.db.journal_table import entries
from pricing.db.prepared import PreparedStatement
from pricing.db.schema import Number
from pricing.db.upsert import insert_into
from pricing.db.write_queue import PendingWrite
from pricing.errors import JournalUnreadable
from pricing.ledger.entries import AppendToJournal
from pricing.money import Nano

if TYPE_CHECKING:
    from pricing.ledger.batch_facts import BatchAttempt

EntryKind: TypeAlias = Literal["answer", "batch", "tool"]
"""An answer that was asked live, one that a batch brought, or the result of a tool."""
EntryState: TypeAlias = Literal["done", "begun", "retry", "skip", "fail"]
ToolDecision: TypeAlias = Literal["retry", "skip", "fail"]
"""What becomes of a tool that was under way when its process ended."""

_DAY_US = 86_400_000_000
_ENDED_US = 600_000_000
"""For so long the journal of a run that was settled as completed is kept: its process may die before Prefect knows."""
_SECONDS_BETWEEN = 60.0
_KEY_NAME = "journal_key"
_COMPRESSED_FROM = 512
"""Bytes from which on compressing a value pays."""
_E = entries.c
_RUN, _KEY = _E.run_id == sa.bindparam("run"), _E.key == sa.bindparam("key")
_OLDER = _E.claimed < sa.bindparam("execution", type_=Number)
_FREE = PreparedStatement(sa.select(_E.key, sa.func.count()).where(_RUN, _OLDER).group_by(_E.key))
_CLAIM = PreparedStatement(
    sa.update(entries)
    .where(
        _E.entry_id
        == sa.select(_E.entry_id)
        .where(_RUN, _KEY, _OLDER)
        .order_by(_E.written_at, _E.entry_id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    .values(claimed=sa.bindparam("execution", type_=Number), holder=sa.bindparam("holder"))
    .returning(_E.entry_id, _E.kind, _E.key, _E.operation, _E.target, _E.state, _E.cost, _E.value)
)
_OF_ENTRY = _E.entry_id == sa.bindparam("entry")
_FINISH = PreparedStatement(
    sa.update(entries)
    .where(_OF_ENTRY, _E.state == "begun")
    .values(state="done", value=sa.bindparam("value"), written_at=sa.bindparam("at", type_=Number))
)
_REOPEN = PreparedStatement(sa.update(entries).where(_OF_ENTRY).values(state="begun", value=None))
_READ = PreparedStatement(
    sa.select(_E.entry_id, _E.kind, _E.key, _E.operation, _E.target, _E.state, _E.cost, _E.value).where(_OF_ENTRY)
)
_DROP = PreparedStatement(sa.delete(entries).where(_OF_ENTRY))


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What was answered, or what a tool gave back; ``value`` is ``None`` where that is not known or was too large.

    ``cost_nano`` is what it cost then, ``target`` who answered.
    """

    entry_id: str
    kind: EntryKind
    key: str
    operation: str
    target: str
    state: EntryState
    cost_nano: Nano
    value: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A tool that was under way when its process ended: whether it took effect is not known."""

    entry_id: str
    tool: str
    state: EntryState
    begun_at: int


class Journal:
    """The journals of one ledger's runs.

    Args:
        store: the ledger's database.
        days: how long the journal of a run that did not end well is kept.
        largest: bytes of one value; of a larger one only that it was there is kept.
        most: bytes that one process keeps of one run.
        secret: what values are encrypted with; a key in the ledger's database if empty.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(
        self,
        store: Store,
        *,
        days: int = 7,
        largest: int = 1_000_000,
        most: int = 64_000_000,
        secret: Callable[[], str] = lambda: "",
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._days = days
        self._largest = largest
        self._most = most
        self._secret = secret
        self._clock = clock
        self._used = Counter[str]()
        self._tidied = -inf
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        self._opening = threading.Lock()
        self._cipher: Any = None

    # Writing ---------------------------------------------------------------------------------------------------------

    def append(
        self,
        run_id: str,
        kind: EntryKind,
        key: str,
        value: bytes | None,
        *,
        execution: int,
        operation: str,
        holder: str = "",
        target: str = "",
        cost_nano: Nano = 0,
        begun: bool = False,
    ) -> tuple[str, PendingWrite[None]] | None:
        """Keep an answer, or note that a tool is about to be called (``begun``): its id, and its write.

        Submitted in the same step of a loop as an attempt's completion, it is committed with it. An answer that is too
        large is not kept: ``None``.
        """
        if not begun and not self._fits(run_id, value):
            return None
        entry_id = secrets.token_hex(16)
        row = {
            "entry_id": entry_id,
            "run_id": run_id,
            "kind": kind,
            "key": key,
            "operation": operation,
            "target": target,
            "state": "begun" if begun else "done",
            "claimed": execution,
            "holder": holder or run_id,
            "cost": cost_nano,
            "value": None if value is None else self._sealed(value, run_id),
            "written_at": self._clock(),
        }
        return entry_id, self._store.submit(AppendToJournal(row))

    def batch_entry(self, line: BatchAttempt, value: bytes, cost_nano: Nano) -> dict[str, Any]:
        """The row of an answer that a batch brought, for the process that takes its result. It is kept whatever its
        size, as nobody else has it, and belongs to no execution before one claims it.
        """
        return {
            "entry_id": line.entry_id,
            "run_id": line.journal_id,
            "kind": "batch",
            "key": line.key,
            "operation": line.intent.operation,
            "target": line.intent.target,
            "state": "done",
            "claimed": 0,
            "holder": line.holder,
            "cost": cost_nano,
            "value": self._sealed(value, line.journal_id),
            "written_at": self._clock(),
        }

    def finish(self, run_id: str, entry_id: str, value: bytes | None) -> PendingWrite[None]:
        """Note that a tool returned; without a value where that cannot be kept. The first end of a call counts."""
        kept = value if self._fits(run_id, value) else None
        row = {"entry": entry_id, "value": None if kept is None else self._sealed(kept, run_id), "at": self._clock()}
        return self._store.submit(lambda connection: _close(_FINISH.run(connection, row)))

    def reopen(self, entry_id: str) -> PendingWrite[None]:
        """Note that a tool which was interrupted is called again."""
        return self._store.submit(lambda connection: _close(_REOPEN.run(connection, {"entry": entry_id})))

    def drop(self, entry_ids: Iterable[str]) -> PendingWrite[None]:
        """Forget entries: of a turn that failed, of a tool that raised."""
        rows = [{"entry": entry_id} for entry_id in entry_ids]
        return self._store.submit(lambda connection: _close(_DROP.run_all(connection, rows)))

    # Replay ----------------------------------------------------------------------------------------------------------

    def free(self, run_id: str, execution: int) -> Counter[str]:
        """By key, how many entries an execution may claim."""
        with self._store.read() as connection:
            rows = _FREE.run(connection, {"run": run_id, "execution": execution}).fetchall()
        return Counter({key: int(count) for key, count in rows})

    def claim(self, run_id: str, key: str, execution: int, holder: str = "") -> PendingWrite[JournalEntry | None]:
        """Take the oldest entry of a key that no execution as new as this has; ``None`` where there is none."""
        values = {"run": run_id, "key": key, "execution": execution, "holder": holder or run_id}
        self._aead()  # reading the key within the transaction would open another

        def work(connection: Connection) -> JournalEntry | None:
            return self._entry(_CLAIM.run(connection, values).fetchall(), run_id)

        return self._store.submit(work)

    def take(
        self, connection: Connection, run_id: str, entry_id: str, execution: int, holder: str
    ) -> JournalEntry | None:
        """Take one entry that no execution as new as this has; ``None`` where one has it, or it is gone."""
        mine = sa.and_(_E.entry_id == entry_id, _E.claimed < execution)
        taken = sa.update(entries).where(mine).values(claimed=execution, holder=holder or run_id)
        rows = connection.execute(
            taken.returning(_E.entry_id, _E.kind, _E.key, _E.operation, _E.target, _E.state, _E.cost, _E.value)
        ).all()
        return self._entry([tuple(row) for row in rows], run_id)

    def take_one(self, run_id: str, entry_id: str, execution: int, holder: str) -> PendingWrite[JournalEntry | None]:
        """The same, in a transaction of its own."""
        self._aead()
        return self._store.submit(lambda connection: self.take(connection, run_id, entry_id, execution, holder))

    def release(self, run_id: str, holder: str) -> int:
        """Let all be claimed again that a run has which another called, since it is started again by itself."""
        mine = sa.and_(_E.run_id == run_id, _E.holder == holder)
        with self._store.write() as connection:
            return connection.execute(sa.update(entries).where(mine).values(claimed=0)).rowcount

    def entry(self, run_id: str, entry_id: str) -> PendingWrite[JournalEntry | None]:
        """One entry, of any execution."""
        self._aead()
        return self._store.submit(lambda c: self._entry(_READ.run(c, {"entry": entry_id}).fetchall(), run_id))

    def _entry(self, rows: Sequence[Sequence[Any]], run_id: str) -> JournalEntry | None:
        if not rows:
            return None
        [(entry_id, kind, key, operation, target, state, cost, value)] = rows
        opened = None if value is None else self._opened(bytes(value), run_id)
        return JournalEntry(entry_id, kind, key, operation, target, state, int(cost), opened)

    # What there is ---------------------------------------------------------------------------------------------------

    def answered(self, run_id: str) -> Counter[str]:
        """By operation, how many answers and results of tools of a run itself there are to be replayed."""
        mine = sa.and_(_E.run_id == run_id, _E.holder == run_id)
        done = sa.select(_E.operation, sa.func.count()).where(mine, _E.state == "done")
        with self._store.read() as connection:
            return Counter({row[0]: row[1] for row in connection.execute(done.group_by(_E.operation))})

    def kept_runs(self) -> dict[str, int]:
        """The runs that there are entries of, each with how many."""
        with self._store.read() as connection:
            found = sa.select(_E.run_id, sa.func.count()).group_by(_E.run_id)
            return {row[0]: row[1] for row in connection.execute(found)}

    def resumable(self) -> set[str]:
        """The runs that can be continued: there are entries of them, and they neither completed nor are under way."""
        settled, held = schema.settlements.c, schema.holds.c
        completed = sa.select(settled.run_id).where(settled.run_id == _E.run_id, settled.outcome == "completed")
        under_way = sa.select(held.run_id).where(held.run_id == _E.run_id)
        with self._store.read() as connection:
            found = sa.select(_E.run_id).where(~completed.exists(), ~under_way.exists()).distinct()
            return set(connection.execute(found).scalars())

    def paid(self, run_id: str) -> Nano:
        """What the entries of a run had cost, in nano-dollars."""
        total = sa.select(sa.func.coalesce(sa.func.sum(_E.cost), 0)).where(_E.run_id == run_id)
        with self._store.read() as connection:
            return int(connection.execute(total).scalar_one())

    def size(self, run_id: str) -> int:
        """Bytes that the values of a run take."""
        total = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(_E.value)), 0)).where(_E.run_id == run_id)
        with self._store.read() as connection:
            return int(connection.execute(total).scalar_one())

    def interrupted(self, run_id: str, before: int | None = None) -> list[Interrupted]:
        """The tools of a run that were under way when their process ended; ``before``: in older executions only."""
        found = sa.select(_E.entry_id, _E.operation, _E.state, _E.written_at).where(
            _E.run_id == run_id, _E.kind == "tool", sa.or_(_E.state != "done", _E.value.is_(None))
        )
        if before is not None:
            found = found.where(_E.claimed < before)
        with self._store.read() as connection:
            return [Interrupted(*row) for row in connection.execute(found.order_by(_E.written_at))]

    def decide(self, run_id: str, decision: ToolDecision) -> int:
        """Say what becomes of the interrupted tools of a run when it is continued; how many there are."""
        interrupted = sa.and_(_E.run_id == run_id, _E.kind == "tool", sa.or_(_E.state != "done", _E.value.is_(None)))
        with self._store.write(durable=True) as connection:
            return connection.execute(sa.update(entries).where(interrupted).values(state=decision)).rowcount

    def delete(self, run_id: str) -> int:
        """Delete the journal of a run; how many entries it had."""
        self._used.pop(run_id, None)
        with self._store.write() as connection:
            return connection.execute(sa.delete(entries).where(_E.run_id == run_id)).rowcount

    def tidy(self) -> int:
        """Delete the journals of runs that completed some minutes ago, and what is older than it may get; at most once
        a minute.
        """
        if time.monotonic() - self._tidied < _SECONDS_BETWEEN:
            return 0
        self._tidied = time.monotonic()
        now = self._clock()
        settled = schema.settlements.c
        completed = sa.select(settled.run_id).where(
            settled.outcome == "completed", settled.ended_at < now - _ENDED_US, settled.run_id == _E.run_id
        )
        gone = sa.or_(_E.written_at < now - self._days * _DAY_US, completed.exists())
        with self._store.read() as connection:
            found = connection.execute(sa.select(_E.run_id).where(gone).distinct()).scalars().all()
        return sum(map(self.delete, found))

    # Size and secrecy ------------------------------------------------------------------------------------------------

    def _fits(self, run_id: str, value: bytes | None) -> bool:
        size = len(value or b"")
        if size > self._largest or self._used[run_id] + size > self._most:
            return False
        self._used[run_id] += size
        return True

    def open(self) -> None:
        """Have the key at hand, before anything is paid that could not be kept.

        Raises:
            ConfigError: a key was named that is not set.
        """
        self._aead()

    def _sealed(self, value: bytes, run_id: str) -> bytes:
        packed = b"z" + zlib.compress(value, 1) if len(value) >= _COMPRESSED_FROM else b"p" + value
        nonce = os.urandom(12)
        sealed: bytes = self._aead().encrypt(nonce, packed, run_id.encode())
        return nonce + sealed

    def _opened(self, sealed: bytes, run_id: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            packed: bytes = self._aead().decrypt(sealed[:12], sealed[12:], run_id.encode())
        except InvalidTag:
            raise JournalUnreadable(
                f"The journal of run {run_id} was written with another key than this process has.",
                next_step="Give this process the key of the one that began the run ([journal] key_env), or start the "
                "work as a new run.",
                run_id=run_id,
            ) from None
        return zlib.decompress(packed[1:]) if packed[:1] == b"z" else packed[1:]

    def _aead(self) -> Any:
        if self._cipher is None:
            with self._opening:
                if self._cipher is None:
                    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

                    self._cipher = AESGCM(hashlib.sha256(f"farebox journal {self._keyed()}".encode()).digest())
        return self._cipher

    def _keyed(self) -> str:
        """The key that was set, or that of the ledger's database, made when it is first needed."""
        if given := self._secret():
            return given
        found = sa.select(schema.meta.c.value).where(schema.meta.c.key == _KEY_NAME)
        with self._store.read() as connection:
            kept = connection.execute(found).scalar_one_or_none()
        if kept is None:
            with self._store.write(durable=True) as connection:
                made = _new_key(connection.dialect.name)
                connection.execute(made, {"key": _KEY_NAME, "value": secrets.token_hex(32)})
                kept = connection.execute(found).scalar_one()
        return str(kept)


@cache
def _new_key(dialect: str) -> Any:
    return insert_into(dialect, schema.meta).on_conflict_do_nothing(index_elements=["key"])


def _close(cursor: Any) -> None:
    cursor.close()
