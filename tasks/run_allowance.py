"""What a run has left, as an agent's model reads it before each turn, and whether that is enough to ask with tools
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pricing import Nano, TextPart, identity, json_text
from tasks.event_loop import in_thread
from tasks.providers.messages import Message
from tasks.tool_calls import ToolCall, ToolRules, call_tool

if TYPE_CHECKING:
    from tasks.turn.engine import Engine
    from tasks.turn.request import TurnRequest

_RULES: Final = ToolRules("remaining", interrupted="retry", returns=dict[str, str | int | None])
OUT_OF_BUDGET: Final = "Not called: it exceeds the budget of this run. Answer with what you have."
"""The message to an agent with known limits about a paid tool that exceeds a budget."""


class Allowance(NamedTuple):
    """The remaining allowance of a run: as a message for its model, and in nano-dollars; ``None`` where no budget
    applies.
    """

    message: str
    money_nano: Nano | None

    def enough(self, engine: Engine, *turns: TurnRequest[Any]) -> bool:
        """Whether these turns fit one after another at the most that each can cost, in nano-dollars."""
        if self.money_nano is None:
            return True
        return sum(engine.foresee(turn, 1).most_nano for turn in turns) <= self.money_nano


async def allowance_in(engine: Engine, messages: Sequence[Message], left: Callable[[], Allowance]) -> Allowance:
    """What is left before a turn with these messages. A continued durable run repeats the earlier text, so
    that its turns are the same and are not asked again.

    Args:
        engine: knows the run.
        messages: of the turn.
        left: looks it up; it may wait for the ledger.
    """
    said = [[message.role, [identity(part) for part in message.parts]] for message in messages]
    digest = hashlib.sha256(json_text(said).encode("utf-8", "surrogatepass")).hexdigest()

    def stored() -> Mapping[str, str | int | None]:
        found = left()
        return {"told": found.message, "money_nano": found.money_nano}  # as in journals of version 0.5

    def look() -> Mapping[str, str | int | None]:
        call = ToolCall(engine, _RULES, {"conversation": digest}, "agent")
        outcome = call_tool(call, _RULES, stored, task=False)
        found: Mapping[str, str | int | None] = outcome.value
        return found

    known = await in_thread(look)
    money = known["money_nano"]
    return Allowance(str(known["told"]), None if money is None else int(money))


def with_allowance(messages: Sequence[Message], allowance: Allowance) -> tuple[Message, ...]:
    """The messages followed by the one about the allowance."""
    return (*messages, Message("user", (TextPart(allowance.message),)))
