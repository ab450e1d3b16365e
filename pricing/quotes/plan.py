"""The declared plan of an automation: which operations it calls, how often, with how many tokens.

A plan is data plus small functions of the automation's parameters; resolved for one run it is plain data, fit for the
ledger. It rests on declarations only: no model is ever asked to estimate itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Self, TypeAlias

from pricing.content import DocumentPart, ImagePart, MediaPart
from pricing.errors import PlanError
from pricing.money import Nano
from pricing.records import frozen_record, record
from pricing.tokens.estimate import estimate_tokens
from pricing.tokens.media import MediaSize

Calls: TypeAlias = int | Callable[..., int]
"""A number of calls, or a function that takes the automation's parameters it needs, by their names."""

Tokens: TypeAlias = int | str | Callable[..., int | str]
"""A number of tokens, a text of as many, or a function of the automation's parameters that returns either."""
Begins: TypeAlias = Callable[..., Mapping[str, int]]
"""A function of the automation's parameters: how many turns begin at which target, by its name."""
Images: TypeAlias = int | MediaPart | Sequence[MediaPart] | Callable[..., int | MediaPart | Sequence[MediaPart]]
"""A number of images, some images and documents, or a function of the automation's parameters that returns either."""
Counter: TypeAlias = Callable[[str, str, Sequence[MediaSize]], int]
"""Counts the tokens that an operation will be billed for a text, and for images and pages of such sizes."""

_COST = "cost_nano"
"""Marks the costs of a plan in its JSON."""
INPUT_HEADROOM = 4
"""How many times its declared input a call may read before it counts as off the plan, where no limit is declared."""


@frozen_record(frozen=True, slots=True)
class PlanStep:
    """One operation of a plan.

    ``calls``, ``input_tokens`` and ``output_tokens`` are what to expect, the last two per call; input may be said by a
    text, which is counted. The ``max_`` values are limits, for the ceiling: ``max_calls`` is ``calls`` if left out,
    ``max_input_tokens`` is ``INPUT_HEADROOM`` times the input, and an answer is limited by what its target is asked for
    at most. ``images`` and ``pages`` of documents are read per call on top of ``input_tokens``: a number of images
    counts each at the largest size that its model reads, an image or a document by its own. ``begins`` is for turns
    that are sent where no routing sends them: a calibration's.

    Raises:
        PlanError: a count that is negative or no whole number, or a limit below what is expected.
    """

    operation: str
    calls: Calls
    input_tokens: Tokens
    output_tokens: Calls
    max_calls: Calls | None = None
    max_input_tokens: int | None = None
    begins: Begins | None = None
    images: Images = 0
    pages: Calls = 0

    def __post_init__(self) -> None:
        for name in ("calls", "input_tokens", "output_tokens", "max_calls", "max_input_tokens"):
            value = getattr(self, name)
            text = name == "input_tokens" and isinstance(value, str) and not value.strip().isdecimal()
            if value is not None and not callable(value) and not text:
                _count(value, self.operation, name)
        for name in ("images", "pages"):
            value = getattr(self, name)
            if not callable(value):
                _media_sizes(value if name == "images" else 0, value if name == "pages" else 0, self.operation)
        expected = self.declared_input() or 0
        if self.max_input_tokens is not None and self.max_input_tokens < expected:
            raise PlanError(
                f"The plan of {self.operation!r} expects {expected} input tokens per call and allows only "
                f"{self.max_input_tokens}.",
                next_step="Raise max_input_tokens or lower input_tokens.",
                operation=self.operation,
            )

    def functions(self) -> list[Callable[..., object]]:
        """What of it depends on the automation's parameters."""
        counted = (self.calls, self.max_calls, self.input_tokens, self.output_tokens, self.begins)
        values: tuple[object, ...] = (*counted, self.images, self.pages)
        return [value for value in values if callable(value)]

    def declared_input(self) -> int | None:
        """Its input tokens as far as they are known without parameters."""
        if callable(self.input_tokens):
            return None
        return estimate_tokens(self.input_tokens) if isinstance(self.input_tokens, str) else self.input_tokens

    def declared_output(self) -> int | None:
        """Its output tokens, likewise."""
        return None if callable(self.output_tokens) else self.output_tokens

    def resolve(self, parameters: Mapping[str, object], count: Counter | None = None) -> ResolvedStep:
        """The step for one run's parameters; texts are counted by ``count``, or as for any model."""
        calls = _count(_evaluate(self.calls, parameters, self.operation), self.operation, "calls")
        limit = calls if self.max_calls is None else _evaluate(self.max_calls, parameters, self.operation)
        read = _evaluate(self.input_tokens, parameters, self.operation)
        sizes = _media_sizes(
            _evaluate(self.images, parameters, self.operation),
            _evaluate(self.pages, parameters, self.operation),
            self.operation,
        )
        text = read if isinstance(read, str) else ""
        input_tokens = 0 if isinstance(read, str) else _count(read, self.operation, "input_tokens")
        if text or sizes:
            input_tokens += (
                estimate_tokens(text) + sum(size.expected("") for size in sizes)
                if count is None
                else count(self.operation, text, sizes)
            )
        written = _evaluate(self.output_tokens, parameters, self.operation)
        most = INPUT_HEADROOM * input_tokens if self.max_input_tokens is None else self.max_input_tokens
        return ResolvedStep(
            operation=self.operation,
            calls=calls,
            input_tokens=input_tokens,
            output_tokens=_count(written, self.operation, "output_tokens"),
            max_calls=max(calls, _count(limit, self.operation, "max_calls")),
            max_input_tokens=max(most, input_tokens),
        )


@frozen_record(frozen=True, slots=True)
class PlanCost:
    """Paid requests of a plan that are not of a model: ``calls`` of ``cost_nano`` nano-dollars each.

    ``max_calls`` is the limit, for the ceiling: ``calls`` if left out.

    Raises:
        PlanError: a count that is negative or no whole number.
    """

    operation: str
    cost_nano: Nano
    calls: Calls = 1
    max_calls: Calls | None = None

    def __post_init__(self) -> None:
        for name in ("cost_nano", "calls", "max_calls"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                _count(value, self.operation, name)

    def functions(self) -> list[Callable[..., object]]:
        """What of it depends on the automation's parameters."""
        return [value for value in (self.calls, self.max_calls) if callable(value)]

    def resolve(self, parameters: Mapping[str, object]) -> ResolvedCost:
        """The costs for one run's parameters."""
        calls = _count(_evaluate(self.calls, parameters, self.operation), self.operation, "calls")
        limit = calls if self.max_calls is None else _evaluate(self.max_calls, parameters, self.operation)
        most = max(calls, _count(limit, self.operation, "max_calls"))
        return ResolvedCost(self.operation, calls, most, self.cost_nano)


@record(frozen=True, slots=True)
class ResolvedCost:
    """Paid requests of one run that are not of a model; ``cost_nano`` is of each."""

    operation: str
    calls: int
    max_calls: int
    cost_nano: Nano

    @property
    def expected(self) -> Nano:
        """What all of them are expected to cost."""
        return self.calls * self.cost_nano


@record(frozen=True, slots=True)
class ResolvedStep:
    """One operation for one run: calls, and tokens per call; ``max_`` values are limits."""

    operation: str
    calls: int
    input_tokens: int
    output_tokens: int
    max_calls: int
    max_input_tokens: int

    def reading(self, more: int) -> ResolvedStep:
        """The step with so many more input tokens per call, at least none."""
        read = max(0, self.input_tokens + more)
        return replace(self, input_tokens=read, max_input_tokens=max(read, self.max_input_tokens + more))


@record(frozen=True, slots=True)
class ResolvedPlan:
    """A plan for one run: plain data."""

    steps: tuple[ResolvedStep, ...]
    costs: tuple[ResolvedCost, ...] = ()

    @property
    def calls(self) -> int:
        """The turns and paid requests that are expected."""
        return sum(step.calls for step in self.steps) + sum(cost.calls for cost in self.costs)

    @property
    def max_calls(self) -> int:
        """The most turns that the run may take."""
        return sum(step.max_calls for step in self.steps)

    def reading(self, more: Mapping[str, int]) -> Self:
        """The plan with so many more input tokens per call, by operation; fewer, where negative."""
        if not any(more.get(step.operation) for step in self.steps):
            return self
        return replace(self, steps=tuple(step.reading(more.get(step.operation, 0)) for step in self.steps))

    def without(self, done: Mapping[str, int]) -> Self:
        """The plan with so many fewer calls, by operation: what is left of a run that is continued.

        >>> step = ResolvedStep("read", calls=4, input_tokens=9, output_tokens=9, max_calls=6, max_input_tokens=9)
        >>> ResolvedPlan((step,)).without({"read": 3}).calls
        1
        """
        if not done:
            return self
        steps = tuple(
            replace(step, calls=max(0, step.calls - done.get(step.operation, 0)), max_calls=left)
            for step in self.steps
            for left in (max(0, step.max_calls - done.get(step.operation, 0)),)
        )
        costs = tuple(
            replace(cost, calls=max(0, cost.calls - done.get(cost.operation, 0)), max_calls=left)
            for cost in self.costs
            for left in (max(0, cost.max_calls - done.get(cost.operation, 0)),)
        )
        return replace(self, steps=steps, costs=costs)

    def to_json(self) -> list[dict[str, Any]]:
        """The plan as JSON-able data."""
        return [*map(asdict, self.steps), *map(asdict, self.costs)]

    @classmethod
    def from_json(cls, steps: Iterable[Mapping[str, Any]]) -> Self:
        """The plan again, from ``to_json``."""
        known = list(steps)
        return cls(
            tuple(ResolvedStep(**one) for one in known if _COST not in one),
            tuple(ResolvedCost(**one) for one in known if _COST in one),
        )


@frozen_record(frozen=True, slots=True)
class Plan:
    """The steps of an automation and its costs that are not tokens. Plans add up: ``plan(step) + plan(tool)``."""

    steps: tuple[PlanStep, ...] = ()
    costs: tuple[PlanCost, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.steps + other.steps, self.costs + other.costs)

    def __iter__(self) -> Iterator[PlanStep]:
        return iter(self.steps)

    def drivers(self) -> set[str]:
        """Names of the parameters that say how many calls there are."""
        parts: list[PlanStep | PlanCost] = [*self.steps, *self.costs]
        counted = [function for part in parts for function in (part.calls, part.max_calls) if callable(function)]
        return {
            name
            for function in counted
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        }

    def check(self, parameters: Iterable[str]) -> None:
        """See, when an automation is defined, that its plan asks only for parameters that it has.

        Raises:
            PlanError: a function names something that the automation does not take.
        """
        names = tuple(parameters)
        parts: list[PlanStep | PlanCost] = [*self.steps, *self.costs]
        for part in parts:
            for function in part.functions():
                _wanted(function, names, part.operation)

    def resolve(self, parameters: Mapping[str, object], count: Counter | None = None) -> ResolvedPlan:
        """The plan for one run. Each function gets exactly the parameters that it names; texts go to ``count``.

        Raises:
            PlanError: a function names a parameter that is not there, or its result is not a count.
        """
        return ResolvedPlan(
            tuple(step.resolve(parameters, count) for step in self.steps),
            tuple(cost.resolve(parameters) for cost in self.costs),
        )

    def begins(self, parameters: Mapping[str, object]) -> dict[str, Mapping[str, int]]:
        """By operation, at which targets so many turns begin, where a plan says so.

        Raises:
            PlanError: likewise.
        """
        found = {}
        for step in self.steps:
            if step.begins is not None:
                wanted = _wanted(step.begins, parameters, step.operation)
                found[step.operation] = step.begins(**{name: parameters[name] for name in wanted})
        return found


def _evaluate(value: object, parameters: Mapping[str, object], operation: str) -> object:
    if not callable(value):
        return value
    wanted = _wanted(value, parameters, operation)
    return value(**{key: parameters[key] for key in wanted})


def _wanted(function: Callable[..., object], parameters: Iterable[str], operation: str) -> list[str]:
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


def _media_sizes(images: object, pages: object, operation: str) -> tuple[MediaSize, ...]:
    """What decides the tokens of planned images and pages.

    Raises:
        PlanError: the images are neither a number nor images, or the pages no number.
    """
    given = [images] if isinstance(images, MediaPart) else images
    if isinstance(given, list | tuple) and all(isinstance(part, ImagePart | DocumentPart) for part in given):
        sizes = [MediaSize.of(part) for part in given]
    else:
        sizes = [MediaSize()] * _count(given, operation, "images")
    number = _count(pages, operation, "pages")
    return (*sizes, *([MediaSize.of_pages(number)] if number else []))


def _count(value: object, operation: str, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    text = {"input_tokens": " or a text to count", "images": " or as images"}.get(name, "")
    shown = str(value) if isinstance(value, int | float) else type(value).__name__
    raise PlanError(
        f"The plan of {operation!r} needs a whole number from 0 on as {name}, not {shown}.",
        next_step=f"Give {name} as a number{text}, or as a function of the automation's parameters that returns one.",
        operation=operation,
    )
