"""Scores of answers, from 0 to 1: equal to what is expected, valid at all, judged, or as a user's function says."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from farebox.guarding import JUDGE
from farebox.runtime import Runtime
from guardrails.verdicts import Exchange
from pricing.errors import ConfigError, UsageError
from tasks.steps import here

Scorer = Callable[[Any, Any], float]
"""Of an answer as plain data, and what was expected."""
_NEXT = "Use exact, schema, judge, or a function(answer, expected) of yours, like package.module.function."


def scorer_of(runtime: Runtime, name: str, automation: str, operation: str) -> Scorer:
    """A scorer by name.

    Raises:
        UsageError: there is none of that name.
        ConfigError: no judge is declared.
    """
    match name:
        case "exact":
            return exact
        case "schema":
            return lambda _answer, _expected: 1.0
        case "judge":
            return _judge(runtime, automation, operation)
        case _:
            return _dotted(name)


def exact(answer: Any, expected: Any) -> float:
    """Whether they are equal; of an object, the fields that are expected."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return float(all(name in answer and exact(answer[name], value) for name, value in expected.items()))
    if isinstance(expected, str) and isinstance(answer, str):
        return float(answer.strip().casefold() == expected.strip().casefold())
    return float(answer == expected)


def _judge(runtime: Runtime, automation: str, operation: str) -> Scorer:
    judge = runtime.guards.judge(automation, operation)
    if judge is None:
        raise ConfigError("No judge is declared.", next_step="Declare [guards.judge] with criteria in farebox.toml.")

    def score(answer: Any, expected: Any) -> float:
        facts = judge.facts if expected is None else str(expected)
        exchange = Exchange("output", JUDGE, automation, here().run_id, (str(answer),))
        told = runtime.engine.loop.run(replace(judge, facts=facts).judged(exchange))
        return 0.0 if told.value else 1.0

    return score


def _dotted(name: str) -> Scorer:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        raise UsageError(f"There is no scorer {name[:80]!r}.", next_step=_NEXT) from None

    def score(answer: Any, expected: Any) -> float:
        told = float(found(answer, expected))
        if not 0 <= told <= 1:
            raise UsageError(f"{name} gave the score {told:g}.", next_step="Give one from 0 to 1.")
        return told

    return score
