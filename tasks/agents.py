"""Agents: a model that may call tools, turn by turn, until it can answer."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from typing_extensions import TypeVar

from pricing.errors import PlanError
from tasks.complexity import THRESHOLD
from tasks.engine import Conversation, Engine
from tasks.loop import in_thread
from tasks.prompts import Prompt
from tasks.steps import Here, here
from tasks.structured import answer_type
from tasks.targets import StepTier
from tasks.wire import Message, ModelReply, Tool, ToolCall

if TYPE_CHECKING:  # takes longer to load than all of this floor
    from pydantic import BaseModel

T = TypeVar("T", default=str)

MOST_CALLS: Final = 32
"""Tool calls of one reply and of one call of a step, unless the agent says otherwise."""
_LONGEST_RESULT = 20_000
"""Characters of a tool's result that a model is given."""


class Agent:
    """A model with tools, run inside an ``@llm_task``.

    Turns in which it may choose tools are attributed to ``operation``; a structured answer takes one more turn, which
    is attributed to the step the agent runs in. The step's ``max_turns`` must allow for both.

    Args:
        prompt: the template with its instructions and its case.
        tools: functions with annotated parameters and a docstring. A ``ValueError`` or ``LookupError`` that one raises
            is told to the model; anything else ends the run.
        operation: what its turns are attributed to.
        tier: which targets take its turns; ``"auto"`` lets the complexity of each turn decide.
        max_turns: after so many it answers with what it has.
        max_tokens: of each of its turns.
        threshold: with ``tier="auto"``, the complexity from which on a turn is premium.
        calls_per_reply: tool calls that are made of one reply; the model is told of those beyond it.
        calls_per_step: likewise, in one call of the step, over all of its agents' replies.

    The tools that a reply asks for run within the deadline of its turn (``turns.deadline_seconds``): a call that is not
    over by then is answered as timed out, and those after it are not made. A coroutine is cancelled; a plain function
    cannot be, so it goes on in its thread and its result is dropped.

    Raises:
        PlanError: a limit of calls below 1.

    Example:
        ``Agent(prompt="triage.j2", tools=[look_up_account], calls_per_reply=4, calls_per_step=8)``
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        *,
        prompt: str,
        tools: Sequence[Callable[..., Any]],
        operation: str = "tool_selection",
        tier: StepTier = "light",
        max_turns: int = 6,
        max_tokens: int = 512,
        threshold: float = THRESHOLD,
        calls_per_reply: int = MOST_CALLS,
        calls_per_step: int = MOST_CALLS,
    ) -> None:
        for name, most in (("calls_per_reply", calls_per_reply), ("calls_per_step", calls_per_step)):
            if most < 1:
                raise PlanError(
                    f"The agent with the prompt {prompt!r} has {name} = {most}.",
                    next_step="Give at least 1, or ask without tools: ask(…).",
                )
        self._engine = engine
        self._prompt = prompt
        self._tools = {tool.name: tool for tool in map(_BoundTool.of, tools)}
        self.operation = operation
        self.tier: StepTier = tier
        self.max_turns = max_turns
        self.max_tokens = max_tokens
        self.threshold = threshold
        self.calls_per_reply = calls_per_reply
        self.calls_per_step = calls_per_step

    def run(self, *, returns: type[T] = str, **values: object) -> T:  # type: ignore[assignment]
        """Its answer, for a caller that is not async. Other keywords are values of its prompt."""
        return self._engine().loop.run(self._run(returns, values))

    async def aio(self, *, returns: type[T] = str, **values: object) -> T:  # type: ignore[assignment]
        """Its answer, for an async caller."""
        return await self._engine().loop.await_(self._run(returns, values))

    async def _run(self, returns: type[T], values: dict[str, object]) -> T:
        engine, place = self._engine(), here()
        prompt = engine.render(self._prompt, values)
        messages = [Message("user", prompt.user)]
        for _ in range(self.max_turns):
            place.count_turn()
            ends = time.monotonic() + engine.deadline_seconds
            specs = [tool.spec for tool in self._tools.values()]
            talk = Conversation(
                tuple(messages),
                self.operation,
                self.tier,
                self.max_tokens,
                specs,
                threshold=self.threshold,
                verify=place.step.verify if returns is str else None,
            )
            reply = (await engine.turn(place, prompt, talk, answer_type(str))).reply
            if not reply.tool_calls:
                if returns is str:
                    return cast("T", reply.text)
                break
            messages.extend(await self._exchange(place, reply, ends))
        return await self._conclude(place, prompt, messages, returns)

    async def _conclude(self, place: Here, prompt: Prompt, messages: Sequence[Message], returns: type[T]) -> T:
        """The answer in its type, from the case and what the tools found.

        It is asked without tools: many providers do not take them together with a schema.
        """
        place.count_turn()
        found = [f"<tool_result>{message.text}</tool_result>" for message in messages if message.role == "tool"]
        asked = Message("user", "\n".join([prompt.user, *found]))
        step = place.step
        talk = Conversation.of(step, [asked])
        answer = await self._engine().turn(place, prompt, talk, answer_type(returns))
        return cast("T", answer.value)

    async def _exchange(self, place: Here, reply: ModelReply, ends: float) -> list[Message]:
        """The reply and the results of its calls, as the conversation goes on.

        Of calls beyond a limit only the first is kept, and its result says how many there were: 3,000 refusals would
        be paid as input of each later turn.
        """
        asked = reply.tool_calls
        in_step = max(0, self.calls_per_step - place.tool_calls)
        made = asked[: min(self.calls_per_reply, in_step)]
        place.tool_calls += len(made)
        results = [await self._call_until(call, ends) for call in made]
        beyond = asked[len(made) : len(made) + 1]
        if beyond:
            limit = (
                f"at most {self.calls_per_reply} calls of one reply are made"
                if self.calls_per_reply <= in_step
                else f"at most {self.calls_per_step} calls are made for one task, and they are used up"
            )
            told = f"Not called: {limit}. {len(asked) - len(made)} of {len(asked)} calls were left out. "
            told += "Ask again for those that matter most." if self.calls_per_reply <= in_step else "Answer now."
            results.append(Message("tool", told, tool_call_id=beyond[0].id, is_error=True))
        return [Message("assistant", reply.text, (*made, *beyond)), *results]

    async def _call_until(self, call: ToolCall, ends: float) -> Message:
        """What a tool says to a call, or that the turn's time was up before it was over."""
        left = ends - time.monotonic()
        if left <= 0:
            told = "Not called: the time for this turn is up. Ask for less, or answer with what you have."
            return Message("tool", told, tool_call_id=call.id, is_error=True)
        limit = asyncio.timeout(left)
        try:
            async with limit:
                return await self._call(call)
        except TimeoutError:
            if not limit.expired():
                raise  # the tool's own
        told = "The tool was not done when the time for this turn was up. Answer with what you have."
        return Message("tool", told, tool_call_id=call.id, is_error=True)

    async def _call(self, call: ToolCall) -> Message:
        """What a tool says to a call; a call that cannot be made is told so."""
        from pydantic import ValidationError

        tool = self._tools.get(call.name)
        if tool is None:
            return Message("tool", f"There is no tool {call.name!r}.", tool_call_id=call.id, is_error=True)
        try:
            result = await tool.call(call.arguments)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            return Message("tool", f"Invalid arguments: {faults}", tool_call_id=call.id, is_error=True)
        except (ValueError, LookupError) as error:
            return Message("tool", f"{type(error).__name__}: {error}", tool_call_id=call.id, is_error=True)
        return Message("tool", result[:_LONGEST_RESULT], tool_call_id=call.id)


@dataclass(frozen=True, slots=True)
class _BoundTool:
    """A function as a model sees it, and as it is called."""

    name: str
    function: Callable[..., Any]
    parameters: type[BaseModel]
    spec: Tool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> _BoundTool:
        from pydantic import ConfigDict, create_model

        name = getattr(function, "__name__", "tool")
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
                raise PlanError(
                    f"The tool {name!r} has a parameter that a model cannot name ({parameter}).",
                    next_step="Give it plain named parameters.",
                )
            kind = Any if parameter.annotation is parameter.empty else parameter.annotation
            fields[parameter.name] = (kind, ... if parameter.default is parameter.empty else parameter.default)
        arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        schema = arguments.model_json_schema()
        schema.pop("title", None)
        return cls(name, function, arguments, Tool(name, inspect.getdoc(function) or name, schema))

    async def call(self, arguments: str) -> str:
        """The result as text: a string as it is, anything else as JSON. Plain functions run on threads."""
        given = self.parameters.model_validate_json(arguments or "{}")
        named = {name: getattr(given, name) for name in self.parameters.model_fields}
        if inspect.iscoroutinefunction(self.function):
            result = await self.function(**named)
        else:
            result = await in_thread(partial(self.function, **named))
        if isinstance(result, str):
            return result
        from pydantic import TypeAdapter

        return json.dumps(TypeAdapter(Any).dump_python(result, mode="json"))
