"""Cases: inputs to try an operation on, as JSON lines of ``id``, ``inputs`` by name, and ``expected`` if known.

Collected cases also name the source of the expected answer (``expected_from``) and the run they were part of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pricing import SourceError

_NEXT = "Give a file of JSON lines as docs/calibration.md shows; `farebox cases collect` makes one of recorded runs."


class CalibrationCase(BaseModel):
    """One case. ``expected`` is compared with the answer, field by field where it is an object."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    inputs: dict[str, Any]
    expected: Any = None
    expected_from: str = ""
    run: str = ""

    def digest(self, scorer: str) -> str:
        """The digest of everything that its score depends on, except prompt and model."""
        text = json.dumps([self.inputs, self.expected, scorer], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def distinct(cases: Iterable[CalibrationCase]) -> tuple[list[CalibrationCase], list[str]]:
    """The cases without duplicates (same inputs, same expected answer), and the ids of the duplicates."""
    first: dict[str, CalibrationCase] = {}
    again = [case.id for case in cases if first.setdefault(case.digest(""), case) is not case]
    return list(first.values()), again


def read_cases(path: Path) -> list[CalibrationCase]:
    """The cases of a file, in its order.

    Raises:
        SourceError: it cannot be read, a line is not a valid case, or two cases have the same id.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SourceError(f"{path} cannot be read ({why}).", next_step=_NEXT) from None
    cases: dict[str, CalibrationCase] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            case = CalibrationCase.model_validate_json(line)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, fault["loc"])) or "the line"
            raise SourceError(
                f"{path} line {number} is not a valid case: {place}: {fault['msg']}.",
                next_step='A case is {"id": "1", "inputs": {"name": …}, "expected": …} on one line.',
            ) from None
        if case.id in cases:
            raise SourceError(
                f"{path} line {number} has the id {case.id[:60]!r} again.", next_step="Give each its own."
            )
        cases[case.id] = case
    if not cases:
        raise SourceError(f"{path} has no case.", next_step=_NEXT)
    return list(cases.values())
