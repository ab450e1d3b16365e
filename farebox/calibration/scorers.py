"""Scores of answers, from 0 to 1: equal to the expected answer, valid, judged, or by a user's function."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from farebox.config.guard_settings import JUDGE
from farebox.judging.answers import declared_judge, judge_answer
from farebox.judging.ask import STEP
from farebox.runtime import Runtime
from pricing import FareboxError, UsageError
from tasks import fingerprint, inside

SCORE = replace(STEP, operation="score")
"""The step in plans for the judge's scores; its turns are attributed to ``judge``, like all of the judge's."""
Scoring = Callable[[Any, Any], float]
"""Takes an answer as plain data and the expected one."""
_NEXT = "Use exact, schema, judge, or a function(answer, expected) of yours, like package.module.function."


@dataclass(frozen=True, slots=True)
class Scorer:
    """How answers are scored; ``version`` is its name and what its scores depend on. Scores of other versions do not
    count.
    """

    name: str
    version: str
    score: Scoring

    def __call__(self, answer: Any, expected: Any) -> float:
        """The score."""
        return self.score(answer, expected)


def scorer_of(runtime: Runtime, name: str, automation: str, operation: str) -> Scorer:
    """A scorer by name.

    Raises:
        UsageError: there is no scorer of that name.
        ConfigError: no judge is declared.
    """
    match name:
        case "exact":
            return Scorer(name, name, exact)
        case "schema":
            return Scorer(name, name, lambda _answer, _expected: 1.0)
        case "judge":
            return _judge(runtime, automation, operation)
        case _:
            return _dotted(name)


def exact(answer: Any, expected: Any) -> float:
    """Whether they are equal; of an object, only the expected fields are compared."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return float(all(name in answer and exact(answer[name], value) for name, value in expected.items()))
    if isinstance(expected, str) and isinstance(answer, str):
        return float(answer.strip().casefold() == expected.strip().casefold())
    return float(answer == expected)


def _judge(runtime: Runtime, automation: str, operation: str) -> Scorer:
    judge = declared_judge(runtime, automation, operation)

    def score(answer: Any, expected: Any) -> float:
        facts = None if expected is None else str(expected)
        with inside(SCORE) as place:
            judged = judge_answer(judge, (str(answer),), run_id=place.run_id, automation=automation, facts=facts)
            judgement = runtime.engine.loop.run(judged)
        return float(judgement.outcome == "pass")

    asked = hashlib.sha256(json.dumps([judge.version, judge.criteria, judge.facts], sort_keys=True).encode())
    return Scorer(JUDGE, f"{JUDGE}@{asked.hexdigest()[:8]}", score)


def _dotted(name: str) -> Scorer:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        raise UsageError(f"There is no scorer {name[:80]!r}.", next_step=_NEXT) from None

    def score(answer: Any, expected: Any) -> float:
        try:
            value = float(found(answer, expected))
        except FareboxError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises; its text may hold content
            raise UsageError(
                f"The scorer {name} raised {type(error).__name__}.",
                next_step="Fix it; cases that this version scored are tried again.",
            ) from None
        if not 0 <= value <= 1:
            raise UsageError(f"{name} gave the score {value:g}.", next_step="Give one from 0 to 1.")
        return value

    return Scorer(name, f"{name}@{fingerprint(found)}", score)
