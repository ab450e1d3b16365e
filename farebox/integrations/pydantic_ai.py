"""pydantic-ai agents inside a priced run: a model whose every request is a turn of ours.

Needs the extra ``pydantic-ai``.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import FinishReason, ModelMessage, ModelResponse, ModelResponsePart, ModelResponseStreamEvent
from pydantic_ai.messages import TextPart as GuestText
from pydantic_ai.messages import ThinkingPart as GuestThinking
from pydantic_ai.messages import ToolCallPart as GuestCall
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, check_allow_model_requests
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import RequestUsage

from farebox.integrations.pydantic_ai_requests import PROVIDER, guest_request
from farebox.runtime import get_runtime
from guardrails import Guarded
from pricing import InvalidArguments, NoTarget, ProviderStatePart, TextPart, ToolCallPart, UsageError
from tasks import GuestRequest, GuestTurns, ProviderStates, Step
from tasks.providers import ModelReply, Reasoning
from tasks.routing import StepTier
from tasks.turn import Answer

_PROFILE: Final = ModelProfile(
    supports_tools=True,
    supports_json_schema_output=True,
    supports_inline_system_prompts=False,
    supports_image_output=False,
    supported_native_tools=frozenset(),
    default_structured_output_mode="tool",
)
_FINISHED: Final[dict[str, FinishReason]] = {"end": "stop", "tool_calls": "tool_call"}
_STATES: Final = ProviderStates()


class TargetsFailed(ModelAPIError, NoTarget):
    """No target answered. It is also pydantic-ai's model API error, which its ``FallbackModel`` handles."""

    def __init__(self, message: str, *, next_step: str = "", **fields: Any) -> None:
        ModelAPIError.__init__(self, PROVIDER, message)
        NoTarget.__init__(self, message, next_step=next_step, **fields)

    def __str__(self) -> str:
        return NoTarget.__str__(self)

    def __reduce__(self) -> Any:
        return NoTarget.__reduce__(self)


class FareboxModel(Model[None]):
    """A pydantic-ai model whose requests are turns: routed, fallen back, guarded, held, recorded, replayed and priced.

    It supports function tools, the output modes ``tool`` (the default), ``native`` and ``prompted``, images and PDFs,
    and text streaming. Reasoning is returned to the model family that produced it, within one process; messages that
    pydantic-ai saves contain only a key to it. Providers' built-in tools are refused by pydantic-ai itself.

    Args:
        operation: the operation of its turns.
        tier: the tier of its targets; ``"auto"`` chooses by the complexity of each turn.
        max_tokens: of each answer; ``ModelSettings(max_tokens=…)`` may set less.
        reasoning: the reasoning level; the setting ``thinking`` takes precedence.
        guards: additional guards of its turns.
        unmasked_media: whether images and documents may be sent although no guard can read them.
        settings: pydantic-ai's defaults for requests.

    Raises:
        PlanError: ``reasoning`` is not a valid level.
        OverBudget: a request exceeds the run's hold or a budget. The agent ends with it; it is not retried.
        TargetsFailed: no target answered a request.

    Example:
        ``agent = pydantic_ai.Agent(FareboxModel(operation="triage"), tools=[look_up])`` ``@automation(…,
            plan=plan(agent.model, calls=4, max_calls=8, input_tokens=900, output_tokens=150))``
    """

    def __init__(
        self,
        *,
        operation: str,
        tier: StepTier = "light",
        max_tokens: int = 1024,
        reasoning: Reasoning | None = None,
        guards: Sequence[Guarded] = (),
        unmasked_media: bool = False,
        settings: ModelSettings | None = None,
    ) -> None:
        super().__init__(settings=settings, profile=_PROFILE)
        self.farebox_step = Step(
            operation, tier, max_tokens, reasoning=reasoning, guards=tuple(guards), unmasked_media=unmasked_media
        )
        self._turns = GuestTurns(lambda: get_runtime().engine, self.farebox_step, "pydantic-ai")

    @property
    def model_name(self) -> str:
        """The operation; each turn's route decides which model answers."""
        return self.farebox_step.operation

    @property
    def system(self) -> str:
        """The provider, as pydantic-ai calls it."""
        return PROVIDER

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One turn."""
        asked = self._asked(messages, model_settings, model_request_parameters)
        try:
            answer = await self._turns.answer(asked)
        except NoTarget as error:
            raise _targets_failed(error) from error
        return ModelResponse(
            parts=_parts(answer.reply),
            usage=_usage(answer),
            model_name=answer.reply.model or answer.target,
            provider_name=PROVIDER,
            provider_response_id=answer.reply.response_id,
            provider_details={"target": answer.target},
            finish_reason=_FINISHED.get(answer.reply.stop),
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse, None]:
        """One turn whose text is passed on as it arrives; tool calls follow when it is complete."""
        del run_context
        asked = self._asked(messages, model_settings, model_request_parameters)
        async with aclosing(self._turns.stream(asked)) as pieces:
            try:
                first = await anext(pieces)
            except NoTarget as error:
                raise _targets_failed(error) from error
            _, parameters = self.prepare_request(model_settings, model_request_parameters)
            yield _StreamedTurn(parameters, self.model_name, first, pieces)

    def _asked(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> GuestRequest:
        check_allow_model_requests()
        _check_one_journal()
        settings, parameters = self.prepare_request(settings, parameters)
        instructions = [part.content for part in self._get_instruction_parts(messages, parameters) or ()]
        return guest_request(messages, settings or ModelSettings(), parameters, instructions, _STATES)


@dataclass
class _StreamedTurn(StreamedResponse):
    """A running turn in the form that pydantic-ai reads."""

    _model_name: str
    _first: str | Answer[str]
    _pieces: AsyncGenerator[str | Answer[str], None]
    _timestamp: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        streamed, piece = False, self._first
        while isinstance(piece, str):
            streamed = True
            for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=piece):
                yield event
            piece = await anext(self._pieces)
        self._model_name = piece.reply.model or piece.target
        self._usage = _usage(piece)
        self.finish_reason = _FINISHED.get(piece.reply.stop)
        self.provider_response_id = piece.reply.response_id
        self.provider_details = {"target": piece.target}
        for place, part in enumerate(_parts(piece.reply)):
            if isinstance(part, GuestText) and not streamed:
                for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=part.content):
                    yield event
            elif isinstance(part, GuestThinking):
                for event in self._parts_manager.handle_thinking_delta(
                    vendor_part_id=place, content="", id=part.id, provider_name=PROVIDER
                ):
                    yield event
            elif isinstance(part, GuestCall):
                yield self._parts_manager.handle_tool_call_part(
                    vendor_part_id=place,
                    tool_name=part.tool_name,
                    args=part.args_as_json_str(),
                    tool_call_id=part.tool_call_id,
                )

    async def close_stream(self) -> None:
        await self._pieces.aclose()

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def provider_name(self) -> str:
        return PROVIDER

    @property
    def provider_url(self) -> None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self._timestamp


def _parts(reply: ModelReply) -> list[ModelResponsePart]:
    """A reply in pydantic-ai's form; reasoning is replaced by a key."""
    found: list[ModelResponsePart] = []
    for part in reply.parts:
        match part:
            case TextPart():
                found.append(GuestText(part.text))
            case ToolCallPart(arguments=InvalidArguments() as wrong):
                found.append(GuestCall(part.name, wrong.text, tool_call_id=part.id))
            case ToolCallPart():
                found.append(GuestCall(part.name, dict(part.sent), tool_call_id=part.id))
            case ProviderStatePart():
                key = secrets.token_hex(12)
                _STATES.keep(key, [part])
                found.append(GuestThinking("", id=key, provider_name=PROVIDER))
    return found


def _usage(answer: Answer[str]) -> RequestUsage:
    """Usage and cost of a turn, including the cost of its failed attempts; unreported counts are 0, since pydantic-ai
    has no value for unknown.
    """
    counted = answer.reply.usage
    return RequestUsage(
        input_tokens=counted.input_tokens or 0,
        output_tokens=counted.output_tokens or 0,
        cache_read_tokens=counted.cache_read_tokens or 0,
        cache_write_tokens=(counted.cache_write_tokens or 0) + (counted.cache_write_1h_tokens or 0),
        output_reasoning_tokens=counted.reasoning_tokens or 0,
        cost=Decimal(answer.cost_nano).scaleb(-9),
    )


def _targets_failed(error: NoTarget) -> TargetsFailed:
    return TargetsFailed(error.message, next_step=error.next_step, **error.fields)


def _check_one_journal() -> None:
    """Check that pydantic-ai does not store the answers too: its own replay would hide turns from Farebox.

    Raises:
        UsageError: the request is made inside a task of pydantic-ai's Prefect integration.
    """
    if "prefect.context" not in sys.modules:
        return
    from prefect.context import TaskRunContext

    found = TaskRunContext.get()
    module = "" if found is None else getattr(found.task.fn, "__module__", "")
    if module.startswith("pydantic_ai.durable_exec"):
        raise UsageError(
            "The agent is wrapped in pydantic-ai's Prefect durability, and Farebox stores its answers already.",
            next_step="Run the agent itself: PrefectAgent(agent) becomes agent, PrefectDurability is left out.",
        )
