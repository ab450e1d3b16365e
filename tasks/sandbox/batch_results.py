"""Files of results, and what a rule has be wrong with them."""

from __future__ import annotations

from tasks.sandbox.batch_rules import Damage


def damaged(rows: list[bytes], damage: Damage | None, mark: bytes) -> bytes:
    """A file of results, with what a rule has be wrong with it; ``mark`` stands before a line's id."""
    if damage is not None and rows:
        last = rows[-1]
        match damage:
            case "truncated":
                return b"".join(row + b"\n" for row in rows[:-1]) + last[: len(last) // 2]
            case "garbage":
                rows = [*rows[:-1], b'{"custom_id": <html>502</html>']
            case "missing":
                rows = rows[:-1]
            case "repeated":
                rows = [*rows, last]
            case "unknown":
                rows = [*rows, last.replace(mark, mark + b"stranger-", 1)]
    return b"".join(row + b"\n" for row in rows)
