"""Pins: all turns of one step sent to one target, whatever routing would say. Calibration asks that way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tasks.context import current_run, use_run
from tasks.prompts import Prompt
from tasks.run_context import Pin


class PromptPreview(BaseException):
    """What a step would have asked first: its prompt. Nothing was sent. Not an ``Exception``: no step catches it."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(prompt.name)
        self.prompt = prompt


@contextmanager
def pinned(pin: Pin, turn_ids: list[str] | None = None) -> Iterator[None]:
    """Pin the step that is called in this block; ``turn_ids`` gets the ids of the turns it takes, as they end."""
    with use_run(replace(current_run(), pin=pin), [] if turn_ids is None else turn_ids):
        yield
