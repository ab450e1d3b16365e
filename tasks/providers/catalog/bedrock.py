"""Amazon Bedrock: models of many makers by the Converse API."""

from __future__ import annotations

from tasks.providers.batch_rules import BatchRules
from tasks.providers.bedrock import BedrockAdapter
from tasks.providers.failure_rules import ANTHROPIC_OVERFLOW, BEDROCK_OVERFLOW, FailureRules, codes, texts
from tasks.providers.media import MediaRules
from tasks.providers.options import ALL_OPTIONS
from tasks.providers.prompt_caches import CACHED_BEDROCK
from tasks.providers.spec import CredentialRule, ProviderFeatures, ProviderSpec

FAILURES = FailureRules(
    codes=codes(
        overloaded="ModelNotReadyException ServiceUnavailableException ServiceUnavailable MPAgreementBeingCreated",
        server_error="InternalServerException InternalServerError InternalFailure InternalError ServiceFailure "
        "ModelErrorException ModelStreamErrorException ConflictException",
        timeout="ModelTimeoutException RequestTimeout RequestTimeoutException",
        quota_exhausted="ServiceQuotaExceededException",
        request_too_large="RequestEntityTooLargeException RequestTooLargeException",
        auth="AccessDeniedException AccessDenied ExpiredTokenException ExpiredToken UnrecognizedClientException "
        "InvalidSignatureException SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException "
        "InvalidClientTokenId MissingAuthenticationToken MissingAuthenticationTokenException InvalidAccessKeyId "
        "NotAuthorized OptInRequired RequestExpired INVALID_PAYMENT_INSTRUMENT",
        not_found="ResourceNotFoundException FTUFormNotFilled UnknownOperationException ModelNotFoundException",
        context_overflow="context_length_exceeded",
    ),
    sure=texts(
        "not_found",
        {400, 403, 404},
        r"This model version has reached the end of its life",
        r"(?:Access denied\. )?This Model is marked by provider as Legacy",
        r"The provided model identifier is invalid",
        r"Could not resolve the foundation model from the provided model identifier",
    ),
    texts=(
        *texts("quota_exhausted", {400, 429}, r"Too many \w+ per day"),
        *texts(
            "not_found",
            {400},
            r"The provided model identifier is invalid",
            r"Invocation of model ID .{1,300} with on-demand throughput isn.t supported",
        ),
        *texts("auth", {400}, r"Operation not allowed"),
        *texts("content_policy", {400}, r"Output blocked by content filtering policy"),
        *texts(
            "context_overflow",
            {400},
            *ANTHROPIC_OVERFLOW,
            *BEDROCK_OVERFLOW,
        ),
    ),
    families=codes(
        rate_limit="ThrottlingException Throttling ThrottledException RequestThrottledException "
        "TooManyRequestsException RequestThrottled RequestLimitExceeded LimitExceededException SlowDown",
        invalid_request="ValidationException ValidationError SerializationException MalformedQueryString",
    ),
)

SPEC = ProviderSpec(
    name="bedrock",
    dialect=BedrockAdapter,
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    credentials=CredentialRule(kind="aws", variable="AWS_BEARER_TOKEN_BEDROCK"),
    failures=FAILURES,
    price_list="aws",
    otel_name="aws.bedrock",
    key_kind="bedrock",
    features=ProviderFeatures(
        schemas=True,
        tools=True,
        reasoning=True,
        media=MediaRules(
            takes=frozenset({"image data", "document data"}),
            largest={"image": 3_750_000, "document": 4_500_000},
            most={"image": 20, "document": 5},
            edge=8_000,
        ),
        service_tiers={"standard": "default", "flex": "flex", "priority": "priority"},
        batches=BatchRules(
            api="bedrock",
            paths=("converse", "invoke"),
            lines=50_000,
            whole=200_000_000,
            least=100,
        ),
        truncates_silently=False,
        options=ALL_OPTIONS - {"seed"},
        cached=CACHED_BEDROCK,
    ),
)
