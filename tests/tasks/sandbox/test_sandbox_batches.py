"""The sandbox's batch APIs as any client sees them: what they refuse, and what a test may ask of them."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tasks.sandbox import SandboxEntry

CHAT = {"model": "m-1", "messages": [{"role": "user", "content": "Say something."}], "max_completion_tokens": 50}
LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
MESSAGE = {"model": "m-1", "messages": [{"role": "user", "content": "Say something."}], "max_tokens": 50}


def upload(client: httpx.Client, data: bytes, purpose: str = "batch") -> httpx.Response:
    return client.post("/v1/files", data={"purpose": purpose}, files={"file": ("lines.jsonl", data)})


def created(client: httpx.Client, data: bytes, **more: Any) -> httpx.Response:
    body = {
        "input_file_id": upload(client, data).json()["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    return client.post("/v1/batches", json=body | more)


def rows(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "empty_file", None),
        (b"\n\n", "empty_file", None),
        (rows(LINE) + b"{no json}\n", "invalid_json_line", 2),
        (b"[]\n", "invalid_json_line", 1),
        (rows(LINE, LINE), "duplicate_custom_id", 2),
        (rows(LINE, LINE | {"custom_id": "b", "body": CHAT | {"model": "m-2"}}), "model_mismatch", 2),
        (rows(LINE | {"url": "/v1/responses"}), "url_mismatch", 1),
        (rows(LINE | {"method": "GET"}), "invalid_method", 1),
        (rows(LINE | {"custom_id": 7}), "missing_required_parameter", 1),
        (rows(LINE | {"body": None}), "missing_required_parameter", 1),
        (b"x\n" * 50_001, "too_many_tasks", None),
    ],
    ids=range(11),
)
def test_a_wrong_file_makes_a_batch_that_fails(client: httpx.Client, data: bytes, code: str, line: int | None):
    client.post("/_sandbox/batches", json=[{"seconds": 0}])
    batch = client.get(f"/v1/batches/{created(client, data).json()['id']}").json()
    [error] = batch["errors"]["data"]
    assert (batch["status"], error["code"], error["line"]) == ("failed", code, line)
    assert (batch["output_file_id"], batch["error_file_id"]) == (None, None)


def test_what_openai_refuses_at_once(client: httpx.Client):
    assert upload(client, rows(LINE), "assistants").status_code == 400
    assert client.post("/v1/files", data={"purpose": "batch"}).status_code == 400
    for wrong in (
        {"endpoint": "/v1/embeddings"},
        {"endpoint": "/chat/completions"},
        {"completion_window": "1h"},
        {"input_file_id": "x"},
    ):
        assert created(client, rows(LINE), **wrong).status_code == 400, wrong
    assert client.post("/v1/batches", content=b"no json").status_code == 400
    assert client.get("/v1/batches?limit=0").status_code == 400
    for method, path in (
        ("GET", "/v1/batches/x"),
        ("GET", "/v1/files/x"),
        ("GET", "/v1/files/x/content"),
        ("DELETE", "/v1/files/x"),
        ("POST", "/v1/batches/x/cancel"),
        ("PUT", "/v1/batches"),
    ):
        assert client.request(method, path).status_code == 404, path
    groq = client.post(
        "/openai/v1/batches",
        json={
            "input_file_id": upload(client, rows(LINE)).json()["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        },
    )
    assert groq.status_code == 400, "another provider's files are not its own"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"requests": []},
        {"requests": [{"custom_id": "a b", "params": MESSAGE}]},
        {"requests": [{"custom_id": "a" * 65, "params": MESSAGE}]},
        {"requests": [{"custom_id": "a"}]},
        {"requests": [{"custom_id": "a", "params": MESSAGE}, {"custom_id": "a", "params": MESSAGE}]},
    ],
)
def test_what_anthropic_refuses_at_once(client: httpx.Client, asked: dict[str, Any]):
    reply = client.post("/v1/messages/batches", json=asked)
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("field", ["stream", "speed", "store", "diagnostics"])
def test_anthropic_looks_at_requests_when_they_run(
    client: httpx.Client, journal: Callable[[], list[SandboxEntry]], field: str
):
    client.post("/_sandbox/batches", json=[{"seconds": 0}])
    asked = {
        "requests": [
            {"custom_id": "a", "params": MESSAGE | {field: True}},
            {"custom_id": "b", "params": {"model": "m-1"}},
        ]
    }
    batch = client.post("/v1/messages/batches", json=asked).json()
    assert (batch["processing_status"], batch["request_counts"]["errored"]) == ("ended", 2)
    results = [json.loads(row) for row in client.get(f"/v1/messages/batches/{batch['id']}/results").text.splitlines()]
    assert {row["result"]["error"]["error"]["type"] for row in results} == {"invalid_request_error"}
    assert [(entry.billed, entry.batch_id) for entry in journal()] == [(False, batch["id"])] * 2


def test_a_running_batch_of_anthropic_gives_no_results_and_cannot_be_deleted(client: httpx.Client):
    client.post("/_sandbox/batches", json=[{"seconds": 1000}])
    batch = client.post("/v1/messages/batches", json={"requests": [{"custom_id": "a", "params": MESSAGE}]}).json()
    path = f"/v1/messages/batches/{batch['id']}"
    assert client.get(f"{path}/results").status_code == 404
    assert client.delete(path).status_code == 400
    client.post("/_sandbox/clock", json={"seconds": 1000})
    assert client.post(f"{path}/cancel").status_code == 400
    assert client.delete(path).json() == {"id": batch["id"], "type": "message_batch_deleted"}
    assert client.get(path).status_code == 404


def test_batches_belong_to_their_target(client: httpx.Client):
    one = client.post("/t/one/v1/messages/batches", json={"requests": [{"custom_id": "a", "params": MESSAGE}]}).json()
    assert client.get(f"/t/one/v1/messages/batches/{one['id']}").status_code == 200
    assert client.get(f"/t/two/v1/messages/batches/{one['id']}").status_code == 404
    assert client.get("/t/two/v1/messages/batches").json()["data"] == []


def test_the_controls_say_what_is_wrong(client: httpx.Client):
    for wrong in (b"{}", b"no json", b'[{"damage": "burnt"}]', b'[{"unknown": 1}]', b'[{"seconds": -1}]'):
        assert client.post("/_sandbox/batches", content=wrong).status_code == 422, wrong
    for wrong in (b"{}", b"no json", b'{"seconds": "soon"}', b"[]"):
        assert client.post("/_sandbox/clock", content=wrong).status_code == 422, wrong
    assert client.post("/_sandbox/batches", json=[{"seconds": 5, "nth": 2}]).json() == {"rules": 1}
    client.post("/v1/messages/batches", json={"requests": [{"custom_id": "a", "params": MESSAGE}]})
    [listed] = client.get("/_sandbox/batches").json()["batches"]
    assert (listed["provider"], listed["lines"], listed["target"]) == ("anthropic", 1, None)
    assert client.get("/_sandbox/other").status_code == 404


def test_rules_count_the_batches_that_they_select(client: httpx.Client):
    client.post("/_sandbox/batches", json=[{"nth": 2, "fails": "server_error", "seconds": 0}, {"seconds": 0}])
    ends = [client.get(f"/v1/batches/{created(client, rows(LINE)).json()['id']}").json()["status"] for _ in range(3)]
    assert ends == ["completed", "failed", "completed"]
