"""Records of turns and step calls: what content capture is given, and guard decisions as ledger rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from guardrails import GuardDecision, GuardInput
from guardrails.pii import Vault
from pricing import FareboxError, record
from pricing.ledger import CallOutcome, Run, Turn
from tasks.personal_values import KnownPairs
from tasks.providers.json_fields import dump
from tasks.providers.messages import ModelReply, ModelRequest
from tasks.routing.target import Target

if TYPE_CHECKING:  # its store needs the database's library, which takes longer to load than this package
    from pricing import Captured


@record(frozen=True, slots=True)
class TurnRecord:
    """A turn that is over.

    Args:
        run: whose turn it is.
        turn: as the ledger has it.
        request: as it was sent; of a prompt that was blocked, as it came.
        reply: the last one that the guards were shown, as they passed it if they did; no value put back into it.
        answered_by: who gave the answer, if there is one.
        known: what is known of persons.
        vault: what was taken out of the request; it also takes what is masked in order to be kept.
        judged: what guards stopped or changed, and what they were shown.
    """

    run: Run
    turn: Turn
    request: ModelRequest = field(repr=False)
    reply: ModelReply | None = field(repr=False)
    answered_by: Target | None
    known: KnownPairs = field(repr=False)
    vault: Vault = field(repr=False)
    judged: Sequence[tuple[GuardDecision, GuardInput]] = field(repr=False)


@record(frozen=True, slots=True)
class StepCallRecord:
    """A call of a step that is over, and took turns.

    Args:
        operation: the step's.
        outcome: how it ended.
        turns: in order.
        arguments: what it was called with, by name.
        returned: what it gave back; None where it failed.
    """

    operation: str
    outcome: CallOutcome
    turns: Sequence[TurnRecord] = field(repr=False)
    arguments: Mapping[str, object] = field(repr=False)
    returned: object = field(repr=False)


class Content(Protocol):
    """Keeps the content of turns for operations that are declared to."""

    def keeps(self, automation: str, operation: str) -> bool:
        """Whether turns of an operation are kept."""

    def keep(self, turn: TurnRecord) -> Captured | None:
        """Keep one, masked; called on a thread of its own. Whatever it raises, the turn goes on.

        What was kept, where it may be exported with the turn's span.
        """

    def keep_call(self, call: StepCallRecord) -> None:
        """Keep a call of a step, likewise."""


def cause(error: Exception) -> str:
    """Why something is not kept, without content: a stranger's exception may hold some."""
    return error.message if isinstance(error, FareboxError) else type(error).__name__


def decision_row(decision: GuardDecision, turn_id: str) -> dict[str, Any]:
    """The row of ``guard_decisions``. Most guards have nothing to tell, so nothing is made JSON of for them."""
    spans = [[span.part, span.start, span.end, span.kind] for span in decision.spans]
    facts = {**decision.facts, "error": decision.error} if decision.error else dict(decision.facts)
    return {
        "run_id": decision.run_id,
        "operation": decision.operation,
        "guard": decision.guard,
        "version": decision.version,
        "mode": decision.mode,
        "direction": decision.direction,
        "action": decision.action,
        "reason": decision.reason,
        "latency_us": decision.latency_us,
        "cost_nano": decision.cost_nano,
        "spans": dump(spans) if spans else "[]",
        "facts": dump(facts) if facts else "{}",
        "turn_id": turn_id,
        "decided_at": decision.decided_at,
    }
