"""Ends of runs that the ledger could not take: a file each, beside the ledger, until somebody settles them.

A run whose work is done has ended, and somebody paid for it, whether or not the ledger can be written at that moment.
Its end is kept here: the next reaper settles it with its own outcome, before anything counts as lost.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from pricing.ledger.facts import RunOutcome

_SUFFIX = ".json"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PendingEnd:
    """How one execution of a run ended; without an outcome it was suspended, until ``kept_until`` in microseconds."""

    run_id: str
    execution: int
    outcome: RunOutcome | None = None
    reason: str | None = None
    kept_until: int = 0

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> PendingEnd:
        """From plain data.

        Raises:
            ValueError: it is not a pending end.
        """
        try:
            end = cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None
        known = end.outcome is None or end.outcome in get_args(RunOutcome)
        texts = isinstance(end.run_id, str) and isinstance(end.reason, str | None)
        numbers = all(type(number) is int for number in (end.execution, end.kept_until))
        if not (known and texts and numbers):
            raise ValueError("not the end of a run")
        return end


class PendingEnds:
    """The pending ends in one folder, which is created with the first one.

    Args:
        folder: of the machine that the runs ended on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, end: PendingEnd) -> None:
        """Store an end; it survives a power cut.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{uuid4().hex}.new"
        try:
            with new.open("x", encoding="utf-8") as file:
                json.dump(asdict(end), file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.folder / f"{uuid4().hex}{_SUFFIX}")
        finally:
            new.unlink(missing_ok=True)

    def all(self) -> list[tuple[Path, PendingEnd]]:
        """The pending ends with their files, the oldest execution first; unreadable ones are logged and skipped."""
        found = []
        try:
            paths = [Path(entry.path) for entry in os.scandir(self.folder) if entry.name.endswith(_SUFFIX)]
        except FileNotFoundError:
            return []
        except OSError as error:
            _logger.warning("The ends of runs in %s cannot be read: %s.", self.folder, error.strerror)
            return []
        for path in paths:
            try:
                found.append((path, PendingEnd.read(json.loads(path.read_bytes()))))
            except FileNotFoundError:  # somebody else settled it meanwhile
                continue
            except OSError as error:
                _logger.warning("The end of a run in %s cannot be read: %s.", path, error.strerror)
            except (ValueError, RecursionError):
                _logger.warning("The file %s is not the end of a run: delete it.", path)
        return sorted(found, key=lambda one: one[1].execution)

    def remove(self, path: Path) -> None:
        """Remove an end that was settled; settling it again would change nothing."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("The end of a run in %s cannot be deleted: %s.", path, error.strerror)
