"""Bedrock's jobs over S3: signatures, tools by type, the least number of records, and how jobs end."""

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import botocore.session
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tasks.batches import BatchCallFailed, BatchHandle, LinesRefused, ResultTally, batch_refusal
from tasks.batches.bedrock import BedrockBatchClient, _Place, _record
from tasks.providers import RequestOptions, Tool
from tasks.providers.sigv4 import signed_headers
from tasks.routing import Credential, Target
from tests.support.batches import DAY, BatchBench, question, some_lines

KEYS = Credential(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI", session_token="token")
BUCKET, ROLE = "s3://my-bucket/runs", "arn:aws:iam::123456789012:role/batches"
TOOL = Tool(
    "weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)
NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def target(bench: BatchBench, **changes: Any) -> Target:
    return bench.target("bedrock", **{"credential": KEYS, "batch_s3": BUCKET, "batch_role": ROLE, **changes})


def real(**changes: Any) -> Target:
    return Target(**{
        "name": "haiku", "provider": "bedrock", "model": "m", "tier": "light", "window": 1000, "max_output": 100,
        "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com", "failure_domain": "bedrock", "credential": KEYS,
        "batch_s3": BUCKET, "batch_role": ROLE, **changes,
    })  # fmt: skip


@pytest.mark.parametrize("request_has", ["text", "tools"])
def test_a_job_answers_every_line_at_batch_price(bench: BatchBench, request_has: str):
    tools: dict[str, Any] = (
        {"tools": (TOOL,), "options": RequestOptions(tool_choice="required")} if request_has == "tools" else {}
    )
    handle = bench.submitted(target(bench), lines=101, **tools)
    status = bench.status(handle)
    assert (status.state, status.counts.total, status.counts.succeeded, status.counts.failed) == ("ended", 101, 101, 0)
    results = bench.taken(handle)
    assert {result.line_id for result in results} == set(handle.line_ids)
    assert {result.outcome for result in results} == {"succeeded"}
    journal = {entry.client_request_id: entry for entry in bench.billed(handle)}
    for result in results:
        entry = journal[_record(result.line_id)]
        assert result.reply is not None
        assert (entry.provider, entry.service_tier, result.reply.service_tier) == ("bedrock", "batch", "batch")
        assert (result.reply.usage.input_tokens, result.reply.usage.output_tokens) == (
            entry.input_tokens,
            entry.output_tokens,
        )
    calls = sum(bool(result.reply and result.reply.tool_calls) for result in results)
    assert (calls > 0) is (request_has == "tools")


def test_tools_go_in_claudes_own_words_and_nowhere_else(bench: BatchBench):
    async def lines(client: Any) -> tuple[Any, Any]:
        claude, nova = target(bench), target(bench, model="amazon.nova-2-lite-v1:0")
        with pytest.raises(LinesRefused, match="does not accept tools in Converse batches"):
            client.line("line-0", nova, question("Hi", tools=(TOOL,)))
        assert client.line("line-0", nova, question("Hi")).path == "converse"
        return client.line("line-0", claude, question("Hi", tools=(TOOL,))), client.line(
            "line-1", claude, question("Hi")
        )

    own, plain = bench.run("bedrock", lines)
    assert (own.path, plain.path) == ("invoke", "converse")
    assert b'"anthropic_version":"bedrock-2023-05-31"' in own.body
    assert b'"model"' not in own.body
    assert b'"toolConfig"' not in own.body


def test_a_record_of_converse_with_tools_is_refused_by_itself(bench: BatchBench):
    """What the client never sends, the sandbox refuses as Bedrock does."""
    place = target(bench)

    async def submit(client: Any) -> BatchHandle:
        lines = some_lines(client, place, 100)
        lines[1] = replace(
            lines[1],
            body=lines[1].body[:-1]
            + b',"toolConfig":{"tools":[{"toolSpec":{"name":"x","inputSchema":{"json":{"type":"object"}}}}]}}',
        )
        handle: BatchHandle = await client.submit(place, lines, label="wave-1")
        return handle

    handle = bench.run("bedrock", submit)
    errored = [result for result in bench.taken(handle) if result.outcome == "errored"]
    assert [(result.line_id, result.failure.kind, result.failure.status) for result in errored if result.failure] == [
        ("line-1", "invalid_request", 400)
    ]


def test_a_job_has_a_hundred_records_at_least(bench: BatchBench):
    place = target(bench)

    async def parts(client: Any) -> list[int]:
        assert [len(part) for part in client.split(place, some_lines(client, place, 99), 1_000)] == [99]
        with pytest.raises(LinesRefused, match=r"100 to 50,000 lines, not 40"):
            await client.submit(place, some_lines(client, place, 40), label="wave-1")
        narrow = replace(client, rules=replace(client.rules, lines=200))
        lines = some_lines(client, place, 450)
        found = narrow.split(place, lines, 1_000)
        assert [line for part in found for line in part] == lines
        mixed = [*lines[:150], *(replace(line, path="invoke") for line in lines[150:250])]
        assert [len(part) for part in client.split(place, mixed, 1_000)] == [150, 100]
        return [len(part) for part in found]

    assert bench.run("bedrock", parts) == [200, 150, 100]


def test_creating_twice_under_a_label_is_one_job(bench: BatchBench):
    bench.rules(seconds=1000, create="drop")
    place = target(bench)
    with pytest.raises(BatchCallFailed) as lost:
        bench.submitted(place, lines=100)
    assert lost.value.uncertain
    found = bench.found(place, "wave-1", line_ids=["x"])
    assert found is not None
    again = bench.submitted(place, lines=100)
    assert again.batch_id == found.batch_id, "the request token makes the second call the first one"
    assert bench.found(place, "wave-2") is None


def test_how_jobs_end(bench: BatchBench):
    bench.rules(seconds=1000)
    stopped = bench.submitted(target(bench), lines=100)
    bench.advance(400)
    assert bench.run("bedrock", lambda client: client.cancel(stopped)).state == "cancelled"
    assert bench.run("bedrock", lambda client: client.cancel(stopped)).state == "cancelled", "once more is no error"
    assert Counter(result.outcome for result in bench.taken(stopped)) == {"succeeded": 40, "missing": 60}
    assert not any(result.failure.maybe_billed for result in bench.taken(stopped) if result.failure)
    assert len(bench.billed(stopped)) == 40, "what was processed is billed"
    bench.rules(seconds=10, lines=30)
    expired = bench.submitted(target(bench), lines=100)
    bench.advance(DAY)
    assert bench.status(expired).state == "expired"
    assert Counter(result.outcome for result in bench.taken(expired)) == {"succeeded": 30, "missing": 70}
    bench.rules(seconds=0, fails="The role cannot be assumed: access denied")
    failed = bench.submitted(target(bench), lines=100)
    status = bench.status(failed)
    assert status.fault is not None
    assert (status.state, status.fault.kind, status.fault.code) == ("failed", "refused", "access_denied")
    assert {result.outcome for result in bench.taken(failed)} == {"missing"}


@pytest.mark.parametrize(
    ("damage", "missing"), [("truncated", 1), ("garbage", 1), ("missing", 1), ("repeated", 0), ("unknown", 0)]
)
def test_each_line_comes_once_whatever_the_results_hold(bench: BatchBench, damage: str, missing: int):
    bench.rules(seconds=0, damage=damage)
    handle, tally = bench.submitted(target(bench), lines=100), ResultTally()
    results = bench.taken(handle, tally)
    assert sorted(result.line_id for result in results) == sorted(handle.line_ids)
    assert sum(result.outcome == "missing" for result in results) == missing
    assert (tally.damaged, tally.repeated, tally.unknown) == (
        int(damage in {"truncated", "garbage"}), int(damage == "repeated"), int(damage == "unknown"),
    )  # fmt: skip


def test_results_that_were_deleted_are_lost_and_billed(bench: BatchBench):
    handle = bench.submitted(target(bench), lines=100)
    assert {result.outcome for result in bench.taken(handle)} == {"succeeded"}
    place = _Place.of(handle.target, handle.label)
    results = place.object("DELETE", place.output_key(handle.batch_id))
    bench.run("bedrock", lambda client: cast("BedrockBatchClient", client)._calls.send("results", results))
    lost = bench.taken(handle)
    assert {result.outcome for result in lost} == {"missing"}
    assert all(result.failure.maybe_billed for result in lost if result.failure)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        (
            {"batch_s3": ""},
            "batches of target haiku need batch_s3 (a bucket) and batch_role (an IAM role) in farebox.toml",
        ),
        (
            {"batch_role": ""},
            "batches of target haiku need batch_s3 (a bucket) and batch_role (an IAM role) in farebox.toml",
        ),
        (
            {"credential": Credential(key="bedrock-api-key")},
            "batches of target haiku need AWS keys; a Bedrock API key cannot access S3",
        ),
        ({"batch_s3": "", "stand_in": True}, None),
    ],
)
def test_what_a_target_lacks_is_said_before_anything_is_sent(
    bench: BatchBench, changes: dict[str, Any], why: str | None
):
    lacking = real(**changes)
    assert batch_refusal(lacking) == why
    if why is not None:
        with pytest.raises(LinesRefused, match=r"batches of target haiku need"):
            bench.run("bedrock", lambda client: _line(client, lacking))


async def _line(client: Any, lacking: Target) -> Any:
    return client.line("line-0", lacking, question("Hi"))


@pytest.mark.parametrize(
    ("base", "bucket", "control", "s3"),
    [
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", "my-bucket", "https://bedrock.eu-west-1.amazonaws.com", "https://my-bucket.s3.eu-west-1.amazonaws.com/k"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/", "my.bucket", "https://bedrock.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com/my.bucket/k"),
        ("https://bedrock-runtime-fips.us-east-1.amazonaws.com", "my-bucket", "https://bedrock-fips.us-east-1.amazonaws.com", "https://my-bucket.s3.us-east-1.amazonaws.com/k"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "my-bucket", "https://bedrock.cn-north-1.amazonaws.com.cn", "https://my-bucket.s3.cn-north-1.amazonaws.com.cn/k"),
        ("https://gateway.example.com/aws", "my-bucket", "https://gateway.example.com/aws", "https://gateway.example.com/aws/s3/my-bucket/k"),
    ],
)  # fmt: skip
def test_jobs_and_files_have_hosts_of_their_own(base: str, bucket: str, control: str, s3: str):
    place = _Place.of(real(base_url=base, batch_s3=f"s3://{bucket}/a/b"), "wave-1")
    assert place.control("GET", "/model-invocation-jobs").url == f"{control}/model-invocation-jobs"
    assert place.object("GET", "k").url == s3
    assert place.input_key == f"a/b/{place.job}/lines.jsonl"


@pytest.mark.parametrize("token", [None, "token"])
@pytest.mark.parametrize(
    ("service", "method", "url", "body"),
    [
        ("s3", "PUT", "https://my-bucket.s3.eu-west-1.amazonaws.com/a/b%20c/lines.jsonl", b"{}\n"),
        ("s3", "GET", "https://s3.eu-west-1.amazonaws.com/my.bucket/a/lines.jsonl.out", b""),
        ("s3", "DELETE", "https://my-bucket.s3.eu-west-1.amazonaws.com/a", b""),
        ("bedrock", "GET", "https://bedrock.eu-west-1.amazonaws.com/model-invocation-jobs?nameContains=x-1&maxResults=100&submitTimeAfter=2026-11-28T00%3A00%3A00Z", b""),
        ("bedrock", "POST", "https://bedrock.eu-west-1.amazonaws.com/model-invocation-job/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Amodel-invocation-job%2Fabc/stop", b""),
    ],
)  # fmt: skip
def test_botocore_signs_as_we_do(
    monkeypatch: pytest.MonkeyPatch, service: str, method: str, url: str, body: bytes, token: str | None
):
    keys = Credential(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI", session_token=token)
    ours = signed_headers(url, {}, body, keys, region="eu-west-1", service=service, method=method, now=NOW)
    referee = AWSRequest(method=method, url=url, data=body, headers={})
    for name in ("botocore.auth.get_current_datetime", "botocore.compat.get_current_datetime"):
        monkeypatch.setattr(name, lambda *_, **__: NOW.replace(tzinfo=None), raising=False)
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", token), service, "eu-west-1"
    )
    signer.add_auth(referee)
    theirs = {name.lower(): value for name, value in referee.headers.items()}
    assert {name.lower(): value for name, value in ours.items()} == theirs
    assert hashlib.sha256(body).hexdigest()


def test_botocore_reads_the_sandbox_and_asks_the_same(bench: BatchBench):
    place = target(bench)
    bench.rules(seconds=1000)
    handle = bench.submitted(place, lines=100)
    session = botocore.session.get_session()
    client = session.create_client(
        "bedrock", region_name="us-east-1", endpoint_url=place.base_url, aws_access_key_id="a", aws_secret_access_key="b",
        config=Config(retries={"max_attempts": 0}),
    )  # fmt: skip
    job = client.get_model_invocation_job(jobIdentifier=handle.batch_id)
    assert (job["status"], job["totalRecordCount"]) == ("Validating", 100)
    asked = {
        name: job[name]
        for name in (
            "jobName",
            "clientRequestToken",
            "roleArn",
            "modelId",
            "modelInvocationType",
            "inputDataConfig",
            "outputDataConfig",
            "timeoutDurationInHours",
        )
    }
    again = client.create_model_invocation_job(**asked)
    assert again["jobArn"] == handle.batch_id, "botocore finds every field to be right, and the token the same"
    listed = client.list_model_invocation_jobs(nameContains=job["jobName"])["invocationJobSummaries"]
    assert [found["jobArn"] for found in listed] == [handle.batch_id]
    client.stop_model_invocation_job(jobIdentifier=handle.batch_id)
    ended = client.get_model_invocation_job(jobIdentifier=handle.batch_id)
    assert (ended["status"], ended["endTime"].tzinfo is not None) == ("Stopped", True)
    with pytest.raises(client.exceptions.ClientError):
        client.get_model_invocation_job(jobIdentifier=f"{handle.batch_id[:-12]}{'0' * 12}")
