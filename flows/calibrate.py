"""Calibration: an operation's cases on every candidate, and the cheapest route that the evidence supports, locked."""

from __future__ import annotations

from typing import Annotated

from prefect import unmapped
from pydantic import Field

from farebox import Budget, automation, llm_task, plan
from farebox.calibration import (
    JUDGING,
    Asked,
    Chosen,
    answers,
    answers_by_target,
    calibrate_operation,
    may_go_on,
    most_answers,
    tokens_read,
    tokens_written,
    try_case,
)


@llm_task(operation="calibrate", tier="premium", max_tokens=1_024, max_turns=8)
def try_one(number: int, target: str, what: Chosen) -> object:
    return try_case(number, target, what)


@automation(
    price="0 USD",
    budget=Budget(),
    plan=plan(
        try_one,
        calls=answers,
        max_calls=most_answers,
        input_tokens=tokens_read,
        output_tokens=tokens_written,
        begins=answers_by_target,
    )
    + JUDGING,
)
def calibrate(  # noqa: PLR0917 - they are the fields of its form
    operation: str,
    cases: str,
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.03,
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95,
    scorer: str = "",
    most: Annotated[int, Field(ge=0)] = 0,
    best: str = "",
    replace: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """Try an operation on every target, and lock the cheapest that is known to be good enough.

    Args:
        operation: like classify, or daily-digest/classify.
        cases: a file of JSON lines: id, inputs by name, expected.
        margin: the mean score that a cheaper route may lose against the best.
        confidence: that none which loses more is locked.
        scorer: exact, schema, judge, or a dotted function(answer, expected); chosen by the cases if left out.
        most: cases at most; all of the file if 0.
        best: the target that others are compared with; the first premium one if left out.
        replace: lock what is found even where the lock that is there rests on more cases.
    """
    what = Chosen(operation, cases, scorer, most, best)

    def ask(asked: Asked) -> bool:
        numbers, targets = zip(*asked, strict=True)
        futures = try_one.map(numbers, targets, unmapped(what))
        return may_go_on([future.result(raise_on_failure=False) for future in futures])

    return calibrate_operation(what, margin, confidence, ask, replace=replace)
