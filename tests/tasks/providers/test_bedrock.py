import json
import struct
import zlib
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from pricing.content import TextPart
from pricing.usage import Usage
from tasks.providers import ReplyError, Stream, adapter_for, classify
from tasks.providers.framing import AwsFrames
from tasks.providers.messages import HttpRequest, ModelReply, ModelRequest
from tasks.providers.sigv4 import signed_headers
from tasks.routing.target import Credential
from tests.support.exchanges import Free, request, schema, target

SERVICE = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
CONVERSE = SERVICE.operation_model("Converse")
ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/ab12"
KEYS = Credential(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG", session_token="tok/en==")
NOW = datetime(2026, 11, 23, 7, 8, 9, tzinfo=UTC)
USAGE = {
    "inputTokens": 10,
    "outputTokens": 50,
    "totalTokens": 2360,
    "cacheReadInputTokens": 2000,
    "cacheWriteInputTokens": 300,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}],
}
COUNTED = Usage(2310, 50, 2000, 100, 200)


def sent(
    asked: ModelRequest | None = None, *, stream: bool = False, attempt_id: str | None = None, **changes: Any
) -> HttpRequest:
    return adapter_for("bedrock").encode(
        target("bedrock", **changes), asked or request(), stream=stream, attempt_id=attempt_id
    )


def body_of(asked: ModelRequest | None = None, **changes: Any) -> Any:
    return json.loads(sent(asked, **changes).body)


def decode(body: bytes) -> ModelReply:
    return adapter_for("bedrock").decode(target("bedrock"), 200, {"x-amzn-RequestId": "req_9"}, body)


def reply_body(content: Any, stop: str = "end_turn", **more: Any) -> bytes:
    reply = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop, "usage": USAGE, "metrics": {"latencyMs": 1}}  # fmt: skip
    return json.dumps(reply | more).encode()


@pytest.mark.parametrize("model", ["eu.anthropic.claude-haiku-4-5-20251001-v1:0", "eu.amazon.nova-lite-v1:0", ARN])
@pytest.mark.parametrize(
    "asked", [request(), request(tools=(), system=TextPart("")), request(schema=schema(Free)), request(cache=False)]
)
def test_botocore_accepts_our_bodies_and_would_send_them_to_the_same_place(model, asked):
    wanted = sent(asked, model=model)
    params = {"modelId": model, **json.loads(wanted.body)}
    assert not ParamValidator().validate(params, CONVERSE.input_shape).has_errors()
    serialized = create_serializer("rest-json").serialize_to_request(params, CONVERSE)
    assert json.loads(serialized["body"]) == json.loads(wanted.body), "a field that botocore does not know is dropped"
    assert urlsplit(wanted.url).path == serialized["url_path"]


def test_where_it_goes():
    assert sent(model="a.b-v1:0").url == "https://bedrock-runtime.eu-west-1.amazonaws.com/model/a.b-v1%3A0/converse"
    assert "%2Fab12/converse-stream" in sent(model=ARN, stream=True).url
    assert sent(base_url="http://127.0.0.1:9/t/h/", model="m").url == "http://127.0.0.1:9/t/h/model/m/converse"


@pytest.mark.parametrize("model", ["eu.anthropic.claude-haiku-4-5-20251001-v1:0", ARN])
@pytest.mark.parametrize("token", [None, "tok/en=="])
@pytest.mark.parametrize("base", ["https://bedrock-runtime.eu-west-1.amazonaws.com", "http://127.0.0.1:9999/t/haiku"])
def test_botocore_signs_alike(model, token, base):
    credential = Credential(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI", session_token=token)
    with patch("tasks.providers.sigv4.datetime", wraps=datetime) as ours, patch("botocore.compat.datetime") as theirs:
        ours.now.return_value = theirs.datetime.now.return_value = NOW
        wanted = sent(model=model, credential=credential, base_url=base, region="eu-west-1", attempt_id="at_1")
        referee = AWSRequest("POST", wanted.url, data=wanted.body, headers={"Content-Type": "application/json"})
        with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
            SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", token), "bedrock", "eu-west-1").add_auth(referee)
    for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
        assert wanted.headers.get(name) == referee.headers.get(name)
    assert wanted.headers["X-Client-Request-Id"] == "at_1"


def test_a_known_signature():
    """The shape of "Create a signed request" in the IAM guide, computed once with botocore 1.44.5."""
    headers = signed_headers("https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse", {"Content-Type": "application/json"}, b"{}", KEYS, region="us-east-1", service="bedrock", now=NOW)  # fmt: skip
    assert headers["Authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
    )
    assert str(KEYS.secret_access_key) not in str(headers)


def test_a_bedrock_key_outranks_aws_keys_and_no_key_sends_none():
    both = Credential(key="bearer", access_key_id="a", secret_access_key="b")
    assert sent(credential=both).headers["Authorization"] == "Bearer bearer"
    assert "Authorization" not in sent(credential=Credential()).headers


@pytest.mark.parametrize(
    ("region", "base", "scope"),
    [("", "https://bedrock-runtime.ap-south-1.amazonaws.com", "ap-south-1"), ("eu-west-3", "http://127.0.0.1:9", "eu-west-3"), ("", "http://127.0.0.1:9", "us-east-1")],
)  # fmt: skip
def test_the_region_that_signs(region, base, scope):
    assert f"/{scope}/bedrock/" in sent(credential=KEYS, region=region, base_url=base).headers["Authorization"]


def test_results_and_cache_points():
    body = body_of()
    results = body["messages"][2]["content"]
    assert [next(iter(block)) for block in results] == ["toolResult", "toolResult", "text"]
    assert [block["toolResult"]["status"] for block in results[:2]] == ["success", "error"]
    assert body["system"][-1] == body["toolConfig"]["tools"][-1] == {"cachePoint": {"type": "default"}}
    nova = body_of(model="eu.amazon.nova-lite-v1:0")
    assert "cachePoint" in nova["system"][-1]
    assert "cachePoint" not in nova["toolConfig"]["tools"][-1]
    assert "cachePoint" not in json.dumps(body_of(model="meta.llama3-1-8b-instruct-v1:0"))


def test_schemas():
    held = body_of()["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(held["schema"])["additionalProperties"] is False
    for body in (body_of(request(schema=schema(Free))), body_of(model="amazon.nova-lite-v1:0")):
        assert "outputConfig" not in body
        assert body["toolConfig"]["toolChoice"] == {"any": {}}, "its own tools or the one for the answer"
    body = body_of(model="meta.llama3-1-8b-instruct-v1:0")
    assert "outputConfig" not in body
    assert "JSON schema" in body["system"][0]["text"]


USE = {"toolUse": {"toolUseId": "t", "name": "n", "input": {"k": 1}}}


@pytest.mark.parametrize(
    ("content", "reason", "stop", "text", "calls"),
    [
        (
            [{"text": "a"}, {"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "b"}],
            "end_turn",
            "end",
            "ab",
            0,
        ),
        ([{"text": "a"}], "stop_sequence", "end", "a", 0),
        ([{"text": "a"}], "max_tokens", "length", "a", 0),
        ([{"text": "a"}], "model_context_window_exceeded", "length", "a", 0),
        ([{"text": "a"}], "guardrail_intervened", "content_filter", "a", 0),
        ([], "content_filtered", "content_filter", "", 0),
        ([], "malformed_model_output", "malformed", "", 0),
        ([USE], "malformed_tool_use", "malformed", "", 0),
        ([], "end_turn", "malformed", "", 0),
        ([{"text": "a"}, USE], "tool_use", "tool_calls", "a", 1),
        ([USE], "max_tokens", "length", "", 0),
    ],
)
def test_replies_read_as_botocore_reads_them(content, reason, stop, text, calls):
    body = reply_body(content, reason)
    referee = create_parser("rest-json").parse({"status_code": 200, "headers": {}, "body": body}, CONVERSE.output_shape)
    assert referee["stopReason"] == reason
    reply = decode(body)
    assert (reply.stop, reply.text, len(reply.tool_calls)) == (stop, text, calls)
    assert (reply.usage, reply.request_id) == (COUNTED, "req_9")
    used = [(block["toolUse"]["toolUseId"], block["toolUse"]["input"]) for block in referee["output"]["message"]["content"] if "toolUse" in block]  # fmt: skip
    assert all((call.id, call.arguments) in used for call in reply.tool_calls)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, Usage(10, 5)),
        (
            {"inputTokens": 10, "outputTokens": 5, "cacheWriteInputTokens": 7, "cacheReadInputTokens": 1},
            Usage(18, 5, 1, 7),
        ),
        ({"totalTokens": 15}, Usage()),
        (None, Usage()),
    ],
)
def test_usage(counts, usage):
    assert decode(reply_body([{"text": "a"}], usage=counts)).usage == usage


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output":{"message":{}}}', b"<html>"])
def test_a_200_that_is_no_reply_is_loss_of_service(body):
    with pytest.raises(ReplyError) as raised:
        decode(body)
    assert (raised.value.failure.kind, raised.value.failure.maybe_billed) == ("server_error", True)


@pytest.mark.parametrize("error", list(SERVICE.error_shapes), ids=lambda shape: shape.name)
@pytest.mark.parametrize("place", ["header", "body"])
def test_error_codes_are_found_where_botocore_finds_them(error, place):
    code = f"{error.name}:http://internal.amazon.com/coral/"
    headers = {"x-amzn-errortype": code} if place == "header" else {}
    body = json.dumps({"message": "x", **({"__type": f"ns#{error.name}"} if place == "body" else {})}).encode()
    status = error.metadata["error"]["httpStatusCode"]
    referee = create_parser("rest-json").parse(
        {"status_code": status, "headers": headers, "body": body}, CONVERSE.output_shape
    )
    failure = classify("bedrock", status, headers, body)
    assert failure.code == referee["Error"]["Code"] == error.name


# streams


def frame(payload: Any, **headers: str) -> bytes:
    packed = b""
    for name, value in headers.items():
        key, text = f":{name.replace('_', '-')}".encode(), value.encode()
        packed += struct.pack(">B", len(key)) + key + b"\x07" + struct.pack(">H", len(text)) + text
    packed += b"\x02on\x00" + b"\x02at\x08" + bytes(8) + b"\x01n\x04" + bytes(4)
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 12 + len(packed) + len(body) + 4, len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + body
    return message + struct.pack(">I", zlib.crc32(message))


def event(kind: str, **payload: Any) -> bytes:
    return frame(payload, message_type="event", event_type=kind, content_type="application/json")


STREAM = b"".join(
    [
        event("messageStart", role="assistant"),
        event("contentBlockDelta", contentBlockIndex=0, delta={"reasoningContent": {"text": "hm"}}),
        event("contentBlockDelta", contentBlockIndex=1, delta={"text": "Grü"}),
        event("contentBlockDelta", contentBlockIndex=1, delta={"text": "ezi 👋"}),
        event("contentBlockStop", contentBlockIndex=1),
        event("contentBlockStart", contentBlockIndex=2, start={"toolUse": {"toolUseId": "t", "name": "n"}}),
        event("contentBlockDelta", contentBlockIndex=2, delta={"toolUse": {"input": '{"k"'}}),
        event("contentBlockDelta", contentBlockIndex=2, delta={"toolUse": {"input": ":1}"}}),
        event("messageStop", stopReason="tool_use"),
        event("metadata", usage=USAGE, metrics={"latencyMs": 1}),
    ]
)


def read(raw: bytes, at: int | None = None) -> tuple[str, Stream]:
    reader = adapter_for("bedrock").stream(target("bedrock"), {"x-amzn-requestid": "req_9"})
    parts = [raw] if at is None else [raw[:at], raw[at:]]
    return "".join(word for part in parts for word in reader.feed(part)), reader


def test_our_frames_are_botocores():
    buffer = EventStreamBuffer()
    buffer.add_data(STREAM)
    referee = [(message.headers[":event-type"], message.payload) for message in buffer]
    assert [(found.name, found.data) for found in AwsFrames().feed(STREAM)] == referee


def test_a_stream_may_be_split_anywhere():
    for at in range(len(STREAM)):
        said, reader = read(STREAM, at)
        reply = reader.finish()
        assert said == reply.text == "Grüezi 👋"
        assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [("t", "n", {"k": 1})]
        assert (reply.stop, reply.usage, reply.request_id) == ("tool_calls", COUNTED, "req_9")


def test_a_stream_cut_before_its_end_is_a_lost_connection():
    for at in range(len(STREAM)):
        _, reader = read(STREAM[:at])
        with pytest.raises(ReplyError) as raised:
            reader.finish()
        assert (raised.value.failure.kind, raised.value.failure.maybe_billed) == ("connection", True)


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_damage_never_passes_for_a_reply(at, flip):
    damaged = STREAM[:at] + bytes([STREAM[at] ^ flip]) + STREAM[at + 1 :]
    with pytest.raises(ReplyError):
        read(damaged)[1].finish()


@pytest.mark.parametrize(
    ("headers", "message", "kind"),
    [
        ({"message_type": "exception", "exception_type": "throttlingException"}, "Too many requests", "rate_limit"),
        ({"message_type": "exception", "exception_type": "modelStreamErrorException"}, "x", "server_error"),
        ({"message_type": "exception", "exception_type": "serviceUnavailableException"}, "x", "overloaded"),
        ({"message_type": "exception", "exception_type": "validationException"}, "Input is too long for requested model", "context_overflow"),
        ({"message_type": "exception", "exception_type": "validationException"}, "Bad", "invalid_request"),
        ({"message_type": "error", "error_code": "InternalFailure", "error_message": "x"}, "", "server_error"),
        ({"message_type": "error"}, "", "server_error"),
    ],
)  # fmt: skip
def test_a_failure_within_a_stream(headers, message, kind):
    with pytest.raises(ReplyError) as raised:
        read(event("messageStart", role="assistant") + frame({"message": message}, **headers))
    assert raised.value.failure.kind == kind
    assert raised.value.failure.maybe_billed
