"""Learn the weights of the injection guard: ``python -m benchmarks.train_injections [--write]``.

Logistic regression over the features of ``guardrails.guards.injection_model`` on the texts ``LEARNT`` of
``benchmarks/injections.py``, all written for this project. First it prints what five folds say: each fifth judged by
weights that the other four gave. ``--write`` then writes the weights of all of them, with a bias that makes 0 of the
score from which on a text is blocked. It takes a minute or two.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.guard_texts import clean_code, clean_prose
from benchmarks.injections import LEARNT, texts
from guardrails.guards import injection_model
from guardrails.guards.injection_signs import signs
from guardrails.guards.prompt_injection import as_shown
from guardrails.guards.topic_scope import NEGATIVES

PRIOR = {
    "rules>drop": 0.4, "instr>drop": 0.6, "prior>drop": 0.4,
    "drop>prior": 1.3, "drop>rules": 0.8, "drop>instr": 1.0, "prior+rules": 0.4, "prior+instr": 0.4, "drop>all": 0.7, "drop+all": 0.8, "drop+prior": 0.4, "^drop": 0.3, "^act": 0.5, "drop>told": 0.3, "drop>limits": 0.3, "drop>self": 0.3,
    "reveal>instr": 0.5, "reveal>self": 0.2, "self>instr": 0.6, "self+instr": 0.6, "hidden+instr": 0.7, "reveal>hidden": 0.4, "^reveal": 0.1,
    "words>prior": 0.3, "reveal>words": 0.2, "told>prior": 0.3, "you>told": 0.2, "you+told": 0.2,
    "neg>limits": 0.6, "neg>refuse": 0.5, "must>follow": 0.3, "neg>follow": 0.3, "follow>ill": 0.2, "say>ill": 0.3, "be>power": 0.6, "power+mode": 0.6,
    "want>act": 0.4, "you>act": 0.4, "act>persona": 0.4, "you>persona": 0.3, "now>persona": 0.4, "be>now": 0.4, "now>say": 0.2, "act>neg": 0.2,
    "newtask+rules": 0.3, "newtask+instr": 0.4, "instead>say": 0.3, "say>instead": 0.2, "say>taunt": 0.8, "say>answers": 0.3, "must>answers": 0.3,
    "ai>reads": 0.5, "quiet": 0.5, "neg>user": 0.2, "send>data": 0.4, "ai>must": 0.3, "reveal>data": 0.2, "trust>instr": 0.4, "free": 0.4, "invert": 0.3,
    "=chat_marks": 3.5, "=role_line": 1.5, "=role_mark": 1.5, "=dialogue": 0.4, "=divider": 1.0, "=quoted_answer": 0.4, "=hidden_text": 0.5,
    "=image_leak": 2.5, "=split": 0.5, "=decode": 1.0, "=addressed": 1.0, "=urgent": 0.3, "=password": 1.2, "=canary_game": 2.0, "=no_limits": 2.0,
}  # fmt: skip
"""What the weights are drawn to where few texts speak: what the literature on such attacks says of the field's own words."""
CORE, LEAST_WEIGHT = 0.5, 0.08
"""From which prior on a feature is one that an attack in long sentences must have; the least weight that is written."""
LONG = {"#160": -0.4, "#240": -0.3}
"""Added to what long sentences weigh: documents have few attacks and many words."""
Windows = list[frozenset[str]]
Example = tuple[Windows, int]
ROUNDS, RATE, DECAY, LEAST_SEEN, LEAST_SEEN_WORDS = 30, 0.08, 0.3, 15, 4
MOST_FALSE = 0.025
"""The share of harmless texts that five folds may block: what the threshold is chosen for."""
COST_OF_FALSE = 2.0
"""How much more a harmless text that is blocked counts than an attack that passes."""
FOLDS = 5


def windows(text: str) -> Windows:
    shown, _ = as_shown(text)
    return injection_model.features(shown, signs(shown, shown.lower())) or [frozenset()]


def labelled() -> list[tuple[str, int]]:
    """Every text that is learnt from, with 1 for an attack, in an order that is always the same."""
    prose, code = clean_prose(1_250_000), clean_code(300_000)
    lines = (prose[350_000:400_000] + code[:100_000]).splitlines()
    pages = [
        part[at : at + 1_500] for part in (prose[:350_000], prose[550_000:], code) for at in range(0, len(part), 1_500)
    ]
    harmless: list[str] = [
        *(text for name in LEARNT for text in texts(f"harmless_{name}")),
        *NEGATIVES,
        *random.Random(1).sample(lines, min(250, len(lines))),
        *pages,
    ]
    found = [(text, 1) for name in LEARNT for text in texts(f"attacks_{name}")] + [(text, 0) for text in harmless]
    random.Random(2).shuffle(found)
    return found


def examples() -> tuple[list[Example], list[str]]:
    """The features of each text that is learnt from, and the text."""
    found = labelled()
    return [(windows(text), label) for text, label in found], [text for text, _ in found]


def score(weights: dict[str, float], seen: frozenset[str]) -> float:
    return weights["bias"] + sum(weights.get(feature, 0.0) for feature in seen)


def fit(learnt: Sequence[Example]) -> dict[str, float]:
    """Weights by stochastic gradient descent with AdaGrad and weight decay; each text counts by its best window."""
    counts = Counter(feature for seen, _ in learnt for feature in frozenset().union(*seen))
    kept = {feature for feature, count in counts.items() if count >= _least_seen(feature)} | PRIOR.keys()
    rows = [([window & kept for window in seen], label) for seen, label in learnt]
    weights, squares = (
        {feature: PRIOR.get(feature, 0.0) for feature in sorted(kept)} | {"bias": -1.5},
        dict.fromkeys([*kept, "bias"], 1e-6),
    )
    chance = random.Random(3)
    for _ in range(ROUNDS):
        chance.shuffle(rows)
        for seen, label in rows:
            best = max(seen, key=lambda window: score(weights, window))
            error = label - 1 / (1 + math.exp(-score(weights, best)))
            error *= 1.0 if label else COST_OF_FALSE
            for feature in [*sorted(best), "bias"]:
                slope = error - (DECAY * (weights[feature] - PRIOR.get(feature, 0.0)) if feature != "bias" else 0.0)
                squares[feature] += slope * slope
                weights[feature] += RATE * slope / math.sqrt(squares[feature])
    return weights | {feature: weights.get(feature, 0.0) + more for feature, more in LONG.items()}


def _least_seen(feature: str) -> int:
    """How many texts must have a feature: there are far more pairs of meanings than words."""
    return LEAST_SEEN_WORDS if feature.startswith("'") else LEAST_SEEN


def out_of_fold(learnt: Sequence[Example]) -> list[float]:
    """What each text scores by weights that were learnt from the four fifths that it is not in, in order."""
    found = [0.0] * len(learnt)
    for fold in range(FOLDS):
        weights = fit([example for at, example in enumerate(learnt) if at % FOLDS != fold])
        for at in range(fold, len(learnt), FOLDS):
            found[at] = max(score(weights, window) for window in learnt[at][0])
    return found


def threshold(scores: Sequence[float], labels: Sequence[int], most: float = MOST_FALSE) -> float:
    """The score above which no more than a share of the harmless texts lie."""
    harmless = sorted((score for score, label in zip(scores, labels, strict=True) if not label), reverse=True)
    return harmless[int(most * len(harmless))]


def report(scores: Sequence[float], labels: Sequence[int]) -> None:
    """Print what five folds say at several thresholds."""
    for most in (0.01, MOST_FALSE, 0.03):
        least = threshold(scores, labels, most)
        attacks = [score > least for score, label in zip(scores, labels, strict=True) if label]
        print(f"five folds, {most:.3f} of harmless texts blocked: {sum(attacks) / len(attacks):.3f} of attacks found")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--show", action="store_true", help="print what the folds judge wrong")
    options = parser.parse_args()
    learnt, read = examples()
    labels = [label for _, label in learnt]
    print(f"{sum(labels)} attacks, {len(labels) - sum(labels)} harmless texts")
    scores = out_of_fold(learnt)
    report(scores, labels)
    least = threshold(scores, labels)
    for told, label, text in zip(scores, labels, read, strict=True) if options.show else ():
        if (told > least) != bool(label):
            print(f"{'missed' if label else 'FALSE '} {told - least:6.2f} {text[:110]!r}")
    if options.write:
        weights = fit(learnt)
        weights["bias"] -= least
        rows = [
            f"{name} {weight:.2f}{' core' if PRIOR.get(name, 0.0) >= CORE else ''}"
            for name, weight in sorted(weights.items())
            if abs(weight) >= LEAST_WEIGHT
        ]
        path = Path(injection_model.__file__).with_name("injection_weights.txt")
        path.write_text(
            "# What each feature adds to the score of a text; made by python -m benchmarks.train_injections --write\n"
            + "\n".join(rows)
            + "\n",
            encoding="utf-8",
        )
        print(f"{len(rows)} weights written")


if __name__ == "__main__":
    main()
