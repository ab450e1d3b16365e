"""The declared plan of an automation: which operations it calls, how often, with how many tokens.

A plan is data plus small functions of the automation's parameters; resolved for one run it is plain data, fit for the
ledger. It rests on declarations only: no model is ever asked to estimate itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeAlias

from pricing.errors import PlanError

Calls: TypeAlias = int | Callable[..., int]
"""A number of calls, or a function that takes the automation's parameters it needs, by their names."""

INPUT_HEADROOM = 4
"""How many times its declared input a call may read before it counts as off the plan, where no limit is declared."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One operation of a plan.

    ``calls``, ``input_tokens`` and ``output_tokens`` are what to expect, the last two per call. The ``max_`` values are
    limits, for the ceiling: ``max_calls`` is ``calls`` if left out, ``max_input_tokens`` is ``INPUT_HEADROOM`` times
    the input, and an answer is limited by what its target is asked for at most.

    Raises:
        PlanError: a count that is negative or no whole number, or a limit below what is expected.
    """

    operation: str
    calls: Calls
    input_tokens: int
    output_tokens: int
    max_calls: Calls | None = None
    max_input_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "input_tokens", "output_tokens", "max_calls", "max_input_tokens"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                _count(value, self.operation, name)
        if self.max_input_tokens is not None and self.max_input_tokens < self.input_tokens:
            raise PlanError(
                f"The plan of {self.operation!r} expects {self.input_tokens} input tokens per call and allows only "
                f"{self.max_input_tokens}.",
                next_step="Raise max_input_tokens or lower input_tokens.",
                operation=self.operation,
            )

    def resolve(self, parameters: Mapping[str, object]) -> ResolvedStep:
        """The step for one run's parameters."""
        calls = _evaluate(self.calls, parameters, self.operation, "calls")
        limit = calls if self.max_calls is None else _evaluate(self.max_calls, parameters, self.operation, "max_calls")
        headroom = INPUT_HEADROOM * self.input_tokens
        return ResolvedStep(
            operation=self.operation,
            calls=calls,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            max_calls=max(calls, limit),
            max_input_tokens=headroom if self.max_input_tokens is None else self.max_input_tokens,
        )


@dataclass(frozen=True, slots=True)
class ResolvedStep:
    """One operation for one run: calls, and tokens per call; ``max_`` values are limits."""

    operation: str
    calls: int
    input_tokens: int
    output_tokens: int
    max_calls: int
    max_input_tokens: int


@dataclass(frozen=True, slots=True)
class ResolvedPlan:
    """A plan for one run: plain data."""

    steps: tuple[ResolvedStep, ...]

    @property
    def max_calls(self) -> int:
        """The most turns that the run may take."""
        return sum(step.max_calls for step in self.steps)

    def to_json(self) -> list[dict[str, Any]]:
        """The plan as JSON-able data."""
        return [asdict(step) for step in self.steps]

    @classmethod
    def from_json(cls, steps: Iterable[Mapping[str, Any]]) -> Self:
        """The plan again, from ``to_json``."""
        return cls(tuple(ResolvedStep(**step) for step in steps))


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of an automation. Plans add up: ``plan(plan_step) + plan(tool_step)``."""

    steps: tuple[PlanStep, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.steps + other.steps)

    def __iter__(self) -> Iterator[PlanStep]:
        return iter(self.steps)

    def drivers(self) -> set[str]:
        """Names of the parameters that say how many calls there are."""
        counted = [function for step in self.steps for function in (step.calls, step.max_calls) if callable(function)]
        return {
            name
            for function in counted
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        }

    def check(self, parameters: Iterable[str]) -> None:
        """See, when an automation is defined, that its plan asks only for parameters that it has.

        Raises:
            PlanError: a ``calls`` function names something that the automation does not take.
        """
        names = tuple(parameters)
        for step in self.steps:
            for function in (step.calls, step.max_calls):
                if callable(function):
                    _wanted(function, names, step.operation)

    def resolve(self, parameters: Mapping[str, object]) -> ResolvedPlan:
        """The plan for one run. Each function gets exactly the parameters that it names.

        Raises:
            PlanError: a function names a parameter that is not there, or its result is no count.
        """
        return ResolvedPlan(tuple(step.resolve(parameters) for step in self.steps))


def _evaluate(calls: Calls, parameters: Mapping[str, object], operation: str, name: str) -> int:
    if not callable(calls):
        return calls
    wanted = _wanted(calls, parameters, operation)
    return _count(calls(**{key: parameters[key] for key in wanted}), operation, name)


def _wanted(function: Callable[..., int], parameters: Iterable[str], operation: str) -> list[str]:
    """Names of the parameters to call the function with."""
    names = list(parameters)
    wanted = []
    for name, parameter in inspect.signature(function).parameters.items():
        match parameter.kind:
            case parameter.VAR_KEYWORD:
                return names
            case parameter.VAR_POSITIONAL:
                continue
            case parameter.POSITIONAL_ONLY:
                fault = f"takes {name!r} by position only"
            case _ if name in names:
                wanted.append(name)
                continue
            case _ if parameter.default is not parameter.empty:
                continue
            case _:
                fault = f"asks for {name!r}, which is not a parameter of the automation"
        raise PlanError(
            f"The plan of {operation!r} {fault}.",
            next_step=f"Name one of its parameters: {', '.join(names) or 'it has none'}.",
            operation=operation,
            parameter=name,
        )
    return wanted


def _count(value: object, operation: str, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    shown = str(value) if isinstance(value, int | float) else type(value).__name__
    raise PlanError(
        f"The plan of {operation!r} needs a whole number from 0 on as {name}, not {shown}.",
        next_step=f"Give {name} as a number, or as a function of the automation's parameters that returns one.",
        operation=operation,
    )
