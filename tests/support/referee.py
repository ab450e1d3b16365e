"""pydantic-ai beside our adapters: the same content through both, and what their bodies differ in."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import messages as their
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from pricing.content import DocumentPart, ImagePart, TextPart, ToolCallPart, ToolResultPart
from tasks.providers.messages import Message, ModelRequest

ABSENT: Final = "(absent)"
ANY: Final = "(any)"


@dataclass(frozen=True)
class Difference:
    """One place where two bodies differ: its path, without numbers of list items, and both values."""

    path: str
    ours: Any
    theirs: Any


@dataclass(frozen=True)
class Known:
    """A difference that is meant: where, from which value to which (``ANY`` for all), and why."""

    path: str
    ours: Any
    theirs: Any
    reason: str

    def covers(self, found: Difference) -> bool:
        values = ((self.ours, found.ours), (self.theirs, found.theirs))
        same = all(meant is ANY or (meant == value and type(meant) is type(value)) for meant, value in values)
        return same and re.fullmatch(self.path, found.path) is not None


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[Difference]:
    """Each leaf in which two JSON values differ; lists of different length are one difference."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            inner = f"{path}.{name}" if path else name
            yield from differences(ours.get(name, ABSENT), theirs.get(name, ABSENT), inner)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            yield from differences(one, other, f"{path}[]")
    elif ours != theirs or type(ours) is not type(theirs):
        yield Difference(path, ours, theirs)


def plain(value: Any) -> Any:
    """A JSON value with lists of one text block written as the text, which all dialects take alike, and without the
    markup that pydantic-ai puts around an image of a tool's result.
    """
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    match value:
        case [{"type": "text" | "input_text", "text": str(words), **rest}] if not rest:
            return words
        case list():
            return [plain(inner) for inner in value if not _is_markup(inner)]
    return value


def _is_markup(block: Any) -> bool:
    words = block.get("text") if isinstance(block, dict) else None
    return isinstance(words, str) and words.startswith(("<pyai:tool_result", "</pyai:tool_result"))


class Referee:
    """One of pydantic-ai's models on a scripted transport: what it sends, and how it reads a reply."""

    def __init__(self, dialect: str, model: str) -> None:
        self.dialect, self.model = dialect, model

    def ask(
        self, asked: ModelRequest, reply: Mapping[str, Any], settings: ModelSettings, most: int
    ) -> tuple[dict[str, Any], their.ModelResponse]:
        """The body that it sends for one of our requests, of a reply of ``most`` tokens; what it makes of ``reply``."""
        return self._exchange(conversation(asked), asked, reply, {**settings, "max_tokens": most})

    def answered(
        self, asked: ModelRequest, reply: Mapping[str, Any], most: int, earlier: their.ModelResponse
    ) -> dict[str, Any]:
        """The body that it sends where ``earlier``, its own reply, goes back before the last message."""
        question = ModelRequest(asked.messages[:-1], asked.max_tokens, asked.system)
        results = _results(asked.messages[-1], {})
        told = asked.system.text or None
        history = [*conversation(question), earlier, their.ModelRequest(results, instructions=told)]
        return self._exchange(history, asked, reply, {"max_tokens": most})[0]

    def read(self, asked: ModelRequest, stream: bytes) -> tuple[dict[str, Any], their.ModelResponse]:
        """The body that it sends for a stream, and what it makes of one."""
        sent: list[bytes] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            sent.append(request.content)
            return httpx2.Response(200, content=stream, headers={"content-type": "text/event-stream"})

        async def exchange() -> their.ModelResponse:
            async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
                model, history = self._model(client), conversation(asked)
                async with model.request_stream(history, {"max_tokens": 500}, parameters(asked)) as streamed:
                    async for _ in streamed:
                        pass
                    return streamed.get()

        response = asyncio.run(exchange())
        [body] = sent
        return json.loads(body), response

    def _exchange(
        self,
        history: list[their.ModelMessage],
        asked: ModelRequest,
        reply: Mapping[str, Any],
        settings: ModelSettings,
    ) -> tuple[dict[str, Any], their.ModelResponse]:
        sent: list[bytes] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            sent.append(request.content)
            return httpx2.Response(200, json=reply)

        async def exchange() -> their.ModelResponse:
            async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
                return await self._model(client).request(history, settings, parameters(asked))

        response = asyncio.run(exchange())
        [body] = sent
        return json.loads(body), response

    def _model(self, client: httpx2.AsyncClient) -> Model:
        if self.dialect == "anthropic":
            sdk = AsyncAnthropic(api_key="secret", http_client=client, max_retries=0)
            return AnthropicModel(self.model, provider=AnthropicProvider(anthropic_client=sdk))
        provider = OpenAIProvider(openai_client=AsyncOpenAI(api_key="secret", http_client=client, max_retries=0))
        kind = OpenAIResponsesModel if self.dialect == "responses" else OpenAIChatModel
        return kind(self.model, provider=provider)


def parameters(asked: ModelRequest) -> ModelRequestParameters:
    """The tools and the schema of a request as pydantic-ai has them."""
    tools = [
        ToolDefinition(
            name=tool.name,
            description=tool.description,
            parameters_json_schema=tool.parameters,
            strict=tool.strict,
        )
        for tool in asked.tools
    ]
    if asked.schema is None:
        return ModelRequestParameters(function_tools=tools)
    output = OutputObjectDefinition(asked.schema.definition, asked.schema.name, strict=True)
    return ModelRequestParameters(function_tools=tools, output_mode="native", output_object=output)


def conversation(asked: ModelRequest) -> list[their.ModelMessage]:
    """The messages of a request as pydantic-ai has them."""
    found: list[their.ModelMessage] = []
    names = {call.id: call.name for message in asked.messages for call in message.tool_calls}
    for message in asked.messages:
        if message.role == "assistant":
            found.append(their.ModelResponse([_said(part) for part in message.parts]))
            continue
        parts = _results(message, names) if message.role == "tool" else [_asked(message)]
        if found and isinstance(found[-1], their.ModelRequest):
            found[-1].parts = [*found[-1].parts, *parts]
        else:
            found.append(their.ModelRequest(parts))
    for request in found:
        if isinstance(request, their.ModelRequest):
            request.instructions = asked.system.text or None
    return found


def _asked(message: Message) -> their.ModelRequestPart:
    if all(isinstance(part, TextPart) for part in message.parts):
        return their.UserPromptPart(message.text)
    return their.UserPromptPart([_content(part) for part in message.parts])


def _content(part: Any) -> Any:
    match part:
        case TextPart(text=words):
            return words
        case ImagePart(url=url) if url:
            return their.ImageUrl(url)
        case DocumentPart(url=url) if url:
            return their.DocumentUrl(url)
        case ImagePart() | DocumentPart():
            return their.BinaryContent(part.data, media_type=part.media_type)
    raise TypeError(type(part))


def _said(part: Any) -> their.ModelResponsePart:
    if isinstance(part, ToolCallPart):
        return their.ToolCallPart(part.name, dict(part.sent), part.id)
    return their.TextPart(part.text)


def _results(message: Message, names: Mapping[str, str]) -> list[their.ModelRequestPart]:
    return [_result(part, names) for part in message.results]


def _result(part: ToolResultPart, names: Mapping[str, str]) -> their.ToolReturnPart:
    content: Any = [part.text, *map(_content, part.media)] if part.media else part.text
    name = names.get(part.call_id, "weather")
    return their.ToolReturnPart(name, content, part.call_id, outcome="failed" if part.is_error else "success")
