"""What the turns and the paid requests of one run cost."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pricing.db import schema
from pricing.money import Nano

if TYPE_CHECKING:
    from pricing.ledger.ledger import Ledger


def turn_costs(ledger: Ledger, run_id: str) -> dict[str, list[Nano]]:
    """By operation, the cost of each turn and each tool cost of a run, in nano-dollars, all attempts together."""
    table = schema.attempts.c
    query = (
        sa.select(table.operation, sa.func.sum(table.cost_nano))
        .where(table.run_id == run_id)
        .group_by(table.operation, table.turn_id)
    )
    seen: dict[str, list[Nano]] = defaultdict(list)
    with ledger.store.read() as connection:
        for operation, cost in connection.execute(query):
            seen[operation].append(int(cost))
    return dict(seen)
