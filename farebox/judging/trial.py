"""A judge tried on answers that people have judged: one run, quoted and held like any, one turn an answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace

from farebox.config.guard_settings import JUDGE
from farebox.declaration import Budget, DeclaredPlan, Price
from farebox.judging.answers import UNJUDGED, declared_judge, judge_answer
from farebox.judging.ask import STEP
from farebox.runs.admission import Automation, admit
from farebox.runtime import Runtime
from guardrails import Labelled
from guardrails.guards import JudgeGuard
from pricing.quotes import Plan, PlanStep
from pricing.tokens import estimate_tokens

NAME = "judge-trial"
_AT_ONCE = 8
_AROUND_TOKENS, _VERDICT_TOKENS = 350, 150
"""What the judge's prompt has around criteria, facts and answer; what its verdict takes, about."""


def try_judge(runtime: Runtime, labelled: Sequence[Labelled], place: str = "") -> list[Labelled]:
    """The answers with what the judge says of them; those it could not judge stay without.

    Args:
        runtime: of this process.
        labelled: answers.
        place: whose judge: ``""`` for the one that is declared everywhere, or ``"automation/operation"``.

    Raises:
        ConfigError: there is no judge.
        OverBudget: the run exceeds a budget.
    """
    automation, _, operation = place.partition("/")
    judge = declared_judge(runtime, automation, operation)
    read = max(
        estimate_tokens(" ".join((str(judge.criteria), _facts(judge, one), one.answer or ""))) for one in labelled
    )
    step = PlanStep(JUDGE, len(labelled), read + _AROUND_TOKENS, _VERDICT_TOKENS)
    spec = Automation(NAME, Price.parse("0 USD"), Budget(), DeclaredPlan(Plan((step,)), {JUDGE: STEP}))
    admitted = admit(runtime, spec, str(uuid.uuid4()), {})
    try:
        judged = runtime.engine.loop.run(_judged(judge, labelled, admitted.run.run_id))
    except BaseException as error:
        admitted.finish(error)
        raise
    admitted.finish(None)
    runtime.replica.sync()
    return judged


async def _judged(judge: JudgeGuard, labelled: Sequence[Labelled], run_id: str) -> list[Labelled]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(row: Labelled) -> Labelled:
        async with slots:
            try:
                verdict = await judge_answer(
                    judge, (row.answer or "",), run_id=run_id, automation=NAME, facts=row.facts
                )
            except UNJUDGED:
                return row
            return replace(row, judged=verdict.outcome)

    tasks = [asyncio.ensure_future(one(row)) for row in labelled]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # each is written down before the run is settled
        raise


def _facts(judge: JudgeGuard, row: Labelled) -> str:
    return judge.facts if row.facts is None else row.facts
