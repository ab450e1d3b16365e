"""What Langfuse and Phoenix make of our spans, by the order in which their ingestion code looks names up.

The tables are of our own making, after the code that ``tasks/telemetry/backends.py`` names; neither server runs here.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pricing.ledger.facts import Completion, Intent
from pricing.usage import Usage
from tasks.providers import provider_names
from tasks.telemetry.backends import generation_attributes, generation_result, turn_attributes

LANGFUSE = {
    "type": ("langfuse.observation.type", "openinference.span.kind", "gen_ai.operation.name"),
    "model": (
        "langfuse.observation.model.name", "gen_ai.response.model", "ai.model.id", "gen_ai.request.model",
        "llm.response.model", "llm.model_name", "model",
    ),
    "usage": ("langfuse.observation.usage_details",),
    "cost": ("langfuse.observation.cost_details", "gen_ai.usage.cost"),
    "session": ("langfuse.session.id", "session.id", "gen_ai.conversation.id"),
}  # fmt: skip
"""The first of these names that a span has is the one that counts."""
OPENINFERENCE_PROVIDERS = {
    "openai", "anthropic", "cohere", "mistralai", "google", "azure", "aws", "xai", "deepseek", "groq", "fireworks",
    "moonshot", "cerebras", "perplexity", "together", "ollama",
}  # fmt: skip
UNKNOWN_TO_OPENINFERENCE = {
    "openrouter", "vllm", "sglang", "tgi", "lm_studio", "llama_cpp", "openai_compatible",
}  # fmt: skip
"""Gateways and servers of one's own: a provider there would be invented."""
PRICES = {"input": 3, "cache_read": 1, "cache_write": 4, "output": 10}
"""Of a model in Phoenix, per token; a kind without one has that of input or output."""


def first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if name in attributes), None)


def phoenix_tokens(attributes: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Kinds that a span details, and what is left of its totals."""
    found: dict[tuple[str, str], int] = {}
    for side, rest in (("prompt", "input"), ("completion", "output")):
        prefix = f"llm.token_count.{side}_details."
        detailed = {name.removeprefix(prefix): n for name, n in attributes.items() if name.startswith(prefix)}
        left = attributes.get(f"llm.token_count.{side}", 0) - sum(detailed.values())
        found |= {(side, kind): count for kind, count in detailed.items()}
        found |= {(side, rest): left} if left > 0 else {}
    return found


def attempt(usage: Usage, cost: int = 12_345_678, provider: str = "bedrock") -> dict[str, Any]:
    intent = Intent(
        "a1", "t1", "run-1", "reply", 0, 0, "primary", "haiku", provider, "default", "claude-haiku-4-5", "light", False,
        10, "v1", 1,
    )  # fmt: skip
    return generation_attributes(intent) | generation_result(Completion("ok", usage, cost, "usage", 1))


def test_langfuse_takes_its_own_names_first():
    span = attempt(Usage(1_000, 300, 400, 100, 50, 120)) | {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "other", "gen_ai.response.model": "other",
    }  # fmt: skip
    assert first(span, LANGFUSE["type"]) == "generation"
    assert first(span, LANGFUSE["model"]) == "claude-haiku-4-5"
    assert json.loads(first(span, LANGFUSE["cost"])) == {"total": 0.012345678}
    assert first(span, LANGFUSE["cost"][1:]) == 0.012345678
    assert first(span, LANGFUSE["session"]) == "run-1"
    assert first(turn_attributes("run-1"), LANGFUSE["type"]) == "span"


@pytest.mark.parametrize(
    "usage, expected",
    [
        (Usage(1_000, 300, 400), {"input": 600, "cache_read_input_tokens": 400, "output": 300, "total": 1_300}),
        (Usage(1_000, None, 400), {"input": 600, "cache_read_input_tokens": 400}),
        (Usage(None, 300, None, None, None, 120), {"output": 180, "output_reasoning_tokens": 120}),
        (Usage(0, 0), {"input": 0, "output": 0, "total": 0}),
    ],
)
def test_langfuse_counts_each_token_once_also_where_only_a_part_is_known(usage: Usage, expected: dict[str, int]):
    told = first(attempt(usage), LANGFUSE["usage"])
    assert json.loads(told) == expected


def test_langfuse_is_told_no_usage_where_nobody_counted():
    assert first(attempt(Usage()), LANGFUSE["usage"]) is None


def test_phoenix_prices_each_token_once():
    tokens = phoenix_tokens(attempt(Usage(1_000, 300, 400, 100, 50, 120)))
    assert tokens == {
        ("prompt", "cache_read"): 400,
        ("prompt", "cache_write"): 150,
        ("prompt", "input"): 450,
        ("completion", "reasoning"): 120,
        ("completion", "output"): 180,
    }
    side = {"prompt": "input", "completion": "output"}
    cost = sum(count * PRICES.get(kind, PRICES[side[where]]) for (where, kind), count in tokens.items())
    assert cost == 450 * 3 + 400 * 1 + 150 * 4 + 300 * 10


def test_phoenix_knows_the_provider_of_every_target_that_has_one():
    told = {name: attempt(Usage(1, 1), provider=name)["llm.provider"] for name in provider_names()}
    unknown = {name for name, value in told.items() if value not in OPENINFERENCE_PROVIDERS}
    assert unknown <= UNKNOWN_TO_OPENINFERENCE
    assert (told["bedrock"], told["vertex"], told["azure_openai"]) == ("aws", "google", "azure")
