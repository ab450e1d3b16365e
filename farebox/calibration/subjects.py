"""What is calibrated: one step of one automation, called as its flow calls it, with one target pinned."""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from farebox.automations import automation_of
from farebox.calibration.cases import Case
from farebox.calibration.results import Tried
from farebox.calibration.scoring import Scorer
from farebox.finding import automation_names, find_flow
from farebox.project import find_root
from farebox.runtime import Runtime
from pricing import schema
from pricing.errors import Blocked, NoTarget, SourceError, TurnFailed, UsageError
from tasks.llm_task import step_of
from tasks.pins import Looked, Pin, pinned
from tasks.prompts import Prompt
from tasks.route_locks import model_of
from tasks.steps import CURRENT_RUN
from tasks.targets import Target

NAME = "calibrate"
"""Of the automation that calibrates; it is not calibrated itself."""
Figures: TypeAlias = dict[str, float | bool | None]
"""What became of a case, as ``Tried`` has it."""
_OF_QUALITY = frozenset({"invalid_output", "truncated", "refusal", "content_policy"})


@dataclass(frozen=True)
class Subject:
    """A step of an automation; ``function`` is what ``@llm_task`` made of the user's."""

    automation: str
    operation: str
    function: Any
    latency: float | None = None

    @property
    def key(self) -> str:
        """As locks name it."""
        return f"{self.automation}/{self.operation}"

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @property
    def verified(self) -> bool:
        """Whether its answers have a schema, which tells a wrong one without a model."""
        return self._signature.return_annotation not in {str, inspect.Signature.empty}

    def arguments(self, case: Case) -> dict[str, Any]:
        """A case's inputs as the step takes them.

        Raises:
            SourceError: they do not fit.
        """
        try:
            self._signature.bind(**case.inputs)
            return {
                name: TypeAdapter(self._signature.parameters[name].annotation).validate_python(value)
                for name, value in case.inputs.items()
            }
        except TypeError as error:
            why = str(error)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            why = f"{error.title}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        names = ", ".join(self._signature.parameters)
        raise SourceError(
            f"Case {case.id[:60]!r} does not fit {self.operation}: {why}.", next_step=f"Its inputs are: {names}."
        )

    def plain(self, answer: Any) -> Any:
        """An answer as plain data."""
        return answer if isinstance(answer, str) else TypeAdapter(type(answer)).dump_python(answer, mode="json")

    def prompt(self, case: Case) -> Prompt:
        """What it would ask first; nothing is sent.

        Raises:
            UsageError: it asks no model.
        """
        token = CURRENT_RUN.set(NAME)
        try:
            with pinned(Pin(self.operation, None)):
                self.function(**self.arguments(case))
        except Looked as looked:
            return looked.prompt
        finally:
            CURRENT_RUN.reset(token)
        raise UsageError(f"{self.operation} asks no model.", next_step="Calibrate a step that does.")


def find_subject(name: str) -> Subject:
    """A step by its operation, or by ``automation/operation`` where several automations have one of that name.

    Raises:
        UsageError: there is none, or more than one.
    """
    wanted, _, operation = name.rpartition("/")
    found, known = [], set()
    for one in automation_names(find_root()):
        if one == NAME or wanted.replace("_", "-") not in {"", one}:
            continue
        flow = find_flow(one)
        for value in vars(importlib.import_module(flow.fn.__module__)).values():
            step = step_of(value)
            if step is not None and step.operation in automation_of(flow).plan.steps:
                known.add(step.operation)
                if step.operation == operation:
                    found.append(Subject(one, operation, value.fn, step.latency))
    if not found:
        raise UsageError(
            f"There is no operation {name[:60]!r}.", next_step=f"There are: {', '.join(sorted(known)) or 'none'}."
        )
    if len(found) > 1:
        raise UsageError(
            f"Several automations have an operation {operation!r}.",
            next_step=f"Name one: {', '.join(one.key for one in found)}.",
        )
    return found[0]


def key_of(case: Case, scorer: str, prompt: Prompt, target: Target) -> str:
    """Of a result: what was asked, of whom, and how it is scored."""
    return f"{case.digest(scorer)}:{prompt.name}@{prompt.version}:{target.name} {model_of(target)}"


def try_once(runtime: Runtime, subject: Subject, case: Case, target: Target, score: Scorer) -> Figures:
    """Ask one target about one case, in the step that is under way, and score the answer."""
    pin, arguments = Pin(subject.operation, target), subject.arguments(case)
    answered = False
    started = time.perf_counter()
    try:
        with pinned(pin):
            answer = subject.function(**arguments)
        answered = True
    except (Blocked, NoTarget, TurnFailed):
        answer = None
    seconds = time.perf_counter() - started
    cost, tokens_in, tokens_out, reasons = _spent(runtime, pin.turns)
    judged: float | None = None
    if answered:
        judged = score(subject.plain(answer), case.expected)
    elif _OF_QUALITY & reasons:
        judged = 0.0
    return {
        "score": judged,
        "cost_nano": cost,
        "seconds": seconds,
        "verified": answered if subject.verified else None,
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
    }


def _spent(runtime: Runtime, turns: Sequence[str]) -> tuple[int, int, int, set[str]]:
    attempts = schema.attempts.c
    summed = [sa.func.coalesce(sa.func.sum(c), 0) for c in (attempts.cost_nano, attempts.input_tokens)]
    summed.append(sa.func.coalesce(sa.func.sum(attempts.output_tokens), 0))
    with runtime.ledger.store.read() as connection:
        cost, tokens_in, tokens_out = connection.execute(
            sa.select(*summed).where(attempts.turn_id.in_(list(turns)))
        ).one()
        failed = connection.execute(
            sa.select(attempts.outcome, attempts.code).where(attempts.turn_id.in_(list(turns)))
        ).all()
    return int(cost), int(tokens_in), int(tokens_out), {str(word) for row in failed for word in row if word}


def mean_tokens(tried: Mapping[str, Tried]) -> dict[str, float]:
    """Tokens of a case, on average."""
    if not tried:
        return {}
    total = len(tried)
    return {
        "input": round(sum(one.input_tokens for one in tried.values()) / total, 1),
        "output": round(sum(one.output_tokens for one in tried.values()) / total, 1),
    }
