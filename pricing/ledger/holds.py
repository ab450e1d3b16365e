"""The life of a hold: opened on every budget at once, drawn on by attempts, extended, settled or reaped.

At every moment ``holds.amount`` is what the run's budgets hold for it, ``used`` what its attempts have cost and
``inflight`` the worst case of those under way; ``used + inflight <= amount`` unless a provider billed more than the
worst case, which then is held too, past the limit if need be: the record is never prettier than the truth.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing.db import schema
from pricing.db import schema as columns
from pricing.db.prepared import PreparedStatement, one_trip
from pricing.errors import RunExpired
from pricing.ledger import budgets, executions
from pricing.ledger import credits as credit_ledger
from pricing.ledger.budgets import BudgetRule, Refusal
from pricing.ledger.facts import NEWEST
from pricing.money import Nano
from pricing.rates.service_tiers import STANDARD

_H = schema.holds.c
_I = schema.inflight.c
_ON = schema.hold_budgets.c

_OF_RUN = _H.run_id == sa.bindparam("run")
_SET_ASIDE = PreparedStatement(
    sa.update(schema.holds)
    .where(
        _OF_RUN,
        _H.execution <= sa.bindparam("execution", type_=columns.Number),
        _H.by_operation.is_(sa.false()),
        _H.amount_nano - _H.used_nano - _H.inflight_nano >= sa.bindparam("worst", type_=columns.Number),
    )
    .values(inflight_nano=_H.inflight_nano + sa.bindparam("worst", type_=columns.Number))
)
_CHARGE = PreparedStatement(
    sa.update(schema.holds)
    .where(_OF_RUN)
    .values(
        inflight_nano=_H.inflight_nano - sa.bindparam("worst", type_=columns.Number),
        used_nano=_H.used_nano + sa.bindparam("cost", type_=columns.Number),
    )
    .returning(_H.amount_nano, _H.used_nano, _H.by_operation)
)
_OPEN = PreparedStatement(
    sa.insert(schema.holds).values(
        run_id=sa.bindparam("run"),
        ordinal=sa.select(sa.func.coalesce(sa.func.max(schema.settlements.c.ordinal) + 1, 0))
        .where(schema.settlements.c.run_id == sa.bindparam("run"))
        .scalar_subquery(),
        amount_nano=sa.bindparam("amount"),
        used_nano=0,
        inflight_nano=0,
        lease_until=sa.bindparam("lease"),
        by_operation=sa.bindparam("operations"),
        execution=sa.bindparam("execution"),
        state="running",
    )
)
_HOLD_ON = PreparedStatement(sa.insert(schema.hold_budgets), ["run_id", "budget_id", "operation"])
_LEASES = PreparedStatement(
    sa.select(_H.run_id, _H.lease_until, _H.state).where(
        sa.or_(
            sa.and_(_H.lease_until < sa.bindparam("now", type_=columns.Number), _H.state != "unsettled"),
            sa.and_(_H.lease_until > sa.bindparam("latest", type_=columns.Number), _H.state == "running"),
        )
    )
)


class Charge(NamedTuple):
    """What an attempt of an operation does to a hold when it ends: its worst case, and what it cost."""

    operation: str
    worst: Nano
    cost: Nano


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of asking for an attempt's worst case: the refusals, or the budgets that more was held on."""

    refusals: list[Refusal] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a hold came to, in nano-dollars; ``lost`` attempts were still under way and are priced at their worst."""

    held: Nano
    spent: Nano
    released: Nano
    lost: int


class Leases(NamedTuple):
    """Runs whose hold needs attention: whose lease ran out, who were not resumed in time, whose lease is too long."""

    dead: list[str]
    not_resumed: list[str]
    too_long: list[str]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A hold that could not be settled, and the type of the error that prevented it."""

    run_id: str
    fault: str


def open_hold(
    connection: Connection,
    run_id: str,
    amount: Nano,
    wanted: Mapping[str, BudgetRule],
    lease_until: int,
    *,
    execution: int,
    beyond: Collection[str] = (),
) -> list[Refusal]:
    """Reserve ``amount`` on every budget, all or nothing: with a refusal the caller rolls back.

    Budgets of single operations must have what they need; their attempts hold it. Of the others those in ``beyond``
    may be overdrawn.
    """
    single = {budget_id: rule for budget_id, rule in wanted.items() if rule.operation is not None}
    needs = {budget_id: rule.needs for budget_id, rule in single.items() if rule.needs is not None}
    whole = {budget_id: amount for budget_id in wanted if budget_id not in single}
    refusals = budgets.take(connection, whole, beyond)
    if refusals := refusals + budgets.shortfalls(connection, needs):
        return refusals
    opening: dict[str, Any] = {"run": run_id, "amount": amount, "lease": lease_until, "operations": bool(single)}
    opening["execution"] = execution
    rows = [{"run_id": run_id, "budget_id": id_, "operation": rule.operation} for id_, rule in wanted.items()]
    with one_trip(connection):
        _OPEN.run(connection, opening)
        if rows:
            _HOLD_ON.run_all(connection, rows)
    return []


def set_aside(connection: Connection, run_id: str, execution: int, worst: Nano) -> Any:
    """Set ``worst`` aside for attempts of an execution of a run: the cursor of one row, of none where the hold is
    too small, where budgets of operations count, or where the hold belongs to a newer execution.
    """
    return _SET_ASIDE.run(connection, {"run": run_id, "execution": execution, "worst": worst})


def draw(connection: Connection, run_id: str, execution: int, operation: str, worst: Nano) -> Drawn:
    """Set ``worst`` aside for one attempt of an operation, extending the hold if it is too small.

    Raises:
        RunExpired: the run has no hold any more.
        RunTakenOver: a newer execution of the run began.
    """
    if set_aside(connection, run_id, execution, worst).rowcount == 1:
        return Drawn()
    hold = _hold(connection, run_id)
    if hold is None or hold.execution > execution:
        if executions.current(connection, run_id) > execution:
            raise executions.taken_over(run_id)
        raise RunExpired(
            "The hold of this run ran out while it was not responding, and was settled.",
            next_step="Run it again; raise holds.lease_seconds in farebox.toml if the machine sleeps.",
            run_id=run_id,
        )
    missing = max(0, worst - (hold.amount_nano - hold.used_nano - hold.inflight_nano))
    amounts = dict.fromkeys(budget_ids(connection, run_id, operation), worst) if hold.by_operation else {}
    if missing:
        amounts |= dict.fromkeys(budget_ids(connection, run_id), missing)
    with connection.begin_nested() as savepoint:
        if refusals := budgets.take(connection, amounts):
            savepoint.rollback()
            return Drawn(refusals=refusals)
        values = {"amount_nano": _H.amount_nano + missing, "inflight_nano": _H.inflight_nano + worst}
        connection.execute(sa.update(schema.holds).where(_H.run_id == run_id).values(values))
    return Drawn(taken=list(amounts))


def charge(connection: Connection, run_id: str, ended: Sequence[Charge]) -> Any:
    """Turn what was set aside for attempts into what they cost; the cursor is for :func:`charged`, which follows."""
    worst, cost = sum(one.worst for one in ended), sum(one.cost for one in ended)
    return _CHARGE.run(connection, {"run": run_id, "worst": worst, "cost": cost})


def charged(connection: Connection, run_id: str, ended: Sequence[Charge], cursor: Any) -> float:
    """What else a charge moves, on budgets; the share of the hold that is spent now, 1 without one."""
    rows = cursor.fetchall()
    if not rows:
        return 1.0
    [(amount, used, by_operation)] = rows
    if by_operation:
        for one in ended:
            budgets.move(connection, budget_ids(connection, run_id, one.operation), held=-one.worst, spent=one.cost)
    if any(one.cost > one.worst for one in ended) and (hold := _hold(connection, run_id)) is not None:
        excess = hold.used_nano + hold.inflight_nano - hold.amount_nano
        if excess > 0:
            budgets.move(connection, budget_ids(connection, run_id), held=excess)
            connection.execute(
                sa.update(schema.holds).where(_H.run_id == run_id).values(amount_nano=_H.amount_nano + excess)
            )
    return share(amount, used)


def share(amount: Nano, used: Nano) -> float:
    """The share of a hold that is spent."""
    return min(1.0, int(used) / int(amount)) if amount else 1.0


def spent_of(connection: Connection, run_id: str) -> Sequence[Any] | None:
    """What a run's hold is, and what of it is spent; ``None`` without one."""
    found = sa.select(_H.amount_nano, _H.used_nano).where(_H.run_id == run_id)
    return connection.execute(found).one_or_none()


@dataclass(frozen=True, slots=True)
class RunRemainder:
    """What a run has spent, in nano-dollars, and what it may still spend; ``left`` is ``None`` without any budget."""

    spent: Nano
    left: Nano | None


def remaining(connection: Connection, run_id: str, operation: str) -> Nano | None:
    """What one attempt of an operation could still set aside, by the hold and the budgets; ``None`` without any budget.

    Raises:
        LookupError: the run has no hold.
    """
    hold = connection.execute(sa.select(schema.holds).where(_H.run_id == run_id)).one_or_none()
    if hold is None:
        raise LookupError(run_id)
    free = hold.amount_nano - hold.used_nano - hold.inflight_nano
    own = budgets.states(connection, budget_ids(connection, run_id))
    limits = [free + max(0, min(state.left for state in own))] if own else []
    if hold.by_operation:
        single = budgets.states(connection, budget_ids(connection, run_id, operation))
        limits += [max(0, state.left) for state in single]
    return min(limits) if limits else None


def renew(connection: Connection, run_id: str, execution: int, lease_until: int) -> bool:
    """Keep the hold alive; false when it is gone, or belongs to a newer execution."""
    mine = sa.and_(_H.run_id == run_id, _H.execution <= execution)
    return connection.execute(sa.update(schema.holds).where(mine).values(lease_until=lease_until)).rowcount == 1


def suspend(connection: Connection, run_id: str, execution: int, lease_until: int) -> bool:
    """Keep the hold for a resumption until ``lease_until``; false when it is gone, or belongs to a newer execution.

    It belongs to no process meanwhile: the execution that was suspended cannot spend any more.
    """
    if executions.lock(connection, run_id) > execution:
        return False
    number = executions.begin(connection, run_id)
    values = {"state": "suspended", "execution": number, "lease_until": lease_until}
    return connection.execute(sa.update(schema.holds).where(_H.run_id == run_id).values(values)).rowcount == 1


def resume(connection: Connection, run_id: str, execution: int, lease_until: int, now: int) -> bool:
    """Give the hold of a suspended run to a new execution; false when the run is not suspended.

    So is one that waits for batches, whether its process has suspended it or was killed: what it had under way besides
    is written off.
    """
    mine = sa.and_(_H.run_id == run_id, _H.state == "suspended")
    values = {"state": "running", "execution": execution, "lease_until": lease_until}
    if connection.execute(sa.update(schema.holds).where(mine).values(values)).rowcount == 1:
        return True
    waiting = sa.and_(_H.run_id == run_id, _H.state == "running")
    if not open_lines(connection, run_id) or not _touch(connection, waiting):
        return False
    _write_off(connection, run_id, now, spare=open_lines(connection, run_id))
    return connection.execute(sa.update(schema.holds).where(waiting).values(values)).rowcount == 1


def keep_for_batches(connection: Connection, run_id: str, now: int, until: int) -> bool:
    """Suspend the hold of a run whose process went away while it waited for batches; false where it does not.

    What it had under way besides is written off. The hold is kept until its last batch is to be back, and ``until``
    longer, in microseconds.
    """
    spare = open_lines(connection, run_id)
    if not spare:
        return False
    number = executions.begin(connection, run_id)
    dead = sa.and_(_H.run_id == run_id, _H.state == "running", _H.lease_until < now)
    if not _touch(connection, dead):
        return False
    _write_off(connection, run_id, now, spare=spare)
    batch = schema.batches.c
    last = sa.select(sa.func.max(batch.leave_at)).where(batch.run_id == run_id, batch.collected_at.is_(None))
    lease = max(now, int(connection.execute(last).scalar() or now)) + until
    values = {"state": "suspended", "execution": number, "lease_until": lease}
    return connection.execute(sa.update(schema.holds).where(_H.run_id == run_id).values(values)).rowcount == 1


def open_lines(connection: Connection, run_id: str) -> set[str]:
    """The attempts of a run that are lines of batches under way."""
    line = schema.batch_lines.c
    found = sa.select(line.line_id).where(line.run_id == run_id, line.state == "open")
    return set(connection.execute(found).scalars())


def _touch(connection: Connection, mine: Any) -> bool:
    """Lock a hold before it is read; whether it is there."""
    return connection.execute(sa.update(schema.holds).where(mine).values(lease_until=_H.lease_until)).rowcount == 1


def expired_holds(connection: Connection, now: int, latest: int) -> Leases:
    """The runs whose lease or suspension has run out, and the running ones whose lease ends after ``latest``."""
    found = Leases([], [], [])
    for run_id, lease_until, state in _LEASES.run(connection, {"now": now, "latest": latest}).fetchall():
        if lease_until >= now:
            found.too_long.append(run_id)
        else:
            (found.not_resumed if state == "suspended" else found.dead).append(run_id)
    return found


def suspended(connection: Connection) -> list[tuple[str, int]]:
    """The runs that are suspended, each with the execution that its hold waits for."""
    found = sa.select(_H.run_id, _H.execution).where(_H.state == "suspended").order_by(_H.run_id)
    return [(row.run_id, row.execution) for row in connection.execute(found)]


def unsettled(connection: Connection) -> list[Unsettled]:
    """The holds that could not be settled."""
    found = sa.select(_H.run_id, _H.fault).where(_H.state == "unsettled").order_by(_H.run_id)
    return [Unsettled(row.run_id, row.fault or "") for row in connection.execute(found)]


def put_aside(connection: Connection, run_id: str, fault: str) -> None:
    """Leave a hold alone that cannot be settled, so that it does not stop other runs."""
    values = {"state": "unsettled", "fault": fault}
    connection.execute(sa.update(schema.holds).where(_H.run_id == run_id).values(values))


def exists(connection: Connection, run_id: str) -> bool:
    """Whether a run is held."""
    return connection.execute(sa.select(_H.run_id).where(_H.run_id == run_id)).first() is not None


def shorten(connection: Connection, run_id: str, latest: int, lease_until: int) -> None:
    """Let a lease that ends after ``latest`` end at ``lease_until``."""
    too_long = sa.and_(_H.run_id == run_id, _H.lease_until > latest, _H.state == "running")
    connection.execute(sa.update(schema.holds).where(too_long).values(lease_until=lease_until))


def close_hold(
    connection: Connection,
    run_id: str,
    *,
    outcome: str,
    reason: str | None,
    ended_at: int,
    execution: int = NEWEST,
    only_before: int | None = None,
) -> Settled | None:
    """End the hold: attempts under way become facts at their worst case, what was used is spent, the rest released.

    ``None`` when there is no hold (somebody else settled it), when it belongs to a newer execution, or when its lease
    is not over by ``only_before``.
    """
    condition = [_H.run_id == run_id, _H.execution <= execution]
    if only_before is not None:
        condition.append(_H.lease_until < only_before)
    # The update locks the row before it is read, so that two who settle at once do not both do it.
    if connection.execute(sa.update(schema.holds).where(*condition).values(lease_until=_H.lease_until)).rowcount == 0:
        return None
    lost = _write_off(connection, run_id, ended_at)
    hold = _hold(connection, run_id)
    run = connection.execute(sa.select(schema.runs).where(schema.runs.c.run_id == run_id)).one()
    if hold is None:  # pragma: no cover - it is locked by this transaction
        return None
    budgets.move(connection, budget_ids(connection, run_id), held=-hold.amount_nano, spent=hold.used_nano)
    earned = outcome == "completed"
    wallet = credit_ledger.conclude(connection, run_id, earned=earned, now=ended_at)
    connection.execute(sa.delete(schema.hold_budgets).where(_ON.run_id == run_id))
    connection.execute(sa.delete(schema.holds).where(_H.run_id == run_id))
    before, ordinal = _before(connection, run_id)
    total = hold.used_nano + before
    connection.execute(
        schema.settlements.insert().values(
            run_id=run_id,
            ordinal=max(hold.ordinal, ordinal),
            automation=run.automation,
            quality=run.quality,
            stand_in=run.stand_in,
            outcome=outcome,
            reason=reason,
            budgets=json.dumps(lost.budgets),
            held_nano=hold.amount_nano,
            spent_nano=hold.used_nano,
            released_nano=hold.amount_nano - hold.used_nano,
            score=total / run.point_nano if run.point_nano else None,
            rate_version=run.rate_version,
            ended_at=ended_at,
            wallet=wallet,
            charged_credits=None if run.price_credits is None else run.price_credits * earned,
            charged_nano=None if run.price_nano is None else run.price_nano * earned,
            execution=hold.execution,
        )
    )
    return Settled(hold.amount_nano, hold.used_nano, hold.amount_nano - hold.used_nano, lost.attempts)


class _Lost(NamedTuple):
    """How many attempts were written off, and all the budgets of their run's hold."""

    attempts: int
    budgets: list[str]


def _write_off(connection: Connection, run_id: str, ended_at: int, spare: Collection[str] = ()) -> _Lost:
    """Turn the attempts that are in flight into facts at their worst case, and charge the hold for them; all but those
    to ``spare``.
    """
    held_on = sorted(connection.execute(sa.select(_ON.budget_id).where(_ON.run_id == run_id)).scalars())
    found = connection.execute(sa.select(schema.inflight).where(_I.run_id == run_id)).all()
    rows = [row for row in found if row.attempt_id not in spare]
    for row in rows:
        intent: dict[str, Any] = json.loads(row.intent)
        fact = {**intent, "outcome": "lost", "cost_nano": row.worst_nano, "priced": "worst_case", "saved_nano": 0}
        fact["service_tier"] = intent.get("service_tier_asked") or STANDARD
        connection.execute(schema.attempts.insert().values(**fact, duration_us=max(0, ended_at - intent["started_at"])))
        charges = [Charge(intent["operation"], row.worst_nano, row.worst_nano)]
        charged(connection, run_id, charges, charge(connection, run_id, charges))
        carried = {"attempt_id": row.attempt_id, "run_id": run_id, "budgets": json.dumps(held_on)}
        connection.execute(schema.written_off.insert().values(carried))
    if rows:
        gone = [row.attempt_id for row in rows]
        connection.execute(sa.delete(schema.inflight).where(_I.attempt_id.in_(gone)))
    return _Lost(len(rows), held_on)


def adjust(connection: Connection, fact: Mapping[str, Any], now: int) -> None:
    """Correct an attempt that was written off as lost and has come back after all: the difference is a fact."""
    corrected = (
        sa.select(sa.func.coalesce(sa.func.sum(schema.adjustments.c.cost_delta_nano), 0))
        .where(schema.adjustments.c.attempt_id == fact["attempt_id"], schema.adjustments.c.run_id == fact["run_id"])
        .scalar_subquery()
    )
    recorded = sa.select(schema.attempts.c.cost_nano + corrected)
    lost = int(connection.execute(recorded.where(schema.attempts.c.attempt_id == fact["attempt_id"])).scalar_one())
    delta = fact["cost_nano"] - lost
    usage = {name: value for name, value in fact.items() if name.endswith("_tokens")}
    connection.execute(
        schema.adjustments.insert().values(
            attempt_id=fact["attempt_id"],
            run_id=fact["run_id"],
            reason=f"came back {fact['outcome']} after its run was settled",
            **usage,
            cost_delta_nano=delta,
            recorded_at=now,
        )
    )
    carried = _carried_by(connection, fact["attempt_id"], fact["run_id"])
    table = schema.budgets.c
    concerned = sa.select(table.budget_id).where(
        table.budget_id.in_(carried), (table.scope != "operation") | (table.key == fact["operation"])
    )
    budgets.move(connection, list(connection.execute(concerned.order_by(table.budget_id)).scalars()), spent=delta)


def _carried_by(connection: Connection, attempt_id: str, run_id: str) -> list[str]:
    """The budgets that carry the worst case of an attempt that was written off."""
    table = schema.written_off
    written = sa.delete(table).where(table.c.attempt_id == attempt_id).returning(table.c.budgets)
    carried = connection.execute(written).scalar_one_or_none()
    if carried is None:  # written off before there was that table; a refusal, which held nothing, carries nothing
        settled = schema.settlements.c
        newest = sa.select(settled.budgets).where(settled.run_id == run_id, settled.held_nano > 0)
        carried = connection.execute(newest.order_by(settled.ordinal.desc()).limit(1)).scalar_one_or_none() or "[]"
    found: list[str] = json.loads(carried)
    return found


def under_way(connection: Connection, run_id: str, attempt_id: str) -> bool:
    """Whether an attempt still is; if so nobody can settle its run before this transaction ends."""
    if _hold(connection, run_id) is None:
        return False
    return connection.execute(sa.select(_I.run_id).where(_I.attempt_id == attempt_id)).one_or_none() is not None


def budget_ids(connection: Connection, run_id: str, operation: str | None = None) -> list[str]:
    """The budgets that a run's hold rests on, or those of one of its operations alone; sorted, so that no two
    transactions lock them in different orders.
    """
    query = sa.select(_ON.budget_id).where(_ON.run_id == run_id, _ON.operation == operation).order_by(_ON.budget_id)
    return list(connection.execute(query).scalars())


def _hold(connection: Connection, run_id: str) -> Row[Any] | None:
    # FOR UPDATE, which SQLite's dialect leaves out: its writers are alone anyway.
    return connection.execute(sa.select(schema.holds).where(_H.run_id == run_id).with_for_update()).one_or_none()


def _before(connection: Connection, run_id: str) -> tuple[Nano, int]:
    """What earlier holds of a run spent, and the ordinal of its next settlement."""
    table = schema.settlements.c
    sums = sa.select(
        sa.func.coalesce(sa.func.sum(table.spent_nano), 0), sa.func.coalesce(sa.func.max(table.ordinal) + 1, 0)
    )
    spent, ordinal = connection.execute(sums.where(table.run_id == run_id)).one()
    return int(spent), int(ordinal)
