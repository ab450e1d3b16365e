import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.providers import classify, provider_names, spec_of
from tasks.providers.failure_kinds import ALLOWED, FAILED_STOPS, Failure, FailureKind

OVERFLOW_VLLM = (
    "This model's maximum context length is 4096 tokens. However, you requested 5012 tokens "
    "(4512 in the messages, 500 in the completion). Please reduce the length of the messages or completion."
)
MAX_TOKENS_VLLM = (
    "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 4096 tokens "
    "and your request has 12 input tokens (9000 > 4096 - 12)."
)
TOO_LARGE_GROQ = (
    "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): "
    "Limit 6000, Requested 8302, please reduce your message size and try again."
)
ABOVE_LIMIT = "Rate limit reached for gpt-x in organization o on tokens per min (TPM): Limit 10,000, Requested 12,000."
BELOW_LIMIT = (
    "Rate limit reached for gpt-x in organization o on tokens per min (TPM): Limit 10000, Used 9500, Requested 900."
)
RPD = [
    {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerMinutePerProject"}]}
]
BEDROCK_JSON = 'The model returned the following errors: {"error":{"message":"Your input exceeds the context window of this model","code":"context_length_exceeded"}}'


def oai(message: str, code: str | int | None = None, kind: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


def ant(kind: str, message: str, error_code: str | None = None) -> dict[str, Any]:
    details = {"details": {"error_code": error_code}} if error_code else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": "req_1"}


def gem(status: str, message: str, code: int = 400, details: Any = ()) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def aws(code: str) -> dict[str, str]:
    return {"X-Amzn-ErrorType": f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


# provider, status, headers, body, kind
REPLIES = [
    # OpenAI: quotas, limits and loads
    ("openai", 429, {}, oai("Rate limit reached", "rate_limit_exceeded", "requests"), "rate_limit"),
    ("openai", 429, {}, oai("Rate limit reached", None, "tokens"), "rate_limit"),
    ("openai", 429, {}, oai("Request too large for gpt-x in organization o: Limit 3, Requested 4", "rate_limit_exceeded", "tokens"), "request_exceeds_quota_window"),
    ("openai", 429, {}, oai(ABOVE_LIMIT, "rate_limit_exceeded", "tokens"), "request_exceeds_quota_window"),
    ("openai", 429, {}, oai(BELOW_LIMIT, "rate_limit_exceeded", "tokens"), "rate_limit"),
    ("openai", 429, {}, oai("You exceeded your current quota", "organization_spend_limit_exceeded", "insufficient_quota"), "quota_exhausted"),
    ("openai", 429, {}, oai("Usage limit", "organization_usage_limit_exceeded", "insufficient_quota"), "quota_exhausted"),
    ("openai", 429, {}, oai("You exceeded your current quota, please check your plan"), "quota_exhausted"),
    ("openai", 429, {}, oai("x", "new_quota_code", "insufficient_quota"), "quota_exhausted"),
    ("openai", 400, {}, oai("Billing hard limit has been reached", "billing_hard_limit_reached"), "quota_exhausted"),
    ("openai", 503, {}, oai("busy", "server_is_overloaded", "service_unavailable_error"), "overloaded"),
    ("openai", 503, {}, oai("Slow down", "slow_down", "rate_limit_error"), "rate_limit"),
    ("openai", 503, {}, {}, "overloaded"),
    # OpenAI: requests and accounts
    ("openai", 401, {}, oai("Incorrect API key provided: sk-…", "invalid_api_key", "invalid_request_error"), "auth"),
    ("openai", 401, {}, oai("You must be a member of an organization", None, "invalid_request_error"), "auth"),
    ("openai", 403, {}, oai("Project does not have access to model", "model_not_found", "invalid_request_error"), "not_found"),
    ("openai", 400, {}, oai("Invalid 'metadata.x': string too long. Expected a string with maximum length 64", "string_above_max_length", "invalid_request_error"), "invalid_request"),
    ("openai", 400, {}, oai("Your input exceeds the context window of this model. Please adjust", "context_length_exceeded"), "context_overflow"),
    ("openai", 400, {}, oai("This model's maximum context length is 128000 tokens. However, your messages resulted in 128042", None, "invalid_request_error"), "context_overflow"),
    ("openai", 400, {}, oai("max_tokens is too large: 99999. This model supports at most 16384 completion tokens", "invalid_value"), "invalid_request"),
    ("openai", 400, {}, oai("Invalid prompt: flagged as potentially violating our usage policy", "invalid_prompt"), "content_policy"),
    ("openai", 400, {}, oai("Rejected by the safety system", "content_policy_violation"), "content_policy"),
    ("openai", 400, {}, oai("filtered", None, None, innererror={"code": "ResponsibleAIPolicyViolation"}), "content_policy"),
    ("openai", 413, {}, oai("Payload too large", None, "invalid_request_error"), "request_too_large"),
    ("openai", 409, {}, oai("Conflict", None, None), "server_error"),
    ("openai", 408, {}, {}, "timeout"),
    ("openai", 504, {"content-type": "text/html"}, b"<html>504 Gateway Time-out</html>", "timeout"),
    ("openai", 524, {}, b"<!DOCTYPE html><title>524: A timeout occurred</title>", "timeout"),
    ("openai", 301, {"location": "https://elsewhere"}, b"", "not_found"),
    # OpenAI: failures inside a 200
    ("openai", 200, {}, {"object": "response", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}}, "rate_limit"),
    ("openai", 200, {}, {"object": "response", "status": "failed", "error": {"code": "server_error", "message": "x"}}, "server_error"),
    ("openai", 200, {}, {"object": "response", "status": "failed", "error": {"code": "bio_policy", "message": "x"}}, "content_policy"),
    ("openai", 200, {}, {"object": "response", "status": "failed", "error": {"code": "misalignment_policy_violation"}}, "content_policy"),
    ("openai", 200, {}, {"status": "incomplete", "error": None, "incomplete_details": {"reason": "max_output_tokens"}}, "truncated"),
    ("openai", 200, {}, {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_policy"),
    ("openai", 200, {}, {"choices": [{"finish_reason": "stop", "message": {"refusal": "I can't"}}]}, "refusal"),
    ("openai", 200, {}, {"choices": [{"finish_reason": "length", "message": {"content": "x"}}]}, "truncated"),
    ("openai", 200, {}, b"<html>welcome</html>", "server_error"),
    # what users wrote is not what the provider says
    ("openai", 400, {}, oai("Invalid value: 'rate limit exceeded, This model's maximum context length is 5'", "invalid_value"), "invalid_request"),
    ("openai", 400, {}, oai("Unknown parameter: 'You exceeded your current quota'", None, "invalid_request_error"), "invalid_request"),
    ("openai", 400, {}, {"error": {"message": "Bad", "code": None}, "input": "insufficient_quota prompt is too long: 9 tokens > 1 maximum"}, "invalid_request"),
    ("openai", 500, {}, oai("You exceeded your current quota", None, None), "server_error"),
    ("openai", 401, {}, oai("This model's maximum context length is 12", None, None), "auth"),
    ("openai", 400, {}, oai("You exceeded your current quota", None, None), "invalid_request"),
    # Groq
    ("groq", 413, {}, oai(TOO_LARGE_GROQ, "rate_limit_exceeded", "tokens"), "request_exceeds_quota_window"),
    ("groq", 413, {}, oai("too big", "rate_limit_exceeded", "tokens"), "request_exceeds_quota_window"),
    ("groq", 413, {}, oai("Request Entity Too Large", "request_too_large", "invalid_request_error"), "request_too_large"),
    ("groq", 400, {}, oai("Please reduce the length of the messages or completion.", "context_length_exceeded"), "context_overflow"),
    ("groq", 400, {}, oai("Failed to call a function.", "tool_use_failed", "invalid_request_error", failed_generation="<f"), "invalid_output"),
    ("groq", 400, {}, oai("Spend limit reached", "blocked_api_access", "invalid_request_error"), "quota_exhausted"),
    ("groq", 400, {}, oai("The model `old` has been decommissioned", "model_decommissioned"), "not_found"),
    ("groq", 498, {}, b"", "overloaded"),
    ("groq", 422, {}, oai("unprocessable", None, "invalid_request_error"), "invalid_request"),
    ("groq", 502, {}, b"", "server_error"),
    # servers of one's own
    ("openai_compatible", 400, {}, {"object": "error", "message": OVERFLOW_VLLM, "type": "BadRequestError", "code": 400}, "context_overflow"),
    ("openai_compatible", 400, {}, oai(MAX_TOKENS_VLLM, 400, "BadRequestError"), "context_overflow"),
    ("openai_compatible", 400, {}, oai(f"BadRequestError: {OVERFLOW_VLLM}", 400, "BadRequestError"), "context_overflow"),
    ("openai_compatible", 404, {}, oai("The model `x` does not exist.", 404, "NotFoundError"), "not_found"),
    ("openai_compatible", 401, {}, {"error": "Unauthorized"}, "auth"),
    ("openai_compatible", 503, {}, oai("Loading model", 503, "unavailable_error"), "overloaded"),
    ("openai_compatible", 500, {}, {"error": "model requires more system memory (8 GiB) than is available"}, "server_error"),
    ("openai_compatible", 404, {}, {"error": "model 'x' not found, try pulling it first"}, "not_found"),
    ("openai_compatible", 400, {}, {"error": "the input length exceeds the context length"}, "context_overflow"),
    ("openai_compatible", 400, {}, {"error": "registry.ollama.ai/library/x does not support tools"}, "invalid_request"),
    ("openai_compatible", 500, {}, oai("Context size has been exceeded.", 500, "server_error"), "context_overflow"),
    ("openai_compatible", 200, {}, oai("boom", 503, None), "overloaded"),
    ("openai_compatible", 200, {}, oai("max_tokens must be at least 1", 400, "BadRequestError"), "invalid_request"),
    ("openai_compatible", 500, {}, b"Internal Server Error", "server_error"),
    ("somebody_new", 429, {}, b"", "rate_limit"),
    # Anthropic
    ("anthropic", 429, {}, ant("rate_limit_error", "limit", "enforced_spend_limit_reached"), "quota_exhausted"),
    ("anthropic", 429, {}, ant("rate_limit_error", "limit", "ramp_limit_exceeded"), "rate_limit"),
    ("anthropic", 429, {}, ant("rate_limit_error", "limit", "not_known_yet"), "rate_limit"),
    ("anthropic", 402, {}, ant("billing_error", "pay", "linked_organization_spend_limit_reached"), "quota_exhausted"),
    ("anthropic", 402, {}, ant("billing_error", "Your account has a billing issue"), "quota_exhausted"),
    ("anthropic", 400, {}, ant("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01"), "quota_exhausted"),
    ("anthropic", 400, {}, ant("invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"), "context_overflow"),
    ("anthropic", 400, {}, ant("invalid_request_error", "max_tokens: 64000 > 32000, which is the maximum allowed number of output tokens"), "invalid_request"),
    ("anthropic", 400, {}, ant("invalid_request_error", "messages.0: 'prompt is too long: 3 tokens > 2 maximum' is not valid"), "invalid_request"),
    ("anthropic", 400, {}, ant("invalid_request_error", "Output blocked by content filtering policy"), "content_policy"),
    ("anthropic", 403, {}, ant("permission_error", "not allowed"), "auth"),
    ("anthropic", 404, {}, ant("not_found_error", "model: claude-nope"), "not_found"),
    ("anthropic", 413, {}, b"<html>413 Request Entity Too Large</html>", "request_too_large"),
    ("anthropic", 500, {}, ant("api_error", "Internal server error"), "server_error"),
    ("anthropic", 503, {}, ant("overloaded_error", "Overloaded"), "overloaded"),
    ("anthropic", 529, {}, b"", "overloaded"),
    ("anthropic", 200, {}, ant("overloaded_error", "Overloaded"), "overloaded"),
    ("anthropic", 200, {}, ant("invalid_request_error", "Output blocked by content filtering policy"), "content_policy"),
    ("anthropic", 200, {}, {"type": "message", "stop_reason": "refusal", "content": []}, "refusal"),
    ("anthropic", 200, {}, {"type": "message", "stop_reason": "model_context_window_exceeded", "content": []}, "truncated"),
    # Bedrock
    ("bedrock", 429, aws("ThrottlingException"), {"message": "Too many requests, please wait before trying again."}, "rate_limit"),
    ("bedrock", 429, aws("ThrottlingException"), {"message": "Too many tokens per day, please wait before trying again."}, "quota_exhausted"),
    ("bedrock", 429, {}, {"message": "Too many tokens, please wait before trying again."}, "rate_limit"),
    ("bedrock", 400, aws("ValidationException"), {"message": "Input is too long for requested model."}, "context_overflow"),
    ("bedrock", 400, aws("ValidationException"), {"message": "Input Tokens Exceeded: Number of input tokens exceeds maximum length."}, "context_overflow"),
    ("bedrock", 400, aws("ValidationException"), {"message": "The model returned the following errors: prompt tokens (1055489) exceed model maximum (1050000) for x"}, "context_overflow"),
    ("bedrock", 400, aws("ValidationException"), {"message": BEDROCK_JSON}, "context_overflow"),
    ("bedrock", 400, aws("ValidationException"), {"message": "1 validation error detected: Value 'Input is too long' at 'messages' failed"}, "invalid_request"),
    ("bedrock", 400, aws("ValidationException"), {"message": "Malformed input request: #/texts/0: expected maxLength: 2048, actual: 19882"}, "invalid_request"),
    ("bedrock", 400, aws("ValidationException"), {"message": "Invocation of model ID anthropic.x-v1:0 with on-demand throughput isn’t supported."}, "not_found"),
    ("bedrock", 403, aws("AccessDeniedException"), {"Message": "You don't have access to the model"}, "auth"),
    ("bedrock", 403, {}, {"__type": "com.amazon.coral.service#UnrecognizedClientException", "message": "The security token is invalid."}, "auth"),
    ("bedrock", 400, {}, {"__type": "ExpiredTokenException"}, "auth"),
    ("bedrock", 403, {"x-amzn-errortype": "InvalidSignatureException"}, {"message": "Signature expired"}, "auth"),
    ("bedrock", 404, aws("ResourceNotFoundException"), {"message": "Model use case details have not been submitted"}, "not_found"),
    ("bedrock", 500, aws("InternalServerException"), {"message": "x"}, "server_error"),
    ("bedrock", 503, aws("ServiceUnavailableException"), {"message": "x"}, "overloaded"),
    ("bedrock", 503, {}, b"<html><body>503 Service Unavailable</body></html>", "overloaded"),
    ("bedrock", 424, {}, {"message": "unexpected", "originalStatusCode": 500}, "server_error"),
    ("bedrock", 200, aws("throttlingException"), {"message": "Too many requests"}, "rate_limit"),
    ("bedrock", 200, {}, {"stopReason": "guardrail_intervened", "output": {}}, "content_policy"),
    ("bedrock", 200, {}, {"stopReason": "malformed_tool_use", "output": {}}, "invalid_output"),
    # Gemini
    ("gemini", 400, {}, gem("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", details=[{"reason": "API_KEY_INVALID"}]), "auth"),
    ("gemini", 429, {}, gem("RESOURCE_EXHAUSTED", "Quota", 429, RPD), "rate_limit"),
    ("gemini", 503, {}, gem("UNAVAILABLE", "The model is overloaded.", 503), "overloaded"),
    ("gemini", 504, {}, gem("DEADLINE_EXCEEDED", "late", 504), "timeout"),
    ("gemini", 403, {}, gem("PERMISSION_DENIED", "no", 403), "auth"),
    ("gemini", 429, {}, json.dumps([gem("RESOURCE_EXHAUSTED", "Quota", 429)]).encode(), "rate_limit"),
    ("gemini", 200, {}, {"promptFeedback": {"blockReason": "SAFETY"}}, "content_policy"),
    ("gemini", 200, {}, {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}, "invalid_output"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "headers", "body", "kind"), REPLIES)
def test_replies_of_the_same_kinds(provider, status, headers, body, kind):
    failure = classify(provider, status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert failure.kind == kind
    assert (failure.retry_same_target, failure.fallback) == ALLOWED[kind][:2]


def test_every_kind_and_every_rule_is_covered_by_the_matrix():
    kinds = set(get_args(FailureKind))
    assert set(ALLOWED) == kinds
    for name in provider_names():
        rules = spec_of(name).failures
        assert {*rules.codes.values(), *rules.families.values(), *rules.statuses.values()} <= kinds
        assert {text.kind for text in rules.texts} <= kinds
    assert set(FAILED_STOPS.values()) <= kinds


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "details"]) | st.text(), inner)
    ),
)
bodies = st.binary() | json_values.map(lambda value: json.dumps(value).encode())
header_maps = st.dictionaries(
    st.sampled_from(["retry-after", "Retry-After-Ms", "x-amz-retry-after", "x-amzn-ErrorType", "x-should-retry"])
    | st.text(),
    st.text() | st.sampled_from(["nan", "inf", "-1", "1e9", "Wed, 31 Dec 9999 23:59:59 -2359"]),
)


@given(provider=st.sampled_from(provider_names()) | st.text(), status=st.integers(), headers=header_maps, body=bodies)
def test_any_reply_has_a_class(provider, status, headers, body):
    failure = classify(provider, status, headers, body)
    assert isinstance(failure, Failure)
    assert failure.kind in ALLOWED
    assert failure.retry_after is None or (failure.retry_after >= 0 and math.isfinite(failure.retry_after))


@pytest.mark.parametrize("body", [b'{"error":{"code":"context_length_exceeded","message":"caf\xe9"}}', b'\xef\xbb\xbf{"error":{"code":"context_length_exceeded"}}', b'{"error":{"code":"context_length_exceeded","message":"\\ud83d"}}'])  # fmt: skip
def test_bytes_that_are_no_clean_utf8_do_not_hide_a_code(body):
    assert classify("openai", 400, {}, body).kind == "context_overflow"


def test_deeply_nested_and_huge_bodies_are_survived():
    assert classify("openai", 400, {}, b"[" * 100_000).kind == "invalid_request"
    assert classify("openai", 429, {}, json.dumps(oai("Error: " * 200_000)).encode()).kind == "rate_limit"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"RETRY-AFTER-MS": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"retry-after": "0"}, 0),
        *(({"retry-after": bad}, None) for bad in ("-1", "nan", "inf", "1e400", "6m0s", "", "soon", "1_0", "٣")),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert classify("openai", 429, headers, b"").retry_after == seconds


def test_retry_after_as_a_date():
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    wait = classify("openai", 429, {"retry-after": then}, b"").retry_after
    assert wait is not None
    assert 28 <= wait <= 30


def test_gemini_tells_the_wait_in_its_body():
    body = json.dumps(gem("RESOURCE_EXHAUSTED", "q", 429, [{"retryDelay": "14.5s"}])).encode()
    assert classify("gemini", 429, {}, body).retry_after == 14.5


@pytest.mark.parametrize(
    ("status", "told", "code", "retry"),
    [
        (429, "false", None, False),
        (500, "FALSE", None, False),
        (400, "true", None, True),
        (429, "true", "insufficient_quota", False),
        (400, "true", "context_length_exceeded", False),
        (429, "maybe", None, True),
    ],
)
def test_should_retry_outranks_a_status_but_not_a_code(status, told, code, retry):
    failure = classify("openai", status, {"X-Should-Retry": told}, json.dumps(oai("x", code)).encode())
    assert failure.retry_same_target is retry


def test_nothing_of_the_body_but_a_code_is_kept():
    secret = "my card is 4111 1111 1111 1111"
    for body in (oai(secret, secret, secret), ant(secret, secret, secret), {"message": secret, "request_id": secret}):
        failure = classify("openai", 400, {"x-request-id": "req_7"}, json.dumps(body).encode())
        assert "4111" not in repr(failure)
        assert failure.request_id == "req_7"
    assert classify("openai", 429, {}, json.dumps(oai("x", "slow_down")).encode()).code == "slow_down"


@pytest.mark.parametrize(
    ("status", "body", "billed"),
    [(400, oai("x"), False), (429, oai("x"), False), (500, oai("x"), False), (504, {}, True), (200, {}, True), (400, oai("x", "tool_use_failed"), True)],
)  # fmt: skip
def test_what_may_have_been_billed(status, body, billed):
    assert classify("groq", status, {}, json.dumps(body).encode()).maybe_billed is billed
