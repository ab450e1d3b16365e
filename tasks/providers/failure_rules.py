"""What error replies mean: the rules of OpenAI's dialect, and what providers share. Each has its own in the catalog.

Sources: the official SDKs and API references of the providers, botocore's ``bedrock-runtime`` model, the servers of
vLLM, llama.cpp and Ollama; the facts are gathered in the project's provider notes.

They are read from the surest sign to the vaguest: ``sure`` texts overrule a code that says something else; ``codes``
decide; ``texts`` split a broad code by the beginning of the provider's own message, for the statuses where that text
occurs; ``families`` are broad codes; ``statuses`` say what a bare status means where it differs from HTTP's usual
meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from pricing import record
from tasks.providers.failure_kinds import FailureKind
from tasks.providers.lazy_pattern import LazyPattern

Codes: TypeAlias = Mapping[str, FailureKind]

LEAD_IN = LazyPattern(r"(?:The model returned the following errors|\w*Error|error|litellm\.\w+): ?")
"""What gateways put before the message of the model they front."""


@record(frozen=True, slots=True)
class Text:
    """A message that begins like ``pattern``, in a reply of one of ``statuses``.

    If the pattern has the groups ``limit`` and ``asked``, it only holds where more was asked than the limit.
    """

    pattern: LazyPattern
    kind: FailureKind
    statuses: frozenset[int]


def texts(kind: FailureKind, statuses: set[int], *patterns: str) -> tuple[Text, ...]:
    """One rule per pattern; letter case does not matter."""
    return tuple(Text(LazyPattern(pattern, re.IGNORECASE), kind, frozenset(statuses)) for pattern in patterns)


def codes(**kinds: str) -> dict[str, FailureKind]:
    """``kind="code code …"`` turned into code → kind; codes are matched in lower case, ``413:code`` for a 413 only."""
    return {code.lower(): kind for kind, listed in kinds.items() for code in listed.split()}  # type: ignore[misc]


@record(frozen=True, slots=True)
class FailureRules:
    """The rules of one provider."""

    codes: Codes
    texts: tuple[Text, ...] = ()
    sure: tuple[Text, ...] = ()
    families: Codes = field(default_factory=dict)
    statuses: Mapping[int, FailureKind] = field(default_factory=dict)


STATUSES: Mapping[int, FailureKind] = {
    401: "auth",
    402: "quota_exhausted",
    403: "auth",
    404: "not_found",
    405: "not_found",
    407: "auth",
    408: "timeout",
    409: "server_error",
    410: "not_found",
    413: "request_too_large",
    414: "request_too_large",
    424: "server_error",
    425: "server_error",
    429: "rate_limit",
    431: "request_too_large",
    451: "auth",
    499: "connection",
    501: "invalid_request",
    503: "overloaded",
    504: "timeout",
    522: "connection",
    524: "timeout",
    529: "overloaded",
}
"""A status that stands alone; other 3xx mean a wrong address, other 4xx a wrong request, all else a broken server."""

OPENAI_CODES = codes(
    rate_limit="slow_down token_limit_exceeded",
    overloaded="server_is_overloaded capacity_exceeded resource_unavailable",
    timeout="vector_store_timeout",
    context_overflow="context_length_exceeded exceed_context_size_error",
    request_too_large="request_too_large image_file_too_large",
    quota_exhausted="insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded "
    "project_spend_limit_exceeded organization_usage_limit_exceeded billing_hard_limit_reached billing_not_active "
    "blocked_api_access spend_limit_reached spend_limit_exceeded",
    auth="invalid_api_key incorrect_api_key account_deactivated unsupported_country_region_territory "
    "invalid_organization mismatched_organization ip_not_authorized organization_restricted model_terms_required "
    "model_permission_blocked_org model_permission_blocked_project data_residency_mismatch",
    not_found="model_not_found model_decommissioned DeploymentNotFound",
    invalid_request="string_above_max_length array_above_max_length unsupported_value unsupported_parameter "
    "invalid_value unknown_parameter missing_required_parameter invalid_type invalid_image",
    content_policy="invalid_prompt content_policy_violation content_filter ResponsibleAIPolicyViolation bio_policy "
    "cyber_policy misalignment_policy_violation image_content_policy_violation",
    invalid_output="json_validate_failed tool_use_failed output_parse_failed",
)
OPENAI_FAMILIES = codes(
    rate_limit="rate_limit_exceeded rate_limit_error tokens requests",
    overloaded="service_unavailable_error unavailable_error ServiceUnavailableError",
    server_error="server_error internal_server_error internal_error InternalServerError",
    auth="authentication_error permission_error AuthenticationError PermissionDeniedError request_forbidden",
    not_found="not_found_error NotFoundError",
    request_exceeds_quota_window="413:rate_limit_exceeded",
)
OPENAI_TEXTS = (
    *texts(
        "request_exceeds_quota_window",
        {413, 429},
        r"Request too large for ",
        r"Rate limit reached for .{1,300}?: Limit (?P<limit>[\d,]+),(?: Used [\d,]+,)? Requested (?P<asked>[\d,]+)",
    ),
    *texts("overloaded", {429}, r"[^'\"`]{0,120}\bresources? (?:is |are )?(?:currently )?unavailable"),
    *texts("rate_limit", {400, 429}, r"Enqueued token limit reached"),
    *texts("quota_exhausted", {429}, r"You exceeded your current quota", r"Your account is not active"),
    *texts("not_found", {400}, r"invalid model ID"),
    *texts(
        "context_overflow",
        {400, 413, 422},
        r"This model's maximum context length is",
        r"Input tokens exceed the configured limit of",
        r"Your input exceeds the context window of this model",
        r"Please reduce the length of the messages or completion",
        r"prompt tokens (?:\(\d+\) )?exceed model maximum",
    ),
)

SERVER_TEXTS = texts(
    "context_overflow",
    {400, 413, 422, 500},
    r"(?:the )?request (?:\(\d+ tokens\) )?exceeds the available context size",
    r"'max_tokens' or 'max_completion_tokens' is too large: [\d,]+\. ?This model's maximum context length is",
    r"max_tokens=\d+ cannot be greater than max_model_len=",
    r"The (?:decoder |encoder )?prompt \((?:total )?length \d+\) is (?:longer than|too long)",
    r"Input length \(\d+\) exceeds (?:the )?(?:model's )?maximum (?:context )?(?:length|allowed)",
    r"maximum context length is [\d,]+ tokens\. However, you requested",
    r"You passed \d+ input tokens and requested \d+ output tokens\. However, the model's context length is only",
    r"(?:the )?(?:input|prompt)(?: length)? exceeds (?:the )?(?:maximum )?context (?:length|window|size)",
    r"prompt too long; exceeded (?:max )?context length",
    r"The number of tokens to keep from the initial prompt is greater than the context length",
    r"Trying to keep the first \d+ tokens when context the overflows",
    r"Context size has been exceeded",
    r"input is too large to process",
    r"The input \([\d,]+ tokens\) is longer than the model's context length",
    r"Requested token count exceeds the model's maximum context length",
    r"(?:Input validation error: )?`inputs` tokens \+ `max_new_tokens` must be <=",
    r"The prompt is too long: [\d,]+, model maximum context length",
    r"This endpoint's maximum context length is",
    r"This model's maximum prompt length is [\d,]+ but the request contains",
    r"(?:Invalid request: )?(?:Your request )?exceeded model token limit",
    r"[^'\"`]{0,120}greater than the context length",
    r"Prompt contains [\d,]+ tokens [^'\"`]{0,80}too large for model with [\d,]+ maximum context length",
    r"Current length is [\d,]+ while limit is [\d,]+",
    r"[^'\"`]{0,80}exceeds the maximum allowed input length of",
    r"prompt token count of [\d,]+ exceeds the limit of",
    r"too many tokens(?:[.:,]|$)",
    r"(?:invalid params, )?context window exceeds limit",
    r"(?:<400> [\w.]{1,80}: )?Range of input length should be \[",
)
"""vLLM, SGLang, TGI, llama.cpp, Ollama and LM Studio, old and new; then Together, Fireworks, OpenRouter, xAI and others
that host models behind OpenAI's dialect."""

ANTHROPIC_OVERFLOW = (
    r"prompt is too long: [\d,]+ tokens > [\d,]+ maximum",
    r"prompt is too long$",
    r"input length and `max_tokens` exceed context limit",
)
BEDROCK_OVERFLOW = (
    r"Input is too long",
    r"Input Tokens Exceeded",
    r"Too many input tokens\. Max input tokens",
    r"This model's maximum context length is",
    r"Input length \(\d+\) exceeds (?:the )?(?:model's )?maximum context length",
    r"(?:Your input|Your request|The input|Input|The prompt|Prompt) exceeds the (?:model's )?context window",
    r"(?:the )?(?:prompt|input|request)?(?: ?tokens)? ?(?:\(\d+\) )?exceeds? (?:the )?model maximum",
)
GEMINI_OVERFLOW = (
    r"The input token count (?:\([\d,]+\) )?exceeds the maximum number of tokens allowed",
    r"Unable to submit request because the input token count is [\d,]+ but (?:the )?model only supports up to",
)
FRONTED_TEXTS = texts("context_overflow", {400, 413, 422}, *ANTHROPIC_OVERFLOW, *BEDROCK_OVERFLOW, *GEMINI_OVERFLOW)
"""Of the models that gateways put OpenAI's dialect in front of."""

OPENAI = FailureRules(codes=OPENAI_CODES, texts=OPENAI_TEXTS, families=OPENAI_FAMILIES)
OPENAI_COMPATIBLE = FailureRules(
    codes=OPENAI_CODES, texts=OPENAI_TEXTS + SERVER_TEXTS + FRONTED_TEXTS, families=OPENAI_FAMILIES
)

LIMITED = LazyPattern(r"rate.?limit|too many requests|throttl|please wait before trying again", re.IGNORECASE)
"""What no overflow's text says: "too many tokens" is also that of a rate limit."""
STOPS: Codes = codes(
    truncated="length max_tokens model_context_window_exceeded max_output_tokens",
    refusal="refusal",
    content_policy="content_filter content_filtered guardrail_intervened prompt_blocked SAFETY RECITATION BLOCKLIST "
    "PROHIBITED_CONTENT SPII MODEL_ARMOR IMAGE_SAFETY",
    invalid_output="malformed_model_output malformed_tool_use MALFORMED_FUNCTION_CALL MALFORMED_RESPONSE "
    "UNEXPECTED_TOOL_CALL MISSING_THOUGHT_SIGNATURE LANGUAGE",
)
"""Why a reply with status 200 has no answer: stop reasons of all dialects."""

STATUS_OF_CODE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "invalid_argument": 400,
    "validationexception": 400,
    "throttlingexception": 429,
}
"""The status an error would have had, had it not come inside a 200; codes that texts split."""
