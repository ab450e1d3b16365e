"""Bedrock's model invocation jobs, and as much of S3 as they need: objects by their path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote
from uuid import uuid4

import orjson
from aiohttp import web

from tasks.providers.messages import JSONObject
from tasks.sandbox.batch_results import results_file
from tasks.sandbox.batch_rules import BatchPlan
from tasks.sandbox.batch_store import BatchStore, SandboxBatch, SandboxLine
from tasks.sandbox.dialects.anthropic import AnthropicDialect
from tasks.sandbox.protocol import BadRequest, Dialect, Provider, SandboxRequest

_JOB: Final = re.compile(r"/model-invocation-job(?:/(?P<id>[^/]+)(?P<verb>/stop)?)?")
_LIST: Final = "/model-invocation-jobs"
_OBJECT: Final = re.compile(r"/s3/(?P<key>[^/]+/.+)")
_FOREVER: Final = 10 * 365 * 24 * 3600.0
_LEAST: Final = 100
"""Records of a job."""
_STATUSES: Final[Mapping[str | None, str]] = {
    "completed": "Completed",
    "failed": "Failed",
    "expired": "Expired",
    "cancelled": "Stopped",
}
_RECORD: Final = re.compile(r"[A-Za-z0-9]+")


class ClaudeRecords(AnthropicDialect):
    """Reads and writes Claude's own bodies, as InvokeModel takes them: Messages without a model's name."""

    provider: Provider = "bedrock"
    id_header = "x-amzn-requestid"

    def new_id(self) -> str:
        """A request id in AWS's form."""
        return str(uuid4())

    def read(self, body: JSONObject, model: str, headers: Mapping[str, str]) -> SandboxRequest:
        """The request, or what Bedrock would say is wrong with it."""
        if body.get("anthropic_version") != "bedrock-2023-05-31":
            raise BadRequest("anthropic_version: Field required")
        if "model" in body or "stream" in body:
            raise BadRequest("extraneous key is not permitted")
        bare = {name: value for name, value in body.items() if name != "anthropic_version"}
        return super().read({**bare, "model": model}, model, headers)


class BedrockBatches:
    """Serves model invocation jobs and the objects that they read and write.

    Args:
        store: the sandbox's batches.
        plan: gives the rules for batches that are in force.
        converse: the dialect of jobs of type Converse.
    """

    def __init__(self, store: BatchStore, plan: Callable[[], BatchPlan], converse: Dialect) -> None:
        self._store = store
        self._plan = plan
        self.dialect = converse
        self._native = ClaudeRecords()
        self._objects: dict[tuple[str | None, str], bytes] = {}

    def serves(self, path: str) -> bool:
        """Whether a path is one of this API."""
        return path == _LIST or bool(_JOB.fullmatch(path) or _OBJECT.fullmatch(path))

    async def serve(
        self, http: web.BaseRequest, path: str, target: str | None
    ) -> tuple[int, JSONObject | bytes] | None:
        """Status and body; ``None`` to close the connection without a reply.

        Raises:
            BadRequest: what AWS would say is wrong.
        """
        if "authorization" not in http.headers:
            raise BadRequest("", complaint="auth")
        if (found := _OBJECT.fullmatch(path)) is not None:
            return self._serve_object(http.method, unquote(found["key"]), await http.read(), target)
        match = _JOB.fullmatch(path)
        named = unquote(match["id"]) if match and match["id"] else ""
        match http.method, path == _LIST, bool(match and match["verb"]), bool(named):
            case "POST", False, False, False:
                return self._create(await http.read(), target)
            case "GET", True, _, _:
                return 200, self._page(http.query, target)
            case "GET", False, False, True:
                return 200, self._body(self._job(named, target))
            case "POST", False, True, True:
                return 200, self._stop(self._job(named, target))
        raise BadRequest("no such path", complaint="not_found")

    def _serve_object(self, method: str, key: str, body: bytes, target: str | None) -> tuple[int, bytes]:
        self._store.settle()
        self._write_results(target)
        if method == "PUT":
            self._objects[target, key] = body
            return 200, b""
        held = self._objects.get((target, key))
        if method == "DELETE":
            self._objects.pop((target, key), None)
            return 204, b""
        if held is None:
            return 404, b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
        return 200, held

    def _create(self, written: bytes, target: str | None) -> tuple[int, JSONObject] | None:
        asked = _object(written)
        missing = [
            name
            for name in ("jobName", "roleArn", "modelId", "inputDataConfig", "outputDataConfig")
            if not asked.get(name)
        ]
        if missing:
            raise BadRequest(f"Missing required field: {missing[0]}")
        token = asked.get("clientRequestToken")
        for held in self._store.all("bedrock", target):
            if token and held.facts["token"] == token:
                return 200, {"jobArn": held.id}
        model = str(asked["modelId"])
        rule = self._plan().next(target, "bedrock", model)
        if rule.create == "unavailable":
            raise BadRequest("", complaint="500")
        if rule.create == "rate_limit":
            raise BadRequest("", complaint="429")
        native = asked.get("modelInvocationType", "InvokeModel") == "InvokeModel"
        source = _key(asked["inputDataConfig"], "s3InputDataConfig")
        lines, wrong = _read_records(self._objects.get((target, source)), model)
        if not wrong and len(lines) < _LEAST:
            wrong = f"The job contains less records ({len(lines)}) than the required minimum of: {_LEAST}"
        job = f"arn:aws:bedrock:us-east-1:000000000000:model-invocation-job/{uuid4().hex[:12]}"
        facts = {
            "token": token, "asked": asked, "source": source.rpartition("/")[2],
            "output": _key(asked["outputDataConfig"], "s3OutputDataConfig").rstrip("/"),
        }  # fmt: skip
        dialect = self._native if native else self.dialect
        batch = SandboxBatch(
            job, "bedrock", target, dialect, lines, rule, self._store.clock(), _FOREVER, facts=facts,
            fault=wrong or rule.fails, fault_text=wrong or rule.fails or "",
        )  # fmt: skip
        self._store.add(batch)
        return None if rule.create == "drop" else (200, {"jobArn": job})

    def _job(self, arn: str, target: str | None) -> SandboxBatch:
        found = self._store.get(arn, "bedrock", target)
        if found is None:
            raise BadRequest("Could not find the model invocation job.", complaint="missing")
        return found

    def _stop(self, batch: SandboxBatch) -> JSONObject:
        if batch.end is not None:
            raise BadRequest(f"The job is in the state {_STATUSES[batch.end]} and cannot be stopped.")
        self._store.cancel(batch)
        return {}

    def _page(self, query: Mapping[str, str], target: str | None) -> JSONObject:
        named = query.get("nameContains", "")
        jobs = [self._body(job) for job in self._store.all("bedrock", target)]
        return {"invocationJobSummaries": [job for job in jobs if named in job["jobName"]][:1000]}

    def _body(self, batch: SandboxBatch) -> JSONObject:
        asked, now = batch.facts["asked"], self._store.clock()
        running = "Validating" if batch.validating(now) else "InProgress"
        body = {
            "jobArn": batch.id, "jobName": asked["jobName"], "modelId": asked["modelId"], "roleArn": asked["roleArn"],
            "clientRequestToken": batch.facts["token"], "status": _STATUSES.get(batch.end, running),
            "submitTime": _written(batch.created), "lastModifiedTime": _written(now),
            "jobExpirationTime": _written(batch.expires), "inputDataConfig": asked["inputDataConfig"],
            "outputDataConfig": asked["outputDataConfig"],
            "timeoutDurationInHours": asked.get("timeoutDurationInHours", 24),
            "modelInvocationType": asked.get("modelInvocationType", "InvokeModel"),
            "totalRecordCount": len(batch.lines), "processedRecordCount": batch.count("succeeded", "errored"),
            "successRecordCount": batch.count("succeeded"), "errorRecordCount": batch.count("errored"),
        }  # fmt: skip
        if batch.ended_at is not None:
            body["endTime"] = _written(batch.ended_at)
        return body | ({"message": batch.fault_text} if batch.end == "failed" else {})

    def _write_results(self, target: str | None) -> None:
        """The files of jobs that have ended, each once: they are the user's, who may delete them."""
        for batch in self._store.all("bedrock", target):
            if batch.end is None or batch.end == "failed" or batch.facts.get("written"):
                continue
            batch.facts["written"] = True
            rows = [orjson.dumps(_row(line)) for line in reversed(batch.lines) if line.end in {"succeeded", "errored"}]
            folder = f"{batch.facts['output']}/{batch.id.rpartition('/')[2]}"
            counts = self._body(batch)
            self._objects[target, f"{folder}/{batch.facts['source']}.out"] = results_file(batch, rows, b'"recordId":"')
            self._objects[target, f"{folder}/manifest.json.out"] = orjson.dumps(
                {
                    name: counts[name]
                    for name in ("totalRecordCount", "processedRecordCount", "successRecordCount", "errorRecordCount")
                }
            )


def _object(written: bytes) -> JSONObject:
    try:
        found = orjson.loads(written)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise BadRequest("The request body is not a JSON object.")
    return found


def _key(config: Any, name: str) -> str:
    place = config.get(name) if isinstance(config, dict) else None
    uri = place.get("s3Uri") if isinstance(place, dict) else None
    if not isinstance(uri, str) or not uri.startswith("s3://"):
        raise BadRequest(f"{name}.s3Uri is not an S3 address")
    return uri.removeprefix("s3://")


def _read_records(data: bytes | None, model: str) -> tuple[list[SandboxLine], str]:
    """The records, and what is wrong with the file."""
    if data is None:
        return [], "Access denied: the input file cannot be read with the role"
    lines: list[SandboxLine] = []
    for number, row in enumerate((row for row in data.split(b"\n") if row.strip()), 1):
        try:
            found = orjson.loads(row)
        except orjson.JSONDecodeError:
            return lines, f"Record {number} is not valid JSON"
        record, body = found.get("recordId", f"record{number}"), found.get("modelInput")
        if not isinstance(record, str) or not _RECORD.fullmatch(record) or not isinstance(body, dict):
            return lines, f"Record {number} has no recordId of letters and digits, or no modelInput"
        lines.append(SandboxLine(record, "", body, model=model))
    return lines, ""


def _row(line: SandboxLine) -> JSONObject:
    row = {"recordId": line.line_id, "modelInput": line.body}
    if line.end == "succeeded":
        return {**row, "modelOutput": line.reply}
    error = line.reply.get("error", line.reply)
    return {**row, "error": {"errorCode": line.status, "errorMessage": error.get("message", "")}}


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
