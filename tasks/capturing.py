"""What a turn hands over where its content is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from guardrails.vault import Vault
from guardrails.verdicts import Decision, Exchange
from pricing.facts import Run, Turn
from tasks.known import Known
from tasks.targets import Target
from tasks.wire import ModelReply, ModelRequest


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A turn that is over.

    Args:
        run: whose turn it is.
        turn: as the ledger has it.
        request: as it was sent; of a prompt that was blocked, as it came.
        reply: the last one that the guards were shown, as they passed it if they did; no value put back into it.
        answered_by: who gave the answer, if there is one.
        known: what is known of persons.
        vault: what was taken out of the request.
        judged: what guards stopped or changed, and what they were shown.
    """

    run: Run
    turn: Turn
    request: ModelRequest = field(repr=False)
    reply: ModelReply | None = field(repr=False)
    answered_by: Target | None
    known: Known = field(repr=False)
    vault: Vault | None = field(repr=False)
    judged: Sequence[tuple[Decision, Exchange]] = field(repr=False)


class Content(Protocol):
    """Keeps the content of turns for operations that are declared to."""

    def keeps(self, automation: str, operation: str) -> bool:
        """Whether turns of an operation are kept."""

    def keep(self, turn: Exchanged) -> None:
        """Keep one, masked; called on a thread of its own. Whatever it raises, the turn goes on."""
