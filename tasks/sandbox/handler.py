"""One request's way through the sandbox: route, read, fault, generate, journal, reply."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

import orjson
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from pydantic import ValidationError

from pricing import Usage
from tasks.sandbox.answers.answer import answer_question
from tasks.sandbox.batch_lines import LineRunner
from tasks.sandbox.batches import SandboxBatches
from tasks.sandbox.cache import PromptCache, PromptCacheUse
from tasks.sandbox.counts import cache_use, counted_usage
from tasks.sandbox.dialects.anthropic import AnthropicDialect
from tasks.sandbox.dialects.bedrock import BedrockDialect
from tasks.sandbox.dialects.gemini import GeminiDialect
from tasks.sandbox.dialects.openai import OpenAIDialect
from tasks.sandbox.dialects.responses import ResponsesDialect
from tasks.sandbox.faults import FAULTS, Fault, FaultPlan, alter
from tasks.sandbox.journal import SandboxEntry, SandboxJournal, read_since
from tasks.sandbox.latency import Latency
from tasks.sandbox.media import media_tokens
from tasks.sandbox.protocol import (
    LABEL,
    BadRequest,
    Complaint,
    Dialect,
    Facts,
    SandboxAnswer,
    SandboxExchange,
    SandboxRefusal,
    SandboxRequest,
    StreamPart,
)
from tasks.sandbox.script import Script, scripted_answer
from tasks.sandbox.service_tiers import asked_tier, billed_tier, serving_tier
from tasks.sandbox.tokens import count_tokens

_PATH: Final = re.compile(r"(?:/t/(?P<target>[^/]+))?(?P<rest>/.*)")
_CONVERSE: Final = re.compile(r"/model/(?P<model>[^/]+)/(?P<verb>converse-stream|converse)$")
_REFUSING: Final[Mapping[str, Complaint]] = {
    "429": "429", "500": "500", "503": "503", "529": "529", "tier_full": "capacity",
    "auth": "auth", "overflow": "overflow", "quota": "quota",
}  # fmt: skip
_GENERATE: Final = re.compile(r"/models/(?P<model>[^/]+):(?P<verb>streamGenerateContent|generateContent)$")
_ENDINGS: Final = (
    "/chat/completions",
    "/responses",
    "/messages",
    "/converse",
    "/converse-stream",
    ":generateContent",
    ":streamGenerateContent",
)
_GATEWAY_PAGE: Final = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n"
)
_EVENTS_PER_PAUSE: Final = 4
_LARGEST_BODY: Final = 32 * 2**20
_LARGEST_BATCH: Final = 257 * 10**6
"""Bytes."""


@dataclass(slots=True)
class _Call:
    """The state of one request while it is served."""

    http: web.BaseRequest
    dialect: Dialect
    request_id: str
    target: str | None
    model: str = ""
    fault: Fault | None = None
    service_tier: str = ""

    @property
    def headers(self) -> dict[str, str]:
        tier = self.service_tier if self.dialect.provider == "gemini" else ""
        return {
            **LABEL,
            self.dialect.id_header: self.request_id,
            **({"x-gemini-service-tier": tier} if tier else {}),
        }


class Handler:
    """Serves requests; the state of one sandbox.

    Args:
        journal: where every request is written down before its reply is sent.
        faults: the rules in force from the start.
        latency: how long answers take.
        windows: context window in tokens, by model id; a model that is not named takes any length.
        script: says what a request gets instead, where it does.
    """

    def __init__(
        self,
        journal: SandboxJournal,
        *,
        faults: Sequence[Fault],
        latency: Latency,
        windows: Mapping[str, int],
        script: Script | None = None,
    ) -> None:
        self._journal = journal
        self._plan = FaultPlan(faults)
        self._latency = latency
        self._windows = dict(windows)
        self._script = script
        self._cache = PromptCache()
        self._requests: Counter[str] = Counter()
        self._openai = OpenAIDialect("openai")
        self._groq = OpenAIDialect("groq")
        self._responses = ResponsesDialect()
        self._anthropic = AnthropicDialect()
        self._bedrock = BedrockDialect()
        self._gemini = GeminiDialect()
        self._batches = SandboxBatches(
            LineRunner(journal, self._cache, lambda: self._plan, self._windows, script),
            openai={"/chat/completions": self._openai, "/responses": self._responses},
            groq={"/chat/completions": self._groq},
            anthropic=self._anthropic,
            bedrock=self._bedrock,
        )

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        match = _PATH.fullmatch(http.raw_path.partition("?")[0])
        rest = match["rest"].replace("%3A", ":") if match else ""  # clients write a colon either way
        if rest == "/health" or rest.startswith("/_sandbox/"):
            return await self._admin(http, rest)
        target = unquote(match["target"]) if match and match["target"] else None
        if (reply := await self._batches.serve(http, rest, target)) is not None:
            return reply
        self._requests[target or ""] += 1
        dialect, model, stream = self._route(rest)
        call = _Call(http, dialect, dialect.new_id(), target, model)
        try:
            question = await self._read(call, rest)
        except BadRequest as wrong:
            facts = Facts(call.request_id, call.model, wrong.message, param=wrong.param, code=wrong.code)
            return self._refuse(call, wrong.complaint, facts)
        call.model = question.model
        return await self._serve(call, replace(question, stream=question.stream or stream))

    async def _read(self, call: _Call, rest: str) -> SandboxRequest:
        if call.http.method != "POST" or not rest.endswith(_ENDINGS):
            raise BadRequest("no such path", complaint="not_found")
        try:
            body = orjson.loads(await call.http.read())
        except web.HTTPRequestEntityTooLarge as error:
            raise BadRequest("too large", complaint="too_large") from error
        except orjson.JSONDecodeError as error:
            raise BadRequest("We could not parse the JSON body of your request.") from error
        if not isinstance(body, dict):
            raise BadRequest("The request body is not a JSON object.")
        question = call.dialect.read(body, call.model, call.http.headers)
        provider = call.dialect.provider
        return replace(
            question,
            media_tokens=media_tokens(body, question.model, provider),
            service_tier=asked_tier(provider, body),
        )

    def _route(self, rest: str) -> tuple[Dialect, str, bool]:
        """The dialect of a path, the model it names, and whether it asks for a stream."""
        if converse := _CONVERSE.search(rest):
            return self._bedrock, unquote(converse["model"]), converse["verb"] == "converse-stream"
        if generate := _GENERATE.search(rest):
            return self._gemini, unquote(generate["model"]), generate["verb"] == "streamGenerateContent"
        if rest.endswith("/messages"):
            return self._anthropic, "", False
        if rest.endswith("/responses"):
            return self._responses, "", False
        return (self._groq if rest.startswith("/openai/") else self._openai), "", False

    async def _serve(self, call: _Call, question: SandboxRequest) -> web.StreamResponse:
        scripted = self._script(call.target or "", question) if self._script is not None else None
        tiered = billed_tier(question.service_tier) != "standard"
        planned = self._plan.next(call.target, call.dialect.provider, question.model, tiered=tiered)
        fault = call.fault = scripted if isinstance(scripted, Fault) else planned
        call.service_tier = serving_tier(call.dialect.provider, question.service_tier, fault)
        kind = None if fault is None else fault.kind
        prompt = question.prompt
        tokens = max(1, count_tokens(prompt) + question.media_tokens)
        window = self._windows.get(question.model)
        facts = Facts(
            call.request_id,
            question.model,
            tokens=tokens,
            window=window or max(1, tokens - 1),
            max_tokens=question.max_tokens,
            retry_after=None if fault is None else fault.retry_after,
        )
        if complaint := _REFUSING.get(kind or ""):
            return self._refuse(call, complaint, facts)
        if kind == "html502":
            self._write(call, 502)
            return web.Response(status=502, text=_GATEWAY_PAGE, content_type="text/html", headers=LABEL)
        if kind in {"hang", "drop"}:
            self._write(call, None)
            return await self._silence(call)
        if window is not None and tokens + (question.max_tokens or 0) > window:
            return self._refuse(call, "overflow", facts)
        own = None if scripted is None or isinstance(scripted, Fault) else scripted_answer(scripted, question)
        return await self._generate(call, question, facts, own)

    async def _generate(
        self, call: _Call, question: SandboxRequest, facts: Facts, own: SandboxAnswer | None
    ) -> web.StreamResponse:
        kind = None if call.fault is None else call.fault.kind
        try:
            answer = alter(own or answer_question(question, call.request_id), kind, question)
        except BadRequest as wrong:
            return self._refuse(call, wrong.complaint, replace(facts, message=wrong.message, param=wrong.param))
        cached = cache_use(self._cache, call.dialect, question, call.target)
        usage = counted_usage(call.dialect, (question, answer), cached, call.request_id)
        if kind == "invalid_json" and call.dialect.provider == "groq" and (question.schema or answer.calls):
            code = "json_validate_failed" if question.schema else "tool_use_failed"
            return self._refuse(call, "invalid_output", replace(facts, code=code, generated=answer.text), billed=usage)
        seconds = self._latency.of(answer.tokens)
        exchange = SandboxExchange(
            call.request_id, question, answer, usage, int(time.time()), round(seconds * 1000), call.service_tier
        )
        if question.stream:
            return await self._stream(call, exchange, cached)
        self._write(call, 200, usage)
        await self._pause(call, seconds)
        if kind == "hang_after":
            return await self._silence(call)
        self._cache.publish(cached)
        body = orjson.dumps(call.dialect.reply(exchange))
        if kind == "malformed":
            body = body[: len(body) // 2]
        if kind == "cut":
            return await self._cut(call, body)
        return web.Response(body=body, content_type="application/json", headers=call.headers)

    async def _stream(self, call: _Call, exchange: SandboxExchange, cached: PromptCacheUse) -> web.StreamResponse:
        kind = None if call.fault is None else call.fault.kind
        parts = call.dialect.stream(exchange)
        usage = exchange.usage
        if kind == "cut":
            parts = parts[: max(1, len(parts) // 2)]
            usage = replace(usage, output_tokens=sum(part.tokens for part in parts))
        elif kind == "malformed":
            parts = [*parts[: len(parts) // 2], StreamPart(call.dialect.garbage())]
        self._write(call, 200, usage)
        await self._pause(call, self._latency.base)
        if kind == "hang_after":
            return await self._silence(call)
        response = web.StreamResponse(headers={**call.headers, "content-type": call.dialect.stream_type})
        await response.prepare(call.http)
        step = _EVENTS_PER_PAUSE if self._latency.per_token else len(parts)
        for first in range(0, len(parts), step):
            some = parts[first : first + step]
            await asyncio.sleep(self._latency.per_token * sum(part.tokens for part in some))
            if first == 0:
                self._cache.publish(cached)
            await response.write(b"".join(part.data for part in some))
        if kind == "cut":
            _hang_up(call.http)
        else:
            await response.write_eof()
        return response

    async def _pause(self, call: _Call, seconds: float) -> None:
        if call.fault is not None and call.fault.kind == "slow":
            seconds += call.fault.seconds
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def _silence(self, call: _Call) -> web.StreamResponse:
        """Send nothing: close the connection at once (``drop``) or wait until the client does."""
        if call.fault is not None and call.fault.kind == "drop":
            _hang_up(call.http)
        else:
            await asyncio.Event().wait()
        return web.Response()

    async def _cut(self, call: _Call, body: bytes) -> web.StreamResponse:
        headers = {**call.headers, "content-type": "application/json", "content-length": str(len(body))}
        response = web.StreamResponse(headers=headers)
        await response.prepare(call.http)
        await response.write(body[: len(body) // 2])
        _hang_up(call.http)
        return response

    def _refuse(
        self, call: _Call, complaint: Complaint, facts: Facts, *, billed: Usage | None = None
    ) -> web.StreamResponse:
        refusal: SandboxRefusal = call.dialect.refuse(complaint, facts)
        self._write(call, refusal.status, billed)
        return _json(refusal.status, refusal.body, {**call.headers, **refusal.headers})

    def _write(self, call: _Call, status: int | None, billed: Usage | None = None) -> None:
        usage = billed or Usage()
        self._journal.write(
            SandboxEntry(
                time=time.time(),
                request_id=call.request_id,
                client_request_id=call.http.headers.get("x-client-request-id"),
                target=call.target,
                provider=call.dialect.provider,
                model=call.model,
                status=status,
                billed=billed is not None,
                fault=None if call.fault is None else call.fault.kind,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                cache_write_1h_tokens=usage.cache_write_1h_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                service_tier=billed_tier(call.service_tier),
            )
        )

    async def _admin(self, http: web.BaseRequest, path: str) -> web.StreamResponse:
        match http.method, path:
            case "GET", "/health":
                return _json(200, {"status": "ok", "sandbox": True})
            case "GET", "/_sandbox/stats":
                return _json(200, {"requests": self._requests.total(), "by_target": dict(self._requests)})
            case "GET", "/_sandbox/journal":
                return self._journal_since(http.query.get("offset", "0"))
            case "POST", "/_sandbox/faults":
                return self._replace_faults(await http.read())
            case _:
                return await self._batches.admin(http, path)

    def _journal_since(self, offset: str) -> web.Response:
        if not offset.isascii() or not offset.isdigit():
            return _json(422, {"error": "offset must be a number of bytes"})
        entries, until = read_since(self._journal.path, int(offset))
        return _json(200, {"entries": entries, "offset": until})

    def _replace_faults(self, rules: bytes) -> web.Response:
        try:
            self._plan = FaultPlan(FAULTS.validate_json(rules))
        except ValidationError as error:
            return _json(422, {"error": str(error)})
        return _json(200, {"rules": len(self._plan.rules)})


def _json(status: int, body: object, headers: Mapping[str, str] = LABEL) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)


def _hang_up(http: web.BaseRequest) -> None:
    """Close the connection without further bytes; those written before still arrive."""
    if http.transport is not None:
        http.transport.close()


def large_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """A request whose body may be as large as the providers take, not just aiohttp's one megabyte."""
    loop = asyncio.get_running_loop()
    is_batch = message.path.endswith(("/files", "/batches")) or "/s3/" in message.path
    most = _LARGEST_BATCH if is_batch else _LARGEST_BODY
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=most)
