"""Agents: a model that may call tools, turn by turn, until it can answer."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from pricing import (
    LONGEST_RESULT,
    BudgetClosed,
    DocumentPart,
    ImagePart,
    InvalidArguments,
    OverBudget,
    PlanError,
    Spelled,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnreadableValue,
    json_text,
    leaves,
    record,
)
from pricing.rates import ServiceTier
from tasks.context import StepContext, check_reasoning, check_service_tier, current_step
from tasks.event_loop import in_thread
from tasks.prompts import Prompt
from tasks.providers.messages import Message, ModelReply, Tool
from tasks.providers.reasoning import Reasoning
from tasks.routing.complexity import THRESHOLD
from tasks.routing.target import StepTier
from tasks.run_allowance import OUT_OF_BUDGET, Allowance, allowance_in, with_allowance
from tasks.structured_output import answer_type
from tasks.tool_calls import ToolCall, ToolOutcome, ToolRules, await_tool, call_tool, tool_rules
from tasks.tool_sources import ListedTool, ToolError, ToolSource, listed
from tasks.turn.engine import Engine
from tasks.turn.request import TurnRequest

if TYPE_CHECKING:  # takes longer to load than this package
    from pydantic import BaseModel

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=str)
else:  # which does not have to be loaded for that
    from typing import TypeVar

    T = TypeVar("T")

MOST_CALLS: Final = 32
"""Tool calls of one reply and of one call of a step, unless the agent says otherwise."""
_LONGEST_READ = 2 * LONGEST_RESULT
"""Characters of a text result that guards look at; what a model is given is cut after they have."""


class Agent:
    """A model with tools, run inside an ``@llm_task``.

    Turns in which it may choose tools are attributed to ``operation``; a structured answer takes one more turn, which
    is attributed to the step the agent runs in. The step's ``max_turns`` must allow for both.

    Args:
        engine: what takes its turns; the project's, for a ``farebox.Agent``.
        prompt: the template with its instructions and its case.
        tools: functions with annotated parameters and a docstring. A ``ValueError`` or ``LookupError`` that one
            raises is passed to the model; anything else ends the run. Sources of tools may be among them: ``mcp(…)``.
        operation: what its turns are attributed to.
        tier: which targets take its turns; ``"auto"`` lets the complexity of each turn decide.
        max_turns: after so many it answers with what it has.
        max_tokens: of each of its turns.
        threshold: with ``tier="auto"``, the complexity from which on a turn is premium.
        calls_per_reply: tool calls that are made of one reply; the model receives an error for those beyond it.
        calls_per_step: likewise, in one call of the step, over all of its agents' replies.
        reasoning: how much a model is to think in each of its turns; what the step says, if left out.
        service_tier: that each of its turns asks for; what the step says, if left out.
        tell_remaining: tell the model before each turn what the run has left, and keep a last turn for the answer: it
            answers with what it has once that turn and one more would not fit, and receives an error for a
            paid tool that exceeds a budget.

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
        engine: Callable[[], Engine] | None = None,
        *,
        prompt: str,
        tools: Sequence[Callable[..., Any] | ToolSource],
        operation: str = "tool_selection",
        tier: StepTier = "light",
        max_turns: int = 6,
        max_tokens: int = 512,
        threshold: float = THRESHOLD,
        calls_per_reply: int = MOST_CALLS,
        calls_per_step: int = MOST_CALLS,
        reasoning: Reasoning | None = None,
        service_tier: ServiceTier | None = None,
        tell_remaining: bool = False,
    ) -> None:
        check_service_tier(service_tier, f"The agent with the prompt {prompt!r}")
        check_reasoning(reasoning, f"The agent with the prompt {prompt!r}")
        for name, most in (("calls_per_reply", calls_per_reply), ("calls_per_step", calls_per_step)):
            if most < 1:
                raise PlanError(
                    f"The agent with the prompt {prompt!r} has {name} = {most}.",
                    next_step="Give at least 1, or ask without tools: ask(…).",
                )
        self._given_engine = engine
        self._prompt = prompt
        self._sources = [tool for tool in tools if isinstance(tool, ToolSource)]
        _check_sources(self._sources)
        self._tools: dict[str, AgentTool] = {
            tool.name: tool for tool in (_BoundTool.of(one) for one in tools if not isinstance(one, ToolSource))
        }
        self._listed: dict[str, AgentTool] = {}
        self.operation = operation
        self.tier: StepTier = tier
        self.max_turns = max_turns
        self.max_tokens = max_tokens
        self.threshold = threshold
        self.calls_per_reply = calls_per_reply
        self.calls_per_step = calls_per_step
        self.reasoning = reasoning
        self.service_tier = service_tier
        self.tell_remaining = tell_remaining

    @property
    def specs(self) -> list[Tool]:
        """The tools in the form that a model receives; those of sources as they were last listed."""
        return [tool.spec for tool in (*self._tools.values(), *self._listed.values())]

    async def tools_in(self, place: StepContext) -> Mapping[str, AgentTool]:
        """The tools by name in the run of a step, including those of sources.

        Raises:
            NoToolServer: a source cannot be reached.
        """
        pin = place.run.pin_of(place.step.operation)
        if not self._sources or (pin is not None and pin.target is None):  # a preview of the prompt asks nobody
            return self._tools
        engine, found = self._engine(), dict(self._tools)
        if place.run.execution is None:
            await in_thread(partial(engine.join, place))
        for source in self._sources:
            tools = await source.source_tools(engine, place.run_id)
            found |= {tool.name: tool for tool in listed(tools, source.name, found)}
        self._listed = {name: tool for name, tool in found.items() if name not in self._tools}
        return found

    def _engine(self) -> Engine:
        """The engine that takes the agent's turns."""
        if self._given_engine is None:
            raise TypeError("an agent needs an engine; farebox.Agent has the project's")
        return self._given_engine()

    def run(self, *, returns: type[T] = str, **values: object) -> T:  # type: ignore[assignment]
        """Run the agent and return its answer. Other keywords are values of its prompt."""
        return self._engine().loop.run(self._run(returns, values))

    async def aio(self, *, returns: type[T] = str, **values: object) -> T:  # type: ignore[assignment]
        """Run the agent in async code and return its answer."""
        return await self._engine().loop.await_(self._run(returns, values))

    async def _run(self, returns: type[T], values: dict[str, object]) -> T:
        engine, place = self._engine(), current_step()
        prompt, tools = engine.render(self._prompt, values), await self.tools_in(place)
        messages = [Message("user", prompt.user)]
        for _ in range(self.max_turns):
            asked = TurnRequest(
                prompt,
                tuple(messages),
                answer_type(str),
                self.operation,
                self.tier,
                self.max_tokens,
                [tool.spec for tool in tools.values()],
                threshold=self.threshold,
                guards=place.step.guards,
                unmasked_media=place.step.unmasked_media,
                verify=place.step.verify if returns is str else None,
                reasoning=self.reasoning or place.step.reasoning,
                service_tier=self.service_tier or place.step.service_tier,
            )
            if self.tell_remaining:
                left = await allowance_in(engine, messages, partial(self._left, place))
                asked = replace(asked, messages=with_allowance(messages, left))
                if not left.enough(engine, asked, self._conclusion(place, prompt, messages, returns)):
                    break
            place.count_turn()
            ends = time.monotonic() + engine.deadline_seconds(self.service_tier or place.step.service_tier)
            answer = await engine.turn(place, asked)
            reply = answer.reply
            if not reply.tool_calls:
                if returns is str:
                    return cast("T", reply.text)
                break
            messages.extend(await self.exchange(place, reply, answer.ends or ends, tools))
        return await self._conclude(place, prompt, messages, returns)

    async def _conclude(self, place: StepContext, prompt: Prompt, messages: Sequence[Message], returns: type[T]) -> T:
        """Ask for the answer in its type, from the conversation so far. The request offers no tools, since many
        providers do not take them together with a schema.
        """
        place.count_turn()
        answer = await self._engine().turn(place, self._conclusion(place, prompt, messages, returns))
        return cast("T", answer.value)

    def _conclusion(
        self, place: StepContext, prompt: Prompt, messages: Sequence[Message], returns: type[T]
    ) -> TurnRequest[T]:
        results = [result for message in messages for result in message.results]
        found = [part for result in results for part in _quoted(result)]
        said = Message("user", (*prompt.user, *found))
        asked = TurnRequest.of(place.step, prompt, [said], answer_type(returns))
        return replace(asked, service_tier=self.service_tier or asked.service_tier)

    def _left(self, place: StepContext) -> Allowance:
        """The remaining allowance of the run; it may wait for the ledger."""
        raise TypeError(f"only farebox.Agent knows what the run of {place.step.operation!r} has left")

    async def exchange(
        self, place: StepContext, reply: ModelReply, ends: float, tools: Mapping[str, AgentTool]
    ) -> list[Message]:
        """The reply and the results of its tool calls, as messages for the next turn. Of the calls beyond a limit only
        the first is kept, with the number of those left out: each further turn would pay for thousands of refusals.
        Reasoning state stays with the calls that it led to.
        """
        asked = reply.tool_calls
        in_step = max(0, self.calls_per_step - place.tool_calls)
        made = asked[: min(self.calls_per_reply, in_step)]
        place.tool_calls += len(made)
        results = [await self._call_until(call, ends, tools) for call in made]
        kept = reply.parts
        if left_out := asked[len(made) :]:
            limit = (
                f"at most {self.calls_per_reply} calls of one reply are made"
                if self.calls_per_reply <= in_step
                else f"at most {self.calls_per_step} calls are made for one task, and they are used up"
            )
            message = f"Not called: {limit}. {len(left_out)} of {len(asked)} calls were left out. "
            message += "Ask again for those that matter most." if self.calls_per_reply <= in_step else "Answer now."
            results.append(ToolResultPart(left_out[0].id, message, is_error=True))
            kept = kept[: next(place for place, part in enumerate(kept) if part is left_out[0]) + 1]
        return [Message("assistant", kept), Message("tool", tuple(results))]

    async def _call_until(self, call: ToolCallPart, ends: float, tools: Mapping[str, AgentTool]) -> ToolResultPart:
        """The result of a tool call, or a message that the turn's time was up first."""
        left = ends - time.monotonic()
        if left <= 0:
            message = "Not called: the time for this turn is up. Ask for less, or answer with what you have."
            return ToolResultPart(call.id, message, is_error=True)
        tool = tools.get(call.name)
        if tool is None:
            return ToolResultPart(call.id, f"There is no tool {call.name!r}.", is_error=True)
        made = _Made()
        limit = asyncio.timeout(left)
        try:
            async with limit:
                return await self._call(tool, call, made)
        except TimeoutError:
            if not limit.expired():
                raise  # the tool's own
        message = "The tool was not done when the time for this turn was up. Answer with what you have."
        await made.keep_message(message)
        return ToolResultPart(call.id, message, is_error=True)

    async def _call(self, tool: AgentTool, call: ToolCallPart, made: _Made) -> ToolResultPart:
        """The result of a tool call, or the message for a call that cannot be made."""
        from pydantic import ValidationError

        try:
            outcome = await tool.call(call.arguments, self._engine(), made.note)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            return ToolResultPart(call.id, f"Invalid arguments: {faults}", is_error=True)
        except OverBudget as refused:
            if not self.tell_remaining or isinstance(refused, BudgetClosed):
                raise
            await made.keep_message(OUT_OF_BUDGET)
            return ToolResultPart(call.id, OUT_OF_BUDGET, is_error=True)
        except (ValueError, LookupError) as error:
            message = str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
            await made.keep_message(message)
            return ToolResultPart(call.id, message, is_error=True)
        if outcome.message is not None:
            return ToolResultPart(call.id, outcome.message, is_error=True)
        return ToolResultPart(call.id, _result(outcome.value, tool.name))


class _Made:
    """Holds the record of a tool call once it is made, so that a message for the model can replace its result."""

    def __init__(self) -> None:
        self.call: ToolCall | None = None

    def note(self, call: ToolCall) -> None:
        """Store the record of the call."""
        self.call = call

    async def keep_message(self, text: str) -> None:
        """Keep the message for the model."""
        if self.call is not None:
            await asyncio.to_thread(self.call.keep_message, text)


@record(frozen=True, slots=True)
class _BoundTool:
    """A function with the tool description that a model receives."""

    name: str
    function: Callable[..., Any]
    parameters: type[BaseModel]
    spec: Tool
    rules: ToolRules

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
        return cls(
            name, function, arguments, Tool(name, inspect.getdoc(function) or name, schema), tool_rules(function)
        )

    async def call(
        self,
        arguments: Mapping[str, Any] | InvalidArguments,
        engine: Engine | None = None,
        note: Callable[[ToolCall], None] = lambda _: None,
    ) -> ToolOutcome:
        """Call the tool in the current run, or replay its stored outcome in a continued run. Plain functions run on
        threads; without an engine nothing is stored.

        Raises:
            ToolInterrupted: it was under way when a process of the run ended, and somebody has to decide.
        """
        if isinstance(arguments, InvalidArguments):
            given = self.parameters.model_validate_json(arguments.text)
        else:
            given = self.parameters.model_validate_json(json_text(arguments))
        named = {name: getattr(given, name) for name in self.parameters.model_fields}
        is_task, is_async = hasattr(self.function, "fn"), inspect.iscoroutinefunction(self.function)
        work = partial(getattr(self.function, "farebox_unkept", self.function), **named)
        if engine is None:
            return ToolOutcome(await work() if is_async else await in_thread(work))
        call = await in_thread(partial(ToolCall, engine, self.rules, named, "agent"))
        note(call)
        if is_async:
            return await await_tool(call, self.rules, work, task=not is_task)
        return await in_thread(partial(call_tool, call, self.rules, work, task=not is_task))


AgentTool: TypeAlias = _BoundTool | ListedTool
"""A tool as an agent calls it."""


def _check_sources(sources: Sequence[ToolSource]) -> None:
    """Check that sources have different names.

    Raises:
        PlanError: two have the same name.
    """
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise PlanError(
                f"Two sources of tools of one agent are called {name!r}.",
                next_step="Give each a name=: mcp(…, name=…).",
            )


def _result(value: object, tool: str) -> Any:
    """A tool's return value in a form that can be sent to a model."""
    if isinstance(value, str):
        return value[:_LONGEST_READ]
    if isinstance(value, TextPart | ImagePart | DocumentPart):
        return (value,)
    if isinstance(value, tuple) and value and all(isinstance(v, TextPart | ImagePart | DocumentPart) for v in value):
        return value
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        leaves(value)
        plain = to_jsonable_python(value)
        leaves(plain)
    except (UnreadableValue, PydanticSerializationError) as error:
        why = str(error) if isinstance(error, UnreadableValue) else f"{type(value).__name__} is not JSON"
        raise PlanError(
            f"The tool {tool!r} returned something that a model cannot be given: {why}.",
            next_step="Return text, numbers, mappings, lists, dataclasses or models; decode bytes before.",
        ) from None
    return plain


def _quoted(result: ToolResultPart) -> list[TextPart | ImagePart | DocumentPart]:
    """A tool result as parts of a user's message."""
    value = result.text if isinstance(result.value, tuple) else result.value
    spelled = value if isinstance(value, str) else Spelled(value, _shortened)
    return [TextPart.of(["\n<tool_result>", spelled, "</tool_result>"]), *result.media]


def _shortened(value: object) -> str:
    return json_text(value)[:LONGEST_RESULT]
