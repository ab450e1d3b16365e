"""OpenAI's SDK inside a priced run: clients whose chat completions and responses are turns, answered in this process.

Needs the extra ``openai``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

import openai

from farebox.integrations.chat_completions import ChatRequest, Chunks, completion, error_event, read_request
from farebox.integrations.openai_responses import ResponseEvents, read_response_request, response
from farebox.runtime import get_runtime
from guardrails import Guarded
from pricing import Blocked, FareboxError, NoTarget, OverBudget, UsageError
from tasks import GuestRequest, GuestTurns, ProviderStates, Step
from tasks.providers import Reasoning
from tasks.routing import StepTier
from tasks.turn import Answer

if TYPE_CHECKING or not openai.VERSION.startswith("2."):
    import httpx2
else:  # version 2, which other libraries still pin, takes httpx clients only
    import httpx as httpx2

_TIERS: Final = ("light", "premium", "auto")
_STATES: Final = ProviderStates()
_STATUSES: Final[tuple[tuple[type[FareboxError], int, str], ...]] = (
    (OverBudget, 402, "over_budget"),
    (Blocked, 403, "blocked"),
    (NoTarget, 503, "no_target"),
    (UsageError, 400, "invalid_request_error"),
)
ADDRESS: Final = "http://farebox.invalid/v1"
"""A placeholder; no request is sent there."""


class BudgetRefused(openai.APIStatusError, OverBudget):
    """A budget did not cover the request. It is both OpenAI's status error and ours."""

    def __init__(self, error: OverBudget, response: httpx2.Response, body: object) -> None:
        openai.APIStatusError.__init__(self, error.message, response=response, body=body)
        self.next_step, self.fields = error.next_step, error.fields

    def __str__(self) -> str:
        return FareboxError.__str__(self)

    def __reduce__(self) -> Any:
        return OverBudget, (self.message,), {"next_step": self.next_step, "fields": self.fields}


class Client(openai.OpenAI):
    """OpenAI's client, answered by our turns; ``farebox_step`` is for plans, ``farebox_http`` is the HTTP client for
    libraries that create their own OpenAI client.
    """

    farebox_step: Step
    farebox_http: httpx2.Client

    def _make_status_error(self, err_msg: str, *, body: object, response: httpx2.Response) -> openai.APIStatusError:
        if isinstance(error := response.extensions.get("farebox_error"), OverBudget):
            return BudgetRefused(error, response, body)
        return super()._make_status_error(err_msg, body=body, response=response)


class AsyncClient(openai.AsyncOpenAI):
    """The same for async code."""

    farebox_step: Step
    farebox_http: httpx2.AsyncClient

    def _make_status_error(self, err_msg: str, *, body: object, response: httpx2.Response) -> openai.APIStatusError:
        if isinstance(error := response.extensions.get("farebox_error"), OverBudget):
            return BudgetRefused(error, response, body)
        return super()._make_status_error(err_msg, body=body, response=response)


def client(
    *,
    operation: str,
    tier: StepTier = "light",
    models: Mapping[str, str] = MappingProxyType({}),
    max_tokens: int = 1024,
    reasoning: Reasoning | None = None,
    guards: Sequence[Guarded] = (),
    unmasked_media: bool = False,
) -> Client:
    """OpenAI's client whose chat completions and responses are turns: routed, guarded, recorded, replayed, priced.

    It needs no key and no server. The SDK's retries are off; the turn retries. Other endpoints return 404.

    Args:
        operation: the operation of its turns.
        tier: the tier for quotes: the one that most of its requests use.
        models: by ``model`` name in client code, a tier (``light``, ``premium``, ``auto``) or a target of farebox.toml,
            which then comes first in its tier; ``"*"`` matches every other name. They take precedence over
            ``[integrations.openai.models]`` in farebox.toml. Names of tiers, of targets and of their models need no
            entry. Other names return 404.
        max_tokens: of each answer; requests may set less.
        reasoning: the reasoning level; ``reasoning_effort`` of a request takes precedence.
        guards: additional guards of its turns.
        unmasked_media: whether images and documents may be sent although no guard can read them.

    Raises:
        PlanError: ``reasoning`` is not a valid level.
        BudgetRefused: a request exceeds the run's hold or a budget. It is also an ``openai.APIStatusError``.
        openai.APIStatusError: of a request, for every other reason: its body has our message and next step.

    Example:
        ``llm = client(operation="chat", models={"gpt-4o": "premium"})``
        ``llm.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])``
    """
    step = Step(operation, tier, max_tokens, reasoning=reasoning, guards=tuple(guards), unmasked_media=unmasked_media)
    web = httpx2.Client(transport=GuestTransport(step, models), trust_env=False)
    found = Client(api_key="none", base_url=ADDRESS, max_retries=0, http_client=web)
    found.farebox_step, found.farebox_http = step, web
    return found


def async_client(
    *,
    operation: str,
    tier: StepTier = "light",
    models: Mapping[str, str] = MappingProxyType({}),
    max_tokens: int = 1024,
    reasoning: Reasoning | None = None,
    guards: Sequence[Guarded] = (),
    unmasked_media: bool = False,
) -> AsyncClient:
    """The same for async code: ``await llm.chat.completions.create(…)``."""
    step = Step(operation, tier, max_tokens, reasoning=reasoning, guards=tuple(guards), unmasked_media=unmasked_media)
    web = httpx2.AsyncClient(transport=AsyncGuestTransport(step, models), trust_env=False)
    found = AsyncClient(api_key="none", base_url=ADDRESS, max_retries=0, http_client=web)
    found.farebox_step, found.farebox_http = step, web
    return found


_Chunks: TypeAlias = Chunks | ResponseEvents


class _Dialect(NamedTuple):
    """How one of OpenAI's endpoints is read and answered."""

    read: Callable[[bytes, ProviderStates], ChatRequest]
    whole: Callable[[Answer[str], ChatRequest, ProviderStates], dict[str, Any]]
    events: Callable[[ChatRequest, ProviderStates], _Chunks]


_DIALECTS: Final = {
    "/chat/completions": _Dialect(read_request, completion, Chunks),
    "/responses": _Dialect(read_response_request, response, ResponseEvents),
}


class _Server:
    """Answers requests of both kinds of client."""

    def __init__(self, step: Step, models: Mapping[str, str] = MappingProxyType({})) -> None:
        self._models = models
        self._turns = GuestTurns(lambda: get_runtime().engine, step, "openai")

    def _dialect(self, request: httpx2.Request) -> _Dialect:
        path = request.url.path
        found = next((dialect for end, dialect in _DIALECTS.items() if path.endswith(end)), None)
        if request.method != "POST" or found is None:
            raise _NotFound(
                f"Farebox does not answer {request.method} {path[:60]}.",
                next_step="Use chat.completions.create(…) or responses.create(…).",
            )
        return found

    def _asked(self, request: ChatRequest) -> GuestRequest:
        """The request, with the targets of its model name.

        Raises:
            UsageError: the name matches no tier and no target.
        """
        runtime, model = get_runtime(), request.model
        stated, targets = runtime.settings.integrations.openai.models, runtime.router.targets
        mapped = self._models.get(model) or stated.get(model)
        every = self._models.get("*") or stated.get("*")
        for name in (mapped,) if mapped else (model, every):
            if name in _TIERS:
                return replace(request.asked, tier=cast("StepTier", name))
            for target in targets:
                if name in {target.name, target.model}:
                    return replace(request.asked, tier=target.tier, first=target.name)
        known = {*_TIERS, *(target.name for target in targets)}
        if mapped:
            raise _NotFound(
                f"The model {model[:60]!r} is mapped to {mapped[:60]!r}, which is neither a tier nor a target.",
                next_step=f"Map it to one of {', '.join(sorted(known))}.",
            )
        names = ", ".join(sorted({*self._models, *stated, *known} - {"*"}))
        raise _NotFound(
            f"The model {model[:60]!r} matches no tier and no target.",
            next_step=f"Map it in models={{…}} or [integrations.openai.models], or ask for one of {names}.",
        )


class GuestTransport(_Server, httpx2.BaseTransport):
    """Answers an ``httpx2.Client`` in this process."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer of a turn, or its error as a response."""
        request.read()
        try:
            dialect = self._dialect(request)
            read = dialect.read(request.content, _STATES)
            asked = self._asked(read)
            if not read.stream:
                return httpx2.Response(200, json=dialect.whole(self._turns.answer_blocking(asked), read, _STATES))
            pieces = self._turns.stream_blocking(asked)
            first = next(pieces)
        except FareboxError as error:
            return _refused(error)
        return httpx2.Response(200, headers=_EVENTS, stream=_Events(dialect.events(read, _STATES), first, pieces))


class AsyncGuestTransport(_Server, httpx2.AsyncBaseTransport):
    """Answers an ``httpx2.AsyncClient`` in this process."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer of a turn, or its error as a response."""
        await request.aread()
        try:
            dialect = self._dialect(request)
            read = dialect.read(request.content, _STATES)
            asked = self._asked(read)
            if not read.stream:
                return httpx2.Response(200, json=dialect.whole(await self._turns.answer(asked), read, _STATES))
            pieces = self._turns.stream(asked)
            first = await anext(pieces)
        except FareboxError as error:
            return _refused(error)
        return httpx2.Response(200, headers=_EVENTS, stream=_AsyncEvents(dialect.events(read, _STATES), first, pieces))


_EVENTS: Final = {"content-type": "text/event-stream"}


class _NotFound(UsageError):
    """The requested endpoint does not exist here."""


class _Events(httpx2.SyncByteStream):
    """A running turn as server-sent events; closing it early ends the turn."""

    def __init__(
        self,
        chunks: Chunks | ResponseEvents,
        first: str | Answer[str],
        pieces: Generator[str | Answer[str], None, None],
    ) -> None:
        self._chunks = chunks
        self._first, self._pieces = first, pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks.of(self._first)
        try:
            for piece in self._pieces:
                yield from self._chunks.of(piece)
        except FareboxError as error:
            yield error_event(_body(error)[1])

    def close(self) -> None:
        self._pieces.close()


class _AsyncEvents(httpx2.AsyncByteStream):
    """The same for async clients."""

    def __init__(
        self, chunks: _Chunks, first: str | Answer[str], pieces: AsyncGenerator[str | Answer[str], None]
    ) -> None:
        self._chunks = chunks
        self._first, self._pieces = first, pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._chunks.of(self._first):
            yield event
        try:
            async for piece in self._pieces:
                for event in self._chunks.of(piece):
                    yield event
        except FareboxError as error:
            yield error_event(_body(error)[1])

    async def aclose(self) -> None:
        await self._pieces.aclose()


def _refused(error: FareboxError) -> httpx2.Response:
    status, body = _body(error)
    return httpx2.Response(status, json=body, headers={"x-should-retry": "false"}, extensions={"farebox_error": error})


def _body(error: FareboxError) -> tuple[int, dict[str, Any]]:
    status, kind = next(((code, name) for cls, code, name in _STATUSES if isinstance(error, cls)), (422, "turn_failed"))
    if isinstance(error, _NotFound):
        status, kind = 404, "model_not_found"
    return status, {"error": {"message": str(error), "type": kind, "code": kind, "param": None}}
