"""OpenRouter: its activity, a line per day, model and endpoint with one amount for all tokens."""

from pricing.reconciliation.readers.base import Item, Reader

READER = Reader(
    name="OpenRouter",
    provider="openrouter",
    stages={
        ".json": "openrouter_json",
        ".jsonl": "openrouter_json",
        ".ndjson": "openrouter_json",
        ".csv": "openrouter_csv",
    },
    describe=lambda item: Item(item.removesuffix(":free"), "all"),
    splits_tiers=False,
    expects="the answer of GET /api/v1/activity (.json), or its lines as .csv",
)
