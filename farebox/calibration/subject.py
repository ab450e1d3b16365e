"""The subject of a calibration: one step of one automation, called as its flow calls it, with one target pinned."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError

from farebox.automations import automation_of
from farebox.calibration.cases import CalibrationCase
from farebox.calibration.scorers import Scorer
from farebox.discovery import automation_names, find_flow
from farebox.project import find_root
from farebox.runtime import Runtime
from pricing import Blocked, NoTarget, SourceError, TurnFailed, UsageError
from pricing.ledger import CALIBRATION, CaseScore, Ended, ends_of, paid_for
from pricing.quotes import PlanStep
from tasks import Pin, Prompt, RunContext, Step, fingerprint, step_of, use_run
from tasks.turn import BROKEN, PromptPreview, name_of, pinned

_OF_QUALITY = frozenset(
    {"invalid_output", "truncated", "unverified", "refusal", "content_policy", "context_overflow", "context_limit"}
)
"""Failures that the model caused: they count as a wrong answer. Other failures do not count."""


@dataclass(frozen=True)
class Subject:
    """A step of an automation; ``function`` is what ``@llm_task`` made of the user's function."""

    automation: str
    function: Any
    planned: PlanStep | None = None

    @property
    def step(self) -> Step:
        """The step's declaration."""
        declared: Step = self.function.farebox_step
        return declared

    @property
    def operation(self) -> str:
        """The operation that its turns are attributed to."""
        return self.step.operation

    @property
    def key(self) -> str:
        """Its name in locks: ``automation/operation``."""
        return f"{self.automation}/{self.operation}"

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @property
    def typed(self) -> bool:
        """Whether its answers have a schema."""
        return self._signature.return_annotation not in {str, inspect.Signature.empty}

    @cached_property
    def verifier(self) -> str:
        """What detects a wrong answer without a model: the schema of its type and the source of its own verifier.

        Empty if it has neither.
        """
        own = self.step.verify
        typed = [f"schema@{_digest(self._signature.return_annotation)}"] if self.typed else []
        return " ".join([*typed, *([f"{name_of(own)}@{fingerprint(own)}"] if own is not None else [])])

    @property
    def verified(self) -> bool:
        """Whether it has a verifier."""
        return bool(self.verifier)

    def call(self, case: CalibrationCase) -> Any:
        """Call it with a case's inputs."""
        answer = self.function(**self.arguments(case))
        return asyncio.run(answer) if inspect.iscoroutine(answer) else answer

    def arguments(self, case: CalibrationCase) -> dict[str, Any]:
        """The inputs of a case, as the step takes them.

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

    def prompt(self, case: CalibrationCase) -> Prompt:
        """The first prompt it would send; nothing is sent.

        Raises:
            UsageError: the step makes no model call.
        """
        try:
            with use_run(RunContext(CALIBRATION)), pinned(Pin(self.operation, None)):
                self.call(case)
        except PromptPreview as looked:
            return looked.prompt
        raise UsageError(f"{self.operation} makes no model call.", next_step="Calibrate a step that calls a model.")


def _digest(returns: Any) -> str:
    """The digest of a type's schema."""
    schema = TypeAdapter(returns).json_schema()
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:8]


def find_subject(name: str) -> Subject:
    """A step by its operation, or by ``automation/operation`` if several automations have an operation of that name.

    Raises:
        UsageError: there is no such operation, or more than one.
    """
    wanted, _, operation = name.rpartition("/")
    found, known = [], set()
    for automation in automation_names(find_root()):
        if automation == CALIBRATION or wanted.replace("_", "-") not in {"", automation}:
            continue
        flow = find_flow(automation)
        for value in vars(importlib.import_module(flow.fn.__module__)).values():
            step, plan = step_of(value), automation_of(flow).plan
            if step is not None and step.operation in plan.steps:
                known.add(step.operation)
                if step.operation == operation:
                    planned = next(one for one in plan.plan if one.operation == operation)
                    found.append(Subject(automation, value.fn, planned))
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


def try_once(  # noqa: PLR0917
    runtime: Runtime, subject: Subject, case: CalibrationCase, pin: Pin, score: Scorer, turn_ids: list[str]
) -> CaseScore:
    """Try one case on the pinned target, in the step that is running, and score the answer.

    ``turn_ids`` receives the ids of its turns, also if it raises.

    Raises:
        TurnFailed: the step's verifier is broken.
    """
    answered, answer = False, None
    started = time.perf_counter()
    try:
        with pinned(pin, turn_ids):
            answer = subject.call(case)
        answered = True
    except (Blocked, NoTarget, TurnFailed) as error:
        if error.fields.get("kind") == BROKEN:
            raise
    seconds = time.perf_counter() - started
    store = runtime.ledger.store
    tried = paid_for(store, turn_ids, pin.operation)
    judged: float | None = None
    if answered:
        judged = score(subject.plain(answer), case.expected)
    elif _wrong(ends_of(store, turn_ids)):
        judged = 0.0
    verified = answered if subject.verified else None
    return replace(tried, score=judged, seconds=seconds, verified=verified)


def _wrong(ended: Sequence[Ended]) -> bool:
    """Whether the model caused the failure of a step; true also if guards withheld its answer."""
    return any(one.reason in _OF_QUALITY or (one.outcome == "blocked" and one.attempts) for one in ended)


def mean_tokens(tried: Iterable[CaseScore]) -> dict[str, float]:
    """Mean tokens of a case, over those whose usage is known."""
    counted = used(tried)
    if not counted:
        return {}
    read, written = (round(sum(column) / len(counted), 1) for column in zip(*counted, strict=True))
    return {"input": read, "output": written}


def used(tried: Iterable[CaseScore]) -> list[tuple[int, int]]:
    """Input and output tokens of each case whose usage is known."""
    counted = ((one.input_tokens, one.output_tokens) for one in tried)
    return [(read, written) for read, written in counted if read is not None and written is not None]
