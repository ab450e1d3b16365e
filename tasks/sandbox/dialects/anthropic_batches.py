"""Anthropic's Message Batches: requests in one call, counts that move when all have ended, one file of results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from tasks.providers.messages import JSONObject
from tasks.sandbox.batch_lines import line_tokens
from tasks.sandbox.batch_results import results_file
from tasks.sandbox.batch_rules import BatchPlan
from tasks.sandbox.batch_store import BatchStore, SandboxBatch, SandboxLine, new_batch_id
from tasks.sandbox.protocol import BadRequest, Dialect, require_objects

_PATH: Final = re.compile(r"/v1/messages/batches(?:/(?P<id>[^/]+)(?:/(?P<verb>results|cancel))?)?")
_KEPT: Final = 29 * 24 * 3600.0
"""Seconds after creation for which results are kept."""
_FOREVER: Final = 10 * 365 * 24 * 3600.0
_CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST_LINES: Final = 100_000
_LARGEST_PAGE: Final = 1_000


class AnthropicBatches:
    """Serves message batches.

    Args:
        store: the sandbox's batches.
        plan: gives the rules for batches that are in force.
        dialect: of the lines.
    """

    def __init__(self, store: BatchStore, plan: Callable[[], BatchPlan], dialect: Dialect) -> None:
        self._store = store
        self._plan = plan
        self.dialect = dialect

    def serves(self, path: str) -> bool:
        """Whether a path is one of this API."""
        return _PATH.fullmatch(path) is not None

    async def serve(
        self, http: web.BaseRequest, path: str, target: str | None
    ) -> tuple[int, JSONObject | bytes] | None:
        """Status and body; ``None`` to close the connection without a reply.

        Raises:
            BadRequest: what Anthropic would say is wrong.
        """
        match = _PATH.fullmatch(path)
        if match is None or "anthropic-version" not in http.headers:
            raise BadRequest("anthropic-version: header is required")
        named = match["id"] or ""
        match http.method, match["verb"], bool(named):
            case "POST", None, False:
                return self._create(await http.read(), target)
            case "GET", None, False:
                return 200, self._page(http.query, target)
            case "GET", None, True:
                return 200, self._body(self._batch(named, target))
            case "GET", "results", True:
                return 200, self._results(self._batch(named, target))
            case "POST", "cancel", True:
                return 200, self._cancel(self._batch(named, target))
            case "DELETE", None, True:
                return 200, self._delete(self._batch(named, target))
        raise BadRequest("Not found", complaint="not_found")

    def _create(self, written: bytes, target: str | None) -> tuple[int, JSONObject] | None:
        try:
            asked = orjson.loads(written)
        except orjson.JSONDecodeError as error:
            raise BadRequest("The request body is not valid JSON.") from error
        lines = _read_lines(asked)
        model = str(lines[0].body.get("model") or "")
        rule = self._plan().next(target, "anthropic", model)
        if rule.create == "unavailable":
            raise BadRequest("", complaint="500")
        if rule.create == "rate_limit" or self._queue_is_full(lines, target, rule.queue_tokens):
            raise BadRequest("", complaint="429")
        if rule.fails is not None:
            raise BadRequest(f"requests.0: {rule.fails}")
        batch = SandboxBatch(
            new_batch_id("msgbatch_"),
            "anthropic",
            target,
            self.dialect,
            lines,
            rule,
            self._store.clock(),
            kept=_FOREVER,
        )
        self._store.add(batch)
        return None if rule.create == "drop" else (200, self._body(batch))

    def _queue_is_full(self, lines: list[SandboxLine], target: str | None, limit: int | None) -> bool:
        waiting = [batch for batch in self._store.all("anthropic", target) if batch.end is None]
        whole = [*lines, *(line for batch in waiting for line in batch.lines)]
        return limit is not None and sum(map(self._tokens, whole)) > limit

    def _tokens(self, line: SandboxLine) -> int:
        try:
            return line_tokens(self.dialect.read(line.body, "", {"anthropic-version": "2023-06-01"}))
        except BadRequest:
            return 0

    def _batch(self, batch_id: str, target: str | None) -> SandboxBatch:
        found = self._store.get(batch_id, "anthropic", target)
        if found is None:
            raise BadRequest(f"Batch {batch_id} not found", complaint="missing")
        return found

    def _cancel(self, batch: SandboxBatch) -> JSONObject:
        if batch.end is not None:
            raise BadRequest(f"Batch {batch.id} has already ended")
        self._store.cancel(batch)
        return self._body(batch)

    def _delete(self, batch: SandboxBatch) -> JSONObject:
        if batch.end is None:
            raise BadRequest("Batches that are in progress cannot be deleted: cancel it first")
        self._store.remove(batch)
        return {"id": batch.id, "type": "message_batch_deleted"}

    def _results(self, batch: SandboxBatch) -> bytes:
        if batch.end is None:
            raise BadRequest("Results are available once the batch has ended", complaint="missing")
        if self._archived(batch):
            raise BadRequest("The results of this batch are no longer available", complaint="missing")
        rows = [orjson.dumps({"custom_id": line.line_id, "result": _result(line)}) for line in reversed(batch.lines)]
        return results_file(batch, rows, b'"custom_id":"')

    def _archived(self, batch: SandboxBatch) -> bool:
        return self._store.clock() >= batch.created + _KEPT

    def _page(self, query: Mapping[str, str], target: str | None) -> JSONObject:
        limit = int(query.get("limit", "20")) if query.get("limit", "20").isdigit() else 0
        if not 1 <= limit <= _LARGEST_PAGE:
            raise BadRequest("limit: Input should be between 1 and 1000")
        found = self._store.all("anthropic", target)
        if after := query.get("after_id"):
            ids = [batch.id for batch in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        page = [self._body(batch) for batch in found[:limit]]
        return {
            "data": page, "has_more": len(found) > limit,
            "first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None,
        }  # fmt: skip

    def _body(self, batch: SandboxBatch) -> JSONObject:
        ended = batch.end is not None
        status = "ended" if ended else "in_progress" if batch.cancelled_at is None else "canceling"
        counts = {
            "processing": 0 if ended else len(batch.lines),
            "succeeded": batch.count("succeeded") if ended else 0,
            "errored": batch.count("errored") if ended else 0,
            "canceled": batch.count("cancelled") if ended else 0,
            "expired": batch.count("expired") if ended else 0,
        }
        available = ended and not self._archived(batch)
        return {
            "id": batch.id, "type": "message_batch", "processing_status": status, "request_counts": counts,
            "created_at": _written(batch.created), "expires_at": _written(batch.expires),
            "ended_at": _written(batch.ended_at), "cancel_initiated_at": _written(batch.cancelled_at),
            "archived_at": _written(batch.created + _KEPT) if ended and not available else None,
            "results_url": f"https://api.anthropic.com/v1/messages/batches/{batch.id}/results" if available else None,
        }  # fmt: skip


def _read_lines(asked: Any) -> list[SandboxLine]:
    """The requests. Their params are looked at when they run."""
    wire = require_objects(asked.get("requests") if isinstance(asked, dict) else None, name="requests")
    if not wire:
        raise BadRequest("requests: List should have at least 1 item")
    if len(wire) > _MOST_LINES:
        raise BadRequest(f"requests: List should have at most {_MOST_LINES} items")
    lines: list[SandboxLine] = []
    seen: set[str] = set()
    for index, item in enumerate(wire):
        line_id, params = item.get("custom_id"), item.get("params")
        if not isinstance(line_id, str) or not _CUSTOM_ID.fullmatch(line_id):
            raise BadRequest(f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if line_id in seen:
            raise BadRequest(f"requests.{index}.custom_id: custom_id must be unique")
        if not isinstance(params, dict):
            raise BadRequest(f"requests.{index}.params: Field required")
        seen.add(line_id)
        lines.append(SandboxLine(line_id, "/v1/messages", params))
    return lines


def _result(line: SandboxLine) -> JSONObject:
    match line.end:
        case "succeeded":
            usage = {**line.reply["usage"], "service_tier": "batch"}
            return {"type": "succeeded", "message": {**line.reply, "usage": usage}}
        case "errored":
            return {"type": "errored", "error": line.reply}
        case "cancelled":
            return {"type": "canceled"}
    return {"type": "expired"}


def _written(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
