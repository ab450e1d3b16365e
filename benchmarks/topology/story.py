"""What happens: runs one by one, many at once, a host that dies; then the books are compared."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from benchmarks.topology import hosts as machines
from benchmarks.topology.hosts import DEPLOYMENT, LEASE_SECONDS, LOOK_AHEAD, Host
from benchmarks.topology.network import Place
from benchmarks.topology.processes import Failed, until
from benchmarks.topology.runs import Ran, all_ended, look, trigger
from benchmarks.topology.servers import Centre
from farebox.config.settings import load_settings
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.db.database import Store
from pricing.money import USD, format_money
from tests.support.aftermath import examine
from tests.support.books import assert_replica_equals_ledger

TARGET = "haiku"
"""The first of the light route: it fails in the middle of the runs."""
AMPLE, TIGHT = "acme", "tight"
"""Two organisations; the budget of the second covers only some of its runs."""
_SEEN_US = 1_000_000
_LONG, _STARTING = 420.0, 90.0


@dataclass
class Load:
    """What a stretch of time cost: CPU seconds by part, transactions by database."""

    seconds: float
    cpu: dict[str, float]
    transactions: dict[str, int]


@dataclass
class Findings:
    """Everything that came of it."""

    alone: list[Ran] = field(default_factory=list)
    at_once: list[Ran] = field(default_factory=list)
    after: list[Ran] = field(default_factory=list)
    load: Load = field(default_factory=lambda: Load(0.0, {}, {}))
    checks: list[tuple[str, bool, str]] = field(default_factory=list)

    def check(self, what: str, holds: object, findings: str) -> None:
        self.checks.append((what, bool(holds), findings))


@dataclass
class Stage:
    """The running set-up: the servers, the hosts with their workers, and the host with the replica."""

    centre: Centre
    hosts: list[Host]
    reports: Host
    store: Store
    findings: Findings = field(default_factory=Findings)


def set_up(stack: ExitStack, folder: Path, centre: Centre, places: list[Place], *, limit: int) -> Stage:
    """Hosts with workers, deployments made from one of them; a syncer at the first place."""
    here, *there = places
    made = [machines.host(folder, place, centre, number) for number, place in enumerate(there)]
    reports = machines.host(folder, Place("reports", here.address), centre, 0)
    made[0].farebox("deploy")
    workers = [host.work(stack, limit) for host in made]
    syncer = reports.sync(stack)
    machines.online(centre, {host.name for host in made})
    for part in (*workers, syncer):
        if part.ended():
            raise Failed(f"{part.name} ended: {part.said()[-800:]}")
    store = Store(centre.ledger.url(""))
    stack.callback(store.close)
    return Stage(centre, made, reports, store)


def alone(stage: Stage, count: int) -> None:
    """Runs one after the other: what one costs when nothing else waits."""
    for _ in range(count):
        [ran] = all_ended(stage.centre, [trigger(stage.centre, DEPLOYMENT, org=AMPLE)], stage.hosts, _LONG)
        stage.findings.alone.append(ran)


def all_at_once(stage: Stage, count: int) -> None:
    """Many at once for two organisations, one of them nearly out of money; meanwhile the first target fails."""
    centre, findings = stage.centre, stage.findings
    limit = _limit_for(stage, max(2, count // 6))
    started, before = time.monotonic(), _burnt(stage)
    worked = {database.name: database.transactions() for database in (centre.prefect, centre.ledger)}
    with _watching(stage) as over:
        ids = [trigger(centre, DEPLOYMENT, org=(AMPLE, TIGHT)[number % 2]) for number in range(count)]
        until("third of the runs", lambda: _ended(stage, ids) >= count // 3, _LONG)
        _faults(centre, [{"kind": "503", "target": TARGET}])
        findings.at_once = all_ended(centre, ids, stage.hosts, _LONG)
    findings.load = Load(
        time.monotonic() - started,
        {name: burnt - before[name] for name, burnt in _burnt(stage).items()},
        {db.name: db.transactions() - worked[db.name] for db in (centre.prefect, centre.ledger)},
    )
    _faults(centre, [])
    tight = [ran for number, ran in enumerate(findings.at_once) if number % 2]
    done, refused = _named(tight, "Completed"), _named(tight, "OverBudget")
    names = f"{len({ran.host for ran in done})} hosts"
    said = f"{len(done)} ran on {names}, {len(refused)} refused; limit {format_money(limit)}, over it {len(over)} ×"
    findings.check("budget that hosts share was never overspent", not over and done and refused, said)
    states = {ran.state for ran in findings.at_once}
    findings.check("every run ended", states <= {"Completed", "OverBudget"}, ", ".join(sorted(states)))
    _circuit(stage)


def a_host_dies(stage: Stage) -> None:
    """One is killed with all its processes in the middle of a run; the look-ahead of another tells Prefect."""
    centre, findings, killed_host = stage.centre, stage.findings, stage.hosts[-1]
    before = set(killed_host.began())
    ids = [trigger(centre, DEPLOYMENT, org=AMPLE, notes=12) for _ in range(2 * len(stage.hosts))]
    [lost, *_] = until("attempt on the wire there", lambda: _sending(stage, set(killed_host.began()) - before), _LONG)
    killed_host.die()
    killed = time.monotonic()
    while left := [run for run in look(centre, ids, stage.hosts) if run.ended is None]:
        since = time.monotonic() - killed
        if since > _STARTING and all(run.never_started for run in left):
            break  # the worker that took them is gone; the look-ahead waits longer before it ends these
        if since > _LONG:
            raise Failed("runs of the host that was killed never ended")
        time.sleep(LEASE_SECONDS)
        all_ended(centre, [trigger(centre, LOOK_AHEAD)], stage.hosts, _LONG)
    findings.after = look(centre, ids, stage.hosts)
    [dead] = [run for run in findings.after if run.run_id == lost]
    outcomes = {row["run_id"]: row["outcome"] for row in _rows(stage, schema.settlements)}
    unstarted = {run.run_id for run in findings.after if run.never_started}
    ended = ", ".join(f"{count} {state}" for state, count in Counter(run.state for run in findings.after).items())
    findings.check(
        "a host killed: its run is settled, the others do the rest",
        outcomes[lost] == "lost" and dead.state == "Crashed" and not unstarted & set(outcomes),
        f"{ended}, {time.monotonic() - killed:.0f} s later",
    )


def compare(stage: Stage) -> None:
    """Ledger, billing journal, the syncer's replica and one that is rebuilt."""
    findings, settings = stage.findings, load_settings(stage.reports.project)
    settings = settings.model_copy(update={"home": stage.reports.home, "ledger_url": stage.centre.ledger.url("")})
    runtime = Runtime(settings, stage.reports.project)
    try:
        runtime.ledger.reap()
        time.sleep(3)  # the syncer looks every second
        _try(findings, "replica of the one syncer equals the ledger", lambda: assert_replica_equals_ledger(runtime))
        _try(findings, "ledger equals the billing journal; replica equals one rebuilt", lambda: _books(stage, runtime))
    finally:
        runtime.close()


def _books(stage: Stage, runtime: Runtime) -> str:
    found = examine(runtime, stage.centre.journal)
    return (
        f"{found.runs} runs, {found.attempts} attempts, {found.served} requests served, "
        f"{found.lost_attempts} in flight at the kill ({found.billed_and_lost} billed), {found.rows} rows"
    )


def _try(findings: Findings, what: str, compared: Callable[[], str | None]) -> None:
    try:
        findings.check(what, True, compared() or "row by row")
    except AssertionError as error:
        findings.check(what, False, str(error)[:300])


def _circuit(stage: Stage) -> None:
    """Nobody goes to a target a second after somebody else found it down."""
    events = [row for row in _rows(stage, schema.circuit_events) if row["target"] == TARGET]
    if not events:
        stage.findings.check("circuit is shared by hosts", False, "it never opened")
        return
    opened = min(int(row["happened_at"]) for row in events)
    of = {run_id: host.name for host in stage.hosts for run_id in host.began()}
    since = [row for row in _rows(stage, schema.attempts) if row["started_at"] > opened + _SEEN_US]
    late = [row for row in since if row["target"] == TARGET]
    names = sorted({of[row["run_id"]] for row in since if row["run_id"] in of})
    tried = sum(row["target"] == TARGET and row["outcome"] != "ok" for row in _rows(stage, schema.attempts))
    said = f"{tried} attempts met it, {len(late)} of them later than a second; {len(since)} on {len(names)} hosts since"
    stage.findings.check("circuit is shared by hosts", not late and len(names) > 1, said)


@contextmanager
def _watching(stage: Stage) -> Iterator[list[int]]:
    """How far a budget of an organisation was over its limit, whenever it was seen to be."""
    over: list[int] = []
    ended = threading.Event()

    def look_often() -> None:
        while not ended.wait(0.1):
            budgets = [row for row in _rows(stage, schema.budgets) if row["scope"] == "org"]
            beyond = [row["spent_nano"] + row["held_nano"] - row["limit_nano"] for row in budgets]
            over.extend(nano for nano in beyond if nano > 0)

    watcher = threading.Thread(target=look_often)
    watcher.start()
    try:
        yield over
    finally:
        ended.set()
        watcher.join()


def _burnt(stage: Stage) -> dict[str, float]:
    centre = stage.centre
    workers = [host.worker for host in stage.hosts if host.worker is not None]
    own = sum(worker.own_cpu() for worker in workers)
    return {
        "processes of runs": sum(worker.cpu() for worker in workers) - own,
        "workers": own,
        "Prefect's API servers": sum(api.cpu() for api in centre.apis),
        "Prefect's services": centre.services.cpu(),
        "Prefect's Postgres": centre.prefect.cpu(),
        "Redis": centre.redis.cpu(),
        "the ledger's Postgres": centre.ledger.cpu(),
        "sandbox provider": centre.sandbox.cpu(),
    }


def _limit_for(stage: Stage, runs: int) -> int:
    """Give the second organisation a budget for so many runs more, on the cheapest route; the limit.

    What such a run holds and spends is learned from one that nothing else fits.
    """
    newest = max(_rows(stage, schema.runs), key=lambda row: row["started_at"])  # holds shrink as runs teach
    _limit(stage, int(newest["held_nano"]) // 2)
    first = trigger(stage.centre, DEPLOYMENT, org=TIGHT)
    all_ended(stage.centre, [first], stage.hosts, _LONG)
    [held] = [int(row["held_nano"]) for row in _rows(stage, schema.runs) if row["run_id"] == first]
    [spent] = [int(row["spent_nano"]) for row in _rows(stage, schema.settlements) if row["run_id"] == first]
    limit = spent + held + (2 * runs - 1) * spent // 2
    _limit(stage, limit)
    return limit


def _limit(stage: Stage, nano: int) -> None:
    stage.hosts[0].farebox("budgets", "set", "org", TIGHT, "day", f"{Decimal(nano) / USD} USD")


def _ended(stage: Stage, ids: list[str]) -> int:
    return sum(run.ended is not None for run in look(stage.centre, ids, stage.hosts))


def _sending(stage: Stage, runs: set[str]) -> list[str]:
    return [row["run_id"] for row in _rows(stage, schema.inflight) if row["run_id"] in runs]


def _named(ran: list[Ran], state: str) -> list[Ran]:
    return [run for run in ran if run.state == state]


def _faults(centre: Centre, rules: list[dict[str, str]]) -> None:
    httpx.post(f"{centre.sandbox_url}/_sandbox/faults", json=rules).raise_for_status()


def _rows(stage: Stage, table: sa.Table) -> list[dict[str, Any]]:
    with stage.store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(table))]
