"""What a database says when it cannot go on, as errors of ours: one line and a next step each."""

from __future__ import annotations

import errno
import sqlite3

from pricing.errors import LedgerAway, LedgerBusy, LedgerError, LedgerUnusable

_ELSEWHERE = "Make its folder writable, or point FAREBOX_HOME at another one."
_MAKE_ROOM = "Make room on its disk and run again: what was written before is safe."
_HOLDER = "Close whatever holds it open (a database browser, a backup) and run again."
_BEYOND = "Nothing of it was written. Check the rates in farebox.toml and the plan's counts of calls and tokens."
_BY_STATE = {
    "53100": _MAKE_ROOM,
    "25006": "Point ledger_url at the server that takes writes.",
    "28P01": "Check the user and the password in ledger_url.",
    "28000": "Check the user and the password in ledger_url.",
    "3D000": "Create the database, or check ledger_url.",
}
"""Postgres' SQLSTATEs that waiting does not mend, each with what does."""
_REFUSED = ("authentication failed", "does not exist", "no password supplied")
"""What a connection that was refused for good says: there is no SQLSTATE yet."""


def locked(place: str, seconds: float) -> LedgerBusy:
    """Somebody else keeps the ledger locked."""
    return LedgerBusy(f"The ledger {place} stayed locked by another process for {seconds:g} s.", next_step=_HOLDER)


def unopened(error: OSError, place: str) -> LedgerUnusable:
    """The ledger's folder or its lock cannot be used."""
    next_step = _MAKE_ROOM if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} else _ELSEWHERE
    return LedgerUnusable(f"The ledger {place} cannot be opened ({error.strerror}).", next_step=next_step)


def beyond(place: str) -> LedgerError:
    """An amount that no run has, such as one of more than a billion dollars."""
    return LedgerError(f"The ledger {place} refused an amount that is out of bounds.", next_step=_BEYOND)


def explain(fault: BaseException, place: str, seconds: float) -> LedgerError:
    """The error of ours for one of the driver's; ``seconds`` is how long a lock was waited for."""
    cause = next(iter(str(fault).strip().splitlines()), type(fault).__name__)
    if "money out of bounds" in cause or '"money_' in cause or "bigint out of range" in cause:
        return beyond(place)
    if isinstance(fault, sqlite3.Error):
        return _of_sqlite(cause, place, seconds)
    return _of_postgres(fault, cause, place, seconds)


def _of_sqlite(cause: str, place: str, seconds: float) -> LedgerError:
    if "locked" in cause:
        return locked(place, seconds)
    if "malformed" in cause or "not a database" in cause or "disk image" in cause:
        return LedgerUnusable(
            f"The ledger {place} is corrupt ({cause}).",
            next_step="Move it aside and run again; restore it from a backup to keep its history.",
        )
    if "full" in cause:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_MAKE_ROOM)
    if "readonly" in cause or "unable to open" in cause or "disk I/O" in cause:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_ELSEWHERE)
    return LedgerError(f"The ledger {place} refused a statement ({cause}).")


def _of_postgres(fault: BaseException, cause: str, place: str, seconds: float) -> LedgerError:
    state = getattr(fault, "sqlstate", None)
    if "lock timeout" in cause:
        return locked(place, seconds)
    if state in _BY_STATE:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_BY_STATE[state])
    if any(kind.__name__ == "OperationalError" for kind in type(fault).__mro__):
        if any(words in cause for words in _REFUSED):
            return LedgerUnusable(f"The ledger {place} cannot be opened ({cause}).", next_step="Check ledger_url.")
        return LedgerAway(f"The ledger {place} cannot be reached ({cause}).", next_step="Check that its server runs.")
    return LedgerError(f"The ledger {place} refused a statement ({cause}).")
