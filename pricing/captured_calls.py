"""Calls of steps, for operations that keep their content: what a step was called with, and what it gave back.

They lie in the store of captured turns (``pricing.captures``). A call may have taken several turns, and it is what can
be tried again: on another model, or with another prompt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa

from pricing.clock import from_us, to_us
from pricing.facts import CallOutcome

metadata = sa.MetaData()
captured_calls = sa.Table(
    "captured_calls",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("target", sa.Text),
    sa.Column("stand_in", sa.Boolean, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("turns", sa.Text, nullable=False),
    sa.Column("captured_at", sa.BigInteger, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Index("ix_captured_calls_operation", "operation", "captured_at"),
    sa.Index("ix_captured_calls_captured_at", "captured_at"),
)
"""One row per call that is kept; ``content`` is the JSON of its inputs and its answer."""


@dataclass(frozen=True, slots=True)
class CapturedCall:
    """One call of a step, personal data and keys masked.

    Args:
        operation: the step's; turns of an agent in it may have another.
        outcome: how it ended.
        target: who answered its last turn; None when nobody did. ``stand_in``: the sandbox did.
        turns: the ids of its turns.
        inputs: its arguments by name, as JSON; None when one of them is no JSON.
        answer: what it gave back, as JSON; None when it gave nothing back, or nothing that is JSON.
    """

    call_id: str
    run_id: str
    automation: str
    operation: str
    outcome: CallOutcome
    target: str | None
    stand_in: bool
    turns: tuple[str, ...]
    at: datetime
    inputs: Mapping[str, Any] | None = field(repr=False)
    answer: Any = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """The same for the same inputs; empty when there are none."""
        if self.inputs is None:
            return ""
        text = json.dumps(self.inputs, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        """From its row."""
        values = row._asdict()
        del values["digest"]
        content = json.loads(values.pop("content"))
        turns = tuple(values.pop("turns").split())
        return cls(at=from_us(values.pop("captured_at")), turns=turns, **values, **content)

    def row(self) -> dict[str, Any]:
        """Its row."""
        same = ("call_id", "run_id", "automation", "operation", "outcome", "target", "stand_in", "digest")
        content = {"inputs": self.inputs, "answer": self.answer}
        return {name: getattr(self, name) for name in same} | {
            "turns": " ".join(self.turns),
            "captured_at": to_us(self.at),
            "content": json.dumps(content, ensure_ascii=False),
        }


@dataclass(frozen=True, slots=True)
class CallNote:
    """A call without its content. ``digest`` is the same for the same inputs, and empty when those are no JSON."""

    call_id: str
    run_id: str
    outcome: CallOutcome
    target: str | None
    stand_in: bool
    digest: str
    turns: tuple[str, ...]
    at: datetime

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        """From the columns of :data:`NOTED`."""
        values = row._asdict()
        turns = tuple(values.pop("turns").split())
        return cls(at=from_us(values.pop("captured_at")), turns=turns, **values)


_C = captured_calls.c
NOTED = (_C.call_id, _C.run_id, _C.outcome, _C.target, _C.stand_in, _C.digest, _C.turns, _C.captured_at)
