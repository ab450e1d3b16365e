"""Bedrock's batch inference: a file of records in S3, a job over it, a file of results in S3.

Files and jobs are signed with the AWS keys of the target: a Bedrock API key opens no bucket.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import quote, urlencode

from tasks.batches.api import (
    BatchCallFailed,
    BatchCounts,
    BatchFault,
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
from tasks.batches.calls import Method, is_no_object, request
from tasks.batches.lines import check, decoded, encoded_line, known_state, split
from tasks.providers.anthropic import AnthropicAdapter
from tasks.providers.base import OK
from tasks.providers.bedrock import region_of
from tasks.providers.json_fields import count, encode, obj, objects, parse, text
from tasks.providers.messages import HttpRequest, JSONObject, ModelRequest
from tasks.providers.registry import spec_of
from tasks.providers.sigv4 import signed_headers
from tasks.routing.target import Target

CONVERSE: Final = "converse"
INVOKE: Final = "invoke"
_TYPES: Final = {CONVERSE: "Converse", INVOKE: "InvokeModel"}
_CLAUDE: Final = re.compile(r"anthropic\.claude")
_CLAUDE_VERSION: Final = "bedrock-2023-05-31"
_STATES: Final[dict[str, BatchState]] = {
    "Submitted": "submitted",
    "Validating": "submitted",
    "Scheduled": "submitted",
    "InProgress": "running",
    "Stopping": "running",
    "Completed": "ended",
    "PartiallyCompleted": "ended",
    "Failed": "failed",
    "Stopped": "cancelled",
    "Expired": "expired",
}
_FILE: Final = "lines.jsonl"
_AWS: Final = re.compile(
    r"https://bedrock-runtime(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>amazonaws\.com(?:\.cn)?)$"
)
_LOCATION: Final = re.compile(r"s3://(?P<bucket>[^/]+)(?:/(?P<prefix>.*?))?/?")
_TOO_FEW: Final = re.compile(r"less records|minimum", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r"access|permission|not authorized|assume", re.IGNORECASE)
_MODEL: Final = re.compile(r"model", re.IGNORECASE)
_STAND_IN: Final = ("s3://sandbox/batches", "arn:aws:iam::000000000000:role/sandbox")
_SKEW_SECONDS: Final = 600


class BedrockBatchClient(HttpBatchClient):
    """Model invocation jobs, of type Converse, or InvokeModel where a request to Claude has tools."""

    def line(self, line_id: str, target: Target, request: ModelRequest) -> BatchLine:
        """A request as a record: ``{recordId, modelInput}``.

        Raises:
            OptionRefused: the target cannot do what the request asks for.
            LinesRefused: the target lacks its bucket, role or AWS keys; or the request has tools, and the model takes
                them in its own dialect only, which we do not speak.
        """
        _Place.of(target, "")
        line = replace(encoded_line(line_id, target, request), path=CONVERSE)
        if "toolConfig" not in obj(parse(line.body)):
            return line
        if not _CLAUDE.search(target.model):
            raise LinesRefused(f"Bedrock does not accept tools in Converse batches, which {target.model} would need")
        native = AnthropicAdapter(spec_of("anthropic")).encode(target, replace(request, service_tier=None))
        body = {name: value for name, value in obj(parse(native.body)).items() if name != "model"}
        return BatchLine(line_id, INVOKE, encode({"anthropic_version": _CLAUDE_VERSION, **body}))

    def split(self, target: Target, lines: Sequence[BatchLine], most: int) -> list[tuple[BatchLine, ...]]:  # noqa: ARG002
        """The lines by type of job, within the limits of one, with enough records for a job where that is possible."""
        return split(self.rules, lines, lambda line: len(_written(line)), most)

    async def submit(self, target: Target, lines: Sequence[BatchLine], *, label: str) -> BatchHandle:
        """Put the file into the bucket, then create the job; the label makes its name and its request token.

        Raises:
            LinesRefused: the lines cannot stand in one job, or the target lacks its bucket, role or AWS keys.
            BatchCallFailed: a call failed.
        """
        check_label(label)
        file = b"".join(map(_written, lines))
        check(self.rules, lines, len(file))
        place = _Place.of(target, label)
        await self._calls.send("upload", place.object("PUT", place.input_key, file))
        asked: JSONObject = {
            "jobName": place.job,
            "clientRequestToken": place.job,
            "roleArn": place.role,
            "modelId": target.model,
            "modelInvocationType": _TYPES[lines[0].path],
            "inputDataConfig": {"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": place.uri(place.input_key)}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": place.uri(place.output_prefix)}},
            "timeoutDurationInHours": self.rules.window_hours,
        }
        created = await self._calls.ask("create", place.control("POST", "/model-invocation-job", encode(asked)))
        arn = self._id_in("create", created, "jobArn")
        return BatchHandle(target, arn, label, tuple(line.line_id for line in lines))

    async def find(
        self, target: Target, label: str, *, line_ids: Sequence[str] = (), since: int = 0
    ) -> BatchHandle | None:
        """The job whose name the label makes. Creating it again with that label would find it, too.

        Raises:
            BatchUncertain: there are more such jobs than one page.
            BatchCallFailed: the provider could not be asked.
        """
        place = _Place.of(target, label)
        asked = {"maxResults": "100", "nameContains": place.job, "sortBy": "CreationTime", "sortOrder": "Descending"}
        if since:
            earliest = datetime.fromtimestamp(since / 1_000_000 - _SKEW_SECONDS, UTC)
            asked["submitTimeAfter"] = earliest.strftime("%Y-%m-%dT%H:%M:%SZ")
        query = urlencode(sorted(asked.items()), quote_via=quote)
        page = await self._calls.ask("list", place.control("GET", f"/model-invocation-jobs?{query}"))
        jobs = [job for job in objects(page.get("invocationJobSummaries")) if job.get("jobName") == place.job]
        found = next((job for job in jobs if job.get("status") != "Failed"), next(iter(jobs), None))
        if found is None and page.get("nextToken"):
            raise BatchUncertain("there are more jobs with that name than are looked at")
        return None if found is None else BatchHandle(target, text(found.get("jobArn")), label, tuple(line_ids))

    async def _cancel(self, handle: BatchHandle) -> None:
        place = _Place.of(handle.target, handle.label)
        await self._calls.send("cancel", place.control("POST", f"{_job(handle)}/stop"))

    def _get(self, handle: BatchHandle) -> HttpRequest:
        return _Place.of(handle.target, handle.label).control("GET", _job(handle))

    def _result_files(self, handle: BatchHandle, batch: JSONObject) -> tuple[str, ...]:
        """The file that the job wrote; a stopped or expired job leaves what was done by then."""
        if batch.get("status") == "Failed":
            return ()
        return (_Place.of(handle.target, handle.label).output_key(handle.batch_id),)

    def _get_file(self, handle: BatchHandle, file: str) -> HttpRequest:
        return _Place.of(handle.target, handle.label).object("GET", file)

    def _line_reader(self, handle: BatchHandle, batch: JSONObject) -> LineReader:
        ids = {_record(line_id): line_id for line_id in handle.line_ids}
        native = batch.get("modelInvocationType") == _TYPES[INVOKE]
        return partial(_result, handle.target, ids=ids, native=native)

    def _is_absent(self, failed: BatchCallFailed) -> bool:
        return is_no_object(failed)

    def _is_lost(self, status: BatchStatus) -> bool:
        return bool(status.counts.succeeded)

    def _status(self, job: JSONObject) -> BatchStatus:
        state = known_state(_STATES, job.get("status"))
        if state is None:
            raise self._unknown_status()
        total, done = count(job.get("totalRecordCount")), count(job.get("successRecordCount"))
        counts = BatchCounts(total, done, count(job.get("errorRecordCount")))
        fault = _fault(text(job.get("message"))) if state == "failed" else None
        return BatchStatus(
            state, counts, fault, _moment(job.get("endTime")), cancelling=job.get("status") == "Stopping"
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """The job name, files and role of a batch of a target."""

    target: Target
    job: str
    bucket: str
    prefix: str
    role: str

    @classmethod
    def of(cls, target: Target, label: str) -> _Place:
        s3, role = (target.batch_s3, target.batch_role)
        if target.stand_in:
            s3, role = s3 or _STAND_IN[0], role or _STAND_IN[1]
        if why := refusal(replace(target, batch_s3=s3, batch_role=role)):
            raise LinesRefused(why)
        location = _LOCATION.fullmatch(s3)
        if location is None:
            raise LinesRefused(f"batch_s3 of target {target.name} must be s3://bucket/prefix")
        job = f"farebox-{hashlib.sha256(label.encode()).hexdigest()[:40]}"
        return cls(target, job, location["bucket"], location["prefix"] or "", role)

    @property
    def input_key(self) -> str:
        return self._key(_FILE)

    @property
    def output_prefix(self) -> str:
        return self._key("results/")

    def output_key(self, arn: str) -> str:
        return self._key(f"results/{_job_id(arn)}/{_FILE}.out")

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self.prefix, self.job, name) if part)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def object(self, method: Method, key: str, body: bytes = b"") -> HttpRequest:
        """An S3 request: by the bucket's host, or by its path where a dot in the name breaks the certificate."""
        address, path = _AWS.fullmatch(self.target.base_url.rstrip("/")), quote(key, safe="/-_.~")
        if address is None:
            url = f"{self.target.base_url.rstrip('/')}/s3/{self.bucket}/{path}"
        elif "." in self.bucket:
            url = f"https://s3.{address['region']}.{address['domain']}/{self.bucket}/{path}"
        else:
            url = f"https://{self.bucket}.s3.{address['region']}.{address['domain']}/{path}"
        return self._signed(method, url, body, "s3", "application/x-ndjson")

    def control(self, method: Method, path: str, body: bytes = b"") -> HttpRequest:
        """A request to the control plane, which has another host than the models."""
        address = _AWS.fullmatch(self.target.base_url.rstrip("/"))
        base = self.target.base_url.rstrip("/")
        if address is not None:
            base = f"https://bedrock{address['fips'] or ''}.{address['region']}.{address['domain']}"
        return self._signed(method, f"{base}{path}", body, "bedrock", "application/json")

    def _signed(self, method: Method, url: str, body: bytes, service: str, kind: str) -> HttpRequest:
        headers = {"Content-Type": kind} if body else {}
        if self.target.credential.access_key_id:
            headers = signed_headers(
                url,
                headers,
                body,
                self.target.credential,
                region=region_of(self.target),
                service=service,
                method=method,
            )
        else:
            headers["Authorization"] = f"Bearer {self.target.credential.key}"
        return request(self.target, method, url, headers, body)


def refusal(target: Target) -> str | None:
    """The reason why batches of a target cannot be submitted; ``None`` if they can."""
    if not target.batch_s3 or not target.batch_role:
        return f"batches of target {target.name} need batch_s3 (a bucket) and batch_role (an IAM role) in farebox.toml"
    keys = target.credential
    if not target.stand_in and not (keys.access_key_id and keys.secret_access_key):
        return f"batches of target {target.name} need AWS keys; a Bedrock API key cannot access S3"
    return None


def _job(handle: BatchHandle) -> str:
    return f"/model-invocation-job/{quote(handle.batch_id, safe='')}"


def _job_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _record(line_id: str) -> str:
    """A line id in Bedrock's form: letters and digits only."""
    return hashlib.sha256(line_id.encode()).hexdigest()[:32]


def _written(line: BatchLine) -> bytes:
    """A record as bytes; its body is JSON already."""
    return b'{"recordId":"%b","modelInput":%b}\n' % (_record(line.line_id).encode(), line.body)


def _result(target: Target, row: bytes, *, ids: dict[str, str], native: bool) -> LineResult | None:
    """One record of the results; ``None`` if it is damaged."""
    found = obj(parse(row))
    record = text(found.get("recordId"))
    if not record:
        return None
    line_id = ids.get(record, record)
    if (output := found.get("modelOutput")) is not None:
        reader = (
            AnthropicAdapter(replace(spec_of("anthropic"), failures=spec_of("bedrock").failures)) if native else None
        )
        return decoded(target, line_id, OK, encode(output), adapter=reader)
    error = obj(found.get("error"))
    status = error.get("errorCode")
    body = encode({"message": text(error.get("errorMessage"))})
    return decoded(target, line_id, status if isinstance(status, int) and status != OK else 500, body)


def _fault(message: str) -> BatchFault:
    if _TOO_FEW.search(message):
        return BatchFault("rejected", "too_few_records")
    if _FORBIDDEN.search(message):
        return BatchFault("refused", "access_denied")
    return BatchFault("refused", "model_not_available") if _MODEL.search(message) else BatchFault("rejected")


def _moment(value: object) -> int | None:
    """An ISO 8601 time, or seconds, in microseconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value * 1_000_000)
    try:
        return round(datetime.fromisoformat(text(value)).timestamp() * 1_000_000)
    except ValueError:
        return None
