"""A replica that is damaged, or has no room: it is only a copy, and says what to do."""

from pathlib import Path

import pytest

from pricing.db.database import Store
from pricing.errors import LedgerUnusable, ReplicaDamaged
from pricing.ledger.ledger import Ledger
from pricing.replica.replica import Replica
from tests.support.books import copied_facts, facts
from tests.support.disks import small_disk
from tests.support.replica import add


@pytest.fixture
def full(tmp_path: Path):
    """A replica with a few thousand rows, and its ledger."""
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    add(store, 0, 1_500)
    replica = Replica(tmp_path / "replica.duckdb", store)
    replica.sync()
    yield replica, Ledger(store)
    store.close()


def read_or_say_why(replica: Replica, ledger: Ledger) -> ReplicaDamaged | None:
    try:
        copied = copied_facts(replica)
    except ReplicaDamaged as error:
        return error
    assert copied == facts(ledger)
    return None


def test_wherever_it_is_damaged_it_is_rebuilt_or_says_so(full: tuple[Replica, Ledger]):
    """DuckDB's "corrupt block" holds the word "lock": it is not somebody who has the file open."""
    replica, ledger = full
    whole = replica.path.read_bytes()
    rebuilt = 0
    for at in range(4096, len(whole), max(4096, len(whole) // 10)):
        replica.path.write_bytes(whole[:at] + bytes(64) + b"\xff" * 64 + whole[at + 128 :])
        synced = replica.sync()
        assert synced.done
        rebuilt += synced.rebuilt
        damage = read_or_say_why(replica, ledger)
        if damage is not None:
            assert "is damaged" in damage.message
            assert "farebox sync --rebuild" in damage.next_step
            assert replica.rebuild().rows
            assert read_or_say_why(replica, ledger) is None
    assert rebuilt


def test_a_disk_without_room_for_it_keeps_what_it_has_and_says_so(full: tuple[Replica, Ledger], tmp_path: Path):
    _, ledger = full
    with small_disk(tmp_path / "disk", 8) as disk:
        small = Replica(disk.folder / "replica.duckdb", ledger.store)
        small.sync()
        before = copied_facts(small)
        disk.fill()
        add(ledger.store, 1_500, 3_000)
        with pytest.raises(LedgerUnusable) as caught:
            small.sync()
        assert "No space left on device" in caught.value.message
        assert "Make room" in caught.value.next_step
        assert "Traceback" not in str(caught.value)
        disk.make_room()
        assert copied_facts(small) == before
        assert small.sync().rows == 3_000
        assert copied_facts(small) == facts(ledger)
