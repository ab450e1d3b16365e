"""Every name that our spans and metrics carry.

Source: the OpenTelemetry conventions for generative AI, repository open-telemetry/semantic-conventions-genai,
docs/gen-ai/client-inference.md at 024a4f9 and docs/gen-ai/gen-ai-metrics.md at 004902b. All of ``gen_ai.*`` is still in
development there, and its names move; nothing outside this package uses one. There is no convention for money: what
a call cost is recorded under ``farebox.*``, our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tasks.providers.messages import StopReason

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
"""The schema version the conventions' manifest declares; sent with every tracer and meter."""
SCOPE: Final = "farebox"
"""The instrumentation scope of everything we emit."""

# The convention's attributes
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
"""Its value is in the provider's spec: the convention's name of it, or one of our choice where it has none."""
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_KIND: Final = "gen_ai.token.type"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# Our own
RUN_ID: Final = "farebox.run.id"
TURN_ID: Final = "farebox.turn.id"
ATTEMPT_ID: Final = "farebox.attempt.id"
OPERATION: Final = "farebox.operation"
HOP: Final = "farebox.hop"
ORDINAL: Final = "farebox.ordinal"
REASON: Final = "farebox.reason"
TARGET: Final = "farebox.target"
TIER: Final = "farebox.tier"
STAND_IN: Final = "farebox.stand_in"
OUTCOME: Final = "farebox.outcome"
ERROR_CODE: Final = "farebox.error.code"
"""The provider's own code for a failure, where it gave one; ``error.type`` is our class of it."""
COST: Final = "farebox.cost.nano_usd"
"""Integer nano-dollars (1e-9 USD)."""
COST_BASIS: Final = "farebox.cost.basis"
"""Where the cost comes from: ``usage``, ``worst_case`` or ``unbilled``."""
SERVICE_TIER: Final = "farebox.service_tier"
SERVICE_TIER_ASKED: Final = "farebox.service_tier.asked"
BATCH_ID: Final = "farebox.batch.id"
"""The provider's id of the batch that an attempt was a line of."""
BATCH_LABEL: Final = "farebox.batch.label"
RATE_VERSION: Final = "farebox.rate_version"
ATTEMPTS: Final = "farebox.attempts"
REPAIRED: Final = "farebox.repaired"

# Values
CHAT: Final = "chat"
FINISHED: Final[Mapping[StopReason, str]] = {
    "end": "stop",
    "tool_calls": "tool_call",
    "length": "length",
    "refusal": "content_filter",
    "content_filter": "content_filter",
    "malformed": "error",
}
UNFINISHED: Final = "error"
"""The finish reason of an attempt that got no reply."""

# Metrics: name, unit, and the bucket boundaries that the convention recommends
DURATION: Final = "gen_ai.client.operation.duration"
DURATION_UNIT: Final = "s"
DURATION_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
USAGE: Final = "gen_ai.client.token.usage"
USAGE_UNIT: Final = "{token}"
USAGE_BUCKETS: Final = tuple(float(4**power) for power in range(14))
"""1, 4, 16 … 67,108,864."""


def turn_name(operation: str) -> str:
    """The name of a turn's span."""
    return f"farebox.turn {operation}"


def attempt_name(model: str) -> str:
    """The name of an attempt's span, by convention the operation's name and the requested model."""
    return f"{CHAT} {model}"
