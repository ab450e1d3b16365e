"""A second model's opinion of an answer: it sees the answer and the policy, never the conversation.

It says what it found first and judges after, criterion by criterion; the answer is data to it. Each judgement is a turn
of the run with ``operation="judge"``, paid from the run's hold.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field

from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block, retry
from guardrails.model_calls import ExpectedModelCalls, ModelCaller, ModelJudgement
from pricing import FareboxError
from pricing.tokens import estimate_tokens

JudgedOutcome: TypeAlias = Literal["pass", "fail", "unknown"]
_LONGEST_ANSWER, _LONGEST_RULE = 20_000, 150
_INSTRUCTIONS, _FOUND = 400, 60
"""Tokens of its template and schema, and of what it finds of one criterion."""


class Criterion(BaseModel):
    """One criterion, with what the answer says about it."""

    evidence: Annotated[str, Field(max_length=400)]
    criterion: str
    outcome: JudgedOutcome


class Judgement(BaseModel):
    """Criterion by criterion, then all in all."""

    criteria: list[Criterion]
    outcome: Literal["pass", "fail"]

    def failed(self, asked: tuple[str, ...]) -> list[str]:
        """The criteria that failed, of those that were asked; all of them if it failed without saying which."""
        found = [entry.criterion for entry in self.criteria if entry.outcome == "fail" and entry.criterion in asked]
        return found or ([] if self.outcome == "pass" else list(asked))


@dataclass(frozen=True, slots=True)
class JudgeGuard:
    """Has answers judged: a share of them, or every one before it is handed on.

    Args:
        ask: asks a model.
        criteria: what an answer has to be, by name: ``{"grounded": "States nothing that the facts do not say."}``.
        facts: what an answer may rely on.
        every: judge every answer, and act on it; otherwise ``share`` of them are judged and what was found is only
            written down. An answer that is judged waits for it either way.
        share: of the answers that are looked at, from 0 to 1.
        on_fail: ``retry`` asks once for another answer, ``block`` withholds it; only with ``every``.

    Raises:
        ValueError: there is no criterion.
    """

    ask: ModelCaller = field(repr=False)
    criteria: dict[str, str]
    facts: str = field(default="", repr=False)
    every: bool = False
    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    on_fail: Literal["retry", "block"] = "block"
    chance: Callable[[], float] = field(default=random.random, init=False, repr=False)

    name: ClassVar[str] = "judge"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 90

    def __post_init__(self) -> None:
        if not self.criteria:
            raise ValueError("it needs criteria")

    def asks(self) -> ExpectedModelCalls:
        """One question for each answer that is looked at."""
        tokens = estimate_tokens("\n".join([*self.criteria, *self.criteria.values(), self.facts]))
        return ExpectedModelCalls(
            1.0 if self.every else self.share, _INSTRUCTIONS + tokens, _LONGEST_ANSWER // 4, _FOUND * len(self.criteria)
        )

    async def check(self, exchange: GuardInput) -> Verdict:
        """Retry or block with ``policy`` where every answer is judged; else allow, with what was found as facts."""
        if not self.every and self.chance() >= self.share:
            return allow()
        try:
            judgement = await self.judged(exchange)
        except FareboxError as error:
            if self.every:
                raise
            return allow(judged=f"not judged: {type(error).__name__}")
        failed = judgement.value
        if not self.every:
            found = {"judged": "fail", "rule": failed} if failed else {"judged": "pass"}
            return Verdict("allow", facts=found, cost_nano=judgement.cost_nano)
        if not failed:
            return allow(cost_nano=judgement.cost_nano, judged="pass")
        answer_with = retry if self.on_fail == "retry" else block
        return answer_with(Reason.POLICY, cost_nano=judgement.cost_nano, rule=failed)

    async def judged(self, exchange: GuardInput) -> ModelJudgement[str]:
        """The names of the criteria that an answer fails, empty when it passes; raises whatever a turn raises."""
        answer = exchange.as_text[:_LONGEST_ANSWER]
        values = {"criteria": self.criteria, "facts": self.facts, "answer": answer}
        reply = await self.ask(exchange, "guard_judge.j2", values, Judgement)
        return ModelJudgement(", ".join(reply.value.failed(tuple(self.criteria)))[:_LONGEST_RULE], reply.cost_nano)
