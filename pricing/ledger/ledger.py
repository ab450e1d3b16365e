"""The operational ledger: every run, turn and attempt, and the budgets they are held against.

An attempt is written before it is sent and completed after, so that a crash leaves a priced unknown, never silence.
Beginning, ending, settling and reaping are one transaction each; facts are only ever added.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing.clock import from_us, now_us
from pricing.db import ledger_file, schema
from pricing.db.database import Store
from pricing.db.prepared import PreparedStatement, Savepoint
from pricing.db.upsert import insert_into
from pricing.db.write_queue import PendingWrite
from pricing.errors import HoldUnsettled, LedgerBusy, LedgerError
from pricing.ledger import approvals, budgets, executions, holds, settlement
from pricing.ledger import credits as credit_ledger
from pricing.ledger.approvals import ApprovalDecision, ApprovalRequest, Approved
from pricing.ledger.budgets import BudgetRule, BudgetState, Refusal
from pricing.ledger.credits import Shortage
from pricing.ledger.entries import CompleteAttempt, InsertIntent, InsertTurn
from pricing.ledger.executions import Execution
from pricing.ledger.facts import NEWEST, Completion, Intent, Run, RunOutcome, Turn, as_row
from pricing.ledger.holds import RunRemainder, Settled, Unsettled
from pricing.ledger.pending_ends import PendingEnds
from pricing.money import Nano
from pricing.rates.service_tiers import STANDARD
from pricing.usage import Usage

T = TypeVar("T")
_logger = logging.getLogger(__name__)

HISTORY = 600
"""How many past runs a quote looks at: the window of 300 of its conformal stage, and as many to adapt its level on."""
_S, _R, _T = schema.settlements.c, schema.runs.c, schema.turns.c
SCORING = sa.or_(
    sa.and_(_S.outcome == "completed", _S.score.is_not(None)), sa.and_(_S.outcome == "over_budget", _S.score > 0)
)
"""What a quote may lean on."""

_BATCHES_KEPT_US = 86_400_000_000
"""For so long after its batches are to be back a run may be continued with its hold, if its process went away."""
_LEASES = 3
"""How many leases ahead a lease may end: machines' clocks differ a little."""

_SPARED = (
    sa.select(sa.func.coalesce(sa.func.sum(_T.saved_nano), 0))
    .where(_T.run_id == _S.run_id, _T.outcome == "stored")
    .correlate(schema.settlements)
    .scalar_subquery()
)
_PAST = PreparedStatement(
    sa.select(_S.seq, _S.run_id, _S.score, _SPARED, _R.point_nano, _R.plan, _S.rate_version, _S.ended_at, _R.due_at)
    .join_from(schema.settlements, schema.runs, _S.run_id == _R.run_id)
    .where(
        _S.automation == sa.bindparam("automation"),
        _S.quality == sa.bindparam("quality"),
        _S.stand_in == sa.bindparam("stand_in"),
        _S.seq > sa.bindparam("after"),
        SCORING,
    )
    .order_by(_S.seq.desc())
    .limit(HISTORY)
)
_CORRECTED = (
    sa.select(sa.func.coalesce(sa.func.sum(schema.adjustments.c.cost_delta_nano), 0))
    .where(schema.adjustments.c.run_id == sa.bindparam("run"))
    .scalar_subquery()
)
_SPENT = PreparedStatement(
    sa.select(sa.func.coalesce(sa.func.sum(schema.attempts.c.cost_nano), 0) + _CORRECTED).where(
        schema.attempts.c.run_id == sa.bindparam("run")
    )
)


@dataclass(frozen=True, slots=True)
class PastRun:
    """What a quote needs of a run that ended: its cost as a multiple of its own point; ``spared`` is what answers from
    storage did not cost again, likewise; ``calls`` is how many its plan has; ``seq`` numbers its settlement; ``due``:
    whether it had a due time.
    """

    seq: int
    run_id: str
    score: float
    spared: float
    point_nano: Nano
    calls: int
    rate_version: str
    ended_at: int
    due: bool = False


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What one run used of one model at one service tier; ``counted`` unless the attempts were priced at worst."""

    run_id: str
    provider: str
    model: str
    usage: Usage
    cost_nano: Nano
    counted: bool
    service_tier: str = STANDARD


class Ledger:
    """The ledger of one project.

    Args:
        store: the database below.
        zone: the time zone in which days, weeks and months begin.
        lease_seconds: how long a hold outlives a run that stopped renewing it.
        clock: microseconds since 1970; tests pass their own.
        warn: called with a budget that reaches its soft threshold, once per window.
        on_unsettled: called with a hold that could not be settled, and was put aside.
        pending: the ends of runs of this machine that the ledger could not take; none are kept without it.
    """

    def __init__(
        self,
        store: Store,
        *,
        zone: ZoneInfo | None = None,
        lease_seconds: float = 60.0,
        clock: Callable[[], int] = now_us,
        warn: Callable[[BudgetState], None] = lambda _: None,
        on_unsettled: Callable[[Unsettled], None] = lambda _: None,
        pending: PendingEnds | None = None,
    ) -> None:
        self.store = store
        self.lease_us = round(lease_seconds * 1_000_000)
        self._zone = zone or ZoneInfo("UTC")
        self._clock = clock
        self._warn = warn
        self._on_unsettled = on_unsettled
        self.pending = pending

    # A run's own life ------------------------------------------------------------------------------------------------

    def start(self, run_id: str) -> Execution:
        """Begin a new execution of a run: from here on, older ones can neither spend nor settle.

        A hold that the run still has, because its process was killed or lives on unnoticed, is settled as ``lost``, and
        its attempts in flight count at their worst case. The hold of a suspended run is kept: the execution goes on
        with it, and needs neither a quote nor a hold of its own.

        Raises:
            HoldUnsettled: the run has a hold that cannot be settled.
        """
        self.end_pending()
        now = self._clock()

        def work(connection: Connection) -> Execution:
            number = executions.begin(connection, run_id)
            if holds.resume(connection, run_id, number, now + self.lease_us, now):
                return Execution(number, resumed=True)
            settlement.take_over(connection, run_id, now)
            return Execution(number)

        return self._isolated(run_id, lambda: self.store.transact(work))

    def admit(
        self,
        run: Run,
        rules: Sequence[BudgetRule],
        *,
        final: bool = True,
        approved: Approved | None = None,
        execution: Execution | int | None = None,
        closed: bool = False,
    ) -> list[Refusal]:
        """Hold ``run.held_nano`` on every budget that ``rules`` name, all or nothing, and write the run down.

        Returns the refusals: none means that the run is held and may go on. A refused run is written down as settled
        with nothing spent, unless the refusal is not ``final``. Dead leases are reaped first. What the outcome costs
        in credits is reserved too, where the run's user or organisation has a wallet. What a person ``approved``
        extends its budgets. The hold belongs to the ``execution`` that asks; ``NEW_EXECUTION`` begins with it. A
        ``closed`` run holds nothing and may spend nothing more, so that no budget but a wallet refuses it.

        Raises:
            OutOfCredits: the wallet has not enough; the run is written down as refused.
            RunTakenOver: a newer execution of the run has begun; nothing is written.
            HoldUnsettled: the run has a hold that cannot be settled.
        """
        self.reap()
        now = self._clock()

        def work(connection: Connection) -> tuple[list[Refusal], Shortage | None, list[BudgetState]]:
            short, soft = None, list[BudgetState]()
            number = self._asking(connection, run.run_id, execution, now)
            wanted = budgets.open_windows(connection, rules, from_us(now), self._zone)
            asked_at = approvals.close(connection, run.run_id) if approved else None
            allowed, stopped = approved if asked_at is not None else None, run.run_id if closed else ""
            wanted, beyond = _with_raised_budgets(connection, wanted, allowed, now, closed=stopped)
            savepoint = Savepoint(connection)
            lease, held = now + self.lease_us, run.held_nano
            refusals = holds.open_hold(connection, run.run_id, held, wanted, lease, execution=number, beyond=beyond)
            short = None if refusals else credit_ledger.reserve(connection, run, now)
            if refusals or short:
                savepoint.roll_back()
            else:
                soft = budgets.reached_soft_limit(connection, wanted, now)
                approvals.close(connection, run.run_id)
                savepoint.release()
            if approved and asked_at is not None:
                done = not refusals and not short
                approvals.write_decision(connection, approved.question, approved.decision, asked_at, now, admitted=done)
            if final or not refusals:
                self._write_run(connection, run)
            if final and refusals:
                self._write_refusal(connection, run, refusals, now)
            if short:
                self._write_refusal(connection, run, [short], now)
            return refusals, short, soft

        refusals, short, soft = self._isolated(run.run_id, lambda: self.store.transact(work, durable=True))
        for state in soft:
            self._warn(state)
        if short:
            raise short.error(run.automation)
        return refusals

    def open_ad_hoc(self, run: Run, rules: Sequence[BudgetRule]) -> list[Refusal]:
        """Give an ad-hoc run a hold of nothing on every budget that ``rules`` name, which its attempts extend.

        A run that is held already is left as it is: of several processes that open the same run, the first does.
        Returns the refusals, with which the run is written down as refused.
        """
        self.reap()
        now = self._clock()

        def work(connection: Connection) -> list[Refusal]:
            executions.lock(connection, run.run_id)
            if holds.exists(connection, run.run_id):
                return []
            number = executions.begin(connection, run.run_id)
            wanted = budgets.open_windows(connection, rules, from_us(now), self._zone)
            with connection.begin_nested() as savepoint:
                lease = now + self.lease_us
                refusals = holds.open_hold(connection, run.run_id, run.held_nano, wanted, lease, execution=number)
                if refusals:
                    savepoint.rollback()
            self._write_run(connection, run)
            if refusals:
                self._write_refusal(connection, run, refusals, now)
            return refusals

        return self._isolated(run.run_id, lambda: self.store.transact(work, durable=True))

    def rehearse(self, run: Run, rules: Sequence[BudgetRule], *, final: bool = True) -> list[Refusal]:
        """What ``admit`` would refuse now, holding nothing: for a run that can be refused before anything is started.

        A run that is refused is written down as refused, if that is ``final``; of one that would be admitted nothing is
        kept.

        Raises:
            OutOfCredits: the wallet has not enough; the run is written down as refused.
        """
        self.reap()
        now = self._clock()

        def work(connection: Connection) -> tuple[list[Refusal], Shortage | None]:
            with connection.begin_nested() as kept:
                wanted = budgets.open_windows(connection, rules, from_us(now), self._zone)
                with connection.begin_nested() as tried:
                    refusals = holds.open_hold(
                        connection, run.run_id, run.held_nano, wanted, now + self.lease_us, execution=NEWEST
                    )
                    short = None if refusals else credit_ledger.reserve(connection, run, now)
                    tried.rollback()
                if short or (final and refusals):
                    self._write_run(connection, run)
                    self._write_refusal(connection, run, [short] if short else refusals, now)
                else:
                    kept.rollback()
            return refusals, short

        refusals, short = self.store.transact(work, durable=True)
        if short:
            raise short.error(run.automation)
        return refusals

    def refuse(self, run: Run, refusals: Sequence[Refusal]) -> bool:
        """Write a run down as refused before it began: somebody looked ahead. False, and nothing, if it is held."""
        with self.store.write(durable=True) as connection:
            executions.lock(connection, run.run_id)
            if holds.exists(connection, run.run_id):
                return False
            self._write_run(connection, run)
            self._write_refusal(connection, run, refusals, self._clock())
        return True

    def reject(self, question: ApprovalRequest, decision: ApprovalDecision | None) -> bool:
        """Write down that a person refused a run, or that no decision in time.

        False when it was decided before, or when the run is held meanwhile: then the question is only closed.
        """
        now, run = self._clock(), question.run
        with self.store.write(durable=True) as connection:
            executions.lock(connection, run.run_id)
            asked_at = approvals.close(connection, run.run_id)
            if asked_at is None or holds.exists(connection, run.run_id):
                return False
            approvals.write_decision(connection, question, decision, asked_at, now, admitted=False)
            self._write_run(connection, run)
            why = "no decision in time" if decision is None else f"refused by {decision.by}"
            self._write_end(connection, run, why, list(question.lacking), now)
        return True

    def settle(
        self, run_id: str, outcome: RunOutcome, reason: str | None = None, *, execution: int = NEWEST
    ) -> Settled | None:
        """Charge what was spent, release the rest.

        ``None`` when the hold was settled before (its lease ran out), belongs to a newer execution than this one, or
        cannot be settled and was put aside.
        """

        def work(connection: Connection) -> Settled | None:
            return settlement.close(connection, run_id, outcome, reason, self._clock(), execution=execution)

        with suppress(HoldUnsettled):
            return self._isolated(run_id, lambda: self.store.transact(work, durable=True))
        return None

    def suspend(self, run_id: str, execution: int, until: int) -> bool:
        """Keep the hold of a run that is suspended until it is resumed, or until a time in microseconds.

        False when there is no hold any more, or a newer execution has it. A run that is not resumed in time is settled
        by the next reaper.
        """
        return self.store.transact(lambda connection: holds.suspend(connection, run_id, execution, until), durable=True)

    def renew(self, run_id: str, *, execution: int = NEWEST) -> bool:
        """Keep a run's hold for another lease; false when it is gone, or belongs to a newer execution."""
        with self.store.write() as connection:
            return holds.renew(connection, run_id, execution, self._clock() + self.lease_us)

    def reap(self) -> int:
        """Settle every run whose lease ran out, as ``lost``; how many there were. Anyone may, at any time.

        Runs that ended while the ledger could not be written are settled first, as they ended.

        A lease that ends later than any that is given now was given by a clock that has been set back since: it gets
        one lease from now, which a run that lives renews. A suspended run that was not resumed in time is settled as
        ``cancelled``. A hold that cannot be settled is put aside: it stops nobody else.
        """
        self.end_pending()
        now = self._clock()
        latest = now + _LEASES * self.lease_us
        with self.store.read() as connection:
            leases = holds.expired_holds(connection, now, latest)
        for run_id in leases.too_long:
            with self.store.write() as connection:
                holds.shorten(connection, run_id, latest, now + self.lease_us)
        ends: dict[str, tuple[RunOutcome, str]] = dict.fromkeys(leases.dead, ("lost", "its process went away"))
        ends |= dict.fromkeys(leases.not_resumed, ("cancelled", "it was suspended and not resumed in time"))
        for run_id in leases.dead:
            if self._kept_for_batches(run_id, now):
                del ends[run_id]
        return sum(self._reap_one(run_id, *end, now) for run_id, end in ends.items())

    def _kept_for_batches(self, run_id: str, now: int) -> bool:
        """Whether a run whose lease ran out waits for batches: then its hold is kept as that of a suspended run."""
        with self.store.read() as connection:
            if not holds.open_lines(connection, run_id):
                return False

        def work(connection: Connection) -> bool:
            return holds.keep_for_batches(connection, run_id, now, _BATCHES_KEPT_US)

        return self.store.transact(work, durable=True)

    def end_pending(self) -> None:
        """Settle or suspend what ended while the ledger could not be written. Repeating it changes nothing.

        One that the ledger does not take stops nobody else.
        """
        if self.pending is None:
            return
        for path, end in self.pending.all():
            try:
                if end.outcome is None:
                    self.suspend(end.run_id, end.execution, end.kept_until)
                else:
                    self.settle(end.run_id, end.outcome, end.reason, execution=end.execution)
            except LedgerBusy:
                raise
            except LedgerError as error:
                _logger.warning("The end of run %s cannot be written: %s", end.run_id, error.message)
            else:
                self.pending.remove(path)

    def _reap_one(self, run_id: str, outcome: RunOutcome, reason: str, now: int) -> bool:
        """Whether the run's hold was there to be settled, and was."""

        def work(connection: Connection) -> Settled | None:
            return settlement.close(connection, run_id, outcome, reason, now, only_before=now)

        with suppress(HoldUnsettled):
            return self._isolated(run_id, lambda: self.store.transact(work, durable=True)) is not None
        return False

    def _isolated(self, run_id: str, transaction: Callable[[], T]) -> T:
        """Run a transaction that settles a run's hold, which is put aside if that is impossible.

        Raises:
            HoldUnsettled: it was put aside.
        """
        return settlement.isolated(self.store, run_id, transaction, self._on_unsettled)

    def _asking(self, connection: Connection, run_id: str, execution: Execution | int | None, now: int) -> int:
        """The execution that asks to be admitted; without one, a new one, which takes over what the run has held."""
        if isinstance(execution, Execution):
            if execution.is_new:
                executions.begin_first(connection, run_id)
                return execution.number
            execution = execution.number
        if execution is not None:
            executions.confirm(connection, run_id, execution)
            return execution
        number = executions.begin(connection, run_id)
        settlement.take_over(connection, run_id, now)
        return number

    # Turns and attempts ----------------------------------------------------------------------------------------------

    def begin(self, intent: Intent, execution: int = NEWEST) -> PendingWrite[list[Refusal]]:
        """Set an attempt's worst case aside and write its intent; refusals if it exceeds a budget.

        It raises ``RunExpired`` when the run's hold is gone, ``RunTakenOver`` when a newer execution has it.
        """
        soft: list[BudgetState] = []
        context = copy_context()  # so that the listener knows which run it is about

        def notify() -> None:
            for state in soft:
                context.run(self._warn, state)

        written = self.store.submit(InsertIntent(intent, soft, self._clock, execution))
        written.add_done_callback(notify)
        return written

    def end(self, intent: Intent, completion: Completion) -> PendingWrite[float]:
        """Write how an attempt ended, and charge the hold what it cost; the share of the hold that is spent now."""
        return self.store.submit(CompleteAttempt(intent, completion, self._clock))

    def record_turn(self, turn: Turn, decisions: Sequence[dict[str, Any]] = ()) -> PendingWrite[None]:
        """Write a turn down, and the guards' decisions about it as rows of ``guard_decisions``."""
        return self.store.submit(InsertTurn(turn, list(decisions)))

    # Reading ---------------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run | None:
        """The run as it was admitted."""
        with self.store.read() as connection:
            row = connection.execute(sa.select(schema.runs).where(schema.runs.c.run_id == run_id)).one_or_none()
        return None if row is None else _run(row)

    def knows(self, run_id: str) -> bool:
        """Whether there is any trace of a run: one that is not known needs no :meth:`start` before it is admitted as
        ``NEW_EXECUTION``.
        """
        with self.store.read() as connection:
            return executions.known(connection, run_id)

    def has_hold(self, run_id: str) -> bool:
        """Whether the run is held right now."""
        with self.store.read() as connection:
            return holds.exists(connection, run_id)

    def execution(self, run_id: str) -> int:
        """The number of the run's newest execution; 0 before the first."""
        with self.store.read() as connection:
            return executions.current(connection, run_id)

    def suspended(self) -> list[tuple[str, int]]:
        """The runs that are suspended, each with the execution that its hold belongs to until it is resumed."""
        with self.store.read() as connection:
            return holds.suspended(connection)

    def unsettled(self) -> list[Unsettled]:
        """The holds that were put aside, since they could not be settled."""
        with self.store.read() as connection:
            return holds.unsettled(connection)

    def newest_end(self, run_id: str) -> tuple[str, int] | None:
        """How and when the run ended last, if it did; ``lost`` where its process went away and none took over."""
        table = schema.settlements.c
        ends = sa.select(table.outcome, table.ended_at).where(
            table.run_id == run_id, table.reason.is_distinct_from(settlement.TAKEN_OVER)
        )
        with self.store.read() as connection:
            found = connection.execute(ends.order_by(table.ordinal.desc()).limit(1)).one_or_none()
        return None if found is None else (found.outcome, found.ended_at)

    def history(self, automation: str, quality: str, *, stand_in: bool, after: int = 0) -> list[PastRun]:
        """The newest ``HISTORY`` runs a quote may lean on, oldest first; only those settled ``after`` a number.

        Completed ones, and those stopped by a budget mid-run: leaving the expensive ones out would make every quote too
        low. A completed run that cost nothing counts: the next may cost nothing too. Runs answered by the sandbox only
        count for such runs.
        """
        with self.store.read() as connection:
            return self.past_runs(ask_history(connection, automation, quality, stand_in=stand_in, after=after))

    def past_runs(self, cursor: Any) -> list[PastRun]:
        """The answer to :func:`ask_history`."""
        rows = cursor.fetchall()
        try:
            return [
                PastRun(seq, run_id, score, int(spared) / point, point, _planned_calls(plan), version, ended, bool(due))
                for seq, run_id, score, spared, point, plan, version, ended, due in reversed(rows)
            ]
        except (ValueError, TypeError, LookupError):
            raise ledger_file.corrupt(self.store.place, "a value in runs.plan is damaged") from None

    def usage_of(self, run_ids: Sequence[str]) -> list[RunUsage]:
        """Per run, provider, model and service tier what was used and what it cost: what repricing needs."""
        table = schema.attempts.c
        sums = [sa.func.sum(table[name]).label(name) for name in Usage.__dataclass_fields__]
        keys = (table.run_id, table.provider, table.model, table.priced, table.service_tier)
        query = (
            sa.select(*keys, *sums, sa.func.sum(table.cost_nano).label("cost_nano"))
            .where(table.run_id.in_(run_ids), table.priced != "unbilled")
            .group_by(*keys)
        )
        with self.store.read() as connection:
            rows = [row._asdict() for row in connection.execute(query)]
        return [
            RunUsage(
                run_id=row["run_id"],
                provider=row["provider"],
                model=row["model"],
                usage=Usage(**{name: _whole(row[name]) for name in Usage.__dataclass_fields__}),
                cost_nano=int(row["cost_nano"]),
                counted=row["priced"] == "usage",
                service_tier=row["service_tier"],
            )
            for row in rows
        ]

    def runs(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs as they were admitted."""
        with self.store.read() as connection:
            rows = connection.execute(sa.select(schema.runs).where(schema.runs.c.run_id.in_(run_ids))).all()
        return [_run(row) for row in rows]

    def spent(self, run_id: str) -> Nano:
        """What the attempts of a run have cost so far, as later findings corrected them."""
        with self.store.read() as connection:
            return int(_SPENT.run(connection, {"run": run_id}).fetchone()[0])

    def remaining(self, run_id: str, operation: str = "") -> RunRemainder:
        """What a run has spent and may still spend, on an operation where it is named.

        Raises:
            LookupError: the run has no hold.
        """
        with self.store.read() as connection:
            left = holds.remaining(connection, run_id, operation)
            return RunRemainder(int(_SPENT.run(connection, {"run": run_id}).fetchone()[0]), left)

    def turns_sent(self, run_id: str) -> int:
        """How many turns of a run were sent to a model."""
        sent = sa.select(sa.func.count()).where(schema.turns.c.run_id == run_id, schema.turns.c.attempts > 0)
        with self.store.read() as connection:
            return int(connection.execute(sent).scalar_one())

    def committed(self, run_id: str) -> Nano:
        """What a run may come to have cost with what it has begun: its attempts, and what it still holds for more."""
        held = sa.select(schema.holds.c.amount_nano - schema.holds.c.used_nano).where(schema.holds.c.run_id == run_id)
        with self.store.read() as connection:
            spent = int(_SPENT.run(connection, {"run": run_id}).fetchone()[0])
            return spent + int(connection.execute(held).scalar() or 0)

    def budgets(self) -> list[BudgetState]:
        """Every budget whose window is open."""
        with self.store.read() as connection:
            return budgets.open_at(connection, self._clock())

    def close(self) -> None:
        """Finish what was submitted and close the database."""
        self.store.close()

    def _write_run(self, connection: Connection, run: Run) -> None:
        """Once: a run that Prefect retries keeps the quote that it was given first."""
        _new_run(connection.dialect.name).run(connection, as_row(run))

    def _write_refusal(
        self, connection: Connection, run: Run, refusals: Sequence[Refusal | Shortage], now: int
    ) -> None:
        why = "; ".join(refusal.explain() for refusal in refusals)
        self._write_end(connection, run, why, [r.budget.budget_id for r in refusals if isinstance(r, Refusal)], now)

    def _write_end(self, connection: Connection, run: Run, why: str, budget_ids: Sequence[str], now: int) -> None:
        """The settlement of a run that never began, and is not held."""
        next_one = sa.select(sa.func.coalesce(sa.func.max(_S.ordinal) + 1, 0)).where(_S.run_id == run.run_id)
        ordinal = connection.execute(next_one).scalar_one()
        connection.execute(
            schema.settlements.insert().values(
                run_id=run.run_id,
                ordinal=ordinal,
                automation=run.automation,
                quality=run.quality,
                stand_in=run.stand_in,
                outcome="over_budget",
                reason=f"{'stopped' if ordinal else 'refused before the run'}: {why}",
                budgets=json.dumps(list(budget_ids)),
                held_nano=0,
                spent_nano=0,
                released_nano=0,
                score=None,
                rate_version=run.rate_version,
                ended_at=now,
                charged_credits=None if run.price_credits is None else 0,
                charged_nano=None if run.price_nano is None else 0,
            )
        )


def ask_history(connection: Connection, automation: str, quality: str, *, stand_in: bool, after: int) -> Any:
    """Ask for what :meth:`Ledger.history` gives; the cursor is for :meth:`Ledger.past_runs`."""
    asked = {"automation": automation, "quality": quality, "stand_in": stand_in, "after": after}
    return _PAST.run(connection, asked)


@cache
def _new_run(dialect: str) -> PreparedStatement:
    statement = insert_into(dialect, schema.runs).on_conflict_do_nothing(index_elements=["run_id"])
    return PreparedStatement(statement, [*Run.__dataclass_fields__])


@lru_cache(maxsize=HISTORY)
def _planned_calls(plan: str) -> int:
    return sum(step["calls"] for step in json.loads(plan))


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _run(row: Row[Any]) -> Run:
    values = row._asdict()
    return Run(**{name: values[name] for name in Run.__dataclass_fields__})


def _with_raised_budgets(
    connection: Connection, wanted: dict[str, BudgetRule], approved: Approved | None, now: int, *, closed: str
) -> tuple[dict[str, BudgetRule], tuple[str, ...]]:
    """The rules that a run is held against, and the budgets that it may overdraw; ``closed`` is the id of one that may
    spend nothing more.
    """
    if closed:
        return budgets.close_run(connection, closed, wanted), tuple(wanted)
    return wanted, approvals.raise_budgets(connection, approved, wanted, now) if approved else ()
