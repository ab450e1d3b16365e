"""The state of what pages show: of a replica, as its files tell it without opening them, and of what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pricing.replica import Replica

ReplicaState: TypeAlias = tuple[tuple[int, int, int], ...]
"""What identifies a replica's file and its log."""
ShownState: TypeAlias = tuple[ReplicaState, frozenset[str]]
"""The state of a replica, and the runs that are suspended."""


def state_of(path: Path) -> ReplicaState:
    """The state of a replica's file, read without opening it. It changes with every sync that copies rows."""
    found = []
    for file in (path, path.with_name(path.name + ".wal")):
        try:
            status = file.stat()
        except FileNotFoundError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def shown_state(replica: Replica) -> ShownState:
    """The state of everything that pages show. It also changes when a run is suspended or resumed, which the replica
    does not record.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return state_of(replica.path), frozenset(replica.suspended())
