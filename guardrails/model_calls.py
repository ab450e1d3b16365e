"""How a guard asks a model: by a callable from above, which attributes the cost to the run as ``operation="judge"``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from guardrails.base import GuardInput
from pricing import Nano, frozen_record, record

T = TypeVar("T")


@frozen_record(frozen=True, slots=True)
class ModelJudgement(Generic[T]):
    """A model's answer to a guard, and its cost in nano-dollars."""

    value: T = field(repr=False)
    cost_nano: Nano


class ModelCaller(Protocol):
    """Asks a model with one of the templates in ``guardrails/prompts``; no conversation goes along."""

    async def __call__(
        self, exchange: GuardInput, template: str, values: Mapping[str, object], returns: type[T]
    ) -> ModelJudgement[T]:
        """The answer, as ``returns``. Raises whatever a turn raises."""


@record(frozen=True, slots=True)
class ExpectedModelCalls:
    """What a guard is expected to ask of a model, before it has asked anything.

    Args:
        share: of the exchanges that it sees, from 0 to 1.
        input_tokens: of a question, besides the text that it is about.
        reads: the most tokens that it reads of that text.
        output_tokens: of an answer.
    """

    share: float
    input_tokens: int
    reads: int
    output_tokens: int


@runtime_checkable
class Asking(Protocol):
    """A guard that asks a model, and says beforehand how often and how much."""

    def asks(self) -> ExpectedModelCalls:
        """What is to be expected of it."""
