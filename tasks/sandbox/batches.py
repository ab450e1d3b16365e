"""The batch APIs of the sandbox, and what a test may ask of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import orjson
from aiohttp import web
from pydantic import ValidationError

from tasks.providers.messages import JSONObject
from tasks.sandbox.batch_lines import LineRunner
from tasks.sandbox.batch_notices import BatchNotices
from tasks.sandbox.batch_rules import BATCH_RULES, BatchPlan
from tasks.sandbox.batch_store import BatchStore, SandboxBatch, SandboxClock
from tasks.sandbox.dialects.anthropic_batches import AnthropicBatches
from tasks.sandbox.dialects.bedrock_batches import BedrockBatches
from tasks.sandbox.dialects.openai_batches import OpenAIBatches
from tasks.sandbox.protocol import LABEL, BadRequest, Dialect, Facts


class SandboxBatchApi(Protocol):
    """One provider's batch API."""

    dialect: Dialect

    def serves(self, path: str) -> bool:
        """Whether a path is one of this API."""

    async def serve(
        self, http: web.BaseRequest, path: str, target: str | None
    ) -> tuple[int, JSONObject | bytes] | None:
        """Status and body; ``None`` to close the connection without a reply; :class:`BadRequest` to complain."""


class SandboxBatches:
    """All batches of one sandbox.

    Control, beside the providers' own paths: ``POST /_sandbox/batches`` replaces the rules (a list of
    :class:`BatchRule`), ``GET /_sandbox/batches`` lists the batches, ``POST /_sandbox/clock`` with ``{"seconds": 60}``
    puts the clock forward, ``POST /_sandbox/webhook`` with ``{"url": …, "secret": …}`` has signed notices of OpenAI's
    batches sent, ``GET`` lists how they were answered.
    """

    def __init__(
        self,
        run: LineRunner,
        *,
        openai: Mapping[str, Dialect],
        groq: Mapping[str, Dialect],
        anthropic: Dialect,
        bedrock: Dialect,
    ) -> None:
        self._plan = BatchPlan()
        self._store = BatchStore(run, SandboxClock())
        self._notices = BatchNotices(self._store.settle)
        self._store.ended = self._notices.ended
        plan = lambda: self._plan  # noqa: E731 - rules are replaced while batches run
        self._apis: list[tuple[str, SandboxBatchApi]] = [
            ("/openai", OpenAIBatches(self._store, plan, groq)),
            ("", BedrockBatches(self._store, plan, bedrock)),
            ("", AnthropicBatches(self._store, plan, anthropic)),
            ("", OpenAIBatches(self._store, plan, openai)),
        ]

    async def serve(self, http: web.BaseRequest, path: str, target: str | None) -> web.StreamResponse | None:
        """The reply of a batch API; ``None`` if the path is none of one."""
        api = next((api for start, api in self._apis if path.startswith(start) and api.serves(path)), None)
        if api is None:
            return None
        headers = {**LABEL, api.dialect.id_header: api.dialect.new_id()}
        try:
            found = await api.serve(http, path, target)
        except web.HTTPRequestEntityTooLarge:
            found = None
            refusal = api.dialect.refuse("too_large", Facts(headers[api.dialect.id_header]))
        except BadRequest as wrong:
            facts = Facts(headers[api.dialect.id_header], "", wrong.message, param=wrong.param, code=wrong.code)
            refusal = api.dialect.refuse(wrong.complaint, facts)
        else:
            if found is None:
                if http.transport is not None:
                    http.transport.close()
                return web.Response()
            status, body = found
            return _reply(status, body, headers)
        return _reply(refusal.status, refusal.body, {**headers, **refusal.headers})

    async def admin(self, http: web.BaseRequest, path: str) -> web.Response:
        """The reply to a call of the control paths."""
        match http.method, path:
            case "GET", "/_sandbox/batches":
                return _reply(200, {"batches": [_summary(batch) for batch in self._store.every()]}, LABEL)
            case "GET", "/_sandbox/webhook":
                return _reply(200, {"statuses": list(self._notices.statuses)}, LABEL)
            case "POST", "/_sandbox/batches" | "/_sandbox/clock" | "/_sandbox/webhook":
                return self._set(path, await http.read())
        return _reply(404, {"error": "no such path"}, LABEL)

    def _set(self, path: str, body: bytes) -> web.Response:
        if path == "/_sandbox/clock":
            return self._advance(body)
        if path == "/_sandbox/webhook":
            return self._send_notices(body)
        try:
            self._plan = BatchPlan(BATCH_RULES.validate_json(body))
        except ValidationError as error:
            return _reply(422, {"error": str(error)}, LABEL)
        return _reply(200, {"rules": len(self._plan.rules)}, LABEL)

    def _send_notices(self, body: bytes) -> web.Response:
        try:
            asked = orjson.loads(body)
            self._notices.send_to(str(asked["url"]), str(asked["secret"]))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _reply(422, {"error": 'expected {"url": text, "secret": text}'}, LABEL)
        return _reply(200, {"sends": True}, LABEL)

    def _advance(self, body: bytes) -> web.Response:
        try:
            seconds = float(orjson.loads(body)["seconds"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return _reply(422, {"error": 'expected {"seconds": number}'}, LABEL)
        self._store.clock.advance(seconds)
        self._store.settle()
        return _reply(200, {"now": self._store.clock()}, LABEL)


def _summary(batch: SandboxBatch) -> JSONObject:
    return {
        "id": batch.id,
        "provider": batch.provider,
        "target": batch.target,
        "end": batch.end,
        "lines": len(batch.lines),
        "ran": batch.count("succeeded", "errored"),
    }


def _reply(status: int, body: JSONObject | bytes, headers: Mapping[str, str]) -> web.Response:
    written = body if isinstance(body, bytes) else orjson.dumps(body)
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    return web.Response(status=status, body=written, content_type=kind, headers=headers)
