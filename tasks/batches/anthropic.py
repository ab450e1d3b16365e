"""Anthropic's Message Batches: all requests in one call, results in one file, and no label to find a batch by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import quote

from tasks.batches.api import (
    GONE,
    BatchCounts,
    BatchHandle,
    BatchLine,
    BatchState,
    BatchStatus,
    BatchUncertain,
    LineResult,
    LinesRefused,
    check_label,
)
from tasks.batches.base import HttpBatchClient, LineReader
from tasks.batches.calls import Method, request
from tasks.batches.lines import check, decoded, encoded_line, not_run, split
from tasks.providers.anthropic import VERSION
from tasks.providers.base import OK
from tasks.providers.json_fields import count, encode, obj, objects, parse, text
from tasks.providers.messages import HttpRequest, JSONObject, ModelRequest
from tasks.routing.target import Target

_PATH: Final = "/v1/messages/batches"
_RESULTS: Final = "/results"
_FRAME: Final = b'{"requests":[%b]}'
_REFUSED: Final = ("stream", "speed", "store", "diagnostics")
"""Fields that requests of a batch may not have; each would fail by itself, hours later."""
_STATUSES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""What each error would have been as a reply; lines have no status."""
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_SKEW_US: Final = 600_000_000
"""By which the provider's clock may be behind ours."""


class AnthropicBatchClient(HttpBatchClient):
    """Message Batches, version 2023-06-01. Beta features apply to a whole batch: they are headers of its target."""

    def line(self, line_id: str, target: Target, request: ModelRequest) -> BatchLine:
        """A request as ``{custom_id, params}``.

        Raises:
            OptionRefused: the target cannot do what the request asks for.
            LinesRefused: it has a field that batches do not take.
        """
        line = encoded_line(line_id, target, request)
        body = obj(parse(line.body))
        wrong = [name for name in _REFUSED if body.get(name) not in {None, False, "standard"}]
        if body.get("max_tokens") == 0:
            wrong.append("max_tokens = 0")
        if wrong:
            raise LinesRefused(
                f"batch requests may not set {', '.join(wrong)}; check extra_body of target {target.name}"
            )
        return line

    def split(self, target: Target, lines: Sequence[BatchLine], most: int) -> list[tuple[BatchLine, ...]]:  # noqa: ARG002
        """The lines within the limits of one call."""
        return split(self.rules, lines, lambda line: len(_written(line)) + 1, most, frame=len(_FRAME))

    async def submit(self, target: Target, lines: Sequence[BatchLine], *, label: str) -> BatchHandle:
        """Create the batch in one call. The label stays with us: there is no place for it.

        Raises:
            LinesRefused: the lines cannot stand in one batch.
            BatchCallFailed: the call failed.
        """
        check_label(label)
        body = _FRAME % b",".join(map(_written, lines))
        check(self.rules, lines, len(body))
        created = await self._calls.ask("create", _call(target, "POST", "", body))
        batch_id = self._id_in("create", created)
        return BatchHandle(target, batch_id, label, tuple(line.line_id for line in lines))

    async def find(
        self, target: Target, label: str, *, line_ids: Sequence[str] = (), since: int = 0
    ) -> BatchHandle | None:
        """The batch since then that has as many lines, and results with these ids.

        Until it has ended a batch shows no ids: one with as many lines may be the one that is looked for.

        Raises:
            ValueError: without ids there is nothing to find it by.
            BatchUncertain: such a batch has not ended yet, or there are too many to look at.
            BatchCallFailed: the provider could not be asked.
        """
        if not line_ids:
            raise ValueError("Anthropic keeps no label of a batch; pass the ids of its lines")
        maybe: list[BatchHandle] = []
        after, ids = "", frozenset(line_ids)
        for _ in range(_MOST_PAGES):
            page = await self._calls.ask("list", _call(target, "GET", f"?limit={_PAGE}{after}"))
            batches = objects(page.get("data"))
            for batch in batches:
                if (_moment(batch.get("created_at")) or 0) < since - _SKEW_US or _total(batch) != len(ids):
                    continue
                handle = BatchHandle(target, text(batch.get("id")), label, tuple(line_ids))
                if batch.get("processing_status") != "ended":
                    maybe.append(handle)
                elif batch.get("archived_at") is None and await self._has(handle, ids):
                    return handle
            if not page.get("has_more") or not batches or _older(batches[-1], since):
                break
            after = f"&after_id={quote(text(batches[-1].get('id')), safe='')}"
        else:
            raise BatchUncertain(f"the account has more than {_PAGE * _MOST_PAGES:,} batches since then")
        if maybe:
            raise BatchUncertain("a batch that may be the one has not ended yet", tuple(maybe))
        return None

    async def _cancel(self, handle: BatchHandle) -> BatchStatus:
        return self._status(await self._calls.ask("cancel", _call(handle.target, "POST", _of(handle, "/cancel"))))

    def _get(self, handle: BatchHandle) -> HttpRequest:
        return _call(handle.target, "GET", _of(handle))

    def _result_files(self, handle: BatchHandle, batch: JSONObject) -> tuple[str, ...]:  # noqa: ARG002 - the base's
        return (_RESULTS,)

    def _get_file(self, handle: BatchHandle, file: str) -> HttpRequest:
        """The request for the results at the target's own address: ``results_url`` could name any host, and the key
        goes with the call.
        """
        return _call(handle.target, "GET", _of(handle, file))

    def _line_reader(self, handle: BatchHandle, batch: JSONObject) -> LineReader:  # noqa: ARG002 - the base's
        return partial(_result, handle.target)

    async def _has(self, handle: BatchHandle, ids: frozenset[str]) -> bool:
        """Whether a batch that has ended contains these lines; it contains all of them or none."""
        async with aclosing(self._calls.lines(self._get_file(handle, _RESULTS))) as rows:
            async for row in rows:
                if line_id := text(obj(parse(row)).get("custom_id")):
                    return line_id in ids
        return False

    def _status(self, batch: JSONObject) -> BatchStatus:
        match batch.get("processing_status"):
            case "ended":
                pass
            case str(word) if word:
                return BatchStatus("running", BatchCounts(_total(batch)), cancelling=word == "canceling")
            case _:
                raise self._unknown_status()
        counts = obj(batch.get("request_counts"))
        cancelled, expired = count(counts.get("canceled")) or 0, count(counts.get("expired")) or 0
        failed = (count(counts.get("errored")) or 0) + cancelled + expired
        state: BatchState = "cancelled" if cancelled else "expired" if expired else "ended"
        tally = BatchCounts(_total(batch), count(counts.get("succeeded")), failed)
        archived = GONE.fault if batch.get("archived_at") is not None else None
        return BatchStatus(state, tally, archived, _moment(batch.get("ended_at")))


def _call(target: Target, method: Method, path: str, body: bytes = b"") -> HttpRequest:
    headers = {"anthropic-version": VERSION, **({"Content-Type": "application/json"} if body else {})}
    if target.credential.key:
        headers["x-api-key"] = target.credential.key
    return request(target, method, f"{target.base_url.rstrip('/')}{_PATH}{path}", headers, body)


def _of(handle: BatchHandle, what: str = "") -> str:
    return f"/{quote(handle.batch_id, safe='')}{what}"


def _written(line: BatchLine) -> bytes:
    """A line of the call as bytes; its body is JSON already."""
    return b'{"custom_id":%b,"params":%b}' % (encode(line.line_id), line.body)


def _result(target: Target, row: bytes) -> LineResult | None:
    """One line of the result file; ``None`` if it is damaged."""
    found = obj(parse(row))
    line_id, result = text(found.get("custom_id")), obj(found.get("result"))
    if not line_id:
        return None
    match result.get("type"):
        case "succeeded":
            return decoded(target, line_id, OK, encode(result.get("message")))
        case "errored":
            envelope = obj(result.get("error"))
            error = obj(envelope.get("error")) or envelope  # bare, as older libraries have it
            body = encode({"type": "error", "error": error, "request_id": envelope.get("request_id")})
            return decoded(target, line_id, _STATUSES.get(text(error.get("type")), 500), body)
        case "canceled":
            return not_run(line_id, "cancelled", "batch_canceled")
        case "expired":
            return not_run(line_id, "expired", "batch_expired")
    return None


def _total(batch: JSONObject) -> int:
    return sum(count(number) or 0 for number in obj(batch.get("request_counts")).values())


def _older(batch: JSONObject, since: int) -> bool:
    moment = _moment(batch.get("created_at"))
    return moment is not None and moment < since - _SKEW_US


def _moment(value: object) -> int | None:
    """An RFC 3339 time in microseconds since 1970."""
    try:
        return round(datetime.fromisoformat(text(value)).timestamp() * 1_000_000)
    except ValueError:
        return None
