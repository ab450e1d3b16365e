"""The official libraries beside our clients: the same calls go out, and they can read what the sandbox says."""

import email
import email.policy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
from openai.types import Batch, FileObject

from tasks.batches import BatchHandle, batch_client
from tasks.providers import HttpRequest
from tasks.providers.transport import HttpReply
from tests.support.batches import KEY, BatchBench, some_lines

OPENAI_BATCH = {
    "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1", "status": "completed",
    "completion_window": "24h", "created_at": 1, "output_file_id": "file-2", "metadata": {"farebox_label": "wave-1"},
}  # fmt: skip
FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 1,
    "created_at": 1,
    "filename": "wave-1.jsonl",
    "purpose": "batch",
    "status": "processed",
}
COUNTS = {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0}
ANTHROPIC_BATCH = {
    "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "request_counts": COUNTS,
    "created_at": "2026-11-28T00:00:00Z", "expires_at": "2026-11-29T00:00:00Z", "ended_at": "2026-11-28T01:00:00Z",
    "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
}  # fmt: skip


def answer(method: str, path: str) -> Any:
    """What either API says to a call, as far as a client looks at it."""
    if "/messages/batches" in path:
        if path.endswith(("limit=100", "/batches")) and method == "GET":
            return {"data": [ANTHROPIC_BATCH], "has_more": False, "first_id": "a", "last_id": "a"}
        return {"id": "msgbatch_1", "type": "message_batch_deleted"} if method == "DELETE" else ANTHROPIC_BATCH
    if "/files" in path:
        return {"id": "file-1", "object": "file", "deleted": True} if method == "DELETE" else FILE
    if "?limit" in path:
        return {"object": "list", "data": [OPENAI_BATCH], "has_more": False}
    return OPENAI_BATCH


@dataclass
class OwnTransport:
    """Records what our clients send."""

    sent: list[HttpRequest] = field(default_factory=list)

    async def load(self) -> None: ...

    async def send(self, request: HttpRequest, **_: Any) -> HttpReply:
        self.sent.append(request)
        path = request.url.split("example.com", 1)[1]
        return HttpReply(200, {}, json.dumps(answer(request.method, path)).encode())


def theirs(work: Callable[[httpx2.Client], None]) -> list[tuple[Any, ...]]:
    sent: list[tuple[Any, ...]] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode()
        sent.append(told(request.method, path, dict(request.headers), request.read()))
        return httpx2.Response(200, json=answer(request.method, path))

    with httpx2.Client(transport=httpx2.MockTransport(reply)) as client:
        work(client)
    return sent


def ours(
    bench: BatchBench, kind: str, work: Callable[[Any, BatchHandle], Any], lines: int = 2
) -> list[tuple[Any, ...]]:
    base = {"anthropic": "https://example.com", "groq": "https://example.com/openai/v1"}.get(
        kind, "https://example.com/v1"
    )
    target = bench.target(kind, base_url=base, name=kind)
    own = OwnTransport()
    client = batch_client(target.provider, own)  # type: ignore[arg-type]
    ids = tuple(line.line_id for line in some_lines(client, target, lines))
    handle = BatchHandle(target, "msgbatch_1" if kind == "anthropic" else "batch_1", "wave-1", ids)
    bench.runner.run(work(client, handle))
    return [told(sent.method, sent.url.split("example.com", 1)[1], dict(sent.headers), sent.body) for sent in own.sent]


def told(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[Any, ...]:
    """A call as it is compared: its form decoded, and who sends it."""
    lower = {name.lower(): value for name, value in headers.items()}
    # The newest library of Anthropic sends its key as a bearer; the API takes it either way.
    auth = KEY in f"{lower.get('authorization')} {lower.get('x-api-key')}"
    kind = lower.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        form = email.message_from_bytes(b"content-type: " + kind.encode() + b"\n\n" + body, policy=email.policy.HTTP)
        content: Any = {
            str(part.get_param("name", header="content-disposition")): (
                part.get_filename(),
                part.get_payload(decode=True),
            )
            for part in form.iter_parts()
        }
        return method, path, auth, content
    return method, path, auth, json.loads(body) if body else None


@pytest.mark.parametrize("kind", ["openai", "groq"])
def test_our_calls_are_those_of_openais_library(bench: BatchBench, kind: str):
    base = "https://example.com/openai/v1" if kind == "groq" else "https://example.com/v1"

    async def own(client: Any, handle: BatchHandle) -> None:
        lines = some_lines(client, handle.target, 2)
        await client.submit(handle.target, lines, label="wave-1")
        await client.find(handle.target, "wave-1", line_ids=handle.line_ids)
        await client.status(handle)
        await client.cancel(handle)

    mine = ours(bench, kind, own)
    uploaded = mine[0][3]["file"][1]

    def work(http: httpx2.Client) -> None:
        client = openai.OpenAI(api_key=KEY, base_url=base, http_client=http, max_retries=0)
        file = client.files.create(file=("wave-1.jsonl", uploaded), purpose="batch")
        client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"farebox_label": "wave-1"},
        )  # fmt: skip
        client.batches.list(limit=100)
        client.batches.retrieve("batch_1")
        client.batches.cancel("batch_1")

    assert mine == theirs(work)
    rows = [json.loads(row) for row in uploaded.splitlines()]
    assert [row["custom_id"] for row in rows] == ["line-0", "line-1"]
    assert {(row["method"], row["url"]) for row in rows} == {("POST", "/v1/chat/completions")}
    assert all("stream" not in row["body"] and row["body"]["model"] for row in rows)


def test_our_calls_are_those_of_anthropics_library(bench: BatchBench):
    async def own(client: Any, handle: BatchHandle) -> None:
        await client.submit(handle.target, some_lines(client, handle.target, 2), label="wave-1")
        await client.status(handle)
        await client.cancel(handle)

    mine = ours(bench, "anthropic", own)

    def work(http: httpx2.Client) -> None:
        client = anthropic.Anthropic(api_key=KEY, base_url="https://example.com", http_client=http, max_retries=0)
        client.messages.batches.create(requests=mine[0][3]["requests"])
        client.messages.batches.retrieve("msgbatch_1")
        client.messages.batches.cancel("msgbatch_1")

    assert mine == theirs(work)
    assert [request["custom_id"] for request in mine[0][3]["requests"]] == ["line-0", "line-1"]


@pytest.mark.parametrize("kind", ["openai", "responses", "groq"])
def test_openais_library_reads_the_sandbox(bench: BatchBench, kind: str):
    bench.rules(seconds=100)
    target = bench.target(kind)
    client = openai.OpenAI(api_key=KEY, base_url=target.base_url, max_retries=0)
    handle = bench.submitted(target)
    first = client.batches.retrieve(handle.batch_id)
    strict(Batch, first)
    assert (first.status, first.metadata) == ("validating", {"farebox_label": "wave-1"})
    strict(FileObject, client.files.retrieve(first.input_file_id))
    assert [batch.id for batch in client.batches.list(limit=1)] == [handle.batch_id]
    bench.advance(50)
    half = client.batches.cancel(handle.batch_id)
    strict(Batch, half)
    assert half.request_counts is not None
    assert (half.status, half.request_counts.completed, half.request_counts.failed) == ("cancelled", 2, 2)
    done = [json.loads(row) for row in client.files.content(str(half.output_file_id)).text.splitlines()]
    for row in done:
        assert row["response"]["status_code"] == 200
        body = row["response"]["body"]
        model = openai.types.responses.Response if kind == "responses" else openai.types.chat.ChatCompletion
        model.model_validate(body)
    failed = [json.loads(row) for row in client.files.content(str(half.error_file_id)).text.splitlines()]
    assert {row["error"]["code"] for row in failed} == {"batch_cancelled"}
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")
    with pytest.raises(openai.BadRequestError):
        client.batches.cancel(handle.batch_id)
    with pytest.raises(openai.BadRequestError):
        client.batches.create(input_file_id="file-none", endpoint="/v1/responses", completion_window="24h")
    client.close()


def test_anthropics_library_reads_the_sandbox(bench: BatchBench):
    bench.rules(seconds=100)
    target = bench.target("anthropic")
    bench.faults({"kind": "529", "target": target.name, "nth": 1})
    client = anthropic.Anthropic(api_key=KEY, base_url=target.base_url, max_retries=0)
    handle = bench.submitted(target, lines=4)
    first = client.messages.batches.retrieve(handle.batch_id)
    strict(MessageBatch, first)
    assert (first.processing_status, first.request_counts.processing, first.results_url) == ("in_progress", 4, None)
    assert [batch.id for batch in client.messages.batches.list(limit=1)] == [handle.batch_id]
    bench.advance(50)
    assert client.messages.batches.retrieve(handle.batch_id).request_counts.succeeded == 0, "not before the end"
    cancelled = client.messages.batches.cancel(handle.batch_id)
    strict(MessageBatch, cancelled)
    counts = cancelled.request_counts
    assert (counts.succeeded, counts.errored, counts.canceled, counts.processing) == (1, 1, 2, 0)
    import httpx

    written = httpx.get(
        f"{target.base_url}/v1/messages/batches/{handle.batch_id}/results", headers={"anthropic-version": "2023-06-01"}
    )
    rows = [MessageBatchIndividualResponse.model_validate_json(row) for row in written.text.splitlines()]
    assert sorted(row.result.type for row in rows) == ["canceled", "canceled", "errored", "succeeded"]
    [succeeded] = [row.result.message for row in rows if row.result.type == "succeeded"]
    assert succeeded.usage.service_tier == "batch"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve("msgbatch_none")
    for wrong in ({"custom_id": "no spaces", "params": {}}, {"custom_id": "x", "params": None}):
        with pytest.raises(anthropic.BadRequestError):
            client.messages.batches.create(requests=[wrong])  # type: ignore[list-item]
    client.close()


def strict(model: Any, read: Any) -> None:
    """Whether a reply has the library's type: reading by the libraries themselves takes anything."""
    model.model_validate(read.to_dict(mode="python"))
