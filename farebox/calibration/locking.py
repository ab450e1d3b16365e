"""Putting a lock into routes.lock.toml, where it does not replace one that rests on more."""

from __future__ import annotations

from datetime import UTC, datetime

from farebox.calibration.lockfile import LOCK_FILE, LockedRoute, read_lock_file, write_lock
from farebox.calibration.telling import kept, sentence
from farebox.calibration.verifying import stale
from farebox.runtime import Runtime
from pricing.db import acquire_file_lock


def put_lock(runtime: Runtime, key: str, lock: LockedRoute, *, replace: bool) -> str:
    """Lock, and say what is locked: the lock that was there stays where it rests on more and still holds.

    Args:
        runtime: the project's.
        key: the step, as ``automation/operation``.
        lock: what a calibration found.
        replace: put it in the place of whatever is there.

    Raises:
        ConfigError: what is locked now cannot be read.
    """
    path, today = runtime.root / LOCK_FILE, datetime.now(UTC).date()
    runtime.home.mkdir(parents=True, exist_ok=True)
    with acquire_file_lock(runtime.home / f"{LOCK_FILE}.lock"):
        there = None if replace else read_lock_file(path).get(key)
        if there is not None and there.weight > lock.weight and not any(stale(runtime, key, there, today)):
            return kept(key, there, lock)
        write_lock(path, key, lock)
    return sentence(key, lock)
