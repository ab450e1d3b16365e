"""Attributes by which tracing tools show attempts as generations with their cost.

Langfuse (packages/shared/src/server/otel, OtelIngestionProcessor.ts at 0030ed8 and ObservationTypeMapper.ts at 005da4e)
reads ``langfuse.observation.*`` before any other name: its kinds of tokens must not overlap, so cached and reasoning
tokens are taken out of input and output; without cost details it reads ``gen_ai.usage.cost``.

Phoenix (src/phoenix/server, cost_details_calculator.py at 1e5ea66, cost_model_lookup.py at bd188fe and
span_cost_calculator.py at 022beea) reads OpenInference's names (openinference-semantic-conventions at 0101ec1), in
which prompt tokens include cached ones. It multiplies tokens with the prices of its own that it has for
``llm.model_name``, preferring those of ``llm.provider``; ``llm.cost.*`` is kept with the span, but not summed
(Phoenix issue 15240).

Costs are dollars: exact amounts are in ``farebox.cost.nano_usd``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from pricing import Nano, Usage, dollars
from pricing.ledger import Completion, Intent

if TYPE_CHECKING:  # its store needs the database's library
    from pricing import Captured

BackendAttributes: TypeAlias = dict[str, str | int | float | bool]

SESSION: Final = "session.id"
"""Both group traces by it: the run's id."""
LANGFUSE_KIND: Final = "langfuse.observation.type"
LANGFUSE_MODEL: Final = "langfuse.observation.model.name"
LANGFUSE_USAGE: Final = "langfuse.observation.usage_details"
LANGFUSE_COST: Final = "langfuse.observation.cost_details"
LANGFUSE_LEVEL: Final = "langfuse.observation.level"
LANGFUSE_STATUS: Final = "langfuse.observation.status_message"
LANGFUSE_INPUT: Final = "langfuse.observation.input"
LANGFUSE_OUTPUT: Final = "langfuse.observation.output"
USAGE_COST: Final = "gen_ai.usage.cost"
PHOENIX_KIND: Final = "openinference.span.kind"
PHOENIX_MODEL: Final = "llm.model_name"
PHOENIX_PROVIDER: Final = "llm.provider"
PHOENIX_PROMPT: Final = "llm.token_count.prompt"
PHOENIX_COMPLETION: Final = "llm.token_count.completion"
PHOENIX_TOTAL: Final = "llm.token_count.total"
PHOENIX_CACHE_READ: Final = "llm.token_count.prompt_details.cache_read"
PHOENIX_CACHE_WRITE: Final = "llm.token_count.prompt_details.cache_write"
PHOENIX_REASONING: Final = "llm.token_count.completion_details.reasoning"
PHOENIX_COST: Final = "llm.cost.total"
PHOENIX_INPUT: Final = "input.value"
PHOENIX_INPUT_KIND: Final = "input.mime_type"
PHOENIX_OUTPUT: Final = "output.value"
PHOENIX_OUTPUT_KIND: Final = "output.mime_type"

_PHOENIX_PROVIDERS: Final[Mapping[str, str]] = {
    "azure_openai": "azure",
    "bedrock": "aws",
    "gemini": "google",
    "mistral": "mistralai",
    "vertex": "google",
}
"""What OpenInference calls providers, where that is not the name they have here."""


def turn_attributes(run_id: str) -> BackendAttributes:
    """The attributes of a turn that begins: a span that holds generations."""
    return {SESSION: run_id, LANGFUSE_KIND: "span", PHOENIX_KIND: "CHAIN"}


def generation_attributes(intent: Intent) -> BackendAttributes:
    """The attributes of an attempt that begins."""
    return {
        SESSION: intent.run_id,
        LANGFUSE_KIND: "generation",
        LANGFUSE_MODEL: intent.model,
        PHOENIX_KIND: "LLM",
        PHOENIX_MODEL: intent.model,
        PHOENIX_PROVIDER: _PHOENIX_PROVIDERS.get(intent.provider, intent.provider),
    }


def generation_result(completion: Completion) -> BackendAttributes:
    """The attributes of an attempt that ended: known tokens and cost."""
    failed: BackendAttributes = {LANGFUSE_LEVEL: "ERROR", LANGFUSE_STATUS: completion.outcome}
    return (
        cost_attributes(completion.cost_nano)
        | _usage(completion.usage)
        | ({} if completion.outcome == "ok" else failed)
    )


def cost_attributes(cost_nano: Nano) -> BackendAttributes:
    """A cost under the names of both tools."""
    cost = float(dollars(cost_nano))
    return {LANGFUSE_COST: json.dumps({"total": cost}), USAGE_COST: cost, PHOENIX_COST: cost}


def content_attributes(turn: Captured) -> BackendAttributes:
    """The masked prompt and answer of a turn, where ``[content]`` keeps and exports them."""
    asked = [{"role": "system", "content": turn.system}] if turn.system else []
    asked += [{"role": str(one["role"]), "content": str(one["text"])} for one in turn.messages]
    text = json.dumps(asked, ensure_ascii=False)
    found: BackendAttributes = {LANGFUSE_INPUT: text, PHOENIX_INPUT: text, PHOENIX_INPUT_KIND: "application/json"}
    if turn.answer is not None:
        found |= {LANGFUSE_OUTPUT: turn.answer, PHOENIX_OUTPUT: turn.answer, PHOENIX_OUTPUT_KIND: "text/plain"}
    return found


def _usage(usage: Usage) -> BackendAttributes:
    read, reasoning = usage.cache_read_tokens, usage.reasoning_tokens
    writes = [count for count in (usage.cache_write_tokens, usage.cache_write_1h_tokens) if count is not None]
    written = sum(writes) if writes else None
    known: Mapping[str, int | None] = {
        PHOENIX_PROMPT: usage.input_tokens,
        PHOENIX_COMPLETION: usage.output_tokens,
        PHOENIX_CACHE_READ: read,
        PHOENIX_CACHE_WRITE: written,
        PHOENIX_REASONING: reasoning,
    }
    found: BackendAttributes = {name: count for name, count in known.items() if count is not None}
    details: dict[str, int] = {}
    if usage.input_tokens is not None:
        details["input"] = usage.input_tokens - (read or 0) - (written or 0)
        details |= {"cache_read_input_tokens": read} if read else {}
        details |= {"cache_creation_input_tokens": written} if written else {}
    if usage.output_tokens is not None:
        details["output"] = usage.output_tokens - (reasoning or 0)
        details |= {"output_reasoning_tokens": reasoning} if reasoning else {}
    if usage.input_tokens is not None and usage.output_tokens is not None:
        found[PHOENIX_TOTAL] = details["total"] = usage.input_tokens + usage.output_tokens
    return found | ({LANGFUSE_USAGE: json.dumps(details)} if details else {})
