"""One answer before the judge: what audits, trials of a judge and scores of calibrations have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from farebox.config.guard_settings import JUDGE
from farebox.runtime import Runtime
from guardrails import GuardInput
from guardrails.guards import JudgeGuard
from pricing import Blocked, ConfigError, NoTarget, TurnFailed

UNJUDGED: Final = (Blocked, NoTarget, TurnFailed)
"""What a judge's turn raises where an answer cannot be judged; whatever else it raises ends the run."""


@dataclass(frozen=True, slots=True)
class AnswerJudgement:
    """What the judge says of an answer: ``rule`` names the criteria that failed, if any did."""

    rule: str
    cost_nano: int

    @property
    def outcome(self) -> Literal["pass", "fail"]:
        """Whether the answer meets all criteria."""
        return "fail" if self.rule else "pass"


def declared_judge(runtime: Runtime, automation: str, operation: str) -> JudgeGuard:
    """The judge of an operation.

    Raises:
        ConfigError: none is declared.
    """
    judge = runtime.guards.judge(automation, operation)
    if judge is None:
        raise ConfigError("No judge is declared.", next_step="Declare [guards.judge] with criteria in farebox.toml.")
    return judge


async def judge_answer(
    judge: JudgeGuard,
    texts: Sequence[str],
    *,
    run_id: str,
    automation: str,
    operation: str = JUDGE,
    answered_by: str = "",
    facts: str | None = None,
) -> AnswerJudgement:
    """Have an answer judged, in a turn of a run.

    Args:
        judge: whose criteria.
        texts: the answer's.
        run_id: of the run that pays.
        automation: whose answer it is.
        operation: that gave the answer.
        answered_by: the model that gave it, if that is known.
        facts: what the answer may rely on, where they are not the judge's.

    Raises:
        Blocked, NoTarget, TurnFailed: it cannot be judged; see ``UNJUDGED``.
        OverBudget: the run has no money left for it.
    """
    exchange = GuardInput("output", operation, automation, run_id, tuple(texts), answered_by=answered_by)
    judgement = await (judge if facts is None else replace(judge, facts=facts)).judged(exchange)
    return AnswerJudgement(judgement.value, judgement.cost_nano)
