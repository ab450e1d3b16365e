"""Anthropic: the pages of its cost report, whose amounts are cents, and of its usage report of messages."""

from pricing.reconciliation.readers.base import Item, Reader, tier_of, token_kind


def describe(item: str) -> Item:
    """What a line is for: model, type of token and service tier, with commas between.

    >>> describe("claude-sonnet-4-5-20250929, cache_creation.ephemeral_1h_input_tokens, batch")
    Item(model='claude-sonnet-4-5-20250929', kind='cache_write_1h', service_tier='batch')
    """
    model, _, rest = item.partition(", ")
    kind = token_kind(rest.replace("ephemeral_1h", "1h"))
    return Item(model, kind, tier_of(rest))


READER = Reader(
    name="Anthropic",
    provider="anthropic",
    stages={".json": "anthropic_json", ".jsonl": "anthropic_json", ".ndjson": "anthropic_json"},
    describe=describe,
    splits_tiers=True,
    expects=(
        "pages of GET /v1/organizations/cost_report grouped by workspace_id and description (.json or .jsonl), with "
        "pages of /v1/organizations/usage_report/messages beside them"
    ),
)
