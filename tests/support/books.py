"""The books compared: the ledger with the sandbox's billing journal, with itself, and with its replica."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from farebox.runtime import Runtime
from pricing.db import schema
from pricing.ledger.ledger import Ledger
from pricing.replica.replica import Replica
from pricing.usage import Usage
from tasks.sandbox import SandboxEntry, read_journal

UNTOLD = {"timeout", "connection", "cancelled", "lost", "server_error", "invalid_output"}
"""How an attempt may end that may have been billed without a report."""


def rows(ledger: Ledger, table: sa.Table) -> list[dict[str, Any]]:
    """Every row of a table, in the order of its primary key."""
    with ledger.store.read() as connection:
        found = connection.execute(sa.select(table).order_by(*table.primary_key.columns))
        return [dict(row._mapping) for row in found]


def usage_of(attempt: dict[str, Any]) -> Usage:
    return Usage(**{name: attempt[name] for name in Usage.__dataclass_fields__})


def assert_ledger_equals_journal(runtime: Runtime, journal: Path) -> list[dict[str, Any]]:
    """Every request that the sandbox served is in the ledger once, at what the sandbox billed or at its worst case.

    Returns the attempts, each with its journal entry under ``"entry"``.
    """
    attempts = rows(runtime.ledger, schema.attempts)
    by_id = {attempt["attempt_id"]: attempt for attempt in attempts}
    assert len(by_id) == len(attempts), "an attempt is in the ledger twice"
    entries = read_journal(journal) if journal.exists() else []
    sent = Counter(entry.client_request_id for entry in entries)
    assert [request for request, times in sent.items() if times > 1] == [], "an attempt was sent twice"
    assert set(sent) - set(by_id) == set(), "the sandbox served what the ledger does not know"
    served = {entry.client_request_id: entry for entry in entries}
    adjusted = {row["attempt_id"]: row for row in rows(runtime.ledger, schema.adjustments)}
    for attempt in attempts:
        attempt["entry"] = served.get(attempt["attempt_id"])
        _assert_priced(runtime, attempt, adjusted.get(attempt["attempt_id"]))
    return attempts


def _assert_priced(runtime: Runtime, attempt: dict[str, Any], adjustment: dict[str, Any] | None) -> None:
    entry: SandboxEntry | None = attempt["entry"]
    priced, cost, told = attempt["priced"], attempt["cost_nano"], usage_of(attempt)
    if adjustment is not None:  # it was written off as lost, and came back
        assert attempt["outcome"] == "lost"
        cost, told = cost + adjustment["cost_delta_nano"], usage_of(adjustment)
        priced = "usage" if told.known else priced
    if entry is None:
        assert attempt["outcome"] in {"connection", "timeout", "lost", "cancelled"}, attempt
        assert priced != "usage"
    else:
        assert (entry.model, entry.provider, entry.target) == (attempt["model"], attempt["provider"], attempt["target"])
    billed = entry is not None and entry.billed
    if billed and entry is not None:
        bill = runtime.rates.price(attempt["model"], attempt["provider"], entry.usage, service_tier=entry.service_tier)
        assert priced != "unbilled", attempt
        assert bill <= attempt["worst_nano"], attempt
        if priced == "usage":
            assert told == entry.usage
            assert cost == bill
    if priced == "worst_case":
        assert cost == attempt["worst_nano"] > 0
        assert attempt["outcome"] in UNTOLD, attempt
    elif priced == "unbilled":
        assert cost == 0
        assert told == Usage()
    else:
        assert billed, attempt


def assert_ledger_adds_up(runtime: Runtime, *, under_way: int = 0) -> None:
    """Settlements equal the attempts of their runs, budgets equal settlements, and nothing is held any more."""
    ledger = runtime.ledger
    attempts, adjustments = rows(ledger, schema.attempts), rows(ledger, schema.adjustments)
    spent: dict[str, int] = defaultdict(int)
    for attempt in attempts:
        spent[attempt["run_id"]] += attempt["cost_nano"]
    settled: dict[str, int] = defaultdict(int)
    by_budget: dict[str, int] = defaultdict(int)
    for settlement in rows(ledger, schema.settlements):
        assert settlement["released_nano"] == settlement["held_nano"] - settlement["spent_nano"] >= 0
        settled[settlement["run_id"]] += settlement["spent_nano"]
        for budget_id in budgets_of(settlement):
            by_budget[budget_id] += settlement["spent_nano"]
    assert {run: cost for run, cost in spent.items() if cost} == {run: cost for run, cost in settled.items() if cost}
    holds = rows(ledger, schema.holds)
    assert len(holds) == under_way
    if not under_way:
        assert rows(ledger, schema.inflight) == []
        assert rows(ledger, schema.hold_budgets) == []
    late = sum(row["cost_delta_nano"] for row in adjustments)
    for budget in rows(ledger, schema.budgets):
        if not under_way:
            assert budget["held_nano"] == 0, budget
        if not late:
            assert budget["spent_nano"] == by_budget[budget["budget_id"]], budget
    sent = Counter(attempt["turn_id"] for attempt in attempts)
    for turn in rows(ledger, schema.turns):
        assert turn["attempts"] == sent[turn["turn_id"]], turn


def budgets_of(settlement: dict[str, Any]) -> list[str]:
    import json

    found: list[str] = json.loads(settlement["budgets"])
    return found


def facts(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """Every fact of the ledger, by table."""
    found = {}
    with ledger.store.read() as connection:
        for table in schema.FACTS:
            columns = [column for column in table.columns if column.name != "xid"]
            found[table.name] = [tuple(row) for row in connection.execute(sa.select(*columns).order_by(table.c.seq))]
    return found


def copied_facts(replica: Replica) -> dict[str, list[tuple[Any, ...]]]:
    """Every fact of the replica, by table, without opening a door to the ledger."""
    with replica.read() as connection:
        found = {}
        for table in schema.FACTS:
            names = ", ".join(column.name for column in table.columns if column.name != "xid")
            found[table.name] = connection.execute(f"SELECT {names} FROM {table.name} ORDER BY seq").fetchall()
        return found


def assert_replica_equals_ledger(runtime: Runtime) -> None:
    """Row by row, in every table of facts."""
    assert copied_facts(runtime.replica) == facts(runtime.ledger)
