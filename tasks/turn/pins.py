"""Pins: all turns of one step sent to one target, whatever routing would say. Calibration asks that way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from tasks.prompts import Prompt
from tasks.routing.target import Target
from tasks.turn.records import TurnRecord


class PromptPreview(BaseException):
    """What a step would have asked first: its prompt. Nothing was sent. Not an ``Exception``: no step catches it."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(prompt.name)
        self.prompt = prompt


@dataclass(slots=True)
class Pin:
    """One call of a step.

    Args:
        operation: the step's.
        target: who answers; ``None`` to look at the first prompt only, which is raised as ``PromptPreview``.
        turns: ids of the turns it took, noted as they end.
    """

    operation: str
    target: Target | None
    turns: list[str] = field(default_factory=list)

    def note(self, turn: TurnRecord) -> None:
        """Note one that is over."""
        self.turns.append(turn.turn.turn_id)


_PIN: ContextVar[Pin | None] = ContextVar("farebox_pin", default=None)


@contextmanager
def pinned(pin: Pin) -> Iterator[None]:
    """Pin the step that is called in this block."""
    token = _PIN.set(pin)
    try:
        yield
    finally:
        _PIN.reset(token)


def pin_of(operation: str) -> Pin | None:
    """The pin of a step, if there is one; what guards ask meanwhile is not pinned."""
    pin = _PIN.get()
    return pin if pin is not None and pin.operation == operation else None
