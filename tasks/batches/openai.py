"""OpenAI's batch API, which Groq speaks too: a file of requests, a batch over it, files of results and of errors."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from pricing import now_us
from tasks.batches.api import (
    BatchCallFailed,
    BatchCounts,
    BatchFault,
    BatchHandle,
    BatchLine,
    BatchState,
    BatchStatus,
    BatchUncertain,
    FaultKind,
    LineResult,
    check_label,
)
from tasks.batches.base import HttpBatchClient, LineReader
from tasks.batches.calls import Method, request
from tasks.batches.lines import check, decoded, encoded_line, known_state, not_run, split
from tasks.providers.failure_kinds import FailureKind, failure
from tasks.providers.failures import classify_reply
from tasks.providers.json_fields import count, encode, obj, objects, parse, text
from tasks.providers.messages import HttpRequest, JSONObject, ModelRequest
from tasks.routing.target import Target

_LABEL: Final = "farebox_label"
_VERSION: Final = "/v1"
"""Stands before the path of a line, whatever the address of the provider."""
_STATES: Final[dict[str, BatchState]] = {
    "validating": "submitted",
    "in_progress": "running",
    "finalizing": "running",
    "cancelling": "running",
    "completed": "ended",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_ENDS: Final = ("completed_at", "failed_at", "expired_at", "cancelled_at")
_PAGE: Final = 100
_LEAST_PAGE: Final = 20
"""Batches on a full page, where a provider has pages of its own size."""
_MOST_PAGES: Final = 50
_SKEW_SECONDS: Final = 600
"""By which the provider's clock may be behind ours."""
_FILE_SECONDS: Final = 3_600
"""So long after the end of a batch its file of results is waited for."""
_FAULTS: Final[dict[FailureKind, FaultKind]] = {
    "rate_limit": "queue_full",
    "overloaded": "queue_full",
    "request_exceeds_quota_window": "queue_full",
    "server_error": "server",
    "timeout": "server",
    "connection": "server",
    "quota_exhausted": "refused",
    "auth": "refused",
    "not_found": "refused",
}
"""What a failure is about, where it is of a batch; all others mean that the file is wrong."""
_BAD_REQUEST: Final = 400
_WORST_FIRST: Final[tuple[FaultKind, ...]] = ("queue_full", "refused", "rejected", "server")


class OpenAIBatchClient(HttpBatchClient):
    """Batches of Chat Completions or Responses."""

    def line(self, line_id: str, target: Target, request: ModelRequest) -> BatchLine:
        """A request as a line: ``{custom_id, method, url, body}``.

        Raises:
            OptionRefused: the target cannot do what the request asks for.
        """
        return encoded_line(line_id, target, request)

    def split(self, target: Target, lines: Sequence[BatchLine], most: int) -> list[tuple[BatchLine, ...]]:  # noqa: ARG002
        """The lines by path and model, within the limits of a file."""
        return split(self.rules, lines, lambda line: len(_written(line)), most)

    async def submit(self, target: Target, lines: Sequence[BatchLine], *, label: str) -> BatchHandle:
        """Upload the file, then create the batch, with the label in its metadata.

        Raises:
            LinesRefused: the lines cannot stand in one file.
            BatchCallFailed: a call failed; a file that was uploaded costs nothing, and expires by itself.
        """
        check_label(label)
        file = b"".join(map(_written, lines))
        check(self.rules, lines, len(file))
        input_file = await self._upload(target, file, label)
        asked: JSONObject = {
            "input_file_id": input_file,
            "endpoint": f"{_VERSION}{lines[0].path}",
            "completion_window": f"{self.rules.window_hours}h",
            "metadata": {_LABEL: label},
        }
        created = await self._calls.ask("create", _call(target, "POST", "/batches", encode(asked)))
        return BatchHandle(target, self._id_in("create", created), label, tuple(line.line_id for line in lines))

    async def find(
        self, target: Target, label: str, *, line_ids: Sequence[str] = (), since: int = 0
    ) -> BatchHandle | None:
        """The batch with that label in its metadata; of several, one that did not fail.

        Raises:
            BatchUncertain: the account has more batches since then than are looked at.
            BatchCallFailed: the provider could not be asked.
        """
        failed: BatchHandle | None = None
        after, earliest = "", since // 1_000_000 - _SKEW_SECONDS
        for _ in range(_MOST_PAGES):
            page = await self._calls.ask("list", _call(target, "GET", f"/batches?limit={_PAGE}{after}"))
            batches = objects(page.get("data"))
            for batch in batches:
                if obj(batch.get("metadata")).get(_LABEL) != label:
                    continue
                handle = BatchHandle(target, self._id_in("list", batch), label, tuple(line_ids))
                if batch.get("status") != "failed":
                    return handle
                failed = failed or handle
            after = _next_page(page, batches)
            if not batches or (count(batches[-1].get("created_at")) or 0) < earliest or _is_last(page, batches):
                return failed
        if failed is not None:
            return failed
        raise BatchUncertain(f"the account has more than {_PAGE * _MOST_PAGES:,} batches since then")

    async def _cancel(self, handle: BatchHandle) -> BatchStatus:
        return self._status(await self._calls.ask("cancel", _call(handle.target, "POST", f"{_path(handle)}/cancel")))

    def _get(self, handle: BatchHandle) -> HttpRequest:
        return _call(handle.target, "GET", _path(handle))

    def _result_files(self, handle: BatchHandle, batch: JSONObject) -> list[str]:  # noqa: ARG002 - the base's
        return _files(batch, "output_file_id", "error_file_id")

    def _get_file(self, handle: BatchHandle, file: str) -> HttpRequest:
        return _call(handle.target, "GET", f"/files/{quote(file, safe='')}/content")

    def _line_reader(self, handle: BatchHandle, batch: JSONObject) -> LineReader:  # noqa: ARG002 - the base's
        return partial(_result, handle.target)

    def _check_complete(self, batch: JSONObject, status: BatchStatus) -> None:
        if not batch.get("output_file_id") and status.counts.succeeded and not _is_long_over(status):
            # It is there in a moment: a batch can be completed before its file can be had.
            raise BatchCallFailed(self.spec.name, "results", failure("server_error", code="output_file_missing"))

    async def _upload(self, target: Target, file: bytes, label: str) -> str:
        kind, body = multipart({"purpose": "batch"}, f"{label}.jsonl", file)
        return self._id_in("upload", await self._calls.ask("upload", _call(target, "POST", "/files", body, kind)))

    def _status(self, batch: JSONObject) -> BatchStatus:
        state = known_state(_STATES, batch.get("status"))
        if state is None:
            raise self._unknown_status()
        counts = obj(batch.get("request_counts"))
        ended = next((at for name in _ENDS if (at := count(batch.get(name)))), None)
        fault = self._fault(objects(obj(batch.get("errors")).get("data")), state)
        return BatchStatus(
            state,
            BatchCounts(count(counts.get("total")), count(counts.get("completed")), count(counts.get("failed"))),
            fault,
            ended * 1_000_000 if ended else None,
            cancelling=batch.get("status") == "cancelling",
        )

    def _fault(self, errors: Sequence[JSONObject], state: BatchState) -> BatchFault | None:
        """What a batch failed for: of several errors the one that tells most about what to do."""
        found = [self._one_fault(error) for error in errors]
        if not found:
            return BatchFault("server") if state == "failed" else None
        return min(found, key=lambda fault: _WORST_FIRST.index(fault.kind))

    def _one_fault(self, error: JSONObject) -> BatchFault:
        why = classify_reply(self.spec.failures, _BAD_REQUEST, {}, encode({"error": error}))
        return BatchFault(_FAULTS.get(why.kind, "rejected"), why.code, count(error.get("line")))


def _is_long_over(status: BatchStatus) -> bool:
    """Whether a file that is missing will not come any more: its lines are asked again then."""
    return status.ended_at is not None and now_us() - status.ended_at > _FILE_SECONDS * 1_000_000


def _next_page(page: JSONObject, batches: Sequence[JSONObject]) -> str:
    """What asks for the next page: OpenAI's by the last batch, Groq's by a cursor."""
    if cursor := text(obj(page.get("paging")).get("next_cursor")):
        return f"&cursor={quote(cursor, safe='')}"
    return f"&after={quote(text(batches[-1].get('id')), safe='')}" if batches else ""


def _is_last(page: JSONObject, batches: Sequence[JSONObject]) -> bool:
    """Whether no page follows. Groq's do not tell: a page that may be full is not known to be the last."""
    if "has_more" in page:
        return not page["has_more"]
    return not obj(page.get("paging")).get("next_cursor") and len(batches) < _LEAST_PAGE


def _files(batch: JSONObject, *names: str) -> list[str]:
    return [file for name in names if (file := text(batch.get(name)))]


def _path(handle: BatchHandle) -> str:
    return f"/batches/{quote(handle.batch_id, safe='')}"


def _call(target: Target, method: Method, path: str, body: bytes = b"", kind: str = "application/json") -> HttpRequest:
    headers = {"Content-Type": kind} if body else {}
    if target.credential.key:
        headers["Authorization"] = f"Bearer {target.credential.key}"
    return request(target, method, f"{target.base_url.rstrip('/')}{path}", headers, body)


def multipart(fields: dict[str, str], filename: str, content: bytes) -> tuple[str, bytes]:
    """A form with one file, as ``multipart/form-data`` (RFC 7578): its content type and its bytes."""
    boundary = secrets.token_hex(24)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    body = b"".join([*(part.encode() for part in parts), head.encode(), content, f"\r\n--{boundary}--\r\n".encode()])
    return f"multipart/form-data; boundary={boundary}", body


def _written(line: BatchLine) -> bytes:
    """A line of the file. The body is JSON already, and is not read again."""
    head = encode({"custom_id": line.line_id, "method": "POST", "url": f"{_VERSION}{line.path}"})
    return b'%b,"body":%b}\n' % (head[:-1], line.body)


def _result(target: Target, row: bytes) -> LineResult | None:
    """A line of either file; ``None`` if it cannot be read."""
    found = obj(parse(row))
    line_id = text(found.get("custom_id"))
    if not line_id:
        return None
    response = obj(found.get("response"))
    if isinstance(status := response.get("status_code"), int):
        return decoded(
            target, line_id, status, encode(response.get("body")), request_id=text(response.get("request_id")) or None
        )
    code = text(obj(found.get("error")).get("code"))
    if not code:
        return None
    if code == "batch_expired":
        return not_run(line_id, "expired", code)
    if code == "batch_cancelled":
        return not_run(line_id, "cancelled", code)
    return LineResult(line_id, "errored", failure=failure("server_error", code=code))
