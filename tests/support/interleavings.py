"""Random interleavings of what processes do to runs: start, start again, kill, suspend, settle, reap, refuse, approve,
and end while the ledger cannot be written.

Every step is one call of the ledger's, and so one transaction; processes are simulated by the number of their
execution. After each interleaving every hold must be settled once, budgets must carry exactly what attempts cost,
nothing may be held, and every run must be able to start.
"""

import json
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pricing.clock import from_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import OutOfCredits, RunExpired, RunTakenOver
from pricing.ledger import credits as credit_ledger
from pricing.ledger.approvals import ApprovalDecision, ApprovalRequest, Approvals, Approved, shortfalls
from pricing.ledger.budgets import BudgetRule, Refusal
from pricing.ledger.executions import NEW_EXECUTION
from pricing.ledger.facts import Completion, Intent, Run
from pricing.ledger.ledger import Ledger
from pricing.ledger.pending_ends import PendingEnd, PendingEnds
from pricing.usage import Usage
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent

LEASE = 60
SECOND = 1_000_000
STEPS = 30
CREDITS = 5
OPERATIONS = ("summarize", "compose")


@dataclass
class Process:
    """One simulated process: an execution of a run, and the attempts it has begun. One that ``is_new`` begins when it
    asks to be admitted.
    """

    run: Run
    number: int
    held: bool = False
    is_new: bool = False
    begun: list[Intent] = field(default_factory=list)


class Interleavings:
    """Runs interleavings on one ledger, one after the other; what they did is in ``steps``."""

    def __init__(self, url: str) -> None:
        self.clock = Clock(NOON)
        self.store = Store(url)
        self._folder = tempfile.TemporaryDirectory()
        self.pending = PendingEnds(Path(self._folder.name))
        self.ledger = Ledger(self.store, lease_seconds=LEASE, clock=self.clock, pending=self.pending)
        self.approvals = Approvals(self.store, self.clock)
        self.counts: Counter[str] = Counter()
        self.steps: list[str] = []

    def run(self, seed: int) -> None:
        """One interleaving, and what must hold after it."""
        self.steps.clear()
        one = _Interleaving(self, random.Random(seed), f"s{seed}")
        try:
            for _ in range(STEPS):
                one.step()
            one.finish()
            one.check()
        except BaseException as error:
            error.add_note(f"seed {seed}: " + ", ".join(self.steps))
            raise

    def close(self) -> None:
        """Close the ledger."""
        self.store.close()
        self._folder.cleanup()


class _Interleaving:
    def __init__(self, world: Interleavings, dice: random.Random, key: str) -> None:
        self.world, self.dice, self.key = world, dice, key
        self.ledger, self.clock = world.ledger, world.clock
        shared = [
            BudgetRule("automation", key, "day", dice.randint(200, 4_000), soft=90),
            BudgetRule("org", key, "week", dice.randint(200, 6_000)),
        ]
        if dice.random() < 0.4:
            shared.append(BudgetRule("operation", f"{key}-summarize", "day", dice.randint(50, 800)))
        self.shared = shared
        self.with_wallet = dice.random() < 0.5
        if self.with_wallet:
            with world.store.write() as connection:
                credit_ledger.add(connection, f"org:{key}", CREDITS, now=self.clock.now)
        self.runs = [self._a_run(f"{key}-{name}") for name in ("a", "b")]
        self.newest: Counter[str] = Counter()
        self.admitted: Counter[str] = Counter()
        self.processes: list[Process] = []
        self.late: list[Intent] = []
        self.begun_in: dict[str, tuple[str, int]] = {}

    def _a_run(self, run_id: str) -> Run:
        sold: dict[str, Any] = {"price_credits": 2, "price_nano": 20} if self.with_wallet else {}
        return replace(a_run(held=100, automation=self.key), run_id=run_id, org_id=self.key, **sold)

    def step(self) -> None:
        """Something happens."""
        actions = {
            self.start: 5,
            self.ask: 8,
            self.begin: 12,
            self.end: 4,
            self.settle: 3,
            self.kill: 2,
            self.suspend: 1,
            self.end_unwritten: 1,
            self.renew: 1,
            self.wait: 2,
            self.reap: 1,
            self.refuse: 1,
            self.question: 1,
            self.decide: 1,
            self.come_back: 2,
        }
        action: Any = self.dice.choices(list(actions), list(actions.values()))[0]
        self.world.steps.append(action.__name__)
        self.world.counts[action.__name__] += 1
        action()

    def _any(self, *, held: bool | None = None) -> Process | None:
        chosen = [process for process in self.processes if held is None or process.held == held]
        return self.dice.choice(chosen) if chosen else None

    def _rules(self, run_id: str) -> list[BudgetRule]:
        ceiling = self.ledger.committed(run_id) + 400
        return [BudgetRule("run", run_id, "run", ceiling), *self.shared]

    def _is_newest(self, process: Process) -> bool:
        return self.newest[process.run.run_id] == process.number

    def start(self) -> None:
        """A process starts a run, whatever became of those before it."""
        run = self.dice.choices(self.runs, [4, 1])[0]
        if self.dice.random() < 0.5 and not self.ledger.knows(run.run_id):
            self.processes.append(Process(run, NEW_EXECUTION.number, is_new=True))
            return
        execution = self.ledger.start(run.run_id)
        assert execution.number > self.newest[run.run_id]
        self.newest[run.run_id] = execution.number
        self.processes.append(Process(run, execution.number, execution.resumed))

    def ask(self) -> None:
        """A process asks to be admitted, as the gate does: perhaps not for the last time."""
        if (process := self._any(held=False)) is None:
            return
        self._admit(process, replace(process.run, held_nano=self.dice.randint(1, 250)), final=self.dice.random() < 0.7)

    def _asked(self, process: Process, run: Run, **how: Any) -> list[Refusal]:
        """What is refused of a run that asks; one that is new has begun then, if nobody else has begun it before."""
        is_new, process.is_new = process.is_new, False
        begun = self.newest[run.run_id]
        try:
            execution = NEW_EXECUTION if is_new else process.number
            return self.ledger.admit(run, self._rules(run.run_id), execution=execution, **how)
        except RunTakenOver:
            assert (begun > 0) if is_new else not self._is_newest(process)
            if is_new:
                self.world.counts["begun elsewhere"] += 1
                self.processes.remove(process)
            is_new = False
            raise
        finally:
            if is_new:
                assert begun == 0
                self.newest[run.run_id] = process.number

    def _admit(self, process: Process, run: Run, **how: Any) -> None:
        try:
            refusals = self._asked(process, run, **how)
        except RunTakenOver:
            return
        except OutOfCredits:
            self.processes.remove(process)
            return
        assert self._is_newest(process)
        if not refusals:
            self.world.counts["held"] += 1
            process.held = True
            self.admitted[run.run_id] += 1
        elif how.get("final", True):
            self.processes.remove(process)

    def begin(self) -> None:
        """A process sends an attempt; one that is not the newest of its run never may."""
        if (process := self._any(held=True)) is None:
            return
        operation = f"{self.key}-{self.dice.choice(OPERATIONS)}"
        intent = replace(
            an_intent(process.run, self.dice.randint(1, 90)), operation=operation, started_at=self.clock.now
        )
        try:
            refusals = self.ledger.begin(intent, process.number).result()
        except RunTakenOver:
            assert not self._is_newest(process)
            self.world.counts["fenced"] += 1
            return
        except RunExpired:
            assert not self.ledger.has_hold(process.run.run_id)
            return
        assert self._is_newest(process), "an older execution spent"
        if not refusals:
            process.begun.append(intent)
            self.begun_in[intent.attempt_id] = process.run.run_id, self.admitted[process.run.run_id] - 1

    def end(self) -> None:
        """An attempt of a process comes back, whichever process its run belongs to meanwhile."""
        begun = [(process, intent) for process in self.processes for intent in process.begun]
        if begun:
            process, intent = self.dice.choice(begun)
            process.begun.remove(intent)
            self._end(intent)

    def come_back(self) -> None:
        """So does one whose process was taken for dead."""
        if self.late:
            self._end(self.late.pop())

    def _end(self, intent: Intent) -> None:
        cost = self.dice.randint(0, intent.worst_nano + (9 if self.dice.random() < 0.1 else 0))
        self.ledger.end(intent, Completion("ok", Usage(1, 1), cost, "usage", 1)).result()

    def settle(self) -> None:
        """A process ends its run; one that is not the newest settles nothing."""
        if (process := self._any(held=True)) is None:
            return
        outcome = self.dice.choice(["completed", "failed", "cancelled"])
        settled = self.ledger.settle(process.run.run_id, outcome, execution=process.number)  # type: ignore[arg-type]
        assert settled is None or self._is_newest(process)
        self._gone(process)

    def kill(self) -> None:
        """A process dies, and tells nobody."""
        if (process := self._any()) is not None:
            self._gone(process)

    def _gone(self, process: Process) -> None:
        self.processes.remove(process)
        self.late += process.begun

    def suspend(self) -> None:
        """A process suspends its run."""
        if (process := self._any(held=True)) is None:
            return
        run_id = process.run.run_id
        if self.ledger.suspend(run_id, process.number, self.clock.now + 5 * LEASE * SECOND):
            assert self._is_newest(process)
        self.newest[run_id] = self.ledger.execution(run_id)
        self._gone(process)

    def end_unwritten(self) -> None:
        """A process ends or suspends its run while the ledger is locked: somebody else writes it down, later."""
        if (process := self._any(held=True)) is None:
            return
        end = PendingEnd(process.run.run_id, process.number, kept_until=self.clock.now + 5 * LEASE * SECOND)
        if self.dice.random() < 0.7:
            end = replace(end, outcome=self.dice.choice(["completed", "failed", "cancelled"]), kept_until=0)
        self.world.pending.add(end)
        self._gone(process)

    def renew(self) -> None:
        """A process renews its lease."""
        if (process := self._any(held=True)) is None:
            return
        if self.ledger.renew(process.run.run_id, execution=process.number):
            assert self._is_newest(process)

    def wait(self) -> None:
        """Time passes: within leases, past them, or past the end of the budgets' windows."""
        self.clock.now += self.dice.choice([1, 30, LEASE + 1, 86_400]) * SECOND

    def reap(self) -> None:
        """Anybody reaps."""
        self.ledger.reap()

    def refuse(self) -> None:
        """A look ahead finds that a run does not fit, whatever it is doing."""
        run = self.dice.choice(self.runs)
        held = self.ledger.has_hold(run.run_id)
        assert self.ledger.refuse(run, []) != held

    def question(self) -> None:
        """Somebody is asked about a run."""
        run = replace(self.dice.choice(self.runs), held_nano=self.dice.randint(50, 2_000))
        asked = ApprovalRequest(
            run, run.held_nano // 2, {f"org:{self.key}:week:none": 1}, from_us(self.clock.now) + timedelta(hours=1)
        )
        process = self._any(held=False)
        if process is not None and process.run.run_id == run.run_id:
            try:
                found = self._asked(process, run, final=False)
            except (RunTakenOver, OutOfCredits):
                return
            if not found:
                process.held = True
                self.admitted[run.run_id] += 1
                return
            asked = replace(asked, lacking=shortfalls(found))
        self.world.approvals.ask(asked)

    def decide(self) -> None:
        """Somebody decides, or nobody does in time."""
        for run in self.runs:
            asked = self.world.approvals.open(run.run_id)
            if asked is None:
                continue
            choice = self.dice.choice(["once", "cheaper", "raise", "refuse", "nobody"])
            process = self._any(held=False)
            if choice in {"refuse", "nobody"} or process is None or process.run.run_id != run.run_id:
                self.ledger.reject(asked, ApprovalDecision("refuse", "ana") if choice == "refuse" else None)
            else:
                approved = Approved(asked, ApprovalDecision(choice, "ana", more=500 if choice == "raise" else 0))  # type: ignore[arg-type]
                self._admit(process, replace(asked.run, held_nano=approved.hold), approved=approved, final=False)

    def finish(self) -> None:
        """Every process dies, every lease ends, somebody reaps, and what was sent comes back or does not."""
        for process in list(self.processes):
            self._gone(process)
        self.clock.now += 6 * LEASE * SECOND
        self.ledger.reap()
        while self.late:
            intent = self.late.pop()
            if self.dice.random() < 0.5:
                self._end(intent)

    def check(self) -> None:
        """What must hold at the end."""
        assert self.world.pending.all() == []
        ids = [run.run_id for run in self.runs]
        for table in (schema.holds, schema.hold_budgets, schema.inflight):
            assert not self._rows(table, ids), table.name
        settlements = self._rows(schema.settlements, ids)
        by_hold: dict[tuple[str, int], list[str]] = {}
        for run_id in ids:
            mine = sorted((row for row in settlements if row["run_id"] == run_id), key=lambda row: row["ordinal"])
            assert [row["ordinal"] for row in mine] == list(range(len(mine)))
            held = [row for row in mine if row["held_nano"] > 0]
            assert len(held) == self.admitted[run_id], "a hold was settled twice, or never"
            by_hold |= {(run_id, number): json.loads(row["budgets"]) for number, row in enumerate(held)}
        cost: Counter[str] = Counter()
        spent: Counter[str] = Counter()
        operations = {}
        for attempt in self._rows(schema.attempts, ids):
            assert attempt["attempt_id"] not in operations, "an attempt is a fact twice"
            operations[attempt["attempt_id"]] = attempt["operation"]
            cost[attempt["attempt_id"]] += attempt["cost_nano"]
            spent[attempt["run_id"]] += attempt["cost_nano"]
        assert operations.keys() == self.begun_in.keys(), "an attempt is missing"
        assert +spent == +sum((Counter({row["run_id"]: row["spent_nano"]}) for row in settlements), Counter[str]())
        for late in self._rows(schema.adjustments, ids):
            self.world.counts["adjusted"] += 1
            cost[late["attempt_id"]] += late["cost_delta_nano"]
        self._check_budgets(ids, cost, operations, by_hold)
        self._check_credits()
        self._check_all_can_run()

    def _check_budgets(
        self, ids: list[str], cost: Counter[str], operations: dict[str, str], by_hold: dict[tuple[str, int], list[str]]
    ) -> None:
        """Each carries exactly what the attempts cost that were held on it."""
        expected: Counter[str] = Counter()
        for attempt_id, operation in operations.items():
            for budget_id in by_hold[self.begun_in[attempt_id]]:
                if not budget_id.startswith("operation:") or budget_id.startswith(f"operation:{operation}:"):
                    expected[budget_id] += cost[attempt_id]
        keys = [*ids, self.key, f"{self.key}-summarize"]
        with self.world.store.read() as connection:
            found = connection.execute(sa.select(schema.budgets).where(schema.budgets.c.key.in_(keys))).all()
        assert [row.budget_id for row in found if row.held_nano] == []
        assert {row.budget_id: row.spent_nano for row in found if row.spent_nano} == dict(+expected)

    def _check_credits(self) -> None:
        with self.world.store.read() as connection:
            query = sa.select(schema.grants).where(schema.grants.c.wallet_id == f"org:{self.key}")
            assert [row.held_credits for row in connection.execute(query)] == [0] * self.with_wallet

    def _check_all_can_run(self) -> None:
        """The same runs again, and one that is new."""
        for run_id in (*(run.run_id for run in self.runs), f"{self.key}-new"):
            run = replace(a_run(held=7, automation=self.key), run_id=run_id)
            execution = self.ledger.start(run_id)
            assert not execution.resumed
            assert self.ledger.admit(run, [BudgetRule("user", run_id, "day", 10)], execution=execution.number) == []
            assert self.ledger.settle(run_id, "completed", execution=execution.number) is not None

    def _rows(self, table: sa.Table, ids: list[str]) -> list[dict[str, Any]]:
        with self.world.store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.select(table).where(table.c.run_id.in_(ids)))]
