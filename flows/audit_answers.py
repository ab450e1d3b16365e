"""Past answers judged: a share at random and all that guards flagged. To be scheduled each day."""

from __future__ import annotations

from typing import Annotated

from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from farebox import Budget, automation, llm_task, plan
from farebox.judging import Audit, Audited, audit_answer, audit_page, due


@llm_task(operation="judge", tier="light", max_tokens=1_500)
def judge(turn: str) -> Audited:
    return audit_answer(turn)


def answers(share: float, hours: int, most: int) -> int:
    return min(len(due(share, hours)), most)


@automation(
    price="0 USD",
    budget=Budget(per_run="5 USD", per_day="20 USD"),
    plan=plan(judge, calls=answers, max_calls=lambda most: most, input_tokens=900, output_tokens=200),
)
def audit_answers(
    share: Annotated[float, Field(ge=0, le=1)] = 0.05,
    hours: Annotated[int, Field(ge=1, le=8_760)] = 168,
    most: Annotated[int, Field(ge=1, le=10_000)] = 200,
) -> Audit:
    """Judge answers that content capture kept; each is judged once.

    Args:
        share: of the answers that no guard flagged; flagged ones are all judged.
        hours: how far back to look.
        most: how many answers at most.
    """
    found = due(share, hours)
    judged = judge.map([answer.turn_id for answer in found[:most]]).result()
    audit, page = audit_page(judged, left_out=max(0, len(found) - most))
    create_markdown_artifact(page, key="answer-audit", description="Past answers, judged")
    return audit
