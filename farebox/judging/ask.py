"""How guards ask models: a turn of the run with ``operation="judge"``, at its own price, without any conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import guardrails
from farebox.config.guard_settings import JUDGE
from guardrails import GuardInput, ModelJudgement
from tasks import RunContext, Step, StepContext, answer_type, around, current_run
from tasks.providers import Message
from tasks.turn import Engine, TurnRequest

T = TypeVar("T")

PROMPTS = Path(guardrails.__file__).parent / "prompts"
STEP = Step(JUDGE, tier="light", max_tokens=1_500)
"""What a guard asks in one turn."""


class GuardAsk:
    """Asks on behalf of guards.

    Args:
        engine: what answers; asked for when it is first needed, since it is built after the guards.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def __call__(
        self, exchange: GuardInput, template: str, values: Mapping[str, object], returns: type[T]
    ) -> ModelJudgement[T]:
        """The answer, and what it cost; raises whatever a turn raises."""
        engine = self._engine()
        prompt = engine.render(template, dict(values))
        asked = TurnRequest.of(STEP, prompt, [Message("user", prompt.user)], answer_type(returns))
        asked = replace(asked, temperature=0.0, judges=exchange.answered_by)
        outer = around()
        here = current_run() if outer is None else outer.run
        run = here if here.run_id == exchange.run_id else RunContext(exchange.run_id)
        answer = await engine.turn(StepContext(run, STEP, outer), asked)
        return ModelJudgement(cast("T", answer.value), answer.cost_nano)
