"""What an automation declares about its money: price, budget and plan."""

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
        """The price in money, where a credit is worth so much; ``None`` where nobody said what one is worth."""
        if self.credits is None:
            return self.money
        return None if credit is None else self.credits * credit

    @classmethod
    def parse(cls, text: str) -> Price:
        """The price that a text states.

        Raises:
            MoneyError: it states none.
        """
        if found := _CREDITS.fullmatch(text.strip()):
            return cls(text, int(found["number"]), None)
        try:
            return cls(text, None, parse_money(text))
        except MoneyError:
            raise MoneyError(
                f"{text[:40]!r} is no price.", next_step='Write it like "3 credits" or "0.50 USD".'
            ) from None


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits an automation sets itself, each an amount like ``"5 USD"``; what is left out is not limited."""

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
        """The rules it stands for in one run."""
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
    """A plan and, by operation, what its steps declare. Plans add up with ``+``.

    Args:
        plan: calls and costs that are expected.
        steps: what the steps declare, by operation.
        guess: of an automation without a plan, what its first run is quoted at.
    """

    plan: Plan
    steps: Mapping[str, Step]
    guess: FirstGuess | None = None

    def __add__(self, other: DeclaredPlan) -> DeclaredPlan:
        if self.guess is not None or other.guess is not None:
            raise PlanError(
                "learn(…) was added to another plan.", next_step="Keep one: learn(…) stands for all that a run costs."
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
    """What one step of an automation is expected to take.

    Args:
        step: an ``@llm_task``, an ``Agent`` for the turns in which it chooses tools, a ``@tool(cost=…)``, or the name
            of an operation that ``spend(…)`` pays for.
        calls: turns, or paid requests, per run: a number, or a function of the automation's parameters by their names.
        input_tokens: tokens read per turn: a number, a text of about that length (what the turn will read, which is
            counted offline), or a function of the automation's parameters that returns either.
        output_tokens: tokens written per turn: a number, or a function likewise.
        max_calls: the most turns a run may take of it, for the ceiling; ``calls`` × what the step allows if left out.
        images: read per turn on top of ``input_tokens``: a number (each counts at the largest size that the model
            reads), images and documents themselves (which are measured), or a function of the automation's parameters
            that returns either.
        pages: of PDFs, read per turn likewise: a number, or a function.
        begins: where turns are pinned to targets, as a calibration's are: a function that returns how many go to which.
        cost: of one paid request, such as ``"0.012 USD"``; what the ``@tool`` declares if left out.

    Raises:
        PlanError: ``step`` is none of these, or a number makes no sense.
        MoneyError: ``cost`` is no amount of money.

    Example:
        ``plan(answer, input_tokens=800, output_tokens=200) + plan("search", calls=3, cost="0.012 USD")``
    """
    if (paid := _planned_cost(step, calls, max_calls, cost)) is not None:
        if (input_tokens, output_tokens, begins, images, pages) != (None, None, None, 0, 0):
            raise PlanError(
                f"The plan of {paid.operation!r} gives tokens for a paid request that has none.",
                next_step="Leave all but calls, max_calls and cost out; plan the step that asks models separately.",
                operation=paid.operation,
            )
        return DeclaredPlan(Plan((), (paid,)), {})
    declared = _model_step(step)
    if cost is not None or input_tokens is None or output_tokens is None:
        wrong = "has a cost besides its tokens" if cost is not None else "lacks input_tokens or output_tokens"
        raise PlanError(
            f"The plan of {declared.operation!r} {wrong}.",
            next_step='Give a step its tokens per turn, and what its body pays as plan("search", cost="0.01 USD").',
            operation=declared.operation,
        )
    steps = PlanStep(
        declared.operation, calls, input_tokens, output_tokens, max_calls, begins=begins, images=images, pages=pages
    )
    return DeclaredPlan(Plan((steps,)), {declared.operation: declared})


def _model_step(step: object) -> Step:
    """The step of what asks models."""
    if isinstance(step, Agent):
        return Step(step.operation, step.tier, step.max_tokens, 1, threshold=step.threshold)
    declared = step_of(step)
    if declared is None:
        raise PlanError(
            f"plan(…) was given {_named(step)}, which is no LLM step.",
            next_step="Give it a function decorated with @llm_task or @tool(cost=…), or an Agent.",
        )
    return declared


def learn(first: str, *, most: str | None = None) -> DeclaredPlan:
    """A plan of nothing but a first guess, for an automation whose model calls nobody can plan: its first run is quoted
    at the guess, the following ones from what those before cost.

    Args:
        first: what a run may cost, such as ``"0.50 USD"``; rather too much than too little.
        most: the ceiling of a run; ten times the guess if left out. ``Budget(per_run=…)`` may be lower.

    Raises:
        MoneyError: one of them is no amount of money.
        PlanError: the guess is nothing, or above ``most``.

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
    """What is planned where ``step`` is paid for by the request; ``None`` for what asks models."""
    amount = None if cost is None else parse_money(cost)
    if (declared := tool_cost(step)) is not None and step_of(step) is None:
        return PlanCost(declared.operation, declared.cost_nano if amount is None else amount, calls, max_calls)
    if not isinstance(step, str):
        return None
    operation = read_key("operation", step)
    if amount is None:
        raise PlanError(
            f"The plan of {operation!r} does not say what one request costs.",
            next_step=f'Give it: plan({operation!r}, calls=…, cost="0.012 USD").',
            operation=operation,
        )
    return PlanCost(operation, amount, calls, max_calls)


def _named(value: Any) -> str:
    return repr(getattr(value, "__name__", type(value).__name__))
