"""Attempts that turned out to cost what a provider's bill says: the difference is a fact, and moves their budgets."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import schema
from pricing.ledger import budgets
from pricing.money import Nano

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class BillCorrection:
    """A correction of an attempt by ``delta_nano`` nano-dollars."""

    attempt_id: str
    run_id: str
    operation: str
    delta_nano: Nano
    reason: str


def correct(connection: Connection, corrections: Sequence[BillCorrection], reconciliation_id: str, now: int) -> Nano:
    """Record the corrections, and move the budgets that the runs were settled on; returns the sum of changes in
    nano-dollars.
    """
    found = [one for one in corrections if one.delta_nano]
    if found:
        rows = [
            {
                "attempt_id": one.attempt_id,
                "run_id": one.run_id,
                "reason": one.reason,
                "cost_delta_nano": one.delta_nano,
                "recorded_at": now,
                "reconciliation_id": reconciliation_id,
            }
            for one in found
        ]
        connection.execute(schema.adjustments.insert(), rows)
        for budget_id, delta in sorted(_moved(connection, found).items()):
            budgets.move(connection, [budget_id], spent=delta)
    return sum(one.delta_nano for one in found)


def _moved(connection: Connection, corrections: Sequence[BillCorrection]) -> dict[str, Nano]:
    """The change of spend by budget. Runs that are not settled and archived runs change none."""
    by_run: dict[str, list[BillCorrection]] = defaultdict(list)
    for one in corrections:
        by_run[one.run_id].append(one)
    operations = {
        row.budget_id: row.key if row.scope == "operation" else None
        for row in connection.execute(
            sa.select(schema.budgets.c.budget_id, schema.budgets.c.scope, schema.budgets.c.key)
        )
    }
    found: dict[str, Nano] = defaultdict(int)
    settled, run_ids = schema.settlements.c, iter(by_run)
    while chunk := list(islice(run_ids, _CHUNK)):
        rows = connection.execute(
            sa.select(settled.run_id, settled.budgets)
            .where(settled.run_id.in_(chunk), settled.held_nano > 0)
            .order_by(settled.run_id, settled.ordinal)
        )
        newest = {row.run_id: json.loads(row.budgets) for row in rows}
        for run_id, carried in newest.items():
            for budget_id in carried:
                for one in by_run[run_id]:
                    if budget_id in operations and operations[budget_id] in {None, one.operation}:
                        found[budget_id] += one.delta_nano
    return found
