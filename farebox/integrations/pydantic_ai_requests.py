"""pydantic-ai's requests in terms of our types: messages, tools, output modes and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    DocumentUrl,
    FilePart,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextContent,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.messages import TextPart as GuestText
from pydantic_ai.messages import ThinkingPart as GuestThinking
from pydantic_ai.messages import ToolCallPart as GuestCall
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings, ToolOrOutput
from pydantic_ai.tools import ToolDefinition

from farebox.integrations.chat_completions import result_value
from pricing import DocumentPart, ImagePart, Part, TextPart, ToolCallPart, ToolResultPart
from tasks import GuestRequest, ProviderStates
from tasks.providers import Message, Reasoning, RequestOptions, Schema, Tool

PROVIDER: Final = "farebox"
_THINKING: Final[dict[Any, Reasoning | None]] = {
    None: None,
    True: None,
    False: "none",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
}


def guest_request(
    messages: Sequence[ModelMessage],
    settings: ModelSettings,
    parameters: ModelRequestParameters,
    instructions: Sequence[str],
    states: ProviderStates,
) -> GuestRequest:
    """A request that pydantic-ai has prepared, as a turn request.

    Raises:
        UserError: it has content that turns do not support.
    """
    system = [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, SystemPromptPart)
    ]
    tools, choice = _tools(settings, parameters)
    output = parameters.output_object if parameters.output_mode == "native" else None
    return GuestRequest(
        messages=[said for message in messages for said in _messages(message, states)],
        system="\n\n".join([*system, *instructions]),
        tools=tools,
        schema=None if output is None else Schema(output.name or "answer", output.json_schema),
        max_tokens=settings.get("max_tokens"),
        temperature=settings.get("temperature"),
        reasoning=_THINKING.get(parameters.thinking),
        options=RequestOptions(
            tool_choice=choice,
            derived=choice == "required" and settings.get("tool_choice") != "required",
            parallel_tool_calls=settings.get("parallel_tool_calls") if tools else None,
            stop=tuple(settings.get("stop_sequences") or ()),
            top_p=settings.get("top_p"),
            seed=settings.get("seed"),
        ),
    )


def _tools(settings: ModelSettings, parameters: ModelRequestParameters) -> tuple[list[Tool], str]:
    """The tools that are sent, and which of them the model must call."""
    declared = list(parameters.declared_tool_defs.values())
    outputs = {tool.name for tool in parameters.output_tools}
    direct = "auto" if parameters.allow_text_output or parameters.allow_image_output else "required"
    chosen = settings.get("tool_choice")
    if chosen is None or chosen == "auto":
        allowed, choice = {tool.name for tool in declared}, direct
    elif chosen in ("none", []):
        if not outputs:
            return [_tool(one) for one in declared], "none" if declared else "auto"
        allowed, choice = outputs, direct
    elif chosen == "required":
        allowed, choice = {tool.name for tool in declared} - outputs, "required"
    elif isinstance(chosen, ToolOrOutput):
        allowed, choice = {*chosen.function_tools, *outputs}, direct
    else:
        allowed, choice = set(chosen), "required"
    sent = [tool for tool in declared if tool.name in allowed]
    if not sent:
        if choice == "required":
            raise UserError(f"tool_choice allows none of the tools of this request: {sorted(allowed) or 'none'}.")
        return [], "auto"
    return [_tool(tool) for tool in sent], choice


def _tool(tool: ToolDefinition) -> Tool:
    return Tool(tool.name, tool.description or "", tool.parameters_json_schema, strict=bool(tool.strict))


def _messages(message: ModelMessage, states: ProviderStates) -> list[Message]:
    if isinstance(message, ModelResponse):
        parts = [part for said in message.parts for part in _said(said, states)]
        return [Message("assistant", tuple(parts))] if parts else []
    results: list[Part] = []
    asked: list[Part] = []
    for part in message.parts:
        match part:
            case SystemPromptPart():
                continue
            case ToolReturnPart():
                text, files = part.model_response_str_and_user_content()
                results.append(
                    ToolResultPart(part.tool_call_id, result_value(text), is_error=part.outcome != "success")
                )
                asked += [_content(one) for one in files]
            case RetryPromptPart() if part.tool_name is not None:
                results.append(ToolResultPart(part.tool_call_id, part.model_response(), is_error=True))
            case RetryPromptPart():
                asked.append(TextPart(part.model_response()))
            case UserPromptPart():
                given = [part.content] if isinstance(part.content, str) else part.content
                asked += [_content(one) for one in given if not isinstance(one, CachePoint)]
            case _:
                raise UserError(f"Farebox does not support a {type(part).__name__}.")
    found = [Message("tool", tuple(results))] if results else []
    return [*found, Message("user", tuple(asked))] if asked else found


def _said(part: Any, states: ProviderStates) -> list[Part]:
    match part:
        case GuestText():
            return [TextPart(part.content)] if part.content else []
        case GuestCall():
            return [ToolCallPart.parse(part.tool_call_id, part.tool_name, part.args_as_json_str())]
        case GuestThinking() if part.provider_name == PROVIDER and part.id:
            return list(states.of(part.id))
        case GuestThinking() | FilePart():
            return []  # from another provider's model: no other model can read it
    raise UserError(f"Farebox does not support a {type(part).__name__} of an earlier answer.")


def _content(content: UserContent) -> Part:
    """A piece of a user's message.

    Raises:
        UserError: it is not text, an image or a PDF.
    """
    try:
        match content:
            case str():
                return TextPart(content)
            case TextContent():
                return TextPart(content.content)
            case BinaryContent() if content.media_type.startswith("image/"):
                return ImagePart(content.media_type, content.data)
            case BinaryContent():
                return DocumentPart(content.media_type, content.data)
            case ImageUrl():
                return ImagePart(content.media_type, url=content.url)
            case DocumentUrl():
                return DocumentPart(content.media_type, url=content.url)
    except ValueError as error:
        raise UserError(f"Farebox does not support this {type(content).__name__}: {error}.") from None
    raise UserError(f"Farebox does not support a {type(content).__name__}.")
