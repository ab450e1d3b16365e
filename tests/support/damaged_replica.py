"""Damages a replica, syncs and reads it, place after place; prints a word for each: ``rebuilt`` or ``read``.

``python -m tests.support.damaged_replica FOLDER WHOLE PLACE... [--damaged]``: with ``--damaged`` the first place is
damaged already, by a process that crashed on it.
"""

import sys
from pathlib import Path

from pricing.db.database import Store
from pricing.errors import ReplicaDamaged
from pricing.ledger.ledger import Ledger
from pricing.replica.replica import Replica
from tests.support.books import copied_facts, facts


def read_or_say_why(replica: Replica, ledger: Ledger) -> ReplicaDamaged | None:
    """Check that what is read is the ledger's; or the error that says it cannot be read."""
    try:
        copied = copied_facts(replica)
    except ReplicaDamaged as error:
        return error
    assert copied == facts(ledger)
    return None


def main() -> None:
    damaged = sys.argv[-1] == "--damaged"
    folder, whole, *places = sys.argv[1 : -1 if damaged else None]
    content = Path(whole).read_bytes()
    store = Store(f"sqlite:///{Path(folder) / 'ledger.db'}")
    replica, ledger = Replica(Path(folder) / "replica.duckdb", store), Ledger(store)
    for at in map(int, places):
        if not damaged:
            replica.path.write_bytes(content[:at] + bytes(64) + b"\xff" * 64 + content[at + 128 :])
        damaged = False
        print(_outcome(replica, ledger), flush=True)
    store.close()


def _outcome(replica: Replica, ledger: Ledger) -> str:
    synced = replica.sync()
    assert synced.done
    damage = read_or_say_why(replica, ledger)
    if damage is not None:
        assert "is damaged" in damage.message
        assert "farebox sync --rebuild" in damage.next_step
        assert replica.rebuild().rows
        assert read_or_say_why(replica, ledger) is None
    return "rebuilt" if synced.rebuilt else "read"


if __name__ == "__main__":
    main()
