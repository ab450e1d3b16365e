"""Learn the weights of the injection guard over embeddings: ``python -m benchmarks.train_injection_meaning [--write]``.

Logistic regression over the passages of the same texts as ``benchmarks.train_injections``; of an attack only its most
suspicious passage is learnt. Prints what five folds say of meaning and words together, each fifth judged by weights,
of both kinds, that the other four gave. It takes some minutes and needs the extra ``embeddings``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmarks import train_injections
from benchmarks.train_injections import FOLDS, report, threshold
from guardrails.embeddings import encoded
from guardrails.guards import injection_meaning
from guardrails.guards.injection_meaning import combined, passages
from guardrails.guards.prompt_injection import as_shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guardrails.embeddings import Vectors

    Numbers: TypeAlias = NDArray[np.float64]

DECAY, ROUNDS, STEPS = 0.5, 3, 12
MOST_FALSE = 0.015
"""The share of harmless texts that meaning and words together may block; words alone suffice as well."""
_PASSAGES_THAT_COUNT = 4
"""A harmless text counts once, however long it is; a passage of a long one at least a quarter of that."""


@dataclass(frozen=True)
class Learnt:
    """A text: the vectors of its passages, and 1 for an attack."""

    vectors: Vectors
    label: int


def vectors_of(texts: Sequence[str]) -> list[Vectors]:
    """Of each text, one row per passage."""
    cut = []
    for text in texts:
        shown, _ = as_shown(text)
        cut.append([shown[start:end].strip() for start, end in passages(shown)] or [""])
    rows = encoded([passage for texts_passages in cut for passage in texts_passages])
    return list(np.split(rows, np.cumsum([len(texts_passages) for texts_passages in cut])[:-1]))


def fit(learnt: Sequence[Learnt]) -> tuple[Vectors, float]:
    """Weights and bias, by iteratively reweighted least squares."""
    attacks = [row.vectors for row in learnt if row.label]
    harmless = [row.vectors for row in learnt if not row.label]
    counts = np.concatenate([np.full(len(rows), 1 / min(len(rows), _PASSAGES_THAT_COUNT)) for rows in harmless])
    below = np.vstack(harmless)
    picked = np.vstack([rows[0] for rows in attacks])
    found = np.zeros(below.shape[1] + 1)
    for _ in range(ROUNDS):
        rows = np.vstack([picked, below]).astype(float)
        rows = np.hstack([rows, np.ones((len(rows), 1))])
        labels = np.r_[np.ones(len(picked)), np.zeros(len(below))]
        found = _regression(rows, labels, np.r_[np.ones(len(picked)), counts])
        picked = np.vstack([rows[int((rows @ found[:-1]).argmax())] for rows in attacks])
    return found[:-1].astype(np.float32), float(found[-1])


def _regression(rows: Numbers, labels: Numbers, counts: Numbers) -> Numbers:
    decay = DECAY * np.eye(rows.shape[1])
    decay[-1, -1] = 1e-6
    found = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-rows @ found))
        slope = rows.T @ (counts * (labels - likely)) - decay @ found
        bend = (rows * (counts * likely * (1 - likely) + 1e-9)[:, None]).T @ rows + decay
        found = found + np.linalg.solve(bend, slope)
    return found


def scores(weights: Vectors, bias: float, judged: Sequence[Learnt]) -> list[float]:
    return [float((row.vectors @ weights).max()) + bias for row in judged]


def out_of_fold(learnt: Sequence[Learnt], words: Sequence[float]) -> list[float]:
    """What each text scores by meaning that was learnt from the other folds, and by words.

    Args:
        words: what each scores by words that were learnt from the other folds.
    """
    found = [0.0] * len(learnt)
    for fold in range(FOLDS):
        weights, bias = fit([row for at, row in enumerate(learnt) if at % FOLDS != fold])
        judged = range(fold, len(learnt), FOLDS)
        for at, meaning in zip(judged, scores(weights, bias, [learnt[at] for at in judged]), strict=True):
            found[at] = combined(meaning, words[at])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    labelled = train_injections.labelled()
    vectors = vectors_of([text for text, _ in labelled])
    learnt = [Learnt(rows, label) for rows, (_, label) in zip(vectors, labelled, strict=True)]
    labels = [label for _, label in labelled]
    words = train_injections.out_of_fold([(train_injections.windows(text), label) for text, label in labelled])
    least_of_words = threshold(words, labels)
    judged = out_of_fold(learnt, [score - least_of_words for score in words])
    report(judged, labels)
    if options.write:
        weights, bias = fit(learnt)
        bias -= threshold(judged, labels, MOST_FALSE)
        rows = [f"{bias:.4f}", *(f"{weight:.4f}" for weight in weights)]
        path = Path(injection_meaning.__file__).with_name("injection_meaning.txt")
        path.write_text(
            "# The bias, then the weight of each number of an embedding; made by"
            " python -m benchmarks.train_injection_meaning --write\n" + "\n".join(rows) + "\n",
            encoding="utf-8",
        )
        print(f"{len(weights)} weights written")


if __name__ == "__main__":
    main()
