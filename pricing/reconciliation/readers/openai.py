"""OpenAI: the pages of its costs API (and of its usage API, for requests), or the dashboard's CSV of costs.

A ``line_item`` is ``gpt-4.1-mini-2025-04-14, cached input``; a service tier stands beside the model.
"""

import re

from pricing.reconciliation.readers.base import Item, Reader, tier_of, token_kind

_TIER = re.compile(r"\s*\b(?:batch|flex|priority)(?:\s+api)?\b", re.IGNORECASE)


def describe(item: str) -> Item:
    """What a line item is for.

    >>> describe("gpt-4.1-mini-2025-04-14 batch, cached input")
    Item(model='gpt-4.1-mini-2025-04-14', kind='cache_read', service_tier='batch')
    """
    model, comma, kind = item.rpartition(", ")
    if not comma:
        model, kind = item, ""
    return Item(_TIER.sub("", model).strip(), token_kind(kind), tier_of(item))


READER = Reader(
    name="OpenAI",
    provider="openai",
    stages={".json": "openai_json", ".jsonl": "openai_json", ".ndjson": "openai_json", ".csv": "openai_csv"},
    describe=describe,
    splits_tiers=True,
    expects=(
        "pages of GET /v1/organization/costs grouped by project_id and line_item (.json or .jsonl), with pages of "
        "/v1/organization/usage/completions beside them if you have these, or the dashboard's costs as .csv"
    ),
)
