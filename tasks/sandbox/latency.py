"""How long the sandbox takes: a plain model, so that a run takes as long today as tomorrow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """The duration of answers in seconds: a base plus a share per output token."""

    base: float = 0.02
    per_token: float = 0.0002

    def of(self, tokens: int) -> float:
        """The duration of an answer with this many output tokens, in seconds."""
        return self.base + self.per_token * tokens
