"""OpenAI's files and batches, and Groq's: a file of requests in, a file of results and one of errors out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import orjson
from aiohttp import web

from tasks.providers.messages import JSONObject
from tasks.sandbox.batch_lines import line_tokens
from tasks.sandbox.batch_results import results_file
from tasks.sandbox.batch_rules import BatchPlan
from tasks.sandbox.batch_store import BatchStore, SandboxBatch, SandboxLine, new_batch_id
from tasks.sandbox.protocol import BadRequest, Dialect, Provider

_PATH: Final = re.compile(r"(?:/openai)?/v1/(?P<kind>files|batches)(?:/(?P<id>[^/]+)(?:/(?P<verb>content|cancel))?)?")
_KEPT: Final = 30 * 24 * 3600.0
"""Seconds that a batch and its files are kept."""
_MOST_LINES: Final = 50_000
_LARGEST_PAGE: Final = 100
_EXPIRED: Final = "This request could not be executed before the completion window expired."
_CANCELLED: Final = "This request was cancelled before it could be executed."


@dataclass(frozen=True, slots=True)
class _File:
    id: str
    target: str | None
    name: str
    purpose: str
    data: bytes = field(repr=False)
    created: int = 0


class OpenAIBatches:
    """Serves files and batches of one speaker.

    Args:
        store: the sandbox's batches.
        plan: gives the rules for batches that are in force.
        dialects: of the lines, by the path that a batch names.
    """

    def __init__(self, store: BatchStore, plan: Callable[[], BatchPlan], dialects: Mapping[str, Dialect]) -> None:
        self._store = store
        self._plan = plan
        self._dialects = dialects
        self.dialect = next(iter(dialects.values()))
        self._provider: Provider = self.dialect.provider
        self._files: dict[str, _File] = {}
        self._deleted: set[str] = set()

    def serves(self, path: str) -> bool:
        """Whether a path is one of this API."""
        return _PATH.fullmatch(path) is not None

    async def serve(
        self, http: web.BaseRequest, path: str, target: str | None
    ) -> tuple[int, JSONObject | bytes] | None:
        """Status and body; ``None`` to close the connection without a reply.

        Raises:
            BadRequest: what OpenAI would say is wrong.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise BadRequest("no such path", complaint="not_found")
        named = match["id"] or ""
        if match["kind"] == "files":
            return 200, await self._serve_files(http, match["verb"], named, target)
        match http.method, match["verb"], bool(named):
            case "POST", None, False:
                return self._create(_json_object(await http.read()), target)
            case "GET", None, False:
                return 200, self._page(http.query, target)
            case "GET", None, True:
                return 200, self._body(self._batch(named, target))
            case "POST", "cancel", True:
                return 200, self._cancel(self._batch(named, target))
        raise BadRequest("no such path", complaint="not_found")

    async def _serve_files(
        self, http: web.BaseRequest, verb: str | None, named: str, target: str | None
    ) -> JSONObject | bytes:
        match http.method, verb, bool(named):
            case "POST", None, False:
                return _file_body(await self._upload(http, target))
            case "GET", "content", True:
                return self._file(named, target).data
            case "GET", None, True:
                return _file_body(self._file(named, target))
            case "DELETE", None, True:
                return self._delete(named, target)
        raise BadRequest("no such path", complaint="not_found")

    async def _upload(self, http: web.BaseRequest, target: str | None) -> _File:
        form = await http.post()
        purpose, given = form.get("purpose"), form.get("file")
        if purpose != "batch":
            raise BadRequest("Invalid value for 'purpose'.", param="purpose", code="invalid_value")
        if not isinstance(given, web.FileField):
            raise BadRequest("'file' is a required property", param="file")
        made = _File(
            f"file-{uuid4().hex}", target, given.filename, "batch", given.file.read(), int(self._store.clock())
        )
        self._files[made.id] = made
        return made

    def _file(self, file_id: str, target: str | None) -> _File:
        """A file that was uploaded, or one that a batch has made."""
        found = self._files.get(file_id)
        if found is not None and found.target == target and self._store.clock() < found.created + _KEPT:
            return found
        for batch in self._store.all(self._provider, target):
            for kind in ("output", "error"):
                if batch.facts.get(f"{kind}_file_id") == file_id and file_id not in self._deleted:
                    data = _rows(batch, ("succeeded",) if kind == "output" else ("errored", "expired", "cancelled"))
                    name = f"{batch.id}_{kind}.jsonl"
                    return _File(file_id, target, name, "batch_output", data, int(batch.ended_at or 0))
        raise BadRequest(f"No such File object: {file_id}", param="id", complaint="missing")

    def _delete(self, file_id: str, target: str | None) -> JSONObject:
        self._file(file_id, target)
        self._files.pop(file_id, None)
        self._deleted.add(file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    def _batch(self, batch_id: str, target: str | None) -> SandboxBatch:
        found = self._store.get(batch_id, self._provider, target)
        if found is None:
            raise BadRequest(f"No batch found with id '{batch_id}'.", complaint="missing")
        return found

    def _create(self, asked: JSONObject, target: str | None) -> tuple[int, JSONObject] | None:
        file = self._files.get(str(asked.get("input_file_id")))
        if file is None or file.target != target:
            raise BadRequest("Invalid 'input_file_id': no such file.", param="input_file_id", code="invalid_value")
        path = next((path for path in self._dialects if asked.get("endpoint") == f"/v1{path}"), None)
        if path is None:
            raise BadRequest("Invalid value for 'endpoint'.", param="endpoint", code="invalid_value")
        if asked.get("completion_window") != "24h":
            raise BadRequest("Invalid value: expected '24h'.", param="completion_window", code="invalid_value")
        lines, wrong = _lines_of(file.data, path)
        model = str(lines[0].body.get("model") or "") if lines else ""
        rule = self._plan().next(target, self._provider, model)
        if rule.create == "unavailable":
            raise BadRequest("", complaint="500")
        if rule.create == "rate_limit":
            raise BadRequest("", complaint="429")
        dialect, now = self._dialects[path], self._store.clock()
        batch = SandboxBatch(
            new_batch_id("batch_"), self._provider, target, dialect, lines, rule, now, _KEPT,
            facts={
                "endpoint": asked["endpoint"], "input_file_id": file.id, "metadata": asked.get("metadata"),
                "model": model, "output_file_id": f"file-{uuid4().hex}", "error_file_id": f"file-{uuid4().hex}",
                "shown": 0,
            },
            fault=wrong.code if wrong else rule.fails, fault_line=wrong.line if wrong else rule.fails_line,
        )  # fmt: skip
        if batch.fault is None and rule.queue_tokens is not None:
            batch.fault = self._too_many(batch, rule.queue_tokens)
        self._store.add(batch)
        return None if rule.create == "drop" else (200, self._body(batch))

    def _too_many(self, batch: SandboxBatch, limit: int) -> str | None:
        waiting = [*self._store.all(self._provider, batch.target), batch]
        tokens = sum(_tokens(line, held.dialect) for held in waiting if held.end is None for line in held.lines)
        if tokens <= limit:
            return None
        batch.fault_text = (
            f"Enqueued token limit reached for {batch.facts['model']} in organization org-sandbox. Limit: {limit:,} "
            "enqueued tokens. Please try again once some in_progress batches have been completed."
        )
        return "token_limit_exceeded"

    def _cancel(self, batch: SandboxBatch) -> JSONObject:
        if batch.end is not None:
            raise BadRequest(f"Cannot cancel a batch with status '{batch.end}'.", code="invalid_request")
        self._store.cancel(batch)
        return self._body(batch)

    def _page(self, query: Mapping[str, str], target: str | None) -> JSONObject:
        limit = int(query.get("limit", "20")) if query.get("limit", "20").isdigit() else 0
        if not 1 <= limit <= _LARGEST_PAGE:
            raise BadRequest("Invalid 'limit': expected 1 to 100.", param="limit", code="invalid_value")
        found = self._store.all(self._provider, target)
        if after := query.get("after"):
            ids = [batch.id for batch in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        if self._provider == "groq":  # which lists them all, and tells of no pages
            return {"object": "list", "data": [self._body(batch) for batch in found]}
        page = [self._body(batch) for batch in found[:limit]]
        return {
            "object": "list", "data": page, "has_more": len(found) > limit,
            "first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None,
        }  # fmt: skip

    def _body(self, batch: SandboxBatch) -> JSONObject:
        now, facts = self._store.clock(), batch.facts
        done, failed = batch.count("succeeded"), batch.count("errored", "expired", "cancelled")
        ended = None if batch.ended_at is None else int(batch.ended_at)
        status = batch.end or ("validating" if batch.validating(now) else "in_progress")
        error: JSONObject = {"code": batch.fault, "message": batch.fault_text or "The batch failed.", "param": None}
        wrong = [error | {"line": batch.fault_line}] if batch.end == "failed" else []
        has_files = batch.end in {"completed", "expired", "cancelled"}
        if has_files and facts["shown"] < batch.rule.late_files:
            facts["shown"] += 1
            has_files = False
        return {
            "id": batch.id, "object": "batch", "endpoint": facts["endpoint"], "model": facts["model"] or None,
            "errors": {"object": "list", "data": wrong} if wrong else None, "input_file_id": facts["input_file_id"],
            "completion_window": "24h", "status": status,
            "output_file_id": facts["output_file_id"] if has_files and done else None,
            "error_file_id": facts["error_file_id"] if has_files and failed else None,
            "created_at": int(batch.created), "in_progress_at": None if status == "validating" else int(batch.created),
            "expires_at": int(batch.expires), "finalizing_at": ended if batch.end == "completed" else None,
            "completed_at": ended if batch.end == "completed" else None,
            "failed_at": ended if batch.end == "failed" else None,
            "expired_at": ended if batch.end == "expired" else None,
            "cancelling_at": None if batch.cancelled_at is None else int(batch.cancelled_at),
            "cancelled_at": ended if batch.end == "cancelled" else None,
            "request_counts": {"total": len(batch.lines), "completed": done, "failed": failed},
            "metadata": facts["metadata"],
        }  # fmt: skip


def _json_object(body: bytes) -> JSONObject:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise BadRequest("We could not parse the JSON body of your request.")
    return found


def _lines_of(data: bytes, path: str) -> tuple[list[SandboxLine], _WrongFile | None]:
    try:
        return _read_file(data, path), None
    except _WrongFile as wrong:
        return [], wrong


def _file_body(file: _File) -> JSONObject:
    return {
        "id": file.id, "object": "file", "bytes": len(file.data), "created_at": file.created, "filename": file.name,
        "purpose": file.purpose, "status": "processed", "expires_at": file.created + int(_KEPT), "status_details": None,
    }  # fmt: skip


class _WrongFile(Exception):
    """What is wrong with a file of requests: the code, and the number of the line."""

    def __init__(self, code: str, line: int | None = None) -> None:
        super().__init__(code, line)
        self.code = code
        self.line = line


def _read_file(data: bytes, path: str) -> list[SandboxLine]:
    lines: list[SandboxLine] = []
    seen: set[str] = set()
    rows = [row for row in data.split(b"\n") if row.strip()]
    if not rows:
        raise _WrongFile("empty_file")
    if len(rows) > _MOST_LINES:
        raise _WrongFile("too_many_tasks")
    for number, row in enumerate(rows, 1):
        line = _read_line(row, path, number)
        if line.line_id in seen:
            raise _WrongFile("duplicate_custom_id", number)
        if lines and line.body.get("model") != lines[0].body.get("model"):
            raise _WrongFile("model_mismatch", number)
        seen.add(line.line_id)
        lines.append(line)
    return lines


def _read_line(row: bytes, path: str, number: int) -> SandboxLine:
    try:
        found = orjson.loads(row)
    except orjson.JSONDecodeError:
        raise _WrongFile("invalid_json_line", number) from None
    if not isinstance(found, dict):
        raise _WrongFile("invalid_json_line", number)
    line_id, body = found.get("custom_id"), found.get("body")
    if not isinstance(line_id, str) or not line_id or not isinstance(body, dict):
        raise _WrongFile("missing_required_parameter", number)
    if found.get("method") != "POST":
        raise _WrongFile("invalid_method", number)
    if found.get("url") != f"/v1{path}":
        raise _WrongFile("url_mismatch", number)
    return SandboxLine(line_id, path, body)


def _tokens(line: SandboxLine, dialect: Dialect) -> int:
    try:
        return line_tokens(dialect.read(line.body, line.model, {}))
    except BadRequest:
        return 0


def _rows(batch: SandboxBatch, ends: Sequence[str]) -> bytes:
    """The lines that ended so, the last one first: no order is promised."""
    rows = [orjson.dumps(_row(line)) for line in reversed(batch.lines) if line.end in ends]
    if "succeeded" in ends:
        return results_file(batch, rows, b'"custom_id":"')
    return b"".join(row + b"\n" for row in rows)


def _row(line: SandboxLine) -> JSONObject:
    row: JSONObject = {"id": f"batch_req_{line.line_id}", "custom_id": line.line_id, "response": None, "error": None}
    if line.end in {"expired", "cancelled"}:
        code = "batch_expired" if line.end == "expired" else "batch_cancelled"
        return row | {"error": {"code": code, "message": _EXPIRED if line.end == "expired" else _CANCELLED}}
    response = {"status_code": line.status, "request_id": line.request_id, "body": line.reply}
    return row | {"response": response}
