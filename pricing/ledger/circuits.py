"""Circuits: which targets are in quarantine, until when, and who may try one of them.

A target without a row is in service. Everything here is one transaction and works on the store's own thread (or, to
read, on the caller's): nothing is to be called for each turn, callers keep a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing.clock import now_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into
from pricing.db.write_queue import PendingWrite

CircuitState: TypeAlias = Literal["open", "probing", "due"]
CircuitEvent: TypeAlias = Literal["opened", "probed", "closed"]
_C = schema.circuits.c
_LONGEST_CLAIM_US = 600_000_000
"""A claim that lapses later than this from now was made by a clock that has been set back since: it does not count."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """A target in quarantine. Times are microseconds since 1970.

    ``level`` counts how often in a row it was opened again, from 0; ``probe_until`` is when the claim of the
    turn that probes it ends, 0 without one; ``reason`` is a failure class, or what a person said.
    """

    target: str
    level: int
    open_until: int
    probe_until: int
    reason: str

    def state_at(self, now: int) -> CircuitState:
        """The state at a moment, in microseconds: ``due`` once its quarantine is over and the next turn probes it."""
        return "open" if self.open_until > now else "probing" if self.probe_until > now else "due"


@dataclass(frozen=True, slots=True)
class Tripped:
    """The result of a failure: the circuit, and whether this failure opened it."""

    circuit: Circuit
    opened: bool


class Circuits:
    """The circuits of one project.

    Args:
        store: the ledger's database.
        clock: microseconds since 1970; tests pass their own.
    """

    def __init__(self, store: Store, *, clock: Callable[[], int] = now_us) -> None:
        self._store = store
        self.clock = clock

    def snapshot(self) -> Mapping[str, Circuit]:
        """All circuits, by target."""
        with self._store.read() as connection:
            found = [_circuit(row) for row in connection.execute(sa.select(schema.circuits))]
        latest = self.clock() + _LONGEST_CLAIM_US
        return {c.target: replace(c, probe_until=0) if c.probe_until > latest else c for c in found}

    def trip(
        self, target: str, reason: str, seconds: Callable[[int], float], *, at_least: float = 0.0, grave: bool = False
    ) -> PendingWrite[Tripped]:
        """Open a circuit, or open it again for longer if its quarantine was over.

        One that is open stays as it is, for many requests fail together: only a longer ``at_least`` prolongs it, and
        what is ``grave`` replaces a lesser reason.

        Args:
            target: whose.
            reason: the failure class.
            seconds: how long a quarantine of a level lasts.
            at_least: seconds that the provider asked for.
            grave: whether waiting alone will not fix it.
        """

        def work(connection: Connection) -> Tripped:
            now = self.clock()
            known = _locked(connection, target)
            if known is None:
                circuit = Circuit(target, 0, _after(now, max(seconds(0), at_least)), 0, reason)
                if _insert(connection, circuit):
                    _record_event(connection, circuit, "opened", now)
                    return Tripped(circuit, opened=True)
                known = _locked(connection, target)  # somebody was faster
                if known is None:
                    return Tripped(circuit, opened=False)  # and it is closed again
            was_over = known.open_until <= now
            worse = grave and known.reason != reason
            level = known.level + 1 if was_over else known.level
            until = _after(now, max(seconds(level), at_least) if was_over or worse else at_least)
            circuit = Circuit(
                target, level, max(until, known.open_until), 0, reason if was_over or worse else known.reason
            )
            _write(connection, circuit)
            if was_over or worse:
                _record_event(connection, circuit, "opened", now)
            return Tripped(circuit, opened=was_over or worse)

        return self._store.submit(work)

    def claim(self, circuit: Circuit, seconds: float) -> PendingWrite[bool]:
        """Ask to be the one who tries a target, for so long; false when somebody else is, or the circuit has changed.

        Exactly one of all that ask gets it, in whatever process: it is one conditional update.
        """

        def work(connection: Connection) -> bool:
            now = self.clock()
            free = (_C.probe_until <= now) | (_C.probe_until > now + _LONGEST_CLAIM_US)
            mine = sa.and_(_C.target == circuit.target, _C.open_until == circuit.open_until, free)
            until = min(_after(now, seconds), now + _LONGEST_CLAIM_US)
            update = sa.update(schema.circuits).where(mine).values(probe_until=until)
            if connection.execute(update).rowcount == 0:
                return False
            _record_event(connection, circuit, "probed", now)
            return True

        return self._store.submit(work)

    def release(self, target: str) -> PendingWrite[None]:
        """Release an unused claim."""

        def work(connection: Connection) -> None:
            connection.execute(sa.update(schema.circuits).where(_C.target == target).values(probe_until=0))

        return self._store.submit(work)

    def close(self, target: str, reason: str, *, hasten: Sequence[str] = ()) -> PendingWrite[bool]:
        """Close a circuit; done with whether it was open. The quarantines of ``hasten`` end now in any case, so that
        each may be probed.
        """

        def work(connection: Connection) -> bool:
            now = self.clock()
            known = _locked(connection, target)
            if known is not None:
                connection.execute(sa.delete(schema.circuits).where(_C.target == target))
                _record_event(connection, Circuit(target, known.level, now, 0, reason), "closed", now)
            if hasten:
                waiting = sa.and_(_C.target.in_(hasten), _C.open_until > now)
                connection.execute(sa.update(schema.circuits).where(waiting).values(open_until=now))
            return known is not None

        return self._store.submit(work)

    def force_open(self, target: str, reason: str, seconds: float) -> PendingWrite[Circuit]:
        """Take a target out of service for a time, whatever its circuit's state."""

        def work(connection: Connection) -> Circuit:
            now = self.clock()
            circuit = Circuit(target, 0, _after(now, seconds), 0, reason)
            if not _insert(connection, circuit):
                _write(connection, circuit)
            _record_event(connection, circuit, "opened", now)
            return circuit

        return self._store.submit(work)


def _after(now: int, seconds: float) -> int:
    return now + round(seconds * 1_000_000)


def _locked(connection: Connection, target: str) -> Circuit | None:
    """The row, held until the transaction's end; SQLite has one writer at a time and needs no lock."""
    found = sa.select(schema.circuits).where(_C.target == target).with_for_update()
    row = connection.execute(found).one_or_none()
    return None if row is None else _circuit(row)


def _insert(connection: Connection, circuit: Circuit) -> bool:
    row = {name: getattr(circuit, name) for name in Circuit.__dataclass_fields__}
    statement = insert_into(connection.dialect.name, schema.circuits).values(row).on_conflict_do_nothing()
    return connection.execute(statement.returning(_C.target)).first() is not None


def _write(connection: Connection, circuit: Circuit) -> None:
    values = {name: getattr(circuit, name) for name in ("level", "open_until", "probe_until", "reason")}
    connection.execute(sa.update(schema.circuits).where(_C.target == circuit.target).values(values))


def _record_event(connection: Connection, circuit: Circuit, event: CircuitEvent, now: int) -> None:
    connection.execute(
        schema.circuit_events.insert().values(
            target=circuit.target,
            event=event,
            reason=circuit.reason,
            level=circuit.level,
            open_until=circuit.open_until,
            happened_at=now,
        )
    )


def _circuit(row: Row[tuple[object, ...]]) -> Circuit:
    return Circuit(**{name: row._mapping[name] for name in Circuit.__dataclass_fields__})  # noqa: SLF001 - public API
