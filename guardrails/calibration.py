"""How far a judge can be trusted: its verdicts beside those of people."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from pricing.errors import UsageError
from pricing.reports.quote_audit import wilson

ENOUGH = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """``right`` of ``of``, as a share with Wilson's 95 % interval."""

    right: int
    of: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fail is the positive: ``tpr`` of answers that people failed, ``tnr`` of those that they passed.

    ``kappa`` is Cohen's on a balanced set (both rates together, less one): on the set as it is it would sink with the
    share of fails. Its interval combines those of the rates (Newcombe).
    """

    tpr: Rate
    tnr: Rate
    kappa: float
    kappa_low: float
    kappa_high: float


def calibrate(pairs: Counter[tuple[str, str]]) -> Calibration:
    """The agreement of ``(label, judged)`` pairs of ``pass`` and ``fail``.

    Raises:
        UsageError: one of the labels does not occur.
    """
    tpr, tnr = (_rate(pairs, label) for label in ("fail", "pass"))
    kappa = tpr.share + tnr.share - 1
    down = sqrt((tpr.share - tpr.low) ** 2 + (tnr.share - tnr.low) ** 2)
    up = sqrt((tpr.high - tpr.share) ** 2 + (tnr.high - tnr.share) ** 2)
    return Calibration(tpr, tnr, kappa, max(-1.0, kappa - down), min(1.0, kappa + up))


def read_labels(path: Path) -> Counter[tuple[str, str]]:
    """A file of JSON lines, each with what a person said (``label``) and the judge (``judged``): ``pass`` or ``fail``.

    Raises:
        UsageError: it cannot be read; content is not repeated.
    """
    pairs = Counter[tuple[str, str]]()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read ({type(error).__name__}).", next_step="Give a JSON Lines file."
        ) from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
                pair = (row["label"], row["judged"])
            except (ValueError, KeyError, TypeError):
                pair = ("", "")
            if not set(pair) <= {"pass", "fail"}:
                raise UsageError(
                    f"{path}, line {number} has no label and judged that are pass or fail.",
                    next_step='Write lines like {"label": "fail", "judged": "pass"}.',
                )
            pairs[pair] += 1
    return pairs


def _rate(pairs: Counter[tuple[str, str]], label: str) -> Rate:
    right, of = pairs[label, label], pairs[label, "pass"] + pairs[label, "fail"]
    if not of:
        raise UsageError(f"No answer is labelled {label}.", next_step="Label about as many of each.")
    return Rate(right, of, right / of, *wilson(right, of))
