"""A prompt that is too long, in the words of every server; and what only looks like one."""

import json
from typing import Any

import pytest

from tasks.providers import classify

N, M = "131,073", "131072"
OVERFLOWS: list[tuple[str, str, int]] = [
    ("vllm", "You passed 9000 input tokens and requested 500 output tokens. However, the model's context length is only 8192 tokens, resulting in a maximum input length of 7692 tokens.", 400),
    ("vllm", "This model's maximum context length is 8192 tokens. However, you requested 500 output tokens and your prompt contains at least 7693 input tokens", 400),
    ("vllm", "maximum context length is 8192 tokens. However, you requested 500 output tokens and your prompt contains at least 7693 input tokens", 400),
    ("sglang", "The input (9000 tokens) is longer than the model's context length (8192 tokens).", 400),
    ("together", "The input (9,000 tokens) is longer than the model's context length (8,192 tokens).", 400),
    ("sglang", "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of 9000 tokens", 400),
    ("tgi", "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 500 `max_new_tokens`", 422),
    ("tgi", "`inputs` tokens + `max_new_tokens` must be <= 4096", 422),
    ("llama_cpp", "the request exceeds the available context size. try increasing the context size or enable context shift", 400),
    ("llama_cpp", "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it", 400),
    ("lm_studio", "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 9000>= n_ctx: 4096)", 400),
    ("lm_studio", "Cannot continue: 9000 tokens are greater than the context length of 4096", 400),
    ("ollama", "prompt too long; exceeded max context length by 12 tokens", 400),
    ("ollama", "prompt too long; exceeded context length", 400),
    ("openai_compatible", "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", 400),
    ("fireworks", "The prompt is too long: 140000, model maximum context length: 131071", 400),
    ("openrouter", "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens", 400),
    ("openrouter", "prompt is too long: 210000 tokens > 200000 maximum", 400),
    ("openrouter", "Input is too long for requested model.", 400),
    ("xai", "This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 400),
    ("deepseek", "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens (139000 in the messages, 1000 in the completion). Please reduce the length of the messages or completion.", 400),
    ("gemini", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 400),
    ("gemini", "The input token count exceeds the maximum number of tokens allowed 1048576.", 400),
    ("bedrock", "prompt tokens (1055489) exceed model maximum (1050000)", 400),
    ("bedrock", "The model returned the following errors: Input is too long for requested model.", 400),
    ("openai_compatible", "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)", 400),
    ("openai_compatible", "exceeded model token limit: 131072 (requested: 140000)", 400),
    ("openai_compatible", "invalid params, context window exceeds limit (2013)", 400),
    ("openai_compatible", "too many tokens: total number of tokens in the prompt cannot exceed 8192", 400),
    ("cerebras", "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192", 400),
    ("cerebras", "Current length is 9000 while limit is 8192", 400),
    ("openai_compatible", "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]", 400),
    ("openai_compatible", "Range of input length should be [1, 129024]", 400),
    ("openai_compatible", "The input exceeds the maximum allowed input length of 131072 tokens", 400),
    ("openai_compatible", "prompt token count of 140000 exceeds the limit of 131072", 400),
    ("azure_openai", "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.", 400),
    ("groq", "Please reduce the length of the messages or completion.", 400),
    ("anthropic", "prompt is too long: 210000 tokens > 200000 maximum", 400),
]  # fmt: skip


def body(provider: str, message: str) -> bytes:
    if provider == "bedrock":
        return json.dumps({"message": message}).encode()
    if provider == "gemini":
        return json.dumps({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": message}}).encode()
    if provider == "sglang":
        return json.dumps({"object": "error", "message": message, "type": "BadRequestError", "code": 400}).encode()
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": None}}).encode()


@pytest.mark.parametrize(("provider", "message", "status"), OVERFLOWS)
def test_each_server_s_own_words(provider: str, message: str, status: int):
    headers = {"x-amzn-errortype": "ValidationException"} if provider == "bedrock" else {}
    failure = classify(provider, status, headers, body(provider, message))
    assert (failure.kind, failure.fallback, failure.move) == ("context_overflow", False, "larger_window")


@pytest.mark.parametrize(("provider", "message", "status"), OVERFLOWS)
def test_a_gateway_in_front_hands_them_on(provider: str, message: str, status: int):
    assert classify("openai_compatible", status, {}, body("openai", message)).kind == "context_overflow"
    assert classify("openrouter", status, {}, body("openai", message)).kind == "context_overflow"


NOT_OVERFLOWS: list[tuple[str, int, Any, str]] = [
    ("bedrock", 429, {"message": "Too many tokens, please wait before trying again."}, "rate_limit"),
    ("bedrock", 400, {"message": "Too many tokens, please wait before trying again."}, "invalid_request"),
    ("openai_compatible", 429, {"error": {"message": "too many tokens", "code": None}}, "rate_limit"),
    ("openai_compatible", 429, {"error": {"message": "Rate limit reached: too many tokens per minute"}}, "rate_limit"),
    ("openai_compatible", 400, {"error": {"message": "too many tokens: rate limit exceeded"}}, "invalid_request"),
    ("openai_compatible", 400, {"error": {"message": "too many tokens, please wait before trying again"}}, "invalid_request"),
    ("openai_compatible", 400, {"error": {"message": "too many tokens: request was throttled"}}, "invalid_request"),
    ("openai_compatible", 400, {"error": {"message": "Bad value: 'too many tokens'"}}, "invalid_request"),
    ("openai_compatible", 400, {"error": {"message": "Invalid 'x': 'exceeded model token limit: 1 (requested: 2)'"}}, "invalid_request"),
    ("openai_compatible", 413, b"", "request_too_large"),
    ("openai_compatible", 413, b"<html>413 Request Entity Too Large</html>", "request_too_large"),
    ("groq", 413, {"error": {"message": "Request too large for model `x`: Limit 1, Requested 2", "code": "rate_limit_exceeded"}}, "request_exceeds_quota_window"),
    ("gemini", 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Request payload size exceeds the limit: 20971520 bytes."}}, "request_too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "reply", "kind"), NOT_OVERFLOWS)
def test_what_only_looks_like_one(provider: str, status: int, reply: Any, kind: str):
    raw = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    assert classify(provider, status, {}, raw).kind == kind


@pytest.mark.parametrize("raw", [b"", b" \r\n", b"{}", b"null"])
@pytest.mark.parametrize(
    "provider", ["openai_compatible", "openai", "groq", "anthropic", "bedrock", "gemini", "cerebras"]
)
def test_a_413_without_a_word_is_one_target_s_and_falls_back(provider: str, raw: bytes):
    failure = classify(provider, 413, {}, raw)
    assert (failure.kind, failure.fallback, failure.retry_same_target, failure.move) == ("request_too_large", True, False, "anywhere")  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "reply"),
    [
        ("llama_cpp", {"error": {"code": 501, "message": "This server does not support completions. Start it without `--embeddings`", "type": "not_supported_error"}}),
        ("gemini", {"error": {"code": 501, "status": "UNIMPLEMENTED", "message": "Operation is not implemented, or supported, or enabled."}}),
        ("vllm", {"object": "error", "message": "Not Implemented", "type": "NotImplementedError", "code": 501}),
        ("openai", b"<html>501</html>"),
        ("bedrock", b""),
        ("anthropic", {"type": "error", "error": {"type": "api_error", "message": "Not implemented"}}),
    ],
)  # fmt: skip
def test_a_501_is_a_request_that_this_target_cannot_take(provider: str, reply: Any):
    raw = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    failure = classify(provider, 501, {}, raw)
    assert (failure.kind, failure.fallback, failure.retry_same_target, failure.move) == ("invalid_request", True, False, "anywhere")  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "ResourceNotFoundException", "This model version has reached the end of its life. Please refer to the AWS documentation for more details."),
        (404, "ResourceNotFoundException", "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days."),
        (403, "AccessDeniedException", "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days."),
        (400, "ValidationException", "The provided model identifier is invalid."),
        (400, "ValidationException", "Invocation of model ID anthropic.claude-haiku-5-5 with on-demand throughput isn't supported. Retry your request with the ID or ARN of an inference profile that contains this model."),
        (404, "", "This model version has reached the end of its life."),
    ],
)  # fmt: skip
def test_a_model_of_bedrock_that_is_gone_is_not_found(status: int, code: str, message: str):
    headers = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/"} if code else {}
    failure = classify("bedrock", status, headers, json.dumps({"message": message}).encode())
    assert (failure.kind, failure.retry_same_target, failure.fallback) == ("not_found", False, True)


def test_cerebras_says_nothing_about_a_prompt_that_is_too_long():
    assert classify("cerebras", 400, {}, b"").kind == "context_overflow"
    assert classify("openai", 400, {}, b"").kind == "invalid_request"
