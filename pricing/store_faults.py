"""What a database says when it cannot go on, as errors of ours: one line and a next step each."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import NoResultFound

from pricing import ledger_file
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
_DAMAGE = (
    *("malformed", "not a database", "disk image", "unsupported file format", "file is encrypted"),
    *("no such table", "no such column", "already exists", "Could not decode", "datatype mismatch"),
)
"""What SQLite says of a file that is not what this version of Farebox wrote."""
_LONGEST_CAUSE = 120
_LOOK = "Run `farebox doctor`: it looks whether the ledger is whole."
_REFUSED = ("authentication failed", "does not exist", "no password supplied")
"""What a connection that was refused for good says: there is no SQLSTATE yet."""


def is_of_the_data(fault: BaseException) -> bool:
    """Whether an error is about the rows that were worked on: waiting, or another try, would not help.

    An error of the database itself (busy, away, full, corrupt) concerns every transaction, and is not.
    """
    fault = getattr(fault, "orig", None) or fault
    kinds = {kind.__name__ for kind in type(fault).__mro__}
    if kinds & {"IntegrityError", "DataError"}:
        return True
    return isinstance(fault, ValueError | LookupError | TypeError | ArithmeticError | NoResultFound)


def locked(place: str, seconds: float) -> LedgerBusy:
    """Somebody else keeps the ledger locked."""
    return LedgerBusy(f"The ledger {place} stayed locked by another process for {seconds:g} s.", next_step=_HOLDER)


def unopened(error: OSError, place: str) -> LedgerUnusable:
    """The ledger's folder or its lock cannot be used."""
    if error.errno in {errno.EISDIR, errno.EINVAL}:
        next_step = "Move it aside, or point FAREBOX_HOME at another folder."
    else:
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
    if any(words in cause for words in _DAMAGE):
        return ledger_file.corrupt(place, cause.partition(" with text ")[0][:_LONGEST_CAUSE])
    if "full" in cause:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_MAKE_ROOM)
    if "readonly" in cause or "unable to open" in cause or "disk I/O" in cause:
        return LedgerUnusable(f"The ledger {place} cannot be written ({cause}).", next_step=_ELSEWHERE)
    return LedgerError(f"The ledger {place} refused a statement ({cause}).", next_step=_LOOK)


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
    return LedgerError(f"The ledger {place} refused a statement ({cause}).", next_step=_LOOK)
