"""How far a judge can be trusted: its verdicts beside those of people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from math import sqrt
from pathlib import Path

from pricing import UsageError
from pricing.analysis import wilson

ENOUGH = 100
_OUTCOMES = ("pass", "fail")


@dataclass(frozen=True, slots=True)
class AgreementRate:
    """``right`` of ``of``, as a share with Wilson's 95 % interval."""

    right: int
    of: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """A fail is the positive: ``tpr`` of answers that people failed, ``tnr`` of those that they passed.

    ``kappa`` is Cohen's on a balanced set (both rates together, less one): on the set as it is it would sink with the
    share of fails. Its interval combines those of the rates (Newcombe).
    """

    tpr: AgreementRate
    tnr: AgreementRate
    kappa: float
    kappa_low: float
    kappa_high: float


def measure_agreement(pairs: Counter[tuple[str, str]]) -> Agreement:
    """The agreement of ``(label, judged)`` pairs of ``pass`` and ``fail``.

    Raises:
        UsageError: one of the labels does not occur.
    """
    tpr, tnr = (_rate(pairs, label) for label in ("fail", "pass"))
    kappa = tpr.share + tnr.share - 1
    down = sqrt((tpr.share - tpr.low) ** 2 + (tnr.share - tnr.low) ** 2)
    up = sqrt((tpr.high - tpr.share) ** 2 + (tnr.high - tnr.share) ** 2)
    return Agreement(tpr, tnr, kappa, max(-1.0, kappa - down), min(1.0, kappa + up))


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer that a person judged: ``pass`` or ``fail``, what a judge said of it, and the answer if that is known.

    ``facts`` are what this answer may rely on, where they differ from one to the next.
    """

    label: str
    judged: str | None = None
    answer: str | None = field(default=None, repr=False)
    facts: str | None = field(default=None, repr=False)


def read_labels(path: Path) -> list[Labelled]:
    """A file of JSON lines, each with a person's ``label``, and the judge's ``judged`` or the ``answer`` to be judged.

    Raises:
        UsageError: it cannot be read; content is not repeated.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read ({type(error).__name__}).", next_step="Give a JSON Lines file."
        ) from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = _labelled(line)
            if row is None:
                raise UsageError(
                    f"{path}, line {number} has no label with a judged or an answer.",
                    next_step='Write {"label": "fail", "judged": "pass"}, or "answer": "…" for "judged".',
                )
            found.append(row)
    return found


def pairs_of(labelled: Iterable[Labelled]) -> Counter[tuple[str, str]]:
    """How often each pair of labels (a person's, the judge's) occurs; answers without a judgement are left out."""
    return Counter((row.label, row.judged) for row in labelled if row.judged is not None)


def as_lines(labelled: Iterable[Labelled]) -> str:
    """The labelled answers as JSON Lines, in the form that :func:`read_labels` reads."""
    rows = ({name: value for name, value in asdict(row).items() if value is not None} for row in labelled)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _labelled(line: str) -> Labelled | None:
    try:
        row = json.loads(line)
        label, judged, answer, facts = (row.get(name) for name in ("label", "judged", "answer", "facts"))
    except (ValueError, AttributeError):
        return None
    texts = all(value is None or isinstance(value, str) for value in (answer, facts))
    known = label in _OUTCOMES and (judged in _OUTCOMES or (judged is None and answer))
    return Labelled(label, judged, answer, facts) if texts and known else None


def _rate(pairs: Counter[tuple[str, str]], label: str) -> AgreementRate:
    right, of = pairs[label, label], pairs[label, "pass"] + pairs[label, "fail"]
    if not of:
        raise UsageError(f"No answer is labelled {label}.", next_step="Label about as many of each.")
    return AgreementRate(right, of, right / of, *wilson(right, of))
