"""The declarations of an automation about money: price, budget and plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from pricing import MoneyError, Nano, PlanError, format_money, parse_money
from pricing.ledger import SOFT, BudgetRule, Window, read_key, soft_threshold
from pricing.quotes import Begins, Calls, FirstGuess, Images, Plan, PlanCost, PlanStep, Tokens
from tasks import Agent, Step, step_of, tool_cost

_LEARNED_MOST: Final = 10
_CREDITS = re.compile(r"(?P<number>[1-9][0-9]{0,8}) credits?")


@dataclass(frozen=True, slots=True)
class Price:
    """What a customer pays for one outcome: ``"3 credits"`` or ``"0.50 USD"``."""

    text: str
    credits: int | None
    money: Nano | None

    def worth(self, credit: Nano | None) -> Nano | None:
        """The price in nano-dollars for this value of a credit; ``None`` if the price is in credits and no value is
        set.
        """
        if self.credits is None:
            return self.money
        return None if credit is None else self.credits * credit

    @classmethod
    def parse(cls, text: str) -> Price:
        """Parse a price.

        Raises:
            MoneyError: the text is not a valid price.
        """
        if found := _CREDITS.fullmatch(text.strip()):
            return cls(text, int(found["number"]), None)
        try:
            return cls(text, None, parse_money(text))
        except MoneyError:
            raise MoneyError(
                f"{text[:40]!r} is not a valid price.", next_step='Write it like "3 credits" or "0.50 USD".'
            ) from None


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of an automation, each an amount like ``"5 USD"``; ``None`` means unlimited.

    Example:
        ``Budget(per_run="0.50 USD", per_day="5 USD")``
    """

    per_run: str | None = None
    per_day: str | None = None
    per_week: str | None = None
    per_month: str | None = None
    limits: Mapping[Window, Nano] = field(init=False, repr=False, hash=False, compare=False)

    def __post_init__(self) -> None:
        stated = {one.name.removeprefix("per_"): getattr(self, one.name) for one in fields(self) if one.init}
        limits = {window: parse_money(text) for window, text in stated.items() if text is not None}
        object.__setattr__(self, "limits", limits)

    def rules(self, automation: str, run_id: str) -> list[BudgetRule]:
        """The rules for one run."""
        return [
            BudgetRule("run", run_id, window, limit)
            if window == "run"
            else BudgetRule("automation", automation, window, limit, soft_threshold(SOFT, limit))
            for window, limit in self.limits.items()
        ]

    def __str__(self) -> str:
        return ", ".join(f"{format_money(limit)} per {window}" for window, limit in self.limits.items()) or "no limit"


@dataclass(frozen=True, slots=True)
class DeclaredPlan:
    """A plan and the declarations of its steps, by operation. Plans are combined with ``+``.

    Args:
        plan: expected calls and costs.
        steps: the declarations of steps, by operation.
        guess: for an automation without a plan, the amount its first run is quoted at.
    """

    plan: Plan
    steps: Mapping[str, Step]
    guess: FirstGuess | None = None

    def __add__(self, other: DeclaredPlan) -> DeclaredPlan:
        if self.guess is not None or other.guess is not None:
            raise PlanError(
                "learn(…) cannot be combined with another plan.",
                next_step="Keep one of them: learn(…) covers the whole cost of a run.",
            )
        for operation in self.steps.keys() & other.steps.keys():
            if self.steps[operation] != other.steps[operation]:
                raise PlanError(
                    f"The plan names the operation {operation!r} twice, with different steps.",
                    next_step="Give each step its own operation.",
                    operation=operation,
                )
        return DeclaredPlan(self.plan + other.plan, {**self.steps, **other.steps})


def plan(
    step: object,
    *,
    calls: Calls = 1,
    input_tokens: Tokens | None = None,
    output_tokens: Calls | None = None,
    max_calls: Calls | None = None,
    images: Images = 0,
    pages: Calls = 0,
    begins: Begins | None = None,
    cost: str | None = None,
) -> DeclaredPlan:
    """The expected calls of one step of an automation.

    Args:
        step: an ``@llm_task``, an ``Agent`` for the turns in which it chooses tools, a ``@tool(cost=…)``, or the name
            of an operation that ``spend(…)`` pays for.
        calls: turns, or paid requests, per run: a number, or a function of the automation's parameters by name.
        input_tokens: tokens read per turn: a number, a text of about that length (counted offline), or a function of
            the automation's parameters that returns either.
        output_tokens: tokens written per turn: a number, or a function likewise.
        max_calls: the largest number of turns in a run, for the ceiling; by default ``calls`` × the step's maximum.
        images: read per turn on top of ``input_tokens``: a number (each counts at the largest size that the model
            reads), images and documents themselves (which are measured), or a function of the automation's parameters
            that returns either.
        pages: of PDFs, read per turn likewise: a number, or a function.
        begins: for turns pinned to targets, as in a calibration: a function that returns the number per target.
        cost: of one paid request, such as ``"0.012 USD"``; by default the cost that the ``@tool`` declares.

    Raises:
        PlanError: ``step`` has another type, or a number is out of range.
        MoneyError: ``cost`` is not a valid amount.

    Example:
        ``plan(answer, input_tokens=800, output_tokens=200) + plan("search", calls=3, cost="0.012 USD")``
    """
    if (paid := _planned_cost(step, calls, max_calls, cost)) is not None:
        if (input_tokens, output_tokens, begins, images, pages) != (None, None, None, 0, 0):
            raise PlanError(
                f"The plan of {paid.operation!r} gives tokens for a paid request that has none.",
                next_step="Give only calls, max_calls and cost; plan the step that calls models separately.",
                operation=paid.operation,
            )
        return DeclaredPlan(Plan((), (paid,)), {})
    declared = _model_step(step)
    if cost is not None or input_tokens is None or output_tokens is None:
        wrong = "has a cost besides its tokens" if cost is not None else "lacks input_tokens or output_tokens"
        raise PlanError(
            f"The plan of {declared.operation!r} {wrong}.",
            next_step='Give a step its tokens per turn, and plan its paid requests as plan("search", cost="0.01 USD").',
            operation=declared.operation,
        )
    steps = PlanStep(
        declared.operation, calls, input_tokens, output_tokens, max_calls, begins=begins, images=images, pages=pages
    )
    return DeclaredPlan(Plan((steps,)), {declared.operation: declared})


def _model_step(step: object) -> Step:
    """The declaration of a step that calls models."""
    if isinstance(step, Agent):
        return Step(step.operation, step.tier, step.max_tokens, 1, threshold=step.threshold)
    declared = step_of(step)
    if declared is None:
        raise PlanError(
            f"plan(…) was given {_named(step)}, which is not an LLM step.",
            next_step="Give it a function decorated with @llm_task or @tool(cost=…), or an Agent.",
        )
    return declared


def learn(first: str, *, most: str | None = None) -> DeclaredPlan:
    """A plan that is only a first estimate, for an automation whose calls cannot be planned. Its first run is quoted at
    the estimate, later ones from the costs of earlier runs.

    Args:
        first: the cost of a run, such as ``"0.50 USD"``; rather too high than too low.
        most: the ceiling of a run; ten times ``first`` by default. ``Budget(per_run=…)`` may be lower.

    Raises:
        MoneyError: one of them is not a valid amount.
        PlanError: ``first`` is zero or above ``most``.

    Example:
        ``@automation(price="1 credit", plan=learn("0.50 USD", most="2 USD"))``
    """
    guess = parse_money(first)
    limit = guess * _LEARNED_MOST if most is None else parse_money(most)
    if guess <= 0 or limit < guess:
        raise PlanError(
            f"learn({first!r}) has {'no guess' if guess <= 0 else 'a guess above its ceiling'}.",
            next_step='Give what a run may cost, and the most: learn("0.50 USD", most="2 USD").',
        )
    return DeclaredPlan(Plan(), {}, FirstGuess(guess, limit))


def _planned_cost(step: object, calls: Calls, max_calls: Calls | None, cost: str | None) -> PlanCost | None:
    """The plan of paid requests; ``None`` for a step that calls models."""
    amount = None if cost is None else parse_money(cost)
    if (declared := tool_cost(step)) is not None and step_of(step) is None:
        return PlanCost(declared.operation, declared.cost_nano if amount is None else amount, calls, max_calls)
    if not isinstance(step, str):
        return None
    operation = read_key("operation", step)
    if amount is None:
        raise PlanError(
            f"The plan of {operation!r} does not give the cost of one request.",
            next_step=f'Give it: plan({operation!r}, calls=…, cost="0.012 USD").',
            operation=operation,
        )
    return PlanCost(operation, amount, calls, max_calls)


def _named(value: Any) -> str:
    return repr(getattr(value, "__name__", type(value).__name__))
