"""Executions of a run: every start of it has a number, and only the newest may spend and settle.

Prefect starts a run again after a crash, on a retry and on a resumption, under the same flow-run id, and the older
process may still be alive. The number is a fencing token: a hold knows the execution it belongs to, and refuses older
ones in the same conditional update that sets an attempt's worst case aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.db import schema as columns
from pricing.db.prepared import PreparedStatement
from pricing.db.upsert import insert_into
from pricing.errors import RunTakenOver

_E = schema.executions.c
_CURRENT = PreparedStatement(sa.select(_E.number).where(_E.run_id == sa.bindparam("run")))
_TRACES = PreparedStatement(
    sa.select(
        sa.or_(
            *(
                sa.exists().where(table.c.run_id == sa.bindparam("run"))
                for table in (schema.executions, schema.holds, schema.runs, schema.questions)
            )
        )
    )
)


@dataclass(frozen=True, slots=True)
class Execution:
    """One start of a run; ``resumed`` when the run was suspended and goes on with the hold that it has, ``is_new`` when
    it begins with the admission of a run that nobody has begun before.
    """

    number: int
    resumed: bool = False
    is_new: bool = False


NEW_EXECUTION = Execution(1, is_new=True)
"""The first execution of a run that the ledger does not know."""


def begin(connection: Connection, run_id: str) -> int:
    """Number a new execution of a run. Its row stays locked until the transaction ends."""
    return _raise(connection, run_id, 1)


def begin_first(connection: Connection, run_id: str) -> None:
    """Number the first execution of a run.

    Raises:
        RunTakenOver: another one has begun meanwhile.
    """
    if begin(connection, run_id) != NEW_EXECUTION.number:
        raise taken_over(run_id)


def lock(connection: Connection, run_id: str) -> int:
    """The number of a run's newest execution, 0 before the first; no other can begin until the transaction ends."""
    return _raise(connection, run_id, 0)


def confirm(connection: Connection, run_id: str, number: int) -> None:
    """Make sure that an execution is still the newest of its run, until the transaction ends.

    Raises:
        RunTakenOver: a newer one has begun.
    """
    if lock(connection, run_id) > number:
        raise taken_over(run_id)


def current(connection: Connection, run_id: str) -> int:
    """The number of a run's newest execution; 0 before the first."""
    found = _CURRENT.run(connection, {"run": run_id}).fetchone()
    return 0 if found is None else int(found[0])


def known(connection: Connection, run_id: str) -> bool:
    """Whether there is any trace of a run: an execution, a hold, what it asked for, or a question about it."""
    return bool(_TRACES.run(connection, {"run": run_id}).fetchone()[0])


def taken_over(run_id: str) -> RunTakenOver:
    """The error of an execution that is not the newest any more."""
    return RunTakenOver(
        "This run was started again or suspended, so this process may not spend for it any more.",
        next_step="Let this process end; the newer execution of the run goes on with its budget.",
        run_id=run_id,
    )


def _raise(connection: Connection, run_id: str, by: int) -> int:
    cursor = _upsert(connection.dialect.name).run(connection, {"run_id": run_id, "number": by, "by": by})
    [(number,)] = cursor.fetchall()
    return int(number)


@cache
def _upsert(dialect: str) -> PreparedStatement:
    added = insert_into(dialect, schema.executions).values(
        run_id=sa.bindparam("run_id"), number=sa.bindparam("number", type_=columns.Number)
    )
    raised = added.on_conflict_do_update(
        index_elements=["run_id"], set_={"number": _E.number + sa.bindparam("by", type_=columns.Number)}
    )
    return PreparedStatement(raised.returning(_E.number))
