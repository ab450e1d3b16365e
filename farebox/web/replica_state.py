"""The state of a replica, as its files tell it: without opening them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

ReplicaState: TypeAlias = tuple[tuple[int, int, int], ...]
"""What identifies a replica's file and its log."""


def state_of(path: Path) -> ReplicaState:
    """The state of a replica's file: it changes with every sync that copies anything."""
    found = []
    for file in (path, path.with_name(path.name + ".wal")):
        try:
            status = file.stat()
        except FileNotFoundError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)
