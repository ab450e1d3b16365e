"""The guard of sizes: a prompt that no model of the route can read is refused before a token is spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block


@dataclass(frozen=True, slots=True)
class ContextGuard:
    """Blocks a prompt that fits no candidate's window, or is larger than the guards behind it should be asked to read.

    The window is that of the largest candidate: what is too long for a light model alone is the router's to place.

    Args:
        max_characters: most characters of all texts together; the default is above a million tokens.
    """

    max_characters: int = 6_000_000

    name: ClassVar[str] = "context"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 0

    def inspects(self, exchange: GuardInput) -> bool:
        """Never: it counts."""
        del exchange
        return False

    def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``context_limit``, or allow. An unknown window (0) limits nothing."""
        characters = sum(map(len, exchange.texts))
        if characters > self.max_characters:
            return block(Reason.CONTEXT_LIMIT, characters=characters, max_characters=self.max_characters)
        if exchange.window and exchange.tokens + exchange.reserved > exchange.window:
            return block(
                Reason.CONTEXT_LIMIT, tokens=exchange.tokens, reserved=exchange.reserved, window=exchange.window
            )
        return allow()
