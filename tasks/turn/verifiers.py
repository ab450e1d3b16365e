"""Verifiers: a step's own function that tells a wrong answer from a right one, without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from pricing import TurnFailed

Verify: TypeAlias = Callable[[Any], bool]
"""Of an answer, as the step gets it."""
BROKEN = "verifier"
"""The ``kind`` of a turn that failed because its verifier did."""


async def passes(verify: Verify, answer: object, operation: str) -> bool:
    """Whether the verifier lets an answer pass. It is a stranger's code, so it is called on a thread.

    Raises:
        TurnFailed: it raised, or said neither true nor false. Only the type of its exception is reported, not the text,
            which may hold some of the answer.
    """
    try:
        said: object = await asyncio.to_thread(verify, answer)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        fault = f"raised {type(error).__name__}"
    else:
        if isinstance(said, bool):
            return said
        fault = f"returned {type(said).__name__}"
    raise TurnFailed(
        f"The verifier {name_of(verify)} of the step {operation!r} {fault}, and no true or false.",
        next_step="Fix it: it is called with each answer that has the step's type. No other target was asked.",
        kind=BROKEN,
        operation=operation,
    ) from None


def name_of(verify: Verify) -> str:
    """As people find it."""
    return str(getattr(verify, "__qualname__", type(verify).__name__))
