"""Files of results, and what a rule has be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.sandbox.batch_rules import Damage
from tasks.sandbox.batch_store import SandboxBatch


def results_file(batch: SandboxBatch, rows: Sequence[bytes], mark: bytes) -> bytes:
    """A result file with the damage that the batch's rule asks for; ``mark`` precedes each line's id."""
    batch.reads += 1
    *before, last = rows or [b""]
    cut = last[: len(last) // 2]
    changed: dict[Damage | None, Sequence[bytes]] = {
        "garbage": [*before, b'{"custom_id": <html>502</html>'],
        "missing": before,
        "repeated": [*rows, last],
        "unknown": [*rows, last.replace(mark, mark + b"stranger-", 1)],
    }
    damage = batch.rule.damage if rows else None
    if damage == "truncated" or (damage == "truncated_once" and batch.reads == 1):
        return _written(before) + cut
    return _written(changed.get(damage, rows))


def _written(rows: Sequence[bytes]) -> bytes:
    return b"".join(row + b"\n" for row in rows)
