"""How long the sandbox takes: a plain model, so that a run takes as long today as tomorrow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the sandbox takes, in seconds: a base and a share for every token of output."""

    base: float = 0.02
    per_token: float = 0.0002

    def of(self, tokens: int) -> float:
        """Seconds for an answer of so many tokens."""
        return self.base + self.per_token * tokens
